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
  const place = { s: "", h: "/harms", m: "/map", c: "/cases" }[to];
  if (!study || place === undefined) return false;
  location.href = study[0] + place;
  return true;
}

function press(key) {
  if (before === "g") return go(key);
  if (key === "?") return document.getElementById("keys").showModal() ?? true;
  if (key === "j" || key === "k") return walk(key === "j" ? 1 : -1);
  if (key === "x") return choose();
  const marked = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (!marked) return false;
  if (marked.matches("input")) marked.focus();
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

for (const button of document.querySelectorAll("[data-open]")) {
  button.hidden = false;
  button.addEventListener("click", () => document.getElementById(button.dataset.open).showModal());
}

// What was typed and not saved is not lost by a click beside it.
let touched = false;
for (const form of document.querySelectorAll("form.editor")) {
  form.addEventListener("input", () => (touched = true));
  form.addEventListener("submit", () => (touched = false));
}
addEventListener("beforeunload", (event) => touched && event.preventDefault());
