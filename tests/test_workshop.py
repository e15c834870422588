"""The workshop's folder: what it collects; install.py works without network, or says why not.

The course's own 150 wheels take too long for a test, so a small course stands in for it here: a
package that builds itself, and one wheel.
"""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from teach.workshop import collect

ROOT = Path(__file__).parent.parent
TAG = f"cp{sys.version_info.major}{sys.version_info.minor}"
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "grpo-mini"
version = "0"
"""
BACKEND = """
import zipfile

def prepare_metadata_for_build_editable(folder, settings=None):
    import os
    os.mkdir(f"{folder}/grpo_mini-0.dist-info")
    with open(f"{folder}/grpo_mini-0.dist-info/METADATA", "w") as file:
        file.write("Metadata-Version: 2.1\\nName: grpo-mini\\nVersion: 0\\nRequires-Dist: torch\\n")
    return "grpo_mini-0.dist-info"

def build_editable(folder, settings=None, metadata=None):
    import os
    name = "grpo_mini-0-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.writestr("course.pth", os.getcwd())
        wheel.write(f"{metadata}/METADATA", "grpo_mini-0.dist-info/METADATA")
        wheel.writestr("grpo_mini-0.dist-info/WHEEL",
                       "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("grpo_mini-0.dist-info/RECORD", "")
    return name
"""
PREFLIGHT = """
from types import SimpleNamespace

import torch  # the wheel's


def preflight():
    return SimpleNamespace(status="ok")
"""


def make_wheel(wheels: Path, tag: str = TAG) -> Path:
    wheels.mkdir(exist_ok=True)
    about = "torch-2.13.0.dist-info/"
    with zipfile.ZipFile(wheels / f"torch-2.13.0-{tag}-none-any.whl", "w") as wheel:
        wheel.writestr("torch.py", "")
        wheel.writestr(about + "METADATA", "Metadata-Version: 2.1\nName: torch\nVersion: 2.13.0\n")
        wheel.writestr(about + "WHEEL", f"Wheel-Version: 1.0\nTag: {tag}-none-any\n")
        wheel.writestr(about + "RECORD", "")
    return Path(wheel.filename)


@pytest.fixture
def stick(tmp_path) -> Path:
    stick = tmp_path / "stick"
    course = stick / "grpo_mini" / "grpo_mini" / "course"
    course.mkdir(parents=True)
    (stick / "grpo_mini" / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    (stick / "grpo_mini" / "backend.py").write_text(BACKEND, encoding="utf-8")
    (course.parent / "grpo.py").write_text("", encoding="utf-8")
    (course / "preflight.py").write_text(PREFLIGHT, encoding="utf-8")
    make_wheel(stick / "wheels")
    shutil.copy(ROOT / "teach" / "workshop" / "install.py", stick)
    return stick


def install(stick: Path, folder: Path) -> subprocess.CompletedProcess:
    """Run it where every index is a closed port: whoever asks one fails."""
    closed = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_CONFIG_FILE": os.devnull}
    command = [sys.executable, str(stick / "install.py"), str(folder)]
    return subprocess.run(
        command, env=os.environ | closed, capture_output=True, text=True, encoding="utf-8"
    )


def test_it_installs_without_network_or_says_what_failed(stick, tmp_path):
    """One folder, three calls: a wheel that is broken, all well, a machine that is not ready."""
    wheel, folder = next((stick / "wheels").glob("torch*")), tmp_path / "course"
    whole = wheel.read_bytes()
    wheel.write_bytes(b"half")
    broken = install(stick, folder)
    assert broken.returncode == 1 and "This step failed" in broken.stderr
    assert not (folder / ".venv" / "installed").exists()

    wheel.write_bytes(whole)
    before, mine = sorted(stick.rglob("*")), folder / "my_grpo.py"
    mine.write_text("mine", encoding="utf-8")
    done = install(stick, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("The course is ready. Open it with: ")
    assert (folder / ".venv" / "installed").exists()
    assert mine.read_text(encoding="utf-8") == "mine" and sorted(stick.rglob("*")) == before

    preflight = folder / "grpo_mini" / "course" / "preflight.py"
    preflight.write_text(PREFLIGHT.replace("ok", "problem"), encoding="utf-8")
    problem = install(stick, folder)
    assert problem.returncode == 1 and "This step failed" in problem.stderr
    assert "ready" not in broken.stdout + problem.stdout


def test_another_python_is_told_which_one_the_wheels_are_for(stick, tmp_path):
    shutil.rmtree(stick / "wheels")
    make_wheel(stick / "wheels", tag="cp39")
    make_wheel(stick / "wheels", tag="cp38")
    done = install(stick, tmp_path / "course")
    assert done.returncode == 1 and "are for 3.8, 3.9: run python3.8 install.py" in done.stderr
    assert not (tmp_path / "course").exists()


def test_a_folder_of_something_else_is_left_alone(stick, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    done = install(stick, tmp_path)
    assert done.returncode == 1 and "holds something else: name another" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_it_collects_what_pyproject_asks_for_with_its_build():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    asked = collect.requirements()
    assert set(project["project"]["dependencies"]) < set(asked)
    assert set(project["project"]["optional-dependencies"]["test"]) < set(asked)
    assert project["build-system"]["requires"][0] in asked


def test_without_git_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(collect, "ROOT", tmp_path)
    with pytest.raises(SystemExit, match="is no git checkout"):
        collect.collect(tmp_path / "out", [], "3.11")


def test_each_kind_of_machine_is_asked_for_by_its_own_list(tmp_path, monkeypatch):
    """What pip would add or leave out by this machine's kind, uv decides by theirs."""
    commands = []
    monkeypatch.setattr(collect, "run", lambda *command: commands.append(command))
    (tmp_path / "wheels").mkdir()
    monkeypatch.setattr(Path, "unlink", lambda path: None)
    collect.download_for("windows", "3.12", tmp_path / "wheels")
    resolve, fetch = commands
    assert {"--python-platform=x86_64-pc-windows-msvc", "--python-version=3.12"} <= set(resolve)
    assert {"--no-deps", "--platform=win_amd64", "--python-version=3.12"} <= set(fetch)
    assert f"--requirement={tmp_path / 'windows.txt'}" in fetch
