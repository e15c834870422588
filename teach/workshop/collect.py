"""A folder for a room without network: wheels, a clone, and one command. make workshop

For learners with other machines: make workshop ARGS="windows macos --python 3.12". pip would ask
this machine which packages theirs need (on Linux CUDA's, for a Mac), so uv makes their list.
"""

import argparse
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLATFORMS = {  # as uv and as pip name them
    "windows": ("x86_64-pc-windows-msvc", "win_amd64"),
    "macos": ("aarch64-apple-darwin", "macosx_14_0_arm64"),  # Apple silicon; torch builds no other
}


def run(*command: str) -> None:
    subprocess.run(command, cwd=ROOT, check=True)


def requirements() -> list[str]:
    """What the course, its tests and its installation need, as pyproject.toml says."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = pyproject["project"]
    extra = project["optional-dependencies"]["test"]
    return [*project["dependencies"], *extra, *pyproject["build-system"]["requires"]]


def download(wheels: Path) -> None:
    """Wheels for this machine and this Python."""
    run(sys.executable, "-m", "pip", "download", "--only-binary=:all:", "--progress-bar=off",
        f"--dest={wheels}", *requirements())  # fmt: skip


def download_for(platform: str, python: str, wheels: Path) -> None:
    """Wheels for machines of another kind."""
    for_uv, for_pip = PLATFORMS[platform]
    listed = wheels.parent / f"{platform}.txt"
    asked = wheels.parent / "requirements.txt"
    asked.write_text("\n".join(requirements()), encoding="utf-8")
    run(sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate",
        f"--python-platform={for_uv}", f"--python-version={python}", f"--output-file={listed}",
        str(asked))  # fmt: skip
    run(sys.executable, "-m", "pip", "download", "--only-binary=:all:", "--progress-bar=off",
        f"--dest={wheels}", "--no-deps", f"--platform={for_pip}", f"--python-version={python}",
        f"--requirement={listed}")  # fmt: skip
    asked.unlink()
    listed.unlink()


def collect(out: Path, platforms: list[str], python: str) -> None:
    """Fill the folder; wheels of an earlier call that are still right are not loaded again.

    Raises:
        SystemExit: this is no git checkout, so there is nothing to clone.
    """
    if not (ROOT / ".git").exists():
        raise SystemExit(
            f"{ROOT} is no git checkout: clone the course, and run make workshop there"
        )
    wheels, clone = out / "wheels", out / "grpo_mini"
    wheels.mkdir(parents=True, exist_ok=True)
    for platform in platforms:
        download_for(platform, python, wheels)
    download(wheels)
    shutil.rmtree(clone, ignore_errors=True)
    run("git", "clone", "--quiet", "--depth=1", ROOT.as_uri(), str(clone))
    run("git", "-C", str(clone), "remote", "remove", "origin")  # it names this machine's folder
    shutil.copy(ROOT / "teach" / "workshop" / "install.py", out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "platforms", nargs="*", choices=[[], *PLATFORMS], default=[],
        help="wheels for these too: " + ", ".join(PLATFORMS),
    )  # fmt: skip
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    parser.add_argument("--python", default=here, help="their Python (this one's: %(default)s)")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "workshop")
    options = parser.parse_args()
    collect(options.out, options.platforms, options.python)
    size = sum(p.stat().st_size for p in options.out.rglob("*") if p.is_file())
    print(f"{options.out}: {size / 1e6:,.0f} MB. On each machine: python3 install.py")


if __name__ == "__main__":
    main()
