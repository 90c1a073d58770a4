"""Documents as PDF, the same bytes for the same document."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any
from xml.sax.saxutils import escape

from hinode.errors import BadInput, quote
from hinode.money.invoices.document import Document
from hinode.money.sales import FILE, SalesError

MEDIA_TYPE = "application/pdf"
GREY, LINE = "#555555", "#bbbbbb"
PADDING = 6.0
"""Points that reportlab leaves at the sides of its frames."""


class _Fonts:
    """A regular and a bold face; the file of the operator is both."""

    def __init__(self, file: str) -> None:
        """
        Raises:
            SalesError: the file is not there, or is no TrueType font.
        """
        from reportlab.pdfbase import pdfmetrics
        from reportlab.pdfbase.ttfonts import TTFError, TTFont

        paths = {"regular": file or "Vera.ttf", "bold": file or "VeraBd.ttf"}
        self.names: dict[str, str] = {}
        for weight, path in paths.items():
            name = f"{weight} {path}"
            try:
                font = TTFont(name, path)
            except (TTFError, OSError) as error:
                message = f"the font {quote(path, 120)} cannot be read"
                remedy = f"name a TrueType file as `font` in {FILE}"
                raise SalesError(message, remedy) from error
            pdfmetrics.registerFont(font)
            self.names[weight] = name
        self._letters = font.face.charToGlyph

    def check(self, texts: Iterable[str]) -> None:
        """
        Raises:
            BadInput: a text has a letter that the font lacks.
        """
        for text in texts:
            for letter in text:
                if ord(letter) not in self._letters and not letter.isspace():
                    remedy = f"name a TrueType file that has it as `font` in {FILE}, or take the HTML page"
                    raise BadInput(f"the font of the PDF has no {quote(letter)}", remedy, field="font")


def to_pdf(document: Document, font: str = "") -> bytes:
    """The PDF of a document, in A4.

    Args:
        font: a TrueType file; by default one with the letters of Western Europe.

    Raises:
        SalesError: the font cannot be read.
        BadInput: it lacks a letter.
    """
    from reportlab.lib.colors import HexColor
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.lib.units import mm
    from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table

    fonts = _Fonts(font)
    fonts.check(_texts(document))
    regular, bold = fonts.names["regular"], fonts.names["bold"]
    body = ParagraphStyle("body", fontName=regular, fontSize=9, leading=13, wordWrap="CJK" if font else None)
    styles = {
        "body": body,
        "bold": ParagraphStyle("bold", parent=body, fontName=bold),
        "grey": ParagraphStyle("grey", parent=body, textColor=HexColor(GREY)),
        "end": ParagraphStyle("end", parent=body, alignment=2),
        "bold end": ParagraphStyle("bold end", parent=body, fontName=bold, alignment=2),
        "title": ParagraphStyle("title", parent=body, fontName=bold, fontSize=18, leading=24),
    }

    def text(words: str, style: str = "body") -> Any:
        return Paragraph(escape(words), styles[style])

    def lines(entries: Sequence[str]) -> list[Any]:
        return [text(line, "body" if position else "bold") for position, line in enumerate(entries)]

    width = 170 * mm
    facts = Table(
        [[text(name, "grey"), text(value)] for name, value in document.facts],
        colWidths=[30 * mm, 55 * mm],
        style=[("VALIGN", (0, 0), (-1, -1), "TOP"), *_tight()],
    )
    top = Table(
        [[lines(document.recipient), facts]],
        colWidths=[85 * mm, 85 * mm],
        style=[("VALIGN", (0, 0), (-1, -1), "TOP"), *_tight()],
    )
    parts = [
        *lines(document.sender),
        Spacer(1, 10 * mm),
        text(document.title, "title"),
        Spacer(1, 4 * mm),
        top,
        Spacer(1, 8 * mm),
        _entries(document, width, text),
        Spacer(1, 4 * mm),
        _totals(document, width, text),
        Spacer(1, 8 * mm),
        *(text(note, "grey") for note in document.notes),
    ]

    def foot(canvas: Any, template: Any) -> None:
        canvas.setFont(regular, 8)
        canvas.setFillColor(GREY)
        canvas.drawString(20 * mm, 12 * mm, f"{document.title} {document.name}")
        canvas.drawRightString(190 * mm, 12 * mm, f"Page {template.page}")

    target = io.BytesIO()
    SimpleDocTemplate(
        target,
        pagesize=A4,
        leftMargin=20 * mm - PADDING,
        rightMargin=20 * mm - PADDING,
        topMargin=20 * mm,
        bottomMargin=22 * mm,
        title=f"{document.title} {document.name}",
        author=document.sender[0] if document.sender else "",
        lang="en",
        invariant=1,  # without the time, so that the same document is the same file
    ).build(parts, onFirstPage=foot, onLaterPages=foot)
    return target.getvalue()


def _entries(document: Document, width: float, text: Any) -> Any:
    from reportlab.platypus import Table

    count = len(document.head)
    plain = count - document.numbers
    side = width * 0.17
    widths = [side] * count
    widths[1] = width - side * (count - 1)

    def row(cells: Sequence[str], style: str, end: str) -> list[Any]:
        return [text(cell, end if place >= plain else style) for place, cell in enumerate(cells)]

    rows = [
        row(document.head, "bold", "bold end"),
        *(row(cells, "body", "end") for cells in document.rows),
    ]
    style: list[Any] = [
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (0, -1), 0),
        ("RIGHTPADDING", (-1, 0), (-1, -1), 0),
    ]
    return Table(rows, colWidths=widths, repeatRows=1, style=style)


def _totals(document: Document, width: float, text: Any) -> Any:
    from reportlab.platypus import Table

    last = len(document.totals) - 1
    rows = [
        [text(name, "bold" if place == last else "body"), text(value, "bold end" if place == last else "end")]
        for place, (name, value) in enumerate(document.totals)
    ]
    return Table(rows, colWidths=[width * 0.28, width * 0.22], hAlign="RIGHT", style=_tight())


def _tight() -> list[Any]:
    return [
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ("RIGHTPADDING", (0, 0), (-1, -1), 0),
        ("TOPPADDING", (0, 0), (-1, -1), 1),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1),
    ]


def _texts(document: Document) -> Iterable[str]:
    yield from (document.title, document.name, *document.sender, *document.recipient, *document.notes)
    for row in (*document.facts, document.head, *document.rows, *document.totals):
        yield from row
