"""TLS at the end of a server, with those methods of eventlet's sockets that connections use.

eventlet's own TLS makes a system call for each record in either direction, and has no end that does not wait. Here
OpenSSL reads and writes memory: one system call takes up to 64 KiB, and ``fd`` is used as the descriptor of a plain
socket is.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from socket import SHUT_WR
from typing import Any, TypeVar

from eventlet.hubs import trampoline

from ryu_pmipls.controller.ryu.connection_errors import PlainError

T = TypeVar("T")

#: Octets of a connection that are read or encrypted at a time.
_MOST = 2**16
#: The first octet of every connection: a record of the handshake (RFC 8446, section 5.1).
_HANDSHAKE = 22
#: Reads after which others have their turn: what comes may be records of no use, without end.
_TURN = 16
#: Encrypted octets that may wait while others are read: OpenSSL answers what a client can send without end.
_MOST_UNSENT = 2**18


class TlsChannel:
    """The end of a server that does not wait, over a plain socket that does not either.

    ``BlockingIOError`` where it would have to wait, ``ssl.SSLError`` when TLS fails; the other end is told why.
    """

    def __init__(self, plain: Any, context: ssl.SSLContext) -> None:
        self._plain = plain
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._begun = False
        self._unsent = b""  # encrypted octets
        self._taken = 0  # of the octets of the send that is under way, those that are encrypted

    def do_handshake(self) -> None:
        """Go on with the handshake; ``PlainError`` when the other end does no TLS at all."""
        self._decrypted(self._tls.do_handshake)
        self._flush_some()

    def certificate(self) -> tuple[tuple[str, ...], bytes]:
        """The names (DNS) and the DER of the other end's certificate, which it must have shown in the handshake."""
        shown: Any = self._tls.getpeercert()
        names = tuple(value for kind, value in shown.get("subjectAltName", ()) if kind == "DNS")
        return names, self._tls.getpeercert(True) or b""

    def recv(self, most: int) -> bytes:
        """At least one octet, or none at the end."""
        try:
            return self._decrypted(lambda: self._tls.read(most))
        except ssl.SSLEOFError:
            return b""

    def send(self, octets: bytes | memoryview) -> int:
        """Send the first octets; their number. After ``BlockingIOError`` the next octets must be the same ones.

        For they are encrypted already then, and on their way in part.
        """
        if not self._taken:
            self._flush()
            piece = memoryview(octets)[:_MOST]
            while self._taken < len(piece):
                self._taken += self._tls.write(piece[self._taken :])
        self._flush()
        taken, self._taken = self._taken, 0
        return taken

    def shutdown(self, how: int) -> None:
        """As with a plain socket; what can still be read then remains so."""
        if how == SHUT_WR and not (self._incoming.pending or self._tls.pending()):
            with suppress(OSError, ValueError):  # the other end has not said yet that it ends, too; or never began
                self._tls.unwrap()
            with suppress(OSError):
                self._flush()
        self._plain.shutdown(how)

    def _decrypted(self, step: Callable[[], T]) -> T:
        """The outcome of a step of OpenSSL that needs input, as soon as there is enough of it."""
        for turn in count():
            try:
                return step()
            except ssl.SSLWantReadError:
                self._flush_some()
                if len(self._unsent) > _MOST_UNSENT:
                    raise ConnectionAbortedError("the other end asks without end, and does not read") from None
                if turn == _TURN:
                    raise BlockingIOError from None
            except ssl.SSLError:
                self._flush_some()
                raise
            self._receive()
        raise AssertionError

    def _receive(self) -> None:
        octets = self._plain.recv(_MOST)
        if not octets:
            self._incoming.write_eof()
        elif not self._begun and octets[0] != _HANDSHAKE:
            raise PlainError("what comes is no TLS")
        self._begun = True
        self._incoming.write(octets)

    def _flush_some(self) -> None:
        with suppress(OSError):  # the socket is full, or gone, which reading will show
            self._flush()

    def _flush(self) -> None:
        """Send all that is encrypted; ``BlockingIOError`` when there is no room for all of it."""
        if self._outgoing.pending:
            self._unsent += self._outgoing.read()
        while self._unsent:
            self._unsent = self._unsent[self._plain.send(self._unsent) :]


class TlsSocket:
    """The end of a server over one of eventlet's sockets; ``fd`` is the one that does not wait.

    Waiting ends with ``TimeoutError`` after the timeout of :meth:`settimeout`.
    """

    def __init__(self, plain: Any, context: ssl.SSLContext) -> None:
        self._plain = plain
        self._timeout: float | None = None
        self.fd = TlsChannel(plain.fd, context)
        self.fileno: Callable[[], int] = plain.fileno
        self.setsockopt: Callable[..., None] = plain.setsockopt
        self.shutdown: Callable[[int], None] = self.fd.shutdown
        self.close: Callable[[], None] = plain.close

    def settimeout(self, seconds: float | None) -> None:
        self._timeout = seconds

    def do_handshake(self) -> None:
        """Wait until the handshake is done; ``OSError`` (``ssl.SSLError``) when it fails."""
        self._waiting(self.fd.do_handshake)

    def recv(self, most: int) -> bytes:
        """Wait for at least one octet; none at the end."""
        return self._waiting(lambda: self.fd.recv(most))

    def sendall(self, octets: bytes) -> None:
        """Wait until all octets are sent, or in the kernel's hands."""
        rest = memoryview(octets)
        while rest:
            rest = rest[self._sent(rest) :]

    def _sent(self, octets: memoryview) -> int:
        while True:
            try:
                return self.fd.send(octets)
            except BlockingIOError:
                trampoline(self.fileno(), write=True, timeout=self._timeout, timeout_exc=TimeoutError)

    def _waiting(self, step: Callable[[], T]) -> T:
        """The outcome of a step that needs input."""
        while True:
            try:
                return step()
            except BlockingIOError:
                trampoline(self.fileno(), read=True, timeout=self._timeout, timeout_exc=TimeoutError)
