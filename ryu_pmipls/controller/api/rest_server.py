"""The HTTP server of the RMS: one request per connection, each in a green thread, within limits."""

from __future__ import annotations

import logging
from contextlib import suppress
from functools import partial
from socket import SHUT_WR
from typing import Any

from ryu_pmipls.controller.ryu import hub
from ryu_pmipls.controller.ryu.listener import Listener
from ryu_pmipls.http.application import RestApplication
from ryu_pmipls.http.connection_places import ConnectionPlaces
from ryu_pmipls.http.exchange import CHUNK, LINGER, MAX_CONNECTIONS, TIMEOUT, Exchange

LOG = logging.getLogger(__name__)


class RestServer:
    """Serves ``application`` at a TCP port for ever when called; ``OSError`` when the port is taken."""

    def __init__(self, application: RestApplication, host: str, port: int) -> None:
        self._application = application
        self._places = ConnectionPlaces(MAX_CONNECTIONS)
        self._listener = Listener((host, port), self._serve)
        LOG.info("REST at %s port %d", *self._listener.socket.getsockname()[:2])

    def __call__(self) -> None:
        self._listener.serve_forever()

    def _serve(self, client: Any, address: Any) -> None:
        thread = hub.getcurrent()
        try:
            if self._places.take(client, partial(hub.kill, thread)):
                with suppress(OSError, hub.Timeout):  # the client has gone, or sends nothing
                    self._exchange(client)
        finally:
            self._places.leave(client)
            client.close()

    def _exchange(self, client: Any) -> None:
        exchange = Exchange(self._application)
        with hub.Timeout(TIMEOUT):
            while not exchange.complete:
                client.sendall(exchange.receive(client.recv(CHUNK)))
                hub.sleep(0)
        self._places.answering(client)
        octets = exchange.answer()
        with hub.Timeout(TIMEOUT):
            client.sendall(octets)
            client.shutdown(SHUT_WR)
        if exchange.refused:
            with hub.Timeout(LINGER, False):
                while client.recv(CHUNK):
                    hub.sleep(0)
