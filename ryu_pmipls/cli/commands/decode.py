"""``pmipls decode``: Mobility Headers field by field, offline."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from functools import partial
from io import BytesIO
from ipaddress import IPv6Address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ryu_pmipls.cli.failures import InputError
from ryu_pmipls.cli.options import json_option, profile_option
from ryu_pmipls.cli.sections import INSPECT
from ryu_pmipls.cli.tables import printable

if TYPE_CHECKING:
    from ryu_pmipls.cli.capture import Captured
    from ryu_pmipls.domain.profile import Signalling
    from ryu_pmipls.wire.dissection import Part

#: Parts of a message, and of its parts, that a line leaves out.
_UNSAID, _FRAME = ("header", "Pad1", "PadN", "Timestamp"), ("type", "length", "reserved", "vendor", "subtype")
#: What stands for standard input.
_STANDARD_INPUT = "-"
#: Function from octets, source and destination to parts.
_Dissect = Callable[[bytes, "IPv6Address | None", "IPv6Address | None"], "Part"]


def _address(context: click.Context, parameter: click.Parameter, value: str | None) -> IPv6Address | None:
    try:
        return None if value is None else IPv6Address(value)
    except ValueError:
        raise click.BadParameter(f"{value} is no IPv6 address") from None


@INSPECT.command("decode", bad="a message is malformed", wrong="no octets, no capture, or not understood as a whole")
@click.argument("what", metavar="FILE|-|HEX...", nargs=-1, required=True)
@click.option("--source", metavar="ADDRESS", callback=_address, help="Sender of HEX, for the checksum.")
@click.option("--destination", metavar="ADDRESS", callback=_address, help="Receiver of HEX, for the checksum.")
@click.option("--verbose", "-v", is_flag=True, help="Print the messages of a capture field by field.")
@profile_option("$PMIPLS_PROFILE, else /etc/pmipls/domain.yaml, else the default numbers")
@json_option
def decode(
    what: tuple[str, ...],
    source: IPv6Address | None,
    destination: IPv6Address | None,
    verbose: bool,
    profile: str | None,
    as_json: bool,
) -> None:
    """Decode the Mobility Headers of a capture, or the one in HEX.

    The capture, pcap or pcapng, is FILE or comes from standard input (-). Its messages are printed a line each, the one
    in HEX field by field. A message's line has the number of its
    packet, the time (UTC), source and destination, what it is and what it says. A field's line has the offset in octets
    from the start of the Mobility Header, the number of octets, name and value. The reason stands behind or below what
    is malformed. What is not understood, or was not captured whole, is named at the end.
    """
    from ryu_pmipls.signalling.endpoint import code_points
    from ryu_pmipls.wire.dissection import dissect

    signalling = _signalling(profile)
    dissected: _Dissect = partial(dissect, code_points=code_points(signalling), lenient=signalling.lenient)
    if len(what) == 1 and (what[0] == _STANDARD_INPUT or _is_file(what[0])):
        if source is not None or destination is not None:
            raise click.UsageError("--source and --destination are for HEX; a capture has its own.")
        unread: Counter[str] = Counter()
        messages = _messages(what[0], signalling.udp_port, unread)
        faulty = _print_documents(messages, dissected) if as_json else _print_capture(messages, dissected, verbose)
        if unread:
            kinds = "; ".join(f"{number} times {kind}" for kind, number in unread.items())
            raise InputError(f"{what[0]}: not everything was understood: {kinds}")
    else:
        if (source is None) != (destination is None):
            raise click.UsageError("The checksum needs --source and --destination, or neither of them.")
        whole = dissected(_octets(what), source, destination)
        faulty = any(whole.faults())
        if as_json:
            click.echo(json.dumps(_document(whole), indent=2))
        else:
            _print_header(whole)
    if faulty:
        raise click.exceptions.Exit(1)


def _is_file(word: str) -> bool:
    """True for a file that may be a capture; ``InputError`` for a folder."""
    try:
        path = Path(word)
        if path.is_dir():
            raise InputError(f"{word}: is a directory, not a capture")
        return path.exists()
    except (OSError, ValueError):
        return False  # too long for a name, as octets may be


def _messages(word: str, udp_port: int, unread: Counter[str]) -> Iterator[Captured]:
    """The Mobility Headers in a file or a pipe; ``InputError`` where they cannot be read.

    ``unread`` counts what is not understood, by name.
    """
    from ryu_pmipls.cli.capture import captured, read_capture
    from ryu_pmipls.cli.capture_file import CaptureError

    try:
        if Path(word).is_file():
            messages = read_capture(Path(word), udp_port, unread)
        else:  # a pipe, in which nothing can be read twice
            octets = sys.stdin.buffer.read() if word == _STANDARD_INPUT else Path(word).read_bytes()
            messages = captured(BytesIO(octets), udp_port, unread)
        for found in messages:
            if found.incomplete is not None:
                unread["a Mobility Header that is not whole"] += 1
            yield found
    except CaptureError as error:
        raise InputError(str(error) if Path(word).is_file() else f"{word}: {error}") from None


def _signalling(profile: str | None) -> Signalling:
    """The signalling settings: those of the profile, or, if there is none, the defaults of all profiles."""
    from ryu_pmipls.domain.profile import NoProfileError, Signalling, load_profile

    try:
        return load_profile(profile).signalling
    except NoProfileError:
        return Signalling()


def _octets(words: tuple[str, ...]) -> bytes:
    """Octets from hexadecimal digits, with the colons, blanks and 0x that other tools put between them."""
    digits = "".join(word.removeprefix("0x") for word in " ".join(words).replace(":", " ").split())
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise InputError(f"{' '.join(words)}: is neither a file nor octets in hexadecimal digits") from None


def _print_capture(messages: Iterable[Captured], dissected: _Dissect, verbose: bool) -> bool:
    """Print all messages; true when any was faulty."""
    count = faulty = 0
    for found in messages:
        whole = dissected(found.data, found.source, found.destination)
        count += 1
        faulty += any(whole.faults())
        if verbose:
            click.echo(_heading(found))
            if found.incomplete is not None:
                click.echo(_fault(0, found.incomplete))
            _print_header(whole)
            click.echo()
        else:
            click.echo(printable(_summary(found, whole)))
    click.echo(f"{count} Mobility Headers, {faulty} of them malformed.")
    return faulty > 0


def _print_documents(messages: Iterable[Captured], dissected: _Dissect) -> bool:
    """Print all messages as one JSON list, an element a line; true when any was faulty."""
    faulty = False
    start = "["
    for found in messages:
        whole = dissected(found.data, found.source, found.destination)
        faulty |= any(whole.faults())
        envelope = {
            "packet": found.number,
            "time": found.time,
            "source": str(found.source),
            "destination": str(found.destination),
            "carrier": found.carrier,
            "incomplete": found.incomplete,
        }
        click.echo(f"{start}{json.dumps(envelope | {'message': _document(whole)})}", nl=False)
        start = ",\n"
    click.echo("[]" if start == "[" else "]")
    return faulty


def _document(part: Part) -> dict[str, Any]:
    """A part of a message as a JSON document."""
    return {
        "name": part.name,
        "value": part.value,
        "offset": part.offset,
        "octets": part.octets,
        "fault": None if part.fault is None else {"reason": part.fault.reason, "text": str(part.fault)},
        "parts": [_document(inner) for inner in part.parts],
    }


def _heading(found: Captured) -> str:
    time = _time(found, "%Y-%m-%d %H:%M:%S.%f UTC")
    return f"Packet {found.number}, {time}: {found.source} > {found.destination}, {found.carrier}"


def _summary(found: Captured, whole: Part) -> str:
    """A message in a line."""
    said = "; ".join(_said(part) for part in whole.parts if part.name not in _UNSAID)
    faults = [f"{fault} ({fault.reason})" for fault in whole.faults()]
    if found.incomplete is not None:
        faults.insert(0, found.incomplete)
    where = f"{found.number:5}  {_time(found, '%H:%M:%S.%f')}  {found.source} > {found.destination}"
    return f"{where}  {whole.name}{': ' if said else ''}{said}{''.join(f' ! {fault}' for fault in faults)}"


def _said(part: Part) -> str:
    """The fields of a message, or an option, in a few words."""
    fields = [field for field in _leaves(part) if field.name not in _FRAME and field.value]
    values = [field.value.partition(" [")[0] for field in fields]  # without the explanation
    if part.name == "fields":
        return ", ".join(f"{field.name} {value}" for field, value in zip(fields, values, strict=True))
    return " ".join((part.name, ", ".join(values) or part.value)).rstrip()


def _leaves(part: Part) -> Iterator[Part]:
    for inner in part.parts:
        yield from _leaves(inner) if inner.parts else (inner,)


def _time(found: Captured, form: str) -> str:
    if found.time is None:
        return "at an unknown time"
    try:
        return datetime.fromtimestamp(found.time, timezone.utc).strftime(form)
    except (OverflowError, ValueError, OSError):
        return f"{found.time} s"


def _print_header(whole: Part) -> None:
    for line in _lines(whole, 0):
        click.echo(printable(line))


def _lines(part: Part, depth: int) -> Iterator[str]:
    indented = f"{'  ' * depth}{part.name}{': ' if part.value else ''}{part.value}"
    yield f"{part.offset:5}{part.octets:5}  {indented}"
    if part.fault is not None:
        yield _fault(depth, f"{part.fault} ({part.fault.reason})")
    for inner in part.parts:
        yield from _lines(inner, depth + 1)


def _fault(depth: int, text: str) -> str:
    return f"{'  ' * depth}          ! {text}"
