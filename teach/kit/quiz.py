"""Questions for a room, made of what the course knows to go wrong.

Nothing is written here but the frame: the options of a question about an exercise are what its
solution and three of its known mistakes give for one of its cases, and what to say about each is
what the learner's card would say. The predictions bring their own verdicts, the bug zoo its
suspects and what speaks against them.
"""

import html
import inspect
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice

from torch import Tensor

from grpo_mini.course.cards import marked
from grpo_mini.course.cases import (
    CASES,
    NAMES,
    SUSPECTS,
    differs,
    first_step,
    options_of,
    speaks_against,
)
from grpo_mini.course.checker import EXERCISES, Exercise, Mistake, Result, run
from grpo_mini.course.predictions import shared_questions

from .deck import Slide
from .pages import code

WIDE, LONG_OPTION, LONG_REASON = 74, 60, 230  # letters that a slide has room for
LETTERS = "ABCD"


@dataclass(frozen=True)
class Option:
    """A possible answer, and what to say about it."""

    text: str
    said: str


@dataclass(frozen=True)
class Question:
    """A question with one right answer.

    Attributes:
        name: notebook and place, ``4.3`` for an exercise's, ``4.3 why`` for its second.
        title: a few words.
        text: HTML, what is asked.
        right: the right answer.
        wrong: misconceptions; three, where a prediction does not offer fewer.
        place: where the right answer stands among the options.
    """

    name: str
    title: str
    text: str
    right: Option
    wrong: tuple[Option, ...]
    place: int = 0

    @property
    def notebook(self) -> str:
        return f"{int(self.name.split('.')[0]):02d}"

    def options(self) -> list[Option]:
        """All options in the order of the slide."""
        return [*self.wrong[: self.place], self.right, *self.wrong[self.place :]]


# ---------------------------------------------------------------------------- from the checks


def shown(value: object) -> str:
    """A value as a slide shows it, with three digits after the point."""
    if isinstance(value, Tensor):
        value = value.detach().tolist()
    if isinstance(value, dict):
        return ", ".join(f"{name}: {shown(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        inside = ", ".join(map(shown, value))
        return f"[{inside}]" if isinstance(value, list) else f"({inside})"
    if isinstance(value, float):
        text = f"{value + 0.0:.3f}".rstrip("0").rstrip(".")
        return "0" if text in ("-0", "") else text
    return repr(value)


def given(entry: Exercise, place: int) -> list[str] | None:
    """A case's arguments, one a line; None where a slide has no room for them or no numbers."""
    case = entry.cases()[place]
    values = {name: case[name] for name in inspect.signature(entry.solution).parameters}
    if not all(isinstance(value, Tensor | int | float | str | list) for value in values.values()):
        return None
    if all(isinstance(value, str) for value in values.values()):
        return None
    texts = {name: f"{name} = {shown(value)}" for name, value in values.items()}
    lines = [texts[name] for name in values if not isinstance(values[name], int | float)]
    numbers = [texts[name] for name in values if isinstance(values[name], int | float)]
    lines += [", ".join(numbers)] if numbers else []
    return lines if max(map(len, lines)) <= WIDE and len(lines) <= 6 else None


def outcome(entry: Exercise, results: list[Result], place: int) -> str | None:
    """What an answer gives for a case, as a slide shows it; None if it gives nothing there."""
    if len(results) <= place or results[place].error is not None:
        return None
    result = results[place]
    value = result.gradient if entry.by_gradient else result.value
    return None if value is None else shown(value)


@cache
def does(number: str, which: int) -> list[Result]:
    """What the solution of an exercise does with its cases (-1), or a mistake."""
    entry = EXERCISES[number]
    return run(entry, entry.solution if which < 0 else entry.mistakes[which].answer)


def tempting(
    entry: Exercise, place: int, without: tuple[str, ...] = ()
) -> Iterator[tuple[Mistake, str]]:
    """Mistakes that a case tells from the right answer and from each other, the likeliest first;
    those that begin with words of ``without`` are left out."""
    seen, told = {outcome(entry, does(entry.number, -1), place)}, []
    for which, mistake in enumerate(entry.mistakes):
        because = mistake.because
        if len(because) > LONG_REASON or because.startswith(("Nearly", *without, *told)):
            continue
        found = outcome(entry, does(entry.number, which), place)
        if (
            found is None
            or found in seen
            or len(found) > LONG_OPTION
            or re.search("nan|inf", found)
        ):
            continue
        seen.add(found)
        told.append(because)
        yield mistake, found


def that_fit(entry: Exercise, places: Iterable[int]) -> Iterator[tuple[int, str, str]]:
    """Of these cases those that a slide has room for: place, its arguments as code, right value."""
    for place in places:
        lines, right = given(entry, place), outcome(entry, does(entry.number, -1), place)
        if lines is not None and right is not None and len(right) <= LONG_OPTION:
            yield place, code("\n".join(lines)), right


@cache
def about_values(entry: Exercise) -> Question | None:
    """What comes out? The options are what three mistakes give; None if no case is fit for it."""
    for place, case, right in that_fit(entry, range(len(entry.cases()))):
        wrong = list(islice(tempting(entry, place), 3))
        if len(wrong) == 3:
            what = "Which gradient does it have?" if entry.by_gradient else "What comes out?"
            return Question(
                entry.number,
                entry.title,
                case + f"<p>{what}</p>",
                Option(right, " ".join(entry.hints[:2])),
                tuple(Option(found, mistake.because) for mistake, found in wrong),
            )
    return None


def about_reasons(entry: Exercise) -> Question | None:
    """What went wrong? The options are what the cards would say, each with what it would give."""
    taken = about_values(entry)
    used = tuple(option.said for option in taken.wrong) if taken else ()
    # The first case comes last: it is that of the values.
    for place, case, right in that_fit(entry, (*range(1, len(entry.cases())), 0)):
        fresh = list(islice(tempting(entry, place, used), 4))
        if len(fresh) < 4:
            continue
        (guilty, found), *others = fresh
        return Question(
            f"{entry.number} why",
            entry.title,
            case + f"<p>Right is <code>{right}</code>; an answer gives "
            f"<code>{found}</code>. What is wrong with it?</p>",
            Option(guilty.because, f"That gives {found}."),
            tuple(
                Option(mistake.because, f"That would give {value}.") for mistake, value in others
            ),
        )
    return None


# ---------------------------------------------------------------------------- from elsewhere


def predictions() -> Iterator[Question]:
    """The notebooks' own predictions, with the verdict that the widgets' numbers give."""
    for number, asked in shared_questions().items():
        right, evidence = asked.verdict()
        wrong = [option for i, option in enumerate(asked.options) if i != right]
        yield Question(
            number,
            "predict first",
            f"<p>{marked(asked.text)}</p>",
            Option(asked.options[right], f"{evidence} {asked.why}"),
            tuple(Option(option, "") for option in wrong),
        )


def suspects() -> Iterator[Question]:
    """The bug zoo's cases: who did it, by what differs from the healthy twin in step 1."""
    for letter, case in CASES.items():
        sick, healthy = first_step(letter)
        rows = "".join(
            f"<tr><td>{NAMES[name]}</td><td align='right'>{healthy[name]:.3g}</td>"
            f"<td align='right'>{sick[name]:.3g}</td></tr>"
            for name in NAMES
            if name in sick and name in healthy and differs(sick[name], healthy[name])
        )
        draws = "other" if sick["think_share"] != healthy["think_share"] else "the same"
        innocent = [name for name in case.lineup if speaks_against(name, letter)][:3]
        yield Question(
            f"8.{letter}",
            f"case {letter}, {options_of(letter)['algorithm']}",
            "<table><thead><tr><th>in step 1</th><th>healthy</th><th>sick</th></tr></thead>"
            f"<tbody>{rows}</tbody></table><p>The two drew {draws} responses, and no other "
            "metric differs. Who did it?</p>",
            Option(SUSPECTS[case.sick].text, case.why),
            tuple(
                Option(SUSPECTS[name].text, speaks_against(name, letter)[0]) for name in innocent
            ),
        )


@cache
def questions() -> tuple[Question, ...]:
    """All questions, in the order of the notebooks."""
    found = list(predictions()) + list(suspects())
    for entry in EXERCISES.values():
        if entry.judge is None and entry.seen is None:
            found += filter(None, (about_values(entry), about_reasons(entry)))

    def place(question: Question) -> tuple:
        number = re.split(r"[ .]", question.name)
        return int(number[0]), number[1].zfill(2), question.name

    # A place as often as another, and in no order that a room would notice.
    return tuple(
        replace(question, place=(3 * i + i // 4) % (1 + len(question.wrong)))
        for i, question in enumerate(sorted(found, key=place))
    )


def find(name: str) -> Question:
    """The question of that name.

    Raises:
        ValueError: there is none; the message lists those that exist.
    """
    found = {question.name: question for question in questions()}
    if name not in found:
        raise ValueError(f"there is no question {name!r}; there are: {', '.join(found)}")
    return found[name]


# ---------------------------------------------------------------------------- on slides


def listed(question: Question) -> str:
    """The options; which is right, and what to say, waits for a key."""
    options = question.options()
    is_code = bool(re.fullmatch(r"[\[(]*-?\d[^a-z]*", question.right.text))
    items = []
    for letter, option in zip(LETTERS, options, strict=False):
        text = f"<code>{html.escape(option.text)}</code>" if is_code else marked(option.text)
        right = option == question.right
        said = f"<span class='said step'>{marked(option.said)}</span>" if option.said else ""
        items.append(
            f"<li class='{'right' if right else 'wrong'}'><span class='letter'>{letter}</span>"
            f"<span>{text}</span>{said}</li>"
        )
    many = " many" if sum(len(o.text) + len(o.said) for o in options) > 480 else ""
    return f"<ol class='options waits{many}'>{''.join(items)}</ol>"


def slide(question: Question) -> Slide:
    """A question as a slide; its notes say the answer to who speaks."""
    options = question.options()
    letter = LETTERS[options.index(question.right)]
    heading = f"<h1>{question.name}: {marked(question.title)}</h1>"
    notes = (
        f"<p>Right is {letter}: {marked(question.right.text.rstrip('.'))}. "
        f"{marked(question.right.said)}</p>"
    )
    return Slide(heading + question.text + listed(question), notes, "question")


def named(name: str) -> Slide:
    """The slide of the question of that name, for a lecture."""
    return slide(find(name))


def slides() -> list[Slide]:
    """A title, where each notebook's questions begin, and all of them."""
    all_of_them = questions()
    starts = {}
    for place, question in enumerate(all_of_them, 3):
        starts.setdefault(question.notebook, []).append(place)
    rows = "".join(
        f"<li><a href='#{places[0]}'>notebook {notebook}</a>: {len(places)} questions</li>"
        for notebook, places in starts.items()
    )
    return [
        Slide(
            "<h1>Quiz</h1><p>One question a slide: everybody chooses, neighbours argue, everybody "
            "chooses again. Then a key shows the answer, and what to say about each.</p>"
            "<p class='small'>→ answer, next · ← back · n notes · s notes in a window · d dark · "
            "p print</p>",
            "<p>Ask for a show of hands before anybody explains. If more than half are right, go "
            "on; if fewer than a third, explain first and ask again.</p>",
            "title",
        ),
        Slide(f"<h1>Where to begin</h1><ul>{rows}</ul>"),
        *map(slide, all_of_them),
    ]
