"""The documents keep up with the code, and their links lead somewhere."""

import ast
import re
from pathlib import Path

import pytest

from bridge.connection import Word

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *(ROOT / folder / "README.md" for folder in ("config", "images", "observability", "volumes")),
]

PUBLISHING = {"starting", "current", "parked", "unreachable", "refused"}


def part_words(service: str = "bridge") -> dict[str, set[str]]:
    """The words of each part that its health.py builds: Part("name", ok, "word", reason)."""
    tree = ast.parse((ROOT / service / "health.py").read_text(encoding="utf-8"))
    words: dict[str, set[str]] = {}
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Part":
            name, _, word, _ = call.args
            if isinstance(name, ast.Constant) and isinstance(word, ast.Constant):
                words.setdefault(str(name.value), set()).add(str(word.value))
    return words


def entries() -> dict[str, set[str]]:
    """The headings of docs/operations.md: states by the part they belong to."""
    found: dict[str, set[str]] = {}
    part = ""
    for line in (ROOT / "docs" / "operations.md").read_text(encoding="utf-8").splitlines():
        if heading := re.match(r"## `?([^`:]+)", line):
            part = heading[1]
        elif line.startswith("### "):
            found.setdefault(part, set()).add(line.removeprefix("### "))
    return found


def test_every_state_has_an_entry() -> None:
    """Whatever word health can show, operations.md says what it means and what to do."""
    described = entries()

    assert {str(word) for word in Word} <= described["whatsapp"]
    assert described["publishing"] == PUBLISHING
    for service in ("bridge", "failover", "monitor"):
        for part, words in part_words(service).items():
            assert words <= described[part], f"{part}: {sorted(words - described[part])}"


def test_every_state_of_alerts_has_an_entry() -> None:
    """The words of the service that tells people, and those that it has for others."""
    words = {word for found in part_words("alerts").values() for word in found}
    sources = [ROOT / "alerts" / f"{name}.py" for name in ("watch", "calendar", "observation")]
    for source in sources:
        text = source.read_text(encoding="utf-8")
        words |= set(re.findall(r'(?:Beat|Finding)\((?:[\w.]+, "\w+", )?"([a-z ]+)"', text))
    words |= {"due", "overdue", "opened", "starting", "off"}

    assert {"current", "waiting", "silent", "unreachable", "held back", "failing"} <= words
    assert words == entries()["alerts"]


def test_every_word_of_publishing() -> None:
    """The words of the publisher are the ones that are described."""
    source = (ROOT / "bridge" / "publisher.py").read_text(encoding="utf-8")

    assert {word for word in PUBLISHING if f'"{word}"' in source} == PUBLISHING
    assert set(re.findall(r'_say\(\s*"(\w+)"', source)) <= PUBLISHING


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links(document: Path) -> None:
    """Every relative link leads to something that is there."""
    text = document.read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text)

    assert [target for target in targets if not (document.parent / target).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_one_sentence_per_line(document: Path) -> None:
    """A change of one sentence is a change of one line."""
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    prose = [line for line in text.splitlines() if not line.startswith("|")]

    assert [line for line in prose if re.search(r"[a-z)`]\. [A-Z`]", line)] == []


def test_size_of_the_readme() -> None:
    """The README is what somebody reads before deciding: at most 120 lines."""
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


def test_verbs_of_the_readme() -> None:
    """Every `make` verb that a document names is a target of the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))

    for document in DOCUMENTS:
        named = re.findall(r"`make ([a-z-]+)", document.read_text(encoding="utf-8"))
        assert set(named) <= targets, f"{document.name}: {sorted(set(named) - targets)}"


def test_settings_are_documented() -> None:
    """Every key that contracts ask config/ for is explained in config/README.md."""
    readme = (ROOT / "config" / "README.md").read_text(encoding="utf-8")
    for name in ("projects.py", "stack.py", "failover_limits.py", "alerting.py"):
        source = (ROOT / "contracts" / name).read_text(encoding="utf-8")
        asked = re.findall(r'\.(?:text|parsed|number|texts|yes_or_no|has)\(\s*"(\w+)"', source)

        assert [key for key in asked if key not in readme] == []
