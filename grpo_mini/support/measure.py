"""What the metrics mean, and the interval of a share."""

import math

# Every metric of a training step: what it means, and what is healthy.
METRICS = {
    "step": "updates done so far",
    "reward_mean": "mean reward of the samples; it should rise",
    "reward_std": "spread of the rewards of the batch; 0 means that there is nothing to compare",
    "think_share": "share of responses that think first; rises if thinking pays",
    "length_mean": "response tokens, mean; rises with thinking, runaway growth is a warning",
    "truncated_share": "responses cut off without an end token; near 0, else raise max_new_tokens",
    "policy_loss": "value of the surrogate; GRPO: near 0 on-policy, so no measure of learning",
    "entropy": "nats per token while sampling; falls slowly, near 0 means exploration is over",
    "kl": "estimated KL to the reference, mean per token (with kl_coef > 0); grows slowly",
    "clip_fraction": "share of tokens whose gradient the surrogate stopped; 0.2 is high",
    "log_prob_distance": "mean |re-scored - sampled| log-prob; 1e-6 in float32, above 0.05 a bug",
    "grad_norm": "length of the policy's gradient before clipping; a sudden change is a warning",
    "tokens_per_second": "sampled tokens over the whole step's time",
    "peak_memory_mb": "most memory the process (on CUDA: the GPU) has held so far",
    "seconds_generate": "time to sample the responses",
    "seconds_reward": "time in the reward function",
    "seconds_score": "time in reference and critic before the update",
    "seconds_update": "time in forward, backward and optimiser steps",
    "raw_reward_mean": "GRPO: as reward_mean, under the source's name",
    "raw_reward_std": "GRPO: spread of the rewards of the whole batch",
    "relative_reward_mean": "GRPO: near 0 by construction; else the groups are wrong",
    "relative_reward_std": "GRPO: sqrt((1 - f)(G - 1)/G) after group normalisation, f silent share",
    "group_baseline_mean": "GRPO: mean of the group means",
    "silent_group_share": "GRPO: groups with equal rewards, which teach nothing; below 0.5",
    "advantage_mean": "near 0 by construction",
    "advantage_std": "1 after standardisation; the hidden part of the step size",
    "value_loss": "PPO: squared error of the critic, mean per token; should fall",
    "value_grad_norm": "PPO: length of the critic's gradient before clipping",
    "explained_variance": "PPO: share of the returns' variance the critic knows; none if all equal",
    "eval_accuracy": "right answers on held-out problems, sampled at the training temperature",
    "eval_low": "lower end of its 95% Wilson interval",
    "eval_high": "upper end of its 95% Wilson interval",
    "eval_reward": "mean reward on held-out problems",
    "eval_think_share": "share of held-out responses that think first",
    "eval_length": "mean response tokens on held-out problems",
    "train_seconds": "training time so far, without evaluation and checkpoints",
    "cpu_seconds": "processor time of it, all cores together; other programs do not change it",
    "samples": "responses sampled for training so far",
}
TIMING_METRICS = frozenset(
    name for name in METRICS if "second" in name or name == "peak_memory_mb"
)  # what two equal runs may differ in


def wilson_interval(right: int, number: int, z: float = 1.96) -> tuple[float, float]:
    """95% interval of a share (Wilson 1927); unlike the normal one it works near 0 and 1."""
    share = right / number
    centre = share + z**2 / (2 * number)
    margin = z * math.sqrt(share * (1 - share) / number + z**2 / (4 * number**2))
    scale = 1 + z**2 / number
    return max(centre - margin, 0.0) / scale, min((centre + margin) / scale, 1.0)
