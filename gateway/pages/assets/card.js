/** One photo and what the model says of it. */
import { Problem, call } from "./api.js";
import { shareBars } from "./bars.js";
import { correction } from "./correct.js";
import { h, replace } from "./dom.js";
import { bytes, milliseconds, percent } from "./format.js";
import { icon } from "./icons.js";
import { refusal } from "./photos.js";
import { explanation } from "./why.js";

const DOUBTS = { unfamiliar: "Like nothing it learnt from", unsure: "Not sure" };
// What passes, in fewer words than the gateway has for programs.
const WAITS = {
  model_unavailable: "No model answers at the moment.",
  model_timeout: "The model took too long.",
  unreachable: "The gateway does not answer.",
};
const SIDE = 340;
const MOST_ENLARGED = 4;

/** A card that is in the queue until `ask` is called. */
export function photoCard(file, { remove, again }) {
  const address = URL.createObjectURL(file);
  const image = h("img", { src: address, alt: `Your photo ${file.name}`, decoding: "async" });
  const box = h("div.photo-image", image);
  const frame = h("div.photo-frame", box);
  image.addEventListener("load", () => {
    // A small picture is shown larger, none wider than its place: what lies over it fits it exactly.
    const scale = Math.min(SIDE / image.naturalHeight, SIDE / image.naturalWidth, MOST_ENLARGED);
    box.style.width = `${Math.round(scale * image.naturalWidth)}px`;
  });
  image.addEventListener("error", () => replace(frame, h("div.no-preview", icon("image"), h("small", "no preview"))));
  const side = h("div.photo-side", frame);
  const body = h("div.photo-body", { "aria-live": "polite" });
  const element = h("article.card.photo", { "aria-label": file.name },
    side,
    body,
    h("button.quiet.icon-only.photo-remove", { type: "button", "aria-label": `Remove ${file.name}`, onclick: () => remove() }, icon("cross")));
  let corrected = null;
  const aborting = new AbortController();

  const facts = (...more) => h("p.facts.soft.small", [file.name, bytes(file.size), ...more].map((text) => h("span", text)));

  const queued = () => replace(body, h("div.row.soft", h("span.spinner"), "In the queue"), facts());

  const ask = async () => {
    replace(body, h("div.stack", h("div.skeleton.tall"), h("div.skeleton"), h("div.skeleton.short")), facts());
    const refused = await refusal(file);
    if (refused) return tell("bad", "alert", refused);
    try {
      const began = performance.now();
      answered(await predict(""), performance.now() - began);
      return true;
    } catch (problem) {
      return failed(problem);
    }
  };

  const predict = (query) => call("POST", `/v1/predict${query}`, {
    body: file, headers: { "Content-Type": file.type.startsWith("image/") ? file.type : "application/octet-stream" }, signal: aborting.signal,
  });

  const answered = (prediction, took) => {
    const unsure = prediction.label !== prediction.best_guess;
    corrected = correction(prediction);
    if (box.isConnected) side.append(explanation(box, prediction.best_guess, () => predict("?explain=true")));
    replace(body,
      h("div.verdict-line",
        h(`p.label${unsure ? ".unsure" : ""}`, unsure ? DOUBTS[prediction.doubt] ?? "Not sure" : prediction.label),
        unsure ? h("p.soft", "Best guess: ", h("b", prediction.best_guess), ", ", percent(prediction.confidence))
          : h("p.soft", `${percent(prediction.confidence)} sure`)),
      shareBars(Object.entries(prediction.probabilities), { best: prediction.best_guess }),
      corrected.element,
      facts(`version ${prediction.model.version}`,
        `${milliseconds(prediction.latency_ms.total)} in the gateway, ${milliseconds(took)} in all`));
  };

  const failed = (problem) => {
    if (!(problem instanceof Problem)) return true;
    if (problem.passing) {
      tell("warn", "clock", `${WAITS[problem.code] ?? problem.message} This photo is asked again by itself as soon as a model answers.`, h("button", { type: "button", onclick: () => again() }, icon("retry"), "Try again"));
      return false;
    }
    if (problem.code === "image") return tell("bad", "alert", `This cannot be read as a photo: ${problem.message}.`);
    return tell("bad", "alert", problem.message, problem.status === 401 && h("button", { type: "button", onclick: () => again() }, "Sign in and ask"));
  };

  const tell = (tone, mark, text, action) => {
    replace(body, h(`div.told.${tone}`, icon(mark), h("div", h("span", text), action)), facts());
    return true;
  };

  queued();
  return {
    element, queued, ask,
    end() {
      aborting.abort();
      corrected?.flush();
      URL.revokeObjectURL(address);
    },
  };
}
