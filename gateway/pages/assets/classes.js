/** The classes of the dataset: how many images of each, by split, and what waits. */
import { h } from "./dom.js";
import { count, plural } from "./format.js";

const SPLITS = ["train", "validation", "test"];
const NAMES = { train: "training", validation: "validation", test: "test", waiting: "waiting" };

export function classes(data) {
  const most = Math.max(1, ...data.classes.map((each) => total(each) + each.uploads + each.feedback));
  return h("div.stack",
    h("ul.class-legend", { "aria-hidden": "true" }, Object.entries(NAMES).map(([kind, name]) => h("li", h(`span.swatch.${kind}`), name))),
    h("table.classes", h("caption.unseen", "Images of each class"),
      h("thead.unseen", h("tr", ["Class", "Images by split", "In the snapshot", "Waiting"].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", [...data.classes].sort((a, b) => total(b) - total(a) || b.uploads + b.feedback - a.uploads - a.feedback).map((each) => row(each, most)))));
}

function row(each, most) {
  const waiting = each.uploads + each.feedback;
  const parts = [...SPLITS.map((split) => [split, each[split]]), ["waiting", waiting]].filter(([, size]) => size);
  return h("tr", h("th", { scope: "row" }, each.label),
    h("td", h("div.class-parts", { role: "img", "aria-label": parts.map(([kind, size]) => `${count(size)} ${NAMES[kind]}`).join(", ") || "none" },
      parts.map(([kind, size]) => h(`span.${kind}`, { style: { width: `${(100 * size) / most}%` }, title: `${plural(size, "image")}, ${NAMES[kind]}` })))),
    h("td.number", count(total(each))),
    h("td.number.more-of", waiting ? h("span.badge.accent", `+${count(waiting)}`) : null));
}

const total = (each) => each.train + each.validation + each.test;
