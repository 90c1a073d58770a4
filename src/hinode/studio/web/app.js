// The studio: who is there, which page is shown, and the frame around it.
import { call, get } from "./core/api.js";
import { openPalette, openShortcuts, palette, publishing } from "./core/dialogs.js";
import { listen, startEvents } from "./core/events.js";
import "./core/install.js";
import { useShortcuts } from "./core/keyboard.js";
import { lazy, loadNeeds } from "./core/lazy.js";
import { notifyError } from "./core/notices.js";
import { navigate, route } from "./core/router.js";
import { isOperator, leaveLink, mayReview, readLink, session } from "./core/session.js";
import { t } from "./core/strings.js";
import "./core/theme.js";
import { html, render, signal, useEffect, useState } from "./core/ui.js";
import { rememberAll } from "./core/videos.js";
import { Button } from "./widgets/controls.js";
import { Navigation, Notices, PageHead, outdated } from "./widgets/frame.js";
import { Sun } from "./widgets/icons.js";

const Palette = lazy(() => import("./widgets/palette.js"), "Palette");
const PublishDialog = lazy(() => import("./widgets/publish.js"), "PublishDialog");
const SignIn = lazy(() => import("./pages/sign-in.js"), "SignIn");

/**
 * @typedef {object} Page
 * @property {string} name in the address
 * @property {string} [icon] of its entry in the navigation; none for a page that others lead to
 * @property {string} [keys] shortcut
 * @property {string[]} [covers] pages during which its entry is the current one
 * @property {() => boolean} [isShown] whether it has an entry
 * @property {import("./core/lazy.js").Needs} needs texts and styles besides those of the frame
 * @property {() => Promise<{ default: (properties: { id: string, query: URLSearchParams }) => any }>} load
 */

/** The pages: a new one is a module and a line here. @type {Page[]} */
export const PAGES = [
  { name: "create", icon: "create", keys: "g c", needs: { strings: ["create"], styles: ["create"] }, load: () => import("./pages/create.js") },
  { name: "library", icon: "library", keys: "g l", covers: ["library", "clip", "compare"], needs: { strings: ["library", "clip", "feed"], styles: ["library", "clip", "feed", "queue"] }, load: () => import("./pages/library.js") },
  { name: "clip", needs: { strings: ["clip", "create", "feed", "library", "provenance"], styles: ["clip", "create", "library", "feed", "provenance"] }, load: () => import("./pages/clip.js") },
  { name: "compare", needs: { strings: ["library", "clip"], styles: ["library", "clip"] }, load: () => import("./pages/compare.js") },
  { name: "storyboards", icon: "board", keys: "g s", covers: ["storyboards", "storyboard"], needs: { strings: ["storyboards"], styles: ["storyboard", "characters", "create"] }, load: () => import("./pages/storyboards.js") },
  { name: "storyboard", needs: { strings: ["storyboards", "clip", "create"], styles: ["storyboard", "clip", "create"] }, load: () => import("./pages/storyboard.js") },
  { name: "characters", icon: "people", keys: "g h", covers: ["characters", "rights"], needs: { strings: ["characters", "rights", "clip", "create"], styles: ["characters", "rights", "clip", "create"] }, load: () => import("./pages/characters.js") },
  { name: "rights", needs: { strings: ["rights"], styles: ["rights", "characters"] }, load: () => import("./pages/rights.js") },
  { name: "queue", icon: "queue", keys: "g q", needs: { strings: ["queue", "clip"], styles: ["queue"] }, load: () => import("./pages/queue.js") },
  { name: "trust", icon: "flag", keys: "g t", isShown: mayReview, needs: { strings: ["trust", "rights", "settings"], styles: ["settings", "rights", "trust"] }, load: () => import("./pages/trust.js") },
  { name: "feed", icon: "feed", keys: "g f", isShown: () => Boolean(session.value?.project?.feed_enabled), needs: { strings: ["feed", "clip", "queue", "settings"], styles: ["feed", "clip", "queue", "settings"] }, load: () => import("./pages/feed.js") },
  { name: "wallet", icon: "wallet", keys: "g w", isShown: () => Boolean(session.value?.project?.billing), needs: { strings: ["wallet", "settings"], styles: ["wallet", "settings"] }, load: () => import("./pages/wallet.js") },
  { name: "economics", icon: "chart", keys: "g m", isShown: isOperator, needs: { strings: ["economics", "settings", "trust"], styles: ["settings", "trust", "economics"] }, load: () => import("./pages/economics.js") },
  { name: "settings", icon: "settings", keys: "g e", needs: { strings: ["settings", "queue", "clip"], styles: ["settings", "queue"] }, load: () => import("./pages/settings.js") },
];

/** Modules of pages, by name. @type {Map<string, (properties: { id: string, query: URLSearchParams }) => any>} */
const modules = new Map();

/** Pages whose modules are on their way. @type {Map<string, Promise<void>>} */
const requests = new Map();

/** Load the module of a page, with its texts and styles; once. @param {Page} page */
function loadPage(page) {
  // The texts come first: a module may read some when it is loaded.
  const request = requests.get(page.name) ?? loadNeeds(page.needs).then(() => page.load()).then((module) => {
    modules.set(page.name, module.default);
  });
  requests.set(page.name, request);
  request.catch(() => requests.delete(page.name));
  return request;
}

/** @param {{ name: string, id: string, query: URLSearchParams }} properties */
function CurrentPage({ name, id, query }) {
  const [, setLoaded] = useState("");
  const [failure, setFailure] = useState("");
  const page = PAGES.find((entry) => entry.name === name);
  useEffect(() => {
    setFailure("");
    if (!page) return;
    // Also for a module that came since the page was drawn.
    loadPage(page).then(() => setLoaded(name), (error) => setFailure(error.message));
  }, [name]);
  if (!page) return html`<${PageHead} title=${t("app.notFound")} />`;
  const Component = modules.get(name);
  if (failure) return html`<${PageHead} title=${t(`nav.${name}`)} /><p class="error">${t("app.failed", { reason: failure })}</p><p><${Button} onClick=${() => location.reload()}>${t("app.reload")}<//></p>`;
  return Component ? html`<${Component} key=${`${name}/${id}`} id=${id} query=${query} />` : html`<p class="loading" aria-busy="true">${t("app.loading")}</p>`;
}

function App() {
  useShortcuts([
    { keys: "mod+k", label: t("palette.open"), run: openPalette, inText: true },
    { keys: "?", label: t("shortcuts.title"), run: openShortcuts },
    ...PAGES.filter((page) => page.icon && page.keys && (!page.isShown || page.isShown())).map((page) => ({ keys: page.keys ?? "", label: t("goto", { page: t(`nav.${page.name}`) }), run: () => navigate(page.name) })),
  ]);
  const { page, id, query } = route.value;
  useEffect(() => {
    // A new page begins at its top, for eyes and for screen readers.
    document.getElementById("main")?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }, [page]);
  if (!session.value) return html`<main class="boot" aria-busy="true"><${Sun} /><h1>Hinode</h1><p role="status">${t(unreachable.value ? "app.unreachable" : "app.loading")}</p></main>`;
  // A session that ends in the middle of work is renewed over the page, which keeps what was typed.
  const choosing = ["invitation", "reset"].includes(readLink().kind);
  const known = session.value.project !== null && !choosing;
  return html`
    ${known && html`<a class="skip button" href="#main" onClick=${(/** @type {Event} */ event) => { event.preventDefault(); document.getElementById("main")?.focus(); }}>${t("app.skip")}</a>
    <div class="app"><${Navigation} pages=${PAGES} /><main id="main" tabindex="-1"><${CurrentPage} name=${page} id=${id} query=${query} /></main></div>`}
    ${(choosing || !session.value.signed_in) && html`<${SignIn} over=${known} />`}
    ${publishing.value && html`<${PublishDialog} key=${publishing.value.video.id} ...${publishing.value} />`}
    <${Notices} />${palette.value && html`<${Palette} pages=${PAGES} />`}`;
}

/** Whether the server has not answered since the page began. */
const unreachable = signal(false);

/** The version of this page, and of the server. */
async function loadSession() {
  const own = document.querySelector("meta[name=hinode-version]")?.getAttribute("content");
  const answer = await get("session");
  const before = session.value;
  // The page stays as it is while the session is renewed.
  session.value = answer.signed_in || !before?.project ? answer : { ...before, signed_in: false, server: answer.server };
  outdated.value = Boolean(answer.server.studio && own && answer.server.studio !== own);
}

async function start() {
  const root = /** @type {HTMLElement} */ (document.getElementById("app"));
  root.replaceChildren();
  render(html`<${App} />`, root);
  // Most people are signed in: the page comes while the server is asked who is there.
  const page = PAGES.find((entry) => entry.name === route.value.page);
  if (page) loadPage(page).catch(() => {});
  for (;;) {
    try {
      await loadSession();
      // Who is in already leaves the link unused.
      if (session.value?.signed_in && readLink().kind === "token") leaveLink();
      break;
    } catch {
      unreachable.value = true;
      await new Promise((resolve) => setTimeout(resolve, 2000));
    }
  }
  keepShell().catch(() => {});
}

/** Have the service worker keep this page and its modules, for when the server is away. */
async function keepShell() {
  if (!isSecureContext || !("serviceWorker" in navigator)) return;
  await navigator.serviceWorker.register("./service-worker.js");
  const { active } = await navigator.serviceWorker.ready;
  // The browser has them already.
  active?.postMessage({ type: "keep", addresses: performance.getEntriesByType("resource").map((entry) => entry.name) });
}

listen((type) => {
  // A stream also ends with the session, such as that of a member who was removed.
  if (["gap", "resync"].includes(type)) loadSession().catch(() => {});
});

// What had the focus is gone: it goes to the page, for keys and for screen readers.
addEventListener("focusout", ({ target, relatedTarget }) => {
  if (relatedTarget) return;
  setTimeout(() => {
    const lost = document.activeElement === document.body && target instanceof Element && !target.isConnected;
    if (lost) document.getElementById("main")?.focus({ preventScroll: true });
  });
});
// A file that is dropped where nothing takes it would replace the page.
for (const type of ["dragover", "drop"]) {
  addEventListener(type, (event) => /** @type {DragEvent} */ (event).dataTransfer?.types.includes("Files") && event.preventDefault());
}
// A link that is pasted over the address of an open page changes the fragment alone.
addEventListener("hashchange", () => readLink().kind && location.reload());
// Another tab may have signed in, or out.
addEventListener("visibilitychange", () => {
  if (!document.hidden && session.value) loadSession().catch(() => {});
});

/** What needs a signed-in person begins with the first such session. */
let begun = false;
session.subscribe((value) => {
  if (!value?.signed_in || begun) return;
  begun = true;
  startEvents();
  call("GET", "videos", { query: { limit: 50 } }).then((page) => rememberAll(page.data.reverse()), notifyError);
});

start();
