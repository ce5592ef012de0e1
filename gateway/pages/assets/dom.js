/** Elements without markup: h("button.primary", {onclick: save}, "Save").
 *
 * Text is always a text node, so nobody's label ever becomes markup. Attributes that are false, null or undefined
 * are left out; `on…` adds a listener; `style` is an object of properties, `--custom` ones too.
 */
const SVG = "http://www.w3.org/2000/svg";

export function h(selector, ...rest) {
  const [tag, ...classes] = selector.split(".");
  return fill(document.createElement(tag || "div"), classes, rest);
}

export function svg(selector, ...rest) {
  const [tag, ...classes] = selector.split(".");
  return fill(document.createElementNS(SVG, tag), classes, rest);
}

/** Put new children in place of an element's old ones. */
export function replace(element, ...children) {
  element.replaceChildren(...nodes(children));
  return element;
}

function fill(element, classes, rest) {
  if (classes.length) element.setAttribute("class", classes.join(" "));
  if (isAttributes(rest[0])) apply(element, rest.shift());
  element.append(...nodes(rest));
  return element;
}

function isAttributes(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value) && !(value instanceof Node);
}

function apply(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, text] of Object.entries(value)) element.style.setProperty(key, text);
    else if (name === "class") element.classList.add(...value.split(" ").filter(Boolean));
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
}

function nodes(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : document.createTextNode(String(child))));
}
