"""How the tests run: from any folder, and side by side."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:  # what runs side by side gets one thread each
    os.environ["OMP_NUM_THREADS"] = "1"

import pytest

from grpo_mini.machine.threads import lent_cores


def pytest_configure(config):
    """The file of nbval's patterns lies where it lies, not where the command was typed."""
    option = config.option
    option.nbval_sanitize_with = str(config.rootpath / option.nbval_sanitize_with)


def pytest_xdist_auto_num_workers() -> int:
    """A worker a core, and no more than memory is sure to be there for."""
    return min(lent_cores(), 4)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """A file stays with one worker, but for solved notebooks, which take minutes each."""
    for item in items:
        alone = item.path.name == "test_solutions.py"
        item.add_marker(pytest.mark.xdist_group(item.name if alone else str(item.path)))
