/** Adding labelled photos: chosen or dropped, looked over, sent, and what became of each. */
import { Problem } from "./api.js";
import { h, replace } from "./dom.js";
import { chosen, dropped, sorted } from "./folders.js";
import { bytes, count, plural } from "./format.js";
import { icon } from "./icons.js";
import { notice } from "./notice.js";
import { dropAndPaste, picker } from "./photos.js";
import { send, sendZip } from "./sending.js";

const MOST_SHOWN = 50;

/** The section; `labels()` are the classes there are, `added()` is told when something was stored. */
export function adding({ labels, added }) {
  const body = h("div", { "aria-live": "polite" });
  let sending = null;

  const look = (files) => {
    if (sending) { notice("Wait until these photos are sent, then add more."); return; }
    if (files.length === 1 && /\.zip$/i.test(files[0].file.name)) { reviewZip(files[0].file); return; }
    const found = sorted(files);
    if (!found.loose.length && !found.labelled.size) { tell("warn", "There are no photos among these files."); return; }
    if (found.loose.length) nameLoose(found);
    else review(found);
  };

  const folder = picker((files) => look(chosen(files)), { webkitdirectory: true, multiple: true });
  const photos = picker((files) => look(chosen(files)), { multiple: true, accept: "image/*" });
  const zip = picker((files) => look(chosen(files)), { accept: ".zip,application/zip" });

  const idle = () => replace(body, h("div.ways-in",
    way("folder", "A folder", "of class folders: each name becomes the label", () => folder.click()),
    way("image", "Photos", "of one class, which you name", () => photos.click()),
    way("box", "A zip", "of class folders", () => zip.click())));

  const way = (mark, title, text, act) => h("button.way", { type: "button", onclick: act }, h("span.mark", icon(mark)), h("span", h("b", title), h("small.soft", text)));

  const nameLoose = (found) => {
    const list = `labels-${Math.random().toString(36).slice(2)}`;
    const input = h("input", { type: "text", id: `${list}-in`, list, required: true, maxlength: "100", autocomplete: "off", placeholder: "glass" });
    const go = (event) => {
      event.preventDefault();
      const label = input.value.trim();
      if (!label) return;
      found.labelled.set(label, [...(found.labelled.get(label) ?? []), ...found.loose]);
      review({ ...found, loose: [] });
    };
    replace(body, h("form.stack", { onsubmit: go },
      h("div.field", h("label", { for: `${list}-in` }, `What ${found.loose.length === 1 ? "does this photo" : `do these ${count(found.loose.length)} photos`} show?`),
        input, h("datalist", { id: list }, labels().map((name) => h("option", { value: name }))),
        h("p.hint", "A class there is, or a new one.")),
      h("div.actions", h("button", { type: "button", onclick: idle }, "Cancel"), h("button.primary", { type: "submit" }, "Continue"))));
    input.focus();
  };

  const review = ({ labelled, left }) => {
    const all = [...labelled.values()].flat();
    const known = new Set(labels());
    const rows = [...labelled].sort((a, b) => b[1].length - a[1].length).map(([label, files]) =>
      h("li.spread.row", h("span.row", h("b", label), !known.has(label) && h("span.badge.accent", "new class")), h("span.soft.number", plural(files.length, "file"))));
    const go = h("button.primary", { type: "button", onclick: () => start((told) => send(labelled, told), all.length) }, icon("upload"), `Add ${plural(all.length, "photo")}`);
    replace(body, h("div.stack",
      h("p", `${plural(all.length, "photo")} of ${plural(labelled.size, "class", "classes")}, ${bytes(all.reduce((sum, file) => sum + file.size, 0))}.`,
        left > 0 && h("span.soft", ` ${plural(left, "other file")} left out.`)),
      h("ul.review", rows),
      h("div.actions", h("button", { type: "button", onclick: idle }, "Cancel"), go)));
    go.focus();
  };

  const reviewZip = (file) => {
    const go = h("button.primary", { type: "button", onclick: () => start((told) => sendZip(file, told), 0) }, icon("upload"), "Add what is in it");
    replace(body, h("div.stack", h("p", h("b", file.name), `, ${bytes(file.size)}. Each folder in it becomes a class.`),
      h("div.actions", h("button", { type: "button", onclick: idle }, "Cancel"), go)));
    go.focus();
  };

  const start = async (work, total) => {
    sending = new AbortController();
    const fill = h("span");
    const said = h("p.number", "Sending…");
    const track = h("div.progress", { role: "progressbar", "aria-label": "Photos sent", "aria-valuemin": 0, "aria-valuemax": total || 1 }, fill);
    if (!total) track.classList.add("sending", "unknown");
    replace(body, h("div.stack", said, track, h("div.actions", h("button", { type: "button", onclick: () => sending?.abort() }, icon("stop"), "Stop"))));
    let so = null;
    const progress = (now) => {
      so = now;
      fill.style.width = `${now.total ? (100 * now.done) / now.total : 0}%`;
      track.setAttribute("aria-valuenow", now.done);
      said.textContent = `${count(now.done)} of ${count(now.total)} sent`;
    };
    try {
      done(await work({ signal: sending.signal, tell: progress }));
    } catch (problem) {
      if (!(problem instanceof Problem) && problem.name !== "AbortError") throw problem;
      stopped(problem, so, () => start(work, total));
    } finally {
      sending = null;
      added();
    }
  };

  const done = (so) => {
    const tone = so.refused.length ? "warn" : "good";
    replace(body, h("div.stack",
      h(`div.told.${tone}`, icon(tone === "good" ? "check" : "alert"), h("div",
        h("b", so.stored ? `${plural(so.stored, "photo")} added` : "Nothing new was added"),
        h("span", [so.duplicates && `${plural(so.duplicates, "was", "were")} here already under the same label`, so.refused.length && `${plural(so.refused.length, "file")} refused`].filter(Boolean).join(", ") || "The next training learns from them."))),
      conflicts(so.conflicts),
      refusals(so.refused),
      h("div.actions", h("button", { type: "button", onclick: idle }, icon("plus"), "Add more"))));
  };

  const stopped = (problem, so, again) => {
    const mine = problem.name === "AbortError";
    replace(body, h("div.stack",
      h(`div.told.${mine ? "plain" : "bad"}`, icon(mine ? "info" : "alert"), h("div", h("b", mine ? "Stopped" : "Not all was sent"),
        !mine && h("span", problem.message), so && h("span", `${count(so.stored)} of ${count(so.total)} are stored and stay. Sending the rest again doubles nothing.`))),
      h("div.actions", h("button", { type: "button", onclick: idle }, "Leave it"), h("button.primary", { type: "button", onclick: again }, icon("retry"), "Send the rest"))));
  };

  const conflicts = (found) => found.length > 0 && h("details.refusals",
    h("summary", `Here under another label too: ${plural(found.length, "photo")}`),
    h("p.soft.small", "The next training leaves such photos out, until one of the labels is taken back below or corrected."),
    h("ul", found.slice(0, MOST_SHOWN).map((each) => h("li", h("b", each.file), h("span.soft", `${each.label}, and ${each.others.join(", ")}`)))));

  const refusals = (refused) => refused.length > 0 && h("details.refusals", { open: refused.length <= 5 },
    h("summary", `Refused: ${plural(refused.length, "file")}`),
    h("ul", refused.slice(0, MOST_SHOWN).map((each) => h("li", h("b", each.file), h("span.soft", each.detail)))),
    refused.length > MOST_SHOWN && h("p.soft.small", `and ${count(refused.length - MOST_SHOWN)} more`));

  const tell = (tone, text) => replace(body, h("div.stack", h(`div.told.${tone}`, icon("alert"), h("div", text)), h("div.actions", h("button", { type: "button", onclick: idle }, "Choose again"))));

  idle();
  const stop = dropAndPaste((files) => look(chosen(files)), "Drop to add", (transfer) => dropped(transfer).then(look, () => tell("warn", "The browser cannot read what was dropped. Was it moved or changed?")));
  return {
    element: h("section.card.stack", { "aria-labelledby": "adding-title" },
      h("div", h("h2", { id: "adding-title" }, "Add photos"), h("p.soft.small", "Choose, or drop them anywhere on this page.")), body, folder, photos, zip),
    end() { stop(); sending?.abort(); },
  };
}
