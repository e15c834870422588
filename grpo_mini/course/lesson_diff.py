"""What PPO has and GRPO has not: the two files compared, piece by piece, with a word on each."""

import ast
import difflib
import html
import textwrap
from pathlib import Path

from IPython.display import HTML

from ..experiments import look

PACKAGE = Path(__file__).parents[1]

# One remark for each piece that differs: what went away, what came in its place, what it costs.
REMARKS = {
    "imports": "PPO needs `gae`, `value_loss`, the `Critic` and a pass over the rollout to get "
    "its values. GRPO needs `compute_relative_rewards` and a test for silent groups.",
    "Config": "Five options of PPO exist for the critic: its backbone, its learning rate, the "
    "weight of its loss, `gamma`, `lam`. In their place stands `group_size`, "
    "with three options to rescale and mix.",
    "__init__": "A second model and a second optimiser are gone. This is the memory that GRPO "
    "saves.",
    "models": "One model fewer to count, save and load.",
    "optimizers": "One optimiser fewer: its two moments are twice the critic's size.",
    "restore_models": "One model fewer to restore.",
    "train_step": "The same in both, but for the name of the number of epochs: the recipe is "
    "shared, the baseline is not.",
    "generate_responses": "PPO samples once a prompt by default. GRPO must sample several times: "
    "this is the price of the group.",
    "compute_values": "Gone: nobody asks a critic.",
    "compute_log_probs_and_values": "Gone: log-probs alone are enough.",
    "compute_relative_rewards": "New: the mean of a prompt's samples, its own one included, "
    "takes the critic's place.",
    "compute_advantages": "PPO: one advantage a token, by GAE. GRPO: one a response, the same for "
    "all of its tokens. Credit inside a response is given up here.",
    "compute_loss": "The critic's squared error is gone, and with it `vf_coef`.",
}
HEART = ("compute_relative_rewards", "compute_advantages")


def pieces(file: str) -> dict[str, str]:
    """Source of a file, cut into imports, configuration and methods, without docstrings."""
    source = (PACKAGE / file).read_text(encoding="utf-8")
    tree = ast.parse(source)
    found = {"imports": "", "Config": ""}
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            found["imports"] += _text(source, node) + "\n"
        elif isinstance(node, ast.ClassDef) and node.name.endswith("Config"):
            found["Config"] = _text(source, node)
        elif isinstance(node, ast.ClassDef):
            methods = (method for method in node.body if isinstance(method, ast.FunctionDef))
            found |= {method.name: _text(source, method) for method in methods}
    return found


def _text(source: str, node: ast.stmt) -> str:
    """The lines of a node as they are written, without its docstring."""
    lines = source.splitlines()
    skipped = range(0)
    if isinstance(node, ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
        skipped = range(node.body[0].lineno, node.body[0].end_lineno + 1)
    kept = [lines[i - 1] for i in range(node.lineno, node.end_lineno + 1) if i not in skipped]
    return textwrap.dedent("\n".join(kept))


def differing() -> list[str]:
    """Names of the pieces that differ, in the order of ppo.py, then what only grpo.py has."""
    ppo, grpo = pieces("ppo.py"), pieces("grpo.py")
    return [name for name in {**ppo, **grpo} if ppo.get(name) != grpo.get(name)]


def show_diff(*names: str) -> HTML:
    """The pieces of that name, or all that differ: "-" only PPO has, "+" only GRPO has.

    Each is folded under its remark; open are those asked for, or the heart of the matter.
    """
    ppo, grpo = pieces("ppo.py"), pieces("grpo.py")
    blocks = []
    for name in names or differing():
        old, new = ppo.get(name, "").splitlines(), grpo.get(name, "").splitlines()
        lines = [line for line in difflib.ndiff(old, new) if not line.startswith("?")]
        if difflib.SequenceMatcher(None, old, new).ratio() < 0.5:  # one after the other
            lines = [f"- {line}" for line in old] + [f"+ {line}" for line in new]
        body = "".join(_line(line) for line in lines)
        remark = html.escape(REMARKS.get(name, ""), quote=False)
        for _ in range(remark.count("`") // 2):  # pairs of backticks
            remark = remark.replace("`", "<code>", 1).replace("`", "</code>", 1)
        counts = [sum(line[0] == sign for line in lines) for sign in "-+"]
        opened = " open" if names or name in HEART else ""
        blocks.append(
            f"<details style='margin:12px 0'{opened}><summary><b><code>{name}</code></b>. {remark} "
            f"(-{counts[0]}, +{counts[1]} lines)</summary>"
            f"<pre style='margin:4px 0;line-height:1.35;overflow-x:auto;"
            f"font-family:monospace'>{body}</pre></details>"
        )
    return HTML("".join(blocks))


def _line(line: str) -> str:
    colour = {"-": look.PPO, "+": look.GRPO}.get(line[0])
    text = html.escape(line, quote=False)
    if not colour:
        return f"{text}\n"
    return f"<span style='background:{look.tint(colour, 0.5)}'>{text}</span>\n"
