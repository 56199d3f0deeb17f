"""Configuration of the routing daemon bird, which tells the core network to which LMAs it may send downlink.

``python -m ovs_setup.bird NAME`` writes that of an LMA, ``python -m ovs_setup.bird ADDRESS`` that of the core router
which is the gateway of LMAs. ``docs/downlink.md`` has the reasons, and a configuration for another daemon.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import click

from ovs_setup.node import ANNOUNCEMENT_TABLE, SERVICE_BRIDGE
from ovs_setup.tunnel import possible_inner_mtus
from ryu_pmipls.domain.profile import Lma, Profile, ProfileError, load_profile

#: BFD packets of the core router in a row that an LMA may miss: in an overloaded LMA they wait and get lost among the
#: data, and an LMA that misses them would withdraw itself. The other direction finds a dead LMA.
_CORE_MULTIPLIER = 50

_COMMON = """\
log stderr all;
debug protocols {{ states }};
router id {router_id};

protocol device {{
    scan time 1;
}}

protocol bfd {{
    interface "{interface}" {{
        interval {interval} ms;
        multiplier {multiplier};
    }};
}}
"""

_LMA = """\
# Made by `python -m ovs_setup.bird {name}`: by BGP the LMA {name} of the domain {domain} tells the core network when to
# send it downlink traffic. BGP and BFD go through its switch, and so tell that the switch works.

{common}
ipv6 table downlink;

# Where the LMA's agent has a route while the core may send here.
protocol kernel announcement {{
    kernel table {table};
    learn;
    ipv6 {{
        table downlink;
        import where net = {pool};
        export none;
    }};
}}

protocol bgp core {{
    local {address} as {lma_as};
    neighbor {gateway} as {core_as};
    bfd on;
    ttl security on;
{timers}\
    ipv6 {{
        table downlink;
        import none;
        export where net = {pool};
        next hop self;
    }};
}}
"""

_CORE = """\
# Made by `python -m ovs_setup.bird {gateway}`: a core router sends what is for mobile nodes of the domain {domain} to
# the LMAs that announce their prefixes, flow by flow.

{common}
protocol kernel {{
    merge paths on;
    ipv6 {{
        import none;
        export filter {{
            if source != RTS_BGP then reject;
            # For the router's own packets: which way a Packet Too Big was for, it cannot tell.
            krt_mtu = {mtu};
            accept;
        }};
    }};
}}

template bgp lma_session {{
    local {gateway} as {core_as};
    passive;
    bfd on;
    ttl security on;
{timers}\
    ipv6 {{
        import where net = {pool};
        export none;
    }};
}}
"""

_NEIGHBOUR = """
protocol bgp to_{name} from lma_session {{
    neighbor {address} as {lma_as};
}}
"""

#: Timers for quick retries: by default bird waits for minutes before it tries again.
_TIMERS = """\
    connect delay time 1;
    connect retry time 1;
    error wait time 1, 2;
"""


def lma_configuration(profile: Profile, lma: Lma) -> str:
    """The configuration for the host of an LMA."""
    return _LMA.format(
        name=lma.name,
        domain=profile.domain,
        common=_common(profile, lma.core.address.ip, SERVICE_BRIDGE, profile.downlink.bfd_multiplier),
        table=ANNOUNCEMENT_TABLE,
        pool=profile.home_prefix_pool,
        address=lma.core.address.ip,
        lma_as=profile.downlink.lma_as,
        gateway=lma.core.gateway,
        core_as=profile.downlink.core_as,
        timers=_TIMERS,
    )


def core_configuration(profile: Profile, gateway: IPv6Address) -> str:
    """The configuration for the core router with the address ``gateway``; ``KeyError`` if it is no LMA's gateway."""
    lmas = [lma for lma in profile.lmas if lma.core.gateway == gateway]
    if not lmas:
        there = ", ".join(sorted({str(lma.core.gateway) for lma in profile.lmas}))
        raise KeyError(f"no LMA has the core gateway {gateway}; there are: {there}")
    core = _CORE.format(
        domain=profile.domain,
        common=_common(profile, gateway, "*", _CORE_MULTIPLIER),
        pool=profile.home_prefix_pool,
        mtu=min(possible_inner_mtus(profile.tunnel.underlay_mtu, profile.tunnel.type)),
        gateway=gateway,
        core_as=profile.downlink.core_as,
        timers=_TIMERS,
    )
    neighbours = (
        _NEIGHBOUR.format(name=lma.name, address=lma.core.address.ip, lma_as=profile.downlink.lma_as) for lma in lmas
    )
    return core + "".join(neighbours)


def _common(profile: Profile, address: IPv6Address, interface: str, multiplier: int) -> str:
    return _COMMON.format(
        router_id=_router_id(profile, address),
        interface=interface,
        interval=round(profile.downlink.bfd_interval * 1000),
        multiplier=multiplier,
    )


def _router_id(profile: Profile, address: IPv6Address) -> IPv4Address:
    """BGP identifier of a node: unique in the domain (RFC 6286), and not necessarily an IPv4 address of the host."""
    routers = [lma.core.address.ip for lma in profile.lmas]
    routers += dict.fromkeys(lma.core.gateway for lma in profile.lmas)
    return IPv4Address(1 + routers.index(address))


def configuration(profile: Profile, whose: str) -> str:
    """The configuration for an LMA, called by its name, or for a core router, called by its address.

    ``KeyError`` when the profile has no such LMA or core gateway.
    """
    try:
        gateway = IPv6Address(whose)
    except ValueError:
        return lma_configuration(profile, profile.lma(whose))
    return core_configuration(profile, gateway)


@click.command()
@click.argument("whose", metavar="NAME|ADDRESS")
@click.option(
    "--profile",
    metavar="PROFILE",
    help="The domain's profile: a file, or the name of a shipped one.  [default: $PMIPLS_PROFILE, else "
    "/etc/pmipls/domain.yaml]",
)
def main(whose: str, profile: str | None) -> None:
    """Print bird's configuration for the LMA NAME, or for the core router ADDRESS (an LMA's core gateway)."""
    try:
        click.echo(configuration(load_profile(profile), whose), nl=False)
    except KeyError as error:
        raise click.BadParameter(error.args[0], param_hint="NAME|ADDRESS") from None
    except ProfileError as error:
        click.echo(f"Error: {error}", err=True)
        raise click.exceptions.Exit(2) from None


if __name__ == "__main__":
    main(prog_name="python -m ovs_setup.bird")
