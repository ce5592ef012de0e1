/** The images that wait for a training: people's uploads and corrections, each of which can be taken back. */
import { Problem, del, get } from "./api.js";
import { confirm } from "./dialog.js";
import { h, replace } from "./dom.js";
import { ago, count, plural } from "./format.js";
import { icon } from "./icons.js";
import { notice } from "./notice.js";
import { onSession, signIn } from "./session.js";

const PAGE = 24;
const KINDS = [["", "All"], ["uploads", "Uploads"], ["feedback", "Corrections"]];

/** What waits, in words; empty where nothing does. */
export const sentWords = ({ uploads, feedback }) => [uploads && plural(uploads, "upload"), feedback && plural(feedback, "correction")].filter(Boolean).join(" and ");

/** The section; `changed()` is told when something was taken back. */
export function waiting({ changed }) {
  let kind = "";
  let next = null;
  let turn = 0;
  let signed = null; // not known so far
  const grid = h("ul.thumbs");
  const more = h("button", { type: "button", hidden: true, onclick: () => load({ after: next }) }, "Show more");
  const state = h("div", { role: "status" });
  const filters = h("div.segments", { role: "group", "aria-label": "Which images" }, KINDS.map(([value, name]) =>
    h("button", { type: "button", "aria-pressed": String(value === kind), onclick: (event) => { kind = value; press(event.currentTarget); load(); } }, name)));
  const press = (chosen) => { for (const each of filters.children) each.setAttribute("aria-pressed", String(each === chosen)); };

  const load = async ({ after = null } = {}) => {
    const mine = (turn += 1);
    if (!signed) { if (signed !== null) askToSignIn(); return; }
    try {
      const asked = new URLSearchParams({ limit: PAGE, ...(kind && { kind }), ...(after && { after }) });
      const found = await get(`/v1/contributions?${asked}`, { ask: false });
      if (mine !== turn) return;
      const tiles = found.images.map(tile);
      if (after) grid.append(...tiles);
      else replace(grid, tiles);
      next = found.next ?? null;
      more.hidden = !next;
      replace(state, !found.total && nothing());
      if (after) tiles[0]?.querySelector("button").focus();
    } catch (problem) {
      if (mine !== turn || !(problem instanceof Problem)) return;
      if (problem.status === 401) askToSignIn();
      else replace(state, h("div.told.warn", icon("alert"), h("div", problem.message, h("button", { type: "button", onclick: () => load() }, "Try again"))));
    }
  };

  const askToSignIn = () => {
    replace(grid);
    more.hidden = true;
    replace(state, h("div.empty.small-empty", icon("key"), h("p", "These are people's photos: to see them, sign in with a token that may send some."),
      h("button", { type: "button", onclick: async () => { try { await signIn(); } catch { /* not now */ } } }, "Sign in")));
  };

  const nothing = () => h("div.empty.small-empty", icon("check"), h("h3", "Nothing waits"),
    h("p", "The model in production has learnt from everything that people sent. New photos and corrections show up here."));

  const tile = (each) => {
    const place = `/v1/contributions/${each.kind}/${each.sha256}`;
    const label = encodeURIComponent(each.label);
    const image = h("img", { src: `${place}/image?label=${label}&side=256`, alt: `A photo sent as ${each.label}`, loading: "lazy", decoding: "async" });
    image.addEventListener("error", () => image.replaceWith(h("div.no-preview", icon("image"))));
    const take = async () => {
      if (!await confirm("Take this photo back?", `The next training does without it: it is deleted, as ${each.label}.`, { action: "Take it back", danger: true })) return;
      try {
        await del(`${place}?label=${label}`);
        element.remove();
        notice("Taken back.", { tone: "good" });
        changed();
      } catch (problem) {
        if (problem instanceof Problem) notice(problem.message, { tone: "bad" });
      }
    };
    const element = h("li.thumb", h("div.thumb-image", image),
      h("div.thumb-words", h("b", { title: each.label }, each.label), h("small.soft", `${each.kind === "feedback" ? "corrected" : "uploaded"} ${ago(each.at)}`)),
      h("button.icon-only.thumb-remove", { type: "button", "aria-label": `Take back this photo of ${each.label}`, onclick: take }, icon("trash")));
    return element;
  };

  const words = h("p.soft.small");
  const stop = onSession((session) => {
    if (session.unknown || session.signed_in === signed) return;
    signed = session.signed_in;
    load();
  });
  return {
    element: h("section.card.stack", { "aria-labelledby": "waiting-title" },
      h("div.row.spread", h("div", h("h2", { id: "waiting-title" }, "Waiting for the next training"), words), filters), state, grid, h("div.row.middle", more)),
    /** New counts came: the images are asked for again where they changed. */
    tell(data, before) {
      const total = data.uploads + data.feedback;
      words.textContent = sentWords(data) || "Uploads and corrections";
      replace(filters.children[0], `All${total ? ` ${count(total)}` : ""}`);
      if (before && before.uploads + before.feedback !== total) load();
    },
    end: stop,
  };
}
