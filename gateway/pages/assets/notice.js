/** Notices: one line that says what became of something, at the edge of the page, read out by screen readers. */
import { h } from "./dom.js";
import { icon } from "./icons.js";

const STAYS_MS = 7000;
const MARKS = { good: "check", bad: "alert", plain: "info" };

/** Say it; `action` is {label, run}. Returns what takes it away. */
export function notice(text, { tone = "plain", action = null } = {}) {
  const remove = () => { clearTimeout(timer); element.remove(); };
  const element = h(`div.notice.${tone}`, icon(MARKS[tone]), h("span", text),
    action && h("button.quiet", { type: "button", onclick: () => { remove(); action.run(); } }, action.label),
    h("button.quiet.icon-only", { type: "button", "aria-label": "Dismiss", onclick: () => remove() }, icon("cross")));
  let timer = setTimeout(remove, STAYS_MS);
  element.addEventListener("pointerenter", () => clearTimeout(timer));
  element.addEventListener("focusin", () => clearTimeout(timer));
  element.addEventListener("pointerleave", () => { timer = setTimeout(remove, STAYS_MS); });
  document.querySelector("#notices").append(element);
  return remove;
}
