class LabError(Exception):
    """A request that the lab cannot carry out. The text gives the reason and, where there is one, the remedy."""


class LabInputError(LabError):
    """A request that no lab could carry out: a wrong name, or a profile without a lab."""
