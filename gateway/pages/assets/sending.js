/** Sending many photos: in portions below the gateway's limit, a few at once, each sent again where that may help.
 *
 * The same photo under the same label is stored once, so nothing is lost or doubled by sending a portion again.
 */
import { Problem, call } from "./api.js";
import { bodyLimit, refusal } from "./photos.js";

const PORTION_BYTES = 4_000_000;
const PORTION_FILES = 40;
const AT_ONCE = 2;
const ATTEMPTS = 5;
const LONGEST_PAUSE_S = 20;

/** Send files by label. `tell` gets {done, total, stored, duplicates, refused: [{file, detail}]} as it goes on. */
export async function send(labelled, { signal, tell }) {
  const total = [...labelled.values()].reduce((sum, files) => sum + files.length, 0);
  const so = { done: 0, total, stored: 0, duplicates: 0, refused: [], conflicts: [] };
  const portions = cut(labelled);
  const work = async () => {
    for (let next = portions.next(); !next.done && !signal.aborted; next = portions.next()) {
      await sendPortion(next.value, so, signal);
      tell({ ...so });
    }
  };
  tell({ ...so });
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  signal.throwIfAborted();
  return so;
}

/** A zip of class folders goes whole. */
export async function sendZip(file, { signal }) {
  if (file.size > bodyLimit()) {
    throw new Problem({ code: "too_large", detail: `The zip has ${Math.round(file.size / 1e6)} MB; the gateway takes up to ${Math.round(bodyLimit() / 1e6)} MB at once. Unpack it and choose the folder: that goes in portions.` });
  }
  const taken = await again(() => call("POST", "/v1/images", { body: file, headers: { "Content-Type": "application/zip" }, signal }), signal);
  const done = taken.stored + taken.duplicates + taken.refused.length;
  return { ...taken, done, total: done };
}

function* cut(labelled) {
  for (const [label, files] of labelled) {
    let portion = [];
    let bytes = 0;
    for (const file of files) {
      if (portion.length && (portion.length >= PORTION_FILES || bytes + file.size > PORTION_BYTES)) {
        yield { label, files: portion };
        portion = [];
        bytes = 0;
      }
      portion.push(file);
      bytes += file.size;
    }
    if (portion.length) yield { label, files: portion };
  }
}

async function sendPortion({ label, files }, so, signal) {
  const form = new FormData();
  form.append("label", label);
  let some = 0;
  for (const file of files) {
    const refused = await refusal(file, FORM_ROOM);
    if (refused) so.refused.push({ file: file.name, detail: refused });
    else { form.append("files", file, file.name); some += 1; }
  }
  try {
    if (some) {
      const taken = await again(() => call("POST", "/v1/images", { body: form, signal }), signal);
      so.stored += taken.stored;
      so.duplicates += taken.duplicates;
      so.refused.push(...taken.refused);
      so.conflicts.push(...taken.conflicts);
    }
  } catch (problem) {
    // The next portion would fare no better where nobody is signed in or nothing answers.
    if (!(problem instanceof Problem) || problem.passing || problem.status === 401 || problem.status === 403) throw problem;
    so.refused.push({ file: `${label}: ${files.length === 1 ? files[0].name : `${files.length} files`}`, detail: problem.message });
  }
  so.done += files.length;
}

// What a form adds around one file.
const FORM_ROOM = 4096;

async function again(ask, signal) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await ask();
    } catch (problem) {
      if (!(problem instanceof Problem) || !problem.passing || attempt >= ATTEMPTS) throw problem;
      await pause(Math.min(LONGEST_PAUSE_S, Math.max(problem.retryAfter, 2 ** (attempt - 1))), signal);
    }
  }
}

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, 1000 * seconds);
    signal.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
  });
}
