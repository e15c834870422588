"""What code hosts read: it parses, names what is there, and offers Pythons that the course has."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
FIELDS = {"input", "textarea", "dropdown", "checkboxes", "markdown"}


def supported(python: str) -> bool:
    oldest, before = re.findall(r"3\.(\d+)", PYPROJECT["project"]["requires-python"])
    return int(oldest) <= int(python.removeprefix("3.")) < int(before)


def runs(command: str) -> bool:
    """Whether a shell would find what is to run: a target, or a file of the repository."""
    words = command.split()
    if words[0] == "make":
        return bool(re.search(rf"^{re.escape(words[1])}:", MAKEFILE, re.M))
    return words[0] == "bash" and (ROOT / words[1]).exists()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_runs_what_is_there(path):
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow[True]  # YAML reads the key "on" so
    for job in workflow["jobs"].values():
        rows = job.get("strategy", {}).get("matrix", {}).get("include", [{}])
        commands = [step["run"] for step in job["steps"] if "run" in step]
        assert commands and all(map(runs, commands)), commands
        assert job["steps"][0]["uses"].startswith("actions/checkout@")
        (python,) = (s["with"]["python-version"] for s in job["steps"] if "setup-python" in str(s))
        for row in rows:
            assert supported(row.get("python", python))


def test_the_pages_are_taken_from_where_make_site_puts_them():
    steps = yaml.safe_load((ROOT / ".github/workflows/pages.yml").read_text(encoding="utf-8"))[
        "jobs"
    ]["build"]["steps"]
    (folder,) = (step["with"]["path"] for step in steps if "upload-pages" in step.get("uses", ""))
    assert re.search(rf"-m sphinx .* {folder}\b", MAKEFILE)


def test_every_week_the_newest_allowed_versions_are_tested():
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))
    assert [entry["cron"].split()[4] for entry in workflow[True]["schedule"]] == ["1"]
    weekly = workflow["jobs"]["weekly"]
    assert "schedule" in weekly["if"]
    assert [step["run"] for step in weekly["steps"] if "run" in step] == ["make test-latest"]


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_a_form_is_one_that_a_host_takes(path):
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert form["name"] and form["description"]
    names = [field["id"] for field in form["body"]]
    assert len(names) == len(set(names))
    assert any(field.get("validations", {}).get("required") for field in form["body"])
    for field in form["body"]:
        assert field["type"] in FIELDS and field["attributes"]["label"]
        assert (field["type"] == "dropdown") == ("options" in field["attributes"])


def test_the_container_has_a_python_of_ours_and_installs_for_the_editor():
    container = json.loads(
        (ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8")
    )
    assert supported(container["image"].partition(":")[2])
    assert runs(container["onCreateCommand"])
    interpreter = container["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"]
    (python,) = re.findall(r"^VENV_PYTHON = (.*)$", MAKEFILE, re.M)
    assert interpreter.endswith(f"/{python}")


def test_binder_installs_the_course_with_its_own_pins():
    """Nothing but the course, whose pins are pyproject's; environment.yml has its own test."""
    lines = (ROOT / ".binder" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith(("#", "--"))] == ["-e ."]
    runtime = (ROOT / ".binder" / "runtime.txt").read_text(encoding="utf-8").strip()
    assert supported(runtime.removeprefix("python-"))
