"""An authority in a folder of a test, and openssl's opinion of what it issues."""

from __future__ import annotations

import ssl
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

from ryu_pmipls.domain.profile import Profile, load_profile
from ryu_pmipls.pki.authority import Authority, establish
from ryu_pmipls.pki.folder import Folder
from ryu_pmipls.pki.node_names import node_names

PROFILE = load_profile("two-lma")
NAMES = node_names(PROFILE)
NOW = datetime.now(timezone.utc).replace(microsecond=0)


def days(number: float) -> datetime:
    """The time so many days from now."""
    return NOW + timedelta(days=number)


def established(path: Path, now: datetime = NOW, lifetime: int = 3650) -> Folder:
    """The folder of a new authority."""
    folder = Folder(path)
    establish(folder, folder.authority_key, PROFILE.domain, now, lifetime)
    return folder


def opened(folder: Folder, now: datetime = NOW, profile: Profile = PROFILE) -> Authority:
    """The authority in a folder, at a given time."""
    return Authority.open(folder, folder.authority_key, profile.domain, node_names(profile), now)


def verified(folder: Folder, certificate: Path, *options: str, now: datetime = NOW) -> str:
    """What openssl says of a certificate: ``OK``, or why it refuses it."""
    command = ["openssl", "verify", "-x509_strict", "-CAfile", folder.authority, "-crl_check"]
    command += ["-CRLfile", folder.revocations, "-attime", str(int(now.timestamp())), *options, certificate]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode == 0:
        assert done.stdout.strip() == f"{certificate}: OK"
        return "OK"
    return next(line.partition("lookup: ")[2] for line in done.stderr.splitlines() if "lookup: " in line)


def client_context(
    folder: Folder,
    node: str | None,
    trusted: Folder | None = None,
    newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    kind: type[ssl.SSLContext] = ssl.SSLContext,
) -> ssl.SSLContext:
    """TLS of a client with the certificate of a node in a folder, or none, that trusts an authority: by default its."""
    context = kind(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.maximum_version = newest
    context.load_verify_locations((trusted or folder).authority)
    if node is not None:
        context.load_cert_chain(folder.certificate(node), folder.key(node))
    return context
