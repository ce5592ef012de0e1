/** A step's log as it grows: the newest part first, older parts on demand, following the end until somebody scrolls. */
import { Problem, get } from "./api.js";
import { h, replace } from "./dom.js";
import { poll } from "./live.js";

const TAIL = 64 << 10;
const MOST_CHARACTERS = 1_000_000;
const NEAR = 24;

/** The viewer, and what ends it. */
export function logViewer(address) {
  const text = h("code");
  const pane = h("pre.log", { tabindex: 0, role: "log", "aria-live": "off", "aria-label": "Log" }, text);
  const older = h("button.quiet", { type: "button", hidden: true, onclick: () => before() }, "Show older lines");
  const follow = h("input", { type: "checkbox", checked: true });
  const state = h("span.hint", { role: "status" }, "Loading…");
  let first = null;
  let next = -TAIL;
  let stop = () => {};

  const show = (part) => {
    if (first === null) { first = part.start; older.hidden = first === 0; }
    if (part.start === 0 && next > 0) text.textContent = ""; // another try began, with a log of its own
    if (part.text) text.append(part.text);
    if (text.textContent.length > MOST_CHARACTERS) text.textContent = text.textContent.slice(-MOST_CHARACTERS);
    next = part.next;
    if (follow.checked) pane.scrollTop = pane.scrollHeight;
    state.textContent = part.ended ? "The whole log." : "Following…";
    if (part.ended) stop();
  };
  const before = async () => {
    const from = Math.max(0, first - TAIL * 4);
    const part = await get(`${address}?from=${from}`);
    const whole = new TextEncoder().encode(part.text);
    text.prepend(new TextDecoder().decode(whole.slice(0, first - from)));
    first = from;
    older.hidden = first === 0;
  };

  pane.addEventListener("scroll", () => { follow.checked = pane.scrollTop + pane.clientHeight >= pane.scrollHeight - NEAR; });
  stop = poll((signal) => get(`${address}?from=${next}`, { signal }), 1500, show, (problem) => {
    if (!(problem instanceof Problem) || problem.passing) return;
    stop();
    replace(element, h("p.soft", problem.message));
  });
  const element = h("div.stack.tight", h("div.row.spread", h("label.row.hint", follow, "Follow the end"), h("span.row", state, older)), pane);
  return { element, end: () => stop() };
}
