"""One convention for all commands: where the profile comes from, documents, files, and exit status."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from ryu_pmipls.cli import main
from ryu_pmipls.domain.profile import PROFILE_VARIABLE, loading
from ryu_pmipls.lab import cleanup
from tests.fakes.answering_server import AnsweringServer, answering_server
from tests.unit.cli.command_tree import LEAVES

#: Commands that show nothing: they act, serve, run another program, or print a file of another format.
SHOW_NOTHING = {
    ("mag",),
    ("lma",),
    ("keys",),
    ("completion",),
    *(("lab", *words.split()) for words in ("up", "down", "attach", "detach", "handoff", "exec")),
    *(("pki", word) for word in ("init", "issue", "renew", "revoke")),
    *(("token", word) for word in ("create", "revoke")),
    *(("lab", "rms", word) for word in ("start", "stop")),
    *(("lab", "switch", word) for word in ("start", "stop")),
}
#: Arguments with which a command of a lab needs one that is up.
NEEDS_A_LAB = {
    ("lab", "status"): (),
    ("lab", "attach"): ("mn1", "mag1"),
    ("lab", "detach"): ("mn1",),
    ("lab", "handoff"): ("mn1", "mag1"),
    ("lab", "traffic"): ("mn1",),
    ("lab", "exec"): ("mn1", "true"),
    ("lab", "rms", "start"): (),
    ("lab", "rms", "stop"): (),
    ("lab", "switch", "start"): ("lma1",),
    ("lab", "switch", "stop"): ("lma1",),
    ("doctor",): ("--lab",),
}


def with_option(option: str) -> dict[tuple[str, ...], tuple[str, ...]]:
    """All commands with an option, each with words for the arguments that it needs."""
    return {
        words: tuple("x1" for argument in command.params if isinstance(argument, click.Argument) and argument.required)
        for words, command in LEAVES.items()
        if any(option in parameter.opts for parameter in command.params)
    }


ASKS_THE_RMS = with_option("--url")
READS_A_PROFILE = with_option("--profile")


@pytest.fixture(autouse=True)
def bare_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host without a profile and without a lab; the current folder is empty."""
    monkeypatch.setattr(loading, "HOST_PROFILE", tmp_path / "etc" / "domain.yaml")
    monkeypatch.setattr(cleanup, "STATE", tmp_path / "labs")
    monkeypatch.delenv(PROFILE_VARIABLE, raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture
def rms() -> Iterator[AnsweringServer]:
    with answering_server() as server:
        yield server


def pmipls(*words: str) -> Result:
    """Run a command; whatever it is given, it must not end with a traceback."""
    result = CliRunner().invoke(main, words)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    return result


def assert_refused(result: Result, status: int, told: str) -> None:
    """The exit status, nothing on standard output, and one message with these words on standard error."""
    assert (result.exit_code, result.stdout) == (status, ""), result.output
    assert told in result.stderr
    assert result.stderr.count("Error: ") == 1


# Options


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_an_option_is_called_the_same_everywhere(words: tuple[str, ...]) -> None:
    options = {name for option in LEAVES[words].params if isinstance(option, click.Option) for name in option.opts}
    arguments = {argument.name for argument in LEAVES[words].params if isinstance(argument, click.Argument)}
    assert "profile" not in arguments
    assert ("--json" in options) == (words not in SHOW_NOTHING)
    assert not options & {"--report", "--plot", "--draw", "--directory"}
    assert options >= ({"--profile", "--json"} if "--url" in options else set())


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_json_is_a_flag_and_output_a_folder(words: tuple[str, ...]) -> None:
    for option in LEAVES[words].params:
        if "--json" in option.opts:
            assert isinstance(option, click.Option) and option.is_flag
        if "--output" in option.opts:
            assert isinstance(option.type, click.Path) and not option.type.file_okay


# Exit status 2: the input is wrong


# Options of "lab exec" may be those of the command that it runs.
@pytest.mark.parametrize("words", [words for words in LEAVES if words != ("lab", "exec")], ids=" ".join)
def test_an_unknown_option_is_wrong_input(words: tuple[str, ...]) -> None:
    assert_refused(pmipls(*words, "--nonsense"), 2, "No such option")


def test_an_unknown_command_is_wrong_input() -> None:
    for words in (("nonsense",), ("lab", "nonsense"), ("lab", "rms", "nonsense")):
        assert_refused(pmipls(*words), 2, "No such command")


@pytest.mark.parametrize(("words", "rest"), READS_A_PROFILE.items(), ids=lambda value: " ".join(value))
@pytest.mark.parametrize("named", ["--profile", PROFILE_VARIABLE])
def test_a_profile_that_cannot_be_read_is_wrong_input(
    words: tuple[str, ...], rest: tuple[str, ...], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "faulty.yaml").write_text("domain: 7\n")
    (tmp_path / "binary.yaml").write_bytes(b"domain: \xff\n")
    for name, told in (
        ("nowhere", "nowhere: there is no such file, and no shipped profile of that name; shipped: "),
        (str(tmp_path / "folder"), "is a directory"),
        (str(tmp_path / "faulty.yaml"), "faulty.yaml:1: domain: "),
        (str(tmp_path / "binary.yaml"), "binary.yaml:1: is not text in UTF-8"),
        ("", ".: is a directory, not a profile"),
    ):
        if named == PROFILE_VARIABLE:
            if words == ("doctor",) or not name:
                continue  # the doctor finds fault with the environment; an empty variable names nothing
            monkeypatch.setenv(PROFILE_VARIABLE, name)
            assert_refused(pmipls(*words, *rest), 2, told)
        else:
            assert_refused(pmipls(*words, *rest, "--profile", name), 2, told)


@pytest.mark.parametrize("words", [("check",), ("show",), ("keys",), ("mag", "mag1"), ("lma", "lma1")], ids=" ".join)
def test_only_a_lab_has_a_profile_without_any(words: tuple[str, ...], tmp_path: Path) -> None:
    result = pmipls(*words)
    assert_refused(result, 2, f"no profile: none is named, $PMIPLS_PROFILE is not set, and there is no {tmp_path}")
    assert "--profile FILE" in result.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("mag", "mag9", "--profile", "two-lma"), "NAME: no MAG is called 'mag9'; there are: mag1, mag2"),
        (("lma", "mag1", "--profile", "two-lma"), "NAME: no LMA is called 'mag1'; there are: lma1, lma2"),
        (("doctor", "--profile", "two-lma", "--node", "x"), "--node: no node is called 'x'; there are: rms, mag1"),
        (("lab", "up", "--profile", "deployment-template"), "has no section 'lab': it describes real hosts"),
        (("demo", "--profile", "deployment-template"), "has no section 'lab': it describes real hosts"),
        (("handoffs", "--profile", "deployment-template"), "lab, mags (two of them) and mobile_nodes (one) are needed"),
        (("measure", "--profile", "two-lma"), "at least 2 LMAs, 4 MAGs and 8 mobile nodes are needed; --profile four"),
        (
            ("measure", "nonsense"),
            "not one of 'goodput', 'move', 'failure', 'fallback', 'drain', 'agent'",
        ),
        (("storm", "--duration", "5"), "5.0 is not in the range 10<=x<=86400"),
        (("storm", "--seed", "-1"), "-1 is not in the range 0<=x<=4294967295"),
        (("storm", "--profile", "deployment-template"), "has no section 'lab': it describes real hosts"),
        (("handoffs", "--way", "mine"), "'mine' is not one of 'standard PMIPv6', 'routes only'"),
        (("handoffs", "--number", "-1"), "-1 is not in the range 1<=x<=1000"),
        (("handoffs", "--interval", "nan"), "nan is not a finite number"),
        (("lab", "traffic", "mn1", "--seconds", "0"), "0 is not in the range 1<=x<=3600"),
        (("lab", "traffic", "mn1", "--rate", "inf"), "inf is not a finite number"),
        (("lab", "traffic", "mn1", "--rate", "-3"), "-3.0 is not in the range x>0"),
        (("lab", "traffic", "mn1", "--protocol", "udp"), "--protocol udp needs a --rate in Mbit/s"),
        (("lab", "down", "--prefix", "zz"), "no lab has the prefix 'zz'; allowed: none is up"),
        (("drain", "lma1", "--wait", "-1"), "-1.0 is not in the range x>=0"),
        (("policy", "draft", "--of-the-profile"), "draft and --of-the-profile: only one of them"),
        (("simulate", "nowhere"), "no shipped scenario of that name; shipped: day"),
        (("simulate", "ping-pong", "--hours", "-1"), "is not in the range x>=0.01"),
        (("simulate", "ping-pong", "--only", "fair"), "--only: fair is no contender; there are: "),
        (("explain", "last", "--file", "missing"), "'missing' does not exist"),
        (("decode", "here/nothing.pcap"), "is neither a file nor octets in hexadecimal digits"),
        (("decode", "."), ".: is a directory, not a capture"),
        (("decode", "\0"), "is neither a file nor octets in hexadecimal digits"),
        (("tell", "mag1", "attach", "acc1"), "1 words behind 'attach', but 2 are needed: attach ACCESS_PORT NODE"),
        (("tell", "mag1", "--run-directory", "missing"), "'missing' does not exist"),
        (("pki", "init", "--profile", "two-lma", "--days", "x"), "'x' is not a valid integer range"),
        (("completion", "csh"), "'csh' is not one of 'bash', 'zsh', 'fish'"),
    ],
    ids=lambda value: " ".join(value).replace("\0", "NUL") if isinstance(value, tuple) else "",
)
def test_wrong_input_is_one_message_that_names_the_place_and_what_is_allowed(words: tuple[str, ...], told: str) -> None:
    assert_refused(pmipls(*words), 2, told)


@pytest.mark.parametrize("content", ["", "no json", "[5]", '{"id": 1}', "[]"])
def test_a_file_without_a_decision_is_wrong_input(content: str, tmp_path: Path) -> None:
    (tmp_path / "decisions.json").write_text(content)
    result = pmipls("explain", "last", "--file", str(tmp_path / "decisions.json"))
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1 if content == "[]" else 2, "", 1)


@pytest.mark.parametrize("command", ["show", "simulate"])
def test_an_output_that_is_a_file_is_wrong_input(command: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    words = ("show", "--profile", "two-lma") if command == "show" else ("simulate", "ping-pong")
    assert_refused(pmipls(*words, "--output", str(tmp_path / "file")), 2, "is a file")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://127.0.0.1",
        "http://",
        "http://127.0.0.1:nonsense",
        "http://127.0.0.1:99999",
        "http://a b:1",
        "x:0",
        "[::1",
    ],
)
def test_a_url_that_is_none_is_wrong_input(url: str) -> None:
    assert_refused(pmipls("bindings", "--url", url), 2, "is no address of an RMS, such as http://127.0.0.1:8080")


# Exit status 1: the system is not as it should be


@pytest.mark.parametrize(("words", "rest"), ASKS_THE_RMS.items(), ids=lambda value: " ".join(value))
def test_an_rms_that_does_not_answer(words: tuple[str, ...], rest: tuple[str, ...]) -> None:
    assert_refused(
        pmipls(*words, *rest, "--url", "127.0.0.1:1"), 1, "no answer (Connection refused); is the RMS running?"
    )


@pytest.mark.parametrize(("words", "rest"), ASKS_THE_RMS.items(), ids=lambda value: " ".join(value))
@pytest.mark.parametrize(
    ("status", "octets"),
    [
        (500, b"<html>Internal Server Error</html>"),
        (500, b'{"error": {"message": "a bug"}}'),
        (404, b"<html>no such page</html>"),
        (503, b'{"error": "no"}'),
        (200, b"<html>Welcome</html>"),
        (200, b'"text"'),
        (200, b"5"),
        (200, b"\xff\xfe"),
        (200, b"[5]"),
        (200, b'{"lmas": 5, "status": 3, "id": {}}'),
    ],
)
def test_an_answer_that_is_not_an_rms(
    words: tuple[str, ...],
    rest: tuple[str, ...],
    status: int,
    octets: bytes,
    rms: AnsweringServer,
) -> None:
    rms.answers = Everywhere((status, octets))
    result = pmipls(*words, *rest, "--url", rms.url)
    if words == ("undrain",) and status == 200 and octets not in (b"<html>Welcome</html>", b"\xff\xfe"):
        return  # it does not look at the document
    assert result.exit_code == 1, result.output
    assert rms.url in result.stderr
    assert result.stderr.count("\n") == 1


class Everywhere(dict[str, tuple[int, bytes]]):
    """The same answer to every path."""

    def __init__(self, answer: tuple[int, bytes]) -> None:
        super().__init__()
        self._answer = answer

    def get(self, key: str, default: object = None) -> tuple[int, bytes]:  # type: ignore[override]
        return self._answer


def test_what_the_rms_refuses_is_wrong_input_or_its_state(rms: AnsweringServer) -> None:
    assert_refused(pmipls("drain", "lma9", "--url", rms.url), 2, "/v1/lmas/lma9/drain: there is no /v1/lmas/lma9/drain")
    rms.answer("/v1/policy", {"error": {"message": "policy: must be draft"}}, 400)
    assert_refused(pmipls("policy", "best", "--url", rms.url), 2, "policy: must be draft")
    rms.answer("/v1/lmas/lma1/drain", {"error": {"message": "no other LMA could take over"}}, 409)
    assert_refused(pmipls("drain", "lma1", "--url", rms.url), 1, "no other LMA could take over")


@pytest.mark.parametrize(("words", "rest"), NEEDS_A_LAB.items(), ids=lambda value: " ".join(value))
def test_no_lab_is_up(words: tuple[str, ...], rest: tuple[str, ...]) -> None:
    assert_refused(pmipls(*words, *rest), 1, "no lab is up; 'pmipls lab up' starts one")


def test_no_agent_runs_here(tmp_path: Path) -> None:
    told = "does the agent of mag1 run here?"
    assert_refused(pmipls("tell", "mag1", "health", "--run-directory", str(tmp_path)), 1, told)


@pytest.mark.parametrize("command", ["mag", "lma"])
def test_an_agent_without_a_switch(command: str, tmp_path: Path) -> None:
    words = (command, f"{command}1", "--profile", "two-lma", "--run-directory", str(tmp_path))
    assert_refused(pmipls(*words), 1, "ovs-vsctl")


def test_a_message_that_is_malformed() -> None:
    assert pmipls("decode", "3b02").exit_code == 1


def test_a_file_that_cannot_be_written() -> None:
    Path("file").write_text("")
    result = pmipls("show", "--profile", "two-lma", "--output", "file/below")
    assert (result.exit_code, result.stderr) == (1, "Error: file/below: Not a directory\n")


# Exit status 0, and interrupts


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("--version",),
        ("check", "--profile", "two-lma"),
        ("show", "--profile", "four-lma"),
        ("keys", "--profile", "two-lma"),
        ("decode", "3b010d005aed00000000000101020000"),
        ("lab", "down"),
        ("completion", "bash"),
    ],
    ids=" ".join,
)
def test_all_is_well(words: tuple[str, ...]) -> None:
    result = pmipls(*words)
    assert (result.exit_code, result.stderr) == (0, "")


def test_control_c_ends_a_command_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(loading, "load_document", interrupted)
    result = pmipls("check", "--profile", "two-lma")
    assert (result.exit_code, result.output) == (130, "\n")


def test_names_that_are_no_text_are_shown_escaped() -> None:
    name = os.fsdecode(b"caf\xe9")
    result = pmipls("check", "--profile", name)
    assert (result.exit_code, result.stderr.startswith("Error: caf")) == (2, True)
