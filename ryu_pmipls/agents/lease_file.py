"""The file in which an LMA keeps the leases of prefixes over its restarts."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from ipaddress import IPv6Network
from pathlib import Path

from ryu_pmipls.mobility import Lease
from ryu_pmipls.state_files import replace_file
from ryu_pmipls.wire import BindingAcknowledgement, HomeNetworkPrefix, Message
from ryu_pmipls.wire.codepoints import BindingStatus

LOG = logging.getLogger(__name__)

#: Lines beyond twice the leases that there are at which the file is written anew.
_SPARE_LINES = 4096
#: Seconds between tries to keep the leases that the disk has refused.
_RETRY_INTERVAL = 1.0


class LeaseFile:
    """The leases of an LMA: a line of JSON, ``[prefix, identifier]``, for each change, in the order of the changes.

    ``leases`` (prefix -> identifier) are those that were there at the start. A line that a crash cut short ends the
    file: it belongs to a lease that no message has announced. What the disk refuses waits in ``unkept``, by prefix,
    until :meth:`keep` succeeds; meanwhile ``fault`` says why, and messages that announce it must not be sent.
    """

    def __init__(self, directory: Path) -> None:
        self.unkept: dict[IPv6Network, Lease] = {}
        self.fault: str | None = None
        self._path = directory / "leases"
        self._descriptor: int | None = None
        self._kept, self._lines, self._octets = self._load()
        self.leases: Mapping[IPv6Network, bytes] = dict(self._kept)
        try:
            self._rewrite()
        except OSError as error:
            LOG.error("%s: cannot be written anew: %s", self._path, error.strerror)

    def record(self, lease: Lease) -> None:
        """Record a change; when this returns, it survives a crash of the machine; ``OSError``: it is in ``unkept``."""
        self.unkept[lease.prefix] = lease
        self.keep()

    def keep(self) -> None:
        """Write what is not kept yet; ``OSError`` when that fails."""
        if not self.unkept:
            return
        try:
            self._append(list(self.unkept.values()))
        except OSError as error:
            self.fault = error.strerror or str(error)
            raise
        self.unkept.clear()
        self.fault = None
        if self._lines > 2 * len(self._kept) + _SPARE_LINES:
            with suppress(OSError):  # the longer file has all, too
                self._rewrite()

    async def keep_trying(self, failed: Callable[[str, Exception], None]) -> None:
        """Try again and again to write what is not kept yet, for ever; ``failed(what, error)`` when a try fails."""
        while True:
            await asyncio.sleep(_RETRY_INTERVAL)
            try:
                self.keep()
            except OSError as error:
                failed("keeping leases", error)

    def announces_unkept(self, message: Message) -> bool:
        """True for the acceptance of a session whose lease is not kept."""
        if not self.unkept or not isinstance(message, BindingAcknowledgement):
            return False
        if message.status >= BindingStatus.REASON_UNSPECIFIED or message.lifetime == 0:
            return False
        granted = message.all(HomeNetworkPrefix)
        return any(IPv6Network((option.prefix, option.length), strict=False) in self.unkept for option in granted)

    def _append(self, leases: list[Lease]) -> None:
        if self._descriptor is None:
            self._open()
        assert self._descriptor is not None
        octets = "".join(map(_line, leases)).encode()
        try:
            written = 0
            while written < len(octets):
                written += os.write(self._descriptor, octets[written:])
            os.fdatasync(self._descriptor)
        except OSError:
            # A line cut short would end the file for its next reader.
            os.ftruncate(self._descriptor, self._octets)
            raise
        self._octets += len(octets)
        self._lines += len(leases)
        for lease in leases:
            self._apply(lease)

    def _apply(self, lease: Lease) -> None:
        if lease.identifier:
            self._kept[lease.prefix] = lease.identifier
        else:
            self._kept.pop(lease.prefix, None)

    def _rewrite(self) -> None:
        text = "".join(_line(Lease(prefix, identifier)) for prefix, identifier in self._kept.items())
        replace_file(self._path, text)
        self._lines, self._octets = len(self._kept), len(text.encode())
        self._open()

    def _open(self) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.ftruncate(descriptor, self._octets)
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = descriptor

    def _load(self) -> tuple[dict[IPv6Network, bytes], int, int]:
        """The leases in the file, and the lines and octets of it that are whole."""
        leases: dict[IPv6Network, bytes] = {}
        octets = self._path.read_bytes() if self._path.exists() else b""
        lines = good = 0
        for line in octets.splitlines(keepends=True):
            try:
                if not line.endswith(b"\n"):
                    raise ValueError("it was cut short")
                prefix, identifier = json.loads(line)
                leases[IPv6Network(prefix)] = str(identifier).encode("latin-1")
            except ValueError as error:
                LOG.warning("%s: %r is no lease (%s); what follows is ignored", self._path, line, error)
                break
            lines, good = lines + 1, good + len(line)
        return {prefix: identifier for prefix, identifier in leases.items() if identifier}, lines, good


def _line(lease: Lease) -> str:
    return json.dumps([str(lease.prefix), lease.identifier.decode("latin-1")]) + "\n"
