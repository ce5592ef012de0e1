/** The little Markdown of a model card as elements: headings, lists, tables, rules, code, strong, emphasis.
 *
 * Everything ends up as text nodes, so a card can hold whatever it likes; links are shown and lead nowhere.
 */
import { h } from "./dom.js";
import { scroller } from "./tables.js";

// A mark behind a backslash is a letter like any other: it is put out of the way until it is shown.
const hide = (text) => text.replace(/\\([\\`*_{}[\]<>#|])/g, (_, mark) => String.fromCharCode(0xe000 + mark.charCodeAt(0)));
const show = (text) => text.replace(/[\ue000-\ue07f]/g, (each) => String.fromCharCode(each.charCodeAt(0) - 0xe000));

export function markdown(text) {
  const lines = hide(text).replace(/^---\n[\s\S]*?\n---\n/, "").split("\n");
  const blocks = [];
  let at = 0;
  const take = (fits) => { const found = []; while (at < lines.length && fits(lines[at])) found.push(lines[at++]); return found; };
  while (at < lines.length) {
    const line = lines[at];
    const heading = /^(#{1,6}) (.*)$/.exec(line);
    if (!line.trim()) at += 1;
    else if (heading) { blocks.push(h(heading[1].length < 3 ? "h3" : "h4", inline(heading[2]))); at += 1; }
    else if (line.startsWith("```")) { at += 1; const code = take((each) => !each.startsWith("```")); at += 1; blocks.push(h("pre.command", h("code", show(code.join("\n"))))); }
    else if (line.startsWith("|")) blocks.push(table(take((each) => each.startsWith("|"))));
    else if (/^\s*([-*]|\d+\.) /.test(line)) blocks.push(h(/^\s*\d/.test(line) ? "ol" : "ul", items(take((each) => /^\s*([-*]|\d+\.) /.test(each) || /^ {2,}\S/.test(each)))));
    else if (/^(-{3,}|\*{3,})$/.test(line)) { blocks.push(h("hr")); at += 1; }
    else blocks.push(h("p", inline(take((each) => each.trim() && !/^(#|\||```|\s*([-*]|\d+\.) )/.test(each)).join(" ") || lines[at++])));
  }
  return blocks;
}

function items(lines) {
  const found = [];
  for (const line of lines) {
    const item = /^\s*(?:[-*]|\d+\.) (.*)$/.exec(line);
    if (item) found.push(item[1]); else found[found.length - 1] += ` ${line.trim()}`;
  }
  return found.map((each) => h("li", inline(each)));
}

function table(lines) {
  const cells = (line) => line.replace(/^\||\|\s*$/g, "").split("|").map((cell) => cell.trim());
  const rows = lines.filter((line) => !/^[|\s:-]+$/.test(line)).map(cells);
  const [head = [], ...body] = rows;
  return scroller("Table", h("table", h("thead", h("tr", head.map((cell) => h("th", inline(cell))))), h("tbody", body.map((row) => h("tr", row.map((cell) => h("td", inline(cell))))))));
}

const PIECES = /(`[^`]+`)|(\*\*[^*]+\*\*)|(\*[^*\s][^*]*\*)|\[([^\]]+)\]\(([^)\s]+)\)/g;

function inline(text) {
  const found = [];
  let from = 0;
  for (const match of text.matchAll(PIECES)) {
    if (match.index > from) found.push(show(text.slice(from, match.index)));
    if (match[1]) found.push(h("code", show(match[1].slice(1, -1))));
    else if (match[2]) found.push(h("strong", show(match[2].slice(2, -2))));
    else if (match[3]) found.push(h("em", show(match[3].slice(1, -1))));
    else found.push(show(match[4] === match[5] ? match[4] : `${match[4]} (${match[5]})`));
    from = match.index + match[0].length;
  }
  found.push(show(text.slice(from)));
  return found;
}
