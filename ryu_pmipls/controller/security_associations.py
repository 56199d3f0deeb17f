"""The RMS's security associations, asked for in a native thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventlet import patcher

from ryu_pmipls.controller.ryu.threads import in_thread
from ryu_pmipls.domain.profile import RMS_NAME, Profile
from ryu_pmipls.ipsec.watch import AssociationWatch

if TYPE_CHECKING:
    from socket import socket

_socket = patcher.original("socket")  # Ryu patches the module, so that its sockets let green threads wait


class SecurityAssociations:
    """The associations of the RMS. Only the green thread that looks waits for strongSwan and nft(8)."""

    def __init__(self, profile: Profile) -> None:
        self.watch = AssociationWatch(profile, RMS_NAME, _open_socket)
        self._thread = in_thread(_Looker, self.watch) if self.watch.needed else None

    def look(self) -> None:
        """Ask for the state of the associations."""
        if self._thread is not None:
            self._thread.look()


class _Looker:
    """Looks, in the thread that it is in."""

    def __init__(self, watch: AssociationWatch) -> None:
        self._watch = watch

    def look(self) -> None:
        self._watch.look()


def _open_socket() -> socket:
    opened: socket = _socket.socket(_socket.AF_UNIX)
    return opened
