/** Shares as bars: the name, how long, how much. The numbers are text, so nothing is told by length alone. */
import { h } from "./dom.js";
import { percent } from "./format.js";

const SHOWN = 4;

/** A list of [name, share] pairs, the largest first; the rest on demand. */
export function shareBars(pairs, { best = null } = {}) {
  const list = h("ol.bars", { "aria-label": "How sure it is of each class" });
  const put = (some) => list.append(...some.map(([name, share]) => bar(name, share, name === best)));
  put(pairs.slice(0, SHOWN + (pairs.length === SHOWN + 1 ? 1 : 0)));
  const rest = pairs.slice(list.children.length);
  if (!rest.length) return list;
  const more = h("button.quiet.more", { type: "button", onclick: () => { put(rest); more.remove(); list.lastElementChild.scrollIntoView({ block: "nearest" }); } },
    `Show all ${pairs.length} classes`);
  return h("div.stack.tight", list, more);
}

function bar(name, share, isBest) {
  return h(`li.bar${isBest ? ".best" : ""}`,
    h("span.bar-name", { title: name }, name),
    h("span.bar-track", { "aria-hidden": "true" }, h("span", { style: { width: `${100 * Math.max(0, Math.min(1, share))}%` } })),
    h("span.bar-value.number", percent(share)));
}
