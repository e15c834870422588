"""The tiny Qwen's first token, think or answer, over a recorded training."""

from functools import lru_cache

from ...experiments.look import INK, QUIET, REFERENCE, SERIES, THOUGHT
from ...experiments.statistics import RUNS
from ...experiments.thinking import read
from .base import Lab, choice, slider
from .looks import axes_of, bars_with_numbers, names_below, numbers_below, numbers_beside

ALL = "mean of all eight"


@lru_cache(1)
def recorded() -> tuple[list[str], list[list[tuple[float, float]]]]:
    """The questions, and per step the chances of <think> and <answer> for each of them."""
    rows = read(RUNS / "thinking.jsonl")
    return [a.question for a in rows[0]["answers"]], [row["first"] for row in rows]


class FirstToken(Lab):
    """Five made-up tokens moved; here is the one that decides, in the real model."""

    title = "The first token of the tiny Qwen"
    question = "Predict: do all questions turn to thinking at once, or the hard ones first?"
    height = 3.0

    def __init__(self):
        self.presets = {
            "at the start": {"step": 0},
            "halfway": {"step": len(recorded()[1]) // 2},
            "at the end": {"step": len(recorded()[1]) - 1},
        }
        super().__init__()

    @staticmethod
    def make_controls():
        questions, steps = recorded()
        return {
            "step": slider("training step", 0, 0, len(steps) - 1, 1),
            "asked": choice("question", ALL, [ALL, *questions]),
        }

    @staticmethod
    def compute(state):
        questions, steps = recorded()
        row = None if state["asked"] == ALL else questions.index(state["asked"])

        def chances(step: int) -> tuple[float, float]:
            pairs = steps[step] if row is None else [steps[step][row]]
            think, answer = (sum(column) / len(pairs) for column in zip(*pairs, strict=True))
            return think, answer

        think, answer = chances(state["step"])
        now = [pair[0] for pair in steps[state["step"]]]
        return {
            "step": state["step"],
            "row": row,
            "asked": state["asked"],
            "now": (think, answer, max(0.0, 1 - think - answer)),
            "start": (*chances(0), max(0.0, 1 - sum(chances(0)))),
            "curves": [[pairs[i][0] for pairs in steps] for i in range(len(questions))],
            "mean": [sum(pair[0] for pair in pairs) / len(pairs) for pairs in steps],
            "most": questions[max(range(len(now)), key=now.__getitem__)],
            "least": questions[min(range(len(now)), key=now.__getitem__)],
            "between": (min(now), max(now)),
        }

    @staticmethod
    def draw(figure, numbers):
        left, right = axes_of(figure, 2)
        left.bar(range(3), numbers["start"], 0.8, fill=False, edgecolor=QUIET, linestyle=":")
        colours = (THOUGHT, SERIES[0], REFERENCE)
        bars_with_numbers(left, range(3), numbers["now"], 0.62, color=colours)
        names_below(left, ["<think>", "<answer>", "any other"])
        left.set(title="first token (dotted: at the start)", ylim=(0, 1.18), xlim=(-0.6, 2.6))
        step = numbers["step"]
        for i, curve in enumerate(numbers["curves"]):
            chosen = i == numbers["row"]
            right.plot(
                range(step + 1), curve[: step + 1],
                color=THOUGHT if chosen else REFERENCE, linewidth=3 if chosen else 1,
                zorder=3 if chosen else 2,
            )  # fmt: skip
        if numbers["row"] is None:
            right.plot(range(step + 1), numbers["mean"][: step + 1], color=THOUGHT, linewidth=3)
        right.plot([step], [numbers["now"][0]], "o", color=INK, markersize=8, zorder=4)
        last = len(numbers["mean"]) - 1
        right.set(title="chance of <think>, each question", xlim=(-0.5, last + 0.5), ylim=(0, 1.05))
        numbers_below(right, "training step")
        numbers_beside(right)

    @staticmethod
    def sentence(numbers):
        think, answer, other = numbers["now"]
        low, high = numbers["between"]
        asked = numbers["asked"]
        if numbers["row"] is None:
            asked = "one of the eight questions, on average,"
        return (
            f"After {numbers['step']} steps the response to {asked} begins with &lt;think&gt; with "
            f"a chance of <b>{think:.2f}</b> (at the start {numbers['start'][0]:.2f}), with "
            f"&lt;answer&gt; of <b>{answer:.2f}</b>, with anything else of {other:.2f}. Over the "
            f"questions &lt;think&gt; goes from {low:.2f} ({numbers['least']}) to {high:.2f} "
            f"({numbers['most']})."
        )
