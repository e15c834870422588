"""GRPO in one file, written in the exercises of the notebooks.

    python my_grpo.py --steps 60

trains a small Qwen to add up, and says how many of its answers are right before and after.

What stands between two lines of dashes belongs to the exercise of that number, and a right answer
to it goes there. Change whatever you like: what you have changed by hand stays.
"""

import argparse

import torch
from tqdm import tqdm

from grpo_mini import TASKS, load_policy
from grpo_mini.models import end_token_ids, frozen_copy
from grpo_mini.rollout import logits_of, outputs_per_token, sample

# 1. Sample: how likely is what the model wrote, and where does each response end?

# ---- 1.1 token_log_probs

# ---- 1.2 response_mask


def log_probs_of(model, rollout):
    """Log-probs [B, T] of the sampled tokens, with gradients."""
    logits = outputs_per_token(logits_of(model), model, rollout)
    return token_log_probs(logits, rollout.tokens_BT, 1.0)


# 2. Reward: 1 for a right answer, else 0.

# ---- 1.4 reward

# 3. Advantages: each response against its group.

# ---- 4.1 relative_rewards

# 4. Loss: no further than the clip from where the samples came from, not far from the reference.

# ---- 3.2 clipped_surrogate

# ---- 3.3 kl_estimators

# ---- 4.5 grpo_loss

# 5. Update.

# ---- 4.6 grpo_step


# 6. All of it, again and again.


def train(
    model,
    tokenizer,
    steps,
    prompts_per_step=32,
    group_size=8,
    learning_rate=2e-4,
    clip=0.2,
    kl_coef=0.0,
    updates=1,
    seed=0,
    on_step=print,
):
    """Train ``steps`` steps; ``on_step`` gets each step's figures as a dictionary."""
    problems = TASKS["chain-sums"].dataset(steps * prompts_per_step, seed=seed)
    generator = torch.Generator(model.device).manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    end_ids = end_token_ids(model, tokenizer)
    reference = frozen_copy(model) if kl_coef else None
    for step in range(steps):
        batch = problems[step * prompts_per_step : (step + 1) * prompts_per_step]
        prompts = [problem["prompt"] for problem in batch]
        rollout = sample(model, tokenizer, prompts, group_size, 64, generator=generator)
        answers = [problem["answer"] for problem in batch for _ in range(group_size)]
        paid = [reward(text, answer) for text, answer in zip(rollout.texts, answers, strict=True)]
        rewards = torch.tensor(paid, dtype=torch.float32, device=model.device)
        old = rollout.log_probs_BT
        with torch.no_grad():
            ref = log_probs_of(reference, rollout) if kl_coef else old
        seen = grpo_step(
            policy=lambda rollout=rollout: log_probs_of(model, rollout),
            optimizer=optimizer,
            rewards=rewards,
            old_log_probs=old,
            ref_log_probs=ref,
            mask=response_mask(rollout.tokens_BT.cpu(), end_ids).to(old.device),
            group_size=group_size,
            clip=clip,
            kl_coef=kl_coef,
            updates=updates,
        )
        thinks = sum("<think>" in text for text in rollout.texts) / len(rollout)
        on_step(
            {
                "step": step + 1,
                "reward_mean": rewards.mean().item(),
                "think_share": thinks,
                "length_mean": rollout.lengths_B.float().mean().item(),
                **seen[updates],
            }
        )


def share_right(model, tokenizer, size=300):
    """The share of right answers to problems that no training sees."""
    problems = TASKS["chain-sums"].dataset(size, seed=0, held_out=True)
    generator = torch.Generator(model.device).manual_seed(0)
    prompts = [problem["prompt"] for problem in problems]
    texts = sample(model, tokenizer, prompts, 1, 64, generator=generator).texts
    answers = [problem["answer"] for problem in problems]
    return sum(map(reward, texts, answers)) / size


# For the trainings of notebooks 02 and 03: REINFORCE and PPO.

# ---- 2.3 reinforce_loss

# ---- 3.1 gae

# ---- 3.5 explained_variance

# ---- 3.6 ppo_step


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train the tiny Qwen with your own GRPO.")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--updates", type=int, default=1, help="on each batch")
    parser.add_argument("--kl", type=float, default=0.0, help="weight of the KL to the start")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    model, tokenizer = load_policy()
    print(f"right before: {share_right(model, tokenizer):.2f}")
    with tqdm(total=options.steps, unit="step") as bar:

        def show(figures):
            paid, thinks = figures["reward_mean"], figures["think_share"]
            bar.set_postfix_str(f"reward {paid:.2f}, thinks {thinks:.2f}")
            bar.update()

        train(
            model,
            tokenizer,
            options.steps,
            updates=options.updates,
            kl_coef=options.kl,
            seed=options.seed,
            on_step=show,
        )
    print(f"right after:  {share_right(model, tokenizer):.2f}")
