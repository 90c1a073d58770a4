// Signing in: by a link that works once, or by address and password; and choosing a password by such a link.
import { get, post } from "../core/api.js";
import { leaveLink, readLink, session } from "../core/session.js";
import { t } from "../core/strings.js";
import { html, useEffect, useRef, useState } from "../core/ui.js";
import { Button, Field } from "../widgets/controls.js";
import { Sun } from "../widgets/icons.js";

const MIN_PASSWORD_LENGTH = 10;

/** @param {{ over: boolean }} properties `over` a page whose session has ended */
export function SignIn({ over }) {
  const [fields, setFields] = useState({ email: "", password: "" });
  const [failure, setFailure] = useState("");
  const [notice, setNotice] = useState("");
  const [busy, setBusy] = useState(false);
  const link = readLink();
  /** @param {() => Promise<void>} work */
  const attempt = async (work) => {
    setBusy(true);
    setFailure("");
    setNotice("");
    try {
      await work();
    } catch (error) {
      setFailure(error instanceof Error ? error.message : String(error));
    } finally {
      setBusy(false);
    }
  };
  /** @param {string} path @param {unknown} body */
  const enter = (path, body) => attempt(async () => {
    await post(path, body);
    const answer = await get("session");
    if (link.kind) leaveLink();
    // What the page shows belongs to the project before.
    if (over && answer.project?.id !== session.peek()?.project?.id) location.reload();
    session.value = answer;
  });
  const submit = () => {
    if (link.kind === "token") return enter("session", { token: link.token });
    if (link.kind) return enter("password", { token: link.token, password: fields.password });
    return enter("session", fields);
  };
  const forget = () => attempt(async () => {
    await post("password/reset", { email: fields.email });
    setNotice(t("signIn.forgotten"));
  });
  /** @param {string} name */
  const input = (name) => (/** @type {any} */ event) => setFields({ ...fields, [name]: event.currentTarget.value });
  const choice = html`<p>${t("signIn.choose", { count: MIN_PASSWORD_LENGTH })}</p>
    <${Field} label=${t("signIn.newPassword")}>${(/** @type {any} */ properties) => html`<input ...${properties} type="password" autocomplete="new-password" required minlength=${MIN_PASSWORD_LENGTH} value=${fields.password} onInput=${input("password")} />`}<//>
    <button class="button primary" type="submit" disabled=${busy}>${t("signIn.save")}</button>`;
  const own = html`<p>${t("signIn.how")} <code>hinode link</code></p>
    <${Field} label=${t("signIn.email")}>${(/** @type {any} */ properties) => html`<input ...${properties} type="email" autocomplete="username" required value=${fields.email} onInput=${input("email")} />`}<//>
    <${Field} label=${t("signIn.password")}>${(/** @type {any} */ properties) => html`<input ...${properties} type="password" autocomplete="current-password" required value=${fields.password} onInput=${input("password")} />`}<//>
    <button class="button primary" type="submit" disabled=${busy}>${t("signIn.enter")}</button>
    <${Button} kind="quiet link" disabled=${busy || !fields.email} onClick=${forget}>${t("signIn.forgot")}<//>`;
  const open = html`<p>${t("signIn.link")}</p><button class="button primary" type="submit" disabled=${busy}>${t("signIn.open")}</button>`;
  const form = html`<form class=${over ? "stack" : "sheet stack"} onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); submit(); }}>
    <div class="sign-in-brand"><${Sun} />${over ? html`<h2>${t("signIn.title")}</h2>` : html`<h1>Hinode</h1>`}</div>
    ${over && html`<p>${t("signIn.ended")}</p>`}
    ${link.kind === "token" ? open : link.kind ? choice : own}
    ${failure && html`<p class="error" role="alert">${failure}</p>`}
    ${notice && html`<p role="status">${notice}</p>`}
  </form>`;
  return over ? html`<${Over}>${form}<//>` : html`<main class="sign-in"><${Hills} />${form}<p class="elsewhere"><a href="./verify">${t("signIn.verify")}</a></p></main>`;
}

/** A modal dialog that only signing in closes; the focus goes in, and back afterwards. @param {{ children: any }} properties */
function Over({ children }) {
  const element = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => {
    const dialog = element.current;
    const before = document.activeElement;
    dialog?.showModal();
    /** @type {HTMLElement | null | undefined} */ (dialog?.querySelector("input, button"))?.focus();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  // Browsers close a dialog at a second Escape, whatever the page says of the first.
  const stay = (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && event.preventDefault();
  return html`<dialog ref=${element} class="sheet sign-in-over" aria-label=${t("signIn.title")} onKeyDown=${stay} onCancel=${(/** @type {Event} */ event) => event.preventDefault()}>${children}</dialog>`;
}

/** The sun rises behind hills of paper. */
function Hills() {
  return html`<svg class="hills" viewBox="0 0 1440 900" preserveAspectRatio="xMidYMax slice" aria-hidden="true" focusable="false">
    <rect class="sky" width="1440" height="900" />
    <g class="rising"><circle class="disc" cx="720" cy="610" r="330" /><circle class="core" cx="720" cy="640" r="210" /></g>
    <path class="far" d="M0 640c180-90 330-110 520-40s330 60 500-10 300-70 420-20v330H0z" />
    <path class="mid" d="M0 720c150-40 260-80 430-50s270 90 470 70 330-110 540-60v220H0z" />
    <path class="near" d="M0 790c210-70 380-50 560-10s330 40 500 0 270-50 380-20v140H0z" />
    <path class="front" d="M0 850c240-40 420-30 640-8s430 24 800-12v70H0z" />
  </svg>`;
}
