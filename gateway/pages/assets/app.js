/** The frame around every page: navigation, the state of the model, signing in, banners and notices. */
import { h, replace } from "./dom.js";
import { icon } from "./icons.js";
import { status } from "./live.js";
import { notice } from "./notice.js";
import { PAGES, onNavigate, startRouter } from "./router.js";
import { lookUpSession, onSession, signIn, signOut } from "./session.js";

function links(kind) {
  const made = PAGES.filter((page) => page.nav)
    .map((page) => h(`a.${kind}`, { href: page.path }, icon(page.icon), h("span", page.nav)));
  onNavigate((path) => {
    for (const link of made) {
      const to = link.getAttribute("href");
      const here = to === "/" ? path === "/" : path === to || path.startsWith(`${to}/`);
      if (here) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  });
  return made;
}

function brand() {
  return h("a.brand", { href: "/", "aria-label": "Binocular, to the start" }, h("span.lenses", { "aria-hidden": "true" }), h("span", "Binocular"));
}

/** Which version answers, in a few words. */
function modelState() {
  const element = h("div.model-state", { role: "status" });
  const tell = (tone, title, text) => replace(element, h(`span.dot.${tone}`), h("span.what", h("b", title), h("small", text)));
  tell("off", "Model", "looking…");
  status.subscribe((value, problem) => {
    if (!value) tell("bad", "Model", problem ? "state unknown" : "looking…");
    else if (value.available.length) tell("good", value.model, `version ${Math.max(...value.available)} answers`);
    else if (value.production) tell("warn", value.model, `version ${value.production} does not answer`);
    else tell("off", value.model, "no version yet");
  });
  return element;
}

function account() {
  const button = h("button.quiet.account", { type: "button" });
  onSession((session) => {
    button.title = session.signed_in ? `Signed in as ${session.name}` : "";
    replace(button, icon(session.signed_in ? "user" : "key"), h("span", session.signed_in ? "Sign out" : "Sign in"));
    button.onclick = session.signed_in
      ? async () => { try { await signOut(); notice("Signed out."); } catch (problem) { notice(problem.message, { tone: "bad" }); } }
      : async () => { try { await signIn(); notice("Signed in.", { tone: "good" }); } catch { /* not now */ } };
  });
  return button;
}

function start() {
  const main = h("main", { id: "main", tabindex: "-1" });
  replace(document.body,
    h("a.skip", { href: "#main", onclick: (event) => { event.preventDefault(); main.focus(); } }, "Skip to the content"),
    h("header.side", brand(), h("nav", { "aria-label": "Pages" }, links("side-link")),
      h("div.side-foot", modelState(), h("a.side-link", { href: "/docs" }, icon("book"), h("span", "API")), account())),
    h("div.page", h("div", { id: "banners" }), main),
    h("nav.tabs", { "aria-label": "Pages" }, links("tab")),
    h("div", { id: "notices", role: "status" }),
    h("div.unseen", { id: "announcer", "aria-live": "polite" }));
  lookUpSession();
  startRouter(main).then(() => performance.mark("interactive"));
}

start();
