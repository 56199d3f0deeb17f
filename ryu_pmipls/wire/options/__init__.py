"""Mobility options: the content of each, and the one description of its octets.

Each module has the options of an RFC or a purpose. Every option class in one of them is supported.
"""

from __future__ import annotations

from collections.abc import Iterator

from ryu_pmipls.wire.options import ipv4, mobile_ipv6, own, proxy_mobile_ipv6
from ryu_pmipls.wire.options import mobility_authentication as authentication
from ryu_pmipls.wire.options import redirect_options as redirection
from ryu_pmipls.wire.options.option import Option

#: Modules in the order of docs/messages.md.
_MODULES = (mobile_ipv6, authentication, proxy_mobile_ipv6, ipv4, redirection, own)


def _all() -> Iterator[type[Option]]:
    for module in _MODULES:
        for found in vars(module).values():
            if isinstance(found, type) and issubclass(found, Option) and found.__module__ == module.__name__:
                yield found


#: Supported options by Type.
OPTIONS: dict[int, type[Option]] = {
    option.description.number: option for option in _all() if option.description.number is not None
}

#: Our own vendor-specific options, by sub-type.
OWN_OPTIONS: dict[int, type[Option]] = {
    option.description.subtype: option for option in _all() if option.description.subtype is not None
}
