"""Loading models, and saying where one was looked for when it is not there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import safetensors
from huggingface_hub.constants import HF_HUB_CACHE
from transformers.utils import logging


@contextmanager
def quietly(name: str | Path) -> Iterator[None]:
    """No progress bar for what lies on this disk; downloads keep theirs."""
    switch_off = Path(name).expanduser().is_dir() and logging.is_progress_bar_enabled()
    if switch_off:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        if switch_off:
            logging.enable_progress_bar()


def load_pretrained(auto_class, name: str | Path, **options):
    """Load from a folder or the hub, or say where it was looked for and what to do."""
    folder = Path(name).expanduser()
    try:
        with quietly(name):
            source = str(folder) if folder.is_dir() else str(name)
            return auto_class.from_pretrained(source, trust_remote_code=False, **options)
    except (OSError, ValueError, RuntimeError, safetensors.SafetensorError) as error:
        if folder.is_dir():
            what = f"the folder {folder.resolve()} has no model that can be loaded from safetensors"
        else:
            what = (
                f"there is no folder {folder.resolve()}, no copy of {str(name)!r} in the cache "
                f"{HF_HUB_CACHE}, and it could not be fetched from the hub. On a machine with "
                f"network, run 'hf download {name} --local-dir {folder.name}', "
                f"copy that folder here and pass its path"
            )
        first_line = (str(error) or type(error).__name__).splitlines()[0]
        message = f"cannot load the model {str(name)!r}: {what} ({first_line})"
        raise FileNotFoundError(message) from error
