// The clients: how each is connected, what it has not got yet, and everything that can be done to it.
import { $, act, ask, element } from "./server.js";

const SHOWN_OF_QUEUE = 20;
const cards = new Map(); // by device; changed in place, so that no button goes away under the pointer
let possible = { device: [], media: [] };

const words = (fault) => fault.replaceAll("_", " ");

function labelled(text, field) {
  const label = element("label", `${text} `);
  label.append(field);
  return label;
}

function makeCard(device, again) {
  const path = `/api/devices/${encodeURIComponent(device.jid)}`;
  const card = { item: element("li", "", { "data-device": device.jid, "data-phone": device.phone }) };
  card.state = element("p", "", { class: "state" });
  card.group = element("select", "");
  card.seconds = element("input", "", { type: "number", min: "1", placeholder: "until lifted" });
  card.buttons = new Map();
  const row = element("div", "", { class: "faults", role: "group", "aria-label": `Faults of ${device.phone}` });
  for (const fault of possible.device) {
    const button = element("button", words(fault), { "data-fault": fault });
    button.onclick = () => act(() => ask(`${path}/faults`, wish(card, fault)), again);
    card.buttons.set(fault, button);
    row.append(button);
  }
  const lift = element("button", "lift all", { "data-do": "lift" });
  lift.onclick = () => act(() => ask(`${path}/faults`, undefined, "DELETE"), again);
  const history = element("button", "tell the history", { "data-do": "history" });
  history.onclick = () => act(() => ask(`${path}/history`, { way: "media" }), again);
  row.append(lift, history);
  card.queue = element("details", "");
  card.summary = element("summary", "");
  card.waiting = element("ol", "");
  card.queue.append(card.summary, card.waiting);
  card.queue.ontoggle = () => act(() => drawQueue(card, path));
  card.item.append(card.state, labelled("deaf in", card.group), labelled("for seconds", card.seconds), row, card.queue);
  card.path = path;
  return card;
}

function wish(card, fault) {
  const body = { fault };
  if (card.seconds.value) body.seconds = Number(card.seconds.value);
  if (fault === "deaf" && card.group.value) body.group = card.group.value;
  return body;
}

function mediaWish(fault) {
  const body = { fault };
  if ($("media-seconds").value) body.seconds = Number($("media-seconds").value);
  if ($("media-device").value) body.device = $("media-device").value;
  return body;
}

async function drawQueue(card, path) {
  if (!card.queue.open) return;
  const waiting = await ask(`${path}/queue`);
  const lines = waiting.slice(0, SHOWN_OF_QUEUE).map((one) => element("li", `${one.tag} ${one.id}${one.held ? ", held" : ""}`));
  if (waiting.length > SHOWN_OF_QUEUE) lines.push(element("li", `and ${waiting.length - SHOWN_OF_QUEUE} more`));
  card.waiting.replaceChildren(...lines);
}

// Changed only when the choices are others, or it would close under the pointer.
function offer(select, all, choices) {
  const now = JSON.stringify(choices);
  if (select.dataset.choices === now) return;
  const chosen = select.value;
  select.dataset.choices = now;
  select.replaceChildren(
    element("option", all, { value: "" }),
    ...choices.map(([value, text]) => element("option", text, { value })),
  );
  select.value = choices.some(([value]) => value === chosen) ? chosen : "";
}

export async function drawClients(state, nameOf, again) {
  const there = new Set(state.devices.map((device) => device.jid));
  for (const [jid, card] of cards) {
    if (!there.has(jid)) {
      card.item.remove();
      cards.delete(jid);
    }
  }
  for (const device of state.devices) {
    if (!cards.has(device.jid)) {
      cards.set(device.jid, makeCard(device, again));
      $("devices").append(cards.get(device.jid).item);
    }
    const card = cards.get(device.jid);
    const word = device.connected ? "connected" : "not connected";
    const faults = device.faults.length ? `, ${device.faults.map(words).join(", ")}` : "";
    card.item.className = device.connected ? "up" : "down";
    card.state.textContent = `${nameOf(device.phone)}: ${word}${faults}`;
    card.summary.textContent = `${device.queued} undelivered`;
    for (const [fault, button] of card.buttons) button.setAttribute("aria-pressed", device.faults.includes(fault));
    offer(card.group, "all groups", state.groups.map((group) => [group.jid, group.subject]));
    await drawQueue(card, card.path);
  }
  offer($("media-device"), "everybody", state.devices.map((device) => [device.jid, nameOf(device.phone)]));
  $("nobody").hidden = state.devices.length > 0;
  $("unpaired").textContent = `${state.unpaired_clients} clients show a code`;
}

// Buttons of the media host, and the form that links a client; called once.
export async function prepareClients(again) {
  possible = await ask("/api/faults");
  const buttons = possible.media.map((fault) => {
    const button = element("button", fault, { "data-fault": fault });
    button.onclick = () => act(() => ask("/api/media/faults", mediaWish(fault)), again);
    return button;
  });
  const lift = element("button", "lift", { "data-do": "lift" });
  lift.onclick = () => act(() => ask("/api/media/faults", undefined, "DELETE"), again);
  $("media-faults").replaceChildren(...buttons, lift);
  $("pairing").onsubmit = (event) => {
    event.preventDefault();
    const shown = $("shown").value.trim();
    const secret = shown.includes(",") ? { qr: shown } : { code: shown };
    const phone = $("pair-phone").value;
    act(async () => {
      await ask("/api/accounts", { phone, name: phone });
      await ask("/api/pair", { phone, ...secret });
      event.target.reset();
    }, again);
  };
}

export async function drawMedia() {
  const now = await ask("/api/media/faults");
  for (const button of $("media-faults").querySelectorAll("[data-fault]")) {
    button.setAttribute("aria-pressed", button.dataset.fault === now.fault);
  }
}
