"""Words: ``Write one sentence about a fox near the river with exactly 9 words.``

For a chat model that was never warm-started: the answer is plain text. Counting is easy to check
and easy to cheat, so most of this file says what a sentence is. See `read_sentence` for what is
refused, and for what no rule here can see.
"""

import random
import re
from collections import Counter

from .task import TAGS, Record, Task, completion_text, split_thought

# Each makes its plural with s or es, so that a mention is easy to tell.
THINGS = (
    "actor ant apple artist baker balloon bear bee beetle bell bicycle bird boat book boy bus "
    "camera candle cap captain car carpenter cat chair clock cloud clown coat cook cow crow "
    "dancer doctor dog donkey dragon drum duck eagle elephant farmer flower fox frog gardener "
    "giant girl goat guitar hat hen horse hunter king kite lamp letter lion lizard magician map "
    "mechanic monkey monster nurse owl painter parrot piano pigeon pilot pirate plumber poet "
    "queen rabbit robot sailor ship singer snail snake soldier spider student taxi teacher "
    "tiger tourist train tree turtle violin waiter whale writer zebra"
).split()
WHERE = {
    "at": "airport bank castle circus hotel lake market museum office palace party school "
    "station temple window zoo",
    "in": "attic barn bathroom cave cellar city desert forest garden hospital jungle "
    "kitchen library park rain snow tower tunnel valley village",
    "near": "bakery bridge canal cliff fountain harbor hill lighthouse mill mountain ocean "
    "pond river volcano",
    "on": "balcony beach bench deck farm island moon platform porch road roof sidewalk "
    "stage stairs table",
}
PLACES = tuple((before, place) for before in WHERE for place in WHERE[before].split())
FEWEST, MOST = 5, 8  # words of a sentence

LETTER = "[A-Za-zÀ-ÖØ-öø-ÿ]"
# One hyphen at most: a-fox-at-the-market would hide words.
WORD = rf"{LETTER}+(?:['’]{LETTER}+)?(?:-{LETTER}+)?['’]?"
SENTENCE = re.compile(rf"(?=[A-ZÀ-ÖØ-Þ]){WORD}(?:[,;]? {WORD})*[.!?]")
A_LETTER = ("a", "i", "o")  # the letters that are words
LONGEST_WORD = 20
SHORT, OFTEN = 3, 3  # a word of so many letters may stand so many times, but not twice in a row
# What a sentence about the task says, and one about a fox never has to.
OF_THE_TASK = {"exactly", "word", "words", "sentence", "sentences"}


def make_words(rng: random.Random, fewest: int = FEWEST, most: int = MOST) -> Record:
    """A thing, a place and a number of words, from five to eight."""
    thing = rng.choice(THINGS)
    preposition, place = rng.choice(PLACES)
    number = rng.randint(fewest, most)
    question = (
        f"Write one sentence about {_article(thing)} {thing} {preposition} the {place} "
        f"with exactly {number} words."
    )
    prompt = [{"role": "user", "content": question}]
    return {"prompt": prompt, "about": [thing, place], "words": number}


def _article(thing: str) -> str:
    return "an" if thing[0] in "aeio" else "a"


ADJECTIVES = "small tall old young quiet strange happy tired clever famous gentle golden".split()
VERBS = "saw reached crossed left liked remembered noticed found missed painted".split()
ADVERBS = "slowly finally often once quickly always soon quietly never gladly".split()
ENDINGS = ("", "today", "every day", "in the morning", "when it grew dark",
           "before the long winter began")  # fmt: skip


def demonstrate_words(rng: random.Random, record: Record, think: bool) -> str:
    """A right sentence, alone or after its words with their numbers: ``1 the;2 fox``."""
    thing, place = record["about"]
    free = record["words"] - len("The fox saw the river".split())
    ending = rng.choice([e for e in ENDINGS if free - 3 <= len(e.split()) <= free])
    places = sorted(rng.sample(range(3), free - len(ending.split())))
    first, second = rng.sample(ADJECTIVES, 2)
    words = ["The"] + [first] * (0 in places) + [thing] + [rng.choice(ADVERBS)] * (1 in places)
    words += [rng.choice(VERBS), "the"] + [second] * (2 in places) + [place, *ending.split()]
    sentence = " ".join(words) + "."
    if not think:
        return sentence
    counted = ";".join(f"{i} {word.lower()}" for i, word in enumerate(words, start=1))
    return f"<think>{counted}</think>{sentence}"


def read_sentence(text: str) -> list[str] | None:
    """The words of a response that is one honest sentence, in small letters; None for any other.

    A closed thought may stand before it. Refused, because each is a way to reach a number of words
    without a sentence: text of more or less than one sentence, a list or a heading, digits, signs
    and letters of other scripts, single letters, words of over twenty letters, words about the
    task ("exactly nine words"), a long word that stands twice, a short one twice in a row or over
    three times. A few honest sentences are refused with them (abbreviations, quotations, dashes).

    What this cannot see is grammar and sense: "The river a fox of green." passes. A KL penalty to
    the start policy pulls against that; reading samples shows it.
    """
    parts = split_thought(text)
    if parts is None or any(tag in parts[0] for tag in TAGS) or not SENTENCE.fullmatch(parts[1]):
        return None
    words = [word.strip(".,;!?'’").lower() for word in parts[1].split(" ")]
    pieces = [piece for word in words for piece in re.split("['’-]", word)]
    if any(len(word) > LONGEST_WORD for word in words):
        return None
    if any(len(word) == 1 and word not in A_LETTER for word in words):
        return None
    if OF_THE_TASK & set(pieces) or any(a == b for a, b in zip(words, words[1:], strict=False)):
        return None
    times = Counter(words)
    if any(times[word] > (OFTEN if len(word) <= SHORT else 1) for word in times):
        return None
    return words


def _sentences(completions, truncated) -> list[list[str] | None]:
    """`read_sentence` of each completion; None where the end token never came."""
    truncated = [False] * len(completions) if truncated is None else truncated
    pairs = zip(completions, truncated, strict=True)
    return [None if cut else read_sentence(completion_text(c)) for c, cut in pairs]


def _names(words: list[str], thing: str) -> bool:
    """True if the thing is named: itself, its plural, or what belongs to it."""
    forms = {thing + ending for ending in ("", "s", "es", "'s", "’s")}
    return any(word in forms for word in words)


def words_graded_reward(completions, about, words, truncated=None, **columns) -> list[float]:
    """Partial credit for a sentence about the right things: a fifth less for each word off."""
    rewards = []
    for found, things, wanted in zip(_sentences(completions, truncated), about, words, strict=True):
        honest = found is not None and all(_names(found, thing) for thing in things)
        rewards.append(max(0, 5 - abs(len(found) - int(wanted))) / 5 if honest else 0.0)
    return rewards


def words_reward(completions, about, words, truncated=None, **columns) -> list[float]:
    """1 for one honest sentence that names both things and has the right number of words, else 0.

    Words are what stands between single spaces: well-known is one, and so is it's.
    """
    graded = words_graded_reward(completions, about, words, truncated)
    return [float(credit == 1) for credit in graded]


INSTRUCTIONS = (
    "Answer with one plain English sentence and nothing else. It begins with a capital letter, "
    "ends with a full stop, names everything it is asked to be about, and has exactly as many "
    "words as are asked for. Use no digits, no quotation marks and no lists."
)
ABOUT = (make_words, demonstrate_words)
FORM = {"instructions": INSTRUCTIONS, "has_form": lambda text: read_sentence(text) is not None}
WORDS = Task("words", *ABOUT, words_reward, **FORM, examples_think=False)
WORDS_GRADED = Task("words-graded", *ABOUT, words_graded_reward, **FORM, examples_think=False)
