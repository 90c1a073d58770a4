"""Mail to a real SMTP server of a few lines."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator

import pytest

from hinode.jobs.tenants.mail import Mailer, MailError


class Conversation(socketserver.StreamRequestHandler):
    """Takes one mail, unless the recipient is nobody."""

    server: PostOffice

    def handle(self) -> None:
        self._say("220 hello")
        while line := self.rfile.readline().decode().strip():
            word = line.upper()
            if word.startswith("RCPT") and "nobody" in line:
                self._say("550 no such person; the mail was: https://studio.example.com/#token=x")
            elif word == "DATA":
                self._say("354 go on")
                while (part := self.rfile.readline()) != b".\r\n":
                    self.server.mail += part
                self._say("250 taken")
            elif word == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 yes")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


class PostOffice(socketserver.TCPServer):
    mail = b""


@pytest.fixture
def office() -> Iterator[PostOffice]:
    with PostOffice(("127.0.0.1", 0), Conversation) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


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
