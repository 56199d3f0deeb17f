"""Who carries how much, and which uplink moves where: pure decisions, with time as an argument."""

from ryu_pmipls.loadsharing.journal import Answer, Journal, Outcome, Record
from ryu_pmipls.loadsharing.load_list import LmaLoad, LmaState, LoadList, LoadSnapshot, MagTraffic, OverloadRule, Source
from ryu_pmipls.loadsharing.placement import Placement
from ryu_pmipls.loadsharing.policies import (
    Alarm,
    Decision,
    DraftPolicy,
    Policy,
    StaticPolicy,
    Uplinks,
    make_policy,
)

__all__ = [
    "Alarm",
    "Answer",
    "Decision",
    "DraftPolicy",
    "Journal",
    "LmaLoad",
    "LmaState",
    "LoadList",
    "LoadSnapshot",
    "MagTraffic",
    "Outcome",
    "OverloadRule",
    "Placement",
    "Policy",
    "Record",
    "Source",
    "StaticPolicy",
    "Uplinks",
    "make_policy",
]
