/** Starting a training: a form made from what the pipeline says of its parameters. Only what is changed is sent. */
import { Problem, get, post, pressKey } from "./api.js";
import { h, replace } from "./dom.js";
import { plural } from "./format.js";
import { icon } from "./icons.js";
import { status } from "./live.js";
import { notice } from "./notice.js";
import { navigate } from "./router.js";
import { valueText } from "./figures.js";

const LONG = 130;
const OPEN = new Set(["Photos", "Network"]);

export function page(root, { query }) {
  const place = h("div.card.stack", [1, 2, 3, 4].map(() => h("div.skeleton")));
  const hint = h("div", { hidden: true });
  replace(root, h("div.page-head", h("div", h("nav.crumbs", { "aria-label": "Where you are" }, h("a", { href: "/runs" }, "Runs")), h("h1", "Start a training"),
    h("p", "Everything has a default that suits most photos; change what you know better. A new version goes into production only if it is better than the present one."))), hint, place);
  let gone = false;
  load(query.get("from")).then((found) => { if (!gone) place.replaceWith(form(...found)); }, (problem) => {
    if (!gone) place.replaceWith(h("div.told.bad", icon("alert"), h("div", h("b", "The form cannot be shown."), h("span", problem.message))));
  });
  const stop = status.subscribe((value) => { const said = value && waiting(value); hint.hidden = !said; if (said) replace(hint, said); });
  return () => { gone = true; stop(); };
}

async function load(from) {
  const [pipeline, run] = await Promise.all([get("/v1/pipeline"), from ? get(`/v1/runs/${encodeURIComponent(from)}`) : null]);
  return [pipeline, run];
}

function waiting(value) {
  const photos = value.waiting.uploads + value.waiting.feedback;
  if (photos) return h("div.told", icon("stack"), h("span", `${plural(photos, "labelled photo")} of people wait for this training; they are taken in, whatever the source.`));
  return !value.production && h("div.told.warn", icon("info"), h("div", h("b", "The first training needs photos."), h("span", "Name a source below, or upload some first on ", h("a", { href: "/data" }, "Data"), ".")));
}

function form(pipeline, run) {
  const fields = pipeline.parameters.map((parameter) => (parameter.members ? objectField(parameter, run, counted) : field(parameter, startingValue(parameter, run), counted)));
  const groups = [...new Set(pipeline.parameters.map((each) => each.group))];
  const marks = new Map(groups.map((group) => [group, h("span.badge.accent", { hidden: true })]));
  const error = h("div.told.bad", { role: "alert", hidden: true });
  const button = h("button.primary.big", { type: "submit" }, icon("play"), "Start the training");
  const total = h("span.soft", { role: "status" });
  function counted() {
    for (const group of groups) {
      const changed = fields.filter((each) => each.group === group && each.value() !== undefined).length;
      marks.get(group).hidden = !changed;
      marks.get(group).textContent = `${changed} changed`;
    }
    const all = fields.filter((each) => each.value() !== undefined).length;
    total.textContent = all ? `${plural(all, "parameter")} changed` : "Everything at its default";
  }
  // Of the same press, however often it is sent; of another, another.
  const key = pressKey();
  const send = async (event) => {
    event.preventDefault();
    const wrong = fields.filter((each) => !each.check());
    if (wrong.length) { wrong[0].show(); return; }
    button.disabled = true;
    error.hidden = true;
    const parameters = Object.fromEntries(fields.map((each) => [each.name, each.value()]).filter(([, value]) => value !== undefined));
    try {
      const started = await post("/v1/retrain", { parameters }, { headers: { "Idempotency-Key": key + digest(JSON.stringify(parameters)) } });
      notice("The training has begun.", { tone: "good" });
      navigate(`/runs/${started.run_id}`);
    } catch (problem) {
      button.disabled = false;
      if (!(problem instanceof Problem)) return;
      const other = problem.facts.run_id;
      replace(error, icon("alert"), h("div", h("b", other ? "Another training is going; one goes at a time." : "The training did not begin."), h("span", other ? h("a", { href: `/runs/${other}` }, "Look at it") : problem.message)));
      error.hidden = false;
      error.scrollIntoView({ block: "center" });
    }
  };
  const element = h("form.stack", { onsubmit: send, novalidate: true },
    groups.map((group) => h("details.card.group", { open: OPEN.has(group) || fields.some((each) => each.group === group && each.value() !== undefined) },
      h("summary", h("h2", group), marks.get(group)), h("div.fields", fields.filter((each) => each.group === group).map((each) => each.element)))),
    error, h("div.card.submit", total, h("div.actions", h("a.button", { href: "/runs" }, "Cancel"), button)));
  counted();
  return element;
}

/** What a field begins with: the value of the run that is done again, else the default. */
function startingValue(parameter, run) {
  const value = run?.parameters[parameter.name];
  return value === undefined ? parameter.default : value;
}

const isNumber = (parameter) => parameter.type.startsWith("NUMBER");
const isJson = (parameter) => parameter.type === "LIST" || parameter.type === "STRUCT";
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** One parameter: `value()` is undefined where it is at its default, `check()` says whether it can be sent. */
function field(parameter, start, tell, prefix = "") {
  const id = `p-${prefix}${parameter.name}`;
  const fault = h("p.field-error", { id: `${id}-fault`, role: "alert" });
  const reset = h("button.quiet.reset", { type: "button", hidden: true, "aria-label": `Reset ${parameter.name}`, title: `Back to ${valueText(parameter.default)}`, onclick: () => { set(parameter.default); changed(); input.focus(); } }, icon("undo"), "Reset");
  const input = control(parameter, id);
  const set = (value) => { input.value = isJson(parameter) ? JSON.stringify(value ?? (parameter.type === "LIST" ? [] : {})) : String(value ?? ""); };
  const read = () => {
    if (isNumber(parameter)) {
      const number = Number(input.value);
      if (input.value.trim() === "" || !Number.isFinite(number)) throw new Error("A number was expected.");
      if (parameter.type === "NUMBER_INTEGER" && !Number.isInteger(number)) throw new Error("A whole number was expected.");
      if (parameter.least !== undefined && number < parameter.least) throw new Error(`At least ${parameter.least}.`);
      if (parameter.most !== undefined && number > parameter.most) throw new Error(`At most ${parameter.most}.`);
      return number;
    }
    if (parameter.type === "BOOLEAN") return input.value === "true";
    if (!isJson(parameter)) return input.value;
    let found;
    try { found = JSON.parse(input.value || "null"); } catch { throw new Error("JSON was expected."); }
    if (Array.isArray(found) !== (parameter.type === "LIST") || typeof found !== "object" || found === null) throw new Error(parameter.type === "LIST" ? "A list such as [{\"l2\": 0.001}] was expected." : "An object such as {} was expected.");
    return found;
  };
  const value = () => { try { const found = read(); return same(found, parameter.default) ? undefined : found; } catch { return null; } };
  const check = () => {
    try { read(); fault.textContent = ""; } catch (error) { fault.textContent = error.message; }
    input.setAttribute("aria-invalid", String(Boolean(fault.textContent)));
    return !fault.textContent;
  };
  const changed = () => { check(); reset.hidden = value() === undefined; element.classList.toggle("changed", value() !== undefined); tell(); };
  input.addEventListener("change", changed);
  input.addEventListener("input", () => { if (fault.textContent) check(); });
  input.setAttribute("aria-describedby", `${id}-hint ${id}-fault`);
  const element = h(`div.field.parameter${parameter.description.length > LONG ? ".wide" : ""}`, h("div.parameter-head", h("label", { for: id }, parameter.name), reset), input, h("p.hint", { id: `${id}-hint` }, parameter.description, limits(parameter)), fault);
  const made = { name: parameter.name, group: parameter.group, element, value, check, show: () => { element.closest("details.members")?.setAttribute("open", ""); element.closest("details.group")?.setAttribute("open", ""); input.focus(); } };
  set(start);
  const initially = value();
  reset.hidden = initially === undefined;
  element.classList.toggle("changed", initially !== undefined);
  return made;
}

function control(parameter, id) {
  const options = parameter.choices ?? (parameter.type === "BOOLEAN" ? ["true", "false"] : null);
  if (options) return h("select", { id }, options.map((each) => h("option", { value: each }, each === String(parameter.default) ? `${each} (default)` : each)));
  if (isJson(parameter)) return h("textarea.mono", { id, rows: 2, spellcheck: "false" });
  return h("input", { id, type: isNumber(parameter) ? "number" : "text", step: parameter.type === "NUMBER_INTEGER" ? "1" : "any", min: parameter.least, max: parameter.most, placeholder: parameter.default === "" ? "empty" : null, spellcheck: "false", autocomplete: "off" });
}

function limits(parameter) {
  if (parameter.least === undefined || parameter.least === null) return "";
  return parameter.most === undefined || parameter.most === null ? ` From ${parameter.least}.` : ` ${parameter.least} to ${parameter.most}.`;
}

/** A parameter that is an object: a field for each value that it may hold; only those that are changed are in it. */
function objectField(parameter, run, tell) {
  const given = run?.parameters[parameter.name] ?? parameter.default ?? {};
  const made = { name: parameter.name, group: parameter.group };
  const members = parameter.members.map((each) => field(each, given[each.name] ?? each.default, tell, `${parameter.name}-`));
  const inside = () => Object.fromEntries(members.map((each) => [each.name, each.value()]).filter(([, value]) => value !== undefined));
  made.value = () => { const found = inside(); return Object.keys(found).length ? found : undefined; };
  made.check = () => members.filter((each) => !each.check()).length === 0;
  made.show = () => members.find((each) => !each.check())?.show();
  made.element = h("details.members", { open: made.value() !== undefined }, h("summary", h("b", parameter.name), h("span.hint", `${parameter.description.split(":")[0]}. ${plural(members.length, "value")}.`)), h("div.fields", members.map((each) => each.element)));
  return made;
}

function digest(text) {
  let sum = 0;
  for (const character of text) sum = (Math.imul(sum, 31) + character.codePointAt(0)) | 0;
  return (sum >>> 0).toString(16);
}
