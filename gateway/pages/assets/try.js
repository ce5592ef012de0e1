/** “Try it”: photos in, what they show out, and what they really show back. */
import { h, replace } from "./dom.js";
import { plural } from "./format.js";
import { icon } from "./icons.js";
import { status } from "./live.js";
import { photoCard } from "./card.js";
import { bodyLimit, dropAndPaste, photoButtons } from "./photos.js";

const IN_FLIGHT = 3;
const MOST_CARDS = 200;

export function page(root) {
  const waiting = []; // cards that have not been asked about
  const late = new Set(); // cards whose answer did not come: asked again once a model answers
  const all = new Set();
  let busy = 0;

  const work = async () => {
    while (busy < IN_FLIGHT && waiting.length) {
      const card = waiting.shift();
      busy += 1;
      card.ask().then((done) => { if (!done && all.has(card)) late.add(card); }).finally(() => { busy -= 1; work(); });
    }
  };

  const queue = (card) => {
    late.delete(card);
    card.queued();
    waiting.push(card);
    work();
  };

  const take = (files) => {
    for (const file of files) {
      const card = photoCard(file, { remove: () => drop(card), again: () => queue(card) });
      all.add(card);
      results.prepend(card.element);
      queue(card);
    }
    for (const card of [...all].slice(0, Math.max(0, all.size - MOST_CARDS))) drop(card);
    arrange();
  };

  const drop = (card) => {
    all.delete(card);
    late.delete(card);
    const at = waiting.indexOf(card);
    if (at >= 0) waiting.splice(at, 1);
    card.end();
    const focused = card.element.contains(document.activeElement);
    card.element.remove();
    arrange();
    if (focused) (results.querySelector(".photo-remove") ?? zone.querySelector("button")).focus();
  };

  const arrange = () => {
    zone.classList.toggle("slim", all.size > 0);
    head.hidden = !all.size;
    clear.hidden = all.size < 2;
    counted.textContent = plural(all.size, "photo");
  };

  const counted = h("h2");
  const clear = h("button.quiet", { type: "button", hidden: true, onclick: () => { for (const card of [...all]) drop(card); zone.querySelector("button").focus(); } }, icon("trash"), "Clear all");
  const zone = h("section.zone", { "aria-label": "Your photos" },
    h("div.zone-words", h("span.zone-mark", icon("image")),
      h("p.zone-title", "Drop photos anywhere"),
      h("p.soft.small", `or paste them. JPEG, PNG, WebP, BMP, GIF or TIFF, up to ${Math.round(bodyLimit() / 1e6)} MB each. They go to this gateway and nowhere else.`)),
    h("div.row.zone-buttons", photoButtons(take)));
  const head = h("div.results-head", { hidden: true }, counted, clear);
  const state = h("div", { role: "status" });
  const results = h("div.stack", { id: "results" });
  replace(root, h("div.page-head", h("div", h("h1", "What does it show?"), h("p", "Ask the model in production about a photo. Where it is wrong, say so: the next training learns from it."))),
    state, zone, head, results);

  const stops = [
    dropAndPaste(take, "Drop to ask"),
    status.subscribe((value, problem) => {
      const now = Boolean(value?.available.length) && !problem;
      if (now) for (const card of [...late]) queue(card);
      replace(state, value && !problem && !value.available.length && modelMissing(value));
    }),
  ];
  return () => {
    for (const stop of stops) stop();
    for (const card of all) card.end();
  };
}

function modelMissing(value) {
  if (value.production) {
    return h("div.told.warn", icon("clock"), h("div",
      h("b", `Version ${value.production} is in production, and the model server does not answer with it.`),
      h("span", "It may be loading it at this moment. If this stays, ", h("code", "binocular status"), " and ", h("code", "binocular logs model"), " say why.")));
  }
  return h("section.card.first-steps", h("h2", "There is no model yet"),
    h("p.soft", "Binocular learns from photos that somebody has labelled. Three ways to the first model:"),
    h("ol.ways",
      h("li", h("b", "Upload photos here"), h("p.soft", "One folder for each class, a few dozen photos in each."), h("a.button.primary", { href: "/data" }, icon("upload"), "Go to Data")),
      h("li", h("b", "Name a folder"), h("p.soft", "On the machine that runs Binocular:"), h("pre.command", h("code", "make run DATA=photos/"))),
      h("li", h("b", "Only look"), h("p.soft", "Draws a sample, trains on it, in a few minutes:"), h("pre.command", h("code", "make demo")))));
}
