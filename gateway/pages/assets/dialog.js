/** Dialogs. The browser's own element keeps focus inside and closes on Escape.
 *
 *   if (await confirm("Roll back?", "Version 2 is served again.", {action: "Roll back", danger: true})) …
 */
import { h } from "./dom.js";
import { icon } from "./icons.js";

let serial = 0;

/** Show content in a dialog; returns the element, whose `close()` ends it. */
export function openDialog(title, content, { mark = null, onclose = () => {} } = {}) {
  const id = `dialog-${(serial += 1)}`;
  const before = document.activeElement;
  const dialog = h("dialog", { "aria-labelledby": id },
    h("div.dialog-head", mark && h("span.mark", mark), h("h2", { id }, title),
      h("button.quiet.icon-only", { type: "button", "aria-label": "Close", onclick: () => dialog.close() }, icon("cross"))),
    content);
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (before instanceof HTMLElement && before.isConnected) before.focus();
    onclose();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** A question with two answers; true for the named action. */
export function confirm(title, text, { action = "Continue", danger = false, content = null } = {}) {
  return new Promise((resolve) => {
    let answer = false;
    const yes = h(danger ? "button.danger" : "button.primary", { type: "submit" }, action);
    const form = h("form.stack", { onsubmit: (event) => { event.preventDefault(); answer = true; dialog.close(); } },
      h("p", text), content,
      h("div.actions", h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"), yes));
    const dialog = openDialog(title, form, { onclose: () => resolve(answer) });
    yes.focus();
  });
}
