/** Small charts, drawn as SVG. Each has its numbers as a table too, for whoever cannot see or would rather read. */
import { h, svg } from "./dom.js";
import { count, percent } from "./format.js";
import { scroller } from "./tables.js";

const W = 460, H = 190, LEFT = 46, RIGHT = 12, TOP = 12, BOTTOM = 26, WIDEST = 46;

/** Lines over x: `series` of {name, tone, points: [[x, y]…], dashed}; a y that is null breaks the line. */
export function lineChart({ title, series, x, y, note = null, height = H, width = W }) {
  const points = series.flatMap((each) => each.points).filter((point) => point[1] !== null);
  const [x0, x1] = range(x, points.map((point) => point[0]));
  const [y0, y1] = padded(y, points.map((point) => point[1]));
  const across = (value) => LEFT + ((value - x0) / (x1 - x0 || 1)) * (width - LEFT - RIGHT);
  const up = (value) => height - BOTTOM - ((value - y0) / (y1 - y0 || 1)) * (height - TOP - BOTTOM);
  const ticks = steps(y0, y1, 4);
  const drawing = svg("svg.chart", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${title}. ${series.map((each) => told(each, y)).join("; ")}` },
    ticks.map((value) => [svg("line.grid", { x1: LEFT, x2: width - RIGHT, y1: up(value), y2: up(value) }), svg("text.tick", { x: LEFT - 8, y: up(value) + 4, "text-anchor": "end" }, y.format(value))]),
    xTicks(x, x0, x1).map((value, at, all) => svg("text.tick", { x: across(value), y: height - 8, "text-anchor": at === 0 ? "start" : at === all.length - 1 ? "end" : "middle" }, x.format(value))),
    series.map((each) => [
      svg(`path.line.${each.tone}${each.dashed ? ".dashed" : ""}`, { d: path(each.points, across, up) }),
      each.points.filter((point, at) => point[1] !== null && lonely(each.points, at)).map((point) => svg(`circle.spot.${each.tone}`, { cx: across(point[0]), cy: up(point[1]), r: 3 }))]));
  return figure(title, drawing, series, note, table(title, [x.label, ...series.map((each) => each.name)], rows(series, x, y)));
}

/** Columns: `bars` of {name, value, parts: [{tone, value}]}. */
export function columnChart({ title, bars, series, format = count, label, note = null, height = H, width = W, ticks = null }) {
  const most = Math.max(1, ...bars.map((bar) => bar.parts.reduce((sum, part) => sum + part, 0)));
  const top = niceTop(most);
  const each = (width - LEFT - RIGHT) / Math.max(1, bars.length);
  const thick = Math.max(1, Math.min(WIDEST, each - Math.min(3, each * 0.24)));
  const up = (value) => (value / top) * (height - TOP - BOTTOM);
  const shown = ticks ?? bars.map((bar, at) => at);
  const drawing = svg("svg.chart", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${title}. ${summary(bars, series, format)}` },
    steps(0, top, 3).map((value) => [svg("line.grid", { x1: LEFT, x2: width - RIGHT, y1: height - BOTTOM - up(value), y2: height - BOTTOM - up(value) }), svg("text.tick", { x: LEFT - 8, y: height - BOTTOM - up(value) + 4, "text-anchor": "end" }, format(value))]),
    bars.map((bar, at) => {
      let below = height - BOTTOM;
      return svg("g", svg("title", `${bar.name}: ${bar.parts.map((part, i) => `${format(part)} ${series[i].name}`).join(", ")}`), bar.parts.map((part, i) => {
        below -= up(part);
        return part > 0 && svg(`rect.column.${series[i].tone}`, { x: LEFT + (at + 0.5) * each - thick / 2, width: thick, y: below, height: Math.max(1, up(part)), rx: Math.min(2, each / 4) });
      }));
    }),
    shown.map((at, place) => bars[at] && svg("text.tick", { x: LEFT + at * each + each / 2, y: height - 8, "text-anchor": place === 0 && bars.length > 20 ? "start" : place === shown.length - 1 && bars.length > 20 ? "end" : "middle" }, bars[at].tick ?? bars[at].name)));
  return figure(title, drawing, series, note, table(title, [label, ...series.map((one) => one.name)], bars.filter((bar) => bar.parts.some((part) => part)).map((bar) => [bar.name, ...bar.parts.map(format)])));
}

/** Who was taken for whom: a row a true class; the table is the chart. */
export function matrix(labels, rowsOf, { title = "Confusion matrix" } = {}) {
  const short = labels.length > 8;
  return h("figure.figure", h("figcaption.figure-title", title),
    scroller(title,
      h("table.matrix",
        h("thead", h("tr", h("th", { scope: "col" }, h("span.soft", "is ↓ said →")), labels.map((label) => h("th", { scope: "col", title: label }, h("span", label))))),
        h("tbody", rowsOf.map((row, at) => {
          const sum = row.reduce((a, b) => a + b, 0) || 1;
          return h("tr", h("th", { scope: "row", title: labels[at] }, labels[at]), row.map((images, to) => h(`td${at === to ? ".right" : images ? ".wrong" : ".none"}${images / sum > 0.55 ? ".deep" : ""}`,
            { style: { "--share": `${Math.round(100 * images / sum)}%` }, title: `${count(images)} of ${labels[at]} ${at === to ? "recognised" : `taken for ${labels[to]}`}` }, images || (short ? "" : "·"))));
        })))));
}

/** Names with counts, as bars. */
export function countBars(pairs, { label, tone = "first" }) {
  const sum = pairs.reduce((all, pair) => all + pair[1], 0) || 1;
  const most = Math.max(1, ...pairs.map((pair) => pair[1]));
  return h("ol.bars", { "aria-label": label }, pairs.map(([name, value]) => h("li.bar.counted",
    h("span.bar-name", { title: name }, name),
    h("span.bar-track", { "aria-hidden": "true" }, h(`span.${tone}`, { style: { width: `${100 * value / most}%` } })),
    h("span.bar-value.number", `${count(value)} · ${percent(value / sum, 0)}`))));
}

function figure(title, drawing, series, note, numbers) {
  return h("figure.figure", h("figcaption.figure-title", title),
    series.length > 1 && h("div.legend", series.map((each) => h(`span.key.${each.tone}${each.dashed ? ".dashed" : ""}`, each.name))),
    drawing, note && h("p.hint", note),
    h("details.numbers", h("summary", "As numbers"), scroller(`${title}, as numbers`, numbers)));
}

function table(title, head, body) {
  return h("table", h("caption.unseen", title), h("thead", h("tr", head.map((text, at) => h(at ? "th.number" : "th", { scope: "col" }, text)))),
    h("tbody", body.map((row) => h("tr", row.map((text, at) => h(at ? "td.number" : "th", at ? {} : { scope: "row" }, text))))));
}

function rows(series, x, y) {
  const at = [...new Set(series.flatMap((each) => each.points.map((point) => point[0])))].sort((a, b) => a - b);
  return at.map((place) => [x.format(place), ...series.map((each) => {
    const found = each.points.find((point) => point[0] === place);
    return found && found[1] !== null ? y.format(found[1]) : "–";
  })]);
}

function told(series, y) {
  const values = series.points.map((point) => point[1]).filter((value) => value !== null);
  if (!values.length) return `${series.name}: nothing`;
  return `${series.name}: from ${y.format(values[0])} to ${y.format(values.at(-1))}, between ${y.format(Math.min(...values))} and ${y.format(Math.max(...values))}`;
}

function summary(bars, series, format) {
  return series.map((each, i) => {
    const values = bars.map((bar) => bar.parts[i]);
    const most = Math.max(0, ...values);
    return `${each.name}: ${format(values.reduce((a, b) => a + b, 0))} in all, at most ${format(most)}${most ? ` (${bars[values.indexOf(most)].name})` : ""}`;
  }).join("; ");
}

function path(points, across, up) {
  let pen = "M";
  return points.map(([x, y]) => {
    if (y === null) { pen = "M"; return ""; }
    const piece = `${pen}${across(x).toFixed(1)} ${up(y).toFixed(1)}`;
    pen = "L";
    return piece;
  }).join("");
}

const lonely = (points, at) => (points[at - 1]?.[1] ?? null) === null && (points[at + 1]?.[1] ?? null) === null;

function range(axis, values) {
  return [axis.min ?? Math.min(...values), axis.max ?? Math.max(...values)];
}

function padded(axis, values) {
  if (!values.length) return [axis.min ?? 0, axis.max ?? 1];
  let low = axis.min ?? Math.min(...values);
  let high = axis.max ?? Math.max(...values);
  if (low === high) high = low + (Math.abs(low) || 1);
  if (axis.max === undefined) high = axis.min === 0 ? niceTop(high) : high + (high - low) * 0.06;
  return [low, high];
}

function niceTop(value) {
  const unit = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((factor) => factor * unit).find((top) => top >= value - 1e-9);
}

function steps(low, high, wanted) {
  const raw = (high - low) / wanted;
  const unit = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * unit).find((size) => size >= raw - 1e-12);
  const found = [];
  for (let value = Math.ceil(low / step - 1e-9) * step; value <= high + step * 1e-9; value += step) found.push(Math.abs(value) < 1e-12 ? 0 : value);
  return found;
}

function xTicks(axis, low, high) {
  if (axis.ticks) return axis.ticks;
  if (!axis.whole) return steps(low, high, 4);
  const step = Math.max(1, Math.ceil((high - low) / 6));
  const found = [];
  for (let value = low; value <= high; value += step) found.push(value);
  return found;
}
