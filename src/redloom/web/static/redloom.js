// Keys, and nothing that a page could not do without: every form and link works without this file.
const typing = (element) => element.closest("input, textarea, select, [contenteditable]");
let before = "";

function walk(step) {
  const links = [...document.querySelectorAll("[data-walk] > li > a")];
  if (!links.length) return false;
  const here = links.indexOf(document.activeElement);
  links[Math.min(Math.max(here + step, 0), links.length - 1)].focus();
  return true;
}

function choose() {
  const box = document.activeElement.closest("[data-walk] > li")?.querySelector("input[type=checkbox]");
  if (!box) return false;
  box.checked = !box.checked;
  return true;
}

function go(to) {
  const study = location.pathname.match(/^\/studies\/[^/]+/);
  const place = { s: "", h: "/harms", m: "/map", x: "/explore", c: "/cases" }[to];
  if (!study || place === undefined) return false;
  location.href = study[0] + place;
  return true;
}

function press(key) {
  if (before === "g") return go(key);
  if (key === "?") return document.getElementById("keys").showModal() ?? true;
  if ((key === "j" || key === "k") && walk(key === "j" ? 1 : -1)) return true;
  if (key === "x") return choose();
  const marked = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (!marked) return false;
  if (marked.matches("input, textarea")) marked.focus();
  else marked.click();
  return true;
}

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "Enter") {
    event.target.closest("form")?.requestSubmit();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || document.querySelector("dialog[open]")) return;
  if (press(event.key)) event.preventDefault();
  before = event.key;
});

const changed = (one) =>
  one.matches("select") ? [...one.options].some((option) => option.selected !== option.defaultSelected)
  : one.matches("[type=checkbox], [type=radio]") ? one.checked !== one.defaultChecked
  : one.value !== one.defaultValue;

// What was typed into a place that is gone for now, such as the next message while a reply comes; by its id.
const drafts = new Map();

// What somebody typed, opened and stands in, outside the form that was sent; gives what puts it back by its ids.
function keep(here, sent) {
  const stays = (one) => !sent?.contains(one);
  const fields = [...here.querySelectorAll("input[id], textarea[id], select[id]")].filter((one) => stays(one) && changed(one));
  const opened = [...here.querySelectorAll("details[id][open]")].filter((one) => !one.contains(sent)).map((one) => one.id);
  const focus = here.contains(document.activeElement) && stays(document.activeElement) ? document.activeElement : null;
  return () => {
    for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
    for (const one of fields) drafts.set(one.id, one);
    for (const one of sent?.querySelectorAll("[id]") ?? []) drafts.delete(one.id);
    touched = drafts.size > 0;
    for (const [id, one] of drafts) {
      const same = document.getElementById(id);
      if (same?.type !== one.type) continue;
      [same.value, same.checked] = [one.value, one.checked];
      drafts.delete(id);
    }
    const same = document.getElementById(focus?.id || sent?.dataset.pressed || "");
    same?.focus({ preventScroll: true });
    if (focus && same?.matches("textarea")) same.setSelectionRange(focus.selectionStart, focus.selectionEnd);
    return Boolean(same);
  };
}

// A part of the page is put in the place of the same part, so that a conversation goes on without a jump.
async function swap(answer, sent = null) {
  const found = new DOMParser().parseFromString(await answer.text(), "text/html");
  const part = found.querySelector("[data-swap]");
  const here = document.querySelector("[data-swap]");
  if (!part || !here) {
    if (!answer.ok) return found.querySelector("h1")?.textContent ?? "That did not work";
    touched = false;
    return location.assign(answer.url);
  }
  const restore = keep(here, sent);
  here.replaceWith(part);
  if (answer.ok) history.replaceState(null, "", answer.url);
  listen();
  const alert = part.querySelector("[role=alert]");
  if (restore() && !alert) return;
  (alert ?? part.querySelector("form.say textarea"))?.focus({ preventScroll: true });
  if (alert) alert.scrollIntoView({ block: "nearest" });
  else if (sent?.action.endsWith("/say")) document.getElementById("end")?.scrollIntoView({ block: "start" });
}

let streaming = null;
let looking = null;
function listen() {
  streaming?.close();
  clearInterval(looking);
  streaming = null;
  const here = location.href;
  const again = async () => location.href === here && swap(await fetch(here));
  if (matchMedia("(min-width: 1101px)").matches) document.querySelector("details.frame")?.setAttribute("open", "");
  const tree = document.querySelector(".tree");
  const current = tree?.querySelector("[aria-current=page]");
  if (current) tree.scrollTop = current.offsetTop - tree.offsetTop - tree.clientHeight / 2;
  const newer = document.querySelector("[data-newer]");
  const look = document.querySelector("[data-look]");
  if (newer || look) looking = setInterval(() => {
    const busy = look && document.activeElement.closest("[data-swap] :not([id])");  // what has an id is found again
    if (!document.hidden && !busy) (look ? again() : ask(newer)).catch(() => {});
  }, look ? 2000 : 5000);
  const place = document.querySelector("[data-stream]");
  if (!place) return;
  streaming = new EventSource(place.dataset.stream);
  const end = () => {
    streaming?.close();
    streaming = null;
    again().catch(() => setTimeout(end, 2000));
  };
  streaming.onmessage = ({ data }) => {
    if (data === "end") return end();
    for (const [lane, [anew, text]] of Object.entries(JSON.parse(data))) {
      const words = document.querySelector(`[data-lane="${CSS.escape(lane)}"]`);
      if (!words) continue;
      if (anew) words.textContent = text || "…";
      else words.append(text);
    }
  };
  streaming.onerror = () => setTimeout(end, 1000);
}

// Somebody else may write in the same place: a quiet line says so.
async function ask(line) {
  const answer = await fetch(line.dataset.newer);
  const told = answer.ok ? await answer.json() : null;
  if (!told || line.textContent.startsWith(told.words)) return;
  const link = Object.assign(document.createElement("a"), { href: told.to, textContent: "Look" });
  line.replaceChildren(`${told.words} `, link);
}

function tell(form, why) {
  const line = form.querySelector("[role=alert]") ?? form.appendChild(document.createElement("p"));
  line.className = "wrong";
  line.setAttribute("role", "alert");
  line.textContent = `${why}. What you wrote is still here.`;
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches("form[data-talk]")) return;
  event.preventDefault();
  const buttons = form.querySelectorAll("button");
  form.dataset.pressed = event.submitter?.id ?? "";
  const given = new FormData(form, event.submitter);
  for (const button of buttons) button.disabled = true;
  let why;
  try {
    why = await swap(await fetch(form.action, { method: "POST", body: new URLSearchParams(given) }), form);
  } catch {
    why = "The server does not answer";
  }
  if (!why) return document.querySelector("main > .said")?.remove();
  for (const button of buttons) button.disabled = false;
  tell(form, why);
});

for (const button of document.querySelectorAll("[data-open]")) {
  button.hidden = false;
  button.addEventListener("click", () => document.getElementById(button.dataset.open).showModal());
}

// What was typed and not saved is not lost by a click beside it.
let touched = false;
document.addEventListener("input", (event) => (touched ||= Boolean(event.target.closest("form.editor"))));
document.addEventListener("submit", (event) => (touched &&= event.target.matches("form[data-talk]")));
addEventListener("beforeunload", (event) => touched && event.preventDefault());
listen();
