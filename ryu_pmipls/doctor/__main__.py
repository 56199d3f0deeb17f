"""``python3 -m ryu_pmipls.doctor``: the host part of ``pmipls doctor``, with the standard library alone.

It runs in a checkout where nothing is installed yet, and examines this host for a lab.
"""

from __future__ import annotations

import argparse
import sys

from ovs_setup.programs import search_sbin
from ryu_pmipls.doctor.check import HostRole, examine
from ryu_pmipls.doctor.host_checks import HOST_CHECKS
from ryu_pmipls.doctor.host_facts import Purpose
from ryu_pmipls.doctor.host_gathering import host_facts
from ryu_pmipls.doctor.printing import document, exit_status, print_findings, summary


def main() -> int:
    """Examine this host; 1 when something is wrong, else 0."""
    parser = argparse.ArgumentParser(prog="python3 -m ryu_pmipls.doctor", description="Examine this host for a lab.")
    parser.add_argument("--faults", action="store_true", help="print only what is not ok")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    search_sbin()
    findings = examine("this host", HOST_CHECKS, HostRole.LAB, host_facts(Purpose()))
    shown = [finding for finding in findings if finding.fault] if options.faults else findings
    if options.json:
        print(document(shown))
    else:
        print_findings(shown)
        if not options.faults:
            print(summary(findings))
    return exit_status(findings)


if __name__ == "__main__":
    sys.exit(main())
