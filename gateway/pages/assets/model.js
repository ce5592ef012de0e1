/** One version: what it learnt from, how good it is, its card, its files. */
import { get } from "./api.js";
import { classChart } from "./charts.js";
import { h, replace } from "./dom.js";
import { metricTable, valueText } from "./figures.js";
import { download } from "./enter.js";
import { ago, bytes, plural, time } from "./format.js";
import { icon } from "./icons.js";
import { markdown } from "./markdown.js";
import { who } from "./models.js";
import { promoteButton, versionBadges } from "./promote.js";
import { setTitle } from "./router.js";
import { scroller } from "./tables.js";

export function page(root, { version }) {
  let gone = false;
  replace(root, h("div.page-head", h("div", h("h1", `Version ${version}`))), h("div.card.stack", [1, 2, 3].map(() => h("div.skeleton"))));
  const load = async () => {
    try {
      const [model, models] = await Promise.all([get(`/v1/models/${encodeURIComponent(version)}`), get("/v1/models?limit=100")]);
      const champion = model.champion ? await get(`/v1/models/${model.champion}`).catch(() => null) : null;
      if (!gone) draw(root, model, models, champion, load);
    } catch (problem) {
      if (!gone) replace(root, h("div.empty", icon("box"), h("h1", problem.status === 404 ? `There is no version ${version}` : "This version cannot be shown"), h("p", problem.message), h("a.button", { href: "/models" }, "All versions")));
    }
  };
  setTitle(`Version ${version}`);
  load();
  return () => { gone = true; };
}

function draw(root, model, models, champion, again) {
  const [last] = model.moves;
  replace(root,
    h("div.page-head", h("div", h("nav.crumbs", { "aria-label": "Where you are" }, h("a", { href: "/models" }, "Models")), h("h1", `Version ${model.version}`),
      h("div.row.run-facts", versionBadges(model), h("span.soft.small", "made ", h("time", { datetime: model.created, title: time(model.created) }, ago(model.created)), " by run ", h("a", { href: `/runs/${model.run}` }, model.run.slice(0, 8))))),
      h("div.actions", h("a.button", { href: `/v1/models/${model.version}/model.zip`, download: true, onclick: download }, icon("folder"), "Download"), !model.production && !model.retired && promoteButton(models, model.version, again))),
    model.summary && h("section.card.stack.tight", h("h2", "Verdict"), h("p.verdict-summary", model.summary),
      last ? h("p.soft.small", model.production ? "In production since " : "Last put into production ", h("time", { title: time(last.at) }, ago(last.at)), " by ", who(last.by), last.why !== model.summary ? `: ${last.why}` : "", ".") : h("p.soft.small", "It has never been in production.")),
    h("section.card.stack", h("h2", "On its test images"),
      metricTable([{ title: `Version ${model.version}`, metrics: model.metrics }, ...(champion ? [{ title: `Version ${champion.version}`, metrics: champion.metrics }] : [])]),
      champion && h("p.hint", `Version ${champion.version} was in production when this one was let in; its figures here are from its own test images.`),
      h("details.numbers", h("summary", "All metrics"), metricTable([{ title: `Version ${model.version}`, metrics: model.metrics }], { all: true }))),
    learntFrom(model), files(model),
    model.card && h("details.card.group", h("summary", h("h2", "Model card")), h("div.markdown", markdown(model.card))));
}

function learntFrom(model) {
  const images = Object.values(model.counts).flatMap(Object.values).reduce((a, b) => a + b, 0);
  const changed = Object.entries(model.recipe).sort(([a], [b]) => a.localeCompare(b));
  return h("section.card.stack", h("h2", "What it learnt from"),
    h("p", `${plural(images, "photo")} of ${plural(model.classes.length, "class", "classes")}`, model.snapshot && [", snapshot ", h("code", { title: model.snapshot.prefix }, model.snapshot.digest.slice(0, 12))], "."),
    classChart(model.classes, model.counts, 170),
    h("dl.facts-list", fact("Network", `${model.architecture}, ${model.image.join(" × ")} pixels`), fact("Began with", model.weights === "none" ? "random weights" : model.weights),
      model.quantization && fact("Served in", h("span", model.quantization.taken ? "int8" : "float", h("span.soft", ` ${model.quantization.reason}`))),
      model.energy && fact("Energy", `${(1000 * model.energy.kwh).toPrecision(2)} Wh, ${(1000 * model.energy.co2_kg).toPrecision(2)} g of CO₂ (${model.energy.country})`),
      model.chosen.map((each) => fact(each.name, h("span", each.value, h("span.soft", ` ${each.because}`))))),
    h("details.numbers", h("summary", `The recipe: ${plural(changed.length, "parameter")}`), scroller("Recipe", h("table.parameters", h("tbody", changed.map(([name, value]) => h("tr", h("th", { scope: "row" }, h("code", name)), h("td", h("span.value", valueText(value))))))))));
}

const fact = (name, value) => [h("dt", name), h("dd", value)];

function files(model) {
  const all = model.files.reduce((sum, file) => sum + file.size, 0);
  return h("section.card.stack.tight", h("div.row.spread", h("h2", "Files"), h("span.soft.small", `${plural(model.files.length, "file")}, ${bytes(all)}`)),
    scroller("Files", h("table.files", h("thead.unseen", h("tr", h("th", "File"), h("th", "What it is"), h("th", "Size"))), h("tbody", model.files.map((file) => h("tr",
      h("td", h("a", { href: `/v1/models/${model.version}/files/${file.name.split("/").map(encodeURIComponent).join("/")}`, download: true, onclick: download, title: `SHA-256 ${file.sha256}` }, h("code", file.name))), h("td.soft.small", (model.quantization?.taken && INT8[file.name]) || (ABOUT[file.name] ?? "")), h("td.number", bytes(file.size))))))));
}

const INT8 = { "model.tflite": "the int8 form of the graph, for LiteRT" };

const ABOUT = {
  "saved_model.pb": "the graph, for TensorFlow and TensorFlow Serving",
  "model.tflite": "the same graph, for LiteRT",
  "labels.json": "the classes, in the order of the answers",
  "golden.npz": "images with the answers that every copy must give",
  "binocular.json": "the facts on this page",
  "README.md": "the model card",
  "assets.extra/tf_serving_warmup_requests": "what a server asks itself before it answers others",
};
