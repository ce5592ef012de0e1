/** A run as a drawing: steps in layers, each behind those it waits for, with lines between them.
 *
 * The steps are buttons in the order of the work, so keyboard and screen reader walk them as the eye does; the lines
 * are decoration, and what they say is in each button's words. Where there is room the work goes from left to
 * right, else from top to bottom.
 */
import { h, replace, svg } from "./dom.js";
import { duration } from "./format.js";
import { icon } from "./icons.js";
import { stateOf } from "./states.js";

const WIDTH = 158, ACROSS = 34, DOWN = 20;
// A step has room for its progress; above each other, they are lower.
const LYING = 92, STANDING = 76;

/** `draw(steps)` shows them; `open(step)` is called when one is chosen. */
export function dag(open) {
  const lines = svg("svg.dag-lines", { "aria-hidden": "true" });
  const loading = h("div.skeleton.dag-loading");
  const element = h("div.dag", { role: "group", "aria-label": "The steps of this run" }, lines, loading);
  const buttons = new Map();
  let steps = [];
  let took = [];

  const arrange = () => {
    if (!steps.length || !element.clientWidth) return;
    const layers = layered(steps);
    const lying = layers.length * (WIDTH + ACROSS) - ACROSS <= element.clientWidth;
    const places = place(layers, lying, element.clientWidth);
    const height = lying ? LYING : STANDING;
    element.style.height = `${Math.max(...[...places.values()].map((at) => at.y + height))}px`;
    for (const [path, at] of places) {
      Object.assign(buttons.get(path).style, { left: `${at.x}px`, top: `${at.y}px`, width: `${at.width}px`, height: `${height}px` });
    }
    replace(lines, steps.flatMap((step) => step.after.filter((path) => places.has(path)).map((path) => {
      const from = steps.find((each) => each.path === path);
      const tone = step.state === "SKIPPED" || step.state === "PENDING" || from.state !== "SUCCEEDED" ? "" : ".taken";
      return svg(`path.dag-line${tone}`, { d: curve(places.get(path), places.get(step.path), lying) });
    })));
  };

  const watch = new ResizeObserver(arrange);
  watch.observe(element);
  return {
    element,
    draw(found) {
      steps = found;
      took = [];
      loading.remove();
      for (const step of steps) {
        if (!buttons.has(step.path)) {
          const button = h("button.dag-step", { type: "button" });
          button.onclick = () => open(steps.find((each) => each.path === step.path));
          buttons.set(step.path, button);
          element.append(button);
        }
        fill(buttons.get(step.path), step, steps, took);
      }
      arrange();
    },
    /** Let the clocks of running steps go on between two answers. */
    tick() {
      for (const { node, since } of took) node.textContent = duration((Date.now() - since) / 1000);
    },
    end() { watch.disconnect(); },
  };
}

function fill(button, step, steps, clocks) {
  const { tone, mark, word } = stateOf(step);
  const time = h("span.number");
  if (step.state === "RUNNING" && step.started_at) {
    clocks.push({ node: time, since: new Date(step.started_at).getTime() });
    time.textContent = duration((Date.now() - new Date(step.started_at).getTime()) / 1000);
  } else if (step.seconds !== undefined) time.textContent = duration(step.seconds);
  const after = step.after.map((path) => steps.find((each) => each.path === path)?.name).filter(Boolean);
  button.className = `dag-step ${tone} ${step.state.toLowerCase()}`;
  replace(button,
    h("span.dag-name", step.name),
    h("span.dag-state", icon(mark), h("span", step.cached ? "known already" : word), time),
    progressOf(step) ?? (step.attempts > 1 ? h("small.soft", `try ${step.attempts}`) : null),
    after.length > 0 && h("span.unseen", `, after ${after.join(" and ")}`));
}

/** How far a running step is, with how long it may still take. */
export function progressOf(step) {
  const found = step.state === "RUNNING" ? step.progress : null;
  if (!found) return null;
  const share = found.total ? Math.min(1, found.done / found.total) : null;
  const left = found.eta_s === undefined ? null : found.eta_s - (Date.now() - new Date(found.at).getTime()) / 1000;
  const words = `${found.event}: ${round(found.done)}${found.total ? ` of ${round(found.total)}` : ""} ${found.unit}`;
  const rest = left === null ? "" : left < 1 ? "almost done" : `about ${duration(Math.max(1, Math.round(left)))} left`;
  return h("span.dag-progress",
    share !== null && h("span.progress", { role: "progressbar", "aria-label": words, "aria-valuenow": Math.round(100 * share), "aria-valuemin": 0, "aria-valuemax": 100 },
      h("span", { style: { width: `${100 * share}%` } })),
    h("small.soft", rest || words));
}

const round = (value) => (Number.isInteger(value) ? value : value.toFixed(1));

/** The steps by layer: one behind the last of those that it waits for. */
function layered(steps) {
  const depth = new Map();
  for (const step of steps) depth.set(step.path, Math.max(-1, ...step.after.map((path) => depth.get(path) ?? -1)) + 1);
  const layers = [];
  for (const step of steps) (layers[depth.get(step.path)] ??= []).push(step);
  return layers;
}

function place(layers, lying, room) {
  const places = new Map();
  const height = lying ? LYING : STANDING;
  const most = Math.max(...layers.map((layer) => layer.length));
  layers.forEach((layer, depth) => layer.forEach((step, at) => {
    if (lying) {
      const width = Math.min(200, (room - (layers.length - 1) * ACROSS) / layers.length);
      const whole = most * (height + DOWN) - DOWN, mine = layer.length * (height + DOWN) - DOWN;
      const gap = (room - layers.length * width) / Math.max(1, layers.length - 1);
      places.set(step.path, { x: depth * (width + gap), y: (whole - mine) / 2 + at * (height + DOWN), width });
    } else {
      const gap = 12, width = (room - (layer.length - 1) * gap) / layer.length;
      places.set(step.path, { x: at * (width + gap), y: depth * (height + DOWN), width });
    }
  }));
  return places;
}

function curve(from, to, lying) {
  const height = lying ? LYING : STANDING;
  if (lying) {
    const x1 = from.x + from.width, y1 = from.y + height / 2, x2 = to.x, y2 = to.y + height / 2, middle = (x1 + x2) / 2;
    return `M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}`;
  }
  const x1 = from.x + from.width / 2, y1 = from.y + height, x2 = to.x + to.width / 2, y2 = to.y, middle = (y1 + y2) / 2;
  return `M${x1} ${y1}C${x1} ${middle} ${x2} ${middle} ${x2} ${y2}`;
}
