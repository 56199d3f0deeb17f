"""Prints ``docs/conformance.md``."""

from tests.unit.mobility.conformance import page

print(page(), end="")
