"""Layers computed twice: how often, where, and what is left of it afterwards."""

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks
from transformers.models.qwen2.modeling_qwen2 import Qwen2DecoderLayer

from grpo_mini.experiments.critics import SharedTrunkPPO
from grpo_mini.machine.recompute import recomputed
from grpo_mini.ppo import PPOConfig
from grpo_mini.rollout import sample, score
from grpo_mini.tasks import TASKS
from tests.pieces import halves


@pytest.fixture(scope="module")
def rollout(tiny):
    prompts = [record["prompt"] for record in TASKS["chain-sums"].dataset(4, seed=4)]
    return sample(*tiny, prompts, 3, 24, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def passes(monkeypatch):
    """How many times a layer of a Qwen was computed."""
    seen, forward = [], Qwen2DecoderLayer.forward

    def counted(self, *arguments, **named):
        seen.append(self)
        return forward(self, *arguments, **named)

    monkeypatch.setattr(Qwen2DecoderLayer, "forward", counted)
    return seen


def test_a_layer_is_computed_twice_where_there_is_a_gradient_and_once_elsewhere(
    tiny, rollout, passes
):
    model, _ = tiny
    layers = model.config.num_hidden_layers
    with recomputed([model]):
        with torch.no_grad():
            score(model, rollout)
        assert len(passes) == 2 * layers  # prompts, then responses
        log_probs, _ = score(model, rollout)
        assert len(passes) == 4 * layers
        log_probs.sum().backward()
    assert len(passes) == 6 * layers
    passes.clear()
    score(model, rollout)[0].sum().backward()
    assert len(passes) == 2 * layers
    model.zero_grad()  # others read it, too


def test_autograd_keeps_a_small_part(tiny, rollout):
    def kept(wanted: bool) -> int:
        found = {}

        def pack(tensor):
            found[tensor.data_ptr()] = tensor.numel()
            return tensor

        with recomputed([tiny[0]], wanted), saved_tensors_hooks(pack, lambda tensor: tensor):
            score(*tiny[:1], rollout)
        return sum(found.values())

    assert kept(True) < 0.5 * kept(False)


def test_what_went_wrong_inside_leaves_the_layers_as_they_were(tiny):
    model, _ = tiny
    with pytest.raises(RuntimeError, match="inside"), recomputed([model, model]):
        assert any("forward" in vars(part) for part in model.modules())
        raise RuntimeError("inside")
    assert not any("forward" in vars(part) for part in model.modules())


def test_a_critic_on_the_policys_own_layers_changes_nothing():
    weights = []
    for twice in (False, True):
        config = PPOConfig(prompts_per_step=8, max_new_tokens=8, train_problems=64, device="cpu",
                           gradient_checkpointing=twice)  # fmt: skip
        trainer = SharedTrunkPPO(config, halves)
        trainer.train(2)
        weights.append(trainer.policy.state_dict())
    assert all(torch.equal(w, weights[1][name]) for name, w in weights[0].items())


def test_a_model_of_other_layers_is_refused_by_name():
    with pytest.raises(ValueError, match="gradient_checkpointing needs.*Linear has none"):
        with recomputed([torch.nn.Linear(2, 2)]):
            pass
