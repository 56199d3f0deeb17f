"""Turn a host, or a network namespace, into a MAG or an LMA: Open vSwitch bridges, addresses, tunnels, CPU quota."""


class OvsSetupError(Exception):
    """A request that cannot be met here; the text names the place and the need."""
