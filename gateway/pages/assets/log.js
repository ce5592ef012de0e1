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
    const anew = part.start === 0 && next > 0; // another try began, with a log of its own
    if (anew) text.textContent = "";
    if (anew || first === null) { first = part.start; older.hidden = first === 0; }
    if (part.text) text.append(part.text);
    if (text.textContent.length > MOST_CHARACTERS) text.textContent = text.textContent.slice(-MOST_CHARACTERS);
    next = part.next;
    if (follow.checked) pane.scrollTop = pane.scrollHeight;
    state.textContent = part.ended ? "The whole log." : "Following…";
    if (part.ended) stop();
  };
  const before = async () => {
    const until = first;
    const from = Math.max(0, until - TAIL * 4);
    older.disabled = true; // a second press would bring the same lines again
    try {
      const part = await get(`${address}?from=${from}`);
      if (first !== until) return;
      const whole = new TextEncoder().encode(part.text);
      text.prepend(new TextDecoder().decode(whole.slice(0, until - from)));
      first = from;
      older.hidden = first === 0;
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      state.textContent = problem.message;
    } finally {
      older.disabled = false;
    }
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
