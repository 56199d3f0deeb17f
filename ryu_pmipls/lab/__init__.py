"""A PMIPv6 domain inside one machine: network namespaces, real Open vSwitch, measured capacities and traffic."""
