"""The page for notices of takedown: HTML without a script, in the look of the status page."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as xml

from hinode.api.status import page as status_page
from hinode.jobs.markup import add_element
from hinode.jobs.rights.takedowns import Received
from hinode.rights.notices import GOOD_FAITH, MAX_NAME_LENGTH, MAX_TEXT_LENGTH, Notice

STYLES = status_page.STYLES + Path(__file__).with_name("page.css").read_text(encoding="utf-8")
_DIGEST = base64.b64encode(hashlib.sha256(STYLES.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; img-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
KINDS = {
    "intimate": "An intimate picture of a person",
    "likeness": "A face or voice without consent",
    "copyright": "A work whose rights I hold",
    "other": "Something else",
}
STATES = {
    "open": "The notice waits for a decision.",
    "upheld": "The content was taken down. Its makers can answer for some days.",
    "countered": "The content is down. Its makers have answered, and somebody decides about that.",
    "rejected": "The notice was rejected.",
    "restored": "The makers answered, and the content is there again.",
    "final": "The content was taken down for good.",
}


def form(values: Mapping[str, str], problem: str = "", field: str = "") -> bytes:
    """The page with the form.

    Args:
        values: what was written into it before, by field.
        problem: what is wrong with that, in one sentence, or "".
        field: the name of the field that it is about.
    """
    document, main = _document("Ask for removal")
    box = add_element(main, "header", **{"class": "summary"})
    add_element(box, "h1", "Ask for the removal of content")
    add_element(
        box,
        "p",
        "You need no account. Somebody decides within 48 hours. What you name is taken down together with "
        "its copies, and copies cannot be uploaded again.",
    )
    if problem:
        note = add_element(main, "article", role="alert", **{"class": "problem"})
        add_element(note, "h2", "The notice was not sent")
        add_element(note, "p", problem)
    article = add_element(main, "article")
    body = add_element(article, "form", method="post", action="takedown")
    _add_kinds(body, values.get("kind", "intimate"))
    _add_text(body, "locator", "Where it is", "Addresses or ids, one on a line.", values, field, rows=3)
    _add_text(body, "statement", "Why it has to go", "In your own words.", values, field, rows=4)
    _add_line(body, "name", "Your name", "", values, field)
    _add_line(body, "contact", "Your mail address", "Only reviewers see it.", values, field, kind="email")
    _add_check(body, values, field)
    _add_line(body, "signature", "Signature", "Write your name once more.", values, field)
    add_element(body, "button", "Send the notice", type="submit")
    return _write(document)


def received(entered: Received) -> bytes:
    """The page after a notice was received; only it shows the secret of the notice."""
    document, main = _document("Notice received")
    box = add_element(main, "header", **{"class": "summary operational"})
    add_element(box, "h1", "The notice was received")
    add_element(
        box, "p", "Keep this page: the link below shows what became of the notice, and only you have it."
    )
    notice = entered.notice
    _add_facts(main, notice)
    article = add_element(main, "article")
    link = f"takedown?id={notice.id}&token={entered.token}"
    add_element(add_element(article, "p"), "a", "See the status of this notice", href=link)
    return _write(document)


def status(notice: Notice) -> bytes:
    """The page of a notice, for its sender."""
    document, main = _document("Status of a notice")
    box = add_element(main, "header", **{"class": "summary"})
    add_element(box, "h1", STATES[notice.status.value])
    if notice.reason:
        add_element(box, "p", notice.reason)
    _add_facts(main, notice)
    return _write(document)


def missing() -> bytes:
    """The page for a link that is not right."""
    document, main = _document("No such notice")
    box = add_element(main, "header", **{"class": "summary outage"})
    add_element(box, "h1", "There is no such notice")
    add_element(box, "p", "Check that the link is complete.")
    return _write(document)


def _document(title: str) -> tuple[xml.Element, xml.Element]:
    document = xml.Element("html", lang="en")
    head = add_element(document, "head")
    add_element(head, "meta", charset="utf-8")
    add_element(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    add_element(head, "meta", name="color-scheme", content="light dark")
    add_element(head, "meta", name="referrer", content="no-referrer")
    add_element(head, "title", f"{title} – Hinode")
    add_element(head, "link", rel="icon", href="icon.svg", type="image/svg+xml")
    add_element(head, "style", STYLES)
    main = add_element(add_element(document, "body"), "main")
    add_element(main, "p", "Hinode", **{"class": "brand"})
    return document, main


def _write(document: xml.Element) -> bytes:
    text: bytes = xml.tostring(document, encoding="utf-8", method="html")
    return b"<!doctype html>\n" + text


def _add_facts(main: xml.Element, notice: Notice) -> None:
    facts = add_element(add_element(main, "article"), "dl")
    for name, text in (
        ("Notice", notice.id),
        ("Received", _moment(notice.created_at)),
        ("Decided by", _moment(notice.due_at)),
    ):
        add_element(facts, "dt", name)
        add_element(facts, "dd", text)


def _add_kinds(body: xml.Element, chosen: str) -> None:
    part = add_element(body, "div", **{"class": "field"})
    add_element(part, "label", "What it shows", **{"for": "kind"})
    menu = add_element(part, "select", id="kind", name="kind")
    for kind, text in KINDS.items():
        selected = {"selected": "selected"} if kind == chosen else {}
        add_element(menu, "option", text, value=kind, **selected)


def _field(body: xml.Element, name: str, title: str, hint: str) -> tuple[xml.Element, dict[str, str]]:
    part = add_element(body, "div", **{"class": "field"})
    add_element(part, "label", title, **{"for": name})
    described = {}
    if hint:
        add_element(part, "p", hint, id=f"{name}-hint", **{"class": "small"})
        described = {"aria-describedby": f"{name}-hint"}
    return part, {"id": name, "name": name, "required": "required", **described}


def _invalid(name: str, field: str) -> dict[str, str]:
    return {"aria-invalid": "true"} if name == field else {}


def _add_text(
    body: xml.Element,
    name: str,
    title: str,
    hint: str,
    values: Mapping[str, str],
    field: str,
    *,
    rows: int,
) -> None:
    part, attributes = _field(body, name, title, hint)
    size = {"rows": str(rows), "maxlength": str(MAX_TEXT_LENGTH)}
    add_element(part, "textarea", values.get(name, ""), **attributes, **size, **_invalid(name, field))


def _add_line(
    body: xml.Element,
    name: str,
    title: str,
    hint: str,
    values: Mapping[str, str],
    field: str,
    *,
    kind: str = "text",
) -> None:
    part, attributes = _field(body, name, title, hint)
    more = {"type": kind, "value": values.get(name, ""), "maxlength": str(MAX_NAME_LENGTH)}
    add_element(part, "input", **attributes, **more, **_invalid(name, field))


def _add_check(body: xml.Element, values: Mapping[str, str], field: str) -> None:
    line = add_element(body, "label", **{"class": "check"})
    checked = {"checked": "checked"} if values.get("good_faith") else {}
    attributes = {"type": "checkbox", "name": "good_faith", "value": "true", "required": "required"}
    add_element(line, "input", **attributes, **checked, **_invalid("good_faith", field))
    add_element(line, "span", GOOD_FAITH)


def _moment(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")
