"""Mail to a real SMTP server of a few lines."""

from __future__ import annotations

import pytest

from hinode.jobs.tenants.mail import Mailer, MailError
from tests.post_office import PostOffice


def test_a_mail_arrives(office: PostOffice) -> None:
    mailer = Mailer(f"smtp://127.0.0.1:{office.server_address[1]}?from=studio@example.com")
    mailer.send("ada@example.com", "Invitation to Möwe", "a link: http://localhost/#reset=x\n")
    mail = office.mail.decode()
    assert "From: studio@example.com\r\n" in mail
    assert "To: ada@example.com\r\n" in mail
    assert "http://localhost/#reset=x" in mail


def test_a_refusal_does_not_repeat_the_mail(office: PostOffice) -> None:
    mailer = Mailer(f"smtp://127.0.0.1:{office.server_address[1]}?from=studio@example.com")
    with pytest.raises(MailError, match="took no mail") as caught:
        mailer.send("nobody@example.com", "Invitation", "text")
    assert "token" not in str(caught.value)
    # A password is never sent in the clear.
    mailer = Mailer(f"smtp://ada:s3cret@127.0.0.1:{office.server_address[1]}?from=studio@example.com")
    with pytest.raises(MailError) as caught:
        mailer.send("ada@example.com", "Invitation", "text")
    assert "s3cret" not in str(caught.value)
