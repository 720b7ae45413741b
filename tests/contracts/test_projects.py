"""config/projects.yaml: what is read from it, and how mistakes are told."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contracts.drops import find_drops
from contracts.problems import ConfigurationError
from contracts.projects import Projects, load_projects

SHIPPED = Path(__file__).parents[2] / "config" / "projects.yaml"
GROUP = "120363400000000001@g.us"

Load = Callable[[str], Projects]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load a text as config/projects.yaml."""
    folder = tmp_path / "config"
    folder.mkdir()

    def load(text: str) -> Projects:
        path = folder / "projects.yaml"
        path.write_text(text, encoding="utf-8")
        return load_projects(path)

    return load


def wrong(load: Load, text: str) -> list[str]:
    """The problems of a text, as people see them."""
    with pytest.raises(ConfigurationError) as refused:
        load(text)
    return [str(problem) for problem in refused.value.problems]


def one(**keys: str) -> str:
    """A file with one project, some keys added or replaced."""
    keys = {"name": "Lawley", "group": GROUP} | keys
    return "projects:\n  - " + "\n    ".join(f"{key}: {value}" for key, value in keys.items())


def test_shipped_file() -> None:
    """The file that we ship has the four projects; Velo Test is watched by prod and dev."""
    projects = load_projects(SHIPPED)

    assert {p.name: (p.group, p.environments) for p in projects.projects} == {
        "Lawley": ("120363418298130331@g.us", ("prod",)),
        "Mohadin": ("120363421532174586@g.us", ("prod",)),
        "Velo Test": ("120363421664266245@g.us", ("prod", "dev")),
        "Mamelodi": ("120363408849234743@g.us", ("prod",)),
    }
    assert projects.timezone.key == "Africa/Johannesburg"
    assert projects.horizon_days == 30
    assert projects.same_submission_minutes == 10


def test_tests_by_hand() -> None:
    """DRTEST001 is a drop in Velo Test only, beside the ordinary ones."""
    found = {
        p.name: find_drops("drtest001 DR1234567", p.pattern)
        for p in load_projects(SHIPPED).projects
    }

    assert found.pop("Velo Test") == ("DRTEST001", "DR1234567")
    assert set(found.values()) == {("DR1234567",)}


def test_by_group(load: Load) -> None:
    """A group leads to its project; a group that nobody configured leads to None."""
    projects = load(one())

    assert projects.by_group(GROUP) is projects.projects[0]
    assert projects.by_group("120363400000000002@g.us") is None


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-24", datetime(2026, 11, 23, 22, tzinfo=UTC)),
        ("2026-11-24T06:00:00", datetime(2026, 11, 24, 4, tzinfo=UTC)),
        ("2026-11-24 06:00:00+00:00", datetime(2026, 11, 24, 6, tzinfo=UTC)),
    ],
)
def test_starts_at(load: Load, text: str, moment: datetime) -> None:
    """A start without a zone is meant in the projects' zone, and is UTC inside."""
    assert load(one(starts_at=text)).projects[0].starts_at == moment


def test_everything_at_once(load: Load) -> None:
    """Every mistake of a file is told in one go, with file, key, value and reason."""
    problems = wrong(
        load,
        """
        timezone: Mars/Olympus
        horizon_days: soon
        horizont: 30
        projects:
          - name: Lawley
            group: 27820000001@s.whatsapp.net
            patern: DR
          - name: lawley
            group: 120363400000000001@g.us
            environments: [prod, test]
            pattern: "("
            starts_at: 2026-02-30
          - group: 120363400000000001@g.us
          - just text
        """,
    )

    known = "environments, group, name, pattern, starts_at, valid_drops"
    assert sorted(problem.removeprefix("config/projects.yaml: ") for problem in problems) == [
        "horizon_days = 'soon': must be a whole number",
        (
            "horizont = 30: unknown key; known are"
            " horizon_days, projects, same_submission_minutes, timezone"
        ),
        (
            "projects[0].group = '27820000001@s.whatsapp.net': not a group JID: it looks like"
            " 120363400000000000@g.us"
        ),
        f"projects[0].patern = 'DR': unknown key; known are {known}",
        "projects[1].environments = 'test': must be one of prod, dev",
        "projects[1].name = 'lawley': stands in two projects",
        "projects[1].pattern = '(': not a RE2 pattern: missing ): (",
        (
            "projects[1].starts_at = '2026-02-30': not a date: it looks like"
            " 2026-11-24 or 2026-11-24T06:00:00"
        ),
        f"projects[2].group = '{GROUP}': stands in two projects",
        "projects[2].name: is missing",
        "projects[3] = 'just text': must be a mapping of keys to values",
        "projects[3].group: is missing",
        "projects[3].name: is missing",
        "timezone = 'Mars/Olympus': not a time zone: it looks like Africa/Johannesburg",
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("projects: [", "is not valid YAML"),
        ("projects: 1\nprojects: 2", "the key 'projects' stands here twice"),
        (one(name="064"), "projects[0].name = 52: must be text: put it in quotes"),
        (one(name="no"), "projects[0].name = False: must be text: put it in quotes"),
        (one(name='" "'), "must not be empty"),
        (one(name="x" * 101), "a name has at most 100 characters"),
        (one(group=GROUP.removesuffix("@g.us")), "must be text: put it in quotes"),
        (one(group="12036340000@g.us.za"), "not a group JID"),
        (one(environments="prod"), "must be a list out of prod, dev"),
        (one(environments="[]"), "must be a list out of prod, dev"),
        (one(environments="[dev, dev]"), "names the same thing twice"),
        (one(starts_at="0001-01-01"), "not a date that anybody meant"),
        (one(starts_at="yesterday"), "not a date"),
        ("horizon_days: yes\n" + one(), "horizon_days = True: must be a whole number"),
        ("horizon_days: 0\n" + one(), "must be between 1 and 3650"),
        ("timezone: ../etc\n" + one(), "not a time zone"),
        ("projects: []", "must be a list with at least one entry"),
        ("", "projects: is missing"),
        ("- a", "must be a mapping of keys to values"),
        ("a: !!python/object/apply:os.getcwd []", "is not valid YAML"),
        ("[" * 1_000, "is not valid YAML"),
    ],
)
def test_mistakes(load: Load, text: str, reason: str) -> None:
    """Each kind of mistake has a sentence that says what to write instead."""
    assert any(reason in problem for problem in wrong(load, text))


def test_missing_file(tmp_path: Path) -> None:
    """A file that is not there is a problem like any other."""
    with pytest.raises(ConfigurationError, match=r"projects\.yaml: cannot be read: No such file"):
        load_projects(tmp_path / "projects.yaml")


def test_rules_hash(load: Load) -> None:
    """The hash changes with everything that leads to other mentions, and with nothing else."""
    original = load(one()).projects[0].rules_hash
    changed = [{"name": "Lawley 2"}, {"pattern": r"DR\d{7}"}, {"starts_at": "2026-11-01"}]
    unchanged = [{"environments": "[prod, dev]"}, {"pattern": r"(?:DR|DROP)\s*-?\s*(\d{6,8})"}]

    hashes = {load(one(**keys)).projects[0].rules_hash for keys in changed}

    assert len(hashes) == len(changed)
    assert original not in hashes
    assert {load(one(**keys)).projects[0].rules_hash for keys in unchanged} == {original}
