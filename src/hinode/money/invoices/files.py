"""Documents as files: a page or a PDF."""

from __future__ import annotations

from hinode.errors import BadInput, quote
from hinode.money.invoices import page, pdf
from hinode.money.invoices.document import Document

FORMATS = {"html": page.MEDIA_TYPE, "pdf": pdf.MEDIA_TYPE}
"""Media types by the names of formats, which are suffixes too."""


def write(document: Document, kind: str, font: str = "") -> bytes:
    """A document in one of `FORMATS`.

    Args:
        font: a TrueType file for PDF; see `pdf.to_pdf`.

    Raises:
        BadInput: there is no such format, or the font lacks a letter.
        SalesError: the font cannot be read.
    """
    if kind not in FORMATS:
        raise BadInput(f"{quote(kind)} is no format", "choose html or pdf", field="format")
    return page.to_html(document) if kind == "html" else pdf.to_pdf(document, font)
