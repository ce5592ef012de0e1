/** “Data”: what the next training learns from, what people sent for it, and starting it. */
import { adding } from "./adding.js";
import { get } from "./api.js";
import { classes } from "./classes.js";
import { h, replace } from "./dom.js";
import { findings } from "./findings.js";
import { ago, count, date } from "./format.js";
import { icon } from "./icons.js";
import { poll, status } from "./live.js";
import { retrain } from "./retrain.js";
import { signIn } from "./session.js";
import { isLive } from "./states.js";
import { sentWords, waiting } from "./waiting.js";

const EVERY_MS = 8000;

export function page(root) {
  let data = null;
  let gone = false;
  let again = () => {};
  const refresh = () => { if (!gone) { again(); status.refresh(); } };
  const add = adding({ labels: () => (data ? data.classes.map((each) => each.label) : []), added: refresh });
  const wait = waiting({ changed: refresh });
  const begin = h("button.primary", { type: "button", disabled: true, onclick: () => retrain(data, status.value?.production) }, icon("play"), "Retrain now");
  const going = h("div", { role: "status" });
  const tiles = h("div.data-tiles", Array.from({ length: 4 }, () => h("div.card.data-tile", h("div.skeleton.tall"), h("div.skeleton.short"))));
  const inside = h("div.stack", h("div.skeleton"), h("div.skeleton.short"));
  replace(root,
    h("div.page-head", h("div", h("h1", "Data"), h("p", "What the next training learns from: the photos so far, and what people add and correct.")), h("div.row", begin)),
    going, tiles,
    h("div.data-columns", h("section.card", { "aria-labelledby": "classes-title" }, h("h2", { id: "classes-title" }, "Classes"), inside), add.element),
    wait.element, findings());

  const show = (found) => {
    wait.tell(found, data);
    data = found;
    begin.disabled = !found.images && !found.uploads && !found.feedback;
    replace(tiles, facts(found));
    replace(inside, found.classes.length ? classes(found) : h("div.empty.small-empty", icon("stack"), h("h3", "No photos yet"),
      h("p", "Add a folder for each class. A few dozen photos of each are enough for a first model.")));
  };
  const stops = [];
  const fail = (problem) => {
    if (data) return;
    const closed = problem.status === 401;
    replace(inside, h("div.told.warn", icon(closed ? "key" : "alert"), h("div", closed ? "This gateway shows its data to those who are signed in." : problem.message,
      closed && h("button", { type: "button", onclick: () => signIn().then(refresh, () => {}) }, "Sign in"))));
    replace(tiles);
  };
  again = () => { stops[0]?.(); stops[0] = poll((signal) => get("/v1/data", { signal, ask: false }), EVERY_MS, show, fail); };
  again();
  stops[1] = poll((signal) => get("/v1/runs?limit=1", { signal, ask: false }), EVERY_MS, ({ runs }) => {
    const run = runs.find(isLive);
    replace(going, run && h("div.told.accent", h("span.spinner"), h("div", h("span", h("b", "A training is going"), run.created_at ? `, started ${ago(run.created_at)}.` : ".")), h("a.button", { href: `/runs/${run.id}` }, "Follow it")));
  });
  return () => { gone = true; for (const stop of stops) stop(); add.end(); wait.end(); };
}

function facts(data) {
  const waitingNow = data.uploads + data.feedback;
  return [
    tile(count(data.images), data.images === 1 ? "image" : "images", data.frozen_at ? `frozen ${date(data.frozen_at)}` : "no training so far"),
    tile(count(data.classes.length), data.classes.length === 1 ? "class" : "classes", balance(data)),
    tile(count(waitingNow), "waiting", sentWords(data) || "nothing new"),
    tile(count(data.rejected), "unreadable", data.snapshot ? `of snapshot ${data.snapshot.slice(0, 8)}` : "no snapshot yet"),
  ];
}

const tile = (number, name, more) => h("div.card.data-tile", h("p", h("b", number), " ", h("span", name)), h("small.soft", more));

/** How uneven the classes are, in words. */
function balance(data) {
  const sizes = data.classes.map((each) => each.train + each.validation + each.test).filter(Boolean);
  if (sizes.length < 2) return "two or more are needed";
  const times = Math.max(...sizes) / Math.min(...sizes);
  return times < 1.5 ? "evenly filled" : `the largest has ${times < 10 ? times.toFixed(1) : Math.round(times)} times the smallest`;
}
