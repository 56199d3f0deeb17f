"""``pmipls pki …``: the certificates of a domain's nodes, and the authority that issues them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ryu_pmipls.cli.failures import StateError
from ryu_pmipls.cli.options import json_option, profile_option
from ryu_pmipls.cli.parameter_types import NodeName
from ryu_pmipls.cli.sections import SECURITY, StatedGroup
from ryu_pmipls.cli.tables import print_document, print_table

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from ryu_pmipls.domain.profile import Profile
    from ryu_pmipls.pki.authority import Authority
    from ryu_pmipls.pki.examined_certificates import ExaminedCertificate
    from ryu_pmipls.pki.folder import Folder

F = TypeVar("F", bound=Callable[..., Any])

#: The folder unless the profile names one.
_FOLDER = Path("/etc/pmipls/pki")

_folder_option = click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help=f"Folder of the certificates.  [default: certificates.folder of the profile, else {_FOLDER}]",
)
_key_option = click.option(
    "--ca-key",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The authority's private key, which may be on another medium.  [default: ca-key.pem in the folder]",
)
_nodes_argument = click.argument("nodes", metavar="[NODE]...", nargs=-1, type=NodeName("mags", "lmas", others=("rms",)))


def _days_option(default: int) -> Callable[[F], F]:
    return click.option(
        "--days", type=click.IntRange(1, 36500), default=default, show_default=True, help="Days of validity from now."
    )


@click.group("pki", cls=StatedGroup)
def pki() -> None:
    """Certify the nodes of a domain, by an authority of its own.

    A node's certificate is for its name and its addresses in the profile.
    """


SECURITY.add(pki)


@pki.command("init", bad="there is an authority, or it cannot be made")
@profile_option()
@_folder_option
@_key_option
@_days_option(3650)
def init(profile: str | None, folder: Path | None, ca_key: Path | None, days: int) -> None:
    """Make the authority of a domain.

    If the key is there already, it becomes the authority's.
    """
    domain, place = _places(profile, folder)
    from ryu_pmipls.pki.authority import establish

    key = ca_key or place.authority_key
    establish(place, key, domain.domain, _now(), days)
    click.echo(f"The authority of domain {domain.domain} is in {place.path}, and its key is {key}.")


@pki.command("issue", bad="there is no authority, or a node has a certificate", wrong="no such node")
@_nodes_argument
@profile_option()
@_folder_option
@_key_option
@_days_option(365)
def issue(nodes: tuple[str, ...], profile: str | None, folder: Path | None, ca_key: Path | None, days: int) -> None:
    """Issue certificates with new keys: to NODEs, or all without.

    Without NODE, nodes whose certificate is revoked get none.
    """
    with _authority(profile, folder, ca_key) as authority:
        wanted = nodes or authority.without()
        for node in wanted:
            authority.check_issue(node)
        for node in dict.fromkeys(wanted):
            _print_issued(authority, node, authority.issue(node, days))
        if not wanted:
            click.echo("All nodes have certificates.")


@pki.command("renew", bad="there is no authority, or a certificate cannot be renewed", wrong="no such node")
@_nodes_argument
@profile_option()
@_folder_option
@_key_option
@_days_option(365)
def renew(nodes: tuple[str, ...], profile: str | None, folder: Path | None, ca_key: Path | None, days: int) -> None:
    """Renew the certificates of NODEs, or all that are due.

    Nodes keep their keys. The authority's own certificate is renewed when it is due.
    """
    with _authority(profile, folder, ca_key) as authority:
        from ryu_pmipls.pki.errors import PkiError

        if authority.renew_itself():
            click.echo(f"authority: renewed; all hosts need {authority.folder.authority} and crl.pem beside it.")
        for node in nodes:
            authority.check_renewal(node)
        failures = []
        for node in dict.fromkeys(nodes) or authority.due():
            try:
                _print_issued(authority, node, authority.renew(node, days))
            except PkiError as error:  # one that must not be renewed keeps none of the others from it
                failures.append(str(error))
        if failures:
            raise StateError("\n".join(failures))


@pki.command("revoke", bad="there is no authority, or no certificate to revoke", wrong="no such node")
@click.argument("node", type=NodeName("mags", "lmas", others=("rms",)))
@profile_option()
@_folder_option
@_key_option
def revoke(node: str, profile: str | None, folder: Path | None, ca_key: Path | None) -> None:
    """Revoke all certificates of NODE, such as one that was stolen.

    NODE may also be one that the profile does not have any more.
    """
    with _authority(profile, folder, ca_key) as authority:
        from ryu_pmipls.pki.certificates import serial_text

        for serial in authority.revoke(node):
            click.echo(f"{node}: certificate {serial_text(serial)} is revoked.")
        click.echo(f"All hosts need {authority.folder.revocations}.")


@pki.command("show", bad="a certificate is due, bad or missing, or there is no authority")
@profile_option()
@_folder_option
@json_option
def show(profile: str | None, folder: Path | None, as_json: bool) -> None:
    """Show the certificates on this host, and what is to be done.

    On the authority's host those of all nodes, elsewhere those that are here.
    """
    domain, place = _places(profile, folder)
    from ryu_pmipls.pki.authority import read_trust
    from ryu_pmipls.pki.certificates import list_number
    from ryu_pmipls.pki.examined_certificates import examine, examine_authority
    from ryu_pmipls.pki.node_names import node_names

    now, trust = _now(), read_trust(place)
    authority, nodes = examine_authority(trust, now), [*examine(place, node_names(domain), trust, now)]
    revocations = {"number": list_number(trust.revocations), "revoked": len(list(trust.revocations))}
    if as_json:
        found = {"authority": _document(authority), "revocation_list": revocations}
        print_document(
            {"folder": str(place.path), "domain": domain.domain, **found, "nodes": list(map(_document, nodes))}
        )
    else:
        print_table(("certificate of", "is for", "until", "is"), map(_row, [authority, *nodes]), prose=("is for", "is"))
        click.echo(f"Revocation list {revocations['number']}: {revocations['revoked']} certificates.")
    bad = [examined.sentence for examined in (authority, *nodes) if examined.bad]
    if not nodes:
        bad.append(f"{place.path}: there are no certificates of nodes here")
    if bad:
        raise StateError("\n".join(bad))


# Common parts


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _places(profile: str | None, folder: Path | None) -> tuple[Profile, Folder]:
    """The profile, and the folder of certificates; ``PkiError`` when the library is missing."""
    from ryu_pmipls.domain.profile import load_profile
    from ryu_pmipls.pki.folder import Folder
    from ryu_pmipls.pki.library import require_cryptography

    domain = load_profile(profile)
    require_cryptography()
    return domain, Folder(folder or domain.certificates.folder or _FOLDER)


@contextmanager
def _authority(profile: str | None, folder: Path | None, ca_key: Path | None) -> Iterator[Authority]:
    """The authority, which nobody else changes meanwhile."""
    domain, place = _places(profile, folder)
    from ryu_pmipls.pki.authority import Authority, read_trust
    from ryu_pmipls.pki.files import locked
    from ryu_pmipls.pki.node_names import node_names

    read_trust(place)  # without an authority there is no folder to lock
    with locked(place):
        yield Authority.open(place, ca_key or place.authority_key, domain.domain, node_names(domain), _now())


def _print_issued(authority: Authority, node: str, certificate: Certificate) -> None:
    from ryu_pmipls.pki.examined_certificates import date_text

    where = authority.folder.certificate(node).parent
    click.echo(f"{node}: valid until {date_text(certificate.not_valid_after_utc)}, in {where}.")


def _row(examined: ExaminedCertificate) -> tuple[str, str, str, str]:
    from ryu_pmipls.pki.certificates import names_of
    from ryu_pmipls.pki.examined_certificates import AUTHORITY, date_text

    certificate = examined.certificate
    if certificate is None:
        return examined.subject, "-", "-", examined.state.value
    names = "-" if examined.subject == AUTHORITY else str(names_of(certificate))
    return examined.subject, names, date_text(certificate.not_valid_after_utc), examined.state.value


def _document(examined: ExaminedCertificate) -> dict[str, Any]:
    from ryu_pmipls.pki.certificates import names_of, serial_text

    certificate = examined.certificate
    document: dict[str, Any] = {"name": examined.subject, "state": examined.state.value}
    if certificate is not None:
        document |= {
            "serial": serial_text(certificate.serial_number),
            "names": [*names_of(certificate)],
            "not_before": certificate.not_valid_before_utc.timestamp(),
            "not_after": certificate.not_valid_after_utc.timestamp(),
        }
    return document
