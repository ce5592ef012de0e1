/** Small charts, drawn as SVG. Each has its numbers as a table too, for whoever cannot see or would rather read. */
import { h, replace, svg } from "./dom.js";
import { count, percent } from "./format.js";
import { scroller } from "./tables.js";

const H = 190, FIRST_WIDTH = 460, LETTER = 6.5, LEFT = 46, RIGHT = 12, TOP = 12, BOTTOM = 26, WIDEST = 46;
const SPLITS = ["train", "validation", "test"];
// More classes than this are told by tables: nobody could tell the columns, or read the cells.
const MOST_COLUMNS = 30, MOST_CELLS = 24;

/** Lines over x: `series` of {name, tone, points: [[x, y]…], dashed}; a y that is null breaks the line. */
export function lineChart({ title, series, x, y, note = null, height = H }) {
  const points = series.flatMap((each) => each.points).filter((point) => point[1] !== null);
  const [x0, x1] = range(x, points.map((point) => point[0]));
  const [y0, y1] = padded(y, points.map((point) => point[1]));
  const label = `${title}. ${series.map((each) => told(each, y)).join("; ")}`;
  const draw = (width) => {
    const across = (value) => LEFT + ((value - x0) / (x1 - x0 || 1)) * (width - LEFT - RIGHT);
    const up = (value) => height - BOTTOM - ((value - y0) / (y1 - y0 || 1)) * (height - TOP - BOTTOM);
    return canvas(width, height, label,
      steps(y0, y1, 4).map((value) => level(value, up(value), width, y.format)),
      spaced(xTicks(x, x0, x1), across, x.format).map((value) => under(across(value), height, x.format(value), across(value) > width - 24 ? "end" : "middle")),
      series.map((each) => [
        svg(`path.line.${each.tone}${each.dashed ? ".dashed" : ""}`, { d: path(each.points, across, up) }),
        each.points.filter((point, at) => point[1] !== null && lonely(each.points, at)).map((point) => svg(`circle.spot.${each.tone}`, { cx: across(point[0]), cy: up(point[1]), r: 3 }))]));
  };
  return figure(title, room(draw), series, note, table(title, [x.label, ...series.map((each) => each.name)], rows(series, x, y)));
}

/** Columns: `bars` of {name, value, parts: [{tone, value}]}. */
export function columnChart({ title, bars, series, format = count, label, note = null, height = H, ticks = null }) {
  const top = niceTop(Math.max(1, ...bars.map((bar) => bar.parts.reduce((sum, part) => sum + part, 0))));
  const says = `${title}. ${summary(bars, series, format)}`;
  const draw = (width) => {
    const each = (width - LEFT - RIGHT) / Math.max(1, bars.length);
    const thick = Math.max(1, Math.min(WIDEST, each - Math.min(3, each * 0.24)));
    const up = (value) => (value / top) * (height - TOP - BOTTOM);
    const middle = (at) => LEFT + (at + 0.5) * each;
    const named = ticks ? spaced(ticks, middle, (at) => bars[at].tick ?? bars[at].name) : bars.map((_, at) => at);
    const fits = Math.floor(each / LETTER);
    const short = (text) => (ticks || text.length <= fits ? text : fits < 3 ? "" : `${text.slice(0, fits - 1)}…`);
    return canvas(width, height, says,
      steps(0, top, 3).map((value) => level(value, height - BOTTOM - up(value), width, format)),
      bars.map((bar, at) => {
        let below = height - BOTTOM;
        return svg("g", svg("title", `${bar.name}: ${bar.parts.map((part, i) => `${format(part)} ${series[i].name}`).join(", ")}`), bar.parts.map((part, i) => {
          below -= up(part);
          return part > 0 && svg(`rect.column.${series[i].tone}`, { x: middle(at) - thick / 2, width: thick, y: below, height: Math.max(1, up(part)), rx: Math.min(2, each / 4) });
        }));
      }),
      named.map((at) => bars[at] && under(middle(at), height, short(bars[at].tick ?? bars[at].name))));
  };
  return figure(title, room(draw), series, note, table(title, [label, ...series.map((one) => one.name)], bars.filter((bar) => bar.parts.some((part) => part)).map((bar) => [bar.name, ...bar.parts.map(format)])));
}

/** Images of each class by split, where the classes are not too many; `counts` are split → class → images. */
export function classChart(classes, counts, height) {
  const splits = SPLITS.filter((name) => counts[name]);
  return classes.length <= MOST_COLUMNS && columnChart({ title: "Images of each class", label: "Class", height,
    bars: classes.map((name) => ({ name, parts: splits.map((split) => counts[split][name] ?? 0) })),
    series: splits.map((name) => ({ name, tone: name })) });
}

/** Who was taken for whom, where the classes are not too many: a row a true class; the table is the chart. */
export function matrix({ classes, confusion }, title = "Confusion matrix") {
  if (!confusion.length || confusion.length > MOST_CELLS) return null;
  const labels = classes.map((each) => each.label);
  const short = labels.length > 8;
  return h("figure.figure", h("figcaption.figure-title", title),
    scroller(title,
      h("table.matrix",
        h("thead", h("tr", h("th", { scope: "col" }, h("span.soft", "is ↓ said →")), labels.map((label) => h("th", { scope: "col", title: label }, h("span", label))))),
        h("tbody", confusion.map((row, at) => {
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

/** A place whose drawing is as wide as it: letters are as large on a phone as anywhere. */
function room(draw) {
  const element = h("div.chart-room", draw(FIRST_WIDTH));
  let drawn = FIRST_WIDTH;
  new ResizeObserver(([entry]) => {
    const width = Math.round(entry.contentRect.width);
    if (width > 0 && width !== drawn) { drawn = width; replace(element, draw(width)); }
  }).observe(element);
  return element;
}

const canvas = (width, height, label, ...children) => svg("svg.chart", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label }, ...children);

const level = (value, y, width, format) => [
  svg("line.grid", { x1: LEFT, x2: width - RIGHT, y1: y, y2: y }),
  svg("text.tick", { x: LEFT - 8, y: y + 4, "text-anchor": "end" }, format(value))];

const under = (x, height, text, anchor = "middle") => svg("text.tick", { x, y: height - 8, "text-anchor": anchor }, text);

/** Of places on the axis, those between which there is room for their words. */
function spaced(values, across, format) {
  let end = -Infinity;
  return values.filter((value) => {
    const half = (format(value).length * LETTER) / 2;
    const fits = across(value) - half > end + LETTER;
    if (fits) end = across(value) + half;
    return fits;
  });
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
