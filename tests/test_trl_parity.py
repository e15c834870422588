"""The same advantages, losses and gradients as TRL's GRPOTrainer, on the same inputs.

Nothing of TRL is retyped here. A real trainer is built around a tiny random Qwen2; only the sampled
tokens and their rewards are prescribed. TRL then pads, masks, scores and computes advantages and
loss with its own code.
"""

from itertools import chain

import pytest
import torch

from grpo_mini.advantages import compute_relative_rewards, standardize
from grpo_mini.losses import (
    aggregate,
    clipped_surrogate,
    entropy,
    kl_penalty,
    token_log_probs,
    token_weights,
)

trl = pytest.importorskip("trl")

pytestmark = pytest.mark.filterwarnings("ignore:You are using 'rollout_func'")

PAD, END = 0, 1
GROUP_SIZE = 4
# Two prompts of different lengths and four responses each; one response has no end token.
PROMPTS = [[2, 3], [4, 5, 6, 7]]
RESPONSES = [
    [2, 3, 4, END],
    [5, END],
    [6, 7, 8, 9, 10, 11],
    [2, 2, END],
    [END],
    [11, 3, END],
    [4, 8, 4, 8, END],
    [9, 10, 9, END],
]
REWARDS = [1.0, 0.0, 0.25, 2.0, 0.0, 0.0, 1.0, -0.5]
# TRL's names and ours. Its bnpo is the token mean of one micro-batch, its dapo that of the batch.
MODES = {"grpo": "sequence", "dapo": "token", "bnpo": "token", "dr_grpo": "constant"}
MAX_LENGTH, TEMPERATURE, CLIP_LOW, CLIP_HIGH = 7, 0.7, 0.2, 0.28


@pytest.fixture(scope="module")
def qwen_folder(tmp_path_factory):
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    folder = tmp_path_factory.mktemp("tiny_qwen")
    vocabulary = {token: i for i, token in enumerate(["<pad>", "<end>", *"abcdefghij"])}
    config = Qwen2Config(
        vocab_size=len(vocabulary),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=32,
        initializer_range=0.3,
        pad_token_id=PAD,
        eos_token_id=END,
        bos_token_id=None,
    )
    torch.manual_seed(0)
    Qwen2ForCausalLM(config).save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(vocabulary, unk_token="a")),
        pad_token="<pad>",
        eos_token="<end>",
    ).save_pretrained(folder)
    return str(folder)


@pytest.fixture
def build_trainer(qwen_folder, tmp_path):
    """Build TRL's trainer with our tokens and rewards in place of sampling and a verifier."""
    from datasets import Dataset
    from transformers import AutoTokenizer

    def rollout(prompts, trainer):
        prompt_ids = [PROMPTS[prompts.index(prompt) // GROUP_SIZE] for prompt in prompts]
        log_probs = [[0.0] * len(response) for response in RESPONSES]
        return {"prompt_ids": prompt_ids, "completion_ids": RESPONSES, "logprobs": log_probs}

    def build(rewards=REWARDS, micro_batches=1, weighted_kl=False, **options):
        config = trl.GRPOConfig(
            output_dir=str(tmp_path),
            num_generations=GROUP_SIZE,
            per_device_train_batch_size=len(RESPONSES) // micro_batches,
            gradient_accumulation_steps=micro_batches,
            num_iterations=2,  # more than one, so that TRL stores the old log-probs
            max_completion_length=MAX_LENGTH,
            temperature=TEMPERATURE,
            epsilon=CLIP_LOW,
            epsilon_high=CLIP_HIGH,
            use_bias_correction_kl=weighted_kl,
            model_init_kwargs={"dtype": "float32"},
            bf16=False,
            use_cpu=True,
            disable_tqdm=True,
            report_to=[],
            **options,
        )
        trainer = trl.GRPOTrainer(
            model=qwen_folder,
            reward_funcs=lambda completions, **_: rewards,
            args=config,
            train_dataset=Dataset.from_dict({"prompt": ["a", "b"]}),
            processing_class=AutoTokenizer.from_pretrained(qwen_folder),
            rollout_func=rollout,
        )
        trainer.model.train()
        trainer.current_gradient_accumulation_steps = micro_batches
        return trainer

    return build


def generate(trainer):
    """TRL's own batch: padded tokens, masks, advantages, old and reference log-probs."""
    return trainer._generate_and_score_completions([{"prompt": p} for p in "aaaabbbb"])


def move_off_policy(model):
    """Change the policy after sampling, so that ratios leave the trust region on both sides."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)


def gradients(model, loss):
    model.zero_grad()
    loss.backward()
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


def response_logits(model, batch):
    """Logits [B, T, V] of the response tokens: each is predicted one position earlier."""
    tokens = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
    attention = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
    logits = model(input_ids=tokens, attention_mask=attention).logits
    return logits[:, batch["prompt_ids"].shape[1] - 1 : -1]


def our_per_token_loss(model, batch, advantages, beta, weighted_kl=False):
    log_probs = token_log_probs(
        response_logits(model, batch), batch["completion_ids"], temperature=TEMPERATURE
    )
    per_token = clipped_surrogate(
        log_probs, batch["old_per_token_logps"], advantages.unsqueeze(1), CLIP_LOW, CLIP_HIGH
    )
    if beta == 0:
        return per_token
    penalty = kl_penalty(log_probs, batch["ref_per_token_logps"], "k3")
    if weighted_kl:
        penalty = penalty * torch.exp(log_probs - batch["old_per_token_logps"])
    return per_token + beta * penalty


def our_advantages(rewards=REWARDS, **options):
    return compute_relative_rewards(torch.tensor(rewards), GROUP_SIZE, eps=1e-4, **options)[0]


def test_trl_is_the_version_whose_code_these_tests_call():
    assert trl.__version__ == "1.16.0"


# --------------------------------------------------------------------------------- advantages

REWARD_LISTS = [
    pytest.param(REWARDS, id="graded"),
    pytest.param([1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0], id="right or wrong"),
    pytest.param([1.0, 1.0, 1.0, 1.0, 0.0, 5.0, 0.0, 0.0], id="one silent group"),
    pytest.param([1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0], id="all groups silent"),
]


@pytest.mark.parametrize("rewards", REWARD_LISTS)
@pytest.mark.parametrize(("scale_rewards", "normalize"), [("group", True), ("none", False)])
def test_advantages_with_and_without_std(build_trainer, rewards, scale_rewards, normalize):
    trainer = build_trainer(rewards, scale_rewards=scale_rewards)
    torch.testing.assert_close(
        our_advantages(rewards, normalize=normalize), generate(trainer)["advantages"]
    )


@pytest.mark.parametrize("rewards", REWARD_LISTS)
def test_advantages_scaled_over_the_batch(build_trainer, rewards):
    """TRL divides by the std of the *rewards* (ddof 1); `standardize` by that of what it scales."""
    found = generate(build_trainer(rewards, scale_rewards="batch"))["advantages"]
    centred = our_advantages(rewards, normalize=False)
    divisor = torch.tensor(rewards).std() + 1e-4
    torch.testing.assert_close(centred / divisor, found)
    # Hence both point the same way, and standardizing TRL's once more gives ours.
    torch.testing.assert_close(standardize(centred), standardize(found))


# --------------------------------------------------------------------- log-probs and the loss


def test_log_probs_and_entropy_at_the_sampling_temperature(build_trainer):
    trainer = build_trainer()
    batch = generate(trainer)
    mask = batch["completion_mask"].bool()
    logits = response_logits(trainer.model, batch)
    ours = token_log_probs(logits, batch["completion_ids"], TEMPERATURE)
    torch.testing.assert_close(ours[mask], batch["old_per_token_logps"][mask])
    trainer._compute_loss(trainer.model, batch)
    found = trainer._metrics["train"]["entropy"][-1]
    assert entropy(logits, TEMPERATURE)[mask].mean().item() == pytest.approx(found, rel=1e-5)


@pytest.mark.parametrize(
    ("beta", "weighted_kl"),
    [
        pytest.param(0.0, False, id="no KL"),
        pytest.param(0.3, False, id="k3, as in the GRPO paper"),
        pytest.param(0.3, True, id="k3 times the ratio, TRL's default"),
    ],
)
@pytest.mark.parametrize("loss_type", MODES)
def test_loss_and_gradient_off_policy(build_trainer, loss_type, beta, weighted_kl):
    trainer = build_trainer(loss_type=loss_type, beta=beta, weighted_kl=weighted_kl)
    batch, model = generate(trainer), trainer.model
    move_off_policy(model)

    found = trainer._compute_loss(model, batch)
    found_gradients = gradients(model, found)
    clipped = {
        side: trainer._metrics["train"][f"clip_ratio/{side}_mean"] for side in ("low", "high")
    }
    assert all(0 < shares[-1] < 0.5 for shares in clipped.values()), "both clips must be at work"

    per_token = our_per_token_loss(model, batch, our_advantages(), beta, weighted_kl)
    loss = aggregate(per_token, batch["completion_mask"], MODES[loss_type], MAX_LENGTH)
    torch.testing.assert_close(loss, found)
    torch.testing.assert_close(gradients(model, loss), found_gradients)


def test_on_policy_the_loss_is_0_and_the_gradient_is_not_in_both(build_trainer):
    trainer = build_trainer(loss_type="grpo", beta=0.0)
    batch, model = generate(trainer), trainer.model
    found = trainer._compute_loss(model, batch)
    per_token = our_per_token_loss(model, batch, our_advantages(), beta=0.0)
    loss = aggregate(per_token, batch["completion_mask"])
    assert (loss.item(), found.item()) == pytest.approx((0, 0), abs=1e-6)
    ours, theirs = gradients(model, loss), gradients(model, found)
    torch.testing.assert_close(ours, theirs)
    assert sum(gradient.norm() for gradient in ours.values()) > 0.1


@pytest.mark.parametrize("loss_type", ["grpo", "dapo", "dr_grpo"])
def test_micro_batches_sum_to_our_undivided_loss(build_trainer, loss_type):
    trainer = build_trainer(loss_type=loss_type, beta=0.3, micro_batches=2)
    model, prompts = trainer.model, [{"prompt": p} for p in "aaaabbbb"]
    parts = []
    for trainer._step in range(2):  # TRL shuffles and splits the batch itself
        parts.append(trainer._prepare_inputs(prompts))
    move_off_policy(model)
    found = sum(trainer._compute_loss(model, part) for part in parts)
    found_gradients = gradients(model, found)

    whole_mask = torch.cat([part["completion_mask"] for part in parts])
    weights = token_weights(whole_mask, MODES[loss_type], MAX_LENGTH)
    losses = [our_per_token_loss(model, part, part["advantages"], beta=0.3) for part in parts]
    loss = (torch.cat(losses) * weights).sum()
    torch.testing.assert_close(loss, found)
    torch.testing.assert_close(gradients(model, loss), found_gradients)


def test_one_whole_training_step_moves_the_weights_along_our_gradient(build_trainer):
    """TRL's loop from sampling to the optimiser, as plain gradient descent."""
    trainer = build_trainer(
        loss_type="grpo",
        beta=0.0,
        optim="sgd",
        learning_rate=0.5,
        lr_scheduler_type="constant",
        max_grad_norm=0.0,
        max_steps=1,
        logging_strategy="no",
        save_strategy="no",
    )
    model = trainer.model
    batch = generate(trainer)
    per_token = our_per_token_loss(model, batch, our_advantages(), beta=0.0)
    expected = gradients(model, aggregate(per_token, batch["completion_mask"]))
    model.zero_grad()
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    trainer.train()
    for name, parameter in trainer.model.named_parameters():
        step = before[name] - parameter.detach()
        torch.testing.assert_close(step, 0.5 * expected[name], rtol=1e-3, atol=1e-6)


def test_the_prescribed_tokens_arrive_in_trl_padded_and_masked(build_trainer):
    """If they did not, the comparisons above would compare something else."""
    batch = generate(build_trainer())
    assert (
        list(chain(*RESPONSES)) == batch["completion_ids"][batch["completion_mask"] == 1].tolist()
    )
    assert batch["completion_mask"].sum(dim=1).tolist() == [len(r) for r in RESPONSES]
    assert batch["prompt_mask"].sum(dim=1).tolist() == [2] * 4 + [4] * 4
