/** Signing in: a dialog trades the token for a cookie that this script cannot read. The token is kept nowhere. */
import { call } from "./api.js";
import { openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";

const listeners = new Set();
// Until the gateway has said it, nobody knows.
let present = { signed_in: false, unknown: true };
let asking = null;

/** Who is signed in, now and whenever that changes. */
export function onSession(listener) {
  listeners.add(listener);
  listener(present);
  return () => listeners.delete(listener);
}

export async function lookUpSession() {
  try {
    tell(await call("GET", "/session", { ask: false }));
  } catch {
    tell({ signed_in: false }); // what needs a session will ask for one
  }
}

export async function signOut() {
  tell(await call("DELETE", "/session", { ask: false }));
}

/** Ask for the token until one is right; rejects with the problem where the person would rather not. */
export function signIn(problem = null) {
  tell({ signed_in: false });
  asking ??= ask(problem).finally(() => { asking = null; });
  return asking;
}

function ask(problem) {
  return new Promise((resolve, reject) => {
    let done = false;
    const error = h("p.field-error", { role: "alert", id: "sign-in-error" });
    const input = h("input", {
      type: "password", id: "sign-in-token", name: "token", autocomplete: "current-password", required: true,
      spellcheck: "false", "aria-describedby": "sign-in-error sign-in-hint",
    });
    const button = h("button.primary", { type: "submit" }, "Sign in");
    const send = async (event) => {
      event.preventDefault();
      button.disabled = true;
      error.textContent = "";
      try {
        const session = await call("POST", "/session", { json: { token: input.value }, ask: false });
        done = true;
        tell(session);
        dialog.close();
        resolve();
      } catch (refused) {
        error.textContent = refused.message;
        input.select();
        input.focus();
      } finally {
        button.disabled = false;
      }
    };
    const form = h("form.stack", { onsubmit: send, novalidate: true },
      h("p.soft", "Changing something, and seeing photos that people sent, needs a token. Then you go on where you are."),
      h("div.field",
        h("label", { for: "sign-in-token" }, "Token"), input, error,
        h("p.hint", { id: "sign-in-hint" }, "It is on the machine that runs Binocular:", h("code.own-line", "cat .binocular/gateway-token"))),
      h("div.actions", h("button", { type: "button", onclick: () => dialog.close() }, "Not now"), button));
    const dialog = openDialog("Sign in", form, {
      mark: icon("key"),
      onclose: () => { if (!done) reject(problem ?? new DOMException("not signed in", "AbortError")); },
    });
    input.focus();
  });
}

function tell(session) {
  present = session;
  for (const listener of listeners) listener(session);
}
