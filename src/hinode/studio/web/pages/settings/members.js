// People who sign in, their roles, their sessions, and one's own password.
import { post, remove } from "../../core/api.js";
import { notify, notifyError } from "../../core/notices.js";
import { isOwner, session } from "../../core/session.js";
import { t } from "../../core/strings.js";
import { html, useState } from "../../core/ui.js";
import { Confirm } from "../../widgets/confirm.js";
import { Field } from "../../widgets/controls.js";
import { CopyField } from "../../widgets/copy.js";
import { Menu } from "../../widgets/menu.js";
import { allOf, FormError, Loading, OwnersOnly, Section, useForm, useRemote } from "./form.js";
import { OwnPassword, Sessions } from "./sessions.js";

const ROLES = ["owner", "editor", "reviewer", "viewer"];

/** @typedef {{ id: string, email: string, name: string, role: string, accepted: boolean, invitation_url: string | null }} Member */

export default function Members() {
  const { data, reload } = useRemote(() => allOf("members"));
  const [invited, setInvited] = useState(/** @type {Member | null} */ (null));
  const [leaving, setLeaving] = useState(/** @type {Member | null} */ (null));
  if (!data) return html`<${Loading} />`;
  const done = async (/** @type {Member} */ member) => {
    setInvited(member);
    await reload();
  };
  const leave = (/** @type {Member} */ member) => remove(`members/${member.id}`).then(reload, notifyError);
  return html`${!isOwner() && html`<${OwnersOnly} />`}
    <${Section} title=${t("settings.people")} about=${t("settings.peopleAbout")}>
      ${data.length === 0 && html`<p class="nothing">${t("settings.noMembers")}</p>`}
      <ul class="entries">${data.map((member) => html`<${MemberRow} key=${member.id} member=${member} reload=${reload} onInvite=${done} onRemove=${setLeaving} />`)}</ul>
      ${invited && html`<${Invited} member=${invited} />`}
      ${isOwner() && html`<${Invite} onInvite=${done} />`}
    <//>
    <${OwnPassword} /><${Sessions} />
    ${leaving && html`<${Confirm} title=${t("settings.removeMember", { name: leaving.name })} action=${t("settings.remove")} onConfirm=${() => leave(leaving)} onClose=${() => setLeaving(null)}><p>${t("settings.removeMemberText")}</p><//>`}`;
}

/** @param {{ member: Member, reload: () => Promise<void>, onInvite: (member: Member) => void, onRemove: (member: Member) => void }} properties */
function MemberRow({ member, reload, onInvite, onRemove }) {
  const own = session.value?.user?.id === member.id;
  const change = async (/** @type {string} */ role) => {
    try {
      await post(`members/${member.id}`, { role });
      notify(t("settings.roleChanged", { name: member.name, role: t(`role.${role}`) }));
    } catch (error) {
      notifyError(error);
    }
    await reload();
  };
  const again = () => post(`members/${member.id}/invitation`).then(onInvite, notifyError);
  return html`<li class="entry"><span class="entry-initial" aria-hidden="true">${(member.name[0] ?? "?").toUpperCase()}</span>
    <div class="entry-text"><b dir="auto">${member.name}</b>${own && html` <small>${t("settings.you")}</small>`}<small>${member.email}</small></div>
    ${!member.accepted && html`<span class="chip open">${t("settings.invitedChip")}</span>`}
    ${isOwner() ? html`<span class="row entry-end"><select aria-label=${t("settings.roleOf", { name: member.name })} value=${member.role} onChange=${(/** @type {any} */ event) => change(event.currentTarget.value)}>${ROLES.map((role) => html`<option key=${role} value=${role}>${t(`role.${role}`)}</option>`)}</select>
      <${Menu} kind="quiet" icon="more" label=${t("settings.moreFor", { name: member.name })} items=${[
        { label: t("settings.newLink"), icon: "link", run: again },
        { label: t("settings.remove"), icon: "trash", danger: true, run: () => onRemove(member) },
      ]} /></span>` : html`<span>${t(`role.${member.role}`)}</span>`}
  </li>`;
}

/** @param {{ member: Member }} properties */
function Invited({ member }) {
  return html`<div class="once" role="status">${member.invitation_url
    ? html`<p><b>${t("settings.invitationOf", { name: member.name })}</b> ${t("settings.invitationLink")}</p><${CopyField} label=${t("settings.invitationOf", { name: member.name })} text=${member.invitation_url} />`
    : html`<p>${t("settings.invitationSent", { email: member.email })}</p>`}</div>`;
}

/** @param {{ onInvite: (member: Member) => Promise<void> }} properties */
function Invite({ onInvite }) {
  const form = useForm("invite", { email: "", name: "", role: "editor" }, async (values) => onInvite(await post("members", { email: values.email.trim(), name: values.name.trim() || null, role: values.role })));
  return html`<form class="stack invite" onSubmit=${form.submit}><h4>${t("settings.invite")}</h4>
    <div class="field-row row">
      <${Field} label=${t("signIn.email")} error=${form.errors.email}>${(/** @type {any} */ properties) => html`<input type="email" required maxlength="254" autocomplete="off" ...${properties} ...${form.text("email")} />`}<//>
      <${Field} label=${t("settings.memberName")} error=${form.errors.name}>${(/** @type {any} */ properties) => html`<input type="text" maxlength="100" autocomplete="off" ...${properties} ...${form.text("name")} />`}<//>
      <${Field} label=${t("settings.role")} error=${form.errors.role}>${(/** @type {any} */ properties) => html`<select ...${properties} value=${form.values.role} onChange=${(/** @type {any} */ event) => form.set({ role: event.currentTarget.value })}>${ROLES.map((role) => html`<option key=${role} value=${role}>${t(`role.${role}`)}</option>`)}</select>`}<//>
      <button class="button" type="submit" disabled=${form.busy || !form.values.email}>${t("settings.inviteAction")}</button>
    </div><small>${t(`role.${form.values.role}.about`)}</small><${FormError} errors=${form.errors} /></form>`;
}
