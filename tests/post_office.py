"""A real SMTP server of a few lines."""

from __future__ import annotations

import socketserver


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
