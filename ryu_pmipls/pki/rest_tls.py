"""TLS of servers of REST, which need it beyond loopback."""

from __future__ import annotations

import ssl
from collections.abc import Callable

from ryu_pmipls.domain.profile import Profile, is_beyond_loopback
from ryu_pmipls.pki.errors import PkiError
from ryu_pmipls.pki.folder import Folder
from ryu_pmipls.pki.tls_contexts import ServerContexts


def rest_tls(profile: Profile, node: str, host: str) -> Callable[[], ssl.SSLContext] | None:
    """The context of each new connection to a server of ``node`` that listens at ``host``; None on loopback.

    Clients may have a certificate of the domain, and need none. ``PkiError`` when there are no certificates to use.
    """
    if not is_beyond_loopback(host):
        return None
    if profile.certificates.folder is None:
        raise PkiError(
            f"REST needs TLS at {host}, beyond loopback: set certificates.folder in the profile, or listen at ::1"
        )
    return ServerContexts(Folder(profile.certificates.folder), node, ssl.CERT_OPTIONAL).current
