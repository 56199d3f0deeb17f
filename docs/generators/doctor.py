"""``docs/doctor.md``, from the checks: ``python -m docs.generators.doctor > docs/doctor.md``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ryu_pmipls.doctor.check import EVERY_ROLE, HOSTS, Check, HostRole
from ryu_pmipls.doctor.host_checks import HOST_CHECKS
from ryu_pmipls.doctor.node_checks import NODE_CHECKS

_PAGE = """\
# The doctor

`pmipls doctor` looks at a host, or at a running lab, and tells what is not as it must be and what to do about it.
(This page is made by `python -m docs.generators.doctor`.)

    pmipls doctor                          # can this host have the lab of the profile?
    pmipls doctor --lab                    # the running lab: this host, and every node (--prefix: which lab)
    pmipls doctor --lab --node lma1        # one node of it
    pmipls doctor --node lma1              # this host, deployed as lma1 of the profile; --node rms: as the RMS

`--profile PROFILE` names the profile, `--json` prints the findings for a program. A finding is a line, and has a
command to type below it when it is not ok:

    $ pmipls doctor
    this host:
      ok       distribution           Debian 12
      wrong    programs               not installed: bird
          what to do: apt-get install -y --no-install-recommends bird2
      ...
    1 wrong, 18 ok.

- `ok`: as it must be.
- `unknown`: could not be looked at, mostly because only root may.
- `warning`: works, but worse, or was not tested so.
- `wrong`: something cannot work. The exit code is 1 then, else 0; wrong options have 2.

Nothing is changed: what is made to try something goes at once. `pmipls lab up` refuses to begin while something is
wrong with the host. When it fails it shows the findings that are not ok; so do `./run` when a step of set-up fails, and
the demo when an effect is not seen. Where nothing is installed yet, `python3 -m ryu_pmipls.doctor`, in a checkout, does
the checks of a host, with any Python from 3.9 on and no package.

Traffic is not the doctor's subject: whether routes, sessions and tunnels carry any is told by `pmipls health`.

## This host

{host}

## Each node

A node is the host of a MAG or an LMA, or a namespace of a lab; the last three roles are those of a lab only.

{node}
"""

_ROW = "| {title} | {roles} | {looks_at} | {why} | {remedy} |"
_HEAD = "| check | for | looks at | why | what to do |\n|---|---|---|---|---|"


def page() -> str:
    """The text of the page."""
    return _PAGE.format(host=_table(HOST_CHECKS, HOSTS), node=_table(NODE_CHECKS, EVERY_ROLE))


def _table(checks: Iterable[Check[Any]], all_roles: frozenset[HostRole]) -> str:
    rows = [
        _ROW.format(
            title=check.title,
            roles="all"
            if check.roles == all_roles
            else ", ".join(role.value for role in HostRole if role in check.roles),
            looks_at=check.looks_at,
            why=check.why,
            remedy=check.remedy,
        )
        for check in checks
    ]
    return "\n".join((_HEAD, *rows))


if __name__ == "__main__":
    print(page(), end="")
