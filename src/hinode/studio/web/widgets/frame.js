// The frame around every page: navigation, title, search, notices.
import { call } from "../core/api.js";
import { openPalette } from "../core/dialogs.js";
import { online } from "../core/events.js";
import { keyLabel } from "../core/keyboard.js";
import { dismiss, notifyError, toasts } from "../core/notices.js";
import { href, route } from "../core/router.js";
import { session } from "../core/session.js";
import { t } from "../core/strings.js";
import { theme } from "../core/theme.js";
import { html, signal, useRef, useState } from "../core/ui.js";
import { videos } from "../core/videos.js";
import { Button } from "./controls.js";
import { Icon, Sun } from "./icons.js";
import { Menu } from "./menu.js";

/** The name of the project of a new server says nothing. */
const DEFAULT_PROJECT = "default";

/** Whether the server has a newer studio than this page. */
export const outdated = signal(false);

/**
 * @param {{ pages: import("../app.js").Page[] }} properties
 */
export function Navigation({ pages }) {
  const [open, setOpen] = useState(false);
  const current = route.value.page;
  const active = [...videos.value.values()].filter((video) => ["queued", "in_progress"].includes(video.status)).length;
  const entries = pages.filter((page) => page.icon && (!page.isShown || page.isShown()));
  const project = session.value?.project?.name ?? "";
  const menu = useRef(/** @type {HTMLElement | null} */ (null));
  const leave = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Escape" || !open) return;
    setOpen(false);
    /** @type {HTMLElement | null | undefined} */ (menu.current?.querySelector(".menu-button"))?.focus();
  };
  return html`<nav aria-label=${t("app.navigation")} class=${open ? "open" : ""} ref=${menu} onKeyDown=${leave}>
    <div class="brand"><a href=${href("create")}><${Sun} /><span>Hinode${project && project !== DEFAULT_PROJECT && html`<small>${project}</small>`}</span></a>
      <${Button} kind="quiet menu-button" icon="menu" label=${t("nav.menu")} aria-expanded=${open} onClick=${() => setOpen(!open)} /></div>
    <ul onClick=${() => setOpen(false)}>
      ${entries.map((page) => html`<li key=${page.name} class=${page.name === "settings" ? "at-end" : ""}>
        <a href=${href(page.name)} aria-current=${(page.covers ?? [page.name]).includes(current) ? "page" : undefined}>
          <${Icon} name=${page.icon} /><span>${t(`nav.${page.name}`)}</span>
          ${page.name === "queue" && active > 0 && html`<span class="count">${active}</span>`}
        </a></li>`)}
    </ul>
  </nav>`;
}

/**
 * The head of a page.
 * @param {{ title: string, heading?: any, children?: any }} properties
 *   heading: in place of the title, such as a field with it
 */
export function PageHead({ title, heading = title, children }) {
  document.title = `${title} · Hinode`;
  const { user, project } = session.value ?? {};
  const name = user?.name ?? project?.name ?? "";
  const signOut = () => call("DELETE", "session").then(() => location.reload(), notifyError);
  return html`<header class="page-head">
    <h1>${heading}</h1>
    <div class="row page-actions">${children}</div>
    <button type="button" class="button search" onClick=${() => openPalette()} title=${t("palette.open")}><${Icon} name="search" /><span>${t("search.placeholder")}</span><kbd aria-hidden="true">${keyLabel("mod+k")}</kbd></button>
    <${Menu} kind="avatar" label=${t("account.you", { name })} items=${[
      ...["light", "dark", "system"].map((value) => ({ label: t(`theme.${value}`), checked: theme.value === value, run: () => { theme.value = value; } })),
      { label: t("account.signOut"), icon: "key", run: signOut },
    ]}><span aria-hidden="true">${(name[0] ?? "H").toUpperCase()}</span><span class="visually-hidden">${t("account.you", { name })}</span><//>
  </header>`;
}

export function Notices() {
  return html`<div class="notices" role="region" aria-label=${t("app.notices")}>
    ${!online.value && session.value?.signed_in && html`<p class="banner" role="status"><${Icon} name="warning" />${t("app.offline")}</p>`}
    ${outdated.value && html`<p class="banner info" role="status">${t("app.update")} <${Button} onClick=${() => location.reload()}>${t("app.reload")}<//></p>`}
    ${toasts.value.map((toast) => html`<div key=${toast.id} class=${`toast sheet ${toast.kind}`}>
      <span>${toast.text}</span>
      ${toast.action && html`<${Button} onClick=${() => { toast.action?.run(); dismiss(toast.id); }}>${toast.action.label}<//>`}
      <${Button} kind="quiet" icon="close" label=${t("action.close")} onClick=${() => dismiss(toast.id)} />
    </div>`)}
  </div>`;
}
