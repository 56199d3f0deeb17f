"""Settings of the certificates of a domain's nodes."""

from __future__ import annotations

from ryu_pmipls.domain.profile.section import Section
from ryu_pmipls.domain.profile.values import AbsolutePath


class Certificates(Section):
    """Certificates of the nodes (``docs/security.md``).

    ``folder`` has those of a host's own nodes, as ``pmipls pki`` makes it; health shows what is wrong with them.
    """

    folder: AbsolutePath | None = None
