/** A table in a frame of its own that scrolls where the table does not fit; then the keyboard reaches it too. */
import { h } from "./dom.js";

export function scroller(label, table) {
  const element = h("div.table", table);
  const mark = () => {
    const scrolls = element.scrollWidth > element.clientWidth || element.scrollHeight > element.clientHeight;
    const wanted = scrolls ? { tabindex: "0", role: "region", "aria-label": label } : {};
    for (const name of ["tabindex", "role", "aria-label"]) {
      if (name in wanted) element.setAttribute(name, wanted[name]);
      else element.removeAttribute(name);
    }
  };
  const watch = new ResizeObserver(mark);
  watch.observe(element);
  watch.observe(table);
  requestAnimationFrame(mark); // what is folded away is not observed
  return element;
}
