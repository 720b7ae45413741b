"""Groups: what clients are told of them, in answers and in notifications."""

import secrets
from dataclasses import replace

from simulator.node import Attributes, Jid, Node
from simulator.relay import Relay
from simulator.world import Account, Addressing, Group, Role, World, new_group_jid


class Groups:
    """Changes groups and tells every device of their members, as the server does."""

    def __init__(self, world: World, relay: Relay) -> None:
        self._world = world
        self._relay = relay

    async def create(
        self,
        subject: str,
        addressing: Addressing,
        creator: Account,
        members: list[Account],
        *,
        hide_numbers: bool = False,
        jid: Jid | None = None,
    ) -> Group:
        """Make a group, its creator in it as superadmin; raises ValueError when it exists."""
        if hide_numbers and addressing != "lid":
            message = "only a LID group can hide numbers"
            raise ValueError(message)
        jid = jid or new_group_jid()
        if jid in self._world.groups:
            message = f"the group {jid} exists"
            raise ValueError(message)
        roles: dict[str, Role] = {creator.phone: "superadmin"}
        roles |= {member.phone: "" for member in members if member.phone != creator.phone}
        now = self._world.now()
        group = Group(jid, subject, addressing, hide_numbers, now, creator.phone, roles)
        self._world.keep_group(group)
        await self._tell_created(group, list(roles))
        return group

    async def add(self, jid: Jid, account: Account, role: Role = "") -> Group:
        """Add a member; the others hear of it, the new one gets the whole group."""
        before = self._group(jid)
        group = replace(before, members={**before.members, account.phone: role})
        self._world.keep_group(group)
        change = Node("add", {}, [participant_node(group, account)])
        await self._tell(group, list(before.members), change)
        await self._tell_created(group, [account.phone])
        return group

    async def remove(self, jid: Jid, account: Account) -> Group:
        """Remove a member, who hears of it too."""
        before = self._group(jid)
        members = {phone: role for phone, role in before.members.items() if phone != account.phone}
        group = replace(before, members=members)
        self._world.keep_group(group)
        change = Node("remove", {}, [participant_node(before, account)])
        await self._tell(group, list(before.members), change)
        return group

    async def set_role(self, jid: Jid, account: Account, role: Role) -> Group:
        """Make a member admin, or an admin a member."""
        before = self._group(jid)
        if account.phone not in before.members:
            message = f"{account.phone} is not a member of {jid}"
            raise ValueError(message)
        group = replace(before, members={**before.members, account.phone: role})
        self._world.keep_group(group)
        change = Node("promote" if role else "demote", {}, [participant_node(group, account)])
        await self._tell(group, list(group.members), change)
        return group

    async def rename(self, jid: Jid, subject: str) -> Group:
        """Give the group another subject."""
        group = replace(self._group(jid), subject=subject)
        self._world.keep_group(group)
        setter = self._creator(group).jid(group.addressing)
        now = str(self._world.now())
        change = Node("subject", {"subject": subject, "s_t": now, "s_o": setter})
        await self._tell(group, list(group.members), change)
        return group

    def _group(self, jid: Jid) -> Group:
        if jid not in self._world.groups:
            message = f"no such group: {jid}"
            raise ValueError(message)
        return self._world.groups[jid]

    def _creator(self, group: Group) -> Account:
        return self._world.accounts[group.creator]

    async def _tell_created(self, group: Group, phones: list[str]) -> None:
        key = secrets.token_hex(8).upper()
        create = Node("create", {"type": "new", "key": key}, [group_node(self._world, group)])
        await self._tell(group, phones, create)

    async def _tell(self, group: Group, phones: list[str], change: Node) -> None:
        """Queue a notification for every device of these members; actor is the creator."""
        actor = self._creator(group)
        attributes: Attributes = {
            "from": group.jid,
            "type": "w:gp2",
            "participant": actor.jid(group.addressing),
            "t": str(self._world.now()),
            "notify": actor.name,
            "addressing_mode": group.addressing,
        }
        for device in list(self._world.devices.values()):
            if device.phone in phones:
                identity: Attributes = {"id": secrets.token_hex(8).upper()}
                notification = Node("notification", identity | attributes, [change])
                await self._relay.push(device.jid, notification)


def participant_node(group: Group, account: Account) -> Node:
    """A member as the group's addressing names it, with the other identity unless it is hidden."""
    attributes: Attributes = {"jid": account.jid(group.addressing)}
    if group.addressing == "pn":
        attributes["lid"] = account.jid("lid")
    elif not group.hide_numbers:
        attributes["phone_number"] = account.jid("pn")
    attributes["type"] = group.members.get(account.phone, "")
    return Node("participant", attributes)


def group_node(world: World, group: Group) -> Node:
    """The <group> of a query's answer and of a create notification (whatsmeow parseGroupNode)."""
    creator = world.accounts[group.creator].jid(group.addressing)
    created = str(group.created_at)
    members = [participant_node(group, world.accounts[phone]) for phone in group.members]
    attributes: Attributes = {
        "id": group.jid.user,
        "subject": group.subject,
        "s_t": created,
        "s_o": creator,
        "creation": created,
        "creator": creator,
        "size": str(len(members)),
        "addressing_mode": group.addressing,
        "a_v_id": "1",
        "p_v_id": created,
    }
    return Node("group", attributes, members)
