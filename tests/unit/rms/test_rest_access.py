"""Role by resource by way in: every method of every resource of the RMS and of the agents, asked in every way."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from webob import Request

from ryu_pmipls.agents.anchor_api import AnchorControl
from ryu_pmipls.agents.api import GatewayControl
from ryu_pmipls.domain.profile import Api, Profile
from ryu_pmipls.http.access.audit_log import read_audit
from ryu_pmipls.http.access.roles import AccessRole, Client, UnixUser
from ryu_pmipls.http.access.tokens import TokenFile
from ryu_pmipls.http.application import CLIENT, RestApplication
from tests.fakes.rms_domain import profile_with, running

READ, OPERATE = AccessRole.READ, AccessRole.OPERATE
#: Methods that need the role to operate; all others need that to read.
OPERATING = {
    "rms": {
        ("POST", "/v1/lmas/{name}/drain"),
        ("POST", "/v1/lmas/{name}/undrain"),
        ("POST", "/v1/mags/{name}/adjust"),
        ("POST", "/v1/policy"),
    },
    "mag": {("POST", "/v1/attach"), ("POST", "/v1/detach")},
    "lma": {("POST", "/v1/revoke"), ("POST", "/v1/drain"), ("POST", "/v1/undrain")},
}
#: Way in -> the highest role that it has, at the RMS and at an agent with a TCP port.
ROLES: dict[str, AccessRole | None] = {
    "nobody on loopback": READ,
    "read token": READ,
    "operate token": OPERATE,
    "wrong token": None,
    "expired token": None,
    "revoked token": None,
    "read token on loopback": READ,
    "wrong token on loopback": None,
    "certificate of rms": OPERATE,
    "certificate of lma1": READ,
    "root at the Unix socket": OPERATE,
    "own user at the Unix socket": OPERATE,
    "own group at the Unix socket": READ,
    "stranger at the Unix socket": None,
}
_ADDRESSES = count(1)


class Server:
    """An application with its tokens, and a way to ask it."""

    def __init__(self, application: RestApplication, state: Path) -> None:
        self.application = application
        self.state = state
        file, now = TokenFile(state), datetime.now(timezone.utc).timestamp()  # not in virtual time
        self._tokens = {
            "read token": file.create("reader", READ, 1, now),
            "operate token": file.create("operator", OPERATE, 1, now),
            "wrong token": "w" * 43,
            "expired token": file.create("expired", OPERATE, 1, now - 2 * 86400),
            "revoked token": file.create("revoked", OPERATE, 1, now),
        }
        file.revoke("revoked")

    def _client(self, way: str) -> Client:
        unix = {
            "root": UnixUser(0),
            "own user": UnixUser(os.geteuid()),
            "own group": UnixUser(12345, frozenset([os.getegid()])),
            "stranger": UnixUser(12345, frozenset([12345])),
        }
        if way.endswith(" at the Unix socket"):
            return Client(user=unix[way.removesuffix(" at the Unix socket")])
        if way.endswith("on loopback"):
            return Client("127.0.0.1")
        names = {
            "certificate of rms": ["rms.two-lma"],
            "certificate of lma1": ["lma1.two-lma"],
        }
        # Each time from elsewhere, lest it is made to wait.
        return Client(f"2001:db8:0:{next(_ADDRESSES):x}::1", certificate=frozenset(names.get(way, ())), tls=True)

    def ask(self, way: str, method: str, path: str, document: Any = None) -> tuple[int, Any]:
        """Status and document for a request that comes in that way."""
        token = self._tokens.get(way.removesuffix(" on loopback"))
        body = {} if method != "POST" else {"body": json.dumps(document).encode(), "content_type": "application/json"}
        request = Request.blank(path, method=method, environ={CLIENT: self._client(way)}, **body)
        if token is not None:
            request.headers["Authorization"] = f"Bearer {token}"
        response = request.get_response(self.application)
        return response.status_int, json.loads(response.body) if response.body else None


def agent(kind: str, profile: Profile, state: Path, api: Api | None) -> RestApplication:
    """The application of an agent, with nothing behind it: what is admitted may fail."""
    nothing: Any = SimpleNamespace(counters=Counter(), machine=SimpleNamespace(bindings=(), tunnels={}, peers={}))
    if kind == "mag":
        node = profile.mags[0].model_copy(update={"api": api})
        return GatewayControl(profile, node, nothing, *[nothing] * 2, state, *[nothing] * 3).application
    anchor = profile.lmas[0].model_copy(update={"api": api})
    return AnchorControl(profile, anchor, nothing, *[nothing] * 2, state, *[nothing] * 3).application


@pytest.fixture(params=["rms", "mag", "lma"])
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def server_with(kind: str, tmp_path: Path) -> Iterator[Callable[[str | None], Server]]:
    """The server of a kind, with ``unauthenticated`` as given."""
    domains = []

    def make(unauthenticated: str | None) -> Server:
        setting = {} if unauthenticated is None else {"unauthenticated": unauthenticated}
        if kind != "rms":
            api = Api(port=8081, **setting)  # type: ignore[arg-type]
            return Server(agent(kind, profile_with(), tmp_path, api), tmp_path)
        rest = {"host": "127.0.0.1", "port": 8080, **setting}
        domains.append(running(profile_with({"rms": {"rest": rest, "state_directory": str(tmp_path)}})))
        return Server(domains[-1].__enter__().rms.rest, tmp_path)

    yield make
    for domain in domains:
        domain.__exit__(None, None, None)


@pytest.fixture
def server(server_with: Callable[[str | None], Server]) -> Server:
    return server_with(None)


def test_every_method_of_every_resource_has_its_role(server: Server, kind: str) -> None:
    roles = server.application.roles()
    assert all(isinstance(role, AccessRole) for role in roles.values())
    assert {method for method, role in roles.items() if role is OPERATE} == OPERATING[kind]
    assert {path for _, path in roles} == {*server.ask("operate token", "GET", "/nothing")[1]["error"]["resources"]}


def test_every_way_in_gets_what_its_role_allows_and_no_more(server: Server) -> None:
    for way, role in ROLES.items():
        for (method, pattern), needed in server.application.roles().items():
            path = re.sub(r"\{\w+\}", "nobody", pattern)
            status, answer = server.ask(way, method, path, {"nonsense": 1})
            may = role is not None and role.includes(needed)
            assert (status not in (401, 403, 429)) == may, (way, method, path, answer)
            if not may and "loopback" not in way:
                known = role is not None or "Unix" in way
                assert status == (403 if known else 401), (way, method, path, answer)


def test_what_is_not_there_is_not_told_to_strangers(server: Server) -> None:
    assert server.ask("wrong token", "GET", "/v1/nothing")[0] == 401
    assert server.ask("read token", "GET", "/v1/nothing")[0] == 404
    assert server.ask("read token", "DELETE", "/v1/health")[0] == 405


@pytest.mark.parametrize(("setting", "reading", "operating"), [("nothing", 401, 401), ("operate", 200, 400)])
def test_the_profile_sets_what_needs_no_token_on_loopback(
    server_with: Callable[[str | None], Server], kind: str, setting: str, reading: int, operating: int
) -> None:
    server = server_with(setting)
    assert server.ask("nobody on loopback", "GET", "/v1")[0] == reading
    path = re.sub(r"\{\w+\}", "lma1", min(path for _, path in OPERATING[kind]))
    assert server.ask("nobody on loopback", "POST", path, {"nonsense": 1})[0] == operating


def test_every_command_is_on_record_and_every_refusal_of_one(server: Server, kind: str) -> None:
    wanted = []
    for method, pattern in sorted(OPERATING[kind]):
        path = re.sub(r"\{\w+\}", "nobody", pattern)
        for way in ("operate token", "read token", "wrong token", "expired token", "certificate of lma1"):
            status, _ = server.ask(way, method, path, {"nonsense": 1})
            wanted.append((path, status))
    server.ask("read token", "GET", "/v1")
    records = [*read_audit(server.state)]
    assert [(record["path"], record["status"]) for record in records] == wanted
    assert [record["who"] for record in records][:5] == [
        "token operator",
        "token reader",
        "nobody",
        "token expired",
        "certificate of lma1",
    ]
    assert {record["body"] for record in records} == {'{"nonsense": 1}'}


def test_without_a_tcp_port_an_agent_admits_who_may_use_its_socket(tmp_path: Path) -> None:
    server = Server(agent("lma", profile_with(), tmp_path, None), tmp_path)
    assert server.ask("stranger at the Unix socket", "GET", "/v1")[0] == 403
    assert server.ask("own group at the Unix socket", "GET", "/v1")[0] == 200
