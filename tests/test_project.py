"""The house keeps its own rules: light import, few names, no import upward, one version, nobody's paths."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "gmvcausal"

# --- the public face ----------------------------------------------------------------------------------------

HEAVY = {
    "numpy", "pandas", "scipy", "statsmodels", "econml", "dowhy", "sklearn", "matplotlib",
    "duckdb", "pyarrow", "narwhals", "polars", "jinja2", "click", "docx", "tqdm", "pyspark", "ibis", "sqlglot",
}  # fmt: skip
ROOMS_IN_PUBLIC = {"simulate", "datasets", "trust", "privacy"}  # public as modules: gc.datasets.complete_journey()


def python(code: str) -> str:
    """What a fresh interpreter prints, warnings being errors."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_is_light_and_silent() -> None:
    looks = "import sys, json, gmvcausal as gc; dir(gc); gc.__all__; gc.__version__"
    loaded = json.loads(python(f"{looks}; print(json.dumps(sorted(sys.modules)))"))
    loaded = {module.partition(".")[0] for module in loaded}
    assert not loaded & HEAVY, f"`import gmvcausal` loads {sorted(loaded & HEAVY)}"


def test_public_names_are_few_documented_and_in_the_reference() -> None:
    import gmvcausal as gc

    names = gc.__all__
    assert len(names) == len(set(names)) <= 40
    assert set(names) <= set(dir(gc)), "dir(gmvcausal) hides public names"
    reference = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    for name in names:
        if name == "__version__":
            continue
        doc = getattr(gc, name).__doc__ or ""
        # a dataclass without a docstring is given its signature for one
        assert doc.strip() and not doc.startswith(f"{name}("), f"gmvcausal.{name} has no docstring"
        assert re.search(rf"\b{name}\b", reference), f"gmvcausal.{name} is not in docs/reference.md"


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    import gmvcausal as gc

    missing = "no_such_verb"
    with pytest.raises(AttributeError, match=missing):
        getattr(gc, missing)


def test_no_room_hides_a_verb() -> None:
    """Importing gmvcausal.x binds x on the package: were a room named like a verb, the verb would be gone."""
    code = f"""
import importlib, json, pkgutil, types, warnings
warnings.filterwarnings("ignore", "invalid escape sequence")  # dowhy 0.14, when its source is first compiled
import gmvcausal as gc
for module in pkgutil.walk_packages(gc.__path__, "gmvcausal."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
rooms = {sorted(ROOMS_IN_PUBLIC)}
print(json.dumps([name for name in gc.__all__ if name not in rooms and name != "__version__"
                  and (isinstance(getattr(gc, name), types.ModuleType) or not callable(getattr(gc, name)))]))
"""
    assert json.loads(python(code)) == []


# --- who may know whom --------------------------------------------------------------------------------------

DESIGNS = {"rollout", "abtest", "targeting", "observational", "mechanism"}
GUESTS = {"simulate", "datasets", "trust"}
FLOORS = [
    {"errors"},
    {"frames"},
    {"logs", "moments", "stats", "results"},
    DESIGNS,
    {"money"},
    {"present"},
    {"study", "studies", "cli", "__main__"},
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
TOP = FLOOR["cli"]
# Inside a function only: plot, to_html and their like; and incremental_gmv(), which every result has.
LAZILY_UPWARD = {("results", "present"), ("results", "money")}


class Import(NamedTuple):
    """One import of the package by itself: where, from which room, into which, and if in a function."""

    where: str
    source: str
    target: str  # a room, or "" for the public face
    lazy: bool


def room_of(module: str) -> str:
    """The room of a dotted name: gmvcausal.logs.panel -> logs; gmvcausal -> ""."""
    return [*module.split("."), ""][1]


def is_room(name: str) -> bool:
    return name in FLOOR or name in GUESTS or (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()


def targets(node: ast.AST, package: str) -> list[str]:
    """The rooms that one statement or call reaches; relative imports start from `package`."""
    modules: list[str] = []
    if isinstance(node, ast.Import):
        modules = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        base = package.split(".")
        base = base[: len(base) - node.level + 1] if node.level else []
        module = ".".join([*base, *([node.module] if node.module else [])])
        if module == "gmvcausal":  # from gmvcausal import results; the version is a plain string, free to all
            names = [alias.name for alias in node.names if alias.name != "__version__"]
            return [name if is_room(name) else "" for name in names]
        modules = [module]
    elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called in {"import_module", "__import__"}:
            modules = [str(node.args[0].value)]
    return [room_of(module) for module in modules if module.split(".")[0] == "gmvcausal"]


def imports_of(source: str, where: str, module: str, *, is_package: bool) -> list[Import]:
    """Every import of gmvcausal by one of its modules: at the top, under TYPE_CHECKING or in a function."""
    package = module if is_package else module.rpartition(".")[0]
    found: list[Import] = []

    def walk(node: ast.AST, lazy: bool) -> None:
        for target in targets(node, package):
            found.append(Import(f"{where}:{getattr(node, 'lineno', 0)}", room_of(module), target, lazy))
        inside = lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        # What stands under TYPE_CHECKING never runs.
        inside = inside or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
        for child in ast.iter_child_nodes(node):
            walk(child, inside)

    walk(ast.parse(source), False)
    return found


def verdict(one: Import) -> str | None:
    """What is wrong with an import, or None."""
    source, target = one.source, one.target
    if source == target or source == "trust":
        return None
    if target == "":
        allowed = source in GUESTS or FLOOR.get(source) == TOP
        return None if allowed else f"{one.where}: {source} imports the public face"
    if target in GUESTS:
        allowed = source in GUESTS or FLOOR[source] == TOP
        return None if allowed else f"{one.where}: {source} imports the guest {target}"
    if source in GUESTS:
        return None if FLOOR[target] < TOP else f"{one.where}: {source} imports {target}"
    if source in DESIGNS and target in DESIGNS:
        return f"{one.where}: the design {source} imports the design {target}"
    if FLOOR[target] > FLOOR[source] and not (one.lazy and (source, target) in LAZILY_UPWARD):
        return f"{one.where}: {source} imports upward, from {target}"
    return None


@pytest.mark.parametrize(
    ("module", "source", "wrong"),
    [
        ("gmvcausal.rollout.did", "from gmvcausal.results import Result", False),
        ("gmvcausal.rollout.did", "from ..stats.power import mde", False),
        ("gmvcausal.rollout.did", "from . import panel", False),
        ("gmvcausal.rollout.did", "from gmvcausal import stats", False),
        ("gmvcausal.rollout.did", "from gmvcausal import __version__", False),
        ("gmvcausal.rollout.did", "from gmvcausal import did", True),
        ("gmvcausal.rollout.did", "import gmvcausal as gc", True),
        ("gmvcausal.rollout.did", "from gmvcausal.abtest import srm", True),
        ("gmvcausal.rollout.did", "from gmvcausal.money import total", True),
        ("gmvcausal.rollout.did", "def f():\n    from ..study import run", True),
        ("gmvcausal.rollout.did", "from ..money import total", True),
        ("gmvcausal.rollout.did", "def f():\n    from ..money import total", True),
        ("gmvcausal.rollout.did", "from ..datasets import mpdta", True),
        ("gmvcausal.results.base", "from gmvcausal.present import plot", True),
        ("gmvcausal.results.base", "def f():\n    from gmvcausal.present import plot", False),
        ("gmvcausal.results.base", "def f():\n    importlib.import_module('gmvcausal.money')", False),
        ("gmvcausal.results.base", "if TYPE_CHECKING:\n    from gmvcausal.rollout import Did", True),
        ("gmvcausal.frames.rules", "from ..errors import InputError", False),
        ("gmvcausal.errors", "from .frames import rules", True),
        ("gmvcausal.cli", "from gmvcausal.datasets import complete_journey", False),
        ("gmvcausal.simulate.market", "from gmvcausal.logs import Logs", False),
        ("gmvcausal.simulate.market", "from gmvcausal.study import run", True),
        ("gmvcausal.trust.coverage", "from gmvcausal.cli import main", False),
    ],
)
def test_the_rule_itself(module: str, source: str, wrong: bool) -> None:
    found = imports_of(source, "file.py", module, is_package=False)
    assert any(verdict(one) for one in found) is wrong


def modules() -> list[tuple[Path, str]]:
    files = sorted(PACKAGE.rglob("*.py"))
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in files]
    return list(zip(files, names, strict=True))


def test_every_room_has_its_floor() -> None:
    rooms = {room_of(module) for _, module in modules()} - {""}
    assert not rooms - set(FLOOR) - GUESTS, "give the new room a floor in FLOORS, or make it a guest"


def test_no_import_runs_upward() -> None:
    found = [
        one
        for file, module in modules()
        if module != "gmvcausal"  # the public face names every verb
        for one in imports_of(
            file.read_text(encoding="utf-8"),
            str(file.relative_to(ROOT)),
            module,
            is_package=file.name == "__init__.py",
        )
    ]
    assert found
    wrong = [message for one in found if (message := verdict(one))]
    assert not wrong, "\n".join(wrong)


# --- what is shipped ----------------------------------------------------------------------------------------


def test_one_version_everywhere() -> None:
    import gmvcausal as gc

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.M)
    changes = re.search(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert citation and changes
    assert gc.__version__ == importlib.metadata.version("gmvcausal"), "installed from elsewhere? run: pip install -e ."
    assert {gc.__version__, citation[1], changes[1]} == {project["version"]}


def test_the_package_is_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()


def tracked_files() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: which files are the project's own cannot be told")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [file for name in listed.split("\0") if name and (file := ROOT / name).is_file()]


def test_no_path_of_a_machine_in_the_tree() -> None:
    folders = "|".join(["home", "Users", "root", "tmp", "private/var"])
    somebody = [rf"(?<![\w.:/-])/(?:{folders})/\w", r"(?<!\w)[A-Z]:\\Users\\"]
    here = [re.escape(f"{folder}/") for folder in (ROOT, ROOT.parent, Path.home()) if len(folder.parts) > 1]
    pattern = re.compile("|".join(somebody + here))
    found = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()[:120]}"
        for file in tracked_files()
        if b"\0" not in (content := file.read_bytes())
        for number, line in enumerate(content.decode("utf-8", errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]
    assert not found, "\n".join(found)
