"""The Compose files, as Compose itself reads them; nothing is started."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVICES = {
    *("bridge-primary", "bridge-backup", "monitor-prod", "monitor-dev"),
    *("alerts", "database-migrate", "failover", "volumes-secrets"),
}
URL = "postgresql://someone@elsewhere.invalid/production"


def read(file: str, **variables: str) -> dict[str, Any]:
    """What Compose makes of the file, with these variables and no .env."""
    done = subprocess.run(
        ["docker", "compose", "--env-file", "/dev/null", "-f", file, "config", "--format", "json"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **variables},
        check=True,
        capture_output=True,
        text=True,
    )
    model: dict[str, Any] = json.loads(done.stdout)
    return model


@pytest.mark.parametrize(
    ("variables", "own"),
    [
        ({}, True),
        ({"DATABASE_URL": "", "DATABASE_URL_FILE": ""}, True),
        ({"DATABASE_URL": URL}, False),
        ({"DATABASE_URL_FILE": "/etc/hostname"}, False),
        ({"DATABASE_URL": URL, "DATABASE_URL_FILE": "/etc/hostname"}, False),
    ],
)
def test_postgres_is_started_only_where_no_other_is_named(
    variables: dict[str, str], *, own: bool
) -> None:
    """The stack runs its own Postgres unless DATABASE_URL or DATABASE_URL_FILE is set."""
    assert set(read("compose.yaml", **variables)["services"]) == SERVICES | (
        {"database"} if own else set()
    )


def test_the_demo_never_takes_production_s_database_or_numbers() -> None:
    """Whatever the environment says, the demo writes into its own Postgres and names its own."""
    demo = read("compose.demo.yaml", DATABASE_URL=URL, PRIMARY_NUMBER="27829999999")
    assert "database" in demo["services"]
    assert URL not in json.dumps(demo)
    assert "27829999999" not in json.dumps(demo)
    demo = read("compose.demo.yaml", ALERT_URLS="json://elsewhere.invalid", HEARTBEAT_URL=URL)
    assert "elsewhere.invalid" not in json.dumps(demo)


def test_demo_and_production_share_images_and_nothing_else() -> None:
    """Same images, other project, other volumes, other network."""
    production, demo = read("compose.yaml"), read("compose.demo.yaml")
    for service in SERVICES:
        assert production["services"][service]["image"] == demo["services"][service]["image"]
    for kind in ("volumes", "networks"):
        names = [{part["name"] for part in model[kind].values()} for model in (production, demo)]
        assert not names[0] & names[1]
    assert {production["name"], demo["name"]} == {"twinbridge", "twinbridge-demo"}


@pytest.mark.parametrize("file", ["compose.yaml", "compose.demo.yaml"])
def test_every_service_is_confined(file: str) -> None:
    """No root, no capability, no writable root, bounded memory and logs, loopback only."""
    for name, service in read(file)["services"].items():
        if name == "failover":
            # Root until it knows which group may use the socket; then it is as ordinary as they.
            assert set(service["cap_add"]) == {"SETUID", "SETGID", "KILL"}
        else:
            assert service["user"].split(":")[0] not in {"0", "root"}, name
            assert "cap_add" not in service, name
            assert "docker.sock" not in json.dumps(service.get("volumes", [])), name
        assert service["cap_drop"] == ["ALL"], name
        assert service["read_only"], name
        assert service["init"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert int(service["mem_limit"]) <= 512 * 2**20, name
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}, name
        for port in service.get("ports", []):
            assert port["host_ip"] == "127.0.0.1", name


def test_capture_does_not_wait_for_postgres() -> None:
    """A bridge starts without a database, or an outage of Postgres would be one of capture."""
    for file in ("compose.yaml", "compose.demo.yaml"):
        for bridge in ("bridge-primary", "bridge-backup"):
            waits_for = set(read(file)["services"][bridge]["depends_on"])
            assert waits_for <= {"volumes-secrets", "simulator"}


def test_each_volume_of_whatsapp_belongs_to_one_bridge() -> None:
    """Two processes on one session would log the number out."""
    services = read("compose.yaml")["services"]
    for mine, other in (("primary", "backup"), ("backup", "primary")):
        sources = {mount.get("source") for mount in services[f"bridge-{mine}"]["volumes"]}
        assert {f"{mine}-session", f"{mine}-messages"} <= sources
        assert not {f"{other}-session", f"{other}-messages"} & sources


@pytest.mark.parametrize("named", ["", "backup"])
def test_monitors_say_who_moved_them(named: str) -> None:
    """READ_FROM is on their label, so that the failover takes it for a person's will; without it
    nobody's will is there, and they read the primary.
    """
    variables = {"READ_FROM": named} if named else {}
    services = read("compose.yaml", **variables)["services"]
    for monitor in ("monitor-prod", "monitor-dev"):
        (source,) = [
            mount["source"]
            for mount in services[monitor]["volumes"]
            if mount["target"] == "/messages"
        ]
        assert source == f"{named or 'primary'}-messages"
        assert services[monitor]["labels"]["org.twinbridge.read-from"] == named


def test_env_example_explains_exactly_the_variables_of_production() -> None:
    """Each variable has its line in .env.example, and none is explained that nothing reads."""
    files = ("compose.yaml", "database/compose.yaml")
    read_variables = {
        name for file in files for name in re.findall(r"\$\{(\w+)", (ROOT / file).read_text())
    }
    explained = set(re.findall(r"^# (\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert explained == read_variables
