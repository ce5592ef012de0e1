/** How runs, steps and verdicts are, told by a word, a mark and a colour, in that order of weight. */
import { h } from "./dom.js";
import { duration } from "./format.js";
import { icon } from "./icons.js";

const STATES = {
  PENDING: { tone: "idle", mark: "clock", word: "waiting" },
  RUNNING: { tone: "accent", mark: "play", word: "running" },
  SUCCEEDED: { tone: "good", mark: "check", word: "done" },
  FAILED: { tone: "bad", mark: "alert", word: "failed" },
  SKIPPED: { tone: "idle", mark: "arrow", word: "not needed" },
  CANCELING: { tone: "warn", mark: "stop", word: "ending" },
  CANCELED: { tone: "warn", mark: "stop", word: "cancelled" },
};
const LIVE = new Set(["PENDING", "RUNNING", "CANCELING", "PAUSED"]);
const CANCELLED = "terminated on request";

export const isLive = (run) => LIVE.has(run.state);

/** The state of a run or step; one that somebody ended did not fail. */
export function stateOf(thing) {
  const state = thing.state === "FAILED" && (thing.error ?? "").startsWith(CANCELLED) ? "CANCELED" : thing.state;
  if (thing.missed) return { tone: "idle", mark: "cross", word: "not reached" };
  return STATES[state] ?? { tone: "idle", mark: "question", word: state.toLowerCase() };
}

export function stateBadge(thing) {
  const { tone, mark, word } = stateOf(thing);
  return h(`span.badge.${tone}`, icon(mark), word);
}

/** What the gate said, where it has. */
export function verdictBadge(run) {
  if (!run.decision) return null;
  return run.decision === "promote"
    ? h("span.badge.good", icon("check"), run.version ? `promoted as version ${run.version}` : "promoted")
    : h("span.badge.warn", icon("cross"), "rejected");
}

/** Seconds that a run took, or has taken so far. */
function took(run, now = Date.now()) {
  if (!run.created_at) return null;
  const end = run.finished_at ? new Date(run.finished_at).getTime() : isLive(run) ? now : null;
  return end === null ? null : Math.max(0, (end - new Date(run.created_at).getTime()) / 1000);
}

export const tookText = (run) => { const seconds = took(run); return seconds === null ? "" : duration(seconds); };

const STARTERS = { gateway: "by the dashboard or API", schedule: "on schedule", pipelines: "from the command line" };
export const starter = (run) => STARTERS[run.started_by];

/** A run's name where somebody gave it one; what programs call it says less than when it began. */
export function title(run) {
  if (run.name && !/^retraining [0-9a-f]{32}$/.test(run.name) && !/^pipeline \d{4}-/.test(run.name)) return run.name;
  return run.created_at ? `Training of ${when(run.created_at)}` : `Training ${run.id.slice(0, 8)}`;
}

const when = (iso) => new Date(iso).toLocaleString(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
