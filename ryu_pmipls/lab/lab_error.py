class LabError(Exception):
    """The lab cannot do what was asked. Its text says why and, where there is one, what to do instead."""
