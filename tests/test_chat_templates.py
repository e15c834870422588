"""The templates that Qwen2.5 and Qwen3 are published with, read from TRL, which ships their text.

A tiny model answers through them here, so that what surrounds an answer is that of the real ones.
"""

from types import SimpleNamespace

import pytest
from trl.chat_template_utils import qwen2_5_chat_template, qwen3_chat_template

from grpo_mini.experiments.warmstart import build_tokenizer
from grpo_mini.models import decode, encode_prompts, end_token_ids
from grpo_mini.tasks import TASKS, parse_response, read_sentence

THINKING = {"enable_thinking": True}
NOT_THINKING = {"enable_thinking": False}
# Template, its arguments, the system message that stands there unasked, what opens the answer.
TEMPLATES = {
    "qwen2.5": (qwen2_5_chat_template, {},
                "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.", ""),
    "qwen3": (qwen3_chat_template, {}, "", ""),
    "qwen3-thinking": (qwen3_chat_template, THINKING, "", ""),
    "qwen3-not-thinking": (qwen3_chat_template, NOT_THINKING, "", "<think>\n\n</think>\n\n"),
}  # fmt: skip


@pytest.fixture(params=TEMPLATES.values(), ids=TEMPLATES)
def template(request):
    tokenizer = build_tokenizer()
    tokenizer.chat_template, arguments, system, opening = request.param
    return tokenizer, arguments, system, opening


def turn(role: str, content: str) -> str:
    return f"<|im_start|>{role}\n{content}<|im_end|>\n"


@pytest.mark.parametrize("name", ["words", "chain-sums"])
def test_a_prompt_is_written_as_the_model_was_trained_on_it(template, name):
    tokenizer, arguments, system, opening = template
    (record,) = TASKS[name].dataset(1, seed=0)
    question = record["prompt"][-1]["content"]
    (tokens,) = encode_prompts(tokenizer, [record["prompt"]], 1000, arguments)
    expected = turn("system", system) if system else ""
    expected += turn("user", question) + "<|im_start|>assistant\n" + opening
    assert tokenizer.decode(tokens) == expected
    assert tokens.count(tokenizer.eos_token_id) == expected.count("<|im_end|>"), "special tokens"


def test_instructions_and_examples_become_turns(template):
    tokenizer, arguments, _, opening = template
    task = TASKS["words"]
    (record,) = task.dataset(1, seed=0, instructions=True, examples=2)
    (tokens,) = encode_prompts(tokenizer, [record["prompt"]], 4000, arguments)
    turns = [turn(message["role"], message["content"]) for message in record["prompt"]]
    assert tokenizer.decode(tokens) == "".join(turns) + "<|im_start|>assistant\n" + opening


def test_a_turn_ends_with_the_templates_end_token(template):
    tokenizer, *_ = template
    tokenizer.eos_token = "<|endoftext|>"  # as in the base models
    silent = SimpleNamespace(generation_config=None)  # a model that names no end itself
    ends = end_token_ids(silent, tokenizer)
    assert tokenizer.convert_tokens_to_ids("<|im_end|>") in ends


SENTENCE = "The brave fox slept near the river."
ANSWERS = {
    "at once": (SENTENCE, True),
    "after a thought": (f"<think>\nfox, river: seven words\n</think>\n\n{SENTENCE}", True),
    "after an endless thought": ("<think>\nfox, river: seven words", False),
    "twice": (f"{SENTENCE}\n\n{SENTENCE}", False),
}


@pytest.mark.parametrize(("answer", "right"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_is_read_whatever_the_template_has_opened(template, answer, right):
    tokenizer, arguments, _, opening = template
    prompt = [{"role": "user", "content": "Write."}]
    (tokens,) = encode_prompts(tokenizer, [prompt], 1000, arguments)
    (text,) = decode(tokenizer, [tokens], [tokenizer(answer).input_ids])
    if opening:  # a thought that the template closed itself is no part of the answer
        assert text == answer
    assert (read_sentence(text) is not None) == right
    paid = TASKS["words"].reward([text], about=[["fox", "river"]], words=[7])
    assert paid == [float(right)]


def test_a_thought_that_the_template_opens_belongs_to_the_answer():
    tokenizer = build_tokenizer()  # DeepSeek-R1's distilled Qwens and Qwen3-Thinking end like this
    tokenizer.chat_template = qwen3_chat_template + "{{- '<think>\\n' }}"
    (tokens,) = encode_prompts(tokenizer, [[{"role": "user", "content": "7+8="}]], 1000)
    answer = "7+8=15</think>\n\n<answer>15</answer>"
    (text,) = decode(tokenizer, [tokens], [tokenizer(answer).input_ids])
    assert parse_response(text) == ("\n7+8=15", "15")
    answer = f"seven words</think>\n\n{SENTENCE}"
    (text,) = decode(tokenizer, [tokens], [tokenizer(answer).input_ids])
    assert len(read_sentence(text)) == 7
