/** Two runs side by side: what was different, and what came of it. */
import { get } from "./api.js";
import { matrix } from "./charts.js";
import { h, replace } from "./dom.js";
import { metricTable, valueText } from "./figures.js";
import { plural } from "./format.js";
import { icon } from "./icons.js";
import { navigate } from "./router.js";
import { stateBadge, title, tookText, verdictBadge } from "./states.js";
import { scroller } from "./tables.js";

export function page(root, { query }) {
  const ids = [query.get("a"), query.get("b")];
  const place = h("div.stack", h("div.card.stack", [1, 2, 3].map(() => h("div.skeleton"))));
  replace(root, h("div.page-head", h("div", h("nav.crumbs", { "aria-label": "Where you are" }, h("a", { href: "/runs" }, "Runs")), h("h1", "Compare two runs"))), place);
  let gone = false;
  load(ids).then((found) => { if (!gone) replace(place, drawn(found, ids)); }, (problem) => {
    if (!gone) replace(place, h("div.told.bad", icon("alert"), h("div", h("b", "These runs cannot be compared."), h("span", problem.message))));
  });
  return () => { gone = true; };
}

async function load(ids) {
  const { runs } = await get("/v1/runs?limit=100");
  const pair = await Promise.all(ids.map((id) => (id ? get(`/v1/runs/${encodeURIComponent(id)}`) : null)));
  const evaluations = await Promise.all(ids.map((id) => (id ? get(`/v1/runs/${encodeURIComponent(id)}/evaluation`, { ask: false }).catch(() => null) : null)));
  return { runs, pair, evaluations };
}

function drawn({ runs, pair, evaluations }, ids) {
  const choose = (at) => {
    const select = h("select", { id: `run-${at}`, "aria-label": at ? "Second run" : "First run", onchange: () => { const next = [...ids]; next[at] = select.value; navigate(`/runs/compare?a=${next[0] ?? ""}&b=${next[1] ?? ""}`, { replaced: true }); } },
      h("option", { value: "" }, "Choose a run"), runs.map((run) => h("option", { value: run.id, selected: run.id === ids[at] }, `${title(run)} (${run.id.slice(0, 8)})`)));
    return h("div.card.stack.tight", h("h2", at ? "Second" : "First"), select, pair[at] && [h("div.row", stateBadge(pair[at]), verdictBadge(pair[at]), h("span.soft.small", tookText(pair[at]))), pair[at].summary && h("p.soft.small", pair[at].summary), h("a.small", { href: `/runs/${ids[at]}` }, "Open this run")]);
  };
  const cards = h("div.split", choose(0), choose(1));
  if (!pair[0] || !pair[1]) return [cards, h("p.soft", "Choose two runs.")];
  return [cards, parameters(pair), figures(pair, evaluations)];
}

function parameters([a, b]) {
  const names = [...new Set([...Object.keys(a.parameters), ...Object.keys(b.parameters)])].sort();
  const different = names.filter((name) => JSON.stringify(a.parameters[name]) !== JSON.stringify(b.parameters[name]));
  return h("section.card.stack.tight", h("h2", "Parameters"),
    different.length ? scroller("Parameters", h("table.parameters", h("thead", h("tr", h("th", "Parameter"), h("th", "First"), h("th", "Second"))),
      h("tbody", different.map((name) => h("tr", h("th", { scope: "row" }, h("code", name)), h("td", h("span.value", valueText(a.parameters[name]))), h("td", h("span.value", valueText(b.parameters[name])))))))) : h("p.soft", "Both ran with the same parameters."),
    different.length > 0 && h("p.hint", `${plural(names.length - different.length, "other parameter")} the same.`));
}

function figures([a, b], [first, second]) {
  const metrics = (run, evaluation) => evaluation?.candidate.overall ?? run.verdict?.candidate_metrics;
  if (!metrics(a, first) && !metrics(b, second)) return h("p.soft", "Neither run has come as far as an evaluation.");
  const same = a.verdict && b.verdict && a.verdict.snapshot === b.verdict.snapshot;
  return h("section.card.stack", h("h2", "On the test images"),
    !same && h("div.told.warn", icon("info"), h("span", "The two were judged on different snapshots, so a difference may come from the photos alone.")),
    metricTable([{ title: "First", metrics: metrics(a, first) }, { title: "Second", metrics: metrics(b, second) }]),
    h("p.hint", "The change is the first minus the second."),
    h("div.split", first && matrix(first.candidate, "First"), second && matrix(second.candidate, "Second")));
}
