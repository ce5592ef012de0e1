/** A photo from this computer's camera. */
import { openDialog } from "./dialog.js";
import { h, replace } from "./dom.js";
import { icon } from "./icons.js";

const QUALITY = 0.95;

/** Show what the camera sees; the photo as a file, or null where the person would rather not. */
export function takePhoto() {
  return new Promise((resolve) => {
    let stream = null;
    let photo = null;
    let open = true;
    const video = h("video.viewfinder", { autoplay: true, playsinline: true, muted: true, "aria-label": "What the camera sees" });
    const shoot = h("button.primary", { type: "button", disabled: true }, icon("camera"), "Take it");
    const view = h("div.stack", video, h("div.actions", h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"), shoot));
    const dialog = openDialog("Take a photo", view, {
      onclose: () => {
        open = false;
        stream?.getTracks().forEach((track) => track.stop());
        resolve(photo);
      },
    });
    video.addEventListener("loadedmetadata", () => { shoot.disabled = false; shoot.focus(); });
    shoot.addEventListener("click", async () => {
      const canvas = h("canvas", { width: video.videoWidth, height: video.videoHeight });
      canvas.getContext("2d").drawImage(video, 0, 0);
      const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", QUALITY));
      photo = new File([blob], "photo.jpg", { type: "image/jpeg" });
      dialog.close();
    });
    navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } }).then((found) => {
      stream = found;
      if (open) video.srcObject = found;
      else found.getTracks().forEach((track) => track.stop());
    }, (error) => {
      const why = error.name === "NotAllowedError" ? "The browser may not use the camera here. Its settings for this page can allow it." : "There is no camera that the browser can use.";
      replace(view, h("div.told.warn", icon("alert"), h("div", why)), h("div.actions", h("button", { type: "button", onclick: () => dialog.close() }, "Close")));
    });
  });
}
