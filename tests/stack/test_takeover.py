"""An installation of older code is taken over by the verbs that people use, on the built images."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.bridge.older import GROUP, seed
from tests.conftest import ROOT, Stack, docker, eventually
from tests.database.test_adoption import FIELD_TABLE, TWICE
from tests.pooler import Pooled, image

ELSEWHERE = """
services:
  database-migrate:
    volumes: ["{authority}:/authority.pem:ro"]
networks:
  default:
    name: {network}
    external: true
"""


@pytest.fixture(scope="module")
def older(
    run_id: str, pooled: Pooled, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Stack, str]]:
    """Production with its Postgres elsewhere, behind a pooler; nothing runs. And the database."""
    override = tmp_path_factory.mktemp("older") / "elsewhere.yaml"
    override.write_text(ELSEWHERE.format(authority=pooled.authority, network=pooled.network))
    with pooled.database() as name:
        inside = pooled.inside(name, "/authority.pem")
        settings = {"DATABASE_URL": inside, "DATABASE_URL_FILE": "", "PRIMARY_NUMBER": ""}
        stack = Stack(f"{run_id}-older", (ROOT / "compose.yaml", override), settings)
        try:
            yield stack, pooled.direct(name)
        finally:
            stack.close()
            # Made by the verb, which knows nothing of the network in the override.
            docker("network", "rm", f"{stack.project}_default", check=False)


@pytest.mark.timeout(180)
def test_reviews_of_older_code_are_adopted(older: tuple[Stack, str]) -> None:
    """Until it is adopted, migration refuses the table with the plan. Duplicates are named, and
    nothing is changed until a person has decided; then columns and index are made, every row and
    foreign column stays, and migration goes on: all by the pooler, in the built image.
    """
    stack, url = older

    def database(*verb: str) -> tuple[int, str]:
        # Without a terminal, and with what it says on either stream.
        named = [word for file in stack.files for word in ("-f", str(file))]
        done = subprocess.run(
            [
                *("docker", "compose", "-p", stack.project, *named, "run", "--rm", "--no-TTY"),
                *("database-migrate", "python", "-m", "database", *verb),
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=ROOT,
            env=stack.complete_environment,
        )
        return done.returncode, done.stdout + done.stderr

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute((FIELD_TABLE + TWICE).encode())
        code, said = database("migrate")
        assert (code, "does not fit yet" in said) == (1, True)
        code, said = database("adopt", "--dry-run")
        assert code == 1
        assert "duplicate: DR1000001 on 3 rows (Lawley, Mohadin, no project)" in said
        assert "add column bridge_source" in said
        assert "keep the columns that are not ours: sharepoint_url" in said
        code, said = database("adopt")
        assert (code, "nothing was changed" in said) == (1, True)
        rows = connection.execute(b"SELECT count(*) FROM qa_photo_reviews").fetchall()
        assert rows == [(4,)]
        connection.execute(
            b"DELETE FROM qa_photo_reviews WHERE drop_number = 'DR1000001' AND comment <> 'good'"
        )
        assert database("adopt")[0] == 0
        assert database("migrate")[0] == 0
        kept = connection.execute(
            b"SELECT drop_number, comment, completed, sharepoint_url, bridge_source"
            b" FROM qa_photo_reviews ORDER BY drop_number"
        ).fetchall()
        assert kept == [
            ("DR1000001", "good", True, "https://example.invalid/1", None),
            ("DR1000002", None, None, None, None),
        ]
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute(b"INSERT INTO qa_photo_reviews (drop_number) VALUES ('DR1000001')")


@pytest.mark.timeout(240)
def test_messages_of_an_older_bridge_are_taken_over(
    older: tuple[Stack, str], run_id: str, tmp_path: Path
) -> None:
    """The verb refuses a directory that is in use, by a process or by a container's mount, and a
    bridge of ours that runs; a dry run tells the same figures and changes nothing; what is left
    out is named with file, key and value; a second time nothing is new.
    """
    stack, _ = older
    directory = tmp_path / "older bridge"
    directory.mkdir()
    file = seed(
        directory,
        [
            {"id": "A1", "content": "DR1234567 done"},
            {"id": "A2", "content": "DR7654321", "timestamp": "someday"},
            {"id": "D1", "content": "private", "chat_jid": "27820000078@s.whatsapp.net"},
        ],
    )
    file.chmod(0o600)

    def run(*options: str) -> tuple[int, str]:
        done = subprocess.run(
            ["bridge/takeover/run.sh", str(directory), "primary", *options],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=ROOT,
            env=stack.complete_environment | {"COMPOSE_PROJECT_NAME": stack.project},
        )
        return done.returncode, done.stdout + done.stderr

    fault = f"left out: {file} messages {GROUP}/A2: timestamp 'someday': not a time"
    with file.open("r+b"):
        code, said = run()
        assert (code, "stop the old bridge first" in said) == (1, True), said
        code, said = run("--dry-run")
        assert (code, "is in use" in said) == (3, True), said
    code, said = run("--dry-run")
    assert code == 3, said
    assert fault in said
    assert "2 of the groups' messages, names and deletions are new here" in said
    assert "this was a dry run" in said

    idle = docker(
        *("run", "--detach", "--label", f"org.twinbridge.test={run_id}", "--name"),
        *(f"{stack.project}-idle", "--volume", f"{directory}:/old:ro", image("bridge")),
        *("sleep", "300"),
    ).strip()
    code, said = run()
    assert (code, f"{stack.project}-idle" in said) == (1, True), said
    docker("rm", "--force", idle)

    holder = docker(
        *("run", "--detach", "--label", f"org.twinbridge.test={run_id}"),
        *("--volume", f"{stack.project}_primary-session:/session", image("bridge")),
        *("flock", "/session/bridge.lock", "sleep", "300"),
    ).strip()
    held = ("exec", holder, "flock", "--nonblock", "/session/bridge.lock", "true")
    eventually("the lock is held", lambda: _refused(held))
    code, said = run()
    assert (code, "used by another process" in said) == (75, True), said
    docker("rm", "--force", holder)

    code, said = run()
    assert code == 3, said
    assert fault in said
    assert "2 of the groups' messages, names and deletions are new here" in said
    code, said = run()
    assert code == 3, said
    assert "0 of the groups' messages, names and deletions are new here" in said
    listed = docker(
        *("run", "--rm", "--volume", f"{stack.project}_primary-messages:/messages"),
        *(image("bridge"), "find", "/messages", "-mindepth", "1", "-printf", "%f %U %m\\n"),
    )
    left = {line.split()[0] for line in listed.splitlines()}
    assert left == {"current", "messages.db", "messages.db-wal", "messages.db-shm"}
    assert {line.split()[1] for line in listed.splitlines()} == {"10001"}


def _refused(command: tuple[str, ...]) -> bool:
    return subprocess.run(["docker", *command], capture_output=True, check=False).returncode == 1
