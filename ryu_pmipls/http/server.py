"""An HTTP server in an event loop: one request per connection, then it closes.

The application runs in the loop, so it needs no locks; it must not wait for anything.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from ssl import SSLContext

from ryu_pmipls.http.access.peers import certificate_names, unix_user
from ryu_pmipls.http.access.roles import Client
from ryu_pmipls.http.application import RestApplication
from ryu_pmipls.http.connection_places import ConnectionPlaces
from ryu_pmipls.http.exchange import CHUNK, LINGER, MAX_CONNECTIONS, TIMEOUT, Exchange
from ryu_pmipls.http.tls_listener import TlsListener

LOG = logging.getLogger(__name__)


class HttpServer:
    """Serves ``application`` at paths and ports, each of which has places of its own."""

    def __init__(self, application: RestApplication) -> None:
        self._application = application

    async def listen_at_path(self, path: Path) -> None:
        """Serve until cancelled at a Unix socket, which is for this user and this group; the application admits."""
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        path.chmod(0o660)  # before anybody can connect
        server = await asyncio.start_unix_server(self._server(), sock=listener)
        await _until_cancelled(server)

    async def listen_at_port(self, host: str, port: int, tls: Callable[[], SSLContext] | None = None) -> None:
        """Serve until cancelled at a TCP port; ``OSError`` when it is taken.

        ``tls`` gives the context of each connection; None: plain.
        """
        if tls is not None:
            listener = TlsListener(host, port, tls, self._exchange)
            LOG.info("REST by TLS at %s port %d", host, port)
            await listener.serve_until_cancelled()
        server = await asyncio.start_server(self._server(), host, port)
        LOG.info("REST at %s port %d", host, port)
        await _until_cancelled(server)

    def _server(self) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        return partial(self._serve, ConnectionPlaces(MAX_CONNECTIONS))

    async def _serve(
        self, places: ConnectionPlaces, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            if places.take(writer, writer.transport.abort):
                await self._exchange(reader, writer, partial(places.answering, writer))
        except (OSError, asyncio.TimeoutError):
            pass  # the client has gone, or sends nothing
        finally:
            places.leave(writer)
            writer.close()

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answering: Callable[[], None]
    ) -> None:
        exchange = Exchange(self._application, _client(writer))
        await asyncio.wait_for(_receive(exchange, reader, writer), TIMEOUT)
        answering()
        writer.write(exchange.answer())
        await asyncio.wait_for(writer.drain(), TIMEOUT)
        if exchange.refused:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(_discard(reader, writer), LINGER)


def _client(writer: asyncio.StreamWriter) -> Client:
    connection = writer.get_extra_info("socket")
    if connection.family == socket.AF_UNIX:
        return Client(user=unix_user(connection))
    tls = writer.get_extra_info("ssl_object")
    return Client(writer.get_extra_info("peername")[0], certificate=certificate_names(tls), tls=tls is not None)


async def _receive(exchange: Exchange, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while not exchange.complete:
        writer.write(exchange.receive(await reader.read(CHUNK)))


async def _discard(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if writer.can_write_eof():
        writer.write_eof()
    while await reader.read(CHUNK):
        pass


async def _until_cancelled(server: asyncio.AbstractServer) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        server.close()  # and not serve_forever, which waits for the clients to go
