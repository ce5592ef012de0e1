/** Folders of labelled photos: which files there are, and which class each belongs to.
 *
 * A file is {file, path}, the path as in “photos/glass/1.jpg”. The label is the name of the folder below the outermost
 * one; where that is a split (train, val, test), the folder below it; where photos lie right in the outermost folder,
 * its own name.
 */
const SPLITS = new Set(["train", "training", "val", "valid", "validation", "test", "testing"]);
const LITTER = new Set(["thumbs.db", "desktop.ini", "__macosx"]);
const OTHERS = /\.(txt|md|csv|json|jsonl|xml|html|pdf|py|ini|db|ya?ml|log)$/i;

/** The files of an input with `webkitdirectory`, or of any other. */
export const chosen = (files) => files.map((file) => ({ file, path: file.webkitRelativePath || file.name }));

/** Everything that was dropped, also what lies in folders. */
export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const found = [];
  for (const entry of entries) await walk(entry, entry.name, found);
  return found;
}

/** What is to be sent: files by label, those without a label, and how many are left out. */
export function sorted(files) {
  const kept = files.filter(({ path }) => isCandidate(path));
  const parts = kept.map(({ path }) => path.split("/"));
  const below = parts.filter((each) => each.length > 2).map((each) => each[1].toLowerCase());
  const split = below.length > 0 && below.every((name) => SPLITS.has(name));
  const labelled = new Map();
  const loose = [];
  kept.forEach((each, at) => {
    const label = labelOf(parts[at], split);
    if (label === null) loose.push(each.file);
    else if (labelled.has(label)) labelled.get(label).push(each.file);
    else labelled.set(label, [each.file]);
  });
  return { labelled, loose, left: files.length - kept.length };
}

function labelOf(parts, split) {
  if (parts.length === 1) return null;
  if (parts.length === 2) return parts[0];
  return split && parts.length > 3 ? parts[2] : parts[1];
}

function isCandidate(path) {
  const names = path.split("/");
  return !names.some((name) => name.startsWith(".") || LITTER.has(name.toLowerCase())) && !OTHERS.test(path);
}

async function walk(entry, path, found) {
  if (entry.isFile) {
    found.push({ file: await new Promise((resolve, reject) => entry.file(resolve, reject)), path });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return;
    for (const each of some) await walk(each, `${path}/${each.name}`, found);
  }
}
