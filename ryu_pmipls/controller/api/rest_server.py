"""The HTTP server of the RMS: one request per connection, each in a green thread, within limits."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from socket import SHUT_WR
from ssl import SSLContext
from typing import Any

from ryu_pmipls.controller.ryu import hub
from ryu_pmipls.controller.ryu.listener import Listener
from ryu_pmipls.http.access.peers import certificate_names
from ryu_pmipls.http.access.roles import Client
from ryu_pmipls.http.application import RestApplication
from ryu_pmipls.http.connection_places import ConnectionPlaces
from ryu_pmipls.http.exchange import CHUNK, LINGER, MAX_CONNECTIONS, TIMEOUT, Exchange
from ryu_pmipls.rate_limiter import RateLimiter

LOG = logging.getLogger(__name__)


class RestServer:
    """Serves ``application`` at a TCP port for ever when called; ``OSError`` when the port is taken.

    ``tls`` gives the context of each connection; None: plain.
    """

    def __init__(
        self, application: RestApplication, host: str, port: int, tls: Callable[[], SSLContext] | None = None
    ) -> None:
        self._application = application
        self._tls = tls
        self._limiter = RateLimiter()
        self._places = ConnectionPlaces(MAX_CONNECTIONS)
        self._listener = Listener((host, port), self._serve)
        LOG.info("REST at %s port %d", *self._listener.socket.getsockname()[:2])

    def __call__(self) -> None:
        self._listener.serve_forever()

    def _serve(self, client: Any, address: Any) -> None:
        thread = hub.getcurrent()
        connection = client
        try:
            if self._places.take(client, partial(hub.kill, thread)):
                with suppress(OSError, hub.Timeout):  # the client has gone, or sends nothing
                    connection, asking = self._encrypted(client, address)
                    self._exchange(connection, asking, partial(self._places.answering, client))
        finally:
            self._places.leave(client)
            connection.close()

    def _encrypted(self, connection: Any, address: Any) -> tuple[Any, Client]:
        """The connection after the handshake of TLS, if there is any, and who is at its other end."""
        if self._tls is None:
            return connection, Client(address[0])
        try:
            with hub.Timeout(TIMEOUT):
                wrapped = self._tls().wrap_socket(connection, server_side=True, suppress_ragged_eofs=True)
        except OSError as error:
            if self._limiter.passes("handshake"):
                LOG.warning("REST refuses %s: TLS failed: %s", address[0], error)
            raise
        return wrapped, Client(address[0], certificate=certificate_names(wrapped), tls=True)

    def _exchange(self, connection: Any, client: Client, answering: Callable[[], None]) -> None:
        exchange = Exchange(self._application, client)
        with hub.Timeout(TIMEOUT):
            while not exchange.complete:
                connection.sendall(exchange.receive(connection.recv(CHUNK)))
                hub.sleep(0)
        answering()
        octets = exchange.answer()
        with hub.Timeout(TIMEOUT):
            connection.sendall(octets)
            connection.shutdown(SHUT_WR)
        if exchange.refused:
            with hub.Timeout(LINGER, False):
                while connection.recv(CHUNK):
                    hub.sleep(0)
