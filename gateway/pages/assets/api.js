/** Calls of the gateway's API.
 *
 *   const found = await get("/v1/runs");                       // parsed JSON, or a Problem is thrown
 *   await post("/v1/feedback", {id, label});                   // signs in first where that is needed, then goes on
 */
import { signIn } from "./session.js";

const UNAUTHORIZED = 401;

/** What went wrong, in words for a person (`message`) and for a program (`code`, `status`). */
export class Problem extends Error {
  constructor(facts) {
    super(facts.detail || facts.title || "Something went wrong.");
    this.name = "Problem";
    this.code = facts.code || "internal";
    this.status = facts.status || 0;
    this.retryAfter = facts.retryAfter || 0;
    this.facts = facts;
  }

  /** Whether nothing is wrong with the request: something does not answer at the moment. */
  get passing() {
    return this.status === 0 || this.status === 429 || this.status === 502 || this.status === 503;
  }
}

/** What names one press of a button, however often its request is sent. */
export const pressKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

export const get = (path, options) => call("GET", path, options);
export const post = (path, json, options) => call("POST", path, { json, ...options });
export const del = (path, options) => call("DELETE", path, options);

/** One call. `json` or `body` is sent; `signal` aborts it; `ask: false` never opens the sign-in dialog. */
export async function call(method, path, { json, body, headers = {}, signal, keepalive = false, ask = true } = {}) {
  for (;;) {
    const response = await send(method, path, { json, body, headers, signal, keepalive });
    if (response.ok) return arrived(() => response.json());
    const problem = await understand(response);
    if (response.status !== UNAUTHORIZED || !ask) throw problem;
    await signIn(problem);
  }
}

async function send(method, path, { json, body, headers, signal, keepalive }) {
  const sent = { "X-Binocular": "dashboard", Accept: "application/json", ...headers };
  if (json !== undefined) {
    sent["Content-Type"] = "application/json";
    body = JSON.stringify(json);
  }
  return arrived(() => fetch(path, { method, body, headers: sent, signal, keepalive, credentials: "same-origin", cache: "no-store" }));
}

/** What comes over the network, unless it breaks off on the way. */
async function arrived(coming) {
  try {
    return await coming();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ code: "unreachable", detail: "The gateway does not answer. It may be restarting, or the network is gone." });
  }
}

async function understand(response) {
  const retryAfter = Number(response.headers.get("Retry-After")) || 0;
  try {
    return new Problem({ ...(await response.json()), status: response.status, retryAfter });
  } catch {
    return new Problem({ status: response.status, retryAfter, detail: `The gateway answered ${response.status} and did not say why.` });
  }
}
