"""The file of tokens: what is in it, who can use them, and for how long."""

from __future__ import annotations

import json
import os
import stat
from multiprocessing import get_context
from pathlib import Path

import pytest

from ryu_pmipls.http.access.local_token import read_local_token, write_local_token
from ryu_pmipls.http.access.roles import AccessRole
from ryu_pmipls.http.access.tokens import TokenError, TokenFile, TokenInputError
from ryu_pmipls.state_files import replace_file

NOW = 1_800_000_000.0
DAY = 86400


def test_a_token_is_found_until_it_is_revoked(tmp_path: Path) -> None:
    file = TokenFile(tmp_path)
    secret = file.create("alice", AccessRole.OPERATE, 1, NOW)
    found = TokenFile(tmp_path).find(secret)
    assert found is not None and (found.name, found.role) == ("alice", AccessRole.OPERATE)
    assert found.is_valid(NOW + DAY - 1) and not found.is_valid(NOW + DAY)
    file.revoke("alice")
    assert TokenFile(tmp_path).find(secret) is None


def test_a_process_notices_what_another_has_changed(tmp_path: Path) -> None:
    server, command = TokenFile(tmp_path), TokenFile(tmp_path)
    assert server.tokens() == ()
    secret = command.create("alice", AccessRole.READ, 1, NOW)
    assert server.find(secret) is not None
    other = command.create("bob", AccessRole.READ, 1, NOW)
    assert server.find(secret) is not None and server.find(other) is not None
    command.revoke("alice")
    assert server.find(secret) is None and server.find(other) is not None
    (tmp_path / "tokens.json").unlink()
    assert server.find(other) is None


def test_the_file_has_no_token_and_is_for_its_user_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        secret = TokenFile(tmp_path / "state").create("alice", AccessRole.READ, 1, NOW)
    finally:
        os.umask(before)
    path = tmp_path / "state" / "tokens.json"
    assert secret not in path.read_text() and len(secret) == 43  # 256 bits, in base 64
    assert {stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()} == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files for others")
def test_what_root_creates_belongs_to_the_user_of_the_directory(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 23456)
    TokenFile(tmp_path).create("alice", AccessRole.READ, 1, NOW)
    assert {(each.stat().st_uid, each.stat().st_gid) for each in tmp_path.iterdir()} == {(12345, 23456)}


@pytest.mark.parametrize("name", ["", "a b", "-a", "a\n", "x" * 65, "a/b", "ä"])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(TokenInputError, match="is no name of a token; allowed: "):
        TokenFile(tmp_path).create(name, AccessRole.READ, 1, NOW)
    assert not (tmp_path / "tokens.json").exists()


def test_a_name_stands_for_one_token(tmp_path: Path) -> None:
    file = TokenFile(tmp_path)
    file.create("alice", AccessRole.READ, 1, NOW)
    with pytest.raises(TokenInputError, match="there is a token 'alice'"):
        file.create("alice", AccessRole.OPERATE, 1, NOW)
    with pytest.raises(TokenInputError, match="there is no token 'bob'; there are: alice"):
        file.revoke("bob")
    assert [token.role for token in file.tokens()] == [AccessRole.READ]


def test_there_are_not_more_tokens_than_can_be_compared_quickly(tmp_path: Path) -> None:
    entry = {"role": "read", "sha256": "0" * 64, "created": NOW, "expires": NOW}
    replace_file(tmp_path / "tokens.json", json.dumps({"tokens": [entry | {"name": str(n)} for n in range(256)]}))
    with pytest.raises(TokenInputError, match="there are 256 tokens"):
        TokenFile(tmp_path).create("alice", AccessRole.READ, 1, NOW)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"tokens": 5}',
        '{"tokens": [{}]}',
        '{"tokens": [5]}',
        '{"tokens": [{"name": "a", "role": "all", "sha256": "' + "0" * 64 + '", "created": 0, "expires": 0}]}',
        '{"tokens": [{"name": "a", "role": "read", "sha256": "0", "created": 0, "expires": 0}]}',
        "[" * 100_000,
    ],
)
def test_a_damaged_file_lets_nobody_in_and_is_not_overwritten(tmp_path: Path, content: str) -> None:
    path = tmp_path / "tokens.json"
    path.write_text(content)
    with pytest.raises(TokenError, match=r"tokens.json: is damaged; remove it"):
        TokenFile(tmp_path).find("x")
    with pytest.raises(TokenError):
        TokenFile(tmp_path).create("alice", AccessRole.READ, 1, NOW)
    assert path.read_text() == content


def create_some(directory: Path, who: int) -> None:
    for number in range(5):
        TokenFile(directory).create(f"{who}-{number}", AccessRole.READ, 1, NOW)


def test_commands_at_once_lose_no_token(tmp_path: Path) -> None:
    processes = [get_context("fork").Process(target=create_some, args=(tmp_path, who)) for who in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert len(TokenFile(tmp_path).tokens()) == 20


# The token of local operators


def test_each_start_has_another_local_token_for_who_may_read_the_file(tmp_path: Path) -> None:
    first = write_local_token(tmp_path, "127.0.0.1", 8080)
    second = write_local_token(tmp_path, "127.0.0.1", 8080)
    assert first != second and read_local_token([tmp_path], "http://127.0.0.1:8080") == second
    assert stat.S_IMODE((tmp_path / "operator-token").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("host", "url", "sent"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080", True),
        ("127.0.0.1", "http://localhost:8080", True),
        ("::1", "http://[::1]:8080", True),
        ("::", "https://[::1]:8080", True),
        ("127.0.0.1", "http://127.0.0.1:8081", False),
        ("127.0.0.1", "https://evil.example:8080", False),
        ("::", "https://evil.example:8080", False),
        ("2001:db8::1", "https://[2001:db8::1]:8080", False),
    ],
)
def test_a_local_token_goes_to_no_other_server(tmp_path: Path, host: str, url: str, sent: bool) -> None:
    secret = write_local_token(tmp_path, host, 8080)
    assert read_local_token([tmp_path], url) == (secret if sent else None)


def test_of_several_servers_that_were_at_a_port_the_last_one_counts(tmp_path: Path) -> None:
    for name, age in (("a", 30), ("b", 10), ("c", 20)):
        write_local_token(tmp_path / name, "127.0.0.1", 8080)
        os.utime(tmp_path / name / "operator-token", (NOW - age, NOW - age))
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "operator-token").write_text("no token")
    directories = [tmp_path / name for name in "abcde"]
    latest = (tmp_path / "b" / "operator-token").read_text().split()[1]
    assert read_local_token(directories, "http://127.0.0.1:8080") == latest
