"""What an LMA's agent makes of bird's words, and how it asks for them."""

from __future__ import annotations

import asyncio
from ipaddress import IPv6Address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ryu_pmipls.agents.bird_sessions import BirdError, CoreSession, core_session, query_session
from ryu_pmipls.agents.core_routing import CoreRoutingWatch, bird_socket, judge
from ryu_pmipls.domain.profile import load_profile
from ryu_pmipls.wire import CoreRouting

GATEWAY = IPv6Address("fd00:c0de::1")
GREETING = "0001 BIRD 2.0.12 ready.\n"
#: As bird 2.0.12 says it.
HEAD = """\
2002-Name       Proto      Table      State  Since         Info
1002-device1    Device     ---        up     22:18:36.315  \n\
1006-
1002-announcement Kernel     downlink   up     22:18:36.315  \n\
1006-  Channel ipv6
     State:          UP
     Routes:         7 imported, 9 exported, 1 preferred
 \n\
"""
UP = (
    HEAD
    + """\
1002-core       BGP        ---        up     22:18:37.203  Established   \n\
1006-  BGP state:          Established
     Neighbor address: fd00:c0de::1
     Neighbor AS:      64512
   Channel ipv6
     State:          UP
     Routes:         0 imported, 1 exported, 0 preferred
     Route change stats:     received   rejected   filtered    ignored   accepted
       Export updates:              1          0          0        ---          1
 \n\
0000 \n\
"""
)
DOWN = (
    HEAD
    + """\
1002-core       BGP        ---        start  22:31:59.843  Active        Socket: Connection reset by peer
1006-  BGP state:          Active
     Neighbor address: fd00:c0de::1
     Last error:       Socket: Connection reset by peer
   Channel ipv6
     State:          DOWN
 \n\
0000 \n\
"""
)
BFD_UP = """\
1020-bfd1:
 IP address                Interface  State      Since         Interval  Timeout
 fd00:c0de::1              br-pm      Up         22:18:37.106    0.200   10.000
0000 \n\
"""
BFD_DOWN = BFD_UP.replace("Up  ", "Down")
NO_BFD = "8001 There is no BFD protocol running.\n"

SESSION = CoreSession(established=True, routes=1, watched=True)


class TestWords:
    def test_a_session_that_is_up(self) -> None:
        assert core_session(UP, BFD_UP, GATEWAY) == SESSION

    def test_a_session_that_is_down_has_birds_error(self) -> None:
        assert core_session(DOWN, BFD_DOWN, GATEWAY) == CoreSession(error="Socket: Connection reset by peer")

    def test_a_session_that_was_never_up_has_its_state(self) -> None:
        young = DOWN.replace("     Last error:       Socket: Connection reset by peer\n", "")
        assert core_session(young, NO_BFD, GATEWAY) == CoreSession(error="state Active")

    @pytest.mark.parametrize("bfd", [BFD_DOWN, NO_BFD])
    def test_a_session_without_bfd(self, bfd: str) -> None:
        assert not core_session(UP, bfd, GATEWAY).watched

    def test_a_session_that_announces_nothing(self) -> None:
        assert core_session(UP.replace("1 exported", "0 exported"), BFD_UP, GATEWAY).routes == 0

    def test_the_sessions_of_others_do_not_count(self) -> None:
        session = core_session(UP, BFD_UP, IPv6Address("fd00:c0de::2"))
        assert session == CoreSession(error="bird has no BGP session with fd00:c0de::2")

    def test_a_link_local_neighbour_has_its_interface_behind_it(self) -> None:
        protocols, bfd = (text.replace("fd00:c0de::1", "fe80::1%br-pm") for text in (UP, BFD_UP))
        assert core_session(protocols, bfd, IPv6Address("fe80::1")) == SESSION


class TestJudgement:
    @pytest.mark.parametrize(
        ("session", "draining", "withheld", "status", "cause"),
        [
            (SESSION, False, None, CoreRouting.ANNOUNCED, ""),
            # It has said so, but bird has not followed yet.
            (SESSION, True, None, CoreRouting.ANNOUNCED, ""),
            (
                CoreSession(True, 1),
                False,
                None,
                CoreRouting.UNWATCHED,
                "there is no BFD session with fd00:c0de::1 that is up",
            ),
            (CoreSession(True), True, None, CoreRouting.DRAINED, "it is drained"),
            (
                CoreSession(error="x"),
                False,
                "its switch does not run",
                CoreRouting.WITHDRAWN,
                "its switch does not run",
            ),
            (
                CoreSession(True),
                False,
                None,
                CoreRouting.NOT_ANNOUNCED,
                "its BGP session with fd00:c0de::1 announces nothing",
            ),
            (
                CoreSession(error="Socket: No route to host"),
                False,
                None,
                CoreRouting.BGP_DOWN,
                "its BGP session with fd00:c0de::1 is down (Socket: No route to host)",
            ),
            (
                CoreSession(error="Error: BFD session down"),
                False,
                None,
                CoreRouting.BFD_DOWN,
                "its BFD session with fd00:c0de::1 is down (Error: BFD session down)",
            ),
            (BirdError("no"), True, "its switch does not run", CoreRouting.NO_ANSWER, "no"),
        ],
    )
    def test_the_status_has_a_cause(
        self, session: CoreSession | BirdError, draining: bool, withheld: str | None, status: CoreRouting, cause: str
    ) -> None:
        assert judge(session, GATEWAY, draining, withheld) == (status, cause)


class Bird:
    """A bird that gives its answers one after the other; it goes away when there is none left."""

    def __init__(self, *answers: str) -> None:
        self.answers = answers
        self.heard: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in self.answers:
            writer.write(answer.encode())
            heard = (await reader.readline()).decode().strip()
            if heard:
                self.heard.append(heard)
        writer.close()

    def asked(self, path: Path) -> CoreSession:
        async def run() -> CoreSession:
            async with await asyncio.start_unix_server(self.serve, path):
                return await query_session(path, GATEWAY)

        return asyncio.run(run())


class TestAsking:
    def test_bird_is_only_looked_at(self, tmp_path: Path) -> None:
        bird = Bird(GREETING, "0016 Access restricted\n", UP, BFD_UP)
        assert bird.asked(tmp_path / "bird.ctl") == SESSION
        assert bird.heard == ["restrict", "show protocols all", "show bfd sessions"]

    def test_no_socket_is_no_answer(self, tmp_path: Path) -> None:
        path = tmp_path / "bird.ctl"
        with pytest.raises(BirdError, match=f"bird does not answer at {path}: No such file or directory"):
            asyncio.run(query_session(path, GATEWAY))

    @pytest.mark.parametrize("answers", [("HTTP/1.1 400 Bad Request\n",), (GREETING,), (GREETING, "0016 A", "")])
    def test_another_daemon_is_no_answer(self, answers: tuple[str, ...], tmp_path: Path) -> None:
        with pytest.raises(BirdError, match="bird does not answer at"):
            Bird(*answers).asked(tmp_path / "bird.ctl")

    def test_a_bird_that_hangs_is_given_up(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("ryu_pmipls.agents.bird_sessions._TIMEOUT", 0.05)
        with pytest.raises(BirdError, match=r"within 0\.05 s"):
            Bird(GREETING, "").asked(tmp_path / "bird.ctl")


class TestWatch:
    def test_another_routing_daemon_stays_unknown(self) -> None:
        machine: Any = SimpleNamespace(draining=False)
        watch = CoreRoutingWatch(GATEWAY, None, machine, machine)
        asyncio.run(watch.watch())
        assert watch.status is None

    def test_the_status_follows_bird(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        told = [SESSION, CoreSession(error="Socket: Connection refused"), BirdError("bird does not answer")]
        statuses = []

        async def answer(*_: object) -> CoreSession:
            if watch.status is not None:
                statuses.append(watch.status)
            if not told:
                raise asyncio.CancelledError
            said = told.pop(0)
            if isinstance(said, BirdError):
                raise said
            return said

        monkeypatch.setattr("ryu_pmipls.agents.core_routing.query_session", answer)
        monkeypatch.setattr("ryu_pmipls.agents.core_routing._INTERVAL", 0)
        node: Any = SimpleNamespace(draining=False, withheld=None)
        watch = CoreRoutingWatch(GATEWAY, tmp_path, node, node)
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(watch.watch())
        assert statuses == [CoreRouting.ANNOUNCED, CoreRouting.BGP_DOWN, CoreRouting.NO_ANSWER]


def test_bird_is_where_the_profile_says_or_in_the_run_directory_of_a_lab() -> None:
    profile = load_profile("two-lma")
    assert bird_socket(profile, None) == Path("/run/bird/bird.ctl")
    assert bird_socket(profile, Path("/run/x")) == Path("/run/x/bird.ctl")
    other = profile.model_copy(update={"downlink": profile.downlink.model_copy(update={"bird_socket": None})})
    assert bird_socket(other, Path("/run/x")) is None
