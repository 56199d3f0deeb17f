"""What a connection shows of its other end: the user of a Unix socket, the names of a certificate."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from typing import Any, Protocol

from ryu_pmipls.http.access.roles import UnixUser

#: ``SO_PEERGROUPS`` of Linux, which Python does not name, and groups that it may answer with.
_PEER_GROUPS, _MOST_GROUPS = 59, 256
_CREDENTIALS = struct.Struct("iII")
_GROUP = struct.Struct("I")


class TlsObject(Protocol):
    """A TLS socket or its like."""

    def getpeercert(self) -> Any:
        """The verified certificate of the other end; empty or None if it has sent none."""


def unix_user(connection: socket.socket) -> UnixUser:
    """The user at the other end of a Unix socket when it connected; raises ``OSError``.

    Of a user with more groups than anybody has only the first one is known.
    """
    octets = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, gid = _CREDENTIALS.unpack(octets)
    groups = b""
    with suppress(OSError):
        groups = connection.getsockopt(socket.SOL_SOCKET, _PEER_GROUPS, _GROUP.size * _MOST_GROUPS)
    return UnixUser(uid, frozenset([gid, *(group for (group,) in _GROUP.iter_unpack(groups))]))


def certificate_names(tls: TlsObject | None) -> frozenset[str]:
    """The DNS names of the certificate that the other end has; none without TLS, or without a certificate."""
    certificate = None if tls is None else tls.getpeercert()
    names = (certificate or {}).get("subjectAltName", ())
    return frozenset(value for kind, value in names if kind == "DNS")
