"""The learner's file: right answers go in, nothing is lost, and what stands there runs."""

import inspect
import linecache
import re
import subprocess
import sys
from itertools import count

import pytest
import torch

from grpo_mini import GRPOConfig, GRPOTrainer, PPOConfig, PPOTrainer
from grpo_mini.course import check, my_grpo
from grpo_mini.course.checker import EXERCISES
from grpo_mini.course.exercises import steps
from grpo_mini.course.mine import file, pieces
from grpo_mini.course.mine.running import STAGES

NUMBER = count()


@pytest.fixture(autouse=True)
def path(tmp_path, monkeypatch):
    monkeypatch.setenv("GRPO_MINI_PROGRESS", str(tmp_path / "progress.json"))
    monkeypatch.setenv("GRPO_MINI_MY_GRPO", str(tmp_path / "my_grpo.py"))
    return tmp_path / "my_grpo.py"


def typed(source: str, name: str, notebook: dict | None = None):
    """A function as if it had been typed into a cell of a notebook."""
    cell = f"<cell {next(NUMBER)}>"
    linecache.cache[cell] = (len(source), None, source.splitlines(True), cell)
    names = {"__name__": "__main__", "torch": torch} if notebook is None else notebook
    exec(compile(source, cell, "exec"), names)
    return names[name]


def solution(number: str, notebook: dict | None = None):
    entry = EXERCISES[number]
    source = inspect.getsource(entry.solution)
    return typed(source, entry.solution.__name__, notebook)


LEAVE_ONE = """
def silent_aware(rewards, group_size):
    rows = rewards.view(-1, group_size)
    out = (rows - rows.mean(1, keepdim=True)) / (rows.std(1, keepdim=True) + SMALL)
    return zero(out, rows).flatten()
"""
HELPER = """
def zero(out, rows):
    return torch.where(rows.amax(1, keepdim=True) == rows.amin(1, keepdim=True), 0.0 * out, out)
"""


def test_every_piece_stands_in_the_template_once_and_on_the_card():
    on_card = [number for numbers in STAGES.values() for number in numbers]
    assert sorted(on_card) == sorted(file.PIECES) and len(set(on_card)) == len(on_card)
    assert sorted(file.PIECES.values()) == sorted(pieces.__all__)
    for number, name in file.PIECES.items():
        assert EXERCISES[number].solution.__name__ == name


@pytest.mark.parametrize("number", file.PIECES)
def test_a_piece_of_the_module_has_the_signature_that_the_exercise_asks_for(number):
    mine = inspect.signature(EXERCISES[number].solution).parameters
    module = inspect.signature(getattr(pieces, file.PIECES[number])).parameters
    assert list(mine) == list(module)
    assert check(number, getattr(pieces, file.PIECES[number])).status == "right"


def test_without_a_file_everything_is_the_modules_and_nothing_is_written(path):
    my = my_grpo()
    assert my.gae is pieces.gae and not path.exists()
    assert my.whose("reward", "gae") == "Running on: verifier: the module’s; GAE: the module’s."
    assert repr(my).startswith("my_grpo.py: 0 of 12 pieces are yours")
    with pytest.raises(AttributeError, match="its pieces are token_log_probs"):
        getattr(my, "goe")  # noqa: B009


def test_a_right_answer_goes_in_with_its_imports(path):
    notebook = {"__name__": "__main__"}
    exec("import re", notebook)
    card = check("1.4", solution("1.4", notebook))
    assert card.lines[-1] == "It went into `my_grpo.py`: 1 of its 12 pieces is yours."
    text = path.read_text(encoding="utf-8")
    assert re.search(r"# ---- 1\.4 reward: yours \(\w{8}\)\nimport re\n\n\ndef reward\(text", text)
    assert my_grpo().whose("reward") == "Running on: verifier: yours."
    assert "✓ 1.4" in my_grpo()._repr_html_() and "1.4 reward ✓" in repr(my_grpo())


def test_a_wrong_answer_and_an_untried_one_do_not(path):
    check("3.2", typed("def f(log_probs, old, advantages, clip):\n    return ...", "f"))
    check("3.2", typed("def f(lp, old, A, clip):\n    return -((lp - old).exp() * A)", "f"))
    assert not path.exists()


def test_the_modules_own_function_is_nobodys_answer(path):
    assert check("3.2", pieces.clipped_surrogate).status == "right" and not path.exists()


def test_helpers_constants_and_another_name_go_along(path):
    notebook = {"__name__": "__main__", "torch": torch, "SMALL": 1e-8}
    typed(HELPER, "zero", notebook)
    card = check("4.1", typed(LEAVE_ONE, "silent_aware", notebook))
    assert "went into" in card.lines[-1]
    text = path.read_text(encoding="utf-8")
    assert text.index("SMALL = 1e-08") < text.index("def silent_aware")
    assert text.index("def zero(") < text.index("def silent_aware")
    assert "relative_rewards = silent_aware" in text
    rewards = torch.tensor([1.0, 0, 0, 1])
    expected = pieces.relative_rewards(rewards, 4)
    assert torch.allclose(my_grpo().relative_rewards(rewards, 4), expected)


@pytest.mark.parametrize(
    ("source", "notebook", "why"),
    [
        ("f = lambda p, q: 0", {}, "written with `def`"),
        ("def f(log_probs, advantages):\n    return -(log_probs * advantages).mean() + 0 * model.x",
         {"model": torch.nn.Module()}, "it uses `model` of the notebook, a `Module`"),
        ("def g(one):\n    def f(log_probs, advantages):\n"
         "        return -(log_probs * advantages).mean() * one\n    return f\nf = g(1)", {},
         "uses `one` of the function around it"),
    ],
)  # fmt: skip
def test_what_cannot_stand_alone_is_right_and_stays_out(path, source, notebook, why):
    names = {"__name__": "__main__", "torch": torch, **notebook}
    if "model" in notebook:
        notebook["model"].x = 1.0
    answer = typed(source, "f", names)
    if "lambda" in source:
        answer = typed("f = lambda lp, A: -(lp * A).mean()", "f")
    card = check("2.3", answer)
    assert card.status == "right" and why in card.lines[-1], card
    assert not path.exists()


def test_what_is_right_only_in_the_notebook_stays_out(path):
    names = {"__name__": "__main__", "torch": torch, "gae": solution("3.1")}
    source = (
        "def clipped_surrogate(lp, old, A, clip):\n"
        "    gae.calls = getattr(gae, 'calls', 5)\n"
        "    bad = getattr(gae, 'sign', 1)\n"
        "    r = (lp - old).exp()\n"
        "    return -bad * torch.minimum(r * A, r.clamp(1 - clip, 1 + clip) * A)"
    )
    names["gae"].sign = 1
    answer = typed(source.replace("'sign', 1", "'sign', -1"), "clipped_surrogate", names)
    card = check("3.2", answer)
    assert card.status == "right" and "In `my_grpo.py` it would not be right" in card.lines[-1]
    assert not path.exists()


REINFORCE = (
    "def reinforce_loss(log_probs, advantages):\n    return -(advantages * log_probs).mean()"
)


def test_a_later_answer_replaces_an_earlier_one_which_is_kept(path):
    check("2.3", typed(REINFORCE, "reinforce_loss"))
    later = REINFORCE.replace("(advantages * log_probs)", "(log_probs * advantages)")
    assert "went into" in check("2.3", typed(later, "reinforce_loss")).lines[-1]
    assert "-(log_probs * advantages)" in path.read_text(encoding="utf-8")
    assert "-(advantages * log_probs)" in path.with_name("my_grpo_earlier.py").read_text(
        encoding="utf-8"
    )


def test_the_same_answer_again_changes_nothing(path):
    check("2.3", typed(REINFORCE, "reinforce_loss"))
    before = path.read_text(encoding="utf-8")
    assert check("2.3", typed(REINFORCE, "reinforce_loss")).lines[-1] == (
        "It stands in `my_grpo.py`."
    )
    assert path.read_text(encoding="utf-8") == before


def test_an_answer_with_an_import_can_be_given_again_and_replaced(path):
    notebook = {"__name__": "__main__"}
    exec("import re", notebook)
    check("1.4", solution("1.4", notebook))
    before = path.read_text(encoding="utf-8")
    assert "It stands in" in check("1.4", solution("1.4", notebook)).lines[-1]
    assert path.read_text(encoding="utf-8") == before
    later = inspect.getsource(EXERCISES["1.4"].solution).replace("match[2]", "match.group(2)")
    assert "went into" in check("1.4", typed(later, "reward", notebook)).lines[-1]
    assert path.read_text(encoding="utf-8").count("import re\n") == 1


def test_a_change_by_hand_stays_whatever_is_answered(path):
    check("2.3", typed(REINFORCE, "reinforce_loss"))
    by_hand = path.read_text(encoding="utf-8").replace("-(advantages", "-2 * (advantages")
    path.write_text(by_hand, encoding="utf-8")
    again = check("2.3", typed(REINFORCE, "reinforce_loss"))
    assert "with what you have changed there" in again.lines[-1]
    other = typed(REINFORCE.replace(".mean()", ".sum() / len(log_probs)"), "reinforce_loss")
    assert "changed `reinforce_loss` by hand: that stays" in check("2.3", other).lines[-1]
    assert path.read_text(encoding="utf-8") == by_hand
    log_probs = torch.tensor([-1.0, -2.0])
    assert my_grpo().reinforce_loss(log_probs, torch.ones(2)) == 3.0


def test_a_change_outside_the_places_and_one_in_an_unsolved_place_stay(path):
    check("2.3", typed(REINFORCE, "reinforce_loss"))
    text = path.read_text(encoding="utf-8").replace("learning_rate=2e-4", "learning_rate=3e-4")
    text = text.replace(
        "from grpo_mini.course.mine.pieces import gae", "def gae(*all):\n    return all[0]"
    )
    path.write_text(text, encoding="utf-8")
    assert "by hand: that stays" in check("3.1", solution("3.1")).lines[-1]
    check("3.2", solution("3.2"))
    now = path.read_text(encoding="utf-8")
    assert "learning_rate=3e-4" in now and "return all[0]" in now and "torch.minimum" in now
    assert my_grpo().whose("gae") == "Running on: GAE: yours."


def test_a_place_that_was_taken_out_stays_out(path):
    path.write_text(file.empty().replace("# ---- end of 2.3\n", ""), encoding="utf-8")
    card = check("2.3", typed(REINFORCE, "reinforce_loss"))
    assert "has no place for 2.3 any more" in card.lines[-1]
    assert path.read_text(encoding="utf-8") == file.empty().replace("# ---- end of 2.3\n", "")


def test_a_file_that_cannot_be_run_says_where_and_is_left_alone(path):
    broken = file.empty().replace("import argparse", "import argparse\nx = = 3")
    path.write_text(broken, encoding="utf-8")
    with pytest.raises(file.FileError, match=r"my_grpo\.py, line \d+: SyntaxError"):
        my_grpo()
    card = check("2.3", typed(REINFORCE, "reinforce_loss"))
    assert card.status == "right" and "could not be put into" in card.lines[-1]
    assert path.read_text(encoding="utf-8") == broken


def test_a_folder_that_cannot_be_written_to_is_told(path, monkeypatch):
    monkeypatch.setenv("GRPO_MINI_MY_GRPO", str(path.parent / "none" / "my_grpo.py"))
    assert "could not be put into" in check("2.3", typed(REINFORCE, "reinforce_loss")).lines[-1]


def solve_all() -> None:
    notebook = {"__name__": "__main__", "my": my_grpo()}
    exec("import re, torch\nfrom grpo_mini.advantages import standardize", notebook)
    for number in file.PIECES:
        card = check(number, solution(number, notebook))
        assert "went into" in card.lines[-1], card


def test_with_all_solved_the_file_asks_the_module_for_nothing_that_an_exercise_does(path):
    solve_all()
    text = path.read_text(encoding="utf-8")
    assert "course" not in re.sub(r'""".*?"""|#.*', "", text, flags=re.S)
    taken = set(re.findall(r"^from grpo_mini\S* import (.*)$", text, re.M))
    assert taken == {
        "TASKS, load_policy", "end_token_ids, frozen_copy", "logits_of, outputs_per_token, sample",
        "standardize",
    }  # fmt: skip
    assert my_grpo()._title() == "my_grpo.py: 12 of 12 pieces are yours"


def test_it_trains_from_the_command_line(path):
    solve_all()
    command = [sys.executable, str(path), "--steps", "2", "--updates", "2", "--kl", "0.1"]
    run = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True)
    before, after = re.findall(r"right \w+: +(\d\.\d\d)", run.stdout)
    assert 0.2 < float(before) < 0.4 and 0 <= float(after) <= 1
    assert "reward 0." in run.stderr


def test_it_learns(path):
    solve_all()
    command = [sys.executable, str(path), "--steps", "32"]
    run = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True)
    before, after = map(float, re.findall(r"right \w+: +(\d\.\d\d)", run.stdout))
    assert before < 0.4 and after >= 0.7


SMALL = {"max_new_tokens": 24, "train_problems": 64, "device": "cpu", "seed": 3}


@pytest.mark.parametrize("solved", [False, True])
@pytest.mark.parametrize("algorithm", ["grpo", "ppo"])
def test_a_trainer_on_the_pieces_takes_the_modules_step(algorithm, solved, path):
    if solved:
        solve_all()
    if algorithm == "grpo":
        config = GRPOConfig(
            prompts_per_step=4, group_size=4, aggregation="sequence", grpo_epochs=2,
            kl_coef=0.1, micro_batch_tokens=400, **SMALL
        )  # fmt: skip
    else:
        config = PPOConfig(prompts_per_step=16, ppo_epochs=2, gamma=0.9, lam=0.8, **SMALL)
    usual = (GRPOTrainer if algorithm == "grpo" else PPOTrainer)(config)
    mine = my_grpo().trainer(config)
    rows = [trainer.train(2)[-1] for trainer in (usual, mine)]
    for name in ("policy_loss", "clip_fraction", "reward_mean", "grad_norm"):
        assert rows[1][name] == pytest.approx(rows[0][name], rel=1e-3, abs=1e-5), name
    for a, b in zip(usual.policy.parameters(), mine.policy.parameters(), strict=True):
        assert (a - b).abs().max() < 5 * config.learning_rate


def test_a_trainer_runs_on_what_the_learner_wrote(path):
    check("2.3", typed(REINFORCE, "reinforce_loss"))
    text = path.read_text(encoding="utf-8")
    for name, answer in {
        "relative_rewards": "def relative_rewards(rewards, group_size):\n    return 0 * rewards",
        "reward": "def reward(text, answer):\n    return 0.25",
    }.items():
        text = text.replace(f"from grpo_mini.course.mine.pieces import {name}", answer)
    path.write_text(text, encoding="utf-8")
    more = SMALL | {"max_new_tokens": 64}
    config = GRPOConfig(prompts_per_step=2, group_size=4, aggregation="sequence", **more)
    row = my_grpo().trainer(config).train(1)[-1]
    assert row["reward_mean"] == 0.25 and row["grad_norm"] == 0


# ---------------------------------------------------------------------------- the written steps


@pytest.mark.parametrize("number", ["3.6", "4.6"])
def test_the_toy_lets_every_part_of_the_step_act(number):
    """The clip on both sides, a policy that is not its reference, a critic that knows something."""
    for case in EXERCISES[number].cases():
        inside, clip = case["mask"].bool(), case["clip"]
        ratio = (case["policy"]() - case["old_log_probs"]).exp()[inside]
        assert (ratio > 1 + clip).any() and (ratio < 1 - clip).any()
        assert ((ratio - 1).abs() < clip).any()
        assert (case["policy"]() - case["ref_log_probs"])[inside].abs().min() > 1e-4
        assert case["updates"] >= 2 and not inside.all()
        if number == "3.6":
            assert case["gamma"] < 1 and case["lam"] < 1
            values, rewards = case["critic"](), case["rewards"].unsqueeze(1).expand_as(inside)
            known = 1 - (rewards - values)[inside].var() / rewards[inside].var()
            assert known > 0.2


@pytest.mark.parametrize(
    ("number", "faults"),
    [("3.6", steps.IN_BOTH | steps.ONLY_PPO), ("4.6", steps.IN_BOTH | steps.ONLY_GRPO)],
)
def test_each_fault_of_a_step_is_planted_and_named(number, faults):
    texts = [mistake.because for mistake in EXERCISES[number].mistakes]
    assert texts == list(faults.values()) and len(set(texts)) == len(texts) >= 10


def test_a_step_that_parts_late_is_told_where():
    def with_another_k3(policy, optimizer, rewards, old, ref, mask, group_size, clip, kl_coef, n):
        found = pieces.grpo_step(
            policy, optimizer, rewards, old, ref, mask, group_size, clip, kl_coef, n
        )
        found[2]["kl"] = found[2]["kl"] + 0.5
        return found

    card = check("4.6", with_another_k3)
    assert "`advantages`, `policy_loss of update 1`" in card.lines[0]
    assert "Then `kl of update 2` differs: it is" in card.lines[0]


def test_an_attribute_is_not_taken_for_a_name_of_the_notebook(path):
    """The notebook has a tensor ``mean``; the answer only says ``rewards.mean()``."""
    notebook = {"__name__": "__main__", "torch": torch, "mean": torch.ones(2), "exp": 3}
    source = "def f(lp, old, A, clip):\n    rho = (lp - old).exp()\n    return -torch.min(rho * A, "
    card = check("3.2", typed(source + "rho.clamp(1 - clip, 1 + clip) * A)", "f", notebook))
    assert "went into" in card.lines[-1]
    assert "exp = 3" not in path.read_text(encoding="utf-8")
    source = inspect.getsource(EXERCISES["4.5"].solution)
    assert ".mean(" in source or ".sum(" in source
    notebook |= {"sum": torch.ones(2), "exp": torch.ones(2), "aggregate": 3, "min": min}
    answer = """
def f(log_probs, old_log_probs, advantages, mask, clip):
    rho, A = (log_probs - old_log_probs).exp(), advantages.unsqueeze(1)
    per_token = -torch.minimum(rho * A, rho.clamp(1 - clip, 1 + clip) * A) * mask
    return (per_token.sum(1) / mask.sum(1)).mean()
"""
    card = check("4.5", typed(answer, "f", notebook))
    assert card.status == "right" and "went into" in card.lines[-1], card


def test_a_default_that_is_a_name_of_the_notebook_goes_along(path):
    notebook = {"__name__": "__main__", "torch": torch, "NARROW": 1.0}
    source = "def f(lp, old, A, clip, scale=NARROW):\n    rho = (lp - old).exp()\n"
    source += "    return -scale * torch.min(rho * A, rho.clamp(1 - clip, 1 + clip) * A)"
    assert "went into" in check("3.2", typed(source, "f", notebook)).lines[-1]
    assert "NARROW = 1.0" in path.read_text(encoding="utf-8")
    assert my_grpo().whose("clipped_surrogate").endswith("yours.")
