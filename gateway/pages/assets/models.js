/** “Models”: every version, how good each is, which is in production, and moving production forward or back. */
import { get } from "./api.js";
import { h, replace } from "./dom.js";
import { FEW, metricName, metricSays, metricText } from "./figures.js";
import { ago, time } from "./format.js";
import { icon } from "./icons.js";
import { poll } from "./live.js";
import { promoteButton, versionBadges } from "./promote.js";
import { scroller } from "./tables.js";

export function page(root) {
  const head = h("div.page-head", h("div", h("h1", "Models"), h("p", "A version is what one run published. It never changes; production points at one of them, and can be moved.")));
  const place = h("div.stack", h("div.card.stack", [1, 2, 3].map(() => h("div.skeleton"))));
  replace(root, head, place);
  let shown = "";
  let gone = false;
  let stop = () => {};
  const draw = (found) => {
    const now = JSON.stringify(found);
    if (now === shown) return;
    shown = now;
    replace(place, found.versions.length ? [productionCard(found, refresh), table(found, refresh), moves(found)] : empty());
  };
  const refresh = () => { stop(); if (!gone) stop = begin(); };
  const begin = () => poll((signal) => get("/v1/models?limit=100", { signal }), 4000, draw, (problem) => {
    if (!problem.passing) stop();
    if (!shown) replace(place, h("div.told.bad", icon("alert"), h("div", h("b", "The versions cannot be shown."), h("span", problem.message))));
  });
  stop = begin();
  return () => { gone = true; stop(); };
}

function productionCard(found, refresh) {
  const version = found.versions.find((each) => each.production);
  if (!version) return found.production ? null : h("div.told.warn", icon("info"), h("div", h("b", "No version is in production."), h("span", "Put one there, and the model server loads it within seconds.")));
  const [last] = found.moves;
  return h("section.card.production", h("div.stack.tight",
    h("div.row", h("h2", h("a.row-link", { href: `/models/${version.version}` }, `Version ${version.version}`)), versionBadges(version)),
    h("p", version.summary ?? ""),
    last && h("p.soft.small", "In production since ", h("time", { datetime: last.at, title: time(last.at) }, ago(last.at)), ", put there by ", who(last.by), last.why && last.why !== version.summary ? `: ${last.why}` : "", ".")),
    h("dl.tiles", FEW.filter((name) => version.metrics[name] !== undefined).map((name) => h("div.tile", h("dt", { title: metricSays(name) }, metricName(name)), h("dd.number", metricText(name, version.metrics[name]))))),
    found.previous && h("div.actions", promoteButton(found, found.previous, refresh, { back: true })));
}

function table(found, refresh) {
  const names = FEW.filter((name) => found.versions.some((each) => each.metrics[name] !== undefined));
  return h("section.card.flush", { "aria-label": "All versions" }, scroller("All versions", h("table.versions",
    h("thead", h("tr", h("th", "Version"), names.map((name) => h("th.number", { title: metricSays(name) }, metricName(name))), h("th", "Made"), h("th", h("span.unseen", "Actions")))),
    h("tbody", found.versions.map((each) => h("tr",
      h("td.which", h("div.row", h("a.row-link", { href: `/models/${each.version}` }, `Version ${each.version}`), versionBadges(each)), h("small.soft", each.architecture)),
      names.map((name) => h("td.number", { "data-name": metricName(name) }, metricText(name, each.metrics[name]))),
      h("td", h("time.soft", { datetime: each.created, title: time(each.created) }, ago(each.created))),
      h("td.number", !each.production && !each.retired && promoteButton(found, each.version, refresh))))))),
    h("p.hint.below", "Each version was measured on the test images of its own snapshot; only those of the same snapshot compare to the last digit."));
}

function moves(found) {
  if (!found.moves.length) return null;
  return h("section.card.stack.tight", h("h2", "How production moved"),
    h("ol.timeline", found.moves.slice(0, 30).map((move) => h("li",
      h("span", h("a.row-link", { href: `/models/${move.version}` }, `Version ${move.version}`), h("span.soft", " by ", who(move.by))), h("span.soft.small", move.why), h("time.soft.small", { datetime: move.at, title: time(move.at) }, ago(move.at))))));
}

/** Who moved production: a run is worth a link. */
export function who(by) {
  const run = /^run ([0-9a-f-]{8,})$/.exec(by);
  return run ? h("span", "run ", h("a", { href: `/runs/${run[1]}` }, run[1].slice(0, 8))) : by;
}

function empty() {
  return h("section.card.empty", icon("box"), h("h2", "There is no version yet"), h("p", "The first run that comes through publishes version 1 and puts it into production."),
    h("a.button.primary", { href: "/runs/new" }, icon("play"), "Start a training"));
}
