"""What is measured in a lab, and how it is shown: the commands demo, handoffs and measure."""
