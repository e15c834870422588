"""Race viewer: the recorded runs of PPO and GRPO, over samples, tokens or processor time."""

from pathlib import Path

from ...experiments.evidence import RACES
from ...experiments.look import LOOKS, MEANT, RULE, TICK
from ...experiments.statistics import RUNS, at, band, bootstrap, contrast, curve, load
from .base import Lab, choice, flag
from .looks import axes_of, numbers_below, numbers_beside

SETTINGS = {  # label of the recorded setting -> name in the legend
    "grpo": "GRPO",
    "ppo": "PPO",
    "ppo-groups": "PPO with GRPO's groups",
    "ppo-lam0.95": "PPO with lambda 0.95",
    "rloo": "RLOO",
    "ppo-warm": "PPO, critic warmed up",
    "ppo-taught": "PPO, critic taught four times",
    "ppo-shared": "PPO, critic on its backbone",
}
OF_PPO = {"color": MEANT["PPO"]["color"]}
PLACES = (MEANT["GRPO"], MEANT["PPO"], *LOOKS, LOOKS[2] | OF_PPO, LOOKS[3] | OF_PPO)
AXES = {"samples": "samples", "tokens": "tokens", "processor seconds": "cpu_seconds"}
METRICS = {
    "right answers": "eval_accuracy",
    "thinks first": "eval_think_share",
    "response tokens": "eval_length",
}


class RaceViewer(Lab):
    """Which is ahead, counted in what?

    Args:
        runs: folder with the recorded experiments, of which the race on sums is shown.

    Raises:
        FileNotFoundError: no race is recorded there; the message says how to make it.
    """

    title = "Race viewer"
    question = "Predict: which of the two is ahead on the same samples, and in the same seconds?"
    presets = {
        "same samples": {},
        "same tokens": {"x": "tokens"},
        "same processor time": {"x": "processor seconds"},
        "lambda": {"grpo": False, "ppo-lam0.95": True},
        "groups": {"ppo-groups": True, "x": "processor seconds"},
        "each seed": {"single": True},
        "length": {"metric": "response tokens"},
        "critics": {"grpo": False, "ppo-warm": True, "ppo-taught": True, "ppo-shared": True},
        "no critic": {"ppo": False, "rloo": True},
    }
    height = 4.0

    def __init__(self, runs: str | Path = RUNS):
        recorded = load(RACES["sums"], Path(runs))
        self.runs = {label: recorded[label] for label in SETTINGS if label in recorded}
        known = {"x", "metric", "single", *self.runs}
        self.presets = {name: p for name, p in self.presets.items() if known.issuperset(p)}
        self._bands: dict[tuple, dict] = {}
        super().__init__()

    def make_controls(self):
        shown = {
            label: flag(f"show {SETTINGS[label]}", label in ("grpo", "ppo")) for label in self.runs
        }
        return {
            "x": choice("x axis", "samples", tuple(AXES)),
            "metric": choice("y axis", "right answers", tuple(METRICS)),
            **shown,
            "single": flag("each seed as a thin line", False),
        }

    def lines(self, label: str, x: str, metric: str) -> dict:
        """Curves of the seeds and their mean with its interval; each is computed once."""
        key = label, x, metric
        if key not in self._bands:
            grid, intervals = band(self.runs[label], x, metric)
            self._bands[key] = {
                "x": grid,
                "mean": [interval.mean for interval in intervals],
                "low": [interval.low for interval in intervals],
                "high": [interval.high for interval in intervals],
                "seeds": {run.seed: curve(run, x, metric) for run in self.runs[label]},
            }
        return self._bands[key]

    def compute(self, state: dict) -> dict:
        """The chosen curves, and where all of them can be compared: at the shortest one's end."""
        x, metric = AXES[state["x"]], METRICS[state["metric"]]
        shown = {
            label: self.lines(label, x, metric) for label in self.runs if state[label]
        }  # fmt: skip
        end = min((found["x"][-1] for found in shown.values()), default=0.0)
        at_end = {
            label: [at(run, x, end, metric) for run in self.runs[label]] for label in shown
        }  # fmt: skip
        gap = None
        if len(at_end) > 1:
            first, second = list(at_end.values())[:2]
            if min(len(first), len(second)) > 1:  # equal seeds make no pairs: see `difference`
                gap = contrast([(1.0, first), (-1.0, second)])
        return {
            "x": state["x"],
            "metric": state["metric"],
            "single": state["single"],
            "shown": shown,
            "end": end,
            "at_end": {label: bootstrap(values) for label, values in at_end.items()},
            "gap": gap,
        }

    @staticmethod
    def draw(figure, numbers):
        (axes,) = axes_of(figure, left=0.08)
        places = dict(zip(SETTINGS, PLACES, strict=True))
        for label, found in numbers["shown"].items():
            look, name = places[label], SETTINGS[label]
            axes.plot(found["x"], found["mean"], label=f"{name}, {len(found['seeds'])} seeds",
                      linewidth=2.2, markersize=6, markevery=5, **look)  # fmt: skip
            axes.fill_between(
                found["x"], found["low"], found["high"], color=look["color"], alpha=0.16, lw=0
            )
            if numbers["single"]:
                for line in found["seeds"].values():
                    axes.plot(*line, color=look["color"], linestyle=look["linestyle"], lw=0.7)
        if numbers["shown"]:
            axes.axvline(numbers["end"], color=RULE, linewidth=1, linestyle=":")
            axes.legend(fontsize=TICK, frameon=False, loc="lower right")
        axes.set_title(f"{numbers['metric']} (held-out problems)")
        axes.set_ylim(0, None if numbers["metric"] == "response tokens" else 1.03)
        numbers_below(axes, numbers["x"])
        numbers_beside(axes)

    @staticmethod
    def sentence(numbers):
        if not numbers["shown"]:
            return "Nothing is shown: switch a setting on."
        digits = 1 if numbers["metric"] == "response tokens" else 2
        names = [SETTINGS[label] for label in numbers["shown"]]
        each = ", ".join(
            f"{SETTINGS[label]} <b>{found.written(digits)}</b>"
            for label, found in numbers["at_end"].items()
        )
        text = f"At {numbers['end']:,.0f} {numbers['x']}, {numbers['metric']}: {each}."
        if numbers["gap"] is not None:
            gap = numbers["gap"]
            word = "surely more" if gap.low > 0 else "no sure difference"
            word = "surely less" if gap.high < 0 else word
            text += f" {names[0]} minus {names[1]}: {gap.written(digits)}, {word}."
        return text
