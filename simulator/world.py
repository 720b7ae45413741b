"""Who exists: accounts, their paired devices and prekeys, groups and members; all of it durable."""

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from simulator.database import Database
from simulator.node import GROUP_SERVER, LID_SERVER, PN_SERVER, Jid

Addressing = Literal["pn", "lid"]
Role = Literal["", "admin", "superadmin"]


@dataclass(frozen=True, slots=True)
class Account:
    """One phone. `identity` is the private X25519 key of the phone itself (device 0).

    Any account may write from device 0 without owning a paired device: that is all a virtual
    member is. For an account with paired devices the same key signs the pairing.
    """

    phone: str
    lid: str
    name: str
    identity: bytes
    registration: int
    next_device: int = 1

    def jid(self, addressing: Addressing, device: int = 0) -> Jid:
        """The account, or one device of it, in that addressing."""
        if addressing == "lid":
            return Jid(self.lid, LID_SERVER, device)
        return Jid(self.phone, PN_SERVER, device)


@dataclass(frozen=True, slots=True)
class SignedKey:
    """A signed prekey: the id, the public key (32 bytes), the signature (64 bytes)."""

    id: int
    value: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Device:
    """A paired client: what it told the server of its keys. Public keys are 32 bytes."""

    phone: str
    device: int
    noise: bytes
    identity: bytes
    registration: int
    signed: SignedKey
    paired_at: int

    @property
    def jid(self) -> Jid:
        """The name of the device everywhere in the simulator: the phone-number form."""
        return Jid(self.phone, PN_SERVER, self.device)


@dataclass(frozen=True, slots=True)
class Bundle:
    """What starts a Signal session with a device; `one_time` may be missing (legal)."""

    registration: int
    identity: bytes
    signed: SignedKey
    one_time: tuple[int, bytes] | None


@dataclass(frozen=True, slots=True)
class Group:
    """A group; `members` maps phones to roles.

    `hide_numbers` (LID addressing only) leaves phone numbers out of all that clients are told.
    """

    jid: Jid
    subject: str
    addressing: Addressing
    hide_numbers: bool
    created_at: int
    creator: str
    members: dict[str, Role]


class World:
    """Everything the server knows of people; changes are durable after `database.committed()`."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self.database = database
        self.clock = clock
        self.accounts: dict[str, Account] = {}
        self.devices: dict[Jid, Device] = {}
        self.groups: dict[Jid, Group] = {}
        self._by_lid: dict[str, str] = {}
        self._load()

    def now(self) -> int:
        """Server time in whole seconds, the only resolution the protocol has."""
        return int(self.clock())

    def add_account(self, phone: str, name: str, lid: str | None = None) -> Account:
        """Create a phone; raises ValueError when the phone or the LID is taken or not digits."""
        lid = lid or _derived_lid(phone)
        if not phone.isdecimal() or not lid.isdecimal():
            message = f"phone and LID are digits: {phone!r}, {lid!r}"
            raise ValueError(message)
        if phone in self.accounts or lid in self._by_lid:
            message = f"the account {phone} exists"
            raise ValueError(message)
        registration = secrets.randbelow(16380) + 1
        account = Account(phone, lid, name, secrets.token_bytes(32), registration)
        self._keep_account(account)
        return account

    def account_of(self, jid: Jid) -> Account | None:
        """The account behind a phone number or LID, whatever its device."""
        phone = self._by_lid.get(jid.user) if jid.server == LID_SERVER else jid.user
        return self.accounts.get(phone) if phone else None

    def device_of(self, jid: Jid) -> Device | None:
        """The paired device behind an address in either form."""
        account = self.account_of(jid)
        return self.devices.get(account.jid("pn", jid.device)) if account else None

    def devices_of(self, account: Account) -> list[Device]:
        """The account's paired devices; empty for a virtual member."""
        return [device for device in self.devices.values() if device.phone == account.phone]

    def devices_in(self, group: Group) -> list[Device]:
        """Every paired device that a message to the group is delivered to."""
        return [device for device in self.devices.values() if device.phone in group.members]

    def device_with_noise(self, noise: bytes) -> Device | None:
        """The device whose connections use that Noise key."""
        return next((device for device in self.devices.values() if device.noise == noise), None)

    def next_device(self, account: Account) -> int:
        """Take the account's next device number (never used twice)."""
        number = self.accounts[account.phone].next_device
        self._keep_account(replace(self.accounts[account.phone], next_device=number + 1))
        return number

    def add_device(self, device: Device) -> None:
        """Remember a paired client."""
        self.devices[device.jid] = device
        self.database.write(
            "insert into devices values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            device.phone,
            device.device,
            device.noise,
            device.identity,
            device.registration,
            device.signed.id,
            device.signed.value,
            device.signed.signature,
            device.paired_at,
        )

    def remove_device(self, device: Device) -> None:
        """Forget a client with its prekeys and its queue; its next login is refused."""
        self.devices.pop(device.jid, None)
        for table in ("devices", "prekeys", "queue"):
            self.database.write(
                f"delete from {table} where phone = ? and device = ?",  # noqa: S608 - constants
                device.phone,
                device.device,
            )

    def add_prekeys(
        self, device: Device, signed: SignedKey, one_time: list[tuple[int, bytes]]
    ) -> None:
        """Keep what a client uploaded."""
        self.devices[device.jid] = replace(self.devices[device.jid], signed=signed)
        self.database.write(
            "update devices set signed_id = ?, signed_value = ?, signed_signature = ?"
            " where phone = ? and device = ?",
            signed.id,
            signed.value,
            signed.signature,
            device.phone,
            device.device,
        )
        self.database.write_many(
            "insert or replace into prekeys values (?, ?, ?, ?)",
            [(device.phone, device.device, key, value) for key, value in one_time],
        )

    def prekeys_left(self, device: Device) -> int:
        """How many one-time prekeys the server holds for the device."""
        row = self.database.read(
            "select count(*) from prekeys where phone = ? and device = ?",
            device.phone,
            device.device,
        )
        return int(row[0][0])

    def bundle(self, device: Device, *, take_one_time: bool) -> Bundle:
        """The device's keys; a one-time prekey that is taken is gone."""
        device = self.devices[device.jid]
        taken = None
        if take_one_time:
            rows = self.database.read(
                "select key, value from prekeys where phone = ? and device = ?"
                " order by key limit 1",
                device.phone,
                device.device,
            )
            if rows:
                taken = (int(rows[0]["key"]), bytes(rows[0]["value"]))
                self.database.write(
                    "delete from prekeys where phone = ? and device = ? and key = ?",
                    device.phone,
                    device.device,
                    taken[0],
                )
        return Bundle(device.registration, device.identity, device.signed, taken)

    def keep_group(self, group: Group) -> None:
        """Create a group or change it; the clients are told by `groups.Groups`."""
        self.groups[group.jid] = group
        self.database.write(
            "insert or replace into groups values (?, ?, ?, ?, ?, ?)",
            str(group.jid),
            group.subject,
            group.addressing,
            group.hide_numbers,
            group.created_at,
            group.creator,
        )
        self.database.write("delete from members where jid = ?", str(group.jid))
        self.database.write_many(
            "insert into members values (?, ?, ?)",
            [(str(group.jid), phone, role) for phone, role in group.members.items()],
        )

    def _keep_account(self, account: Account) -> None:
        self.accounts[account.phone] = account
        self._by_lid[account.lid] = account.phone
        self.database.write(
            "insert or replace into accounts values (?, ?, ?, ?, ?, ?)",
            account.phone,
            account.lid,
            account.name,
            account.identity,
            account.registration,
            account.next_device,
        )

    def _load(self) -> None:
        for row in self.database.read("select * from accounts"):
            account = Account(*row)
            self.accounts[account.phone] = account
            self._by_lid[account.lid] = account.phone
        for row in self.database.read("select * from devices order by phone, device"):
            phone, number, noise, identity, registration, *signed, paired_at = row
            device = Device(
                phone, number, noise, identity, registration, SignedKey(*signed), paired_at
            )
            self.devices[device.jid] = device
        for row in self.database.read("select * from groups order by jid"):
            jid, subject, addressing, hidden, created_at, creator = row
            members: dict[str, Role] = {
                member["phone"]: member["role"]
                for member in self.database.read(
                    "select phone, role from members where jid = ? order by rowid", jid
                )
            }
            address = Jid.parse(jid)
            self.groups[address] = Group(
                address, subject, addressing, bool(hidden), created_at, creator, members
            )


def _derived_lid(phone: str) -> str:
    """A LID that looks like one, the same for the same phone in every simulator."""
    digest = hashlib.sha256(f"lid of {phone}".encode()).digest()
    return f"1{int.from_bytes(digest[:8], 'big') % 10**14:014d}"


def new_group_jid() -> Jid:
    """A group address nobody has used."""
    return Jid(f"1203634{secrets.randbelow(10**11):011d}", GROUP_SERVER)
