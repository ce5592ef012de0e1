/** Which page an address shows, and going from one to another without loading anew.
 *
 * A page's module exports `page(root, params)`: it fills `root` and returns what is to be done when the person leaves.
 */
import { h, replace } from "./dom.js";

/** Every page, in the order of the navigation; an entry without `nav` is reached from another page. */
export const PAGES = [
  { path: "/", title: "Try it", nav: "Try it", icon: "eye", load: () => import("./try.js") },
  { path: "/data", title: "Data", nav: "Data", icon: "stack", load: () => import("./data.js") },
  { path: "/runs", title: "Runs", nav: "Runs", icon: "flow", load: () => import("./runs.js") },
  { path: "/runs/new", title: "Start a training", load: () => import("./new.js") },
  { path: "/runs/compare", title: "Compare two runs", load: () => import("./compare.js") },
  { path: "/runs/:id", title: "Run", load: () => import("./run.js") },
  { path: "/models", title: "Models", nav: "Models", icon: "box", load: () => import("./models.js") },
  { path: "/models/:version", title: "Version", load: () => import("./model.js") },
  { path: "/health", title: "Health", nav: "Health", icon: "pulse", load: () => import("./health.js") },
];

let root = null;
let cleanup = null;
let turn = 0;
const listeners = new Set();

/** Be told the path whenever it changes. */
export function onNavigate(listener) {
  listeners.add(listener);
}

/** Go to an address of ours. */
export function navigate(address, { replaced = false } = {}) {
  history[replaced ? "replaceState" : "pushState"](null, "", address);
  scrollTo(0, 0);
  return show();
}

/** Show the present address in `element`, and every later one. */
export function startRouter(element) {
  root = element;
  addEventListener("popstate", () => show());
  document.addEventListener("click", follow);
  return show({ first: true });
}

function follow(event) {
  const link = event.target instanceof Element && event.target.closest("a[href]");
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!link || !plain || event.defaultPrevented || link.target || link.hasAttribute("download")) return;
  const url = new URL(link.href);
  if (url.origin !== location.origin || !match(url.pathname)) return;
  event.preventDefault();
  navigate(url.pathname + url.search);
}

function match(path) {
  for (const page of PAGES) {
    const names = [];
    const pattern = page.path.replace(/:(\w+)/g, (_, name) => { names.push(name); return "([^/]+)"; });
    const found = new RegExp(`^${pattern}/?$`).exec(path);
    if (found) {
      return { page, params: Object.fromEntries(names.map((name, at) => [name, decoded(found[at + 1])])) };
    }
  }
  return null;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a stray percent sign
  }
}

async function show({ first = false } = {}) {
  const mine = (turn += 1);
  const found = match(location.pathname);
  for (const listener of listeners) listener(location.pathname);
  try {
    const module = found ? await found.page.load() : null;
    if (mine !== turn) return;
    leave();
    replace(root);
    setTitle(found ? found.page.title : "Not found");
    cleanup = module ? module.page(root, { ...found.params, query: new URLSearchParams(location.search) }) : lost();
  } catch (error) {
    if (mine !== turn) return;
    console.error(error);
    leave();
    replace(root, h("div.empty", h("h1", "This page did not load"),
      h("p", "The gateway may be gone for a moment, or it was updated while this tab was open."),
      h("button.primary", { type: "button", onclick: () => location.reload() }, "Load again")));
  }
  if (!first) arrive();
}

/** The person goes: what the page began ends, and no question of it stays open. */
function leave() {
  for (const dialog of document.querySelectorAll("dialog")) dialog.close();
  cleanup?.();
  cleanup = null;
}

function lost() {
  replace(root, h("div.empty", h("h1", "There is no such page"),
    h("p", "The address may be mistyped, or what it named is gone."), h("a.button", { href: "/" }, "Go to the start")));
  return null;
}

/** Name the page, in the tab and for screen readers; a page calls it again once it knows more. */
export function setTitle(title) {
  document.title = `${title} · Binocular`;
}

/** Tell where the person has come: the heading gets the focus, and is read out. */
function arrive() {
  document.querySelector("#announcer").textContent = document.title;
  const heading = root.querySelector("h1");
  if (heading) {
    heading.tabIndex = -1;
    heading.focus({ preventScroll: true });
  }
}
