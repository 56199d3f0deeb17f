"""Replay of a recorded decision from its recorded inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ryu_pmipls.loadsharing.decision import Decision, Inputs, Round
from ryu_pmipls.loadsharing.policies import decide


@dataclass(frozen=True, slots=True)
class Replay:
    """A decision as it was recorded (a document of REST), and the round that its recorded inputs give now."""

    document: Mapping[str, Any]
    again: Round

    @property
    def same(self) -> Decision | None:
        """The decision of that round that equals the recorded one; None if there is none."""
        return next((decision for decision in self.again.decisions if self._is_recorded(decision)), None)

    def _is_recorded(self, decision: Decision) -> bool:
        recorded = self.document
        slots = {anchor: list(numbers) for anchor, numbers in decision.slots.items()}
        return (decision.id, decision.mag, decision.old_lma, decision.new_lma, slots) == (
            recorded["id"],
            recorded["mag"],
            recorded["old_lma"],
            recorded["new_lma"],
            {anchor: list(numbers) for anchor, numbers in recorded["slots"].items()},
        )

    def lines(self) -> Iterator[str]:
        """Sentences, one a line: the decision and its reason, its outcome, and if the round would decide so again."""
        recorded, inputs = self.document, self.again.inputs
        slots = sum(len(numbers) for numbers in recorded["slots"].values())
        what = f"{recorded['share']:.0%} of what it sends through {recorded['old_lma']} ({slots} slots)"
        yield f"{recorded['mag']}: {what} to {recorded['new_lma']}."
        yield f"Reason: {recorded['reason']}."
        yield f"Outcome: {recorded['outcome']}."
        for answer in recorded["answers"]:
            delay = answer["time"] - recorded["time"]
            detail = f" ({answer['detail']})" if answer["detail"] else ""
            yield f"  {answer['by']}: {answer['outcome']} after {delay * 1000:.0f} ms{detail}"
        settings = inputs.settings
        yield f"Policy {settings.policy}; {len(inputs.memory.moves)} earlier moves were remembered."
        if self.again.outlook is not None:
            outlook = self.again.outlook
            yield (
                f"Highest CPU: {outlook.before:.1%} before, {outlook.after:.1%} predicted after the round, "
                f"{outlook.optimum:.1%} at least in any case (gap {outlook.gap:.1%})."
            )
        if self.same is not None:
            yield "Decided again from the same inputs: the same."
        else:
            others = ", ".join(f"{one.mag} {one.old_lma} -> {one.new_lma}" for one in self.again.decisions) or "nothing"
            yield f"Decided again from the same inputs it is not the same, but: {others}."


def explain(document: Mapping[str, Any]) -> Replay:
    """Explain a decision from its REST document with ``inputs``; ``ValueError`` names the fault."""
    missing = {"id", "time", "mag", "old_lma", "new_lma", "slots", "share", "reason", "outcome", "answers"} - {
        *document
    }
    if missing:
        raise ValueError(f"not the document of a decision: {', '.join(sorted(missing))} is missing")
    if document.get("inputs") is None:
        raise ValueError(f"the inputs of decision {document['id']} are no longer kept")
    return Replay(document, decide(Inputs.from_document(document["inputs"])))
