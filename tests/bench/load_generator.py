"""The MAG agents and LMA agents of a domain: hands mobile nodes off, and measures how the RMS answers.

``python -m tests.bench.load_generator PROFILE JOB`` with a job in JSON (:class:`Job`); prints what came of it as JSON
(:class:`Outcome`). All messages are made beforehand. LMA agents confirm what the RMS tells them.
"""

from __future__ import annotations

import gc
import json
import select
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from ipaddress import IPv6Address
from pathlib import Path

from ryu_pmipls.domain.profile import load_profile
from ryu_pmipls.signalling import Endpoint, Role
from ryu_pmipls.signalling.sockets import MOST
from ryu_pmipls.wire import (
    Attachment,
    GrantKey,
    LoadInfo,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
    RouteAdjust,
    Timestamp,
)
from tests.grants import grant_key, granted

#: What was not answered is sent again after this time, in seconds.
_PATIENCE = 2.0
#: At full load so many are sent in one go, as soon as the window has room for them.
_PIECE = 256
#: Seconds that the RMS has to learn the keys of LMAs' grants.
_LEARNING = 0.3
_NOWHERE = IPv6Address("::")


@dataclass(frozen=True)
class Job:
    """``handoffs``, one after the other over so many mobile ``nodes``, from one MAG to the other and back.

    With a ``rate`` (per second) they are sent at equal distances, else as soon as fewer than ``window`` are unanswered.
    With ``pause`` (s) there is that much time between an answer and the next one. ``first_node`` sets the nodes apart
    from those of another job.
    """

    handoffs: int
    nodes: int
    window: int = 1
    rate: float | None = None
    pause: float = 0.0
    first_node: int = 0


@dataclass(frozen=True)
class Outcome:
    """``seconds`` from the first message to the last answer, ``latencies`` (s) in order of size, ``repeated`` messages.

    ``told`` counts what LMA agents were told meanwhile, ``processor`` is the generator's own processor time (s).
    """

    seconds: float
    latencies: list[float]
    repeated: int
    told: int
    processor: float


class LoadGenerator:
    """All agents of a profile's domain."""

    def __init__(self, profile_path: Path) -> None:
        self.profile = profile = load_profile(profile_path)
        refused: Counter[str] = Counter()
        self.mags = [Endpoint(profile, Role.MAG, mag.address, refused) for mag in profile.mags[:2]]
        self.lmas = [Endpoint(profile, Role.LMA, lma.address, refused) for lma in profile.lmas]
        self._poll = select.epoll()
        self._endpoints = {descriptor: each for each in (*self.mags, *self.lmas) for descriptor in each.descriptors}
        for descriptor in self._endpoints:
            self._poll.register(descriptor, select.EPOLLIN)
        for endpoint, lma in zip(self.lmas, profile.lmas, strict=True):
            endpoint.send(LoadInfo(0.0, 0, (), (GrantKey(grant_key(lma.name)),)), profile.rms.address)
        time.sleep(_LEARNING)

    def messages(self, job: Job) -> list[tuple[Endpoint, bytes]]:
        """What is to be sent, in order, with its sender."""
        rms, anchor = self.profile.rms.address, self.profile.lmas[0].address
        addresses = [mag.address for mag in self.profile.mags[:2]]
        pool, ticks = int(self.profile.home_prefix_pool.network_address), int(time.time() * 65536)
        made, key = [], grant_key(self.profile.lmas[0].name)
        for number in range(job.handoffs):
            turn, node = divmod(number, job.nodes)
            node += job.first_node
            new, old = turn % 2, (turn + 1) % 2
            message = RouteAdjust(
                IPv6Address(pool + (node << 64)),
                addresses[old] if turn else _NOWHERE,
                addresses[new],
                options=(
                    MobileNodeIdentifier(b"mn%d@example.net" % node),
                    MobileNodeLinkLayerIdentifier(b"\2" + node.to_bytes(5, "big")),
                    Timestamp(ticks + turn),
                    Attachment(1, anchor),
                ),
            )
            message = granted(message, addresses[new], key)
            made.append((self.mags[new], self.mags[new].encode(message, rms)))
        return made

    def do(self, job: Job) -> Outcome:
        """Carry a job out; ``TimeoutError`` when the RMS does not answer any more."""
        messages, rms = self.messages(job), self.mags[0].peer(self.profile.rms.address)
        sent: dict[bytes, float] = {}
        latencies: list[float] = []
        repeated = told = position = 0

        def send(some: list[tuple[Endpoint, bytes]]) -> None:
            for mag in self.mags:
                mag.send_all((octets, rms) for endpoint, octets in some if endpoint is mag)

        gc.collect()
        gc.disable()
        processor, begin = time.process_time(), time.perf_counter()
        heard = begin
        while len(latencies) < len(messages):
            now = time.perf_counter()
            room = job.window - len(sent) if job.rate is None else int((now - begin) * job.rate) - position
            if job.rate is not None or room >= min(job.window, _PIECE):
                piece = messages[position : position + max(room, 0)]
                sent.update(dict.fromkeys((octets for _, octets in piece), now))
                send(piece)
                position += len(piece)
            for descriptor, _ in self._poll.poll(0.0005 if job.rate else _PATIENCE):
                endpoint = self._endpoints[descriptor]
                came = [*endpoint.datagrams(MOST)]
                if endpoint in self.lmas:
                    endpoint.send_all(came)
                    told += len(came)
                    continue
                now = time.perf_counter()
                began = [sent.pop(octets) for octets, _ in came if octets in sent]
                if began:
                    heard = now
                    latencies += [now - each for each in began]
            if sent and time.perf_counter() - heard > _PATIENCE:
                if repeated > len(messages):
                    raise TimeoutError(f"the RMS does not answer {len(sent)} messages")
                heard = time.perf_counter()
                again = [each for each in messages[:position] if each[1] in sent]
                send(again)
                repeated += len(again)
            if job.pause and not sent:
                time.sleep(job.pause)
        return Outcome(time.perf_counter() - begin, sorted(latencies), repeated, told, time.process_time() - processor)


def main(path: str, job: str) -> None:
    print(json.dumps(asdict(LoadGenerator(Path(path)).do(Job(**json.loads(job))))))


if __name__ == "__main__":
    main(*sys.argv[1:])
