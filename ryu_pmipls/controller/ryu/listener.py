"""A listening socket whose accepting goes on when descriptors are short, in place of Ryu's."""

from __future__ import annotations

import errno
import logging
import ssl
from collections.abc import Callable
from contextlib import suppress
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
#: Seconds for the handshake of TLS, and handshakes at a time; the oldest gives way.
_TLS_TIMEOUT, _MAX_HANDSHAKES = 2.0, 32


class Listener:
    """Listens at an address (host, port) and calls ``handle(socket, address)`` in a green thread for each connection.

    ``tls`` are the arguments that Ryu has for TLS: ssl_ctx, keyfile, certfile, and perhaps cert_reqs and ca_certs.
    """

    def __init__(self, address: tuple[str, int], handle: Callable[[Any, Any], object], **tls: Any) -> None:
        self._handle = handle
        self._tls = _context(**tls) if tls else None
        self._limiter = RateLimiter()
        self._shaking_hands: dict[Any, None] = {}  # the oldest first
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
            hub.spawn(self._serve, accepted, address)

    def _serve(self, accepted: Any, address: Any) -> None:
        if self._tls is None:
            self._handle(accepted, address)
            return
        wrapped = None
        self._shaking_hands[accepted] = None
        if len(self._shaking_hands) > _MAX_HANDSHAKES:
            oldest = next(iter(self._shaking_hands))
            del self._shaking_hands[oldest]
            with suppress(OSError):
                oldest.shutdown(socket.SHUT_RDWR)
        try:
            with hub.Timeout(_TLS_TIMEOUT, False):
                wrapped = self._tls.wrap_socket(accepted, server_side=True)
        except OSError as error:
            if self._limiter.passes("tls"):
                LOG.warning("TLS with %s failed: %s", address[0], error)
        finally:
            self._shaking_hands.pop(accepted, None)
        if wrapped is None:
            accepted.close()
        else:
            self._handle(wrapped, address)


class OpenFlowListener(Listener):
    """Listener that Ryu makes for OpenFlow; its end would end the process as if all were well."""

    def __init__(self, address: tuple[str, int], handle: Callable[[Any, Any], object], **tls: Any) -> None:
        try:
            super().__init__(address, handle, **tls)
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


def _context(
    ssl_ctx: ssl.SSLContext, keyfile: str, certfile: str, cert_reqs: int = ssl.CERT_NONE, ca_certs: str | None = None
) -> ssl.SSLContext:
    ssl_ctx.load_cert_chain(certfile, keyfile)
    if ca_certs is not None:
        ssl_ctx.load_verify_locations(ca_certs)
    ssl_ctx.verify_mode = ssl.VerifyMode(cert_reqs)
    return ssl_ctx
