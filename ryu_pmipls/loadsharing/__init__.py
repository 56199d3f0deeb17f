"""Load sharing: the load of LMAs and the moves of uplinks between them. Pure decisions, with time as an argument."""

from ryu_pmipls.loadsharing.decision import Alarm, Decision, Inputs, Memory, Outlook, Round, Settings
from ryu_pmipls.loadsharing.journal import Answer, DecisionOutcome, Incident, Journal, Record
from ryu_pmipls.loadsharing.liveness import Liveness, LivenessVerdict, Sign
from ryu_pmipls.loadsharing.load_list import LoadList, OverloadRule
from ryu_pmipls.loadsharing.manual import adjust, if_drained
from ryu_pmipls.loadsharing.new_session_targets import NewSessionTargets
from ryu_pmipls.loadsharing.policies import POLICIES, PolicyName, decide
from ryu_pmipls.loadsharing.replay import Replay, explain
from ryu_pmipls.loadsharing.slots import SLOTS, Slots, Uplinks, slots_of, spread_slots, totals, weights, whole
from ryu_pmipls.loadsharing.snapshot import LmaLoad, LmaState, LoadSnapshot, MagTraffic, Source

__all__ = [
    "POLICIES",
    "SLOTS",
    "Alarm",
    "Answer",
    "Decision",
    "DecisionOutcome",
    "Incident",
    "Inputs",
    "Journal",
    "Liveness",
    "LivenessVerdict",
    "LmaLoad",
    "LmaState",
    "LoadList",
    "LoadSnapshot",
    "MagTraffic",
    "Memory",
    "NewSessionTargets",
    "Outlook",
    "OverloadRule",
    "PolicyName",
    "Record",
    "Replay",
    "Round",
    "Settings",
    "Sign",
    "Slots",
    "Source",
    "Uplinks",
    "adjust",
    "decide",
    "explain",
    "if_drained",
    "slots_of",
    "spread_slots",
    "totals",
    "weights",
    "whole",
]
