"""What the pages show is what is printed: the tour, tried word by word in a lab with the default prefix."""

from __future__ import annotations

from pathlib import Path

import pytest

from ryu_pmipls.lab import cleanup
from tests.lab.tour import Shown, agrees, faults, renewed, run, shown, try_page

ROOT = Path(__file__).resolve().parents[2]

PAGE = """\
# A page

    $ pmipls lab exec mn1 ping -c 1 fd00:c0de::1
    64 bytes from fd00:c0de::1: icmp_seq=1 ttl=62 time=2.39 ms

    1 packets transmitted, 1 received, 0% packet loss, time 0ms

That was one.

    an example, not a command

    $ pmipls lab up
    ...
    The lab of domain two-lma is up.
    $ pmipls lab down
"""


def test_commands_of_a_page_are_what_is_behind_its_prompts() -> None:
    ping, up, down = shown(PAGE)
    assert (ping.line, ping.command) == (2, "pmipls lab exec mn1 ping -c 1 fd00:c0de::1")
    assert [line[:9] for line in ping.output] == ["64 bytes ", "", "1 packets"]
    assert up.output == ("...", "The lab of domain two-lma is up.")
    assert down == Shown(14, "pmipls lab down", ())


@pytest.mark.parametrize(
    ("expected", "printed"),
    [
        ("time=2.39 ms, 3 lost", "time=11 ms, 12 lost"),
        ("at 02:58:45.154", "at 12:01:59"),
        ("from fd00:c0de::1", "from 2001:db8:114:dc02:0:ff:fe00:101"),
        ("│ 29 215  │ 99% │", "│ 7 │ unknown │"),
        ("lma1 is neutral", "lma1 is overloaded"),
        ("│ mag1 29 215, mag2 3 │", "│ mag2 17 │"),
        ("│ mag1 29 215, mag2 3 │", "│         │"),
        ("PING fd00:c0de::1(fd00:c0de::1)", "PING fd00:c0de::1 (fd00:c0de::1)"),
        ("┏━━━━┳━━━┓", "┏━━┳━━━━━┓"),
        ("mdev = 0.5/0.6 ms", "mdev = 200.5/0.6 ms, pipe 2"),
        ("one\n...\nfour", "one\ntwo\nthree\nfour"),
        ("one\n...\nfour", "one\nfour"),
        ("...\nfour", "four"),
        ("one\n...", "one"),
        ("Reason: ...\nOutcome", "Reason: none\nOutcome"),
        ("mag...: all of it", "mag2: all of it"),
        ("broken in another\nplace", "broken in\nanother place"),
    ],
)
def test_figures_do_not_count(expected: str, printed: str) -> None:
    assert agrees(expected.splitlines(), printed.splitlines())


@pytest.mark.parametrize(
    ("expected", "printed"),
    [
        ("mn1 is at mag1", "mn1 is at mag2"),
        ("one\ntwo", "one"),
        ("one", "one\ntwo"),
        ("one\n...\nfour", "one\ntwo"),
        ("1 lost", "all lost"),
        ("│ a │ b │", "│ a │"),
    ],
)
def test_words_and_shape_count(expected: str, printed: str) -> None:
    assert not agrees(expected.splitlines(), printed.splitlines())


def test_a_command_that_fails_that_prints_something_else_or_that_does_not_end_is_a_fault() -> None:
    results = [(1, ["connect: Network is unreachable"]), (0, ["The lab of domain two-lma is down."]), (-1, [])]
    failing, other, hanging = faults(PAGE, results)
    assert failing.startswith("line 3: $ pmipls lab exec mn1 ping") and "exit status 1\nconnect: Network" in failing
    assert "-The lab of domain two-lma is up.\n+The lab of domain two-lma is down." in other
    assert hanging.startswith("line 15: $ pmipls lab down\ndid not come to its end")


def test_a_page_is_renewed_with_what_was_printed_and_what_it_left_out_stays_out() -> None:
    up = ["  agents", "The lab of domain two-lma is up."]
    page = renewed(PAGE, [["64 bytes", "", "2 packets"], up, ["The lab is gone."]])
    assert [entry.output for entry in shown(page)] == [
        ("64 bytes", "", "2 packets"),
        ("...", "The lab of domain two-lma is up."),
        ("The lab is gone.",),
    ]
    assert "\nThat was one.\n\n    an example, not a command\n\n" in page


@pytest.mark.parametrize("output", [("Reason: ...", "Outcome"), ("...", "one", "..."), ("...", "not printed")])
def test_what_leaves_out_more_than_that_is_not_renewed(output: tuple[str, ...]) -> None:
    assert Shown(0, "pmipls explain last", output).abridge(["Reason: none", "Outcome", "one"]) == output


def test_commands_share_a_shell_and_see_neither_other_processes_nor_other_networks(tmp_path: Path) -> None:
    commands = [
        "number=5; sleep 60 &",
        "echo $number; kill %1; wait",
        "pgrep -c .",
        "ls /run",
        "ip -o link | wc -l",
        "false",
    ]
    results = run(commands, tmp_path)
    assert [status for status, _ in results] == [0, 0, 0, 0, 0, 1]
    assert [output for _, output in results] == [[], ["5"], ["1"], ["lock", "netns"], ["1"], []]


@pytest.mark.timeout(1300)
def test_the_tour_prints_what_it_shows() -> None:
    """In one of two tries: on a machine that has too much else to do no LMA gets so far as to be overloaded."""
    if cleanup.recorded("pm"):
        pytest.skip("a lab with the default prefix is up, which has the CPU groups that the tour needs")
    page = ROOT / "docs" / "tour.md"
    found = try_page(page) and try_page(page)
    assert not found, "\n\n".join(found)
