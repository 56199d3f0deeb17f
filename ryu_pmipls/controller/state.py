"""The state of a domain that the RMS knows and keeps over a restart, with the store behind it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ryu_pmipls.controller.bindings import Binding, BindingTable, Result, Update
from ryu_pmipls.controller.incidents import Incidents
from ryu_pmipls.controller.store import Store
from ryu_pmipls.controller.unsaved import Unsaved, save_all
from ryu_pmipls.domain.profile import Profile
from ryu_pmipls.loadsharing import (
    POLICIES,
    SLOTS,
    Answer,
    Decision,
    Journal,
    Memory,
    PolicyName,
    Round,
    Settings,
    Slots,
    Uplinks,
    spread_slots,
    whole,
)

#: The store's names of settings: LMAs that the operator has drained, the policy of the operator's choice, dead LMAs,
#: and the (MAG, LMA) pairs whose uplink had to leave its anchor; and one that is written to see whether that works.
_DRAINED, _POLICY, _DEAD, _EVACUATED, _TRIAL = "drained", "policy", "dead", "evacuated", "trial"
#: LMA -> the key of its grants, in hexadecimal digits.
_GRANT_KEYS = "grant_keys"


class DomainState:
    """Bindings, uplinks, core gateways, settings, decisions and incidents of a domain, loaded from ``store``.

    All may read them; only the methods here change them. A change is in force even when the store fails: the method
    then raises ``StoreError``, and :meth:`save` tries again. Only the operator's settings stay as they were.
    """

    def __init__(self, profile: Profile, store: Store) -> None:
        self._profile = profile
        self._store = store
        settings = store.load_settings()
        self.bindings = BindingTable(store.load_bindings())
        #: Switches whose earlier contents have been recovered.
        self.met_switches: Collection[str] = frozenset(store.load_met_switches())
        stored = store.load_uplinks()
        self._uplinks = _uplinks(profile, stored, self.bindings.sessions())
        #: MAG -> anchor -> slots, for every MAG and anchor of the profile.
        self.uplinks: Uplinks = MappingProxyType(self._uplinks)
        self._gateways = store.load_core_gateways()
        #: LMA -> link-layer address of its core gateway, of the LMAs whose is known.
        self.core_gateways: Mapping[str, bytes] = MappingProxyType(self._gateways)
        #: Settings of load sharing, with the operator's policy.
        self.settings: Settings = profile.load_sharing.settings
        if settings.get(_POLICY) in POLICIES:
            self.settings = profile.load_sharing.settings_with(settings[_POLICY])
        #: Memory of load sharing from one round to the next; its times are on the monotonic clock.
        self.memory = Memory(evacuated=_stored_evacuations(profile, settings.get(_EVACUATED, ())))
        self.journal = Journal(store.load_decisions())
        lmas = [lma.name for lma in profile.lmas]
        #: LMAs that the operator has drained, and those that have died; in the order of these events.
        self.drained = tuple(lma for lma in lmas if lma in settings.get(_DRAINED, ()))
        self.dead = tuple(lma for lma in settings.get(_DEAD, ()) if lma in lmas)
        self._grant_keys = _stored_keys(lmas, settings.get(_GRANT_KEYS, {}))
        #: LMA -> the key of its grants, of the LMAs that have told it.
        self.grant_keys: Mapping[str, bytes] = MappingProxyType(self._grant_keys)
        self.incidents = Incidents(store)
        self._unsaved_bindings = Unsaved(self._write_bindings)
        self._unsaved_uplinks = Unsaved(self._write_uplinks)
        self._unsaved_gateways = Unsaved(self._write_gateways)
        self._unsaved_findings = Unsaved(self._write_findings)
        if profile.load_sharing.settings.spread_uplinks:  # must not move when there are more LMAs one day
            self._unsaved_uplinks.add(*(mag for mag in self._uplinks if mag not in stored))

    def save(self) -> None:
        """Save the recovered bindings, uplinks, core gateways and findings that the store lacks, if there are any."""
        save_all((self._unsaved_findings, self._unsaved_uplinks, self._unsaved_gateways, self._unsaved_bindings))

    def try_store(self) -> None:
        """Write to the store, so that one that fails is known before there is something to lose."""
        self._store.save_setting(_TRIAL, True)

    # Bindings.

    def save_bindings(self, bindings: Sequence[Binding]) -> None:
        """Store the present bindings of some prefixes."""
        self._store.save_bindings(bindings)

    def recover_bindings(self, found: Iterable[Binding]) -> list[Update]:
        """Add bindings found at a switch to the table where nothing better is known, for the next :meth:`save`.

        Return the changes.
        """
        changed = [update for each in found if (update := self.bindings.recover(each)).result is Result.CHANGED]
        self._unsaved_bindings.add(*(update.binding.prefix for update in changed if update.binding is not None))
        return changed

    def meet_switch(self, name: str) -> None:
        """Record that all bindings of a switch have been recovered; if that cannot be stored, it is not so."""
        self._store.save_met_switch(name)
        self.met_switches = frozenset({*self.met_switches, name})

    def expire_bindings(self, now: float) -> None:
        """Forget prefixes that were detached long ago."""
        while expired := self.bindings.expire(now):
            self._store.delete_bindings(expired)

    def tidy(self) -> None:
        """Have the store do some of the work that it has put off."""
        self._store.tidy()

    # Core gateways.

    def learn_core_gateway(self, lma: str, link_layer_address: bytes) -> bool:
        """Set an LMA's core gateway, to be stored by the next :meth:`save`; true if that is a change."""
        changed = self._gateways.get(lma) != link_layer_address
        if changed:
            self._gateways[lma] = link_layer_address
            self._unsaved_gateways.add(lma)
        return changed

    # Grants.

    def learn_grant_key(self, lma: str, key: bytes) -> None:
        """Set the key of an LMA's grants, to be stored by the next :meth:`save`."""
        if self._grant_keys.get(lma) != key:
            self._grant_keys[lma] = key
            self._unsaved_findings.add(_GRANT_KEYS)

    # Load sharing.

    def move_uplinks(self, outcome: Round) -> None:
        """Move the uplinks as a round has decided, and keep the round with its decisions."""
        evacuated, self.memory = self.memory.evacuated, outcome.memory
        for decision in outcome.decisions:
            moved = decision.apply(self._uplinks)
            self._uplinks[decision.mag] = {**self._uplinks[decision.mag], **moved}
            self._unsaved_uplinks.add(decision.mag)
        records = [self.journal.add(decision) for decision in outcome.decisions]
        if self.memory.evacuated != evacuated:
            self._unsaved_findings.add(_EVACUATED)
        self.save()
        if records:
            inputs = outcome.inputs
            self._store.save_round(inputs.id, inputs.time, json.dumps(inputs.to_document()))
            self._store.save_decisions(records)

    def add_answer(self, decisions: Iterable[Decision], answer: Answer) -> list[Decision]:
        """Add the answer of a switch or an agent to decisions; return those that the journal still has."""
        kept = [decision for decision in decisions if decision.id in self.journal]
        self._store.save_decisions([self.journal.answer(decision.id, answer) for decision in kept])
        return kept

    def inputs_of(self, decision: Decision) -> Any:
        """The inputs of a decision, a JSON document; None if they are no longer kept."""
        text = self._store.load_round(decision.round)
        return None if text is None else json.loads(text)

    def set_dead(self, lmas: Sequence[str]) -> None:
        """Keep which LMAs are dead."""
        self.dead = tuple(lmas)
        self._unsaved_findings.add(_DEAD)
        self.save()

    # Settings of the operator.

    def set_drained(self, lma: str, drained: bool) -> None:
        """Keep that the operator has drained an LMA, or no longer."""
        lmas = [*(other for other in self.drained if other != lma), *([lma] if drained else [])]
        self._store.save_setting(_DRAINED, lmas or None)
        self.drained = tuple(lmas)

    def choose_policy(self, policy: PolicyName | None) -> None:
        """Decide by that policy from now on; None: by the profile's."""
        self._store.save_setting(_POLICY, policy)
        chosen = self._profile.load_sharing.policy if policy is None else policy
        self.settings = self._profile.load_sharing.settings_with(chosen)

    def _write_bindings(self, prefixes: Iterable[bytes]) -> None:
        bindings = (self.bindings.get(prefix) for prefix in prefixes)
        self._store.save_bindings([binding for binding in bindings if binding is not None])

    def _write_uplinks(self, mags: Iterable[str]) -> None:
        self._store.save_uplinks({mag: self._uplinks[mag] for mag in mags})

    def _write_gateways(self, lmas: Iterable[str]) -> None:
        for lma in lmas:
            self._store.save_core_gateway(lma, self._gateways[lma])

    def _write_findings(self, names: Iterable[str]) -> None:
        keys = {lma: key.hex() for lma, key in self._grant_keys.items()}
        findings: dict[str, Any] = {_DEAD: self.dead, _EVACUATED: self.memory.evacuated, _GRANT_KEYS: keys}
        for name in names:
            self._store.save_setting(name, findings[name] or None)


def _uplinks(
    profile: Profile, stored: Mapping[str, Mapping[str, Sequence[str]]], sessions: Mapping[str, Mapping[str, int]]
) -> dict[str, Mapping[str, Slots]]:
    """MAG -> anchor -> slots: those that are ``stored``, if they name LMAs that still exist.

    Others are the anchor's own; or spread out, if the profile wants that and no mobile node is there that would notice.
    A single name stands for all slots, as older releases stored it.
    """
    names = tuple(lma.name for lma in profile.lmas)
    known = set(names)
    spread = None
    if profile.load_sharing.settings.spread_uplinks:
        spread = spread_slots(names, tuple(lma.capacity for lma in profile.lmas))

    def slots(column: int, mag: str, row: int, anchor: str) -> Slots:
        found = tuple(stored.get(mag, {}).get(anchor, ()))
        if len(found) == 1:
            found *= SLOTS
        if len(found) == SLOTS and known.issuperset(found):
            return found
        idle = not sessions.get(mag, {}).get(anchor)
        return spread[column, row] if spread is not None and idle else whole(anchor)

    return {
        mag.name: {lma: slots(column, mag.name, row, lma) for row, lma in enumerate(names)}
        for column, mag in enumerate(profile.mags)
    }


def _stored_keys(lmas: Collection[str], stored: Mapping[str, str]) -> dict[str, bytes]:
    """The keys of the LMAs that still exist."""
    return {lma: bytes.fromhex(digits) for lma, digits in stored.items() if lma in lmas}


def _stored_evacuations(profile: Profile, stored: Iterable[Sequence[str]]) -> tuple[tuple[str, str], ...]:
    """Keep the pairs whose MAG and LMA still exist."""
    mags, lmas = {mag.name for mag in profile.mags}, {lma.name for lma in profile.lmas}
    return tuple((mag, lma) for mag, lma in stored if mag in mags and lma in lmas)
