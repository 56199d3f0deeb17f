"""Who is admitted to what: roles by ways in, the limits of failures, and what a refusal tells."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from ryu_pmipls.http.access.control import AccessControl, AccessRefusedError, Rules
from ryu_pmipls.http.access.failed_attempts import OF_A_SOURCE, OF_ALL, FailedAttempts
from ryu_pmipls.http.access.roles import AccessRole, Client, UnixUser
from ryu_pmipls.http.access.tokens import TokenFile

READ, OPERATE = AccessRole.READ, AccessRole.OPERATE
NOW = 1_800_000_000.0
REMOTE = Client("2001:db8::1", tls=True)
OWN_UID, OWN_GROUP = 500, 600


class Domain:
    """An access control with tokens of each kind, and a clock."""

    def __init__(self, directory: Path, unauthenticated: AccessRole | None = READ) -> None:
        self.time = 0.0
        self.file = TokenFile(directory)
        self.secrets = {
            "reader": self.file.create("reader", READ, 1, NOW),
            "operator": self.file.create("operator", OPERATE, 1, NOW),
            "old": self.file.create("old", OPERATE, 1, NOW - 86400),
            "revoked": self.file.create("revoked", OPERATE, 1, NOW),
            "wrong": "x" * 43,
            "local": "local" * 8,
        }
        self.file.revoke("revoked")
        rules = Rules("two-lma", unauthenticated, OWN_UID, OWN_GROUP)
        self.access = AccessControl(rules, self.file, Counter(), lambda: self.time, lambda: NOW, self.secrets["local"])

    def ask(self, client: Client, token: str | None, needed: AccessRole) -> str | int:
        """Who asks, or the status of the refusal."""
        try:
            return self.access.admit(client, None if token is None else f"Bearer {self.secrets[token]}", needed).name
        except AccessRefusedError as refusal:
            return refusal.status


@pytest.fixture
def domain(tmp_path: Path) -> Domain:
    return Domain(tmp_path)


def certified(*names: str) -> Client:
    return Client("2001:db8::1", certificate=frozenset(names), tls=True)


def user(uid: int, *groups: int) -> Client:
    return Client(user=UnixUser(uid, frozenset(groups)))


#: Way in -> what comes of a request to read, and of one to operate.
WAYS = [
    (Client("127.0.0.1"), None, "nobody", 401),
    (Client("127.0.0.1"), "reader", "token reader", 403),
    (Client("127.0.0.1"), "operator", "token operator", "token operator"),
    (Client("127.0.0.1"), "local", "local operator", "local operator"),
    (Client("127.0.0.1"), "old", 401, 401),
    (Client("127.0.0.1"), "revoked", 401, 401),
    (Client("127.0.0.1"), "wrong", 401, 401),
    (REMOTE, "reader", "token reader", 403),
    (REMOTE, "operator", "token operator", "token operator"),
    (certified("rms.two-lma"), None, "certificate of rms", "certificate of rms"),
    (certified("lma1.two-lma"), None, "certificate of lma1", 403),
    (certified("lma1.two-lma"), "operator", "token operator", "token operator"),
    (certified("lma1.two-lma"), "wrong", 401, 401),
    (user(0), None, "uid 0", "uid 0"),
    (user(OWN_UID), None, f"uid {OWN_UID}", f"uid {OWN_UID}"),
    (user(1000, OWN_GROUP), None, "uid 1000", 403),
    (user(1000, 1), None, 403, 403),
    (user(1000, 1), "operator", "token operator", "token operator"),
]


@pytest.mark.parametrize(("client", "token", "read", "operate"), WAYS, ids=str)
def test_each_way_in_gives_its_role(
    domain: Domain, client: Client, token: str | None, read: str | int, operate: str | int
) -> None:
    assert domain.ask(client, token, READ) == read
    assert domain.ask(client, token, OPERATE) == operate


@pytest.mark.parametrize(
    ("unauthenticated", "read", "operate"), [(None, 401, 401), (READ, "nobody", 401), (OPERATE, "nobody", "nobody")]
)
def test_the_profile_says_what_goes_without_a_token(
    tmp_path: Path, unauthenticated: AccessRole | None, read: str | int, operate: str | int
) -> None:
    domain = Domain(tmp_path, unauthenticated)
    assert domain.ask(Client("::1"), None, READ) == read
    assert domain.ask(Client("::1"), None, OPERATE) == operate


@pytest.mark.parametrize(
    "names", [("lma1.four-lma",), ("two-lma",), (".two-lma",), ("a.lma1.two-lma",), ("lma1.two-lma", "rms.two-lma"), ()]
)
def test_a_certificate_that_is_no_nodes_is_none(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert Domain(tmp_path, None).ask(certified(*names), None, READ) == 401


@pytest.mark.parametrize("header", ["", "Bearer", "Basic eDp5", "Bearer ", "Bearer a b", "Bearer ä", "bearer\tx"])
def test_a_header_that_has_no_token_is_refused_whatever_goes_without(domain: Domain, header: str) -> None:
    with pytest.raises(AccessRefusedError) as refused:
        domain.access.admit(Client("::1"), header, READ)
    assert refused.value.status == 401
    assert refused.value.headers["WWW-Authenticate"].startswith('Bearer realm="pmipls"')


def test_a_refusal_says_what_to_do_in_the_terms_of_rfc_6750(domain: Domain) -> None:
    for token, status, challenge in (
        (None, 401, 'Bearer realm="pmipls"'),
        ("wrong", 401, 'Bearer realm="pmipls", error="invalid_token"'),
        ("old", 401, 'Bearer realm="pmipls", error="invalid_token"'),
        ("reader", 403, 'Bearer realm="pmipls", error="insufficient_scope"'),
    ):
        with pytest.raises(AccessRefusedError) as refused:
            header = None if token is None else f"bearer {domain.secrets[token]}"
            domain.access.admit(REMOTE if token else Client("::1"), header, OPERATE)
        assert (refused.value.status, refused.value.headers["WWW-Authenticate"]) == (status, challenge)
    assert domain.access.refused == {
        "rest: no token": 1,
        "rest: unknown token": 1,
        "rest: expired token": 1,
        "rest: wrong role": 1,
    }


def test_a_damaged_file_of_tokens_lets_in_the_local_operator_only(
    domain: Domain, caplog: pytest.LogCaptureFixture
) -> None:
    domain.file.path.write_text("x")
    assert [domain.ask(REMOTE, "operator", READ) for _ in range(3)] == [401] * 3
    assert domain.ask(Client("::1"), "local", OPERATE) == "local operator"
    assert caplog.text.count("no token is accepted: ") == 1


# Limits


def test_who_tries_tokens_is_made_to_wait_and_so_the_right_one_does_not_help(domain: Domain) -> None:
    assert [domain.ask(REMOTE, "wrong", READ) for _ in range(OF_A_SOURCE + 2)] == [401] * OF_A_SOURCE + [429] * 2
    assert domain.ask(REMOTE, "operator", READ) == 429
    with pytest.raises(AccessRefusedError) as refused:
        domain.access.admit(REMOTE, "Bearer x", READ)
    assert refused.value.headers == {"Retry-After": "6"}
    assert domain.ask(Client("2001:db8::ffff", tls=True), "operator", READ) == 429  # of the same /64
    assert domain.ask(Client("2001:db8:0:1::1", tls=True), "operator", READ) == "token operator"
    domain.time += 6.1
    assert domain.ask(REMOTE, "operator", READ) == "token operator"
    assert [domain.ask(REMOTE, "wrong", READ) for _ in range(2)] == [401, 429]
    domain.time += 60
    assert [domain.ask(REMOTE, "wrong", READ) for _ in range(OF_A_SOURCE + 1)] == [401] * OF_A_SOURCE + [429]


def test_who_tries_tokens_on_this_host_does_not_keep_its_operator_out(domain: Domain) -> None:
    for _ in range(OF_A_SOURCE):
        domain.ask(Client("127.0.0.1"), "wrong", READ)
    assert domain.ask(Client("::1"), "operator", READ) == 429
    assert domain.ask(Client("127.0.0.1"), "local", OPERATE) == "local operator"
    assert domain.ask(Client("127.0.0.1"), None, READ) == "nobody"


def test_many_sources_together_are_limited_too_in_bounded_memory(domain: Domain) -> None:
    found = Counter(domain.ask(Client(f"10.{n >> 8}.{n & 255}.1", tls=True), "wrong", READ) for n in range(2000))
    assert found == {401: OF_ALL, 429: 2000 - OF_ALL}
    assert domain.ask(Client("127.0.0.1"), "operator", OPERATE) == "token operator"
    domain.time += 0.31
    assert domain.ask(REMOTE, "operator", READ) == "token operator"


def test_sources_are_forgotten_when_there_are_too_many() -> None:
    failures = FailedAttempts(lambda: 0.0)
    for number in range(100_000):
        failures.add(f"2001:db8:{number >> 16:x}:{number & 65535:x}::1")
    assert len(failures._full) <= 512


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("127.0.0.1", "::1", True),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("::ffff:127.0.0.1", None, True),
    ],
)
def test_a_source_is_a_host(one: str, other: str | None, same: bool) -> None:
    failures = FailedAttempts(lambda: 0.0)
    for _ in range(OF_A_SOURCE):
        failures.add(one)
    assert (failures.wait(other) > 0) == same


def test_refusals_are_logged_at_a_limited_rate(domain: Domain, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(100):
        domain.ask(REMOTE, "wrong", READ)
    assert caplog.text.count("REST refuses nobody at 2001:db8::1: no such token") == 1
    assert domain.secrets["wrong"] not in caplog.text
