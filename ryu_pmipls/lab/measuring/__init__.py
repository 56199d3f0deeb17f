"""Measurements in a lab and their presentation: the commands demo, handoffs and measure."""
