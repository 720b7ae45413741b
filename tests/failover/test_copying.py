"""What the engine is asked to create: the inspected container with one mount changed."""

import copy
from typing import Any

import pytest

from failover.copying import EPOCH, Refused, copy_of

ID = "0123456789abcdef" * 4
INSPECTED: dict[str, Any] = {
    "Id": ID,
    "Name": "/stack-monitor-prod-1",
    "Image": "sha256:aaaa",
    "Config": {
        "Hostname": ID[:12],
        "Image": "twinbridge-monitor:latest",
        "Env": ["TOKEN=pigeon"],
        "Volumes": None,
        "Labels": {
            "org.twinbridge.follows": "messages",
            "org.twinbridge.read-from": "primary",
            "com.docker.compose.project": "stack",
            "com.docker.compose.service": "monitor-prod",
        },
    },
    "HostConfig": {
        "Binds": ["/srv/config:/config:ro"],
        "Mounts": [
            {"Type": "volume", "Source": "stack_secrets", "Target": "/secrets", "ReadOnly": True},
            {"Type": "volume", "Source": "stack_primary-messages", "Target": "/messages"},
        ],
        "NetworkMode": "host-of-drops_default",
        "RestartPolicy": {"Name": "always", "MaximumRetryCount": 0},
    },
    "Mounts": [{"Type": "volume", "Name": "stack_primary-messages", "Destination": "/messages"}],
    "NetworkSettings": {
        "Networks": {
            "host-of-drops_default": {
                "Aliases": ["monitor-prod", ID[:12]],
                "IPAMConfig": {"IPv4Address": "172.20.0.9"},
                "IPAddress": "172.20.0.9",
                "MacAddress": "02:42:ac:14:00:09",
            },
            "second": {"Aliases": ["monitor-prod"], "IPAddress": "172.21.0.9"},
        }
    },
}


def inspected(**host: Any) -> dict[str, Any]:  # noqa: ANN401 - the engine's JSON
    """The container with something else in its HostConfig."""
    changed = copy.deepcopy(INSPECTED)
    changed["HostConfig"] |= host
    return changed


def test_exactly_one_mount_changes() -> None:
    """Everything else is as inspected, but for what the engine draws anew and our own labels."""
    made = copy_of(INSPECTED, "stack_backup-messages", 7)

    host = dict(made.body["HostConfig"])
    (secrets, messages) = host.pop("Mounts")
    was = dict(INSPECTED["HostConfig"])
    assert secrets == was.pop("Mounts")[0]
    assert messages["Source"] == "stack_backup-messages"
    assert host == was
    assert made.body["Image"] == "sha256:aaaa", "the image itself, wherever its tag now points"
    assert made.body["Env"] == ["TOKEN=pigeon"]
    assert "Hostname" not in made.body
    labels = made.body["Labels"]
    assert labels[EPOCH] == "7"
    assert labels["com.docker.compose.replace"] == ID
    assert "org.twinbridge.read-from" not in labels
    assert INSPECTED["Config"]["Labels"]["org.twinbridge.read-from"] == "primary", "untouched"


def test_a_volume_among_the_binds_is_changed_too() -> None:
    """`docker run -v` puts volumes there; the options stay."""
    of = inspected(
        Mounts=None, Binds=["/srv/config:/config", "stack_primary-messages:/messages:ro"]
    )
    made = copy_of(of, "other", 1)

    assert made.body["HostConfig"]["Binds"] == ["/srv/config:/config", "other:/messages:ro"]


def test_networks_keep_names_and_chosen_addresses_only() -> None:
    """One network at the create, the others after it; no address that the engine had drawn."""
    made = copy_of(INSPECTED, "other", 1)

    first = made.body["NetworkingConfig"]["EndpointsConfig"]
    assert first == {
        "host-of-drops_default": {
            "Aliases": ["monitor-prod"],
            "IPAMConfig": {"IPv4Address": "172.20.0.9"},
        }
    }
    assert made.networks == {"second": {"Aliases": ["monitor-prod"]}}


def test_the_temporary_name_is_of_its_own_form() -> None:
    """Compose names what it makes `<12 hex>_name`: the two never meet."""
    assert copy_of(INSPECTED, "other", 3).name == "stack-monitor-prod-epoch-3"


def test_a_policy_that_a_swap_took_away_comes_back() -> None:
    """The old one was quieted before it was stopped; its copy is not."""
    made = copy_of(inspected(RestartPolicy={"Name": "no"}), "other", 1)

    assert made.body["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ({"Privileged": True}, "privileges"),
        ({"CapAdd": ["SYS_ADMIN"]}, "privileges"),
        ({"Devices": [{"PathOnHost": "/dev/kvm"}]}, "privileges"),
        ({"NetworkMode": "host"}, "namespace"),
        ({"PidMode": "container:abc"}, "namespace"),
        ({"Binds": ["/var/run/docker.sock:/var/run/docker.sock"]}, "socket"),
        ({"Binds": ["/run:/messages"], "Mounts": None}, "0 mounts"),
        ({"Binds": ["stack_primary-messages:/messages"]}, "2 mounts"),
    ],
)
def test_strangers_are_refused(host: dict[str, Any], why: str) -> None:
    """A container with privileges, with the engine's socket or with other mounts is no monitor."""
    with pytest.raises(Refused, match=why):
        copy_of(inspected(**host), "other", 1)


def test_without_the_label_or_with_an_anonymous_volume_it_is_refused() -> None:
    """What we did not label is not ours; an anonymous volume would be lost."""
    stranger = copy.deepcopy(INSPECTED)
    del stranger["Config"]["Labels"]["org.twinbridge.follows"]
    with pytest.raises(Refused, match="label"):
        copy_of(stranger, "other", 1)
    anonymous = copy.deepcopy(INSPECTED)
    anonymous["Config"]["Volumes"] = {"/cache": {}}
    with pytest.raises(Refused, match="/cache"):
        copy_of(anonymous, "other", 1)
