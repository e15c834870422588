"""Install the course from this folder, without network: python3 install.py [FOLDER]

Copies the course to FOLDER (grpo_mini in your home, unless you say another), installs it there
from the wheels beside this file, and tries it. Nothing is written beside this file.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
WHEELS = HERE / "wheels"
# Where a program of another kind has set PYTHONPATH, its packages would stand before ours.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
TRY = """
from grpo_mini.course.preflight import preflight
card = preflight()
print(card)
raise SystemExit(card.status != "ok")
"""


def run(*command, folder: Path = HERE) -> None:
    """Run a step in ``folder``; where it fails it has said why.

    Raises:
        SystemExit: the step failed.
    """
    environment = ENVIRONMENT | {"HF_HUB_OFFLINE": "1"}
    result = subprocess.run([str(word) for word in command], cwd=folder, env=environment)
    if result.returncode:
        raise SystemExit(f"This step failed: {' '.join(map(str, command))[:200]}")


def check_python() -> None:
    """The wheels are for one version of Python, or for a few.

    Raises:
        SystemExit: for other versions than this one's.
    """
    made_for = {path.name.split("-")[-3] for path in WHEELS.glob("torch-*.whl")}
    here = f"cp{sys.version_info.major}{sys.version_info.minor}"
    if here not in made_for:
        versions = ", ".join(sorted(f"{tag[2]}.{tag[3:]}" for tag in made_for)) or "none"
        raise SystemExit(
            f"This is Python {sys.version_info.major}.{sys.version_info.minor}, and the wheels in "
            f"{WHEELS} are for {versions}: run python{versions.split(', ')[0]} install.py"
        )


def copy_course(folder: Path) -> None:
    """Copy the course, unless it is there: then a second call mends the installation.

    Raises:
        SystemExit: the folder holds something else.
    """
    if (folder / "grpo_mini" / "grpo.py").exists():
        print(f"{folder} holds the course: its files stay as they are.")
    elif folder.exists() and any(folder.iterdir()):
        raise SystemExit(f"{folder} holds something else: name another, install.py FOLDER")
    else:
        shutil.copytree(HERE / "grpo_mini", folder, dirs_exist_ok=True)


def install(folder: Path, test: bool) -> None:
    """The course with the wheels in an environment that make lab knows too, and a try."""
    run(sys.executable, "-m", "venv", folder / ".venv")
    python = folder / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    offline = [f"--find-links={WHEELS}", "--no-index", "--no-compile", "--quiet"]
    extra = "[test]" if test else ""
    run(python, "-m", "pip", "install", *offline, "--editable", f"{folder}{extra}")
    (folder / ".venv" / "installed").touch()  # what make lab looks for
    run(python, "-c", TRY, folder=folder)
    if test:
        run(python, "-m", "pytest", "-q", "-m", "quick", folder=folder)
    start = [python, "-m", "jupyterlab", "--ServerApp.root_dir", folder / "notebooks"]
    line = f"The course is ready. Open it with: {' '.join(map(str, start))}"
    print(f"\033[32m{line}\033[0m" if sys.stdout.isatty() and os.name != "nt" else line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path.home() / "grpo_mini")
    parser.add_argument(
        "--test", action="store_true", help="also run the quick tests (two minutes)"
    )
    options = parser.parse_args()
    check_python()
    copy_course(options.folder.absolute())
    install(options.folder.absolute(), options.test)


if __name__ == "__main__":
    main()
