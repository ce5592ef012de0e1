/** Moving production: a question that says from where to where, and asks why. */
import { Problem, post } from "./api.js";
import { confirm } from "./dialog.js";
import { h } from "./dom.js";
import { FEW, metricTable } from "./figures.js";
import { icon } from "./icons.js";
import { notice } from "./notice.js";

export function versionBadges(version) {
  return [
    version.production && h("span.badge.good", icon("check"), "in production"),
    version.available && !version.production && h("span.badge", "loaded"),
    version.production && !version.available && h("span.badge.warn", icon("clock"), "not loaded yet"),
    version.retired && h("span.badge", icon("trash"), "deleted"),
  ];
}

/** `models` is the answer of /v1/models; `done` is called when production has moved. */
export function promoteButton(models, version, done, { back = false } = {}) {
  const label = !back ? "Put into production" : version < models.production ? `Roll back to version ${version}` : `Back to version ${version}`;
  return h("button", { type: "button", "aria-label": back ? label : `Put version ${version} into production`, onclick: () => ask(models, version, back, done) }, back && icon("undo"), label);
}

async function ask(models, version, back, done) {
  const from = models.production ?? null;
  const why = h("textarea", { id: "why", rows: 2, maxlength: 1000, placeholder: back ? `What is wrong with version ${from}?` : "For whoever asks later" });
  const [now, then] = [from, version].map((number) => models.versions.find((each) => each.version === number));
  const content = h("div.stack",
    h("div.from-to", { role: "img", "aria-label": `from ${from ? `version ${from}` : "nothing"} to version ${version}` },
      h("span.pill", from ? `version ${from}` : "nothing"), icon("arrow"), h("span.pill.accent", `version ${version}`)),
    now && then && metricTable([{ title: `Version ${version}`, metrics: then.metrics }, { title: `Version ${from}`, metrics: now.metrics }], { only: FEW }),
    h("div.field", h("label", { for: "why" }, "Why?"), why));
  const sure = await confirm(back ? `Roll back to version ${version}?` : `Put version ${version} into production?`,
    "The model server loads it within seconds; until then the present one answers. It can be moved back at any time.",
    { action: back ? "Roll back" : "Put into production", danger: back, content });
  if (!sure) return;
  try {
    await post(`/v1/models/${version}/promote`, { why: why.value.trim() || (back ? "rolled back by hand" : "by hand"), ...(from ? { over: from } : {}) });
    notice(`Version ${version} is in production.`, { tone: "good" });
  } catch (problem) {
    if (problem instanceof Problem) notice(problem.code === "conflict" ? "Production was moved by somebody else meanwhile: look again, then decide." : problem.message, { tone: "bad" });
  }
  done();
}
