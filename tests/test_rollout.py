"""Sampling and scoring: tokens, masks, log-probs, padding, end tokens."""

import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from grpo_mini.losses import token_log_probs
from grpo_mini.models import encode_prompts, end_token_ids
from grpo_mini.rollout import Rollout, _draw, micro_batches, sample, score
from grpo_mini.support.partition import PASS_COST
from grpo_mini.tasks import TASKS


def chat(text: str) -> list[dict]:
    return [{"role": "user", "content": text}]


@pytest.fixture(scope="module")
def prompts():
    return [record["prompt"] for record in TASKS["chain-sums"].dataset(12, seed=3)]


@pytest.fixture(scope="module")
def rollout(tiny, prompts):
    return sample(*tiny, prompts, 4, 40, generator=torch.Generator().manual_seed(0))


def test_the_mask_ends_with_the_end_token_and_nothing_follows_it(tiny, rollout):
    ends = set(end_token_ids(*tiny))
    for tokens, mask, truncated in zip(
        rollout.tokens_BT.tolist(), rollout.mask_BT.tolist(), rollout.truncated_B, strict=True
    ):
        length = sum(mask)
        assert mask == [1] * length + [0] * (len(mask) - length)
        response = tokens[:length]
        assert not ends & set(response[:-1])
        assert (response[-1] in ends) != bool(truncated)
        assert set(tokens[length:]) <= {tiny[1].pad_token_id}


def test_log_probs_of_sampling_equal_those_of_scoring(tiny, rollout):
    log_probs, entropy = score(tiny[0], rollout, with_entropy=True)
    inside = rollout.mask_BT.bool()
    assert torch.allclose(log_probs[inside], rollout.log_probs_BT[inside], atol=2e-4)
    assert torch.allclose(entropy[inside], rollout.entropy_BT[inside], atol=2e-4)


def test_a_wrong_temperature_in_scoring_shows(tiny, prompts):
    rollout = sample(*tiny, prompts, 2, 40, 1.5, torch.Generator().manual_seed(1))
    inside = rollout.mask_BT.bool()
    right, _ = score(tiny[0], rollout, temperature=1.5)
    wrong, _ = score(tiny[0], rollout, temperature=1.0)
    assert torch.allclose(right[inside], rollout.log_probs_BT[inside], atol=2e-4)
    assert (wrong - rollout.log_probs_BT)[inside].abs().mean() > 0.01


def test_scoring_a_batch_equals_scoring_each_row_alone_without_padding(tiny, rollout):
    model, _ = tiny
    together, _ = score(model, rollout)
    for row in range(0, len(rollout), 7):
        length = int(rollout.lengths_B[row])
        prompt, response = rollout.prompts[row], rollout.tokens_BT[row, :length]
        tokens = torch.cat([torch.tensor(prompt), response]).unsqueeze(0)
        logits = model(tokens).logits[:, len(prompt) - 1 : -1]
        alone = token_log_probs(logits, response.unsqueeze(0))[0]
        assert torch.allclose(together[row, :length], alone, atol=1e-4)


def test_prompts_of_other_lengths_in_the_batch_change_nothing(tiny):
    """Left padding with wrong position ids would change the first token's distribution."""
    short, long = chat("7+8+9="), chat("17+25+38+91+64=")
    together = sample(*tiny, [short, long], 1, 1, generator=torch.Generator().manual_seed(0))
    for i, prompt in enumerate([short, long]):
        alone = sample(*tiny, [prompt], 1, 1, generator=torch.Generator().manual_seed(0))
        assert torch.allclose(together.entropy_BT[i], alone.entropy_BT[0], atol=1e-4)


def test_samples_of_one_prompt_are_neighbours(rollout, prompts, tiny):
    encoded = encode_prompts(tiny[1], prompts, 400)
    assert rollout.prompts == [prompt for prompt in encoded for _ in range(4)]


def test_the_same_seed_gives_the_same_rollout(tiny, prompts, rollout):
    again = sample(*tiny, prompts, 4, 40, generator=torch.Generator().manual_seed(0))
    assert torch.equal(again.tokens_BT, rollout.tokens_BT)
    other = sample(*tiny, prompts, 4, 40, generator=torch.Generator().manual_seed(1))
    assert other.texts != rollout.texts


def test_select_cuts_every_field_alike(rollout):
    rows = torch.tensor([5, 0, 7])
    part = rollout.select(rows)
    assert part.texts == [rollout.texts[i] for i in (5, 0, 7)]
    assert part.prompts == [rollout.prompts[i] for i in (5, 0, 7)]
    assert part.tokens_BT.shape[1] == int(rollout.lengths_B[rows].max())
    for name in ("tokens_BT", "mask_BT", "log_probs_BT", "entropy_BT"):
        whole, cut = getattr(rollout, name), getattr(part, name)
        assert torch.equal(cut, whole[rows, : cut.shape[1]])
    assert isinstance(part, Rollout) and len(part) == 3


def test_draws_follow_the_softmax():
    logits = torch.tensor([[2.0, 0.0, -1.0, -torch.inf]]).expand(200_000, 4)
    drawn = _draw(logits, 2.0, torch.Generator().manual_seed(0)).squeeze(1)
    shares = torch.bincount(drawn, minlength=4) / len(drawn)
    assert torch.allclose(shares, (logits[0] / 2).softmax(0), atol=0.004)
    assert shares[3] == 0


def test_both_of_qwens_end_tokens_end_a_response(tiny):
    model, tokenizer = tiny
    vocabulary = len(tokenizer)
    config = Qwen2Config(
        vocab_size=vocabulary,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        intermediate_size=16,
        eos_token_id=[tokenizer.eos_token_id, tokenizer.pad_token_id],
    )
    torch.manual_seed(0)
    random_model = Qwen2ForCausalLM(config).eval()
    assert end_token_ids(random_model, tokenizer) == sorted(config.eos_token_id)
    rollout = sample(random_model, tokenizer, [chat("1+2=")], 512, 40)
    last = rollout.tokens_BT.gather(1, rollout.lengths_B.unsqueeze(1) - 1).squeeze(1)
    assert set(last[~rollout.truncated_B].tolist()) == set(config.eos_token_id)
    # The pad token that ended a response counts as a response token.
    ended_by_pad = (last == tokenizer.pad_token_id) & ~rollout.truncated_B
    row = int(ended_by_pad.nonzero()[0])
    assert rollout.mask_BT[row, rollout.lengths_B[row] - 1] == 1


@pytest.mark.parametrize("bad", [chat(""), chat("   "), "", "  "])
def test_an_empty_prompt_is_refused(tiny, bad):
    with pytest.raises(ValueError, match="prompt 1 is empty"):
        sample(*tiny, [chat("1+2="), bad])


def test_a_prompt_longer_than_the_window_is_refused(tiny):
    with pytest.raises(ValueError, match="prompt 0 has 503 tokens.*room for 448"):
        sample(*tiny, [chat("1+" * 250)], max_new_tokens=64)


def test_chat_messages_need_a_chat_template(tiny):
    model, tokenizer = tiny
    template, tokenizer.chat_template = tokenizer.chat_template, None
    try:
        with pytest.raises(ValueError, match="no chat template"):
            sample(model, tokenizer, [chat("1+2=")])
    finally:
        tokenizer.chat_template = template


def test_a_special_token_inside_an_answer_is_not_dropped(tiny, monkeypatch):
    """Dropped, it would leave the right digits: 8<|im_start|>9 would be paid as 89."""
    model, tokenizer = tiny
    script = tokenizer("<answer>8<|im_start|>9</answer><|im_end|>").input_ids
    drawn = iter(script)
    monkeypatch.setattr("grpo_mini.rollout._draw", lambda *_: torch.tensor([[next(drawn)]]))
    rollout = sample(model, tokenizer, [chat("80+9=")])
    assert rollout.texts == ["<answer>8<|im_start|>9</answer>"]
    assert TASKS["chain-sums"].reward(rollout.texts, ["89"]) == [0.0]


def test_micro_batches_hold_each_row_once_and_stay_within_their_tokens(rollout):
    rows = list(range(0, len(rollout), 2))
    parts = micro_batches(rollout, rows, 200)
    assert sorted(row for part in parts for row in part.tolist()) == rows
    assert len(parts) > 2
    for part in parts:
        prompts = {tuple(rollout.prompts[row]) for row in part.tolist()}
        responses = len(part) * int(rollout.lengths_B[part].max())
        assert responses + len(prompts) * max(map(len, prompts)) <= 200


def test_micro_batches_are_the_cheapest_division_into_neighbours_by_length(rollout):
    """Against all ways to cut ten rows sorted by length."""
    rows, prompts = list(range(0, 40, 4)), rollout.prompts
    lengths = rollout.lengths_B.tolist()
    order = sorted(rows, key=lambda row: (lengths[row], prompts[row]))

    def tokens(part):
        read = {tuple(prompts[row]) for row in part}
        return len(part) * max(lengths[row] for row in part) + len(read) * max(map(len, read))

    def divisions(rows):
        yield [rows]
        for cut in range(1, len(rows)):
            for rest in divisions(rows[cut:]):
                yield [rows[:cut], *rest]

    def price(parts):
        return sum(tokens(part) + PASS_COST["cpu"] for part in parts)

    for limit in (120, 200, 400):
        allowed = [d for d in divisions(order) if all(tokens(part) <= limit for part in d)]
        assert len(allowed) > 1
        found = [part.tolist() for part in micro_batches(rollout, rows, limit)]
        assert price(found) == min(map(price, allowed))


def test_a_response_longer_than_a_micro_batch_gets_one_of_its_own(rollout):
    assert [len(part) for part in micro_batches(rollout, [0, 1, 2], 1)] == [1, 1, 1]
    assert micro_batches(rollout, [], 1) == []


def test_a_prompt_of_one_token_and_a_response_of_one_token_can_be_scored(tiny):
    """The edges of reading prompts apart: nothing to pad, and nothing left to read."""
    model, tokenizer = tiny
    rollout = sample(model, tokenizer, ["7", "1+2="], 2, 1)
    log_probs, _ = score(model, rollout)
    assert torch.allclose(log_probs, rollout.log_probs_BT, atol=1e-4)


def test_prompts_are_read_once_and_teach_from_all_of_their_samples(tiny, rollout):
    """The gradient through the shared cache is that of reading prompt and response together."""
    model, _ = tiny
    model.zero_grad()
    part = rollout.select(torch.arange(6))
    (score(model, part)[0] * part.mask_BT).sum().backward()
    shared = model.model.layers[0].self_attn.k_proj.weight.grad.clone()
    model.zero_grad()
    for row in range(6):
        response = part.tokens_BT[row, : part.lengths_B[row]]
        tokens = torch.cat([torch.tensor(part.prompts[row]), response]).unsqueeze(0)
        logits = model(tokens).logits[:, len(part.prompts[row]) - 1 : -1]
        token_log_probs(logits, response.unsqueeze(0)).sum().backward()
    alone = model.model.layers[0].self_attn.k_proj.weight.grad.clone()
    model.zero_grad()
    assert torch.allclose(shared, alone, rtol=1e-3, atol=1e-3 * alone.abs().max())
