/** A step of a run in a drawer: how it is, its log, its page. */
import { progressOf } from "./dag.js";
import { openDialog } from "./dialog.js";
import { h, replace } from "./dom.js";
import { enter } from "./enter.js";
import { duration, time } from "./format.js";
import { icon } from "./icons.js";
import { logViewer } from "./log.js";
import { stateBadge } from "./states.js";

/** An error without the address of the report, for which there is a button. */
export const splitReport = (text) => text.replace(/;? ?the report is \S+:\/\/\S+$/, "");

/** Facts, log and page, as tabs; `first` names the one to begin with. */
export function openStep(address, run, step, first = null) {
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
  const place = h("div.report");
  const show = () => enter().then(
    () => replace(place, h("iframe", { src: source, title: label, sandbox: "" }), h("a.small", { href: source, target: "_blank", rel: "noopener" }, "Open it in a tab of its own")),
    () => replace(place, h("div.empty", icon("key"), h("p", "The page shows photos, so it needs a token."), h("button", { type: "button", onclick: show }, "Sign in"))));
  show();
  return place;
}

/** The page that a step wrote, in a drawer. */
export function openReport(address, step, label) {
  const dialog = openDialog(label, h("div.drawer-body.framed", reportFrame(address, step, label)));
  dialog.classList.add("drawer");
}
