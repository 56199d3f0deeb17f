"""The number of files and sockets that this process may have open."""

from __future__ import annotations

import logging
import resource

LOG = logging.getLogger(__name__)

#: As many as are of use; an unlimited number would make some programs that we start close a billion.
_ENOUGH = 2**16


def provide(needed: int) -> None:
    """Raise the limit of open descriptors as far as allowed; say so when that is below ``needed``."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(_ENOUGH, needed)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most < needed:
        LOG.warning(
            "%d open files are allowed (ulimit -Hn), %d may be needed: connections will have to wait", most, needed
        )
