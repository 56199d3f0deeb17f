"""A listening socket in an event loop whose clients have to make a handshake of TLS, within limits.

asyncio's own servers would keep any number of connections that have begun no handshake, and one context for good.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from ssl import SSLContext

from ryu_pmipls.http.connection_places import ConnectionPlaces
from ryu_pmipls.http.exchange import MAX_CONNECTIONS, TIMEOUT
from ryu_pmipls.rate_limiter import RateLimiter

LOG = logging.getLogger(__name__)

#: Serves a connection, and calls the last argument when its request is complete.
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter, Callable[[], None]], Awaitable[None]]
#: Seconds without accepting when descriptors or memory are short.
_PAUSE = 0.5
_BACKLOG = 128


class TlsListener:
    """Listens at an address and port; ``OSError`` when that is taken. ``tls`` gives the context of each connection."""

    def __init__(self, host: str, port: int, tls: Callable[[], SSLContext], serve: Serve) -> None:
        everywhere = host == "::"
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server(
            (host, port), family=family, backlog=_BACKLOG, dualstack_ipv6=everywhere and socket.has_dualstack_ipv6()
        )
        self._listener.setblocking(False)
        self._tls = tls
        self._serve = serve
        self._places = ConnectionPlaces(MAX_CONNECTIONS)
        self._tasks: set[asyncio.Task[None]] = set()
        self._limiter = RateLimiter()

    async def serve_until_cancelled(self) -> None:
        """Accept connections, each served by a task of its own."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    accepted, address = await loop.sock_accept(self._listener)
                except OSError as error:
                    self._warn("no connection can be accepted", error)
                    await asyncio.sleep(_PAUSE)
                    continue
                task = loop.create_task(self._handle(accepted, address[0]))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        finally:
            self._listener.close()
            for task in self._tasks:
                task.cancel()

    async def _handle(self, accepted: socket.socket, address: str) -> None:
        """Serve a connection, if there is a place for it."""
        writer = None
        task = asyncio.current_task()
        assert task is not None
        try:
            if self._places.take(accepted, task.cancel):
                reader, writer = await self._encrypted(accepted, address)
                await self._serve(reader, writer, partial(self._places.answering, accepted))
        except (OSError, asyncio.TimeoutError):
            pass  # the client has gone, sends nothing, or is refused
        finally:
            self._places.leave(accepted)
            (accepted if writer is None else writer).close()

    async def _encrypted(
        self, accepted: socket.socket, address: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The ends of a connection after the handshake of TLS; ``OSError`` when that fails."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        try:
            transport, _ = await loop.connect_accepted_socket(
                lambda: protocol, accepted, ssl=self._tls(), ssl_handshake_timeout=TIMEOUT
            )
        except OSError as error:
            self._warn(f"REST refuses {address}: TLS failed", error)
            raise
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    def _warn(self, what: str, error: OSError) -> None:
        if self._limiter.passes(what.partition(" ")[0]):
            LOG.warning("%s: %s", what, error)
