"""Tasks: demonstrations earn the reward, data sets stay apart, and cheats earn nothing."""

import random
import re
import time
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grpo_mini.tasks import (
    MAX_RESPONSE_CHARACTERS,
    TAGS,
    TASKS,
    chain_sum_reward,
    completion_text,
    countdown_reward,
    get_task,
    graded_reward,
    has_thought,
    is_held_out,
    parse_response,
)
from grpo_mini.tasks.arithmetic import evaluate_expression
from grpo_mini.trainer import TrainerConfig

MILLION = 1_000_000
SEEDS = st.integers(min_value=0, max_value=2**32)
TASK_NAMES = sorted(TASKS)
SUMS = [n for n in TASK_NAMES if not n.startswith(("words", "cups"))]  # their thoughts: equations


def question_of(record: dict) -> str:
    return record["prompt"][-1]["content"]


def core_of(record: dict) -> tuple[str, ...]:
    """The words of a problem, or else its numbers, in an order that does not depend on its own."""
    question = question_of(record)
    return tuple(sorted(re.findall("[a-z]+", question) or re.findall("[0-9]+", question)))


def columns_of(records: list[dict]) -> dict[str, list]:
    """Records -> columns, as a trainer passes them to a reward."""
    return {name: [record[name] for record in records] for name in records[0]}


def pay(reward, completion, **columns) -> float:
    """The reward of one completion; the columns are those of one record."""
    (paid,) = reward([completion], **{name: [value] for name, value in columns.items()})
    return paid


# ---------------------------------------------------------------------------- every task


@pytest.mark.parametrize("name", TASK_NAMES)
@pytest.mark.parametrize("think", [False, True])
@settings(deadline=None, max_examples=200)
@given(seed=SEEDS)
def test_every_demonstration_earns_the_full_reward(name, think, seed):
    task, rng = TASKS[name], random.Random(seed)
    record = task.make_problem(rng)
    response = task.demonstrate(rng, record, think)
    assert pay(task.reward, response, **record) == 1.0
    assert has_thought(response) == think


@pytest.mark.parametrize("name", SUMS)
@settings(deadline=None, max_examples=50)
@given(seed=SEEDS)
def test_every_equation_of_a_thought_is_true(name, seed):
    task, rng = TASKS[name], random.Random(seed)
    thought, _ = parse_response(task.demonstrate(rng, task.make_problem(rng), True))
    for equation in thought.split(";"):
        left, right = equation.split("=")
        assert evaluate_expression(left)[0] == int(right)


@settings(deadline=None, max_examples=200)
@given(seed=SEEDS)
def test_a_chain_sum_has_three_to_five_terms_and_their_sum(seed):
    record = TASKS["chain-sums"].make_problem(random.Random(seed))
    terms = [int(term) for term in question_of(record).removesuffix("=").split("+")]
    assert 3 <= len(terms) <= 5
    assert all(1 <= term <= 99 for term in terms)
    assert record["answer"] == str(sum(terms))


@settings(deadline=None, max_examples=200)
@given(seed=SEEDS)
def test_a_countdown_problem_is_never_solved_by_a_given_number(seed):
    record = TASKS["countdown"].make_problem(random.Random(seed))
    assert record["target"] not in record["numbers"]
    assert 1 <= record["target"] <= 99
    asked = ",".join(map(str, record["numbers"])) + f"={record['target']}"
    assert question_of(record) == asked


@pytest.mark.parametrize("name", TASK_NAMES)
def test_the_same_seed_makes_the_same_data_set(name):
    task = TASKS[name]
    assert task.dataset(50, seed=1) == task.dataset(50, seed=1)
    assert task.dataset(50, seed=1) != task.dataset(50, seed=2)
    assert task.dataset(50, seed=1)[:20] == task.dataset(20, seed=1)


def test_chain_sums_stay_the_same_between_machines_and_versions():
    # Recorded runs and stored outputs rest on these problems.
    questions = [question_of(record) for record in TASKS["chain-sums"].dataset(3, seed=0)]
    assert questions == ["1+12+64+3=", "8+28+23+89=", "83+64+57+56+97="]


@pytest.mark.parametrize("name", TASK_NAMES)
def test_a_data_set_has_no_problem_twice(name):
    questions = [question_of(record) for record in TASKS[name].dataset(300, seed=3)]
    assert len(set(questions)) == len(questions) == 300


@pytest.mark.parametrize("name", TASK_NAMES)
@settings(deadline=None, max_examples=10)
@given(training_seed=SEEDS, held_out_seed=SEEDS)
def test_training_and_held_out_share_no_problem_in_any_order(name, training_seed, held_out_seed):
    training = TASKS[name].dataset(400, seed=training_seed)
    held_out = TASKS[name].dataset(40, seed=held_out_seed, held_out=True)
    assert not {core_of(record) for record in training} & {core_of(record) for record in held_out}


@settings(deadline=None)
@given(terms=st.lists(st.integers(1, 99), min_size=3, max_size=5), data=st.data())
def test_the_order_of_the_numbers_does_not_change_the_side(terms, data):
    shuffled = data.draw(st.permutations(terms))
    assert is_held_out("+".join(map(str, terms))) == is_held_out("+".join(map(str, shuffled)))


def test_about_one_problem_in_sixteen_is_held_out():
    rng = random.Random(0)
    problems = [question_of(TASKS["chain-sums"].make_problem(rng)) for _ in range(4000)]
    assert 0.05 < sum(map(is_held_out, problems)) / len(problems) < 0.075


def test_instructions_come_as_a_system_message_and_change_no_problem():
    task = TASKS["countdown"]
    plain, instructed = task.dataset(5, seed=0), task.dataset(5, seed=0, instructions=True)
    for record, longer in zip(plain, instructed, strict=True):
        assert longer["prompt"][0] == {"role": "system", "content": task.instructions}
        assert longer["prompt"][1:] == record["prompt"]


@pytest.mark.parametrize("name", TASK_NAMES)
def test_examples_are_answered_problems_that_nobody_is_asked(name):
    task = TASKS[name]
    plain = task.dataset(300, seed=0)
    shown = task.dataset(300, seed=0, instructions=True, examples=3)
    messages = shown[0]["prompt"]
    roles = [message["role"] for message in messages]
    assert roles == ["system", *["user", "assistant"] * 3, "user"]
    assert [record["prompt"][:-1] for record in shown] == [messages[:-1]] * 300, "one and the same"
    questions = {message["content"] for message in messages[1:-1:2]}
    assert len(questions) == 3 and not any(map(is_held_out, questions))
    assert not questions & {question_of(record) for record in shown}
    kept = [r for r in plain if question_of(r) not in questions]
    assert [r["prompt"][-1:] for r in shown[: len(kept)]] == [r["prompt"] for r in kept]
    for message in messages[2::2]:
        assert task.has_form(message["content"])
        assert has_thought(message["content"]) == task.examples_think


def test_nobody_is_asked_an_example_where_problems_are_few():
    few = replace(
        TASKS["chain-sums"],
        make_problem=lambda rng: {
            "prompt": [{"role": "user", "content": f"{rng.randint(1, 9)}+{rng.randint(1, 9)}="}]
        },
        demonstrate=lambda rng, record, think: "…",
    )
    records = few.dataset(50, seed=0, examples=5)  # of at most 81, held-out ones among them
    shown = {message["content"] for message in records[0]["prompt"][:-1]}
    assert len(shown) == 6 and not shown & {r["prompt"][-1]["content"] for r in records}


def test_examples_are_right():
    task = TASKS["chain-sums"]
    _, question, answer, _ = task.dataset(1, seed=0, instructions=True, examples=1)[0]["prompt"]
    total = sum(map(int, question["content"].removesuffix("=").split("+")))
    assert answer["content"].endswith(f"<answer>{total}</answer>")


@pytest.mark.parametrize("examples", [-1, 1.5, True, "2"])
def test_a_wrong_number_of_examples_is_refused(examples):
    with pytest.raises(ValueError, match="examples must be"):
        TASKS["words"].dataset(1, seed=0, examples=examples)
    with pytest.raises(ValueError, match="examples must be"):
        TrainerConfig(examples=examples)


@pytest.mark.parametrize("name", TASK_NAMES)
def test_a_task_has_enough_problems_for_a_training_with_the_defaults(name):
    size = TrainerConfig().train_problems
    assert len(TASKS[name].dataset(size, seed=0)) == size


def test_a_task_with_too_few_problems_says_so():
    chain_sums = TASKS["chain-sums"]
    (only_problem,) = chain_sums.dataset(1, seed=0)
    task = replace(chain_sums, make_problem=lambda rng: only_problem)
    with pytest.raises(ValueError, match="'chain-sums' has too few different problems for size=2"):
        task.dataset(2, seed=0)


def test_an_unknown_task_lists_those_that_exist():
    names = "chain-sums, spread-sums, graded, countdown, cups, words"
    with pytest.raises(ValueError, match=f"unknown task 'sums'.*{names}"):
        get_task("sums")


# ---------------------------------------------------------------------------- the response's form

# Each entry: what the response tries, and the response to `17+25+38+9=`, whose answer is 89.
HONEST_FORMS = {
    "answer alone": "<answer>89</answer>",
    "thought and answer": "<think>17+25=42;42+38=80;80+9=89</think><answer>89</answer>",
    "empty thought": "<think></think><answer>89</answer>",
    "wrong thought, right answer": "<think>1+1=3</think><answer>89</answer>",
    "white space between the parts": "\n<think>a b\nc</think>\n\n<answer>89</answer>\n",
    "white space around the number": "<answer>\n89 </answer>",
    "angle brackets in the thought": "<think>3<5 and 5>3</think><answer>89</answer>",
}
CHEATING_FORMS = {
    "empty": "",
    "white space only": " \n\t ",
    "number without tags": "89",
    "only tags": "".join(TAGS),
    "only answer tags": "<answer></answer>",
    "only an open answer": "<answer>",
    "two answers, the first right": "<answer>89</answer><answer>90</answer>",
    "two answers, the last right": "<answer>90</answer><answer>89</answer>",
    "the right answer twice": "<answer>89</answer><answer>89</answer>",
    "an answer a line": "\n".join(f"<answer>{n}</answer>" for n in range(80, 100)),
    "answer inside the thought": "<think><answer>89</answer></think>",
    "answer inside the thought and after it": (
        "<think><answer>89</answer></think><answer>90</answer>"
    ),
    "same answer inside the thought and after it": (
        "<think><answer>89</answer></think><answer>89</answer>"
    ),
    "answer tags inside the answer": "<answer><answer>89</answer></answer>",
    "open answer tag inside the answer": "<answer>90<answer>89</answer>",
    "closing answer tag inside the answer": "<answer>89</answer>90</answer>",
    "thought inside the answer": "<answer><think>17+25</think>89</answer>",
    "thought after the answer": "<answer>89</answer><think>17+25=42</think>",
    "two thoughts": "<think>a</think><think>b</think><answer>89</answer>",
    "thought inside the thought": "<think><think>a</think></think><answer>89</answer>",
    "unclosed thought": "<think>17+25=42<answer>89</answer>",
    "thought never opened": "17+25=42</think><answer>89</answer>",
    "unclosed answer": "<answer>89",
    "unclosed answer after a thought": "<think>a</think><answer>89",
    "answer never opened": "89</answer>",
    "half a closing tag": "<answer>89</answer",
    "text before": "The sum is <answer>89</answer>",
    "text after": "<answer>89</answer> I am sure.",
    "text between thought and answer": "<think>a</think>so <answer>89</answer>",
    "special token after": "<answer>89</answer><|im_end|>",
    "tags in capitals": "<ANSWER>89</ANSWER>",
    "space inside a tag": "<answer >89</answer>",
    "tags of another script": "＜answer＞89＜/answer＞",
    "NUL before": "\x00<answer>89</answer>",
    "NUL after": "<answer>89</answer>\x00",
    "NUL inside a tag": "<ans\x00wer>89</answer>",
}


@pytest.mark.parametrize("reward", [chain_sum_reward, graded_reward])
@pytest.mark.parametrize("response", HONEST_FORMS.values(), ids=HONEST_FORMS)
def test_an_honest_form_earns_the_reward(reward, response):
    assert pay(reward, response, answer="89") == 1.0


@pytest.mark.parametrize("reward", [chain_sum_reward, graded_reward])
@pytest.mark.parametrize("response", CHEATING_FORMS.values(), ids=CHEATING_FORMS)
def test_a_cheating_form_earns_nothing(reward, response):
    assert parse_response(response) in (None, ("", ""))
    assert pay(reward, response, answer="89") == 0.0


@pytest.mark.parametrize("response", CHEATING_FORMS.values(), ids=CHEATING_FORMS)
def test_a_cheating_form_earns_nothing_in_countdown(response):
    response = response.replace("89", "3*8+5").replace("90", "3*8+5")
    assert pay(countdown_reward, response, numbers=[3, 5, 8], target=29) == 0.0


@pytest.mark.parametrize("name", TASK_NAMES)
def test_a_response_without_its_end_token_earns_nothing(name):
    task, rng = TASKS[name], random.Random(0)
    record = task.make_problem(rng)
    response = task.demonstrate(rng, record, True)
    assert pay(task.reward, response, **record, truncated=True) == 0.0
    assert pay(task.reward, response, **record, truncated=False) == 1.0


def test_a_response_may_be_long_but_not_endless():
    frame = "<think>{}</think><answer>89</answer>"
    room = MAX_RESPONSE_CHARACTERS - len(frame.format(""))
    assert pay(chain_sum_reward, frame.format("a" * room), answer="89") == 1.0
    assert pay(chain_sum_reward, frame.format("a" * (room + 1)), answer="89") == 0.0


# Lengths that make a slow verifier visible: far above the limit, and just below it.
LONG_RESPONSES = {
    f"{length:,} {what}": response
    for length in (MILLION, MAX_RESPONSE_CHARACTERS - 40)
    for what, response in {
        "characters of thought": f"<think>{'a' * length}</think>",
        "characters of open thought": f"<think>{'a' * length}",
        "digits": f"<answer>{'9' * length}</answer>",
        "zeros": f"<answer>{'0' * length}</answer>",
        "brackets": f"<answer>{'(' * length}</answer>",
        "closed brackets": f"<answer>{'(' * (length // 2)}3{')' * (length // 2)}</answer>",
        "signs": f"<answer>{'-' * length}3</answer>",
        "sums": f"<answer>{'1+' * (length // 2)}1</answer>",
        "powers": f"<answer>{'9**' * (length // 3)}9</answer>",
        "blanks": f"<answer>{' ' * length}</answer>",
        "blanks without tags": " " * length,
        "open tags": "<think>" * (length // 7),
        "answers": "<answer>89</answer>" * (length // 19),
        "half tags": "<" * length,
        "NUL bytes": f"<answer>{chr(0) * length}</answer>",
    }.items()
}


@pytest.mark.parametrize("response", LONG_RESPONSES.values(), ids=LONG_RESPONSES)
def test_a_long_response_earns_nothing_and_is_judged_fast(response):
    start = time.perf_counter()
    assert pay(chain_sum_reward, response, answer="89") == 0.0
    assert pay(graded_reward, response, answer="89") == 0.0
    assert pay(countdown_reward, response, numbers=[3, 5, 8], target=29) == 0.0
    has_thought(response)
    assert time.perf_counter() - start < 1.0


@settings(deadline=None, max_examples=300)
@given(
    pieces=st.lists(st.sampled_from([*TAGS, "89", "3*8+5", "<", "/", " ", "\x00"]) | st.text()),
    truncated=st.booleans(),
)
def test_no_response_breaks_a_verifier(pieces, truncated):
    response = "".join(pieces)
    rewards = [
        pay(chain_sum_reward, response, answer="89", truncated=truncated),
        pay(graded_reward, response, answer="89", truncated=truncated),
        pay(countdown_reward, response, numbers=[3, 5, 8], target=29, truncated=truncated),
    ]
    assert all(0.0 <= reward <= 1.0 for reward in rewards)
    if truncated:
        assert rewards == [0.0, 0.0, 0.0]


THOUGHTS = {
    "<think>17+25=42</think><answer>42</answer>": True,
    "\n<think>a</think>": True,  # a thought can be good where the answer is not
    "<think></think><answer>42</answer>": False,
    "<think> \n</think><answer>42</answer>": False,
    "<think>never closed": False,
    "<answer>42</answer>": False,
    "<answer>42</answer></think>": False,  # closes what it never opened
    "17+25=42</think><answer>42</answer>": False,
    "": False,
}


@pytest.mark.parametrize(("response", "verdict"), THOUGHTS.items())
def test_a_thought_is_opened_filled_and_closed(response, verdict):
    assert has_thought(response) is verdict
    assert has_thought([{"role": "assistant", "content": response}]) is verdict


# ---------------------------------------------------------------------------- the answer's digits

WRONG_NUMBERS = {
    "wrong": "90",
    "nothing": "",
    "the question": "17+25+38+9",
    "the question with its sign": "17+25+38+9=",
    "the question and the answer": "17+25+38+9=89",
    "leading zero": "089",
    "many leading zeros": "0000000089",
    "plus sign": "+89",
    "minus sign": "-89",
    "two minus signs": "--89",
    "Unicode minus sign": "\N{MINUS SIGN}89",
    "space inside": "8 9",
    "line break inside": "8\n9",
    "zero-width space inside": "8\N{ZERO WIDTH SPACE}9",
    "zero-width space before": "\N{ZERO WIDTH SPACE}89",
    "underscore": "8_9",
    "trailing underscore": "89_",
    "comma": "8,9",
    "full-width digits": "８９",
    "Arabic-Indic digits": "٨٩",
    "Devanagari digits": "८९",
    "superscript digits": "⁸⁹",
    "subscript digits": "₈₉",
    "mathematical bold digits": "𝟖𝟗",
    "one full-width digit": "8９",
    "Roman numerals": "LXXXIX",
    "words": "eighty-nine",
    "decimal": "89.0",
    "decimal point": "89.",
    "scientific": "89e0",
    "scientific with a point": "8.9e1",
    "hexadecimal": "0x59",
    "octal": "0o131",
    "binary": "0b1011001",
    "fraction": "89/1",
    "brackets": "(89)",
    "quotes": "'89'",
    "bold": "**89**",
    "boxed": r"\boxed{89}",
    "unit": "89 points",
    "equation": "x=89",
    "several numbers": "88 89 90",
    "several numbers with commas": "88,89,90",
    "alternatives": "88 or 89",
    "range": "80-99",
    "the number twice": "8989",
    "digit too many": "890",
    "digit too few": "8",
    "NUL byte after": "89\x00",
    "NUL byte inside": "8\x009",
    "not a number": "nan",
    "infinite": "inf",
    "true": "True",
    "none": "None",
    "code": "__import__('os').getpid()",
    "end token as text": "89<|im_end|>",
}
PARTIAL_CREDIT = {"89": 1.0, "88": 0.9, "90": 0.9, "84": 0.5, "94": 0.5, "80": 0.1, "98": 0.1}
NO_CREDIT = ["79", "99", "100", "8", "0", "890", "999999999", "9" * 5000]


@pytest.mark.parametrize("answer", WRONG_NUMBERS.values(), ids=WRONG_NUMBERS)
def test_another_way_to_write_the_sum_earns_nothing(answer):
    assert pay(chain_sum_reward, f"<answer>{answer}</answer>", answer="89") == 0.0


def test_zero_is_a_number_too():
    assert pay(chain_sum_reward, "<answer>0</answer>", answer="0") == 1.0
    assert pay(graded_reward, "<answer>0</answer>", answer="0") == 1.0
    assert pay(graded_reward, "<answer>00</answer>", answer="0") == 0.0


@pytest.mark.parametrize(("answer", "credit"), PARTIAL_CREDIT.items())
def test_graded_pays_by_the_error(answer, credit):
    assert pay(graded_reward, f"<answer>{answer}</answer>", answer="89") == credit


@pytest.mark.parametrize("answer", NO_CREDIT, ids=lambda answer: answer[:10])
def test_graded_pays_nothing_from_an_error_of_ten(answer):
    assert pay(graded_reward, f"<answer>{answer}</answer>", answer="89") == 0.0


@pytest.mark.parametrize(
    "answer",
    [text for text in WRONG_NUMBERS.values() if not re.fullmatch("[1-9][0-9]*", text)],
    ids=[name for name, text in WRONG_NUMBERS.items() if not re.fullmatch("[1-9][0-9]*", text)],
)
def test_graded_pays_nothing_for_a_number_of_the_wrong_form(answer):
    # Right and near answers alike: credit is for the error, not for the form.
    assert pay(graded_reward, f"<answer>{answer}</answer>", answer="89") == 0.0
    assert pay(graded_reward, f"<answer>{answer}</answer>", answer="88") == 0.0


def test_graded_pays_nothing_for_a_near_answer_of_the_wrong_form():
    for response in ("88", "<answer>88</answer><answer>89</answer>", "<answer>88</answer>."):
        assert pay(graded_reward, response, answer="89") == 0.0
    assert pay(graded_reward, "<answer>88</answer>", answer="89", truncated=True) == 0.0


# ---------------------------------------------------------------------------- Countdown

# Each entry: (numbers, target, answer).
SOLVED = {
    "all numbers": ([3, 5, 8], 29, "3*8+5"),
    "another order": ([3, 5, 8], 29, "5+8*3"),
    "not all numbers": ([3, 5, 8], 24, "3*8"),
    "needless brackets": ([3, 5, 8], 29, "((3)*(8))+(5)"),
    "a number given twice, used twice": ([4, 4, 3], 16, "4*4"),
    "exact division": ([12, 4, 3], 9, "12/4*3"),
    "a fraction on the way": ([8, 3, 8, 3], 24, "8/(3-8/3)"),  # 23.999999999999989 in floats
    "thirds that add up to one": ([1, 3, 2, 3], 1, "1/3+2/3"),
    "a negative number on the way": ([3, 5, 8], 6, "3-5+8"),
    "brackets up to the limit": ([3, 5, 8], 3, "(" * 31 + "3" + ")" * 31),
}
UNSOLVED = {
    "nothing": ([3, 5, 8], 29, ""),
    "another value": ([3, 5, 8], 29, "3+5+8"),
    "the target itself": ([3, 5, 8], 29, "29"),
    "the target in brackets": ([3, 5, 8], 29, "(29)"),
    "the target and what cancels": ([3, 5, 8], 29, "29+3-3"),
    "the question": ([3, 5, 8], 29, "3,5,8=29"),
    "an equation": ([3, 5, 8], 29, "3*8+5=29"),
    "a comparison": ([3, 5, 8], 1, "3==3"),
    "number used twice": ([3, 5, 8], 29, "8+8+8+5"),
    "number given twice, used three times": ([4, 4, 3], 64, "4*4*4"),
    "number not given": ([3, 5, 8], 29, "28+1"),
    "zero added": ([3, 5, 8], 29, "3*8+5+0"),
    "multiplied by one": ([3, 5, 8], 29, "(3*8+5)*1"),
    "digits put together": ([3, 5, 8], 35, "35"),
    "digits put together in a sum": ([3, 5, 8], 43, "35+8"),
    "digits put together over a space": ([3, 5, 8], 35, "3 5"),
    "one number cut into its digits": ([12, 5, 8], 8, "1+2+5"),
    "underscore between digits": ([3, 5, 8], 35, "3_5"),
    "power": ([2, 3, 5], 8, "2**3"),
    "huge power": ([9, 9, 9], 9, "9**9**9**9**9"),
    "caret": ([2, 3, 5], 1, "2^3"),
    "whole division": ([7, 2, 5], 3, "7//2"),
    "remainder": ([7, 2, 5], 1, "7%2"),
    "shift": ([1, 3, 5], 8, "1<<3"),
    "binary or": ([1, 2, 5], 3, "1|2"),
    "inverted bits": ([3, 5, 8], 4, "~3+8"),
    "factorial": ([3, 5, 8], 6, "3!"),
    "unary minus": ([3, 5, 8], 2, "-3+5"),
    "unary minus inside": ([3, 5, 8], 8, "5--3"),
    "unary minus on a bracket": ([3, 5, 8], 2, "-(3-5)"),
    "unary plus": ([3, 5, 8], 8, "+3+5"),
    "division by zero": ([3, 3, 8], 8, "8/(3-3)"),
    "zero divided by zero": ([3, 3, 8, 8], 1, "(3-3)/(8-8)"),
    "inexact division": ([7, 2, 5], 3, "7/2"),
    "inexact division the other way": ([7, 2, 5], 4, "7/2"),
    "equal only in floats": ([10**16 + 1, 10**16], 1, "10000000000000001/10000000000000000"),
    "leading zero": ([3, 5, 8], 29, "03*8+5"),
    "leading zero in the middle": ([3, 5, 8], 29, "3*8+05"),
    "decimal": ([3, 5, 8], 29, "3.0*8+5"),
    "decimal point": ([3, 5, 8], 29, "3.*8+5"),
    "scientific": ([3, 5, 8], 29, "3e0*8+5"),
    "hexadecimal": ([3, 5, 8], 29, "0x3*8+5"),
    "complex": ([3, 5, 8], 29, "3*8+5+0j"),
    "full-width digit": ([3, 5, 8], 29, "３*8+5"),
    "Arabic-Indic digit": ([3, 5, 8], 29, "٣*8+5"),
    "superscript digit": ([3, 5, 8], 9, "3²"),
    "multiplication sign": ([3, 5, 8], 29, "3×8+5"),
    "no operator before a bracket": ([3, 5, 8], 29, "3(8)+5"),
    "no operator between brackets": ([3, 5, 8], 29, "(3)(8)+5"),
    "open bracket": ([3, 5, 8], 29, "(3*8+5"),
    "closed bracket": ([3, 5, 8], 29, "3*8+5)"),
    "empty brackets": ([3, 5, 8], 29, "()"),
    "operator without number": ([3, 5, 8], 29, "3*8+5+"),
    "starred": ([3, 5, 8], 3, "*3"),
    "tuple": ([3, 5, 8], 29, "3*8+5,"),
    "two lines": ([3, 5, 8], 29, "3*8+5\n3*8+5"),
    "two statements": ([3, 5, 8], 29, "3*8+5;3"),
    "comment": ([3, 5, 8], 29, "3*8+5#3"),
    "condition": ([3, 5, 8], 29, "3*8+5if 1 else 0"),
    "lambda": ([3, 5, 8], 29, "(lambda:3*8+5)()"),
    "assignment": ([3, 5, 8], 29, "(x:=3*8+5)"),
    "import": ([3, 5, 8], 29, "__import__('os').getpid()"),
    "eval": ([3, 5, 8], 29, "eval('3*8+5')"),
    "attribute": ([3, 5, 8], 3, "(3).real"),
    "classes": ([3, 5, 8], 29, "().__class__.__base__"),
    "text": ([3, 5, 8], 29, "'29'"),
    "true as a number": ([1, 5, 8], 6, "True+5"),
    "NUL byte": ([3, 5, 8], 29, "3*8+5\x00"),
    "brackets beyond the limit": ([3, 5, 8], 3, "(" * 32 + "3" + ")" * 32),
    "brackets that break the parser": ([3, 5, 8], 3, "(" * 9000 + "3" + ")" * 9000),
    "more digits than int() reads": ([3, 5, 8], 29, "9" * 5000),
}


@pytest.mark.parametrize(("numbers", "target", "answer"), SOLVED.values(), ids=SOLVED)
def test_a_countdown_solution_earns_the_reward(numbers, target, answer):
    response = f"<answer>{answer}</answer>"
    assert pay(countdown_reward, response, numbers=numbers, target=target) == 1.0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("numbers", "target", "answer"), UNSOLVED.values(), ids=UNSOLVED)
def test_a_countdown_cheat_earns_nothing(numbers, target, answer):
    response = f"<answer>{answer}</answer>"
    assert pay(countdown_reward, response, numbers=numbers, target=target) == 0.0


@settings(deadline=None, max_examples=500)
@given(text=st.text("0123456789+-*/()", max_size=12))
def test_an_expression_means_what_python_means_by_it(text):
    result = evaluate_expression(text)
    if result is not None:
        value, numbers = result
        assert "**" not in text and "//" not in text
        assert numbers == [int(number) for number in re.findall("[0-9]+", text)]
        assert value == eval(re.sub("([0-9]+)", r"Fraction(\1)", text))


EXPRESSIONS = st.recursive(
    st.integers(0, 20).map(str),
    lambda inner: st.builds("({}{}{})".format, inner, st.sampled_from("+-*/"), inner),
    max_leaves=5,
)


@settings(deadline=None, max_examples=200)
@given(text=EXPRESSIONS)
def test_an_expression_is_evaluated_exactly(text):
    try:
        value = eval(re.sub("([0-9]+)", r"Fraction(\1)", text), {"Fraction": Fraction})
    except ZeroDivisionError:
        assert evaluate_expression(text) is None
    else:
        numbers = [int(number) for number in re.findall("[0-9]+", text)]
        assert evaluate_expression(text) == (value, numbers)


# ---------------------------------------------------------------------------- TRL's two forms


@pytest.mark.parametrize("name", TASK_NAMES)
def test_chat_messages_and_plain_text_are_paid_alike(name):
    task, rng = TASKS[name], random.Random(5)
    records = [task.make_problem(rng) for _ in range(6)]
    texts = [task.demonstrate(rng, record, think=i % 2 == 0) for i, record in enumerate(records)]
    texts[2], texts[3] = "no answer", "<answer>7</answer>"
    chats = [[{"role": "assistant", "content": text}] for text in texts]
    rewards = task.reward(completions=texts, **columns_of(records))
    assert task.reward(completions=chats, **columns_of(records)) == rewards
    assert [rewards[i] for i in (0, 1, 4, 5)] == [1.0] * 4
    assert rewards[2] == 0.0
    assert isinstance(rewards, list) and all(type(reward) is float for reward in rewards)


@pytest.mark.parametrize("name", TASK_NAMES)
def test_a_reward_ignores_the_columns_it_does_not_know(name):
    task, rng = TASKS[name], random.Random(6)
    record = task.make_problem(rng)
    response = task.demonstrate(rng, record, True)
    # What TRL passes besides the data set's columns.
    extra = {
        "prompts": [record["prompt"]],
        "completion_ids": [[1, 2, 3]],
        "trainer_state": None,
        "log_extra": print,
        "log_metric": print,
        "source": ["made up"],
    }
    assert task.reward([response], **columns_of([record]), **extra) == [1.0]


def test_the_answer_stands_in_the_last_message():
    messages = [
        {"role": "assistant", "content": "<answer>90</answer>"},
        {"role": "assistant", "content": "<answer>89</answer>"},
    ]
    assert completion_text(messages) == "<answer>89</answer>"
    assert completion_text("<answer>89</answer>") == "<answer>89</answer>"


@pytest.mark.parametrize("name", TASK_NAMES)
def test_columns_of_another_length_are_refused(name):
    task = TASKS[name]
    records = task.dataset(2, seed=0)
    with pytest.raises(ValueError):
        task.reward(["<answer>1</answer>"] * 3, **columns_of(records))
    with pytest.raises(ValueError):
        task.reward(["<answer>1</answer>"] * 2, **columns_of(records), truncated=[False])


def test_no_completions_earn_no_rewards():
    assert chain_sum_reward([], answer=[]) == []
    assert graded_reward([], answer=[]) == []
    assert countdown_reward([], numbers=[], target=[]) == []
