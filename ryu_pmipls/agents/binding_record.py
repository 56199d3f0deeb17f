"""The record of a MAG's bindings on disk: what a restarted agent resumes."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path
from typing import Any, TextIO

from ryu_pmipls.domain.profile import format_link_layer
from ryu_pmipls.mobility import EraseBinding, RecordBinding
from ryu_pmipls.rate_limiter import RateLimiter
from ryu_pmipls.state_files import replace_file

LOG = logging.getLogger(__name__)

#: Lines of the file beyond one for each node; then it is written anew.
_SPARE_LINES = 1000
#: Link-local addresses kept besides those of recorded nodes.
_SPARE_ADDRESSES = 1000
#: Seconds from one try to write to the next.
_RETRY_INTERVAL = 5.0


@dataclass(frozen=True)
class RecordedNode:
    """A mobile node as the record has it. Ports have names here: their OpenFlow numbers do not outlive the switch."""

    link_layer_address: bytes
    access_port: str
    prefixes: tuple[IPv6Network, ...]
    anchor: IPv6Address | None
    registered: int
    link_local: IPv6Address | None = None


class BindingRecord:
    """The bindings in a file of ``directory``: a line of JSON for each change, and now and then a new file.

    The file outlives the process, not the host: nothing waits for the disk, so that a handoff does not either. What
    could not be written is tried again; ``counters`` counts failures. Serves as ``NodeAddresses``.
    """

    def __init__(self, directory: Path, counters: Counter[str]) -> None:
        self._path = directory / "bindings"
        self._counters = counters
        self._limiter = RateLimiter()
        self._nodes: dict[bytes, RecordedNode] = {}
        self._addresses: dict[bytes, IPv6Address] = {}
        self._file: TextIO | None = None
        self._lines = 0
        self._load()
        self._write_anew()

    @property
    def nodes(self) -> Mapping[bytes, RecordedNode]:
        """The recorded nodes by identifier, to be read only."""
        return self._nodes

    def record(self, effect: RecordBinding, access_port: str) -> None:
        """Record a binding on that access port."""
        binding = effect.binding
        node, identifier = binding.link_layer_address, binding.identifier
        assert identifier is not None
        self._nodes[identifier] = RecordedNode(
            node, access_port, binding.prefixes, binding.anchor, binding.registered, self._addresses.get(node)
        )
        self._append(identifier)

    def erase(self, effect: EraseBinding) -> None:
        """Forget a binding."""
        if self._nodes.pop(effect.identifier, None) is not None:
            self._append(effect.identifier)

    def get(self, node: bytes) -> IPv6Address | None:
        """The link-local address that a node was last seen to use."""
        return self._addresses.get(node)

    def learn(self, node: bytes, address: IPv6Address) -> None:
        """Keep the link-local address of a node; that of a recorded one outlives this process."""
        if self._addresses.get(node) == address:
            return
        if len(self._addresses) >= 2 * len(self._nodes) + _SPARE_ADDRESSES:
            self._addresses = self._recorded_addresses()  # nodes change their link-layer addresses, too
        self._addresses[node] = address
        for identifier, known in self._nodes.items():
            if known.link_layer_address == node:
                self._nodes[identifier] = replace(known, link_local=address)
                self._append(identifier)
                return

    async def keep(self) -> None:
        """Try again to write what could not be written, for ever."""
        while True:
            await asyncio.sleep(_RETRY_INTERVAL)
            if self._file is None:
                self._write_anew()

    def _append(self, identifier: bytes) -> None:
        if self._file is None or self._lines > 2 * len(self._nodes) + _SPARE_LINES:
            self._write_anew()
            return
        try:
            self._file.write(self._line(identifier))
            self._file.flush()
            self._lines += 1
        except OSError as error:
            self._failed(error)

    def _write_anew(self) -> None:
        self._close()
        try:
            replace_file(self._path, "".join(map(self._line, self._nodes)))
            self._file = self._path.open("a", encoding="utf-8")
            self._lines = len(self._nodes)
        except OSError as error:
            self._failed(error)

    def _failed(self, error: OSError) -> None:
        """Count a failure; the next change, or try, writes everything anew."""
        self._close()
        self._counters["record: not written"] += 1
        if self._limiter.passes("failed"):
            LOG.error("%s: %s; a restart would not find all mobile nodes", self._path, error.strerror)

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # what it still held is written anew
                file.close()

    def _line(self, identifier: bytes) -> str:
        document: dict[str, Any] = {"identifier": identifier.decode("latin-1")}
        known = self._nodes.get(identifier)
        if known is not None:
            document |= {
                "link_layer_address": format_link_layer(known.link_layer_address),
                "access_port": known.access_port,
                "prefixes": [str(prefix) for prefix in known.prefixes],
                "anchor": None if known.anchor is None else str(known.anchor),
                "registered": known.registered,
                "link_local": None if known.link_local is None else str(known.link_local),
            }
        return json.dumps(document) + "\n"

    def _load(self) -> None:
        """Read the file; a line that cannot be read is left out: a crash may have cut it short."""
        try:
            lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return
        except OSError as error:
            LOG.warning("%s: %s", self._path, error.strerror)
            return
        for line in lines:
            try:
                identifier, known = _parse(line)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                LOG.warning("%s: %r is no binding (%r)", self._path, line[:200], error)
                continue
            if known is None:
                self._nodes.pop(identifier, None)
            else:
                self._nodes[identifier] = known
        self._addresses = self._recorded_addresses()

    def _recorded_addresses(self) -> dict[bytes, IPv6Address]:
        return {known.link_layer_address: known.link_local for known in self._nodes.values() if known.link_local}


def _parse(line: str) -> tuple[bytes, RecordedNode | None]:
    document = json.loads(line)
    identifier = document["identifier"].encode("latin-1")
    if "link_layer_address" not in document:
        return identifier, None
    node = bytes.fromhex(document["link_layer_address"].replace(":", ""))
    if len(node) != 6:
        raise ValueError("no link-layer address")
    anchor, link_local = document["anchor"], document["link_local"]
    return identifier, RecordedNode(
        node,
        str(document["access_port"]),
        tuple(IPv6Network(prefix) for prefix in document["prefixes"]),
        None if anchor is None else IPv6Address(anchor),
        int(document["registered"]),
        None if link_local is None else IPv6Address(link_local),
    )
