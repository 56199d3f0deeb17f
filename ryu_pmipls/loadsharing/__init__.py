"""Who carries how much, and which uplink moves where: pure decisions, with time as an argument."""

from ryu_pmipls.loadsharing.decision import Alarm, Decision, Inputs, Memory, Outlook, Round, Settings
from ryu_pmipls.loadsharing.replay import Explanation, explain
from ryu_pmipls.loadsharing.journal import Answer, Incident, Journal, Outcome, Record
from ryu_pmipls.loadsharing.liveness import Liveness, Sign, Verdict
from ryu_pmipls.loadsharing.load_list import LoadList, OverloadRule
from ryu_pmipls.loadsharing.manual import adjust, if_drained
from ryu_pmipls.loadsharing.new_session_targets import Placement
from ryu_pmipls.loadsharing.policies import POLICIES, PolicyName, decide
from ryu_pmipls.loadsharing.snapshot import LmaLoad, LmaState, LoadSnapshot, MagTraffic, Source
from ryu_pmipls.loadsharing.slots import SLOTS, Slots, Uplinks, slots_of, totals, weights, whole

__all__ = [
    "POLICIES",
    "SLOTS",
    "Alarm",
    "Answer",
    "Decision",
    "Explanation",
    "Incident",
    "Inputs",
    "Journal",
    "Liveness",
    "LmaLoad",
    "LmaState",
    "LoadList",
    "LoadSnapshot",
    "MagTraffic",
    "Memory",
    "Outcome",
    "Outlook",
    "OverloadRule",
    "Placement",
    "PolicyName",
    "Record",
    "Round",
    "Settings",
    "Sign",
    "Slots",
    "Source",
    "Uplinks",
    "Verdict",
    "adjust",
    "decide",
    "explain",
    "if_drained",
    "slots_of",
    "totals",
    "weights",
    "whole",
]
