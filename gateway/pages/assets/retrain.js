/** Starting a training from the data: what it learns from, with which settings, and what happens then. */
import { Problem, get, post, pressKey } from "./api.js";
import { confirm } from "./dialog.js";
import { h, replace } from "./dom.js";
import { count, plural } from "./format.js";
import { notice } from "./notice.js";
import { navigate } from "./router.js";

// Where the photos of that run came from; those it had are in the dataset by now.
const OF_THAT_RUN = new Set(["source", "sha256", "name"]);
const STEPS = [
  "The photos are frozen into a snapshot and checked.",
  "A candidate is trained; you can watch it.",
  "It is judged on photos it has not seen, beside the version in production.",
  "Only if it is good enough, it takes over. Nobody's prediction is interrupted.",
];

/** Ask, start, and go where it can be watched. */
export async function retrain(data, production) {
  const before = production ? settingsOf(production) : Promise.resolve({ parameters: {} });
  const place = h("div.settings", h("div.skeleton"), h("div.skeleton.short"));
  before.then((found) => replace(place, settings(found, production)));
  if (!await confirm("Start a training?", learnsFrom(data), { action: "Start it", content: [place, h("ol.next", STEPS.map((step) => h("li", step)))] })) return;
  const { parameters } = await before;
  try {
    const started = await post("/v1/retrain", { parameters }, { headers: { "Idempotency-Key": pressKey() } });
    notice("The training has started.", { tone: "good" });
    navigate(`/runs/${encodeURIComponent(started.run_id)}`);
  } catch (problem) {
    if (!(problem instanceof Problem) || problem.status === 401) return;
    const run = problem.facts.run_id;
    notice(problem.message, { tone: "bad", action: run && { label: "Follow it", run: () => navigate(`/runs/${encodeURIComponent(run)}`) } });
  }
}

function learnsFrom(data) {
  const waiting = data.uploads + data.feedback;
  if (!data.images) return `It is the first training: it learns from the ${plural(waiting, "photo")} that people sent.`;
  return `It learns from the ${plural(data.images, "image")} so far${waiting ? ` and the ${count(waiting)} that wait` : "; nothing new waits"}.`;
}

/** What the version in production was trained with that is not at its default: the next one is alike. */
async function settingsOf(version) {
  try {
    const { run } = await get(`/v1/models/${version}`, { ask: false });
    const found = await get(`/v1/runs/${encodeURIComponent(run)}`, { ask: false });
    const kept = Object.keys(found.changed).filter((name) => !OF_THAT_RUN.has(name));
    return { run, parameters: Object.fromEntries(kept.map((name) => [name, found.parameters[name]])) };
  } catch (problem) {
    if (problem instanceof Problem) return { parameters: {} }; // nobody knows any more
    throw problem;
  }
}

function settings({ run, parameters }, production) {
  const other = h("a", { href: run ? `/runs/new?from=${encodeURIComponent(run)}` : "/runs/new" }, "Choose others");
  const changed = Object.entries(parameters).map(([name, value]) => h("li", h("code", `${name} = ${typeof value === "string" ? value : JSON.stringify(value)}`)));
  return [h("p", h("b", changed.length ? `With the settings of version ${production}` : "With the default settings"), ". ", other, "."),
    changed.length > 0 && h("ul.chips", changed)];
}
