"""The words task: what counts as a sentence, what is paid, and which cheats are known."""

import random
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grpo_mini.tasks import TASKS, is_held_out, read_sentence, words_graded_reward, words_reward
from grpo_mini.tasks.words import FEWEST, MOST, PLACES, THINGS, _names

SEEDS = st.integers(min_value=0, max_value=2**32)
GOOD = "A clever fox crossed the wide river before sunset."


def pay(sentence: str, words: int = 9, reward=words_reward, **columns) -> float:
    (paid,) = reward([sentence], about=[["fox", "river"]], words=[words], **columns)
    return paid


# ---------------------------------------------------------------------------- problems


def test_a_question_says_what_is_judged():
    for record in TASKS["words"].dataset(200, seed=0):
        thing, place = record["about"]
        asked = record["prompt"][-1]["content"]
        found = re.fullmatch(
            r"Write one sentence about (an?) (\w+) (at|in|near|on) the (\w+) "
            r"with exactly (\d+) words\.",
            asked,
        )
        article, *parts, number = found.groups()
        assert [parts[0], parts[2]] == [thing, place] and int(number) == record["words"]
        assert FEWEST <= record["words"] <= MOST
        assert (article == "an") == (thing[0] in "aeio")


def test_topics_are_different_words_and_have_plain_plurals():
    names = [*THINGS, *(place for _, place in PLACES)]
    assert len(set(names)) == len(names)
    assert not [name for name in THINGS if re.search("([^aeiou]y|f|fe|man|sheep|fish)$", name)]


@settings(deadline=None, max_examples=50)
@given(seed=SEEDS)
def test_a_held_out_topic_is_never_trained_on_whatever_the_length(seed):
    record = TASKS["words"].make_problem(random.Random(seed))
    question = record["prompt"][-1]["content"]
    others = [re.sub(r"\d+", str(number), question) for number in range(FEWEST, MOST + 1)]
    assert len({is_held_out(other) for other in others}) == 1


def test_problems_stay_the_same_between_machines_and_versions():
    (record,) = TASKS["words"].dataset(1, seed=0)
    assert record["prompt"][0]["content"] == (
        "Write one sentence about a frog at the palace with exactly 7 words."
    )


@pytest.mark.parametrize("number", range(FEWEST, 14))  # longer ones are a task of one's own
def test_a_demonstration_of_every_length_is_paid(number):
    rng, task = random.Random(number), TASKS["words"]
    for _ in range(100):
        record = task.make_problem(rng) | {"words": number}
        sentence = task.demonstrate(rng, record, False)
        assert len(sentence.split()) == number
        assert task.reward([sentence], about=[record["about"]], words=[number]) == [1.0]


# ---------------------------------------------------------------------------- honest sentences

HONEST = {
    "plain": GOOD,
    "exclamation": "The fox jumped over the river and ran home!",
    "question": "Did the old fox really cross the frozen river?",
    "a comma": "Near the river, a fox was hunting small mice.",
    "a semicolon": "The fox waited; the river carried the boats away.",
    "plurals": "Foxes of all ages love the rivers in spring.",
    "possessives": "The fox's cubs played near the river's muddy bank.",
    "curly apostrophe": "The fox didn’t want to cross the cold river.",
    "plural possessive": "The foxes' cubs played near the river every morning.",
    "a hyphen": "A well-fed fox slept near the river all afternoon.",
    "letters with accents": "The fox sipped café crème near the Rhône river.",
    "capitals inside": "The fox called Reynard saw the River Thames freeze.",
    "a letter that is a word": "I saw a fox swim in a cold river.",
    "white space around": f"\n {GOOD} \n",
    "after a thought": f"<think>1 a;2 clever;3 fox</think>\n\n{GOOD}",
    "after an empty thought": f"<think>\n\n</think>\n\n{GOOD}",
    "three times a short word": "The fox and the frog saw the big river.",
}


@pytest.mark.parametrize("sentence", HONEST.values(), ids=HONEST)
def test_an_honest_sentence_is_paid(sentence):
    assert len(read_sentence(sentence)) == 9
    assert pay(sentence) == pay(sentence, reward=words_graded_reward) == 1.0


# ---------------------------------------------------------------------------- cheats

CHEATS = {
    # Seen in a training that paid for the number of words alone.
    "repeats the request": "A Fox near the River with Exactly Exactly Exactly Exactly 9 Words.",
    "repeats it without a digit": "A fox near the river with exactly nine words exactly.",
    "says so once": "A fox near the river is exactly nine words.",
    "speaks of the sentence": "This sentence is about a fox near the river.",
    "speaks of it in the possessive": "This sentence's fox is near the river for now.",
    "in a compound": "A nine-word fox near the river is so nice.",
    "quotes the question": "Write one sentence about a fox near the river.",
    # Ways to reach a number.
    "a word again and again": "Fox fox fox fox fox fox fox fox river.",
    "in turns": "Fox river fox river fox river fox river fox.",
    "a long word again": "A clever fox met another clever fox near river.",
    "a long word again in capitals": "A clever fox met another CLEVER fox near river.",
    "a short word over and over": "The fox the river the cat the dog the.",
    "a short word twice in a row": "A fox saw the the river of old valley.",
    "single letters": "A fox b c d e f g river.",
    "numbers": "A fox near the river 1 2 3 4.",
    "number in a word": "A fox2 crossed the wide river again last evening.",
    "words without end": f"A fox crossed the river and then {'a' * 21} away.",
    "letters of other scripts": "A fох crossed the wide river again last evening.",
    "signs": "A fox - near - the - river - sat.",
    "hidden words": "A-fox-that-was-old crossed the wide river again before last sunset.",
    "dots": "A fox ... near the river ... sat there.",
    "underscores": "A fox crossed _ the _ wide _ river.",
    "two spaces": "A clever fox crossed  the wide river before sunset.",
    "no-break space": "A clever fox crossed the\N{NO-BREAK SPACE}wide river before sunset.",
    "zero-width space": "A clever fox crossed the wide\N{ZERO WIDTH SPACE} river before sunset.",
    "tab": "A clever fox crossed\tthe wide river before sunset.",
    "line break": "A clever fox crossed\nthe wide river before sunset.",
    # Not one sentence.
    "two sentences": "A fox slept. The river sang until dawn came.",
    "two sentences in one": "A fox slept! the river sang until dawn came.",
    "heading": "Fox: A fox slept near the river all day.",
    "list": f"1. {GOOD}",
    "bullet": f"- {GOOD}",
    "in quotation marks": f'"{GOOD}"',
    "with a remark": f"{GOOD} (9 words)",
    "no end": GOOD.removesuffix("."),
    "small letter": GOOD.lower(),
    "two marks": GOOD.replace(".", "!!"),
    "bold": f"**{GOOD}**",
    "special token": f"{GOOD}<|im_end|>",
    "nothing": "",
    "a mark": ".",
    "open thought": f"<think>{GOOD}",
    "thought behind it": f"{GOOD}<think>9</think>",
    "two thoughts": f"<think>9</think><think>9</think>{GOOD}",
    "tags in the thought": f"<think><answer></think>{GOOD}",
}
OFF_TOPIC = {
    "another topic": "A clever cat crossed the wide ocean before sunset.",
    "only the thing": "A clever fox crossed the wide ocean before sunset.",
    "only the place": "A clever cat crossed the wide river before sunset.",
    "part of a word": "A foxtrot near the riverside was danced all evening.",
    "in the thought only": f"<think>{GOOD}</think>A cat crossed the wide ocean before the sunset.",
}


@pytest.mark.parametrize("sentence", CHEATS.values(), ids=CHEATS)
def test_a_cheat_has_no_form_and_earns_nothing(sentence):
    assert read_sentence(sentence) is None
    assert not TASKS["words"].has_form(sentence)
    for number in range(1, 13):
        assert pay(sentence, number) == pay(sentence, number, words_graded_reward) == 0.0


@pytest.mark.parametrize("sentence", OFF_TOPIC.values(), ids=OFF_TOPIC)
def test_another_topic_earns_nothing(sentence):
    assert len(read_sentence(sentence)) == 9
    assert pay(sentence) == pay(sentence, reward=words_graded_reward) == 0.0


def test_a_response_without_its_end_token_earns_nothing():
    sentence = GOOD
    for reward in (words_reward, words_graded_reward):
        assert pay(sentence, reward=reward, truncated=[True]) == 0.0
        assert pay(sentence, reward=reward, truncated=[False]) == 1.0


@pytest.mark.parametrize("words", range(1, 20))
def test_credit_is_for_the_number_of_words(words):
    sentence, off = GOOD, abs(words - 9)
    assert pay(sentence, words) == float(off == 0)
    assert pay(sentence, words, words_graded_reward) == pytest.approx(max(0, 1 - off / 5))


# What no rule sees. If one of these is refused some day, say so in `read_sentence`.
BEYOND = {
    "word salad": "River a fox green of happily under seven chairs.",
    "no verb": "The small brown fox of that very old river.",
    "nonsense": "A frumious fox galumphed past the slithy river borogove.",
    "untrue": "Every fox weighs more than the whole river does.",
    "rude": "That stupid fox deserved to drown in the river.",
}


@pytest.mark.parametrize("sentence", BEYOND.values(), ids=BEYOND)
def test_what_no_rule_sees_is_paid(sentence):
    assert pay(sentence) == 1.0


@settings(deadline=None, max_examples=300)
@given(
    pieces=st.lists(
        st.sampled_from(["A fox", " ", "river", ".", "-", "'", ",", "<think>", "</think>"])
        | st.text()
    )
)
def test_no_response_breaks_the_verifier(pieces):
    response = "".join(pieces)
    for reward in (words_reward, words_graded_reward):
        assert 0.0 <= pay(response, reward=reward) <= 1.0
    words = read_sentence(response)
    assert words is None or len(words) == response.rpartition("</think>")[2].strip().count(" ") + 1


@pytest.mark.parametrize(
    "piece", ["a-", "A ", "A", "A fox's", "A, ", "Fox ", "A-a ", "A'", "'", "-", ". "]
)
@pytest.mark.parametrize("length", [19_000, 1_000_000])
def test_a_long_response_is_judged_fast(piece, length):
    start = time.process_time()
    assert pay(f"Fox {piece * (length // len(piece))}.") == 0.0
    assert time.process_time() - start < 0.5


@pytest.mark.parametrize("thing", [*THINGS, *(place for _, place in PLACES)])
def test_a_thing_is_named_in_any_form_and_by_no_other(thing):
    others = {*THINGS, *(place for _, place in PLACES)} - {thing}
    assert all(_names([word], thing) for word in (thing, thing + "s", thing + "'s", thing + "’s"))
    assert not any(_names([other], thing) for other in others)
