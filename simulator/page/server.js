// What the page's parts share: the simulator's API, and making elements.

export const $ = (id) => document.getElementById(id);

export async function ask(path, body, method = body ? "POST" : "GET") {
  const options = { method };
  if (body) Object.assign(options, { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
  const answer = await fetch(path, options);
  const json = await answer.json();
  if (!answer.ok) throw new Error(json.error);
  return json;
}

export function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

export function say(text) {
  if ($("trouble").textContent !== text) $("trouble").textContent = text;
}

// Carries out what a button or a form asks for; what is wrong with it is said until the next try.
export async function act(work, then = () => {}) {
  try {
    await work();
    say("");
    await then();
  } catch (wrong) {
    say(wrong.message);
  }
}
