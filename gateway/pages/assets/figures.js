/** The figures of models in words and numbers: names, order, and which direction is better. */
import { h } from "./dom.js";
import { percent } from "./format.js";
import { scroller } from "./tables.js";

const METRICS = {
  accuracy: { name: "accuracy", share: true, says: "share of right answers" },
  balanced_accuracy: { name: "balanced accuracy", share: true, says: "the same, each class counting the same" },
  macro_f1: { name: "macro F1", share: true, says: "precision and recall in one, averaged over the classes" },
  mcc: { name: "MCC", says: "correlation of answers and labels; 0 is guessing, 1 perfect" },
  top_2_accuracy: { name: "top-2 accuracy", share: true, says: "share where the right label is among the best two" },
  roc_auc: { name: "ROC AUC", says: "how well a class is ranked above the others" },
  pr_auc: { name: "PR AUC", says: "precision over recall, averaged over the classes" },
  log_loss: { name: "log loss", less: true, says: "how surprised it is by the right labels; 0 is best" },
  calibration_error: { name: "calibration error", less: true, says: "how far confidence and accuracy are apart; 0 is best" },
};
const MAIN = Object.keys(METRICS);
/** Those that tell one version from another at a glance. */
export const FEW = ["accuracy", "balanced_accuracy", "macro_f1", "log_loss"];
const EVEN = 5e-4;

export const metricName = (name) => METRICS[name]?.name ?? name.replaceAll("_", " ");
export const metricSays = (name) => METRICS[name]?.says ?? "";
const isShare = (name) => METRICS[name]?.share ?? /(accuracy|precision|recall|f1)$/.test(name);

export function metricText(name, value) {
  if (value === undefined || value === null) return "–";
  return isShare(name) ? percent(value) : value.toFixed(3);
}

/** The metrics that any of these have, the ones that matter first. */
function ordered(...sets) {
  const found = new Set(sets.flatMap((set) => Object.keys(set ?? {})));
  return [...MAIN.filter((name) => found.has(name)), ...[...found].filter((name) => !MAIN.includes(name)).sort()];
}

/** How much a value differs, with a word for whether that is good. */
function change(name, value, before) {
  if (value === undefined || before === undefined) return null;
  const difference = value - before;
  if (Math.abs(difference) < EVEN) return h("span.change", "±0");
  const better = (difference > 0) !== Boolean(METRICS[name]?.less);
  const shown = isShare(name) ? (100 * difference).toFixed(1) : difference.toFixed(3);
  return h(`span.change.${better ? "good" : "bad"}`, `${difference > 0 ? "+" : ""}${shown}`.replace("-", "−"), h("span.unseen", better ? ", better" : ", worse"));
}

/** Columns of metrics side by side, those of `only` or all: `columns` of {title, metrics}; differences are from the second to the first. */
export function metricTable(columns, { all = false, only = MAIN } = {}) {
  const names = ordered(...columns.map((column) => column.metrics)).filter((name) => all || only.includes(name));
  const compared = columns.length === 2;
  return scroller("Metrics", h("table.metrics",
    h("thead", h("tr", h("th", { scope: "col" }, "Metric"), columns.map((column) => h("th.number", { scope: "col" }, column.title)), compared && h("th.number", { scope: "col" }, "Change"))),
    h("tbody", names.map((name) => h("tr",
      h("th", { scope: "row", title: metricSays(name) }, metricName(name)),
      columns.map((column) => h("td.number", metricText(name, column.metrics?.[name]))),
      compared && h("td.number", change(name, columns[0].metrics?.[name], columns[1].metrics?.[name]) ?? "–"))))));
}

/** A parameter's value as one line. */
export function valueText(value) {
  if (value === undefined || value === null) return "–";
  if (typeof value === "object") { const text = JSON.stringify(value); return text === "{}" || text === "[]" ? "none" : text; }
  return value === "" ? "empty" : String(value);
}
