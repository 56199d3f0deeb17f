"""A storm: random kills, handoffs, drains, steps of clocks and strangers in a lab, and what is left of them."""
