"""The LMA's sessions with its core gateway, as reported by the routing daemon bird at its control socket."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path

#: Seconds that bird may take for all answers.
_TIMEOUT = 2.0
#: Maximum octets of one line.
_LINE = 2**16
#: Read-only questions: bird refuses anything else from the first one on.
_QUESTIONS = ("restrict", "show protocols all", "show bfd sessions")
#: A line of an answer begins with a code, or with a space if its code is that of the line before; a space follows the
#: code of the last line.
_CODED = re.compile(r"(\d{4})([ -])(.*)")


class BirdError(Exception):
    """bird gives no answer; the text says where, and why."""


@dataclass(frozen=True)
class CoreSession:
    """The BGP session with a core gateway, and the BFD session that watches over it.

    ``routes`` is the number of routes that it announces; ``error`` is bird's reason why it is down, empty when there is
    none.
    """

    established: bool = False
    routes: int = 0
    watched: bool = False
    error: str = ""


async def query_session(path: Path, gateway: IPv6Address) -> CoreSession:
    """Ask the bird at control socket ``path`` for its session with ``gateway``; ``BirdError`` without an answer."""
    try:
        _, protocols, sessions = await asyncio.wait_for(_answers(path), _TIMEOUT)
    except asyncio.TimeoutError:
        raise BirdError(f"bird does not answer at {path} within {_TIMEOUT:g} s") from None
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise BirdError(f"bird does not answer at {path}: {reason}") from None
    return core_session(protocols, sessions, gateway)


async def _answers(path: Path) -> list[str]:
    """Fetch the answers to all questions; ``ValueError`` when they are not bird's."""
    reader, writer = await asyncio.open_unix_connection(path, limit=_LINE)
    try:
        await _answer(reader)  # the greeting
        answers = []
        for question in _QUESTIONS:
            writer.write(f"{question}\n".encode())
            answers.append(await _answer(reader))
        return answers
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader) -> str:
    """Read the lines of an answer, with their codes."""
    lines = []
    while True:
        octets = await reader.readline()
        if not octets.endswith(b"\n"):
            raise ValueError("it closes the connection")
        lines.append(octets.decode("utf-8", "replace").rstrip("\n"))
        coded = _CODED.fullmatch(lines[-1])
        if coded is not None and coded[2] == " ":
            return "\n".join(lines)
        if coded is None and not lines[-1].startswith((" ", "+")):
            raise ValueError("the answer is not bird's")


def core_session(protocols: str, sessions: str, gateway: IPv6Address) -> CoreSession:
    """Find the session with ``gateway`` in bird's answers to ``show protocols all`` and ``show bfd sessions``."""
    for shown in re.findall(r"^1002-\S+ +BGP (.*?)(?=^1002-|\Z)", protocols, re.MULTILINE | re.DOTALL):
        if not _is(_field(shown, "Neighbor address"), gateway):
            continue
        established = _field(shown, "BGP state") == "Established"
        exported = re.findall(r"^ +Routes:.*?(\d+) exported", shown, re.MULTILINE)
        return CoreSession(
            established=established,
            routes=sum(map(int, exported)) if established else 0,
            watched=any(_is(address, gateway) and state == "Up" for address, state in _bfd_sessions(sessions)),
            error="" if established else _field(shown, "Last error") or f"state {_field(shown, 'BGP state')}",
        )
    return CoreSession(error=f"bird has no BGP session with {gateway}")


def _field(shown: str, name: str) -> str:
    found = re.search(rf"^(?:1006-| ) *{name}: +(.*?) *$", shown, re.MULTILINE)
    return "" if found is None else found[1]


def _bfd_sessions(sessions: str) -> list[tuple[str, str]]:
    """(address, state) of each BFD session."""
    rows = (line[1:].split() for line in sessions.splitlines() if line.startswith(" "))
    return [(row[0], row[2]) for row in rows if len(row) > 2]


def _is(text: str, address: IPv6Address) -> bool:
    try:
        return IPv6Address(text.partition("%")[0]) == address
    except ValueError:
        return False
