"""Elements of XML and HTML, and the values in them; texts are escaped when they are written."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from xml.etree import ElementTree as xml

ATOM = "http://www.w3.org/2005/Atom"
ATOM_TYPE = "application/atom+xml"

_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot have, however they are written."""


def add_element(parent: xml.Element, tag: str, text: str | None = None, **attributes: str) -> xml.Element:
    """Add an element with a text and attributes, and return it."""
    element = xml.SubElement(parent, tag, {name: _clean(value) for name, value in attributes.items()})
    element.text = None if text is None else _clean(text)
    return element


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)


def format_moment(moment: float) -> str:
    """Seconds since 1970 as RFC 3339 in UTC, to the second."""
    return datetime.fromtimestamp(int(moment), UTC).isoformat().replace("+00:00", "Z")


def to_bytes(element: xml.Element) -> bytes:
    """An XML document."""
    text: bytes = xml.tostring(element, encoding="utf-8", xml_declaration=True)
    return text
