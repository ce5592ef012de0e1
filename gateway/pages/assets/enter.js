/** What shows photos or gives files away needs a token also where it only reads. */
import { h } from "./dom.js";
import { lookUpSession, onSession, signIn } from "./session.js";

/** Resolves once somebody is signed in; rejects where they would rather not. */
export async function enter() {
  let present = null;
  onSession((session) => { present = session; })();
  if (present.unknown) await lookUpSession();
  onSession((session) => { present = session; })();
  if (!present.signed_in) await signIn();
}

/** Begin a download as a link does, after signing in where that is needed. */
export function download(event) {
  event.preventDefault();
  const address = event.currentTarget.getAttribute("href");
  enter().then(() => h("a", { href: address, download: true }).click(), () => {});
}
