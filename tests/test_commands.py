"""The command line, as somebody types it."""

import json

import pytest
import torch
from matplotlib.image import imread

from grpo_mini.__main__ import main
from grpo_mini.experiments.critics import SharedTrunkPPO
from grpo_mini.experiments.record import read_lines, read_runs


@pytest.mark.parametrize(
    "command", ["train", "evaluate", "sample", "warmstart", "demo", "cost", "preferences"]
)
def test_help_is_there(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert f"python -m grpo_mini {command}" in text and "--" in text


def test_the_list_of_commands(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    for command in ("demo", "train", "evaluate", "sample", "warmstart", "cost"):
        assert command in text


def test_sample(capsys):
    assert main(["sample", "--prompt", "1+2+3=", "--samples", "3"]) == 0
    assert capsys.readouterr().out.count("log-prob") == 3


def test_evaluate(capsys):
    assert main(["evaluate", "--size", "20"]) == 0
    assert "20 held-out problems" in capsys.readouterr().out


def test_train_records_a_run(tmp_path, capsys):
    record = tmp_path / "run.jsonl"
    assert main(["train", "--steps", "1", "--prompts-per-step", "4", "--group-size", "2",
                 "--evaluate-every", "1", "--record", str(record)]) == 0  # fmt: skip
    ((header, rows),) = read_runs(record)
    assert header["config"]["group_size"] == 2 and header["config"]["model_name"] == "tiny-qwen"
    assert [row["step"] for row in rows] == [0, 1]
    record.write_text(record.read_text(encoding="utf-8")[:-20], encoding="utf-8")
    with pytest.raises(ValueError, match="cut short"):
        read_runs(record)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "--group-size", "1"], "group_size must be at least 2"),
        (["train", "--algorithm", "ppo", "--group-size", "4"], "--group-size belongs to grpo"),
        (["train", "--resume"], "--resume needs --folder"),
        (["train", "--resume", "--folder", "/nowhere"], "there is no checkpoint in /nowhere"),
        (["sample", "--prompt", ""], "prompt 0 is empty"),
        (["sample", "--model", "no/such-model"], "cannot load the model 'no/such-model'"),
    ],
)
def test_mistakes_are_answered_in_one_line(words, message, capsys):
    assert main(words) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ") and message in error


def test_an_unknown_task_or_command_lists_those_there_are(capsys):
    for words in (["train", "--task", "chess"], ["dance"]):
        with pytest.raises(SystemExit) as stop:
            main(words)
        assert stop.value.code == 2
    assert "chain-sums" in capsys.readouterr().err


def test_demo_writes_a_table_and_a_picture(tmp_path, capsys):
    assert main(["demo", "--steps", "1", "--out", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    for label in ("right before", "right after", "trainable parameters", "peak memory", "update"):
        assert label in text
    assert imread(tmp_path / "demo.png").std() > 0.05, "the picture is blank"
    assert [rows[-1]["samples"] for _, rows in read_runs(tmp_path / "demo.jsonl")] == [256, 256]


def test_a_shared_backbone_reads_both_from_one_pass(small_trainer):
    own = small_trainer("ppo")
    shared = SharedTrunkPPO(own.config)
    torch.nn.init.normal_(shared.critic.head.weight)
    rollout = own.generate_responses(own.next_prompts())
    log_probs, _, values = shared.compute_log_probs_and_values(rollout)
    inside = rollout.mask_BT.bool()
    assert torch.allclose(log_probs[inside], own.compute_log_probs(rollout)[0][inside], atol=1e-5)
    assert torch.allclose(values[inside], shared.compute_values(rollout)[inside], atol=1e-5)
    before = shared.critic.head.weight.clone()
    shared.train_step(shared.next_prompts())
    assert not torch.equal(shared.critic.head.weight, before)


def test_the_ledger_keeps_the_cells_that_are_there(tmp_path, monkeypatch):
    monkeypatch.setattr("grpo_mini.experiments.cost.GRID", (("tiny", 4, (2, 4), (3,), 2),))
    ledger = tmp_path / "cost.jsonl"
    kept = {"run": {"model": "tiny", "group_size": 4, "max_new_tokens": 3}, "kept": True}
    ledger.write_text(json.dumps(kept) + "\n", encoding="utf-8")
    assert main(["cost", "--ledger", str(ledger)]) == 0
    cell, other = read_lines(ledger)
    assert other == kept
    assert cell["run"]["group_size"] == 2 and cell["run"]["commit"]
    grpo, ppo, shared = (cell[name] for name in ("grpo", "ppo", "ppo-shared"))
    assert shared["trainable parameters"] == grpo["trainable parameters"] + 129
    assert ppo["trainable parameters"] == 2 * grpo["trainable parameters"] + 129


def test_cost_counts_what_can_be_counted_by_hand(capsys):
    assert main(["cost", "--json", "--prompts", "2", "--max-new-tokens", "4"]) == 0
    ledger = json.loads(capsys.readouterr().out)
    grpo, ppo = ledger["GRPO"], ledger["PPO"]
    policy = grpo["trainable parameters"]
    head = 128 + 1
    assert ppo["trainable parameters"] == 2 * policy + head
    assert grpo["resident parameters"] == 2 * policy  # policy, reference
    assert ppo["resident parameters"] == 3 * policy + head  # and critic
    mega = 2**20
    assert grpo["weights MB"] == pytest.approx(2 * policy * 4 / mega)
    assert ppo["gradients MB"] == pytest.approx((2 * policy + head) * 4 / mega)
    assert grpo["optimiser state MB"] == pytest.approx(2 * policy * 4 / mega, rel=1e-3)
    assert ppo["peak MB"] > 0
