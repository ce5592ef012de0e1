/** What came of a run, a card for each: the verdict, the figures, the training, the photos, the parameters. */
import { classChart, lineChart, matrix } from "./charts.js";
import { h } from "./dom.js";
import { metricTable, valueText } from "./figures.js";
import { count, duration, percent, plural } from "./format.js";
import { icon } from "./icons.js";
import { verdictBadge } from "./states.js";
import { openReport } from "./step.js";
import { scroller } from "./tables.js";

export function verdictCard(run) {
  const verdict = run.verdict;
  if (!verdict) return null;
  const passed = verdict.decision === "promote";
  const mark = (reason) => (reason.passed ? (reason.noted ? ["warn", "info", "noted"] : ["good", "check", "passed"]) : ["bad", "cross", "not passed"]);
  const order = [...verdict.reasons].sort((a, b) => rank(a) - rank(b));
  return h("section.card", h("div.row.spread", h("h2", "Verdict"), verdictBadge(run)),
    h(`p.verdict-summary${passed ? ".good" : ".warn"}`, verdict.summary),
    h("p.soft.small", `Judged on ${plural(verdict.images, "test image")} that ${verdict.champion ? `neither it nor version ${verdict.champion} has` : "it has not"} seen.`),
    h("ul.reasons", order.map((reason) => {
      const [tone, sign, word] = mark(reason);
      return h("li", h(`span.sign.${tone}`, { role: "img", "aria-label": word }, icon(sign)), h("span", reason.text));
    })));
}

const rank = (reason) => (reason.passed ? (reason.noted ? 1 : 2) : 0);

export function figuresCard(run, { evaluation }) {
  if (!evaluation) return null;
  const { candidate, champion } = evaluation;
  const columns = [{ title: "This run", metrics: candidate.overall }];
  if (champion) columns.push({ title: `Version ${evaluation.champion_version}`, metrics: champion.overall });
  const interval = candidate.intervals.accuracy;
  return h("section.card.stack", h("h2", "On the test images"),
    candidate.fault && h("div.told.bad", icon("alert"), h("span", candidate.fault)),
    h("div.split",
      h("div.stack.tight", metricTable(columns),
        h("p.hint", interval ? `With other test images of the same kind, the accuracy would be between ${percent(interval[0], 0)} and ${percent(interval[1], 0)} (95 %). ` : "",
          evaluation.fixed !== undefined && `${plural(evaluation.fixed, "image")} right now that the champion got wrong, ${evaluation.broken} the other way round.`),
        h("details.numbers", h("summary", "All metrics"), metricTable(columns, { all: true }))),
      matrix(candidate)),
    candidate.classes.length > 0 && h("details.numbers", h("summary", "Each class"), scroller("Each class", h("table",
      h("thead", h("tr", ["Class", "Images", "Recall", "Precision", "F1"].map((text, at) => h(at ? "th.number" : "th", { scope: "col" }, text)))),
      h("tbody", candidate.classes.map((each) => h("tr", h("th", { scope: "row" }, each.label), h("td.number", count(each.images)), ...["recall", "precision", "f1"].map((name) => h("td.number", each[name] === undefined ? "–" : percent(each[name]))))))))));
}

export function curvesCard({ training }) {
  if (!training) return null;
  const history = training.history;
  const phases = [...new Set(history.map((each) => each.phase))];
  const line = (name, tone, of) => ({ name, tone, points: history.map((each, at) => [at + 1, each[of]]) });
  const x = { label: "Pass", whole: true, format: String, min: 1, max: Math.max(2, history.length) };
  const seconds = Object.values(training.seconds).reduce((a, b) => a + b, 0);
  const chosen = training.chosen;
  return h("section.card.stack", h("h2", "Training"),
    h("p.soft.small", `${training.architecture}, ${training.image.join(" × ")} pixels, ${plural(history.length, "pass", "passes")}${phases.length > 1 ? ` (${phases.join(", then ")})` : ""} over ${plural(training.images.train ?? 0, "image")} in ${duration(seconds)}`,
      training.energy ? `; about ${(1000 * training.energy.kwh).toPrecision(2)} Wh and ${(1000 * training.energy.co2_kg).toPrecision(2)} g of CO₂` : "", "."),
    h("div.split",
      lineChart({ title: "Loss", x, y: { format: (value) => value.toFixed(2) }, series: [line("training", "train", "loss"), line("validation", "validation", "validation_loss")] }),
      lineChart({ title: "Accuracy", x, y: { format: (value) => percent(value, 0), min: 0, max: 1 }, series: [line("training", "train", "accuracy"), line("validation", "validation", "validation_accuracy")] })),
    chosen.length > 0 && h("details.numbers", h("summary", `${plural(chosen.length, "value")} chosen for these photos`),
      h("dl.facts-list", chosen.map((each) => [h("dt", each.name), h("dd", h("b", each.value), h("span.soft", ` ${each.because}`))]))));
}

export function dataCard(address, { validation }) {
  if (!validation) return null;
  const classes = [...new Set(Object.values(validation.counts).flatMap(Object.keys))].sort();
  return h("section.card.stack", h("div.row.spread", h("h2", "Photos"), h("button.quiet", { type: "button", onclick: () => openReport(address, "validate", "What validation found") }, "Open the report")),
    h("p", validation.verdict, "."),
    classChart(classes, validation.counts, 200),
    validation.findings.length > 0 && h("ul.reasons", validation.findings.map((each) => h("li",
      h(`span.sign.${each.severity === "hard" ? "bad" : "warn"}`, { role: "img", "aria-label": each.severity }, icon(each.severity === "hard" ? "cross" : "info")),
      h("span", h("b", each.title), " ", h("span.soft", each.message))))));
}

export function parameterCard(run) {
  const names = Object.keys(run.parameters).sort();
  const row = (name) => h("tr", h("th", { scope: "row" }, h("code", name)), h("td", h("span.value", valueText(run.parameters[name]))),
    h("td", name in run.changed && [h("span.badge.accent", "changed"), h("span.soft.small", ` from ${valueText(run.changed[name])}`)]));
  const table = (some, kind = "") => scroller("Parameters", h(`table.parameters${kind}`, h("thead.unseen", h("tr", h("th", "Parameter"), h("th", "Value"), h("th", "Changed"))), h("tbody", some.map(row))));
  const own = names.filter((name) => name in run.changed);
  return h("section.card.stack.tight", h("h2", "Parameters"),
    own.length ? table(own, ".own") : h("p.soft", "Everything at its default."),
    h("details.numbers", h("summary", `All ${names.length} parameters`), table(names)));
}
