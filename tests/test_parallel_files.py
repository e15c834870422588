"""ppo.py and grpo.py stay parallel: same methods, same order; what differs is the critic."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "grpo_mini"
# What PPO has for its critic, and what GRPO has in its place.
ONLY_PPO = {
    "__init__",
    "models",
    "optimizers",
    "restore_models",
    "compute_values",
    "compute_log_probs_and_values",
}
ONLY_GRPO = {"compute_relative_rewards"}


def methods(file: str) -> list[str]:
    tree = ast.parse((PACKAGE / file).read_text(encoding="utf-8"))
    trainer = next(
        node
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name.endswith("Trainer")
    )
    return [node.name for node in trainer.body if isinstance(node, ast.FunctionDef)]


def test_same_methods_in_the_same_order():
    grpo, ppo = methods("grpo.py"), methods("ppo.py")
    assert [m for m in grpo if m not in ONLY_GRPO] == [m for m in ppo if m not in ONLY_PPO]
    assert set(grpo) >= ONLY_GRPO and set(ppo) >= ONLY_PPO


def test_the_shared_lines_are_the_same_lines():
    """train_step reads the same in both, but for the name of its number of epochs."""
    sources = []
    for file, epochs in (("grpo.py", "grpo_epochs"), ("ppo.py", "ppo_epochs")):
        tree = ast.parse((PACKAGE / file).read_text(encoding="utf-8"))
        step = next(n for n in ast.walk(tree) if getattr(n, "name", "") == "train_step")
        body = ast.unparse(ast.Module(step.body[1:], []))  # without the docstring
        sources.append(body.replace(epochs, "epochs"))
    assert sources[0] == sources[1]


def test_what_the_source_calls_its_pieces_is_still_there():
    from grpo_mini.grpo import GRPOTrainer
    from grpo_mini.ppo import PPOTrainer

    shared = "train_step generate_responses compute_rewards compute_advantages compute_policy_loss"
    for name in shared.split():
        assert callable(getattr(GRPOTrainer, name)) and callable(getattr(PPOTrainer, name))
    assert callable(GRPOTrainer.compute_log_probs)
    assert callable(GRPOTrainer.compute_relative_rewards)
    assert callable(PPOTrainer.compute_log_probs_and_values)
