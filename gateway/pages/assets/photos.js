/** Photos from a person: dropped anywhere, pasted, chosen, or taken. Nothing is changed or sent here. */
import { takePhoto } from "./camera.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { notice } from "./notice.js";

// Without HEIC among them, phones that keep HEIC hand over a JPEG.
const TYPES = "image/jpeg,image/png,image/webp,image/bmp,image/gif,image/tiff";
const HEIC = /^(heic|heix|hevc|heim|heis|hevm|mif1|msf1)$/;

/** The largest request that the gateway takes. */
export const bodyLimit = () => Number(document.querySelector('meta[name="body-limit"]').content);

/** Buttons to choose and to take photos; `take` gets a list of files. */
export function photoButtons(take) {
  const chooser = picker(take, { multiple: true, accept: TYPES });
  const touch = matchMedia("(pointer: coarse)").matches;
  const camera = touch ? picker(take, { accept: "image/*", capture: "environment" }) : null;
  const canShoot = touch || Boolean(navigator.mediaDevices?.getUserMedia);
  return [
    h("button.primary.big", { type: "button", onclick: () => chooser.click() }, icon("image"), "Choose photos"), chooser,
    canShoot && h("button.big", { type: "button", onclick: () => (camera ? camera.click() : takePhoto().then((file) => file && take([file]))) },
      icon("camera"), "Take a photo"),
    camera,
  ];
}

/** A hidden file input; its `click()` opens the browser's chooser. */
export function picker(take, attributes) {
  const input = h("input", { type: "file", tabindex: "-1", "aria-hidden": "true", ...attributes });
  input.addEventListener("change", () => {
    const files = [...input.files];
    input.value = "";
    if (files.length) take(files);
  });
  return input;
}

/** Take files that are dropped anywhere in the window, or pasted; returns what ends it. `takeDrop` gets a drop as it is. */
export function dropAndPaste(take, words, takeDrop = null) {
  const veil = h("div.veil", { "aria-hidden": "true" }, h("div", icon("upload"), words));
  const ending = new AbortController();
  const on = (name, listener) => addEventListener(name, listener, { signal: ending.signal });
  const holdsFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  on("dragover", (event) => { if (holdsFiles(event)) { event.preventDefault(); if (!veil.isConnected) document.body.append(veil); } });
  on("dragleave", (event) => { if (event.relatedTarget === null) veil.remove(); });
  on("drop", (event) => {
    veil.remove();
    if (!holdsFiles(event)) return;
    event.preventDefault();
    if (takeDrop) { takeDrop(event.dataTransfer); return; }
    const folders = [...event.dataTransfer.items].filter((item) => item.webkitGetAsEntry?.()?.isDirectory).length;
    if (folders) notice("A folder of labelled photos goes to Data, where its name becomes the label.");
    else take([...event.dataTransfer.files]);
  });
  on("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) { event.preventDefault(); take(files); }
  });
  return () => { ending.abort(); veil.remove(); };
}

/** Why a file need not even be sent, in words; null where it may. The gateway decides about everything else. */
export async function refusal(file, room = 0) {
  if (!file.size) return "The file is empty.";
  if (file.size + room > bodyLimit()) {
    return `The file has ${Math.round(file.size / 1e6)} MB; the gateway takes up to ${Math.round(bodyLimit() / 1e6)} MB.`;
  }
  let head;
  try {
    head = new Uint8Array(await file.slice(0, 12).arrayBuffer());
  } catch {
    return "The browser cannot read this file any more. Was it moved or changed?";
  }
  const ascii = (from, to) => String.fromCharCode(...head.slice(from, to));
  if (ascii(4, 8) === "ftyp" && HEIC.test(ascii(8, 12))) {
    return "This is a HEIC photo, which only Apple's programs read well. Export it as JPEG, or set the phone's camera to “Most compatible”.";
  }
  return null;
}
