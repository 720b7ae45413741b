"""What the Compose files, .env.example and config/ say of one another."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts.stack import load_stack

ROOT = Path(__file__).parents[2]
PRODUCTION = [ROOT / "compose.yaml", *sorted((ROOT / "database").glob("compose*.yaml"))]
ALL = [*PRODUCTION, ROOT / "compose.demo.yaml"]

SENTENCE = 20
"""Characters that an explanation has at least."""


def variables(paths: list[Path]) -> set[str]:
    """Every variable that a file takes from the environment, outside its comments."""
    lines = [line for path in paths for line in path.read_text(encoding="utf-8").splitlines()]
    code = "\n".join(line.split(" #")[0] for line in lines if not line.lstrip().startswith("#"))
    return set(re.findall(r"(?<!\$)\$\{([A-Z][A-Z0-9_]*)", code))


def explained() -> dict[str, str]:
    """Each variable of .env.example with the comment above it."""
    found: dict[str, str] = {}
    comment: list[str] = []
    for line in (ROOT / ".env.example").read_text(encoding="utf-8").splitlines():
        setting = re.fullmatch(r"#? ?([A-Z][A-Z0-9_]*)=.*", line)
        if setting:
            found[setting[1]] = " ".join(comment)
        elif line.startswith("#"):
            comment.append(line.lstrip("# "))
        else:
            comment = []
    return found


def services(path: Path) -> dict[str, Any]:
    """The services of a Compose file as they are written."""
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")).get("services") or {})


def test_env_example_is_complete() -> None:
    """Every variable of the production stack is in .env.example, and nothing else is."""
    assert set(explained()) == variables(PRODUCTION)


def test_env_example_explains() -> None:
    """Every variable has a sentence that says what it does."""
    assert [name for name, comment in explained().items() if len(comment) < SENTENCE] == []


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.name)
def test_ports_on_loopback(path: Path) -> None:
    """No port is published to other machines."""
    for name, service in services(path).items():
        for port in service.get("ports", ()):
            assert str(port).startswith("127.0.0.1:"), f"{name} publishes {port}"


def test_bridges_agree() -> None:
    """stack.yaml and compose.yaml name the same bridges, with the same ports and variables."""
    composed = services(ROOT / "compose.yaml")
    stack = load_stack(ROOT / "config" / "stack.yaml")

    assert {f"bridge-{b.name}" for b in stack.bridges} == {
        name for name in composed if name.startswith("bridge-")
    }
    for bridge in stack.bridges:
        service = composed[f"bridge-{bridge.name}"]
        (port,) = service["ports"]
        assert re.fullmatch(rf"127\.0\.0\.1:\$\{{\w+:-{bridge.published_port}\}}:8080", port)
        assert service["environment"]["BRIDGE_NAME"] == bridge.name
        assert all(other.number_env in service["environment"] for other in stack.bridges)


def test_service_names() -> None:
    """The name of every service begins with its folder, so that the tree shows what runs."""
    for path in ALL:
        for name in services(path):
            assert (ROOT / name.split("-")[0]).is_dir(), f"{path.name}: {name}"


def test_no_bridge_waits_for_postgres() -> None:
    """Capturing depends on nothing that can be away with Postgres."""
    for path in ALL:
        for name, service in services(path).items():
            if name.startswith("bridge-"):
                waits = set(service.get("depends_on", ()))
                assert waits <= {"volumes-secrets", "simulator"}, f"{path.name}: {name}"
