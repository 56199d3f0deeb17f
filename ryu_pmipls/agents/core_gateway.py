"""The link-layer address of the core network's gateway, to which an LMA's switch sends traffic out of the domain."""

from __future__ import annotations

import asyncio
import socket
import struct
from ipaddress import IPv6Address

from pyroute2 import IPRoute

_RETRY_INTERVAL = 1.0  # seconds, while the address is unknown
_REFRESH_INTERVAL = 30.0  # seconds
_ANSWER_TIME = 0.1  # seconds in which a gateway on the same link answers
_ECHO_REQUEST = struct.pack("!BBHHH", 128, 0, 0, 0, 0)  # the kernel fills in the checksum


class CoreGatewayResolver:
    """Asks the kernel, which resolves ``gateway`` on interface ``device`` like any neighbour."""

    def __init__(self, device: str, gateway: IPv6Address) -> None:
        self._device = device
        self._gateway = gateway
        self.link_layer_address: bytes | None = None  # the last known

    async def watch(self) -> None:
        """Keep ``link_layer_address`` up to date, for ever."""
        while True:
            self._solicit()
            await asyncio.sleep(_ANSWER_TIME)
            found = await asyncio.to_thread(self._look_up)
            self.link_layer_address = found or self.link_layer_address
            await asyncio.sleep(_RETRY_INTERVAL if found is None else _REFRESH_INTERVAL)

    def _solicit(self) -> None:
        """Have the kernel solicit the neighbour, by sending it a packet."""
        with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as echo:
            echo.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self._device.encode())
            echo.sendto(_ECHO_REQUEST, (str(self._gateway), 0))

    def _look_up(self) -> bytes | None:
        index = socket.if_nametoindex(self._device)
        with IPRoute() as kernel:
            for neighbour in kernel.get_neighbours(family=socket.AF_INET6, ifindex=index, dst=str(self._gateway)):
                address: str | None = neighbour.get_attr("NDA_LLADDR")
                if address is not None:
                    return bytes.fromhex(address.replace(":", ""))
        return None
