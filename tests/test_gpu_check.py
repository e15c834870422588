"""`make gpu-check`, as far as a machine without a GPU can tell."""

import json
import re

import pytest
import torch

from grpo_mini.__main__ import main
from grpo_mini.experiments import gpu_check
from grpo_mini.experiments.manifest import DATA


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU: measure it")
def test_without_a_gpu_it_says_so_in_one_line(capsys):
    assert main(["gpu-check"]) == 2
    assert "measures a CUDA GPU" in capsys.readouterr().err.strip().splitlines()[-1]


def test_the_whole_table_is_printed_and_written(tmp_path, capsys, monkeypatch):
    """On a CPU, with tiny sizes; what takes a process of its own is told its figures."""
    measured = {"seconds_generate": 0.25, "seconds_update": 0.5, "seconds in all": 0.75,
                "peak MB": 1234.0}  # fmt: skip
    monkeypatch.setattr(gpu_check, "measured_apart", lambda words, algorithm: measured)
    monkeypatch.setattr(gpu_check, "their_step", lambda size, device: "1.50 s, 2,345 MB")
    out = tmp_path / "table.json"
    words = ["--device", "cpu", "--small", "--steps", "1", "--out", str(out)]
    assert main(["gpu-check", *words]) == 0
    printed = capsys.readouterr().out
    rows = json.loads(out.read_text(encoding="utf-8"))["rows"]
    assert len(rows) == 2 + 2 + 4 + 1
    assert all(row["what"] in printed for row in rows)
    agreed = [row for row in rows if row["what"].startswith("log-probs")]
    assert [row["note"].split(",")[0] for row in agreed] == ["ok", "ok"]
    assert (
        "0.75 s, 1,234 MB" in printed and "1.50 s, 2,345 MB" in printed and "has no PPO" in printed
    )


def test_a_step_that_fails_is_a_row_and_not_the_end(monkeypatch):
    def fails(words, algorithm):
        raise ValueError("the ppo step failed (out of memory?)")

    monkeypatch.setattr(gpu_check, "measured_apart", fails)
    monkeypatch.setattr(gpu_check, "their_step", lambda size, device: "")
    rows = gpu_check.steps("cpu", gpu_check.SMALL[:1])
    assert [row["ours"] for row in rows] == ["failed", "failed"] and "memory" in rows[0]["note"]


def test_the_sizes_are_those_that_are_promised():
    assert ("qwen2-0.5b", 8, 8, 128, True) in gpu_check.SIZES
    assert {name for name, *_ in gpu_check.SIZES} == {"tiny", "qwen2-0.5b"}


def test_attention_that_plans_for_every_new_length_is_off():
    assert not torch.backends.cuda.cudnn_sdp_enabled()


def test_the_recorded_table_is_of_a_gpu_and_all_is_well_in_it():
    recorded = json.loads((DATA / "runs" / "gpu-check.json").read_text(encoding="utf-8"))
    rows = {row["what"]: row for row in recorded["rows"]}
    assert "CPU" not in recorded["run"]["device"] and len(rows) == 4 + 2 + 4 + 1
    assert all("ok" in row["note"] for what, row in rows.items() if what.startswith("log-probs"))
    for name in ("GRPO", "PPO"):
        before, after = re.findall(r"0\.\d\d", rows[f"{name}, tiny, 40 steps"]["ours"])
        assert float(before) < 0.35 and float(after) > 0.8
