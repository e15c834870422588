"""What is handed over: configuration, model, reward, data; read from a command or from a run."""

import ast
import importlib.util
import inspect
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...models import encode_prompts, end_token_ids, load_policy, load_tokenizer
from ...support.checkpoints import CheckpointError, verified_checkpoint
from ...support.loading import quietly
from ...support.rewards import checked_dataset, fingerprint, name_of, prompt_of, reward_functions
from ...tasks import Record, get_task
from ...trainer import TrainerConfig
from .standalone import COURSE, standalone

TEST_PROBLEMS = 500  # held out, as `Trainer.evaluate` takes them
MANY = 1 << 30  # tokens: no limit to a prompt here


@dataclass(frozen=True)
class RewardFile:
    """own_reward.py: a file that defines ``reward``, a function or a list of them.

    Attributes:
        source: its text.
        names: of the functions, as an engine's log will show them.
        waits: whether each is a coroutine function.
        wants_state: whether one asks for ``trainer_state`` by name.
    """

    source: str
    names: tuple[str, ...]
    waits: tuple[bool, ...]
    wants_state: bool = False


@dataclass(frozen=True)
class Start:
    """All that an engine needs to go on from.

    Attributes:
        config: with the algorithm's class.
        steps: of training.
        model: a folder to copy; None: ``config.model_name`` is a name on the hub.
        train, test: records; ``test`` may be empty.
        longest: tokens of the longest prompt; None where the model is not at hand.
    """

    config: TrainerConfig
    steps: int
    model: Path | None
    reward: RewardFile
    train: Sequence[Record]
    test: Sequence[Record]
    longest: int | None

    @property
    def model_name(self) -> str:
        """Where the engine finds the model, seen from the folder."""
        return "model" if self.model is not None else self.config.model_name

    @property
    def responses(self) -> int:
        """Of a step."""
        config = self.config
        each = getattr(config, "group_size", None) or config.samples_per_prompt
        return config.prompts_per_step * each


def of_a_run(folder: Path) -> tuple[str, dict, dict]:
    """Trainer and configuration of a run's newest checkpoint, and what it trained on.

    Raises:
        CheckpointError: there is none, or it is damaged.
        ValueError: its reference is not the policy that would be handed over.
    """
    checkpoint, about = verified_checkpoint(folder.expanduser())
    config = about["config"] | {"model_name": str(checkpoint / "policy")}
    if config["kl_coef"] and about["step"]:
        raise ValueError(
            f"the KL of the run in {folder} is to its start policy, and an engine would take the "
            f"policy after step {about['step']} for it: hand over the start, or --kl-coef 0"
        )
    return about["trainer"], config, about


def the_tasks(config: TrainerConfig) -> RewardFile:
    """The reward of the configuration's task, as a file that needs nothing of the course."""
    function = get_task(config.task).reward
    source = (
        f'"""What pays for the task {config.task}: its verifier, as the course has it."""\n\n'
        f"{standalone(function)}\n\nreward = {function.__name__}\n"
    )
    return RewardFile(source, (function.__name__,), (False,))


def own(path: Path) -> RewardFile:
    """A reader's own reward file, unchanged.

    Raises:
        ValueError: it defines no ``reward``, needs the course or a file beside it, or a function
            does not take the columns it does not know.
    """
    path = path.expanduser()
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    source = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        names = [alias.name for alias in getattr(node, "names", [])]
        if isinstance(node, ast.ImportFrom):
            names = ["." * node.level + (node.module or "")]
        elif not isinstance(node, ast.Import):
            continue
        for name in names:
            first = name.split(".")[0]
            if first == COURSE or not first or (path.parent / f"{first}.py").exists():
                raise ValueError(
                    f"line {node.lineno} of {path} imports {name}, which is not there where the "
                    f"folder goes: write what it needs into the file itself"
                )
    spec = importlib.util.spec_from_file_location("own_reward", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "reward"):
        raise ValueError(f"{path} defines no `reward`: a function, or a list of functions")
    functions = reward_functions(module.reward)
    for function in functions:
        parameters = inspect.signature(function).parameters.values()
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            raise ValueError(
                f"{name_of(function)} in {path} must take **columns: every engine hands over more "
                f"than one function asks for"
            )
    names = tuple(name_of(function).rpartition(".")[2] for function in functions)
    if len(set(names)) < len(names) or not all(map(str.isidentifier, names)):
        raise ValueError(f"the functions in {path} need names of their own, got {', '.join(names)}")
    wants = any("trainer_state" in inspect.signature(f).parameters for f in functions)
    return RewardFile(source, names, tuple(map(inspect.iscoroutinefunction, functions)), wants)


def records_in(path: Path | None) -> Sequence[Record]:
    """The records of a .jsonl file; none of no file.

    Raises:
        ValueError: there is no such file, or it holds something else.
    """
    if path is None:
        return []
    try:
        lines = path.expanduser().read_text(encoding="utf-8").splitlines()
        records = checked_dataset([json.loads(line) for line in lines])
        return [r if isinstance(r, dict) else {"prompt": r} for r in records]
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} must be a .jsonl file of records: {error}") from error


def gathered(
    config: TrainerConfig,
    steps: int,
    reward: Path | None = None,
    train: Path | None = None,
    test: Path | None = None,
    run: dict | None = None,
) -> Start:
    """Put together what is handed over.

    Args:
        reward, train, test: files; None takes the task's.
        run: what a checkpoint says of its run, see `of_a_run`.

    Raises:
        ValueError: reward or data are not the run's, do not fit the configuration, or cannot be
            read.
    """
    task = get_task(config.task)
    asked = (config.instructions, config.examples)
    data = records_in(train) or task.dataset(config.train_problems, config.seed, False, *asked)
    held_out = records_in(test)
    if train is None and test is None:
        held_out = task.dataset(TEST_PROBLEMS, 0, True, *asked)
    if run is not None and reward is None and run["reward"] != [name_of(task.reward)]:
        raise ValueError(
            f"the run was paid by {', '.join(run['reward'])}: give the file that defines it, "
            f"--reward FILE"
        )
    if run is not None and run["dataset"] != fingerprint(data):
        raise ValueError("the run trained on other data: give them, --data FILE.jsonl")
    file = the_tasks(config) if reward is None else own(reward)
    weights = config.reward_weights
    if weights is not None and len(weights) != len(file.names):
        raise ValueError(f"{len(weights)} reward_weights for {len(file.names)} reward functions")
    if len(data) < config.prompts_per_step:
        raise ValueError(f"{len(data)} prompts are fewer than prompts_per_step="
                         f"{config.prompts_per_step}")  # fmt: skip
    for i, record in enumerate([*data, *held_out]):
        prompt = prompt_of(record)
        if not isinstance(prompt, str) and prompt[-1]["role"] == "assistant":
            raise ValueError(
                f"record {i} ends with a begun answer, which is continued here; the engines would "
                f"begin a new one"
            )
    folder = Path(config.model_name).expanduser()
    model, longest = (folder, None) if folder.is_dir() else (None, None)
    if model is not None:
        tokenizer, template = load_tokenizer(model), config.chat_template_kwargs
        prompts = [prompt_of(record) for record in [*data, *held_out]]
        longest = max(map(len, encode_prompts(tokenizer, prompts, MANY, template)))
    return Start(config, steps, model, file, data, held_out, longest)


def copy_model(start: Start, folder: Path) -> None:
    """The model's weights, in float32, and its tokenizer, with every end token that counts here.

    An engine ends responses at those of ``generation_config.json``; the one that the chat template
    closes a turn with may be missing there.
    """
    model, tokenizer = load_policy(start.model, "cpu")
    model.generation_config.eos_token_id = end_token_ids(model, tokenizer)
    folder.mkdir()
    with quietly(folder):
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def with_typed(config_class: type, run: dict, typed: dict) -> TrainerConfig:
    """A run's configuration, with what was typed in place of its own.

    Raises:
        CheckpointError: it is of another version.
    """
    try:
        return replace(config_class(**run), **typed)
    except TypeError as error:
        raise CheckpointError(f"the run is of another version: {error}") from error
