"""A capstone project: a task file, its warm start and its runs, and a card for each stage.

The learner's own are kept in one folder beside the notebooks; without a task file of their own it
is the course's worked example, whose start and runs are shipped in ``data/``.
"""

import json
import random
import time
from os.path import commonprefix
from pathlib import Path

import torch
from IPython.display import HTML, DisplayHandle, display

from ...experiments import evidence
from ...experiments.evidence import Experiment
from ...experiments.experiment import make_trainer
from ...experiments.record import portable, provenance, write_run
from ...experiments.statistics import RUNS, Run, load
from ...experiments.tiny_qwen import room
from ...experiments.warmstart import warm_start
from ...models import TINY_QWEN, load_policy, load_tokenizer
from ...rollout import sample
from ...support.checkpoints import atomic_write
from ...support.rewards import call_reward
from ...tasks import has_thought, is_right
from ..cards import Card, table
from ..live import responses
from ..mine.running import MyGRPO
from . import file, stages
from .attacks import Paid, RewardTrouble, attack_all, constant, in_order
from .file import TaskFile
from .stages import Start

STEPS_A_MINUTE, FEWEST_STEPS, BATCH = 50, 60, 64  # of a warm start
ASKED, GROUP = 64, 8  # questions, and responses to each, for a look at the start
NAME = "runs"  # of the learner's file of runs


class Project:
    """The capstone of one task.

    Args:
        path: the learner's task file; None: the course's worked example.

    Attributes:
        file: the task file as it was read.
        cards: what each stage has said so far, by stage; the report is made of them.
    """

    def __init__(self, path: str | None = None, example: str = "cups"):
        self.own = path is not None
        self.file: TaskFile = file.read(path) if self.own else file.of_the_course(example)
        self.folder = file.folder()
        self.example = example
        self.cards: dict[str, Card] = {}

    def __repr__(self) -> str:
        where = f"{self.folder}/" if self.own else "data/, as it was recorded"
        return f"task {self.task.name!r} of {self.file.name}; start and runs in {where}"

    @property
    def task(self):
        """The task itself."""
        return self.file.task

    @property
    def start(self) -> Path:
        """Folder of the warm-started model."""
        if self.own:
            return self.folder / "start"
        return self.experiment.model

    @property
    def room(self) -> int:
        """Tokens that a response may take: as the longest demonstration needs, in steps of 32."""
        records = self.task.dataset(200, seed=0)
        return room(self.task, load_tokenizer(TINY_QWEN), records)

    @property
    def experiment(self) -> Experiment:
        """Both algorithms, three seeds."""
        if self.own:
            return evidence.capstone(self.task.name, self.start, self.room)
        return evidence.EXPERIMENTS[f"capstone-{self.example}"]

    # ------------------------------------------------------------------ 1 and 2: task and reward

    def problem(self) -> HTML:
        """A few problems, each answered without and with thinking; stage 1's card."""
        self.cards["task"] = card = stages.task_card(self.task)
        display(card)
        return table(stages.examples(self.task))

    def attack(self) -> HTML:
        """Every attack on the reward, and what it was paid; stage 2's card."""
        try:
            found, lazy, trouble = attack_all(self.file), constant(self.task), in_order(self.task)
        except RewardTrouble as error:
            found, lazy, trouble = [], ("", 0.0), str(error)
        card = stages.reward_card(found, lazy, trouble, self.file.cheats is not None)
        self.cards["reward"] = card
        display(card)
        tried = [attack_row(paid) for paid in found if paid.tried]
        return table(tried) if tried else HTML("")

    # ------------------------------------------------------------------ 3: the warm start

    def warm_start(self, run: bool, minutes: float = 4.0) -> None:
        """Imitate demonstrations, for about so many minutes; only if ``run``.

        It is made again only if the file does something else by now, or ``minutes`` is another.
        """
        if run:
            self._require_own()
        made = self.about_start
        if run and (made.get("mark"), made.get("asked")) != (self.file.mark, minutes):
            steps, began = self.steps_that_fit(minutes), time.perf_counter()
            model, tokenizer = warm_start(self.task, steps, BATCH, start=TINY_QWEN)
            model.save_pretrained(self.start)
            tokenizer.save_pretrained(self.start)
            about = {"steps": steps, "minutes": round((time.perf_counter() - began) / 60, 1)}
            about |= {"asked": minutes, "mark": self.file.mark, "task": self.task.name}
            about |= provenance()
            atomic_write(self.start / "about.json", json.dumps(about, indent=1))
        display(self._origin_of_start())

    def steps_that_fit(self, minutes: float) -> int:
        """How many steps of the warm start take so long, by five of them.

        On a fast machine it takes less long: fifty steps a minute are the most.
        """
        began = time.perf_counter()
        warm_start(self.task, 5, BATCH, start=TINY_QWEN)
        each = (time.perf_counter() - began) / 5
        return min(max(int(60 * minutes / each), FEWEST_STEPS), int(STEPS_A_MINUTE * minutes))

    def look_at_start(self) -> HTML:
        """What the warm-started model says before any reward; stage 3's card."""
        found = self.measure_start()
        self.cards["start"] = card = stages.start_card(found)
        display(card)
        if found.slips:
            display(table([slip_row(*slip) for slip in found.slips]))
        return responses(found.texts, found.rewards, found.questions)

    def measure_start(self) -> Start:
        """Groups of responses to training problems, as the first step of GRPO would see them."""
        model, tokenizer = load_policy(self.started(), "cpu")
        records = self.task.dataset(ASKED, seed=7)
        rollout = sample(
            model, tokenizer, [record["prompt"] for record in records], GROUP, self.room,
            generator=torch.Generator().manual_seed(0),
        )  # fmt: skip
        rewards = call_reward(self.task.reward, records, rollout)
        right = is_right(rewards, self.task.full_reward).float()
        thinks = torch.tensor([has_thought(text) for text in rollout.texts])
        groups = rewards.view(-1, GROUP)
        counts_A4 = torch.stack([right * thinks, thinks, right * ~thinks, ~thinks], dim=1)
        counts_A4 = counts_A4.view(-1, GROUP, 4).sum(1)
        shown = range(0, len(rollout), len(rollout) // 6)
        return Start(
            right=right.mean().item(),
            thinks=thinks.float().mean().item(),
            silent=(groups.amax(1) == groups.amin(1)).float().mean().item(),
            cut=rollout.truncated_B.float().mean().item(),
            right_thinking=right[thinks].mean().item(),
            right_else=right[~thinks].mean().item(),
            gap=stages.gap_of(counts_A4),
            slips=self._slips(records, rollout.texts, (thinks & (right == 0)).tolist()),
            questions=[records[i // GROUP]["prompt"][-1]["content"] for i in shown],
            texts=[rollout.texts[i] for i in shown],
            rewards=[float(right[i]) for i in shown],
        )

    def _slips(self, records: list, texts: list[str], wrong: list[bool], most: int = 4) -> list:
        """A few wrong thoughts, one a question, beside what the demonstration thinks there."""
        found = {}
        for i, text in enumerate(texts):
            record = records[i // GROUP]
            if wrong[i] and i // GROUP not in found and len(found) < most:
                shown = self.task.demonstrate(random.Random(0), record, True)
                question = record["prompt"][-1]["content"]
                found[i // GROUP] = question, shown, text, len(commonprefix([shown, text]))
        return list(found.values())

    def expect(self, words: str) -> Card:
        """What the learner expects, kept with whether it was written before the trainings."""
        self.cards["expected"] = card = self._expected(words.strip())
        return card

    def _expected(self, words: str) -> Card:
        if not words:
            return Card("not tried yet", "What do you expect?", (
                "What will become of right answers, what of thinking, and by which rule will you "
                "call it learned? Write it into EXPECTED: no training starts before that.",
            ))  # fmt: skip
        if not self.own:
            return Card("note", "Written before the run", (words,))
        everything = self._said()
        said = everything.setdefault(self.mark, [])
        if not said or said[-1]["words"] != words:
            said.append({"words": words, "before": not self._own_runs()})
            self.folder.mkdir(parents=True, exist_ok=True)
            atomic_write(self.folder / "expected.json", json.dumps(everything, indent=1))
        first, lines = said[0], (said[0]["words"],)
        if len(said) > 1:
            lines += (f"Changed since, {len(said) - 1} times; this is the first.",)
        when = "before" if first["before"] else "only after"
        return Card("ok" if first["before"] else "problem", f"Written {when} the run", lines)

    @property
    def expectations(self) -> list[dict]:
        """What the learner has expected of the file as it is now, oldest first."""
        return self._said().get(self.mark, []) if self.own else []

    def _said(self) -> dict[str, list[dict]]:
        """All expectations, by the file and start that they are about."""
        path = self.folder / "expected.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    @property
    def mark(self) -> str:
        """Changes with what the file does and with how long it was imitated."""
        return f"{self.file.mark} {self.about_start.get('asked', '')}".strip()

    # ------------------------------------------------------------------ 4 and 5: one training

    def trained(self, before: dict, after: dict, size: int, my: MyGRPO) -> Card:
        """Did it learn more than the luck of an exam of that size, and on whose pieces?"""
        card = stages.exam_card(before, after, size)
        none = self.own and my.own == 0 and card.status == "ok"
        self.cards["training"] = card = Card(
            "note" if none else card.status,
            f"{card.title}, on none of your own pieces" if none else card.title,
            (*card.lines, f"Trained on {my.own} pieces of your own."),
        )
        return card

    def diagnosed(self, history: list[dict], words: str) -> Card:
        """What the metrics say, beside what the learner says; stage 5's card."""
        self.cards["diagnosis"] = card = stages.diagnosis_card(history, words)
        return card

    # ------------------------------------------------------------------ 6: three seeds, and PPO

    def race(self, run: bool) -> None:
        """Train GRPO and PPO from three seeds each; only if ``run``. What is there stays."""
        if run:
            self._require_own()
            self.started()
            if not self.expectations:
                raise file.TaskFileError("write down what you expect first: EXPECTED = ...")
            self._make_runs()
        display(self._origin_of_runs())

    def _make_runs(self) -> None:
        experiment, path = self.experiment, self.folder / f"{NAME}.jsonl"
        there = {(label, run.seed) for label, runs in self._own_runs().items() for run in runs}
        left = [run for run in experiment.runs() if run not in there]
        told = DisplayHandle()
        told.display(HTML(""))
        threads = torch.get_num_threads()
        for number, (label, seed) in enumerate(left, start=1):
            setting = experiment.settings[label]
            model = str(self.start)
            trainer = make_trainer(setting, seed, model, threads)

            def show(row: dict, label=label, seed=seed, number=number) -> None:
                step = f"step {row['step']} of {experiment.steps}"
                told.update(HTML(f"Run {number} of {len(left)}: {label}, seed {seed}, {step}"))

            trainer.train(experiment.steps, evaluate_every=experiment.evaluate_every, on_step=show)
            about = {"experiment": "capstone", "setting": label, "mark": self.mark}
            write_run(path, trainer, **about)

    def _own_runs(self) -> dict[str, list[Run]]:
        """The learner's runs of the file as it is now."""
        if not (self.folder / f"{NAME}.jsonl").exists():
            return {}
        found = load(NAME, self.folder)
        now = {
            label: [run for run in runs if run.header.get("mark") == self.mark]
            for label, runs in found.items()
        }
        return {label: runs for label, runs in now.items() if runs}

    @property
    def runs(self) -> dict[str, list[Run]]:
        """Recorded runs by algorithm.

        Raises:
            TaskFileError: there are none of the file as it is now.
        """
        found = self._own_runs() if self.own else load(f"capstone-{self.example}", RUNS)
        if not (found.get("grpo") and found.get("ppo")):
            raise file.TaskFileError(
                f"{self.folder}/{NAME}.jsonl holds no run of each algorithm for {self.file.name} "
                f"as it is now: RUN = True makes them"
            )
        return found

    def compared(self) -> Card:
        """Gain over the start, and GRPO minus PPO, with intervals over seeds; stage 6's card."""
        self.cards["comparison"] = card = stages.comparison_card(self.runs)
        return card

    # ------------------------------------------------------------------ where things come from

    def _require_own(self) -> None:
        if not self.own:
            raise file.TaskFileError(
                "RUN = True makes start and runs of a task of your own; those of the worked "
                "example are shipped. Name your file in TASK_FILE"
            )

    def started(self) -> Path:
        """The warm-started model's folder, where there is one.

        Raises:
            TaskFileError: there is none yet.
        """
        if not (self.start / "config.json").exists():
            raise file.TaskFileError(
                f"there is no warm-started model in {portable(str(self.start))} yet: RUN = True "
                f"makes it"
            )
        about = self.about_start
        if self.own and about.get("mark") != self.file.mark:
            display(
                Card("problem", "The warm start is older than your file",
                     (f"{self.file.name} has changed since. If problem or demonstration changed, "
                      f"make the start again with RUN = True.",))
            )  # fmt: skip
        return self.start

    @property
    def about_start(self) -> dict:
        """What made the learner's start."""
        path = self.start / "about.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def _origin_of_start(self) -> Card:
        if not self.own:
            return Card("note", "The start is the recorded one", (
                f"`data/{self.start.name}`; its README says which command made it, and how good "
                f"it is.",))  # fmt: skip
        about = self.about_start
        if not about:
            return Card("note", "There is no warm start yet", ("`RUN = True` makes it.",))
        lines = (
            f"{about['steps']} steps in {about['minutes']} minutes, kept in `{self.start}`.",
            "To imitate for longer: `project.warm_start(RUN, minutes=8)`.",
        )
        return Card("note", "The start is yours", lines)

    def _origin_of_runs(self) -> Card:
        try:
            runs = self.runs
        except file.TaskFileError as error:
            return Card("note", "There are no runs yet", (str(error),))
        header = runs["grpo"][0].header
        where = (
            f"{self.folder}/{NAME}.jsonl"
            if self.own
            else f"data/runs/capstone-{self.example}.jsonl"
        )
        number = ", ".join(f"{len(group)} of {label.upper()}" for label, group in runs.items())
        seconds = sum(run.rows[-1]["cpu_seconds"] for group in runs.values() for run in group)
        commit = (header.get("commit") or "unknown")[:7]
        made = f"torch {header['versions']['torch']}, threads: {header['threads']}"
        lines = (
            f"`{where}`, commit `{commit}`, {made}.",
            f"They took {seconds / 60:.1f} minutes of processor time.",
        )
        return Card("note", f"Recorded runs: {number}", lines)


def slip_row(question: str, shown: str, said: str, same: int) -> dict:
    """One row of the table of wrong thoughts: where it leaves the demonstration."""
    return {"question": question, "demonstrated": shown,
            "a wrong thought, ▸ where it leaves that": f"{said[:same]}▸{said[same:]}",
            "after, of the demonstration": f"{same / len(shown):.0%}"}  # fmt: skip


def attack_row(paid: Paid) -> dict:
    """One row of the table of attacks."""
    word = "nothing" if not paid.paid else f"{paid.paid} of {paid.tried}"
    return {"attack": paid.attack.name, "tried": paid.tried, "paid": word,
            "for example": f"{paid.example[0]} {paid.example[1][:48]}"}  # fmt: skip
