"""What becomes of each setting with another engine: mapped, default or refused."""

from dataclasses import asdict, dataclass, field, fields

from ...trainer import TrainerConfig

STATUS = ("mapped", "default", "refused")


@dataclass(frozen=True)
class Setting:
    """A setting here and what it is there.

    Attributes:
        name: of the field of our configuration.
        status: "mapped": to `there`. "default": the engine does the same without being told, or
            the field says nothing about the training. "refused": no counterpart.
        there: the engine's fields with their values.
        why: what differs all the same, or why there is no counterpart.
        fits: False: with this value nothing is handed over.
    """

    name: str
    status: str
    there: dict = field(default_factory=dict)
    why: str = ""
    fits: bool = True


def mapped(name: str, why: str = "", **there) -> Setting:
    """A field that has a counterpart."""
    return Setting(name, "mapped", there, why)


def default(name: str, why: str) -> Setting:
    """A field that the engine need not be told."""
    return Setting(name, "default", {}, why)


def refused(name: str, fits: bool, why: str) -> Setting:
    """A field without a counterpart, which `fits` only at the value that does nothing."""
    return Setting(name, "refused", {}, why, fits)


def settled(engine: str, config: TrainerConfig, settings: list[Setting]) -> dict[str, dict]:
    """Every field of the configuration with what becomes of it, as handover.json holds it.

    Raises:
        ValueError: some do not fit; the message names each with its value and the reason.
    """
    here = asdict(config)
    if misfits := [setting for setting in settings if not setting.fits]:
        reasons = "; ".join(f"{s.name}={here[s.name]} ({s.why})" for s in misfits)
        raise ValueError(f"{engine} cannot take this over: {reasons}")
    found = {setting.name: setting for setting in settings}
    return {
        name: {"here": here[name], "status": s.status, "there": s.there, "why": s.why}
        for name, s in ((f.name, found[f.name]) for f in fields(config))
    }


def about_the_task(reward_weights: Setting) -> list[Setting]:
    """What any engine gets in the same way: model, task and data, and what is this machine's."""
    return [
        default("model_name", "it is where the engine is told to look for it"),
        default("task", "its problems are the data, its verifier is own_reward.py"),
        default("instructions", "they are in the data's prompts"),
        default("examples", "they are in the data's prompts"),
        default("train_problems", "so many problems are the training data, in another order"),
        default("device", "of this machine"),
        default("threads", "of this machine"),
        reward_weights,
    ]
