"""``pmipls decode``: Mobility Headers field by field, offline."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from functools import partial
from ipaddress import IPv6Address
from pathlib import Path

import click

from ryu_pmipls.cli.capture import Captured, CaptureError, read_capture
from ryu_pmipls.domain.profile import NoProfileError, Signalling, load_profile
from ryu_pmipls.signalling.endpoint import code_points
from ryu_pmipls.wire.dissection import Part, dissect

#: Parts of a message, and of its parts, that a line leaves out.
_UNSAID, _FRAME = ("header", "Pad1", "PadN", "Timestamp"), ("type", "length", "reserved", "vendor", "subtype")
#: Function from octets, source and destination to parts.
_Dissect = Callable[[bytes, IPv6Address | None, IPv6Address | None], Part]


class _UnreadableError(click.ClickException):
    """A file that is no capture, or a damaged one: exit code 2, for 1 tells of malformed messages."""

    exit_code = 2


def _address(context: click.Context, parameter: click.Parameter, value: str | None) -> IPv6Address | None:
    try:
        return None if value is None else IPv6Address(value)
    except ValueError:
        raise click.BadParameter(f"{value} is no IPv6 address") from None


@click.command()
@click.argument("what", metavar="FILE | HEX...", nargs=-1, required=True)
@click.option("--source", metavar="ADDRESS", callback=_address, help="Sender of HEX, for the checksum.")
@click.option("--destination", metavar="ADDRESS", callback=_address, help="Receiver of HEX, for the checksum.")
@click.option("--profile", help="The domain whose numbers, and whose UDP port, count.")
@click.option("--verbose", "-v", is_flag=True, help="Take the messages of FILE apart field by field, too.")
@click.pass_context
def decode(
    context: click.Context,
    what: tuple[str, ...],
    source: IPv6Address | None,
    destination: IPv6Address | None,
    profile: str | None,
    verbose: bool,
) -> None:
    """Print the Mobility Headers in FILE (pcap or pcapng), a line each, or the one that is HEX field by field.

    A message's line has the number of its packet, the time (UTC), source and destination, what it is and what it says.
    A field's line has the offset in octets from the start of the Mobility Header, the number of octets, name and value.
    What is malformed has the reason behind or below it, and makes the exit code 1.
    """
    signalling = _signalling(profile)
    dissected: _Dissect = partial(dissect, code_points=code_points(signalling), lenient=signalling.lenient)
    path = Path(what[0])
    if len(what) == 1 and path.is_file():
        if source is not None or destination is not None:
            raise click.UsageError("--source and --destination are for HEX; a capture has its own.")
        faulty = _print_capture(path, signalling.udp_port, dissected, verbose)
    else:
        if (source is None) != (destination is None):
            raise click.UsageError("The checksum needs --source and --destination, or neither of them.")
        faulty = _print_header(dissected(_octets(what), source, destination))
    context.exit(1 if faulty else 0)


def _signalling(profile: str | None) -> Signalling:
    """The signalling settings: those of the profile, or, if there is none, the defaults of all profiles."""
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
        raise click.UsageError(f"{' '.join(words)} is neither a file nor octets in hexadecimal digits.") from None


def _print_capture(path: Path, udp_port: int, dissected: _Dissect, verbose: bool) -> bool:
    """Print all messages; true when any was faulty."""
    count = faulty = 0
    try:
        for found in read_capture(path, udp_port):
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
                click.echo(_summary(found, whole))
    except CaptureError as error:
        raise _UnreadableError(str(error)) from None
    click.echo(f"{count} Mobility Headers, {faulty} of them malformed.")
    return faulty > 0


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
    try:
        return datetime.fromtimestamp(found.time, timezone.utc).strftime(form)
    except (OverflowError, ValueError, OSError):
        return f"{found.time} s"


def _print_header(whole: Part) -> bool:
    """Print one message; true when it was faulty."""
    for line in _lines(whole, 0):
        click.echo(line)
    return any(whole.faults())


def _lines(part: Part, depth: int) -> Iterator[str]:
    indented = f"{'  ' * depth}{part.name}{': ' if part.value else ''}{part.value}"
    yield f"{part.offset:5}{part.octets:5}  {indented}"
    if part.fault is not None:
        yield _fault(depth, f"{part.fault} ({part.fault.reason})")
    for inner in part.parts:
        yield from _lines(inner, depth + 1)


def _fault(depth: int, text: str) -> str:
    return f"{'  ' * depth}          ! {text}"
