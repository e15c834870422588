"""The notebooks as stored."""

from pathlib import Path

import nbformat

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def pytest_generate_tests(metafunc):
    if "path" in metafunc.fixturenames:
        metafunc.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
    if "notebook" in metafunc.fixturenames:
        loaded = [nbformat.read(path, as_version=4) for path in NOTEBOOKS]
        metafunc.parametrize("notebook", loaded, ids=[path.stem for path in NOTEBOOKS])
