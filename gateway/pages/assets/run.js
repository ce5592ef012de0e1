/** One run: its drawing, live; why it failed where it did; and what came of it. */
import { get, post } from "./api.js";
import { dag } from "./dag.js";
import { confirm } from "./dialog.js";
import { h, replace } from "./dom.js";
import { time } from "./format.js";
import { icon } from "./icons.js";
import { poll } from "./live.js";
import { notice } from "./notice.js";
import { curvesCard, dataCard, figuresCard, parameterCard, verdictCard } from "./outcome.js";
import { setTitle } from "./router.js";
import { isLive, starter, stateBadge, stateOf, title, tookText, verdictBadge } from "./states.js";
import { openStep, splitReport } from "./step.js";

export function page(root, { id }) {
  const address = `/v1/runs/${encodeURIComponent(id)}`;
  const head = h("div.page-head", h("div", h("h1", "Run")));
  const alarm = h("div");
  head.append(h("div.skeleton.short"));
  const drawing = dag((step) => openStep(address, run, step));
  const parts = Object.fromEntries(["verdict", "figures", "curves", "data", "parameters"].map((name) => [name, h("div.part", { hidden: true })]));
  alarm.hidden = true;
  replace(root, head, alarm, h("section.card", { "aria-label": "Steps" }, drawing.element), ...Object.values(parts));
  const facts = {};
  let run = null;
  let shown = "";

  const show = (found) => {
    run = found;
    if (!isLive(run) && run.state !== "SUCCEEDED") for (const step of run.steps) step.missed = step.state === "SKIPPED";
    drawing.draw(run.steps);
    const now = JSON.stringify([run.state, run.decision, run.error, run.steps.map((step) => step.state)]);
    if (now === shown) { clock(); return; }
    shown = now;
    drawHead(head, address, run, (changed) => show(changed));
    put(alarm, failure(address, run));
    put(parts.verdict, verdictCard(run));
    put(parts.parameters, parameterCard(run));
    fetchFacts(address, run, facts, () => {
      put(parts.figures, figuresCard(run, facts));
      put(parts.curves, curvesCard(facts));
      put(parts.data, dataCard(address, facts));
    });
    if (!isLive(run)) stop();
  };
  const clock = () => {
    const element = head.querySelector(".took");
    if (element && run) element.textContent = tookText(run);
    drawing.tick();
  };
  const failed = (problem) => {
    if (run) return;
    if (!problem.passing) stop();
    replace(root, h("div.empty", icon("flow"), h("h1", problem.status === 404 ? "There is no such run" : "This run cannot be shown"), h("p", problem.message), h("a.button", { href: "/runs" }, "All runs")));
  };
  let stop = () => {};
  stop = poll((signal) => get(address, { signal }), 1500, show, failed);
  const ticking = setInterval(() => { if (run && isLive(run)) clock(); }, 500);
  return () => { stop(); clearInterval(ticking); drawing.end(); };
}

function put(place, content) {
  place.hidden = !content;
  if (content) replace(place, content);
}

function drawHead(head, address, run, changed) {
  setTitle(title(run));
  const cancel = async () => {
    const sure = await confirm("Cancel this run?", "Its steps end within a few seconds. What they have made so far is not published; production stays as it is.", { action: "Cancel the run", danger: true });
    if (!sure) return;
    try {
      changed(await post(`${address}/terminate`));
      notice("The run is ending.");
    } catch (problem) { if (problem.message) notice(problem.message, { tone: "bad" }); }
  };
  const heading = head.querySelector("h1");
  heading.textContent = title(run);
  replace(head,
    h("div", h("nav.crumbs", { "aria-label": "Where you are" }, h("a", { href: "/runs" }, "Runs")), heading,
      h("div.row.run-facts", stateBadge(run), verdictBadge(run),
        h("span.soft.small", { title: `Began ${time(run.created_at)}` }, h("span.took.number", tookText(run)), ` · started ${starter(run)}`),
        h("code.small", { title: "The id of the run" }, run.id.slice(0, 8)))),
    h("div.actions",
      isLive(run) && h("button", { type: "button", onclick: cancel }, icon("stop"), "Cancel"),
      run.version && h("a.button", { href: `/models/${run.version}` }, icon("box"), `Version ${run.version}`),
      h("a.button", { href: `/runs/new?from=${run.id}` }, icon("retry"), "Run again…")));
}

/** Why a run failed, and what to do about it. */
function failure(address, run) {
  if (run.state !== "FAILED") return null;
  const step = run.steps.find((each) => each.state === "FAILED");
  if (stateOf(run).word === "cancelled") return h("div.told.warn", icon("stop"), h("div", h("b", "Somebody cancelled this run."), h("span", "Nothing was published.")));
  const [first, ...rest] = splitReport(step?.error ?? run.error ?? "").split("\n");
  return h("div.told.bad", icon("alert"), h("div",
    h("b", step ? `${step.name} failed` : "The run failed"),
    h("p.failure", first || "It did not say why."),
    rest.length > 0 && h("details", h("summary", "The end of its log"), h("pre.log.short", h("code", rest.join("\n")))),
    step && h("p.soft.small", ADVICE[step.name] ?? "The log has the whole story."),
    step && h("div.row",
      step.has_report && h("button", { type: "button", onclick: () => openStep(address, run, step, "report") }, "Open the report"),
      h("button", { type: "button", onclick: () => openStep(address, run, step, "log") }, "Open the log"),
      h("a.button", { href: `/runs/new?from=${run.id}` }, icon("retry"), "Try again…"))));
}

const ADVICE = {
  ingest: "Check that the source is there and holds a folder for each class, as seen from the machine that runs the pipeline.",
  validate: "The report names the files. Mend the photos and run again, or change “thresholds” if you know better.",
  train: "Often a smaller batch size or image size helps, or weights that are already on this machine.",
  evaluate: "The data or the model in production may have changed meanwhile; running again decides anew.",
  export: "The model was good enough, but could not be published. Running again takes the known results.",
};

function fetchFacts(address, run, facts, done) {
  const wanted = { validation: "validate", training: "train", evaluation: "evaluate" };
  for (const [name, stepName] of Object.entries(wanted)) {
    const step = run.steps.find((each) => each.name === stepName);
    const there = step && (step.state === "SUCCEEDED" || (name === "validation" && step.state === "FAILED"));
    if (!there || facts[name]) continue;
    get(`${address}/${name}`, { ask: false }).then((found) => { facts[name] = found; done(); }, () => {});
  }
}
