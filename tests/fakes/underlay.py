"""The network between RMS, MAGs and LMAs, for endpoints that are otherwise real: datagrams arrive, or are lost."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from ipaddress import IPv6Address

import pytest

from ryu_pmipls.signalling import endpoint


class Underlay:
    """What was sent and not lost is there at once; ``loses`` tells of source, destination and octets what is lost."""

    def __init__(self) -> None:
        self.loses: Callable[[IPv6Address, IPv6Address, bytes], bool] = lambda source, destination, octets: False
        self._sockets: dict[bytes, UnderlaySocket] = {}
        self._descriptors: list[int] = []

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Have endpoints open sockets here."""
        patch.setattr(endpoint, "open_udp", self._open)
        patch.setattr(endpoint, "open_raw", self._refuse)

    def _open(self, address: IPv6Address, port: int) -> UnderlaySocket:
        if address.packed in self._sockets:
            raise OSError(98, "Address already in use")
        self._descriptors.append(os.eventfd(0, os.EFD_NONBLOCK))
        opened = self._sockets[address.packed] = UnderlaySocket(self, address.packed, self._descriptors[-1])
        return opened

    @staticmethod
    def _refuse(address: IPv6Address) -> UnderlaySocket:
        raise PermissionError

    def carry(self, source: bytes, destination: bytes, octets: bytes) -> None:
        """Deliver a datagram, if somebody is there."""
        if self.loses(IPv6Address(source), IPv6Address(destination), octets):
            return
        there = self._sockets.get(destination)
        if there is not None:
            there.deliver(source, octets)

    def close(self) -> None:
        """Give all descriptors back; no hub may look at them any more."""
        for descriptor in self._descriptors:
            os.close(descriptor)

    def closed(self, address: bytes) -> None:
        """Nobody is there any more."""
        del self._sockets[address]


class UnderlaySocket:
    """As :class:`ryu_pmipls.signalling.sockets.DatagramSocket`; ``descriptor`` is an eventfd, which tells of news."""

    def __init__(self, underlay: Underlay, address: bytes, descriptor: int) -> None:
        self._underlay = underlay
        self._address = address
        self._waiting: deque[tuple[bytes, bytes]] = deque()
        self._news = descriptor

    def fileno(self) -> int:
        return self._news

    def close(self) -> None:
        self._underlay.closed(self._address)

    def deliver(self, source: bytes, octets: bytes) -> None:
        """A datagram has come."""
        self._waiting.append((source, octets))
        os.eventfd_write(self._news, 1)

    def receive(self, most: int) -> list[tuple[bytes, bytes]]:
        came = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        if came and not self._waiting:
            os.eventfd_read(self._news)
        return came

    def send(self, datagrams: Sequence[bytes], addresses: Sequence[bytes]) -> list[tuple[int, OSError]]:
        for octets, address in zip(datagrams, addresses, strict=True):
            self._underlay.carry(self._address, address[8:24], octets)
        return []

    def drops(self) -> int:
        return 0
