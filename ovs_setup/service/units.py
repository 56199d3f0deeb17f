"""Units of systemd that run the processes of a domain, made of the templates in this folder. Pure."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from ryu_pmipls.domain.places import STATE_DIRECTORY
from ryu_pmipls.domain.privileges import capabilities_of, kind_of, user_of
from ryu_pmipls.domain.profile import PROFILE_VARIABLE, RMS_NAME, Lma, Mag, Profile, Rms

Node = Rms | Lma | Mag

#: Units of an administrator.
FOLDER = Path("/etc/systemd/system")
#: Addition to the unit of strongSwan, which makes its socket anew at each start.
STRONGSWAN_ADDITION = FOLDER / "strongswan.service.d" / "pmipls.conf"
#: The socket by which strongSwan tells of its associations.
VICI_SOCKET = Path("/run/charon.vici")


def find_node(profile: Profile, name: str) -> Node:
    """The RMS (``rms``), or the MAG or LMA of that name; ``KeyError`` with the names there are."""
    nodes: dict[str, Node] = {RMS_NAME: profile.rms}
    nodes |= {node.name: node for node in profile.lmas} | {node.name: node for node in profile.mags}
    if name not in nodes:
        raise KeyError(f"no node is called {name!r}; there are: {', '.join(nodes)}")
    return nodes[name]


def name_of(node: Node) -> str:
    return RMS_NAME if isinstance(node, Rms) else node.name


def state_directory(node: Node) -> Path:
    """The directory for what must outlive a restart of a node's process."""
    return node.state_directory if isinstance(node, Rms) else STATE_DIRECTORY / node.name


def unit_path(node: Node) -> Path:
    """The file of the unit that runs a node's process; that of an agent is a template."""
    return FOLDER / f"{user_of(node)}{'' if isinstance(node, Rms) else '@'}.service"


def unit_name(node: Node) -> str:
    """The unit, as systemctl(1) knows it."""
    return user_of(node) if isinstance(node, Rms) else f"{user_of(node)}@{node.name}"


def unit(profile: Profile, node: Node, programs: Path, profile_path: Path) -> str:
    """The unit that runs a node's process, with programs from a folder, and a profile."""
    folder = files("ovs_setup.service")
    template = folder / ("pmipls-rms.service" if isinstance(node, Rms) else "pmipls-agent.service")
    return template.read_text(encoding="utf-8").format(
        name=name_of(node),
        node=kind_of(node).upper(),
        kind=kind_of(node),
        domain=profile.domain,
        user=user_of(node),
        environment=f"{PROFILE_VARIABLE}={profile_path}",
        programs=programs,
        capabilities=" ".join(capabilities_of(profile, node)),
        state=state_directory(node),
        sandbox=(folder / "sandbox.conf").read_text(encoding="utf-8"),
    )


def strongswan_addition(node: Node) -> str:
    """The addition to strongSwan's unit that lets a node's process ask for its associations."""
    command = f"setfacl --modify user:{user_of(node)}:rw {VICI_SOCKET}"
    return f"# Made by `python -m ovs_setup.service {name_of(node)}`.\n[Service]\nExecStartPost=/usr/bin/{command}\n"
