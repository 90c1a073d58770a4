"""Notices by mail, to a real SMTP server."""

from __future__ import annotations

from hinode.jobs.status.notices import Notice, send_mails
from hinode.jobs.tenants.mail import Mailer
from tests.jobs.service import START
from tests.post_office import PostOffice

NOTICE = Notice("incident_1", "clips/native", "A clip was not rendered within 30 s.", START, True)


def test_operators_get_a_mail_that_says_what_fails(office: PostOffice) -> None:
    mailer = Mailer(f"smtp://127.0.0.1:{office.server_address[1]}?from=studio@example.com")
    send_mails(mailer, ["nobody@example.com", "ada@example.com"], [NOTICE])
    mail = office.mail.decode()
    assert "To: ada@example.com\r\n" in mail
    assert "Subject: Clips by native: incident opened\r\n" in mail
    assert "A clip was not rendered within 30 s.\r\n" in mail
    assert "nobody@example.com" not in mail
