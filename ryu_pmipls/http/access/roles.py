"""Who asks a server, by which way, and what for: clients, callers and roles. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ryu_pmipls.domain.profile import RMS_NAME


class AccessRole(str, Enum):
    """What a caller may do; whoever may operate may read, too. Every method of a resource needs one of them."""

    READ = "read"
    OPERATE = "operate"

    def includes(self, needed: AccessRole) -> bool:
        """True when a caller with this role may ask for what needs ``needed``."""
        return self is needed or self is AccessRole.OPERATE


@dataclass(frozen=True)
class UnixUser:
    """The process at the other end of a Unix socket (``SO_PEERCRED``), with all its groups."""

    uid: int
    groups: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Client:
    """The other end of a connection, as far as the connection itself shows it.

    ``address`` is that of TCP, ``user`` that of a Unix socket, ``certificate`` the DNS names of a certificate that the
    domain's authority has signed, by which the client has authenticated itself over TLS.
    """

    address: str | None = None
    user: UnixUser | None = None
    certificate: frozenset[str] = frozenset()
    tls: bool = False

    @property
    def place(self) -> str:
        """From where it asks, for a person."""
        return self.address or ("the Unix socket" if self.user is not None else "unknown")


@dataclass(frozen=True)
class Caller:
    """The identity of who asks, and the role that it has, if any."""

    name: str
    role: AccessRole | None


def user_caller(user: UnixUser, own_uid: int, own_group: int) -> Caller:
    """Who asks at a Unix socket: root and the server's own user operate, members of the server's group read."""
    name = f"uid {user.uid}"
    if user.uid in (0, own_uid):
        return Caller(name, AccessRole.OPERATE)
    return Caller(name, AccessRole.READ if own_group in user.groups else None)


def certificate_caller(names: frozenset[str], domain: str) -> Caller | None:
    """Who asks with a certificate of the domain: the RMS operates, other nodes read; None if it is no node's."""
    nodes = sorted(name.removesuffix(f".{domain}") for name in names if name.endswith(f".{domain}"))
    nodes = [node for node in nodes if node and "." not in node]
    if len(nodes) != 1:
        return None
    return Caller(f"certificate of {nodes[0]}", AccessRole.OPERATE if nodes[0] == RMS_NAME else AccessRole.READ)
