"""The shape of the code: who imports whom, how large a module is, what every test says."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("alerts", "bridge", "contracts", "database", "failover", "monitor", "simulator")
SERVICES = ("alerts", "bridge", "database", "failover", "monitor")
CEILING = 400

ALONE = {"check"}
"""Modules of contracts that are commands and not agreements: nobody needs to import them."""


def modules(*folders: str) -> list[Path]:
    """Every Python file in these folders of the repository."""
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    """The dotted names that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_import_rules() -> None:
    """Services meet only through data; the simulator knows nothing of ours; see pyproject.toml."""
    linter = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run(
        [linter, "--no-cache"], capture_output=True, text=True, cwd=ROOT, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_contracts_import_nothing_at_the_door() -> None:
    """`import contracts` brings in nothing, so that no service carries another one's driver."""
    assert imported(ROOT / "contracts" / "__init__.py") == set()


def test_contracts_need_one_driver_each() -> None:
    """A module of contracts needs the standard library and at most one library beside it."""
    for path in modules("contracts"):
        roots = {name.split(".")[0] for name in imported(path)}
        drivers = roots - set(sys.stdlib_module_names) - {"contracts"}

        assert len(drivers) <= 1, f"{path.name} imports {sorted(drivers)}"


def test_contracts_admission() -> None:
    """Every agreement is one that a service keeps, directly or through another agreement."""
    needs = {
        path: {
            parts[1]
            for name in imported(path)
            if (parts := name.split("."))[0] == "contracts" and len(parts) > 1
        }
        for path in modules(*SERVICES, "contracts")
    }
    kept = {
        name for path, names in needs.items() if path.parent.name != "contracts" for name in names
    }
    kept |= {name for path, names in needs.items() if path.stem in kept for name in names}
    present = {path.stem for path in modules("contracts")} - {"__init__"}

    assert present - kept == ALONE


def test_contracts_say_who_writes_and_reads() -> None:
    """The first line of every module of contracts names the two sides."""
    for path in modules("contracts"):
        if path.name == "__init__.py":
            continue
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        first = docstring.split("\n\n")[0].lower()

        assert "written" in first or "read by" in first, f"{path.name}: {first}"


@pytest.mark.parametrize("folder", [*PACKAGES, "tests", "images", "volumes"])
def test_sizes(folder: str) -> None:
    """No module is longer than 400 lines: what does not fit into a head is two modules."""
    sizes = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in modules(folder)
    }

    assert {path: size for path, size in sizes.items() if size > CEILING} == {}


def test_every_test_says_what_it_shows() -> None:
    """Every test has a docstring that states a behaviour."""
    silent = [
        f"{path.relative_to(ROOT)}::{function.name}"
        for path in modules("tests")
        for function in functions(path)
        if function.name.startswith("test_") and not ast.get_docstring(function)
    ]

    assert silent == []


@pytest.mark.parametrize("package", SERVICES)
def test_one_module_reads_the_environment(package: str) -> None:
    """The environment is read by `settings.py`, or passed to it by `__main__.py`; nowhere else."""
    readers = {
        path.name
        for path in modules(package)
        if any(
            isinstance(node, ast.Attribute)
            and node.attr in {"environ", "getenv"}
            and isinstance(node.value, ast.Name)
            and node.value.id == "os"
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        )
    }

    assert readers <= {"__main__.py", "settings.py"}


def test_no_formatted_log_calls() -> None:
    """Log calls pass keys and arguments, so that events can be searched and masked."""
    calls = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in modules(*PACKAGES)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in {"log", "logger"}
        and any(isinstance(argument, ast.JoinedStr) for argument in node.args)
    ]

    assert calls == []


def test_every_timing_is_read() -> None:
    """No timing of stack.yaml is there for show: each is used by a service."""
    stack = ast.parse((ROOT / "contracts" / "stack.py").read_text(encoding="utf-8"))
    (timings,) = (n for n in stack.body if isinstance(n, ast.ClassDef) and n.name == "Timings")
    names = [
        field.target.id
        for field in timings.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
    ]
    code = "\n".join(path.read_text(encoding="utf-8") for path in modules(*SERVICES))

    assert [name for name in names if f"timings.{name}" not in code] == []
