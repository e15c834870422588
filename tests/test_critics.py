"""PPO's other critics: what is warmed up, what is taught more often, and what each leaves alone."""

import pytest
import torch

from grpo_mini.experiments import judges
from grpo_mini.experiments.critics import CriticConfig, CriticTrainer, SharedTrunkPPO
from grpo_mini.experiments.evidence import contenders
from grpo_mini.experiments.experiment import make_trainer
from grpo_mini.models import TINY_QWEN
from grpo_mini.ppo import PPOConfig, PPOTrainer

SMALL = {"prompts_per_step": 16, "max_new_tokens": 24, "threads": 1}


def weights(model) -> torch.Tensor:
    return torch.cat([p.detach().flatten().clone() for p in model.parameters()])


def test_a_warm_up_teaches_the_critic_and_leaves_the_policy_alone():
    trainer = CriticTrainer(CriticConfig(warmup_steps=2, **SMALL))
    policy, critic = weights(trainer.policy), weights(trainer.critic)
    trainer.train(2)
    assert torch.equal(weights(trainer.policy), policy)
    assert not torch.equal(weights(trainer.critic), critic)
    assert trainer.history[-1]["value_loss"] > 0
    assert "log_prob_distance" not in trainer.history[-1], "nobody scored the policy"
    trainer.train(1)
    assert not torch.equal(weights(trainer.policy), policy)
    assert trainer.history[-1]["log_prob_distance"] < 1e-5


def test_without_its_switches_it_is_ppo_to_the_last_bit():
    plain, switched = PPOTrainer(PPOConfig(**SMALL)), CriticTrainer(CriticConfig(**SMALL))
    for trainer in (plain, switched):
        trainer.train(2)
    assert torch.equal(weights(plain.policy), weights(switched.policy))
    assert torch.equal(weights(plain.critic), weights(switched.critic))


def test_more_updates_of_the_critic_move_it_further_and_the_policy_not():
    start = PPOTrainer(PPOConfig(**SMALL))
    moved, policies = [], []
    for updates in (1, 6):
        trainer = CriticTrainer(CriticConfig(critic_epochs=updates, **SMALL))
        trainer.train(1)
        moved.append((weights(trainer.critic) - weights(start.critic)).norm())
        policies.append(weights(trainer.policy))
    assert moved[1] > 2 * moved[0]
    assert torch.equal(*policies)  # it was compared with the values from before


def test_a_shared_trunk_has_one_optimiser_and_moves_with_the_values():
    trainer = SharedTrunkPPO(PPOConfig(**SMALL))
    assert list(trainer.optimizers()) == ["policy"]
    head = weights(trainer.critic.head)
    trainer.train(1)
    assert not torch.equal(weights(trainer.critic.head), head)
    assert trainer.history[-1]["grad_norm"] > 0
    assert "value_grad_norm" not in trainer.history[-1], "there is no critic of its own"


def test_a_shared_trunk_goes_on_as_one_model(tmp_path):
    trainer = SharedTrunkPPO(PPOConfig(kl_coef=0.1, **SMALL))
    trainer.train(2, tmp_path, save_every=2)
    again = SharedTrunkPPO.load(tmp_path)
    assert again.critic.backbone is again.policy.base_model
    assert torch.equal(weights(again.critic.head), weights(trainer.critic.head))
    for each in (trainer, again):
        each.train(1)
    assert torch.equal(weights(again.policy), weights(trainer.policy))
    assert torch.equal(weights(again.critic.head), weights(trainer.critic.head))


def test_a_shared_trunk_refuses_what_it_would_forget():
    with pytest.raises(ValueError, match="no entropy bonus"):
        SharedTrunkPPO(PPOConfig(entropy_coef=0.01, **SMALL))


@pytest.mark.parametrize("label", contenders())
def test_every_contender_trains(label):
    setting = contenders()[label]
    small = {"max_new_tokens": 16, "prompts_per_step": 4}
    setting = type(setting)(setting.trainer, setting.options | small, setting.judge)
    trainer = make_trainer(setting, 0, str(TINY_QWEN))
    trainer.train(1)
    assert trainer.history[-1]["samples"] in (4, 32)


class State:
    def __init__(self, step):
        self.global_step = step


ASKED = [[{"role": "user", "content": f"{n}+1="}] for n in (17, 28, 39, 40)] * 50
RIGHT = {
    "prompts": ASKED,
    "completions": [f"<answer>{int(p[0]['content'][:2]) + 1}</answer>" for p in ASKED],
    "answer": [str(int(p[0]["content"][:2]) + 1) for p in ASKED],
    "trainer_state": State(3),
}


def test_judges_that_draw_lots_draw_anew_each_step_and_the_same_again():
    for judge, share in ((judges.coin(0.5), 0.5), (judges.now_and_then(0.1), 0.1)):
        paid = judge(**RIGHT)
        assert abs(sum(paid) / len(paid) - share) < 0.1
        assert paid == judge(**RIGHT)
        assert paid != judge(**RIGHT | {"trainer_state": State(4)})


def test_judges_whose_bias_can_be_seen_go_by_the_first_number():
    assert judges.only_sevens(**RIGHT) == [1.0, 0.0, 0.0, 0.0] * 50
    paid = judges.offset(9.0, visible=True)(**RIGHT)
    assert paid[:4] == pytest.approx([8.0, 9.0, 10.0, 1.0])
    hidden = judges.offset(9.0)(**RIGHT)
    assert len(set(hidden)) == 4 and hidden != paid
