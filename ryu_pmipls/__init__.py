"""Load sharing for Proxy Mobile IPv6 on Open vSwitch, with a Ryu application as Route Management Server."""

__version__ = "0.1.0"
