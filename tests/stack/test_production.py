"""compose.yaml by itself, as `docker compose up` starts it in a clone without a .env.

No phone can pair with it here, and nothing must look as if one had: the bridges wait, say so in
their words, and everything else is up. What the real WhatsApp answers is not tested: the stack's
network has no way out.
"""

import json
import os
import subprocess
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT, Stack, call, docker, eventually

BRIDGES = ("bridge-primary", "bridge-backup")

NO_WAY_OUT = """
networks:
  default:
    driver_opts: { com.docker.network.bridge.enable_ip_masquerade: "false" }
"""


@pytest.fixture(scope="module")
def production(run_id: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Production under a name of its own, on ports that the engine chooses."""
    alone = tmp_path_factory.mktemp("production") / "alone.yaml"
    alone.write_text(NO_WAY_OUT)
    ports = {"PRIMARY_PORT": "0", "BACKUP_PORT": "0"}
    nothing = {"DATABASE_URL": "", "DATABASE_URL_FILE": "", "PRIMARY_NUMBER": ""}
    stack = Stack(f"{run_id}-production", (ROOT / "compose.yaml", alone), ports | nothing)
    try:
        stack.compose("up", "--detach")
        yield stack
    finally:
        stack.close()


@pytest.mark.timeout(180)
def test_everything_but_the_phones_is_there(production: Stack) -> None:
    """Postgres runs and is migrated, the secrets are drawn, both bridges live and say why a message
    sent now would be lost.
    """

    def migrated() -> bool:
        state = production.inspect("database-migrate")["State"]
        return (state["Status"], state["ExitCode"]) == ("exited", 0)

    eventually("the migration has run", migrated, 90)
    for service in BRIDGES:
        url = production.url(service, 8080)
        eventually(f"{service} lives", lambda u=url: call(f"{u}/live").status == 200, 90)  # type: ignore[misc]
        health = call(f"{url}/health")
        assert health.status == 503
        words = {part["name"]: part["word"] for part in health.json["parts"]}
        assert words["whatsapp"] in {"starting", "unreachable", "waiting to be paired"}
        assert words["store"] == "ok"
        eventually(
            f"{service} publishes",
            lambda u=url: call(f"{u}/health/publish").status == 200,  # type: ignore[misc]
        )


@pytest.mark.timeout(120)
def test_containers_are_confined(production: Stack) -> None:
    """Read-only, without capabilities or root, with limits, an init and a bounded log."""
    for service in BRIDGES:
        seen = production.inspect(service)
        host = seen["HostConfig"]
        assert host["ReadonlyRootfs"]
        assert host["CapDrop"] == ["ALL"]
        assert host["Init"]
        assert host["Memory"] > 0
        assert host["LogConfig"]["Config"]["max-size"]
        assert seen["Config"]["User"] == "10001:10001"
        published = [port for ports in host["PortBindings"].values() for port in ports]
        assert {port["HostIp"] for port in published} == {"127.0.0.1"}


@pytest.mark.timeout(120)
def test_messages_and_session_are_two_volumes_with_closed_files(production: Stack) -> None:
    """A monitor is given the messages only; every file belongs to one uid, nobody else reads."""
    for service in BRIDGES:
        mounts = {mount["Destination"]: mount for mount in production.inspect(service)["Mounts"]}
        assert mounts["/session"]["Name"] != mounts["/messages"]["Name"]
        listed = production.compose(
            *("exec", "-T", service, "find", "/messages/current", "/session"),
            *("-printf", "%m %U %y %f\\n"),
        )
        files = [line.split(" ", 3) for line in listed.splitlines()]
        assert "messages.db" in {name for _, _, _, name in files}
        assert {uid for _, uid, _, _ in files} == {"10001"}
        expected = {"f": "600", "d": "700"}
        assert not [line for line in files if line[0] != expected[line[2]]]


@pytest.mark.timeout(120)
def test_a_second_up_changes_nothing(production: Stack) -> None:
    """`up` again keeps every container, every secret and every stored row."""
    before = {service: production.container(service) for service in BRIDGES}
    secrets = production.compose("exec", "-T", BRIDGES[0], "cat", "/secrets/api-token")
    assert len(secrets.strip()) > 20
    production.compose("up", "--detach")
    assert before == {service: production.container(service) for service in BRIDGES}
    assert secrets == production.compose("exec", "-T", BRIDGES[0], "cat", "/secrets/api-token")


@pytest.mark.timeout(120)
def test_no_secret_is_in_a_log_or_in_what_docker_shows(production: Stack) -> None:
    """Neither the password nor the token is in an environment, a command or a log."""
    files = ("/secrets/postgres-password", "/secrets/api-token", "/secrets/dev-password")
    secrets = production.compose("exec", "-T", BRIDGES[0], "cat", *files).split()
    assert len(secrets) == 3
    services = json.loads(production.compose("config", "--format", "json"))["services"]
    for service in services:
        identity = production.container(service)
        said = docker("inspect", identity) + docker("logs", identity, merge=True)
        for secret in secrets:
            assert secret not in said, f"a secret is visible at {service}"


@pytest.mark.timeout(180)
def test_status_for_cron(production: Stack) -> None:
    """`alerts/status.sh` asks what runs: no phone is paired, so its exit code is that of CRITICAL,
    for the reason that the bridges give and with what alerts say of themselves.
    """
    names = {
        "COMPOSE_PROJECT_NAME": production.project,
        "COMPOSE_FILE": os.pathsep.join(str(file) for file in production.files),
    }
    done = subprocess.run(
        [ROOT / "alerts" / "status.sh"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | production.environment | names,
    )
    assert done.returncode == 3
    assert "PRIMARY: OFFLINE\nBACKUP: OFFLINE\nOverall: CRITICAL\n" in done.stdout
    assert "  primary whatsapp: " in done.stdout
    assert "  alerts sinks: nobody" in done.stdout
    assert "nobody could ask" not in done.stdout


@pytest.mark.timeout(120)
def test_a_stop_is_quick_and_clean(production: Stack) -> None:
    """`docker compose stop` ends both bridges by themselves, with exit code 0."""
    production.compose("stop", *BRIDGES)
    for service in BRIDGES:
        state = production.inspect(service)["State"]
        assert (state["ExitCode"], state["OOMKilled"]) == (0, False)
