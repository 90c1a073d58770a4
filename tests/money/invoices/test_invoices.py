"""Invoices, credit notes and statements: numbers, tax, what they say, and that they never change."""

from __future__ import annotations

from decimal import Decimal

import pytest
import sqlalchemy as sa

from hinode.errors import BadInput
from hinode.money.invoices import invoice, page, pdf, statement
from hinode.money.invoices.period import month, month_of
from hinode.money.invoices.records import ChangedInvoice, Invoices, sender
from hinode.money.ledger import credit, holds
from hinode.money.ledger.accounts import Kind
from hinode.money.ledger.transfers import Kind as Move
from hinode.money.ledger.transfers import Transfer
from hinode.money.sales import Sales, SalesError, Seller, Tax
from hinode.records.database import Database
from hinode.records.tables import invoice_series, invoices, organisations, projects

DOLLAR = 1_000_000
NOVEMBER = month("2026-11")
NOW = NOVEMBER.begins_at + 10 * 86_400
SALES = Sales(
    seller=Seller(
        name="Dawn & Söhne", address="Lichtweg 1\n10115 Berlin", tax_id="DE123456789", note="Danke"
    ),
    tax=Tax(name="VAT", rate=19),
)


@pytest.fixture
def desk(database: Database) -> Invoices:
    """Two projects; one of them has an address, a payment, and a video."""
    with database.write() as connection:
        connection.execute(organisations.insert().values(id="org_1", name="one", created_at=1.0))
        for name in ("proj_1", "proj_2"):
            values = {"id": name, "organisation_id": "org_1", "name": name, "created_at": 1.0}
            connection.execute(projects.insert().values(values))
        credit.add_credit(connection, "pay_1", "proj_1", 25 * DOLLAR, "USD", Kind.PAYMENTS, NOW)
        credit.add_credit(connection, "gift", "proj_1", DOLLAR, "USD", Kind.GRANTS, NOW)
        holds.place(connection, "video_1", "proj_1", 4 * DOLLAR, "USD", NOW + 1, job_id="video_1")
        holds.capture(connection, "video_1", 3 * DOLLAR, NOW + 2)
    desk = Invoices(database, lambda: NOW + 100)
    desk.set_recipient("proj_1", "Kite <Films>", "12 Hill Road\n\n Dover ", "GB 1")
    return desk


@pytest.mark.both_databases
def test_payments_are_billed_once_and_what_is_paid_back_stands_on_a_credit_note(
    desk: Invoices, database: Database
) -> None:
    with pytest.raises(BadInput, match="no address for invoices"):
        desk.create("proj_2", NOVEMBER, SALES)
    with pytest.raises(BadInput, match="seller of invoices is missing"):
        desk.create("proj_1", NOVEMBER, Sales())
    [first] = desk.create("proj_1", NOVEMBER, SALES)
    assert (first.id, first.gross, first.net, first.tax) == ("2026-00001", 25_000_000, 21_010_000, 3_990_000)
    for _ in range(2):  # what failed has taken no number
        with pytest.raises(BadInput, match="nothing to bill"):
            desk.create("proj_1", NOVEMBER, SALES)
    with database.write() as connection:
        credit.take_back(connection, "pay_1", "r1", 5 * DOLLAR, NOW + 3, disputed=False)
        credit.take_back(connection, "pay_1", "d1", 20 * DOLLAR, NOW + 4, disputed=True)
        credit.add_credit(connection, "pay_2", "proj_1", 10 * DOLLAR, "USD", Kind.PAYMENTS, NOW + 5)
    desk.set_recipient("proj_1", "Kite Films Ltd", "12 Hill Road", "")
    desk.set_tax("proj_1", Decimal("0"), "Reverse charge")
    second, note = desk.create("proj_1", NOVEMBER, SALES)
    assert (second.id, second.gross, second.tax) == ("2026-00002", 10 * DOLLAR, 0)
    assert (note.id, note.corrects, note.gross) == ("C2026-00001", first.id, -25 * DOLLAR)
    assert (note.parties.tax_rate, note.parties.name) == ("19", "Kite <Films>")  # those of the invoice
    assert desk.find("proj_1", first.id) == first
    assert desk.find("proj_2", first.id) is None
    listed, more = desk.page("proj_1", after=None, limit=10, descending=False)
    assert sorted(entry.id for entry in listed) == ["2026-00001", "2026-00002", "C2026-00001"]
    assert not more
    with database.read() as connection:
        rows = connection.execute(sa.select(invoice_series.c.id, invoice_series.c.last))
        series = {row.id: row.last for row in rows}
        assert series == {"2026": 2, "C2026": 1}
    with database.write() as connection:
        connection.execute(
            invoices.update()
            .where(invoices.c.id == first.id)
            .values(parties=vars(note.parties) | {"name": "X"})
        )
    with pytest.raises(ChangedInvoice, match="2026-00001 differs"):
        desk.find("proj_1", first.id)


def test_a_statement_says_what_came_and_what_left(desk: Invoices, database: Database) -> None:
    with database.read() as connection:
        found = statement.read(connection, "proj_1", "USD", NOVEMBER)
        later = statement.read(connection, "proj_1", "USD", month("2026-12"))
        assert statement.read(connection, "proj_1", "USD", NOVEMBER).digest == found.digest
    assert [(entry.text, entry.amount, entry.balance) for entry in found.entries] == [
        ("Credit, given", DOLLAR, DOLLAR),
        ("Credit, paid", 25 * DOLLAR, 26 * DOLLAR),
        ("Video", -DOLLAR, 25 * DOLLAR),
        ("Video", -2 * DOLLAR, 23 * DOLLAR),
    ]
    assert (later.opening, later.entries, later.closing) == (23 * DOLLAR, (), 23 * DOLLAR)
    text = page.to_html(statement.document(found, sender(SALES), ["proj_1"])).decode()
    assert "Balance after" in text
    assert "Dawn &amp; Söhne" in text


def test_the_page_and_the_pdf_say_the_same_and_never_change(desk: Invoices) -> None:
    [made] = desk.create("proj_1", NOVEMBER, SALES)
    document = invoice.document(made)
    html = page.to_html(document).decode()
    for words in (
        "Kite &lt;Films&gt;",
        "2026-00001",
        "21.01 USD",
        "VAT 19 %",
        "25.00 USD",
        "Tax id DE123456789",
    ):
        assert words in html
    file = pdf.to_pdf(document)
    assert file.startswith(b"%PDF-")
    assert file == pdf.to_pdf(document)
    desk.set_recipient("proj_1", "株式会社", "東京", "")
    with pytest.raises(BadInput, match="font of the PDF has no '株'"):
        pdf.to_pdf(statement.document(_empty(), (), ["株式会社"]))
    with pytest.raises(SalesError, match="cannot be read"):
        pdf.to_pdf(document, "/nowhere.ttf")


def test_the_videos_of_a_day_are_one_row_where_there_are_many() -> None:
    def capture(number: int) -> Transfer:
        name = f"video_{number:03d}"
        at = NOVEMBER.begins_at + 300 * number
        revenue = "revenue:USD"
        return Transfer(name, name, Move.CAPTURE, "lot:pay_1", revenue, DOLLAR, "USD", at, job_id=name)

    few, many = (
        statement.document(
            statement.statement("p", "USD", NOVEMBER, 999 * DOLLAR, [*map(capture, range(count))]), (), ()
        ).rows
        for count in (2, 301)
    )
    assert [row[1] for row in few] == ["Video (video_000)", "Video (video_001)"]
    assert list(many) == [
        ("2026-11-01", "288 videos", "-288.00 USD", "711.00 USD"),
        ("2026-11-02", "13 videos", "-13.00 USD", "698.00 USD"),
    ]


def _empty() -> statement.Statement:
    return statement.statement("proj_1", "USD", NOVEMBER, 0, ())


def test_amounts_and_months() -> None:
    assert invoice.net_of(119 * DOLLAR, "19", "USD") == 100 * DOLLAR
    assert invoice.net_of(-5 * DOLLAR, "19", "USD") == -4_200_000
    assert invoice.net_of(1000 * DOLLAR, "10", "JPY") == 909 * DOLLAR
    assert invoice.money(-1_234_500_000, "USD") == "-1,234.50 USD"
    assert invoice.money(1_234_567_891, "USD") == "1,234.567891 USD"
    assert invoice.money(5000 * DOLLAR, "JPY") == "5,000 JPY"
    assert month_of(NOW) == NOVEMBER
    assert month("2026-12").ends_at == month("2027-01").begins_at
    for text in ("2026-13", "2026", "x"):
        with pytest.raises(BadInput, match="no month"):
            month(text)
