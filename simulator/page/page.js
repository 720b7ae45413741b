"use strict";
const $ = (id) => document.getElementById(id);
let state = { groups: [], accounts: [], devices: [] };
let chosen = null;
let target = null;

const FAULTS = ["close", "abort", "split", "replaced", "logged_out", "logged_out_at_connect", "refused", "banned", "outdated", "deaf", "silent", "duplicate"];
let drawn = "";

async function change(path, body) {
  try {
    await (body ? ask(path, body) : ask(path, undefined, "DELETE"));
    await refresh();
  } catch (wrong) {
    $("trouble").textContent = wrong.message;
  }
}

async function ask(path, body, method) {
  const options = method ? { method } : body && { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  const answer = await fetch(path, options || undefined);
  const json = await answer.json();
  if (!answer.ok) throw new Error(json.error);
  return json;
}

function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

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

function drawDevices() {
  // Drawn only when something changed, or a button would go away under the pointer.
  const now = JSON.stringify([state.devices, state.accounts]);
  if (now === drawn) return;
  drawn = now;
  $("devices").replaceChildren(...state.devices.map((device) => {
    const word = device.connected ? "connected" : "not connected";
    const faults = device.faults.length ? `, ${device.faults.join(", ")}` : "";
    const item = element("li", `${nameOf(device.phone)}: ${word}, ${device.queued} undelivered${faults}`, { class: device.connected ? "up" : "down" });
    const path = `/api/devices/${encodeURIComponent(device.jid)}/faults`;
    const buttons = element("div", "", { class: "faults", role: "group", "aria-label": `Faults of ${nameOf(device.phone)}` });
    for (const fault of FAULTS) {
      const button = element("button", fault.replaceAll("_", " "), { "aria-pressed": device.faults.includes(fault) });
      button.onclick = () => change(path, { fault });
      buttons.append(button);
    }
    const lift = element("button", "lift all");
    lift.onclick = () => change(path);
    buttons.append(lift);
    item.append(buttons);
    return item;
  }));
  if (!state.devices.length) $("devices").replaceChildren(element("li", "no client is paired yet"));
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

async function refresh() {
  try {
    state = await ask("/api/state");
    chosen = chosen || state.groups[0]?.jid;
    drawGroups();
    drawDevices();
    const group = state.groups.find((one) => one.jid === chosen);
    if (group) {
      $("subject").textContent = group.subject;
      const shown = group.addressing === "pn" ? "phone numbers" : group.hide_numbers ? "LIDs, numbers hidden" : "LIDs";
      $("addressing").textContent = `${group.jid} · members are known by ${shown}`;
      drawSenders(group);
      drawMessages(await ask(`/api/ledger?last=80&chat=${encodeURIComponent(chosen)}`));
    }
    $("trouble").textContent = "";
  } catch (wrong) {
    $("trouble").textContent = `The simulator does not answer: ${wrong.message}`;
  }
}

$("composer").onsubmit = async (event) => {
  event.preventDefault();
  try {
    await ask("/api/messages", {
      group: chosen, sender: $("sender").value, kind: $("kind").value, text: $("text").value, target: target?.id,
    });
    $("text").value = "";
    refresh();
  } catch (wrong) {
    $("trouble").textContent = wrong.message;
  }
};

$("joiner").onsubmit = async (event) => {
  event.preventDefault();
  try {
    await ask("/api/accounts", { phone: $("phone").value, name: $("name").value });
    await ask(`/api/groups/${encodeURIComponent(chosen)}/members`, { phone: $("phone").value });
    event.target.reset();
    refresh();
  } catch (wrong) {
    $("trouble").textContent = wrong.message;
  }
};

refresh();
setInterval(refresh, 1000);
