"""Questions to strongSwan's daemon charon, by its interface VICI.

The library ``vici`` is an extra of the package. All functions wait for charon's answer: call them where that stops
nobody.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ryu_pmipls.ipsec.errors import IpsecError

#: Environment variable that names the socket of a private charon, such as a lab's.
VICI_VARIABLE = "PMIPLS_VICI"
_HOST_SOCKET = Path("/var/run/charon.vici")
_TIMEOUT = 5.0  # seconds for an answer

#: Opener of a Unix socket: where the module ``socket`` is patched, that of the original one.
OpenSocket = Callable[[], socket.socket]


def vici_socket() -> Path:
    """The socket of the charon of this host, or of this lab's node."""
    return Path(os.environ.get(VICI_VARIABLE, _HOST_SOCKET))


def open_socket() -> socket.socket:
    """A socket as the module ``socket`` has it."""
    return socket.socket(socket.AF_UNIX)


@dataclass(frozen=True)
class SecurityAssociation:
    """An association of IKEv2 with its children. ``established``: seconds ago; None while it is being negotiated.

    ``installed`` are the children that protect traffic, ``octets`` those that they have received and sent so far.
    """

    connection: str
    state: str
    established: int | None
    installed: int
    octets: tuple[int, int]


class Charon:
    """The charon at a socket. ``IpsecError`` when it does not answer."""

    def __init__(self, path: Path, open_unix_socket: OpenSocket = open_socket) -> None:
        self._path = path
        self._open = open_unix_socket

    def connections(self) -> set[str]:
        """The names of the connections that it has been given."""
        with self._session() as session:
            return {_text(name) for name in session.get_conns().get("conns", ())}

    def associations(self) -> list[SecurityAssociation]:
        """The present associations."""
        with self._session() as session:
            return [_association(name, entry) for found in session.list_sas() for name, entry in found.items()]

    @contextmanager
    def _session(self) -> Iterator[Any]:
        try:
            import vici
        except ImportError:
            raise IpsecError("the Python library vici is missing: pip install '.[security]'") from None
        opened = self._open()
        try:
            opened.settimeout(_TIMEOUT)
            opened.connect(str(self._path))
            yield vici.Session(opened)
        except (OSError, vici.exception.SessionException, vici.exception.CommandException) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise IpsecError(f"strongSwan does not answer at {self._path}: {reason}") from None
        finally:
            opened.close()


def _association(name: str, entry: Any) -> SecurityAssociation:
    children = [child for child in entry.get("child-sas", {}).values() if _text(child["state"]) == "INSTALLED"]
    established = entry.get("established")
    return SecurityAssociation(
        connection=name,
        state=_text(entry["state"]),
        established=None if established is None else int(established),
        installed=len(children),
        octets=(_sum(children, "bytes-in"), _sum(children, "bytes-out")),
    )


def _sum(children: list[Any], key: str) -> int:
    return sum(int(child.get(key, 0)) for child in children)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
