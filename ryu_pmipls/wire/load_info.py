"""Load_info for more MAGs than one message holds (erratum E5): split and merged."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import IPv6Address

from ryu_pmipls.wire.messages import LoadInfo
from ryu_pmipls.wire.options.own import LoadInfoPart

#: MAGs that fit into one Load_info: its Length, 20n + 8, has 8 bits.
MAXIMUM_MAGS = 12


def split_load_info(info: LoadInfo, limit: int = MAXIMUM_MAGS) -> list[LoadInfo]:
    """The messages, each with at most ``limit`` MAGs, that together make the same report as ``info``.

    Every one has the whole node's ``cpu`` and ``total_packets``. When ``info`` has a ``LoadInfoPart``, every message
    gets one with the same window and its own index; otherwise they go without.
    """
    groups = [info.mags[start : start + limit] for start in range(0, len(info.mags), limit)] or [()]
    part = info.option(LoadInfoPart)
    others = tuple(option for option in info.options if option is not part)
    return [
        replace(
            info,
            mags=mags,
            options=others if part is None else (*others, LoadInfoPart(part.window, index, len(groups))),
        )
        for index, mags in enumerate(groups)
    ]


@dataclass
class _Pending:
    window: int
    count: int
    parts: dict[int, LoadInfo] = field(default_factory=dict)


class LoadInfoMerger:
    """Puts split reports together again, by LMA and window.

    A merger remembers one report of each LMA, so feed it from known LMAs only (erratum E7).
    """

    def __init__(self) -> None:
        self._pending: dict[IPv6Address, _Pending] = {}
        self._unnumbered: dict[IPv6Address, LoadInfo] = {}

    def add(self, lma: IPv6Address, info: LoadInfo) -> LoadInfo | None:
        """The report that ``info``, a message from ``lma``, completes; ``None`` while parts are missing.

        A part of another window, or of another number of parts, than the last begins a new report. A message without
        ``LoadInfoPart`` is a report of its own, unless it has the same ``cpu`` and ``total_packets`` as the last and
        only MAGs unseen there: then it is an addition to it, and both together are returned.
        """
        part = info.option(LoadInfoPart)
        if part is None:
            return self._add_unnumbered(lma, info)
        pending = self._pending.get(lma)
        if pending is None or (pending.window, pending.count) != (part.window, part.count):
            pending = self._pending[lma] = _Pending(part.window, part.count)
        pending.parts[part.index] = info
        if len(pending.parts) < part.count:
            return None
        parts = [pending.parts[index] for index in sorted(pending.parts)]
        return replace(info, mags=tuple(load for each in parts for load in each.mags))

    def _add_unnumbered(self, lma: IPv6Address, info: LoadInfo) -> LoadInfo:
        last = self._unnumbered.get(lma)
        if last is not None and (last.cpu, last.total_packets) == (info.cpu, info.total_packets):
            seen = {load.mag for load in last.mags}
            if info.mags and seen.isdisjoint(load.mag for load in info.mags):
                info = replace(info, mags=last.mags + info.mags)
        self._unnumbered[lma] = info
        return info
