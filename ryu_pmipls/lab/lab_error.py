class LabError(Exception):
    """A request that the lab cannot carry out. The text gives the reason and, where there is one, the remedy."""
