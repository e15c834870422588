"""Memory planner: what a training step holds, against the cards that one can rent."""

from matplotlib.patches import Rectangle

from ...experiments.forecast import GEOMETRIES, PARTS, PRECISIONS, forecast, peak
from ...experiments.look import INK, LABEL, PAPER, PPO, QUIET, REFERENCE, SERIES, SMALL
from .base import Lab, choice, flag, slider
from .looks import axes_of, legend_below

CARDS = (8, 16, 24, 80)  # GB
LOOKS = {
    "weights": (SERIES[0], ""),
    "gradients": (SERIES[1], ""),
    "Adam": (SERIES[2], ""),
    "reference": (REFERENCE, ""),
    "critic": (PPO, ""),
    "activations": (SERIES[3], ""),
    "logits": (SERIES[3], "//"),
    "cache": (SERIES[1], "//"),
}
NAMES = {"cache": "keys and values"}
GB = 1e9


class MemoryPlanner(Lab):
    """Size a run before paying for it."""

    title = "Memory planner"
    question = "Predict: what is the largest part when a 0.5B trains in passes of 8,192 tokens?"
    presets = {
        "0.5B on a laptop": {"model": "0.5B", "pass_tokens": 512, "reference": False},
        "a long pass": {"model": "0.5B", "pass_tokens": 8192, "precision": "autocast"},
        "the same, twice": {
            "model": "0.5B",
            "pass_tokens": 8192,
            "precision": "autocast",
            "twice": True,
        },
        "PPO, its critic": {"model": "0.5B", "critic": True},
        "7B": {"model": "7B", "precision": "autocast", "reference": False},
        "7B, all bfloat16": {"model": "7B", "precision": "bfloat16", "reference": False},
        "long thoughts": {"model": "1.5B", "precision": "autocast", "response": 8192},
    }
    height = 3.2

    @staticmethod
    def make_controls():
        return {
            "model": choice("size of the Qwen", "0.5B", list(GEOMETRIES)),
            "precision": choice("precision", "float32", PRECISIONS),
            "prompts": slider("prompts a step", 8, 1, 64, 1),
            "group": slider("samples of each G", 8, 2, 64, 1),
            "response": choice(
                "tokens a response", 256, [64, 128, 256, 512, 1024, 2048, 4096, 8192]
            ),
            "pass_tokens": choice("tokens a pass", 2048, [256, 512, 1024, 2048, 4096, 8192, 16384]),
            "reference": flag("frozen reference", True),
            "critic": flag("critic of its size", False),
            "twice": flag("layers computed twice", False),
        }

    @staticmethod
    def compute(state):
        pass_tokens = max(state["pass_tokens"], state["response"])
        step = forecast(
            GEOMETRIES[state["model"]],
            state["precision"],
            samples=state["prompts"] * state["group"],
            group=state["group"],
            response=state["response"],
            pass_tokens=pass_tokens,
            reference=state["reference"],
            critic=state["critic"],
            checkpointing=state["twice"],
        )
        phase, most = peak(step)
        parts = {name: step[phase][name] / GB for name in PARTS}
        return {
            "model": state["model"],
            "precision": state["precision"],
            "pass_tokens": pass_tokens,
            "step": {p: [held[name] / GB for name in PARTS] for p, held in step.items()},
            "phase": phase,
            "peak": most / GB,
            "largest": max(parts, key=parts.__getitem__),
            "size": max(parts.values()),
            "fits": next((card for card in CARDS if most / GB <= 0.9 * card), None),
        }

    @staticmethod
    def draw(figure, numbers):
        (axes,) = axes_of(figure, left=0.11, bottom=0.16)
        limit = max(1.0, numbers["peak"] * 1.12)
        for y, (phase, parts) in enumerate(numbers["step"].items()):
            left = 0.0
            for name, size in zip(PARTS, parts, strict=True):
                colour, hatch = LOOKS[name]
                axes.add_artist(Rectangle((left, -y - 0.31), size, 0.62, facecolor=colour,
                                          hatch=hatch, edgecolor=PAPER))  # fmt: skip
                left += size
            axes.text(left + limit / 100, -y, f"{left:.2f} GB", fontsize=LABEL, va="center")
            axes.text(-0.01, -y, phase, fontsize=LABEL, va="center", ha="right",
                      transform=axes.get_yaxis_transform())  # fmt: skip
        free = 0.0  # where there is room for a card's name
        for card in CARDS:
            if card <= limit:
                axes.axvline(card, ymax=0.84, color=INK, linestyle="--", linewidth=1.2)
            if free <= card <= limit:
                axes.text(card, 0.47, f"{card} GB", fontsize=SMALL, ha="center", va="bottom")
                free = card + limit / 12
        axes.set(xlim=(0, limit * 1.12), ylim=(-1.45, 0.75))
        axes.xaxis.set_visible(False)
        axes.yaxis.set_visible(False)
        axes.spines["left"].set_color(QUIET)
        legend_below(figure, {NAMES.get(name, name): LOOKS[name] for name in PARTS})

    @staticmethod
    def sentence(numbers):
        name = NAMES.get(numbers["largest"], numbers["largest"])
        fits = f"fits a card of <b>{numbers['fits']} GB</b> with a tenth left free, no smaller one"
        if numbers["fits"] is None:
            fits = f"fits <b>none</b> of {', '.join(map(str, CARDS[:-1]))} and {CARDS[-1]} GB"
        return (
            f"In {numbers['precision']} and passes of {numbers['pass_tokens']:,} tokens a step of "
            f"the {numbers['model']} holds at most <b>{numbers['peak']:.2f} GB</b>, in its "
            f"{numbers['phase']}; the largest part is {name} with {numbers['size']:.2f} GB. It "
            f"{fits}."
        )
