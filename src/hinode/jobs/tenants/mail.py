"""Mail to members, by SMTP."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import parse_qs, unquote, urlsplit

from hinode.errors import HinodeError

SECONDS = 20.0
"""For each answer of the mail server."""


class MailError(HinodeError):
    """The mail server does not take a mail."""

    code = "mail"


@dataclass(frozen=True)
class Mailer:
    """Sends mail through the server of a URL, `smtp[s]://USER:PASSWORD@HOST:PORT?from=ADDRESS`, which the
    settings have checked. With `smtp` the connection is encrypted if the server can, and always before a
    password is sent; with `smtps` from the beginning."""

    url: str

    def send(self, recipient: str, subject: str, text: str) -> None:
        """Send a mail of plain text.

        Raises:
            MailError: the server cannot be reached, or refuses it.
        """
        parts = urlsplit(self.url)
        user = unquote(parts.username or "")
        sender = parse_qs(parts.query).get("from", [""])[0] or user
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = sender, recipient, subject
        message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain=sender.rpartition("@")[2])
        message.set_content(text)
        host, context = parts.hostname or "", ssl.create_default_context()
        try:
            server = (
                smtplib.SMTP_SSL(host, parts.port or 465, timeout=SECONDS, context=context)
                if parts.scheme == "smtps"
                else smtplib.SMTP(host, parts.port or 587, timeout=SECONDS)
            )
            with server:
                if parts.scheme == "smtp" and (user or (server.ehlo() and server.has_extn("starttls"))):
                    server.starttls(context=context)
                if user:
                    server.login(user, unquote(parts.password or ""))
                server.send_message(message)
        except (OSError, smtplib.SMTPException) as error:
            # What the server says may repeat the mail, and so the token in it.
            reason = type(error).__name__
            remedy = "check HINODE_SMTP_URL"
            raise MailError(f"the mail server {host} took no mail ({reason})", remedy) from None
