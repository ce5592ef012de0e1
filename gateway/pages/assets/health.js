/** “Health”: whether everything answers, and what the gateway did in the last hour or day. */
import { get } from "./api.js";
import { columnChart, countBars, lineChart } from "./charts.js";
import { h, replace } from "./dom.js";
import { count, duration, milliseconds, percent, plural } from "./format.js";
import { icon } from "./icons.js";
import { poll, status } from "./live.js";

const NAMES = { store: ["Object store", "photos, models, artifacts"], pipelines: ["Pipelines", "runs trainings"], model: ["Model server", "answers what photos show"], puller: ["Puller", "brings versions to the model server"], gateway: ["Gateway", "what you are talking to"] };
const COMMANDS = { store: "binocular logs store", pipelines: "binocular logs pipelines", model: "binocular logs model", puller: "binocular logs puller" };

export function page(root) {
  let window = "hour";
  const parts = h("ul.parts", { "aria-label": "Parts" }, [1, 2, 3, 4].map(() => h("li.part-card", h("div.skeleton"))));
  let uptime = null;
  const body = h("div.stack", h("div.card.stack", [1, 2, 3].map(() => h("div.skeleton"))));
  const choice = h("div.segments", { role: "group", "aria-label": "How far back" }, [["hour", "Last hour"], ["day", "Last day"]].map(([name, label]) =>
    h("button", { type: "button", "data-name": name, "aria-pressed": String(name === window), onclick: () => { window = name; for (const each of choice.children) each.setAttribute("aria-pressed", String(each.dataset.name === name)); stops[1](); stops[1] = look(); } }, label)));
  replace(root, h("div.page-head", h("div", h("h1", "Health"), h("p", "Whether every part answers, and how the gateway has been doing."))), parts, h("div.row.spread", h("h2", "Predictions"), choice), body);
  const look = () => poll((signal) => get(`/v1/status/history?window=${window}`, { signal }), 10000, (found) => drawHistory(body, found));
  const stops = [
    poll((signal) => get("/v1/status/parts", { signal }), 5000, (found) => replace(parts, gatewayPart(true, uptime), found.parts.map(part)), () => replace(parts, gatewayPart(false))),
    look(),
    status.subscribe((value) => { uptime = value ? value.uptime_s : null; }),
  ];
  return () => { for (const stop of stops) stop(); };
}

const gatewayPart = (answers, uptime = null) => part({ name: "gateway", answers, says: answers && uptime !== null ? `up for ${duration(uptime)}` : "answers" });

function part({ name, answers, ms, says }) {
  const [title, does] = NAMES[name];
  const slow = answers && ms > 1000;
  const [tone, mark, word] = !answers ? ["bad", "alert", "does not answer"] : slow ? ["warn", "clock", "slow"] : ["good", "check", "answers"];
  return h(`li.part-card.${tone}`, h("h3", title), h("p.soft.small", does),
    h("div.row", h(`span.badge.${tone}`, icon(mark), word), answers && ms !== undefined && h("span.soft.small.number", milliseconds(ms))),
    says !== "answers" && h("p.small", says),
    !answers && COMMANDS[name] && h("p.small", "On its machine: ", h("code", COMMANDS[name])));
}

function drawHistory(body, found) {
  const all = sum(found.points, "predictions"), failed = sum(found.points, "failed"), refused = sum(found.points, "refused");
  const opened = new Set([...body.querySelectorAll("details[open]")].map((each) => each.closest("figure")?.textContent.slice(0, 20)));
  replace(body, tiles(found, all, failed, refused), all ? charts(found, all) : quiet(found));
  for (const each of body.querySelectorAll("details")) if (opened.has(each.closest("figure")?.textContent.slice(0, 20))) each.open = true;
}

const sum = (rows, name) => rows.reduce((total, row) => total + row[name], 0);

function tiles(found, all, failed, refused) {
  const seconds = (value) => (value === undefined ? "–" : milliseconds(1000 * value));
  const tile = (name, value, note) => h("div.tile", h("dt", name), h("dd.number", value), h("dd.note", note));
  return h("dl.tiles", tile("Predictions", count(all), plural(sum(found.points, "others"), "other request")),
    tile("Half answered within", seconds(found.p50), "p50"), tile("95 % within", seconds(found.p95), `p95; 99 % within ${seconds(found.p99)}`),
    tile("Not told", ...untold(found)),
    tile("Failed", all ? percent(failed / all) : "–", `${count(failed)} failed, ${count(refused)} refused for what was sent`));
}

/** The share of predictions that were `unknown`, and why. */
function untold({ confidence, doubts }) {
  const every = sum(confidence, "count");
  const { unfamiliar = 0, unsure = 0 } = doubts;
  return [every ? percent((unfamiliar + unsure) / every) : "–", `${count(unfamiliar)} like nothing it learnt from, ${count(unsure)} unsure`];
}

function quiet() {
  return h("section.card.empty", icon("pulse"), h("h2", "Nobody has asked in this time"), h("p", "Ask about a photo, and this page shows how fast and how sure the answers are."), h("a.button.primary", { href: "/" }, "Try it"));
}

function charts(found, all) {
  const step = found.step_s;
  const begin = new Date(found.begins).getTime() / 1000;
  const spans = Math.ceil((new Date(found.ends).getTime() / 1000 - begin) / step);
  const at = new Map(found.points.map((point) => [Math.round((new Date(point.at).getTime() / 1000 - begin) / step), point]));
  const places = Array.from({ length: spans }, (_, place) => place);
  const clock = (place) => new Date((begin + place * step) * 1000).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
  const ticks = places.filter((place) => (begin + place * step) % (step === 60 ? 600 : 3600 * 4) === 0);
  const x = { label: "Time", format: clock, min: 0, max: spans - 1, ticks };
  const minute = step / 60;
  const line = (name, label, tone, dashed = false) => ({ name: label, tone, dashed, points: places.map((place) => [place, at.get(place)?.[name] ?? null]) });
  const labels = Object.entries(found.labels);
  return [
    h("section.card", columnChart({ title: minute === 1 ? "Requests a minute" : `Requests in ${minute} minutes`, label: "Time", height: 190, ticks,
      bars: places.map((place) => { const p = at.get(place); return { name: clock(place), tick: clock(place), parts: p ? [p.predictions - p.failed - p.refused, p.refused, p.failed] : [0, 0, 0] }; }),
      series: [{ name: "answered", tone: "first" }, { name: "refused", tone: "second" }, { name: "failed", tone: "third" }] })),
    h("section.card", lineChart({ title: "Time to answer", x, y: { format: (value) => (value ? milliseconds(1000 * value) : "0"), min: 0 }, height: 200,
      series: [line("p50", "p50", "train"), line("p95", "p95", "second"), line("p99", "p99", "third", true)], note: "Of single predictions, to the resolution of the counters." })),
    h("div.split",
      h("section.card.stack.tight", h("h3", "What they showed"), countBars(labels.slice(0, 12), { label: "Predictions by label" }), labels.length > 12 && h("p.hint", `and ${plural(labels.length - 12, "other label")}`)),
      h("section.card", columnChart({ title: "How sure it was", label: "Confidence", bars: found.confidence.map((bin) => ({ name: `${Math.round(100 * bin.low)} to ${Math.round(100 * bin.high)} %`, tick: `${Math.round(100 * bin.low)}`, parts: [bin.count] })), series: [{ name: "predictions", tone: "first" }], note: `Confidence in percent, of ${plural(sum(found.confidence, "count"), "prediction")}.` }))),
  ];
}
