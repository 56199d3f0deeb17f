"""``pmipls token`` and ``pmipls audit``, as they are typed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from ryu_pmipls.cli import main
from ryu_pmipls.domain.profile import SHIPPED_PROFILES
from ryu_pmipls.http.access.audit_log import AuditLog
from ryu_pmipls.http.access.audit_trail import AuditTrail
from ryu_pmipls.http.access.roles import AccessRole, Client
from ryu_pmipls.http.access.tokens import TokenFile

CLIENT = Client("2001:db8::1")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state directory of an RMS whose profile applies."""
    document = yaml.safe_load((SHIPPED_PROFILES / "two-lma.yaml").read_text(encoding="utf-8"))
    document["rms"]["state_directory"] = str(tmp_path / "state")
    (tmp_path / "domain.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    monkeypatch.setenv("PMIPLS_PROFILE", str(tmp_path / "domain.yaml"))
    return tmp_path / "state"


def pmipls(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def test_a_token_is_created_shown_once_listed_and_revoked(state: Path) -> None:
    created = pmipls("token", "create", "alice", "--role", "operate", "--days", "7")
    assert created.exit_code == 0 and "Token alice, role operate, for 7 days" in created.stderr
    found = TokenFile(state).find(created.stdout.strip())
    assert found is not None and found.role is AccessRole.OPERATE and found.expires - found.created == 7 * 86400
    pmipls("token", "create", "bob")
    listed = pmipls("token", "list")
    assert re.search(r"alice +operate +\S+ \S+ +\S+ \S+ +valid", listed.stdout)
    assert re.search(r"bob +read ", listed.stdout)
    assert created.stdout.strip() not in listed.stdout
    documents = json.loads(pmipls("token", "list", "--json").stdout)
    assert [(each["name"], each["role"], each["valid"]) for each in documents] == [
        ("alice", "operate", True),
        ("bob", "read", True),
    ]
    assert pmipls("token", "revoke", "alice").stdout == "Token alice is revoked.\n"
    assert TokenFile(state).find(created.stdout.strip()) is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("token", "create", "a b"), "'a b' is no name of a token; allowed: "),
        (("token", "create", "x", "--role", "all"), "'all' is not one of 'read', 'operate'"),
        (("token", "create", "x", "--days", "0"), "0 is not in the range 1<=x<=3650"),
        (
            ("token", "create", "x", "--node", "lma9"),
            "--node: no node is called 'lma9'; there are: rms, mag1, mag2",
        ),
        (("token", "revoke", "nobody"), "there is no token 'nobody'; there are: none"),
        (("audit", "--since", "yesterday"), "'yesterday' is neither a span such as 10m, 2h or 7d nor a time such as"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_words_are_wrong_input(words: tuple[str, ...], told: str) -> None:
    result = pmipls(*words)
    assert result.exit_code == 2 and told in result.stderr and result.stdout == ""


def test_a_damaged_file_of_tokens_is_told(state: Path) -> None:
    state.mkdir()
    (state / "tokens.json").write_text("{")
    result = pmipls("token", "list")
    assert result.exit_code == 1 and "is damaged; remove it" in result.stderr


def test_the_tokens_and_the_audit_log_of_an_agent_are_its_own(state: Path, tmp_path: Path) -> None:
    lab = ("--node", "lma1", "--run-directory", str(tmp_path))
    assert pmipls("token", "create", "alice", *lab).exit_code == 0
    assert (tmp_path / "agent" / "tokens.json").exists() and not state.exists()
    trail = AuditTrail(AuditLog(tmp_path / "agent"))
    trail.end(trail.begin("uid 0", CLIENT, "POST", "/v1/drain", b"{}"), 200, "done")
    assert [each["path"] for each in json.loads(pmipls("audit", *lab, "--json").stdout)] == ["/v1/drain"]
    assert json.loads(pmipls("audit", "--json").stdout) == []


def test_the_audit_log_is_shown_since_a_moment(state: Path) -> None:
    now = [1_800_000_000.0]
    trail = AuditTrail(AuditLog(state), lambda: now[0], lambda: 0.0)
    trail.end(trail.begin("token alice", CLIENT, "POST", "/v1/policy", b'{"policy": "best"}'), 400, "no such policy")
    for _ in range(61):
        trail.refuse("nobody", CLIENT, "POST", "/v1/policy", b"{}", 401, "no such token")
    trail.begin("local operator", CLIENT, "POST", "/v1/lmas/lma1/drain", b"{}")
    shown = pmipls("audit").stdout
    assert re.search(r'token alice +2001:db8::1 +POST /v1/policy +\{"policy": "best"\} +400 +no such policy', shown)
    assert re.search(r"local operator .* - +unknown: the process ended meanwhile", shown)
    assert json.loads(pmipls("audit", "--since", "2100-01-01", "--json").stdout) == []
    assert len(json.loads(pmipls("audit", "--since", "36500d", "--json").stdout)) == 62
