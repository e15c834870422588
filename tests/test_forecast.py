"""The forecast of memory: parameters exactly, the measured peaks of the ledger within 15%."""

import pytest

from grpo_mini import load_policy
from grpo_mini.experiments.forecast import GEOMETRIES, forecast, forecast_of
from grpo_mini.experiments.judging import cells
from grpo_mini.models import count_parameters

CELLS = {f"{c['run']['model']}, {c['run']['group_size']} x {c['run']['max_new_tokens']}": c
         for c in cells()}  # fmt: skip


def test_parameters_are_counted_exactly():
    assert GEOMETRIES["tiny Qwen"].parameters == count_parameters(load_policy()[0])
    ledger = {cell["run"]["model"]: cell for cell in cells()}["qwen2-0.5b"]
    assert GEOMETRIES["0.5B"].parameters == ledger["grpo"]["trainable parameters"]
    # As the models' cards say.
    said = {"1.5B": 1.54, "3B": 3.09, "7B": 7.61, "14B": 14.7, "32B": 32.5}
    for name, billions in said.items():
        assert GEOMETRIES[name].parameters == pytest.approx(billions * 1e9, rel=0.01)


@pytest.mark.parametrize("algorithm", ["grpo", "ppo"])
@pytest.mark.parametrize("cell", CELLS)
def test_the_measured_peak_is_forecast_within_15_percent(cell, algorithm):
    measured = CELLS[cell][algorithm]["peak MB"]
    assert forecast_of(CELLS[cell], algorithm) / 2**20 == pytest.approx(measured, rel=0.15)


def test_what_each_choice_costs():
    small = GEOMETRIES["0.5B"]
    number = small.parameters
    base = forecast(small, reference=False)
    update = base["update"]
    assert update["weights"] + update["gradients"] + update["Adam"] == 16 * number
    assert forecast(small)["update"]["reference"] == 4 * number
    assert forecast(small, critic=True)["update"]["critic"] == 16 * number
    assert forecast(small, "bfloat16")["update"]["Adam"] == 4 * number
    longer = forecast(small, response=512, reference=False)
    assert longer["sampling"]["cache"] == base["sampling"]["cache"] * (128 + 512) / (128 + 256)
    assert longer["update"] == update  # a pass is as large as before
    # A token of the cache, in bfloat16: facts of the models' configurations.
    for name, kibibytes in (("0.5B", 12), ("1.5B", 28), ("3B", 36)):
        one = forecast(GEOMETRIES[name], "autocast", samples=1, prompt=0, response=1)
        assert one["sampling"]["cache"] == kibibytes * 1024


def test_an_unknown_precision_is_refused():
    with pytest.raises(ValueError, match="float32, autocast, bfloat16, got 'int4'"):
        forecast(GEOMETRIES["3B"], "int4")
