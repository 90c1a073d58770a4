"""Documents as HTML pages: one file without a script, for screens and for paper."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree as xml

from hinode.money.invoices.document import Document

MEDIA_TYPE = "text/html"
STYLES = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
_DIGEST = base64.b64encode(hashlib.sha256(STYLES.encode()).digest()).decode()
POLICY = f"sandbox; default-src 'none'; style-src 'sha256-{_DIGEST}'"
"""Content security policy of the page."""

_CONTROLS = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_html(document: Document) -> bytes:
    """The page of a document."""
    page = xml.Element("html", lang="en")
    head = _add(page, "head")
    _add(head, "meta", charset="utf-8")
    _add(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    _add(head, "title", f"{document.title} {document.name}")
    _add(head, "style", STYLES)
    main = _add(_add(page, "body"), "main")
    _add_lines(main, "address", document.sender, "sender")
    _add(main, "h1", document.title)
    top = _add(main, "div", **{"class": "top"})
    _add_lines(top, "address", document.recipient, "recipient")
    facts = _add(top, "dl")
    for name, value in document.facts:
        _add(facts, "dt", name)
        _add(facts, "dd", value)
    # A wide table scrolls on a narrow screen, with the keyboard too.
    area = _add(main, "div", **{"class": "area", "tabindex": "0", "role": "region", "aria-label": "Entries"})
    table = _add(area, "table")
    _add_row(_add(table, "thead"), "th", document.head, document.numbers)
    body = _add(table, "tbody")
    for row in document.rows:
        _add_row(body, "td", row, document.numbers)
    totals = _add(main, "dl", **{"class": "totals"})
    for name, value in document.totals:
        _add(totals, "dt", name)
        _add(totals, "dd", value)
    for note in document.notes:
        _add(main, "p", note)
    text: bytes = xml.tostring(page, encoding="utf-8", method="html")
    return b"<!doctype html>\n" + text


def _add(parent: xml.Element, tag: str, text: str | None = None, **attributes: str) -> xml.Element:
    element = xml.SubElement(parent, tag, attributes)
    element.text = None if text is None else _CONTROLS.sub("\ufffd", text)
    return element


def _add_lines(parent: xml.Element, tag: str, lines: Iterable[str], kind: str) -> None:
    box = _add(parent, tag, **{"class": kind})
    for line in lines:
        _add(box, "span", line)


def _add_row(parent: xml.Element, tag: str, cells: Iterable[str], numbers: int) -> None:
    row = _add(parent, "tr")
    texts = list(cells)
    for position, text in enumerate(texts):
        cell = _add(row, tag, text)
        if tag == "th":
            cell.set("scope", "col")
        if position >= len(texts) - numbers:
            cell.set("class", "number")
