"""The capstone: each stage says what is wrong with what learners bring, and why."""

import random
import re
from dataclasses import replace

import pytest
import torch

from grpo_mini import GRPOConfig
from grpo_mini.course import my_grpo
from grpo_mini.course.capstone import (
    Project,
    TaskFileError,
    begin,
    file,
    race_figure,
    rubric_rows,
    stages,
    write_report,
)
from grpo_mini.course.capstone.attacks import attack_all, constant, in_order
from grpo_mini.course.capstone.project import slip_row
from grpo_mini.course.capstone.stages import Start
from grpo_mini.course.capstone.two_turns import TwoTurnTrainer
from grpo_mini.course.cards import Card
from grpo_mini.course.exercises.ppo_vs_grpo import interval_of_difference
from grpo_mini.experiments import evidence
from grpo_mini.experiments.statistics import Interval, Run, student, welch
from grpo_mini.support.measure import wilson_interval
from grpo_mini.support.rewards import RewardError
from grpo_mini.tasks import TASKS, completion_text, parse_response

SHIPPED = ("chain-sums", "countdown", "cups", "words")


@pytest.fixture(autouse=True)
def beside_the_notebooks(tmp_path, monkeypatch):
    """Files of a learner go into a folder of the test's own, and what was registered goes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRPO_MINI_CAPSTONE", "my_capstone")
    monkeypatch.setenv("GRPO_MINI_MY_GRPO", str(tmp_path / "my_grpo.py"))
    before = dict(TASKS)
    yield tmp_path
    TASKS.clear()
    TASKS.update(before)


# ---------------------------------------------------------------------------- the file


def test_the_first_file_is_a_task_that_works_and_stays(fewer):
    assert begin().status == "ok"
    found = file.read("my_task.py")
    assert found.task.name == "my-task" in TASKS and found.cheats is not None
    assert stages.task_card(found.task).status == "ok"
    assert not any(paid.paid for paid in attack_all(found))
    text = open("my_task.py", encoding="utf-8").read()
    assert begin().status == "note"
    assert open("my_task.py", encoding="utf-8").read() == text


def changed(old: str, new: str) -> str:
    """The first file with a change, written."""
    begin()
    text = open("my_task.py", encoding="utf-8").read()
    assert old in text
    with open("my_task.py", "w", encoding="utf-8") as out:
        out.write(text.replace(old, new, 1))
    return "my_task.py"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("CUPS = 5", "CUPS = = 5", r"line \d+: SyntaxError"),
        ("CUPS = 5", "CUPS = 5\nCUPS / 0", r"line 12: ZeroDivisionError"),
        ('"my-task"', '"cups"', "already; give yours another name"),
        ("CUPS_TASK = Task(", "def task(): return Task(", "holds 0 tasks"),
        ("CUPS_TASK = Task(", "A = B = Task(", "holds 2 tasks"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(old, new, said):
    with pytest.raises(TaskFileError, match=said):
        file.read(changed(old, new))


def test_a_file_that_is_not_there_says_how_to_begin():
    with pytest.raises(TaskFileError, match=r'begin\("mine.py"\)'):
        file.read("mine.py")


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("CUPS = 5", "# five\nCUPS = 5", True),
        ("Where the ball is after", "Where it is after", True),
        ('f"not {wrong}"', 'f"no {wrong}"', True),  # a cheat
        ("FEWEST, MOST = 4, 6", "FEWEST, MOST = 4, 7", False),
        ("float(text == right)", "2 * float(text == right)", False),
    ],
)
def test_trainings_count_for_what_the_file_does(old, new, same):
    begin()
    before = file.read("my_task.py").mark
    assert (file.read(changed(old, new)).mark == before) == same


# ---------------------------------------------------------------------------- the task's card


@pytest.fixture
def fewer(monkeypatch):
    """A training of few problems shows as well whether there are enough."""
    monkeypatch.setattr("grpo_mini.trainer.TrainerConfig.train_problems", 300)


def with_questions(change):
    """Cups with another question."""
    task = TASKS["cups"]

    def make(rng):
        record = task.make_problem(rng)
        question = change(record["prompt"][-1]["content"])
        return record | {"prompt": [{"role": "user", "content": question}]}

    def right(rng, record, think):
        return "<think>1</think>" * think + f"<answer>{record['answer']}</answer>"

    return replace(task, make_problem=make, demonstrate=right)


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (with_questions(lambda question: f"ball {question}"), "if there are letters in it"),
        (with_questions(lambda question: question[:4]), "Too few problems"),
        (with_questions(lambda question: re.sub(r"\d", "(", question)), "Too few problems"),
        (
            replace(TASKS["cups"], demonstrate=lambda rng, record, think: "<answer>1</answer>"),
            "demonstrations are not paid",
        ),
        (
            replace(
                TASKS["cups"],
                demonstrate=lambda rng, record, think: f"<answer>{record['answer']}</answer>",
            ),
            "With think=True a demonstration has no thought",
        ),
        (
            replace(
                TASKS["cups"],
                demonstrate=lambda rng, record, think: (
                    f"<think>{'7' * 200}</think><answer>{record['answer']}</answer>"
                ),
            ),
            "The longest demonstration has",
        ),
        (
            replace(
                TASKS["cups"], make_problem=lambda rng: TASKS["cups"].make_problem(random.Random())
            ),
            "The same seed makes other problems",
        ),
    ],
)
def test_a_task_that_is_not_sound_is_told_why(task, said, fewer):
    card = stages.task_card(task)
    assert card.status == "problem" and said in f"{card.title} {card.lines}"


@pytest.mark.parametrize("name", SHIPPED)
def test_the_tasks_of_the_course_are_sound(name, fewer):
    if name != "words":  # its numbers of problems are a chat model's
        assert stages.task_card(TASKS[name]).status == "ok"
    found = attack_all(file.of_the_course(name))
    assert not [paid for paid in found if paid.paid] and in_order(TASKS[name]) is None


# ---------------------------------------------------------------------------- the reward's card


def texts_of(completions):
    return [completion_text(completion) for completion in completions]


def paid_if(rule):
    """A reward of a rule on text and answer, which ignores everything else."""

    def reward(completions, answer, **columns):
        return [float(rule(t, a)) for t, a in zip(texts_of(completions), answer, strict=True)]

    return reward


def tagged(text):
    return re.findall(r"<answer>(.*?)</answer>", text, re.DOTALL)


def as_number(text, answer):
    parts = parse_response(text)
    try:
        return parts is not None and int(parts[1]) == int(answer)
    except ValueError:
        return False


def exact(text, answer):
    form = re.fullmatch(r"(<think>[^<>]*</think>)?<answer>([^<>]*)</answer>", text)
    return form is not None and form[2] == answer


# A verifier that somebody wrote -> attacks that must be paid by it, by their names.
WRONG = {
    "searches the text": (lambda t, a: a in t, ["the answer in the thought only"]),
    "the last answer": (lambda t, a: tagged(t)[-1:] == [a], ["two answers, the right one last"]),
    "the first answer": (lambda t, a: tagged(t)[:1] == [a], ["two answers, the right one first"]),
    "in the answer": (
        lambda t, a: bool(tagged(t)) and a in tagged(t)[-1],
        ["right and wrong in one answer", "cheat 1 of the file's own"],
    ),
    "begins right": (
        lambda t, a: t.rpartition("<answer>")[2].startswith(a),
        ["digits that begin right", "an answer that is never closed"],
    ),
    "matches from the beginning": (
        lambda t, a: bool(re.match(rf"(<think>.*</think>)?<answer>{re.escape(a)}</answer>", t)),
        ["text behind the answer"],
    ),
    "matches to the end": (
        lambda t, a: bool(re.search(rf"<answer>{re.escape(a)}</answer>$", t)),
        ["text before it", "a thought that is never closed"],
    ),
    "no form": (lambda t, a: t == a or exact(t, a), ["no form, only the answer"]),
    "takes tags apart": (
        lambda t, a: re.sub(r"<.*?>|7{9,}", "", t) == a,
        ["an answer in an answer", "twenty thousand characters"],
    ),
    "pays all": (lambda t, a: True, ["nothing at all", "a wrong answer"]),
    "an empty one": (lambda t, a: tagged(t)[-1:] in ([a], [""]), ["an empty answer"]),
    "not cut off": (exact, ["right, but cut off"]),
    "answers anywhere": (lambda t, a: a in tagged(t), ["an answer inside the thought"]),
    "even or odd": (
        lambda t, a: len(tagged(t)) == 1 and tagged(t)[0].isdigit() and (
            int(tagged(t)[0]) - int(a)) % 2 == 0,
        ["a wrong answer"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_each_wrong_verifier_is_named_by_what_it_pays(name):
    rule, expected = WRONG[name]
    task = replace(TASKS["cups"], reward=paid_if(rule))
    found = attack_all(replace(file.of_the_course("cups"), task=task))
    cheats = [paid.attack.name for paid in found if paid.is_cheat]
    assert set(expected) <= set(cheats), cheats
    card = stages.reward_card(found, constant(task), in_order(task), True)
    assert card.status == "problem" and f"`{expected[0]}` is paid" in str(card.lines)


def test_many_spellings_are_mentioned_and_no_cheat():
    strict = TASKS["cups"].reward

    def reward(completions, answer, truncated=None, **columns):
        pairs = zip(texts_of(completions), answer, truncated, strict=True)
        return [float(as_number(t, a) and not cut) for t, a, cut in pairs]

    task = replace(TASKS["cups"], reward=reward)
    found = attack_all(replace(file.of_the_course("cups"), task=task))
    assert {p.attack.name for p in found if p.paid} == {
        "zeros in front", "a sign in front", "digits of another script",
    }  # fmt: skip
    card = stages.reward_card(found, constant(task), None, True)
    assert card.status == "ok" and "no cheat, but mind it" in str(card.lines)
    assert strict(["<answer>01</answer>"], ["1"]) == [0.0]


def test_what_a_lazy_answer_earns_is_counted():
    answer, share = constant(TASKS["cups"])
    assert answer in "12345" and 0.15 <= share < 0.25
    lucky = replace(
        TASKS["cups"],
        make_problem=lambda rng: {
            "prompt": [{"role": "user", "content": f"{rng.random()}="}],
            "answer": str(rng.randint(1, 200)),
        },
        demonstrate=lambda rng, record, think: f"<answer>{record['answer']}</answer>",
    )
    assert constant(lucky)[1] < 0.02, "the best of two hundred by luck, counted where it was luck"
    parity = replace(
        TASKS["cups"],
        make_problem=lambda rng: TASKS["cups"].make_problem(rng) | {"answer": "yes"},
        demonstrate=lambda rng, record, think: "<answer>yes</answer>",
    )
    card = stages.reward_card(attack_all(file.of_the_course("cups")), constant(parity), None, True)
    assert card.status == "problem" and "always answers `yes` is right in 100%" in str(card.lines)


def compares_the_batch(completions, **columns):
    best = max(map(len, texts_of(completions)))
    return [float(len(text) == best) for text in texts_of(completions)]


def draws(completions, **columns):
    return [random.random() for _ in completions]


@pytest.mark.parametrize(
    ("reward", "said"),
    [(compares_the_batch, "depends on the other responses"), (draws, "Asked the same twice")],
)
def test_a_reward_that_is_no_function_is_told_so(reward, said):
    trouble = in_order(replace(TASKS["cups"], reward=reward))
    assert said in trouble
    card = stages.reward_card(attack_all(file.of_the_course("cups")), ("", 0.0), trouble, False)
    assert card.status == "problem" and said in card.lines[0]
    assert "has no `cheats(record)`" in card.lines[-1]


@pytest.mark.parametrize(
    ("reward", "said"),
    [
        (lambda completions, **columns: 1.0, "return a list with a number a completion"),
        (lambda completions, **columns: [1.0], "return a list with a number a completion"),
        (
            paid_if(lambda t, a: int(re.sub(r"\D", "", t)) == int(a)),
            "It fails on the response ``: ValueError",
        ),
        (lambda completions: [1.0] * len(completions), "unexpected keyword argument"),
    ],
)
def test_a_reward_that_fails_is_told_on_what(reward, said, capsys):
    begin()
    project = Project("my_task.py")
    project.file = replace(project.file, task=replace(project.task, reward=reward))
    project.attack()
    assert project.cards["reward"].status == "problem" and said in project.cards["reward"].lines[0]


# ---------------------------------------------------------------------------- the other cards

START = Start(0.4, 0.2, 0.3, 0.0, 0.9, 0.3, Interval(0.6, 0.5, 0.7), [], [], [])


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({}, "ok", "Thinking pays here"),
        ({"gap": Interval(-0.2, -0.3, -0.1)}, "ok", "Thinking costs right answers here"),
        ({"gap": Interval(0.1, -0.1, 0.3)}, "ok", "Whether thinking pays here, these do not"),
        ({"right": 0.95, "silent": 0.8}, "problem", "right already: make the problems harder"),
        ({"right": 0.02, "silent": 0.9}, "problem", "make the problems easier"),
        ({"thinks": 0.0, "right_thinking": float("nan")}, "problem", "Hardly any response thinks"),
        ({"cut": 0.4}, "problem", "does a demonstration end?"),
    ],
)
def test_the_start_is_judged_by_its_silence_and_its_thoughts(change, status, said):
    card = stages.start_card(replace(START, **change))
    assert card.status == status and said in str(card.lines)


def exam(right, think=0.2):
    low, high = wilson_interval(round(300 * right), 300)
    return {
        "eval_accuracy": right, "eval_think_share": think, "eval_low": low, "eval_high": high,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "status", "said"),
    [
        (0.40, 0.60, "ok", "more than the luck"),
        (0.40, 0.47, "note", "No more than the luck"),
        (0.60, 0.40, "note", "It got worse"),
        (0.40, 0.40, "note", "No more than the luck"),
    ],
)
def test_a_gain_is_held_against_the_luck_of_the_exam(before, after, status, said):
    card = stages.exam_card(exam(before), exam(after), 300)
    assert card.status == status and said in card.title


def test_the_luck_of_the_exam_is_that_of_its_draws():
    """Two exams of one policy: the interval of their difference leaves out 0 one time in 20."""
    rng, out = random.Random(0), 0
    for _ in range(2000):
        a, b = (sum(rng.random() < 0.4 for _ in range(300)) / 300 for _ in range(2))
        out += stages.exam_card(exam(a), exam(b), 300).title != "No more than the luck of the exam"
    assert 0.035 < out / 2000 < 0.065


HISTORY = {
    "reward_mean": 0.4, "think_share": 0.2, "length_mean": 20.0, "silent_group_share": 0.3,
    "truncated_share": 0.0, "entropy": 0.5, "grad_norm": 1.0, "log_prob_distance": 1e-6,
}  # fmt: skip


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ({}, "The mean reward stays"),
        ({"reward_mean": 0.8}, "The mean reward rises, from 0.40 to 0.80"),
        ({"think_share": 0.05}, "Thinking falls, from 0.20 to 0.05"),
        ({"length_mean": 40.0}, "although it does not pay"),
        ({"length_mean": 40.0, "reward_mean": 0.8}, "and it pays"),
        ({"length_mean": 10.0}, "Responses shrink"),
        ({"silent_group_share": 0.9}, "nothing left to compare"),
        ({"truncated_share": 0.3}, "30% are cut off"),
        ({"entropy": 0.05}, "exploration is nearly over"),
        ({"grad_norm": 40.0}, "One gradient is 40 times as long"),
        ({"log_prob_distance": 0.2}, "that is a bug"),
    ],
)
def test_the_metrics_are_read(end, said):
    history = [dict(HISTORY) for _ in range(10)]
    quiet = " ".join(stages.signs(history))
    history[-2:] = [HISTORY | end for _ in range(2)]
    assert said in " ".join(stages.signs(history))
    assert not end or said not in quiet


def test_a_diagnosis_comes_before_the_metrics_are_read():
    history = [HISTORY] * 5
    assert stages.diagnosis_card(history, "  ").status == "not tried yet"
    card = stages.diagnosis_card(history, "It learned to count.")
    assert card.status == "note" and card.lines[0] == "You: It learned to count."


def runs(grpo, ppo, start=0.3, think=(0.2, 0.9), luck=0.0):
    """Recorded runs with these ends, a seed each."""

    def run(seed, end, name):
        rows = [
            {
                "step": 0,
                "samples": 0,
                "eval_accuracy": start,
                "eval_think_share": think[0],
                "eval_low": start - luck,
                "eval_high": start + luck,
            },
            {
                "step": 25,
                "samples": 6400,
                "eval_accuracy": end,
                "eval_think_share": think[1],
                "reward_mean": end,
                "think_share": think[1],
            },
        ]
        header = {
            "config": {"seed": seed, "group_size": 8, "learning_rate": 2e-4}, "setting": name,
            "commit": "0123456789abcdef", "versions": {"torch": "2.13.0"}, "threads": 1,
        }  # fmt: skip
        return Run(header, rows)

    return {
        name: [run(seed, end, name) for seed, end in enumerate(ends)]
        for name, ends in (("grpo", grpo), ("ppo", ppo))
    }


@pytest.mark.parametrize(
    ("grpo", "ppo", "status", "said"),
    [
        ([0.80, 0.82, 0.81], [0.60, 0.62, 0.63], "ok", "GRPO is better"),
        ([0.60, 0.62, 0.63], [0.80, 0.82, 0.81], "ok", "PPO is better"),
        ([0.80, 0.802, 0.801], [0.80, 0.801, 0.803], "ok", "as good as each other"),
        ([0.80, 0.70, 0.90], [0.80, 0.70, 0.85], "ok", "these seeds do not decide"),
        ([0.30, 0.35, 0.45], [0.80, 0.70, 0.85], "note", "PPO is better"),
        ([0.10, 0.11, 0.12], [0.03, 0.04, 0.05], "note", "GRPO lost less"),
    ],
)
def test_three_seeds_are_judged_by_their_intervals(grpo, ppo, status, said):
    card = stages.comparison_card(runs(grpo, ppo))
    assert card.status == status and said in str(card.lines)


def test_the_luck_of_the_starts_exam_is_in_no_spread_over_seeds():
    ends = [0.27, 0.272, 0.274]
    assert stages.comparison_card(runs(ends, ends)).title == "GRPO is worse than its start"
    card = stages.comparison_card(runs(ends, ends, luck=0.04))
    assert "cannot be told from luck" in card.title
    found = stages.gain_of(runs(ends, ends, luck=0.04)["grpo"])
    half = welch(ends).high - 0.272
    assert found.high - found.mean == pytest.approx((half**2 + 0.04**2) ** 0.5)


def test_one_seed_is_no_comparison():
    card = stages.comparison_card(runs([0.8], [0.6, 0.7]))
    assert card.status == "note" and "no interval yet" in card.title
    assert card.lines[0] == "GRPO gains 0.50 from seed 0."


@pytest.mark.parametrize(
    ("think", "said"),
    [
        ((0.2, 0.9), "GRPO learned to think"),
        ((0.2, 0.05), "GRPO dropped thinking"),
        ((0.2, 0.3), "GRPO thinks"),
    ],
)
def test_what_became_of_thinking_is_said(think, said):
    assert said in str(stages.comparison_card(runs([0.5, 0.6], [0.5, 0.6], think=think)).lines)


# ---------------------------------------------------------------------------- Welch's interval


def test_it_is_the_interval_that_notebook_06_has_the_reader_write():
    """With the line of Student's table that Welch's formula names."""
    first, second = [0.52, 0.61, 0.58], [0.31, 0.44, 0.35, 0.38]
    a, b = torch.tensor(first), torch.tensor(second)
    errors = [a.var().item() / 3, b.var().item() / 4]
    freedom = sum(errors) ** 2 / (errors[0] ** 2 / 2 + errors[1] ** 2 / 3)
    expected = interval_of_difference(a.view(3, 1), b.view(4, 1), student(0.975, freedom))
    assert list(welch(first, second)) == pytest.approx(expected, abs=1e-6)


def test_one_group_has_students_interval():
    found = welch([1.0, 2.0, 3.0])
    half = 4.302653 / 3**0.5  # t of 2 degrees of freedom
    assert found == pytest.approx((2.0, 2.0 - half, 2.0 + half), abs=1e-4)
    assert welch([0.5, 0.5], [0.25, 0.25]) == Interval(0.25, 0.25, 0.25)
    with pytest.raises(ValueError, match="at least 2 seeds, got 1"):
        welch([0.5, 0.6], [0.1])


def test_it_holds_the_truth_where_the_truth_is_known():
    rng, hits = random.Random(0), 0
    for _ in range(500):
        found = welch([rng.gauss(0, 1) for _ in range(3)], [rng.gauss(0, 3) for _ in range(3)])
        hits += found.low <= 0 <= found.high
    assert 0.92 < hits / 500 < 0.985


# ---------------------------------------------------------------------------- a project


def test_a_learners_project_goes_from_its_file_to_its_page(monkeypatch):
    begin()
    small = {"prompts_per_step": 2, "train_problems": 8, "max_new_tokens": 8}

    def tiny(task, start, max_new_tokens):
        settings = {
            "grpo": evidence.grpo(task=task, **small),
            "ppo": evidence.ppo(task=task, **small),
        }
        return evidence.Experiment("?", settings, (0, 1), 1, 1, model=start)

    monkeypatch.setattr(evidence, "capstone", tiny)
    measured = exam(0.5) | {"eval_low": 0.46, "eval_high": 0.54}
    monkeypatch.setattr("grpo_mini.trainer.Trainer.evaluate", lambda self: measured)
    monkeypatch.setattr("grpo_mini.course.capstone.project.STEPS_A_MINUTE", 0.5)
    project = Project("my_task.py")
    with pytest.raises(TaskFileError, match="no warm-started model"):
        project.measure_start()
    with pytest.raises(TaskFileError, match="RUN = True makes them"):
        project.runs  # noqa: B018
    project.warm_start(run=True)
    made = project.about_start
    assert made["steps"] == 2 and made["mark"] == project.file.mark
    project.warm_start(run=True)
    assert project.about_start == made, "it was there"
    assert made["command"].startswith("python -m grpo_mini")
    with pytest.raises(TaskFileError, match="what you expect first"):
        project.race(run=True)
    assert project.expect(" ").status == "not tried yet"
    assert project.expect("It learns.").title == "Written before the run"
    project.race(run=True)
    first = project.runs
    assert {name: [run.seed for run in group] for name, group in first.items()} == {
        "grpo": [0, 1], "ppo": [0, 1],
    }  # fmt: skip
    project.race(run=True)
    assert [r.rows for r in project.runs["grpo"]] == [r.rows for r in first["grpo"]]
    project.compared()
    card = project.expect("It never learns.")
    assert card.lines == ("It learns.", "Changed since, 1 times; this is the first.")
    page = write_report(project, "<me>", {"Diagnosis": "a < b", "What next": ""})
    text = page.read_text(encoding="utf-8")
    assert page.parent.name == "my_capstone" and "&lt;me&gt;" in text and "a &lt; b" in text
    assert "(not written yet)" in text and "It learns." in text and project.file.mark in text
    assert "def make_cups(rng" in text, "the file itself: so it can be made again"
    assert text.index("It learns.") < text.index("What next")
    assert "https:" not in text and "http:" not in text

    changed("FEWEST, MOST = 4, 6", "FEWEST, MOST = 4, 5")
    again = Project("my_task.py")
    with pytest.raises(TaskFileError, match="as it is now: RUN = True"):
        again.runs  # noqa: B018
    card = again.expect("Now it learns.")
    assert card.title == "Written before the run" and card.lines == ("Now it learns.",)
    changed("FEWEST, MOST = 4, 5", "FEWEST, MOST = 4, 6")
    old = Project("my_task.py")
    assert old.runs and old.expect("It never learns.").lines[0] == "It learns."
    old.warm_start(run=True, minutes=8)
    assert old.about_start["steps"] == 4
    with pytest.raises(TaskFileError, match="as it is now: RUN = True"):
        old.runs  # noqa: B018


def test_whether_thinking_pays_comes_with_an_interval():
    one = torch.tensor([[3, 4, 1, 4]])  # of each question: right, in all, if it thinks; if not
    few, many = stages.gap_of(one.repeat(4, 1)), stages.gap_of(one.repeat(64, 1))
    assert few.mean == many.mean == 0.5 and few.low == many.high == 0.5, "all questions are alike"
    mixed = torch.tensor([[4, 4, 0, 4], [0, 4, 4, 4], [4, 4, 0, 4]])
    wide, narrow = stages.gap_of(mixed), stages.gap_of(mixed.repeat(30, 1))
    assert wide.low < 0 < narrow.low and narrow.high < 0.6 and wide.mean == narrow.mean
    assert stages.gap_of(torch.tensor([[0, 0, 1, 4]])) == (0.0, -1.0, 1.0)


def test_none_of_many_is_not_never():
    card = stages.exam_card(exam(0.0), exam(0.0), 300)
    assert "gain 0.00 [-0.01, 0.01]" in card.lines[0]


def test_where_neither_learns_nothing_is_said_of_the_two():
    card = stages.comparison_card(runs([0.0, 0.01], [0.0, 0.0]))
    assert "neither learned" in str(card.lines) and "good as each other" not in str(card.lines)


def test_a_start_without_hope_costs_no_points_if_it_was_named():
    cards = {"start": Card("problem", "There is little to learn from here", ())}
    assert {r["stage"]: r["card"] for r in rubric_rows(cards)}["start"] == "missing"
    cards["expected"] = Card("ok", "Written before the run", ("It will not learn.",))
    assert {r["stage"]: r["card"] for r in rubric_rows(cards)}["start"] == "met"


def test_a_training_on_the_modules_pieces_alone_is_no_full_points():
    begin()
    for project, status in ((Project("my_task.py"), "note"), (Project(), "ok")):
        card = project.trained(exam(0.2), exam(0.6), 300, my_grpo())
        assert card.status == status and "Trained on 0 pieces of your own." in card.lines


def test_a_wrong_thought_stands_beside_its_demonstration():
    project = Project()
    slip = project._slips(project.task.dataset(1, seed=0), ["<think>x"], [True])[0]
    assert slip[1].startswith("<think>") and slip[3] == len("<think>")
    row = slip_row("7:1,2=", "<think>12", "<think>13", 8)
    assert "<think>1▸3" in row.values() and row["after, of the demonstration"] == "89%"


def test_no_cheats_of_ones_own_is_no_full_points():
    found = attack_all(replace(file.of_the_course("cups"), cheats=None))
    card = stages.reward_card(found, constant(TASKS["cups"]), None, False)
    assert card.status == "note" and "none of your own was tried" in card.title


def test_the_worked_example_is_never_made_by_accident():
    project = Project()
    for make in (project.warm_start, project.race):
        with pytest.raises(TaskFileError, match="of the worked example are shipped"):
            make(True)


def test_the_rubric_says_what_the_cards_say(fewer):
    cards = {"task": stages.task_card(TASKS["cups"]), "start": stages.start_card(START)}
    rows = {row["stage"]: row for row in rubric_rows(cards)}
    assert rows["task"]["card"] == "met" and rows["report"]["card"] == "–"
    assert sum(int(row["points"].split()[-1]) for row in rows.values()) == 20


def test_the_figure_says_what_it_shows():
    figure, sentence = race_figure(runs([0.8, 0.9], [0.6, 0.7]), "cups")
    assert "GRPO goes from 0.30 right in the exam to 0.80, 0.90, and thinks in 90%" in sentence
    marks = [line for line in figure.axes[0].lines if line.get_marker() != ""]
    assert [list(line.get_ydata()) for line in marks] == [
        [0.3, end] for end in (0.8, 0.9, 0.6, 0.7)
    ]


def test_ones_own_pieces_are_paid_by_the_tasks_reward():
    config = GRPOConfig(
        task="cups", prompts_per_step=2, group_size=2, max_new_tokens=8, train_problems=8,
        device="cpu",
    )  # fmt: skip
    asked = []

    def reward(completions, answer, **columns):
        asked.append(answer)
        return [0.5] * len(completions)

    trainer = my_grpo().trainer(config, reward=reward)
    metrics = trainer.train_step(trainer.next_prompts())
    assert metrics["reward_mean"] == 0.5 and len(asked) == 1

    def fails(completions, **columns):
        raise KeyError("nothing")

    trainer = my_grpo().trainer(config, reward=fails)
    with pytest.raises(RewardError, match="nothing"):
        trainer.train_step(trainer.next_prompts())


# ---------------------------------------------------------------------------- two turns


def two_turns(reward):
    config = GRPOConfig(
        prompts_per_step=2, group_size=3, max_new_tokens=24, train_problems=8, device="cpu"
    )
    trainer = TwoTurnTrainer(config, reward)
    trainer.tool = lambda record, text: f"{len(text)}+1="
    return trainer


def test_the_second_turn_reads_the_first_and_the_tool():
    trainer = two_turns(None)
    records = trainer.next_prompts()
    rollout = trainer.generate_responses(records)
    assert len(rollout) == 12
    for i in range(6):
        first = i // 3 * 6 + i % 3  # of each prompt three first turns, then three second
        question = records[i // 3]["prompt"]
        said = [{"role": "assistant", "content": rollout.texts[first]}]
        tool = [{"role": "user", "content": f"{len(rollout.texts[first])}+1="}]
        for row, prompt in ((first, question), (first + 3, question + said + tool)):
            text = trainer.tokenizer.apply_chat_template(
                prompt, add_generation_prompt=True, tokenize=False
            )
            assert trainer.tokenizer.decode(rollout.prompts[row]) == text
    assert rollout.mask_BT.sum(dim=1).tolist() == rollout.lengths_B.tolist()
    assert (rollout.log_probs_BT[rollout.mask_BT == 0] == 0).all()


def test_both_turns_have_the_advantage_of_the_second():
    """And only that: what the first turn earned by itself is not paid."""

    def reward(completions, **columns):
        return [float(i) for i in range(len(completions))]

    trainer = two_turns(reward)
    records = trainer.next_prompts()
    rollout = trainer.generate_responses(records)
    rewards = trainer.compute_rewards(records, rollout)
    assert rewards.tolist() == [3, 4, 5, 3, 4, 5, 9, 10, 11, 9, 10, 11]
    batch, _ = trainer.compute_advantages(rollout, rewards)
    rows = batch.advantages[:, 0].view(2, 2, 3)
    assert torch.equal(rows[:, 0], rows[:, 1]) and rows.unique().numel() == 3
    metrics = trainer.train_step(records)
    assert metrics["grad_norm"] > 0 and metrics["log_prob_distance"] < 1e-5
