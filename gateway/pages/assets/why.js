/** “Why?”: which parts of the photo the answer rests on, laid over it on demand. */
import { Problem } from "./api.js";
import { h, replace } from "./dom.js";
import { icon } from "./icons.js";

// Below this nothing on the picture decides alone, and the map is empty.
const LEAST = 0.01;

/** What goes below the photo. `ask()` answers a prediction with an explanation; `over` is the element that is covered. */
export function explanation(over, bestGuess, ask) {
  const said = h("p.small.soft", { "aria-live": "polite" });
  const button = h("button.quiet", { type: "button", "aria-pressed": "false" });
  const element = h("div.why", button, said);
  let layer = null;

  const name = (busy = false) => replace(button, busy ? h("span.spinner") : icon("heat"), busy ? "Looking…" : layer?.isConnected ? "Hide why" : "Why?");

  const show = () => {
    const on = !layer.isConnected;
    if (on) over.append(layer);
    else layer.remove();
    button.setAttribute("aria-pressed", String(on));
    said.hidden = !on;
    name();
  };

  const look = async () => {
    button.disabled = true;
    name(true);
    try {
      const found = (await ask()).explanation;
      if (!found) { element.remove(); return; }
      layer = h("img.heat", { src: `data:image/png;base64,${found.png}`, alt: `What ${bestGuess} rests on, in red` });
      said.textContent = found.fall < LEAST
        ? "No part of the photo decides alone: whatever is covered, the answer stays."
        : `It looked at what is red. With the reddest part covered, ${bestGuess} would be ${Math.max(1, Math.round(100 * found.fall))} points less likely.`;
      show();
    } catch (problem) {
      if (!(problem instanceof Problem)) return;
      said.textContent = problem.passing ? "It cannot be said at this moment. Try again in a moment." : problem.message;
      name();
    } finally {
      button.disabled = false;
    }
  };

  button.addEventListener("click", () => (layer ? show() : look()));
  name();
  return element;
}
