/** “That's wrong”: choose the right label; it can be taken back until it is sent.
 *
 * What is chosen waits a few seconds and is then sent; leaving the page sends it at once.
 */
import { Problem, post } from "./api.js";
import { h, replace } from "./dom.js";
import { icon } from "./icons.js";
import { status } from "./live.js";

const UNDO_MS = 5000;
// Labels that were added in this tab are offered for the next photo too.
const added = new Set();

/** What goes below a prediction: a button, then the choice, then what became of it. */
export function correction(prediction) {
  const box = h("div.correction", { "aria-live": "polite" });
  const unsure = prediction.label !== prediction.best_guess;
  let pending = null;

  const offer = () => {
    const button = h("button", { type: "button", onclick: choose }, icon(unsure ? "question" : "cross"), unsure ? "Tell it what this is" : "That's wrong");
    replace(box, prediction.kept ? button : h("p.soft.small", "This photo was not kept, so it cannot be corrected."));
    return button;
  };

  const choose = () => {
    const known = Object.keys(prediction.probabilities);
    const names = [...known, ...[...added].filter((name) => !known.includes(name))].filter((name) => unsure || name !== prediction.label);
    const chips = names.map((name) => h("button.chip", { type: "button", onclick: () => wait(name) }, name));
    const input = h("input", { type: "text", maxlength: "100", "aria-label": "A new label", placeholder: "Another label…", autocomplete: "off" });
    const other = h("form.row.other-label", { onsubmit: (event) => { event.preventDefault(); if (input.value.trim()) { added.add(input.value.trim()); wait(input.value.trim()); } } },
      input, h("button", { type: "submit" }, "Use it"));
    const cancel = h("button.quiet", { type: "button", onclick: () => offer().focus() }, "Cancel");
    replace(box, h("fieldset.stack.tight", h("legend", "What does it show?"), h("div.chips", chips), h("div.row", other, cancel)));
    (chips[0] ?? input).focus();
  };

  const wait = (label) => {
    const undo = h("button", { type: "button", onclick: () => { clearTimeout(pending.timer); pending = null; choose(); } }, icon("undo"), "Undo");
    replace(box, h("div.told", h("span.countdown", { style: { "--lasts": `${UNDO_MS}ms` } }), h("div", h("span", "It is ", h("b", label), "."), undo)));
    pending = { label, timer: setTimeout(() => send(label), UNDO_MS) };
    undo.focus();
  };

  const send = async (label) => {
    pending = null;
    replace(box, h("div.told", h("span.spinner"), h("div", "Sending…")));
    try {
      const stored = await post("/v1/feedback", { id: prediction.id, label }, { keepalive: true });
      status.refresh();
      replace(box, h("div.told.good", icon("check"), h("div",
        h("span", "Thank you. The next training learns that this is ", h("b", stored.label), "."),
        h("span.row", h("a", { href: "/data" }, "See what waits"), h("button.quiet.inline", { type: "button", onclick: choose }, "Change it")))));
    } catch (problem) {
      failed(problem, label);
    }
  };

  const failed = (problem, label) => {
    if (!(problem instanceof Problem)) return offer();
    if (problem.status === 401) {
      replace(box, h("div.told.warn", icon("key"), h("div", "Nothing was sent: corrections need a token.", h("button", { type: "button", onclick: () => send(label) }, "Sign in and send"))));
    } else {
      replace(box, h("div.told.bad", icon("alert"), h("div", problem.message,
        h("span.row", h("button", { type: "button", onclick: () => send(label) }, "Try again"), h("button.quiet", { type: "button", onclick: choose }, "Choose another")))));
    }
  };

  offer();
  return {
    element: box,
    /** The person leaves: what was chosen counts. */
    flush() {
      if (pending) { clearTimeout(pending.timer); send(pending.label); }
    },
  };
}
