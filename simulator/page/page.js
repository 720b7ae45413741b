import { $, act, ask, element, say } from "./server.js";
import { drawClients, drawMedia, prepareClients } from "./clients.js";

const EVERY_MS = 1000;
let state = { groups: [], accounts: [], devices: [] };
let chosen = null;
let target = null;

const nameOf = (phone) => state.accounts.find((one) => one.phone === phone)?.name || phone;

function drawGroups() {
  $("groups").replaceChildren(...state.groups.map((group) => {
    const item = document.createElement("li");
    const button = element("button", group.subject, { "aria-current": group.jid === chosen });
    button.onclick = () => { chosen = group.jid; target = null; refresh(); };
    item.append(button);
    return item;
  }));
}

function drawSenders(group) {
  const members = Object.keys(group.members).reverse(); // who joined last is a technician
  if ($("sender").dataset.members === members.join()) return;
  $("sender").dataset.members = members.join();
  $("sender").replaceChildren(...members.map((phone) => element("option", nameOf(phone), { value: phone })));
}

function drawMessages(rows) {
  const list = $("messages");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
  list.replaceChildren(...rows.map((row) => {
    const item = element("li", row.text || `(${row.kind})`, { "aria-selected": row.id === target?.id });
    const when = new Date(row.t * 1000).toLocaleTimeString();
    item.prepend(element("small", `${nameOf(row.sender_pn)} · ${when} · ${row.kind}\n`));
    item.onclick = () => { target = row; refresh(); };
    return item;
  }));
  if (atEnd) list.scrollTop = list.scrollHeight;
}

async function drawChat() {
  const group = state.groups.find((one) => one.jid === chosen);
  if (!group) return;
  $("subject").textContent = group.subject;
  const shown = group.addressing === "pn" ? "phone numbers" : group.hide_numbers ? "LIDs, numbers hidden" : "LIDs";
  $("addressing").textContent = `${group.jid} · members are known by ${shown}`;
  drawSenders(group);
  drawMessages(await ask(`/api/ledger?last=80&chat=${encodeURIComponent(chosen)}`));
}

async function refresh() {
  try {
    state = await ask("/api/state");
    chosen = chosen || state.groups[0]?.jid;
    drawGroups();
    await drawClients(state, nameOf, refresh);
    await drawMedia();
    await drawChat();
    if (silent) say("");
    silent = false;
  } catch (wrong) {
    silent = true;
    say(`The simulator does not answer: ${wrong.message}`);
  }
}
let silent = false;

$("composer").onsubmit = (event) => {
  event.preventDefault();
  act(async () => {
    await ask("/api/messages", {
      group: chosen, sender: $("sender").value, kind: $("kind").value, text: $("text").value, target: target?.id,
    });
    $("text").value = "";
  }, refresh);
};

$("joiner").onsubmit = (event) => {
  event.preventDefault();
  act(async () => {
    await ask("/api/accounts", { phone: $("phone").value, name: $("name").value });
    await ask(`/api/groups/${encodeURIComponent(chosen)}/members`, { phone: $("phone").value });
    event.target.reset();
  }, refresh);
};

async function begin() {
  try {
    await prepareClients(refresh);
  } catch (wrong) {
    say(`The simulator does not answer: ${wrong.message}`);
    setTimeout(begin, EVERY_MS);
    return;
  }
  await refresh();
  setInterval(refresh, EVERY_MS);
}

begin();
