/** “Runs”: every training, live, with what came of it. */
import { get } from "./api.js";
import { h, replace } from "./dom.js";
import { ago, time } from "./format.js";
import { icon } from "./icons.js";
import { poll } from "./live.js";
import { navigate } from "./router.js";
import { isLive, starter, stateBadge, title, tookText, verdictBadge } from "./states.js";
import { scroller } from "./tables.js";

const SHOWN = 20;
const MOST = 100;

export function page(root) {
  const picked = new Set();
  let limit = SHOWN;
  let runs = null;
  const compare = h("button", { type: "button", hidden: true, onclick: () => navigate(`/runs/compare?a=${[...picked][0]}&b=${[...picked][1]}`) }, "Compare the two");
  const list = h("div", h("div.card.stack", [1, 2, 3].map(() => h("div.skeleton"))));
  replace(root,
    h("div.page-head",
      h("div", h("h1", "Runs"), h("p", "Each run takes photos in, checks them, trains, judges the new model beside the one in production, and publishes it if it is better.")),
      h("div.actions", compare, h("a.button.primary", { href: "/runs/new" }, icon("play"), "Start a training"))),
    list);

  const pick = (id, on) => {
    if (on) picked.add(id); else picked.delete(id);
    while (picked.size > 2) picked.delete([...picked][0]);
    draw();
  };
  const draw = () => {
    if (!runs) return;
    compare.hidden = picked.size !== 2;
    const focused = document.activeElement?.id;
    replace(list, runs.length ? table() : empty());
    if (focused) document.getElementById(focused)?.focus();
  };
  const table = () => h("div.stack",
    h("div.card.flush", scroller("Runs", h("table.runs",
      h("thead", h("tr", h("th", h("span.unseen", "Compare")), h("th", "Run"), h("th", "State"), h("th", "Outcome"), h("th.number", "Took"), h("th", "Began"))),
      h("tbody", runs.map(row))))),
    runs.length >= limit && limit < MOST && h("div.row", h("button", { type: "button", onclick: () => { limit = MOST; stop(); stop = begin(); } }, "Show more")),
    runs.length > 1 && picked.size < 2 && h("p.hint", "Tick two runs to compare their parameters and figures."));
  const row = (run) => h("tr",
    h("td.pick", h("input", { type: "checkbox", id: `pick-${run.id}`, checked: picked.has(run.id), "aria-label": `Compare ${title(run)}`, onchange: (event) => pick(run.id, event.target.checked) })),
    h("td.what", h("a.row-link", { href: `/runs/${run.id}`, id: `run-${run.id}` }, title(run)), h("small.soft", run.summary ?? firstLine(run.error) ?? starter(run))),
    h("td", stateBadge(run)),
    h("td", verdictBadge(run) ?? h("span.soft", isLive(run) ? "…" : "–")),
    h("td.number", tookText(run)),
    h("td", h("time.soft", { datetime: run.created_at, title: time(run.created_at) }, ago(run.created_at))));

  const begin = () => poll((signal) => get(`/v1/runs?limit=${limit}`, { signal }), 3000, (found) => { runs = found.runs; draw(); },
    (problem) => { if (!problem.passing) stop(); if (!runs) replace(list, h("div.told.bad", icon("alert"), h("div", h("b", "The runs cannot be shown."), h("span", problem.message)))); });
  let stop = begin();
  return () => stop();
}

function empty() {
  return h("section.card.empty", icon("flow"), h("h2", "Nothing has been trained yet"),
    h("p", "A training needs labelled photos: a folder on the machine that runs Binocular, or what you upload on the Data page."),
    h("div.actions", h("a.button", { href: "/data" }, icon("upload"), "Upload photos"), h("a.button.primary", { href: "/runs/new" }, icon("play"), "Start a training")));
}

function firstLine(text) {
  return text ? text.split("\n")[0] : null;
}
