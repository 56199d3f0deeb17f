"""A listening socket whose accepting goes on when descriptors are short, in place of Ryu's."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import eventlet
from eventlet.green import socket
from ryu.lib import hub

from ryu_pmipls.controller.ryu.vital import end_process
from ryu_pmipls.rate_limiter import RateLimiter

LOG = logging.getLogger(__name__)

#: Seconds without accepting when descriptors or memory are short.
PAUSE = 0.5
#: Connections that the kernel keeps meanwhile.
_BACKLOG = 128
_SHORTAGE = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
#: Failures of what is no longer to be accepted, not of the listening socket: accept(2).
_PASSING = {
    errno.ECONNABORTED,
    errno.EPERM,
    errno.EPROTO,
    errno.EINTR,
    errno.ENETDOWN,
    errno.EHOSTDOWN,
    errno.ENONET,
    errno.EHOSTUNREACH,
    errno.EOPNOTSUPP,
    errno.ENETUNREACH,
    errno.ENOPROTOOPT,
}


class Listener:
    """Listens at an address (host, port) and calls ``handle(socket, address)`` in a green thread for each connection.

    For TLS ``handle`` makes a :class:`.TlsSocket` of it, within the time that it gives a new client.
    """

    def __init__(self, address: tuple[str, int], handle: Callable[[Any, Any], object]) -> None:
        self._handle = handle
        self._limiter = RateLimiter()
        family = socket.AF_INET6 if _is_ipv6(address[0]) else socket.AF_INET
        self.socket = eventlet.listen(address, family=family, backlog=_BACKLOG)

    def serve_forever(self) -> None:
        """Accept connections; raises only what makes the listening socket useless."""
        while True:
            try:
                accepted, address = self.socket.accept()
            except OSError as error:
                if error.errno not in _SHORTAGE | _PASSING:
                    raise
                if self._limiter.passes(error.errno):
                    LOG.error("no connection can be accepted: %s", error)
                hub.sleep(PAUSE if error.errno in _SHORTAGE else 0)
                continue
            hub.spawn(self._handle, accepted, address)


class OpenFlowListener(Listener):
    """Listener that Ryu makes for OpenFlow; its end would end the process as if all were well."""

    def __init__(self, address: tuple[str, int], handle: Callable[[Any, Any], object]) -> None:
        try:
            super().__init__(address, handle)
        except OSError as error:
            end_process(f"OpenFlow cannot be served at {address[0]} port {address[1]}: {error}")
            raise

    def serve_forever(self) -> None:
        try:
            super().serve_forever()
        except OSError as error:
            end_process(f"OpenFlow is no longer served: {error}")
            raise


def _is_ipv6(host: str) -> bool:
    try:
        return ip_address(host.partition("%")[0]).version == 6
    except ValueError:
        return False
