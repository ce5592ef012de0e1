/** One run: its drawing, live; its verdict and why; figures, curves, parameters; and the log and page of each step. */
import { get, post } from "./api.js";
import { columnChart, lineChart, matrix } from "./charts.js";
import { dag, progressOf } from "./dag.js";
import { confirm, openDialog } from "./dialog.js";
import { h, replace } from "./dom.js";
import { metricTable, valueText } from "./figures.js";
import { count, duration, percent, plural, time } from "./format.js";
import { icon } from "./icons.js";
import { poll } from "./live.js";
import { logViewer } from "./log.js";
import { notice } from "./notice.js";
import { setTitle } from "./router.js";
import { isLive, starter, stateBadge, stateOf, title, took, verdictBadge } from "./states.js";
import { scroller } from "./tables.js";

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
    if (element && run) element.textContent = duration(took(run));
    drawing.tick();
  };
  const failed = (problem) => {
    if (run) return;
    if (problem.status === 404) stop();
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
  const seconds = took(run);
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
        h("span.soft.small", { title: `Began ${time(run.created_at)}` }, h("span.took.number", seconds === null ? "" : duration(seconds)), ` · started ${starter(run)}`),
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
const splitReport = (text) => text.replace(/;? ?the report is \S+:\/\/\S+$/, "");

function verdictCard(run) {
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

function fetchFacts(address, run, facts, done) {
  const wanted = { validation: "validate", training: "train", evaluation: "evaluate" };
  for (const [name, stepName] of Object.entries(wanted)) {
    const step = run.steps.find((each) => each.name === stepName);
    const there = step && (step.state === "SUCCEEDED" || (name === "validation" && step.state === "FAILED"));
    if (!there || facts[name]) continue;
    get(`${address}/${name}`, { ask: false }).then((found) => { facts[name] = found; done(); }, () => {});
  }
}

function figuresCard(run, { evaluation }) {
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
      candidate.confusion.length > 0 && candidate.confusion.length <= 24 && matrix(candidate.classes.map((each) => each.label), candidate.confusion)),
    candidate.classes.length > 0 && h("details.numbers", h("summary", "Each class"), scroller("Each class", h("table",
      h("thead", h("tr", ["Class", "Images", "Recall", "Precision", "F1"].map((text, at) => h(at ? "th.number" : "th", { scope: "col" }, text)))),
      h("tbody", candidate.classes.map((each) => h("tr", h("th", { scope: "row" }, each.label), h("td.number", count(each.images)), ...["recall", "precision", "f1"].map((name) => h("td.number", each[name] === undefined ? "–" : percent(each[name]))))))))));
}

function curvesCard({ training }) {
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

function dataCard(address, { validation }) {
  if (!validation) return null;
  const splits = [["train", "train"], ["validation", "validation"], ["test", "test"]].filter(([name]) => validation.counts[name]);
  const classes = [...new Set(splits.flatMap(([name]) => Object.keys(validation.counts[name])))].sort();
  return h("section.card.stack", h("div.row.spread", h("h2", "Photos"), h("button.quiet", { type: "button", onclick: () => openReport(address, "validate", "What validation found") }, "Open the report")),
    h("p", validation.verdict, "."),
    classes.length <= 30 && columnChart({ title: "Images of each class", label: "Class", height: 200,
      bars: classes.map((name) => ({ name, parts: splits.map(([split]) => validation.counts[split][name] ?? 0) })),
      series: splits.map(([name, tone]) => ({ name, tone })) }),
    validation.findings.length > 0 && h("ul.reasons", validation.findings.map((each) => h("li",
      h(`span.sign.${each.severity === "hard" ? "bad" : "warn"}`, { role: "img", "aria-label": each.severity }, icon(each.severity === "hard" ? "cross" : "info")),
      h("span", h("b", each.title), " ", h("span.soft", each.message))))));
}

function parameterCard(run) {
  const names = Object.keys(run.parameters).sort();
  const row = (name) => h("tr", h("th", { scope: "row" }, h("code", name)), h("td", h("span.value", valueText(run.parameters[name]))),
    h("td", name in run.changed && [h("span.badge.accent", "changed"), h("span.soft.small", ` from ${valueText(run.changed[name])}`)]));
  const table = (some, kind = "") => scroller("Parameters", h(`table.parameters${kind}`, h("thead.unseen", h("tr", h("th", "Parameter"), h("th", "Value"), h("th", "Changed"))), h("tbody", some.map(row))));
  const own = names.filter((name) => name in run.changed);
  return h("section.card.stack.tight", h("h2", "Parameters"),
    own.length ? table(own, ".own") : h("p.soft", "Everything at its default."),
    h("details.numbers", h("summary", `All ${names.length} parameters`), table(names)));
}

/** A step in a drawer: facts, log and report, as tabs. */
function openStep(address, run, step, first = null) {
  if (!step) return;
  const place = h("div.drawer-body");
  let end = () => {};
  const path = `${address}/steps/${step.path.split("/").map(encodeURIComponent).join("/")}/log`;
  const tabs = [
    ["facts", "Overview", () => place.append(stepFacts(run, step))],
    (step.has_log || step.state === "RUNNING") && ["log", "Log", () => { const viewer = logViewer(path); end = viewer.end; place.append(viewer.element); }],
    step.has_report && ["SUCCEEDED", "FAILED"].includes(step.state) && ["report", "Report", () => place.append(reportFrame(address, step.name, `Report of ${step.name}`))],
  ].filter(Boolean);
  const buttons = tabs.map(([name, label]) => h("button.tab-button", { type: "button", role: "tab", id: `step-${name}`, onclick: () => choose(name) }, label));
  const choose = (name) => {
    end();
    end = () => {};
    replace(place);
    place.classList.toggle("framed", name === "report");
    tabs.forEach(([each], at) => { buttons[at].setAttribute("aria-selected", String(each === name)); buttons[at].tabIndex = each === name ? 0 : -1; });
    place.setAttribute("aria-labelledby", `step-${name}`);
    tabs.find(([each]) => each === name)[2]();
  };
  const walk = (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const at = (buttons.indexOf(document.activeElement) + by + tabs.length) % tabs.length;
    choose(tabs[at][0]);
    buttons[at].focus();
  };
  place.setAttribute("role", "tabpanel");
  const dialog = openDialog(step.name, [h("div.tab-buttons", { role: "tablist", "aria-label": "About this step", onkeydown: walk }, buttons), place], { onclose: () => end() });
  dialog.classList.add("drawer");
  choose(tabs.some(([name]) => name === first) ? first : "facts");
}

function stepFacts(run, step) {
  const fact = (name, value) => value && [h("dt", name), h("dd", value)];
  const waits = step.after.map((path) => run.steps.find((each) => each.path === path)?.name).filter(Boolean);
  const figures = step.progress ? Object.entries(step.progress.figures) : [];
  return h("div.stack", h("div.row", stateBadge(step), step.cached && h("span.badge", "an earlier result was taken")),
    h("p.soft", DOES[step.name] ?? ""),
    progressOf(step),
    step.error && h("div.told.bad", icon("alert"), h("p.failure", splitReport(step.error))),
    h("dl.facts-list",
      fact("Waited for", waits.join(", ")), fact("Began", step.started_at && time(step.started_at)), fact("Ended", step.finished_at && time(step.finished_at)),
      fact("Took", step.seconds !== undefined && duration(step.seconds)), fact("Tries", step.attempts > 1 && String(step.attempts)),
      figures.map(([name, value]) => fact(name.replaceAll("_", " "), String(value)))),
    step.state === "SKIPPED" && h("p.soft", "This step was not needed: the run went the other way, or ended before it."));
}

const DOES = {
  ingest: "Takes photos in, together with what people uploaded and corrected, and freezes them as a snapshot.",
  validate: "Looks for unreadable files, duplicates, contradicting labels and leaks between training and test.",
  train: "Trains the network on the snapshot.",
  evaluate: "Asks the new model and the one in production about the same test images, and decides.",
  export: "Turns the model into a version, proves it, publishes it and puts it into production.",
  "record-rejection": "Keeps on record why the model was not let in.",
};

function reportFrame(address, step, label) {
  const source = `${address}/reports/${encodeURIComponent(step)}`;
  return h("div.report", h("iframe", { src: source, title: label, sandbox: "", loading: "lazy" }), h("a.small", { href: source, target: "_blank", rel: "noopener" }, "Open it in a tab of its own"));
}

function openReport(address, step, label) {
  const dialog = openDialog(label, h("div.drawer-body.framed", reportFrame(address, step, label)));
  dialog.classList.add("drawer");
}
