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

// A part of the page is put in the place of the same part, so that a conversation goes on without a jump.
async function swap(answer) {
  const found = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-swap]");
  const here = document.querySelector("[data-swap]");
  if (!found || !here) return location.assign(answer.url);
  const focused = here.contains(document.activeElement) ? document.activeElement.id : "";
  here.replaceWith(found);
  if (focused) document.getElementById(focused)?.focus();
  touched = false;
  if (answer.url) history.replaceState(null, "", answer.url);
  listen();
  document.querySelector("[data-swap] [role=alert], [data-swap] form.say textarea")?.focus();
  document.getElementById("end")?.scrollIntoView({ block: "nearest" });
}

let streaming = null;
function listen() {
  streaming?.close();
  streaming = null;
  const place = document.querySelector("[data-stream]");
  if (!place) return;
  const here = location.href;
  streaming = new EventSource(place.dataset.stream);
  const end = async () => {
    streaming?.close();
    streaming = null;
    if (location.href === here) await swap(await fetch(here));
  };
  streaming.onmessage = ({ data }) => {
    if (data === "end") return end();
    for (const [lane, text] of Object.entries(JSON.parse(data))) {
      const words = document.querySelector(`[data-lane="${CSS.escape(lane)}"]`);
      if (words) words.textContent = text || "…";
    }
  };
  streaming.onerror = () => setTimeout(end, 1000);
}

// A part that says how soon it changes is fetched anew, unless somebody is in it; the whole page once it changes no more.
async function look() {
  const here = document.querySelector("[data-again]");
  if (!here) return;
  if (!document.hidden && !here.contains(document.activeElement)) {
    const answer = await fetch(location.href).catch(() => null);
    const found = answer?.ok && new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-again]");
    if (answer?.ok && !found) return location.reload();
    if (found) here.replaceWith(found);
  }
  setTimeout(look, here.dataset.again * 1000);
}
setTimeout(look, (document.querySelector("[data-again]")?.dataset.again ?? 0) * 1000);
const waiting = document.querySelector("[data-reload]");
if (waiting) setTimeout(() => location.reload(), waiting.dataset.reload * 1000);

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches("form[data-talk]")) return;
  event.preventDefault();
  for (const button of form.querySelectorAll("button")) button.disabled = true;
  await swap(await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) }));
});

for (const button of document.querySelectorAll("[data-open]")) {
  button.hidden = false;
  button.addEventListener("click", () => document.getElementById(button.dataset.open).showModal());
}

// What was typed and not saved is not lost by a click beside it.
let touched = false;
document.addEventListener("input", (event) => (touched ||= Boolean(event.target.closest("form.editor"))));
document.addEventListener("submit", () => (touched = false));
addEventListener("beforeunload", (event) => touched && event.preventDefault());
listen();
