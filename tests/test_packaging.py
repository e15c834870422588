"""The packaging says what the code needs, and the core's files import in one direction only."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "grpo_mini"
# Data flows one way: a core file imports only from files that come before it. The formula files
# stand before rollout, which takes the log-probs of its samples from losses.
ORDER = ("models advantages losses rollout trainer ppo grpo __main__").split()
FORMULAS = ("advantages", "losses")
# They know nothing of the files above, so any file but a formula may use them, and each of them
# those before it.
FOUNDATIONS = ("machine", "support", "tasks")
SIDE_PACKAGES = ("experiments", "course")

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
DEPENDENCIES = PROJECT["dependencies"]
TEST_EXTRA = PROJECT["optional-dependencies"]["test"]
EXTRAS = [pin for pins in PROJECT["optional-dependencies"].values() for pin in pins]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
MAKE_TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, flags=re.MULTILINE))


def normal(name: str) -> str:
    """A distribution's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def names(requirements: list[str]) -> set[str]:
    return {normal(re.match(r"[\w.-]+", requirement)[0]) for requirement in requirements}


def imports(source: str, package: str = "grpo_mini") -> set[str]:
    """Full names of all modules that a file of ``package`` imports, inside functions too.

    ``from a import b`` counts as both a and a.b, because b may be a module.
    """
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) + 1 - node.level]
            prefix = parents if node.level else []
            module = ".".join([*prefix, *([node.module] if node.module else [])])
            found |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return found


def file_imports(path: Path) -> set[str]:
    package = ".".join(path.relative_to(ROOT).parent.parts)
    return imports(path.read_text(encoding="utf-8"), package)


def project_modules(path: Path) -> set[str]:
    """What a file imports from the project: ``{"tasks", "losses"}``."""
    inside = {name for name in file_imports(path) if name.startswith("grpo_mini.")}
    return {name.split(".")[1] for name in inside}


def undeclared(folder: Path, requirements: list[str]) -> dict[str, set[str]]:
    """Third-party imports of a folder's files that no requirement covers, by file."""
    distributions = packages_distributions()
    own = {"grpo_mini", "tests", "conftest", "teach"}
    wrong: dict[str, set[str]] = {}
    for path in sorted(folder.rglob("*.py")):
        for module in {name.split(".")[0] for name in file_imports(path)}:
            if module in sys.stdlib_module_names or module in own:
                continue
            providers = {normal(name) for name in distributions.get(module, [module])}
            if not providers & names(requirements):
                wrong.setdefault(str(path.relative_to(ROOT)), set()).add(module)
    return wrong


CORE_FILES = sorted(path for path in PACKAGE.glob("*.py") if path.name != "__init__.py")


# ---------------------------------------------------------------------------- pins


def test_environment_carries_the_pins_of_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    (through_pip,) = [item["pip"] for item in environment["dependencies"] if isinstance(item, dict)]
    assert through_pip == [*DEPENDENCIES, "-e ."]
    assert environment["name"] == PROJECT["name"]


def test_make_lab_opens_a_notebook_that_is_there():
    (opened,) = re.findall(r"default_url=/lab/tree/(\S+)", MAKEFILE)
    assert (ROOT / "notebooks" / opened).exists()


def test_environment_and_makefile_offer_only_supported_pythons():
    limits = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", PROJECT["requires-python"])
    oldest, before = map(int, limits.groups())
    supported = [f"3.{minor}" for minor in range(oldest, before)]
    environment = (ROOT / "environment.yml").read_text(encoding="utf-8")
    assert re.search(r"python=(3\.\d+)", environment)[1] in supported
    (candidates,) = re.findall(r"^CANDIDATES = (.*)$", MAKEFILE, flags=re.MULTILINE)
    assert re.findall(r"\bpython(3\.\d+)", candidates) == supported
    assert f"(3, {oldest}) <= sys.version_info[:2] < (3, {before})" in MAKEFILE


@pytest.mark.parametrize("requirement", DEPENDENCIES + EXTRAS)
def test_each_dependency_is_pinned_to_a_minor_version(requirement):
    assert re.fullmatch(r"[a-z0-9_-]+==\d+\.\d+\.(\*|\d+)", requirement)


def test_the_citation_carries_the_version_and_licence():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")


# ---------------------------------------------------------------------------- imports


def test_every_third_party_import_is_a_declared_dependency():
    # A GPU's figures stand beside TRL's where it is installed; verl reads parquet.
    optional = {"grpo_mini/experiments/gpu_check.py": {"trl", "datasets"},
                "grpo_mini/experiments/handover/to_verl.py": {"datasets"}}  # fmt: skip
    assert undeclared(PACKAGE, DEPENDENCIES) == optional
    assert undeclared(PACKAGE, DEPENDENCIES + TEST_EXTRA) == {}


def test_every_third_party_import_of_the_tests_is_declared():
    assert undeclared(ROOT / "tests", DEPENDENCIES + TEST_EXTRA) == {}


def test_every_third_party_import_of_what_is_for_a_room_is_declared():
    extras = PROJECT["optional-dependencies"]
    assert undeclared(ROOT / "teach" / "kit", DEPENDENCIES + extras["teach"]) == {}
    assert undeclared(ROOT / "teach" / "workshop", []) == {}


def test_the_order_names_every_core_file():
    assert {path.stem for path in CORE_FILES} <= set(ORDER)


@pytest.mark.parametrize("path", CORE_FILES, ids=lambda path: path.name)
def test_a_core_file_imports_only_from_files_before_it(path):
    before = {*FOUNDATIONS, *ORDER[: ORDER.index(path.stem)]}
    if path.stem in FORMULAS:
        before = set()
    if path.stem == "__main__":  # hands its commands on by name
        before |= set(SIDE_PACKAGES)
    assert project_modules(path) <= before


@pytest.mark.parametrize("folder", FOUNDATIONS)
def test_the_foundations_import_nothing_of_what_stands_on_them(folder):
    before = set(FOUNDATIONS[: FOUNDATIONS.index(folder) + 1])
    for path in (PACKAGE / folder).glob("*.py"):
        assert project_modules(path) <= before, path.name


def test_no_files_import_each_other_in_a_circle():
    """Inside functions too: what is imported late to get out of a circle is still in it."""
    paths = {".".join(p.relative_to(ROOT).with_suffix("").parts): p for p in PACKAGE.rglob("*.py")}
    paths = {name.removesuffix(".__init__"): path for name, path in paths.items()}
    graph = {name: file_imports(path) & set(paths) - {name} for name, path in paths.items()}
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join([*way[way.index(name) :], name])
        if name not in done:
            for other in graph[name]:
                # A package's own __init__ names its files; they do not need it.
                if not name.startswith(f"{other}."):
                    visit(other, (*way, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_importing_the_core_loads_neither_experiments_nor_course():
    # What `ast` cannot see: an import by name, or one that hides behind another module.
    modules = [f"grpo_mini.{path.stem}" for path in CORE_FILES if path.stem != "__main__"]
    code = f"import sys, {', '.join(modules)}; print(*sys.modules, sep='\\n')"
    run = [sys.executable, "-c", code]
    loaded = subprocess.run(
        run, cwd=ROOT, capture_output=True, text=True, check=True, encoding="utf-8"
    ).stdout
    side = [name for name in loaded.split() if name.startswith("grpo_mini.")]
    assert not [name for name in side if name.split(".")[1] in SIDE_PACKAGES]


def test_the_import_reader_sees_every_form():
    source = (
        "import a.b\nfrom c import d\nfrom . import losses\nfrom .models import Model\n"
        "def f():\n    from .experiments.runner import run\n    from grpo_mini import course\n"
    )
    assert imports(source) >= {"a.b", "c", "grpo_mini.losses", "grpo_mini.models"}
    assert imports(source) >= {"grpo_mini.experiments.runner", "grpo_mini.course"}
    assert "grpo_mini.tasks" in imports("from ..tasks import TASKS", "grpo_mini.course")


# ---------------------------------------------------------------------------- size


def lines_of_code(source: str) -> int:
    """Lines that are neither empty nor comment nor docstring."""
    lines = source.splitlines()
    code = {i for i, line in enumerate(lines, 1) if line.strip() and line.strip()[0] != "#"}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            code -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return len(code)


@pytest.mark.parametrize(("folder", "most"), [(PACKAGE, 1300), (PACKAGE / "support", 600)])
def test_the_core_can_be_read_in_an_evening(folder, most):
    sources = [path.read_text(encoding="utf-8") for path in folder.glob("*.py")]
    assert sum(map(lines_of_code, sources)) <= most


def test_lines_of_code_leave_out_what_explains():
    source = '"""Doc.\n\nMore."""\n\n# why\ndef f():\n    """Doc."""\n    return """not\na doc"""\n'
    assert lines_of_code(source) == 3


# ---------------------------------------------------------------------------- style, README


def test_ruff_finds_nothing():
    run = [sys.executable, "-m", "ruff", "check", "--output-format=concise", "."]
    result = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_makefile_has_the_promised_targets():
    assert {"lab", "demo", "test", "lint", "format", "clean", "help"} <= MAKE_TARGETS


def test_the_commands_of_the_readme_exist():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    # In a code block a command opens its line, in running text it opens a code span.
    commands = re.findall(r"(?:^\s*(?:\$ )?|`)make ([a-z-]+)", readme, flags=re.MULTILINE)
    assert set(commands) <= MAKE_TARGETS
    assert {"lab", "demo", "test"} <= set(commands)
