"""The wrong account on a bridge, or one account on two, is refused with a sentence."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.conftest import ROOT, call, docker, eventually
from tests.scenarios.conftest import NUMBERS, Field

Start = Callable[[dict[str, str]], str]


@pytest.fixture
def start(field: Field) -> Iterator[Start]:
    """Starts one more bridge beside the two, with a new session and these expected numbers."""
    name = f"{field.stack.project}-third"

    def started(numbers: dict[str, str]) -> str:
        settings = {"BRIDGE_NAME": "backup"} | numbers
        docker(
            *("run", "--detach", "--init", "--name", name),
            *("--label", f"org.twinbridge.test={field.stack.project.removesuffix('-field')}"),
            *("--network", f"{field.stack.project}_default", "--publish", "127.0.0.1::8080"),
            *("--volume", f"{field.stack.project}_trust:/trust:ro"),
            *("--volume", f"{ROOT}/simulator/launch.py:/simulator/launch.py:ro"),
            *("--volume", f"{field.config}:/config:ro"),
            *("--env", f"DATABASE_URL={field.stack.environment['SCENARIO_DATABASE_URL']}"),
            *(word for key, value in settings.items() for word in ("--env", f"{key}={value}")),
            *("twinbridge-bridge:latest", "python", "/simulator/launch.py"),
        )
        return f"http://{docker('port', name, '8080/tcp').split()[0]}"

    yield started
    docker("rm", "--force", "--volumes", name, check=False)


def pair(field: Field, url: str, phone: str) -> None:
    """Somebody scans the code with that phone, which is in none of the groups."""
    field.post("/api/accounts", phone=phone, name="Somebody")
    code = eventually("a code is shown", lambda: call(f"{url}/pairing").json.get("qr"))
    field.post("/api/pair", qr=code, phone=phone)


def account(url: str) -> Any:  # noqa: ANN401 - the service's JSON
    """What /health says of the account."""
    parts = call(f"{url}/health").json["parts"]
    return next(part for part in parts if part["name"] == "account")


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("phone", "numbers", "word"),
    [
        (
            "27000000901",
            {"PRIMARY_NUMBER": NUMBERS["primary"], "BACKUP_NUMBER": NUMBERS["backup"]},
            "wrong account",
        ),
        ("27000000902", {"PRIMARY_NUMBER": "27000000902", "BACKUP_NUMBER": ""}, "same account"),
    ],
)
def test_a_wrong_account_is_refused(
    field: Field, start: Start, phone: str, numbers: dict[str, str], word: str
) -> None:
    """The bridge leaves WhatsApp at once, lives on, and says which account it is and was to be."""
    url = start(numbers)
    pair(field, url, phone)
    eventually("the account is judged", lambda: account(url)["word"] == word)
    assert call(f"{url}/health").status == 503
    assert call(f"{url}/live").status == 200
    assert phone not in str(account(url)), "no answer shows a whole number"
    eventually(
        "it is disconnected",
        lambda: (
            not any(one["connected"] for one in field.get("/api/devices") if one["phone"] == phone)
        ),
    )


@pytest.mark.timeout(120)
def test_the_code_is_in_the_log_and_on_the_page(field: Field, start: Start) -> None:
    """While it is unpaired a bridge draws its code in the log, and shows it on its page."""
    url = start({"PRIMARY_NUMBER": NUMBERS["primary"], "BACKUP_NUMBER": "27000000903"})
    name = f"{field.stack.project}-third"
    eventually("the code is drawn", lambda: "█" in docker("logs", name, merge=True), 100)
    assert b"<svg" in call(f"{url}/").body
    assert call(f"{url}/health").status == 503
