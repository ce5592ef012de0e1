/** Facts that stay fresh while somebody looks.
 *
 *   const stop = poll(() => get("/v1/status"), 5000, (status) => …);
 *   status.subscribe((value, problem) => …)
 *
 * Nothing is asked while the tab is hidden. When the gateway is gone, it is asked less and less often, and a banner
 * says so until it is back.
 */
import { Problem, get } from "./api.js";
import { h, replace } from "./dom.js";

const LONGEST_MS = 30000;
const waiting = new Set();
let failures = 0;
let banner = null;

/** Ask again and again; `show` gets each answer, `fail` each problem. Returns what ends it. */
export function poll(ask, every, show, fail = () => {}) {
  let timer = 0;
  let asking = false;
  let ended = false;
  const controller = new AbortController();

  const round = async () => {
    clearTimeout(timer);
    if (ended || asking) return;
    if (document.hidden) { document.addEventListener("visibilitychange", round, { once: true }); return; }
    let pause = every;
    asking = true;
    try {
      const answer = await ask(controller.signal);
      if (ended) return;
      reached();
      show(answer);
    } catch (error) {
      if (ended || error.name === "AbortError") return;
      if (!(error instanceof Problem)) console.error(error);
      pause = missed(error, every);
      fail(error);
    } finally {
      asking = false;
    }
    if (!ended) timer = setTimeout(round, pause);
  };

  waiting.add(round);
  round();
  return () => {
    ended = true;
    clearTimeout(timer);
    controller.abort();
    waiting.delete(round);
    document.removeEventListener("visibilitychange", round);
  };
}

/** One poll for everybody who wants the same facts; it rests while nobody does. */
function shared(path, every) {
  const listeners = new Set();
  let stop = null;
  let last = null;
  const tell = (value, problem) => {
    last = { value: value ?? last?.value ?? null, problem };
    for (const listener of [...listeners]) listener(last.value, problem);
  };
  const start = () => {
    stop = poll((signal) => get(path, { signal, ask: false }), every, (value) => tell(value, null), (problem) => tell(null, problem));
  };
  return {
    subscribe(listener) {
      listeners.add(listener);
      if (last) listener(last.value, last.problem);
      if (!stop) start();
      return () => {
        listeners.delete(listener);
        if (!listeners.size && stop) { stop(); stop = null; }
      };
    },
    /** Ask now, after something was changed. */
    refresh() {
      if (stop) { stop(); start(); }
    },
    get value() { return last?.value ?? null; },
  };
}

/** What the whole page shows of the model and of what waits. */
export const status = shared("/v1/status", 10000);

function reached() {
  failures = 0;
  if (banner) { banner.remove(); banner = null; }
}

function missed(problem, every) {
  if (problem.code !== "unreachable") return every;
  failures += 1;
  const pause = Math.min(LONGEST_MS, 1000 * 2 ** Math.min(failures - 1, 5));
  tellGone();
  return pause;
}

function tellGone() {
  if (banner) return;
  banner = h("div.banner", { role: "status" });
  replace(banner,
    h("span", "The gateway does not answer. What you see may be old; this page goes on by itself as soon as it is back."),
    h("button.quiet", { type: "button", onclick: () => { for (const again of [...waiting]) again(); } }, "Try now"));
  document.querySelector("#banners").append(banner);
}
