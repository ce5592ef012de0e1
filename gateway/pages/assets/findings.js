/** What the newest validation found fault with. */
import { Problem, get } from "./api.js";
import { h, replace } from "./dom.js";
import { ago, count, plural } from "./format.js";
import { icon } from "./icons.js";

const LOOKED_BACK = 5;

/** The section; it stays away until a run has got as far as validation. */
export function findings() {
  const element = h("section.card.stack", { hidden: true, "aria-labelledby": "findings-title" });
  const load = async () => {
    try {
      const { runs } = await get(`/v1/runs?limit=${LOOKED_BACK}`, { ask: false });
      for (const run of runs) {
        const found = await get(`/v1/runs/${run.id}/validation`, { ask: false }).catch(absent);
        if (found) { show(run, found); return; }
      }
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
    }
  };
  const show = (run, found) => {
    replace(element,
      h("div.row.spread", h("div", h("h2", { id: "findings-title" }, "What validation found"),
        h("p.soft.small", `${found.verdict}. ${run.created_at ? `The run of ${ago(run.created_at)}.` : ""}`)),
      h("a.button", { href: `/runs/${encodeURIComponent(run.id)}` }, "See the run", icon("arrow"))),
      found.findings.length
        ? h("ul.findings", found.findings.map((each) => h("li",
          h(`span.badge.${each.severity === "hard" ? "bad" : "warn"}`, icon(each.severity === "hard" ? "cross" : "alert"), each.severity === "hard" ? "stops the run" : "worth a look"),
          h("div", h("b", each.title), h("p.soft", each.message)), h("span.soft.number", count(each.total)))))
        : h("div.told.good", icon("check"), h("div", `Nothing to complain about in ${plural(found.images, "image")}.`)));
    element.hidden = false;
  };
  load();
  return element;
}

function absent(problem) {
  if (problem instanceof Problem) return null;
  throw problem;
}
