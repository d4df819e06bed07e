"""How a key computed now would differ from a frozen one. It only tells: a frozen key changes by a new version or not at all."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, final

from pellucid.course.evidence import Measurement, finite, rounded
from pellucid.course.verdicts import judge


@final
@dataclass(frozen=True)
class Change:
    """One candidate that is no longer what it was when the key was frozen."""

    question: str
    option: str
    shown: bool
    """Whether students see it."""
    what: Literal["truth", "verdict", "margin", "gone", "new"]
    before: str
    after: str


@final
@dataclass(frozen=True)
class Drift:
    """All that differs, what matters first."""

    changes: tuple[Change, ...]
    causes: tuple[str, ...]
    """What besides the margins is another than it was: the source, networks, images, libraries."""

    @property
    def contradicts(self) -> bool:
        """Whether an option that students see now has another truth or is no longer SAFE."""
        return any(change.shown and change.what in ("truth", "verdict", "gone") for change in self.changes)

    def to_json(self) -> dict[str, Any]:
        return {
            "contradicts": self.contradicts, "causes": list(self.causes), "changes": [vars(change) for change in self.changes],
        }  # fmt: skip


ORDER = {"truth": 0, "gone": 1, "verdict": 2, "margin": 3, "new": 4}


def drift(frozen: Mapping[str, Any], computed: Mapping[str, Any]) -> Drift:
    """The differences between a frozen key document and one computed now, of the questions that both have.

    A margin counts as changed when it has moved by a quarter of the option's floor or more.
    """
    changes: list[Change] = []
    now = {q["id"]: {o["id"]: o for o in q["options"]} for q in computed["evidence"]["questions"]}
    for question in frozen["evidence"]["questions"]:
        if question["id"] not in now:
            continue
        found = now[question["id"]]
        for option in question["options"]:
            changes += _changes(question["id"], option, found.get(option["id"]))
        before = {option["id"] for option in question["options"]}
        changes += [
            Change(question["id"], id, False, "new", "", _said(option)) for id, option in found.items() if id not in before
        ]
    changes.sort(key=lambda change: (not change.shown, ORDER[change.what]))
    return Drift(tuple(changes), tuple(_causes(frozen["evidence"], computed["evidence"])))


def of_base_runs(document: Mapping[str, Any]) -> dict[str, Any]:
    """The key document with every candidate judged by its base run, as if no other had been made."""
    evidence: Mapping[str, Any] = document["evidence"]
    questions = [{**q, "options": [_by_base_run(option) for option in q["options"]]} for q in evidence["questions"]]
    return {**document, "evidence": {**evidence, "questions": questions}}


def _by_base_run(option: Mapping[str, Any]) -> dict[str, Any]:
    said = judge(Measurement.from_json(option, {}).runs[:1], option["floor"])
    return {**option, "correct": said.correct, "verdict": said.verdict, "margin": finite(rounded(said.mean))}


def _changes(question: str, before: Mapping[str, Any], after: Mapping[str, Any] | None) -> list[Change]:
    if after is None:
        return [Change(question, before["id"], before["shown"], "gone", _said(before), "no such candidate")]
    what: Literal["truth", "verdict", "margin"]
    if before["correct"] != after["correct"] and "INVALID" not in (before["verdict"], after["verdict"]):
        what = "truth"
    elif before["verdict"] != after["verdict"]:
        what = "verdict"
    elif _moved(before["margin"], after["margin"]) >= before["floor"] / 4:
        what = "margin"
    else:
        return []
    return [Change(question, before["id"], before["shown"], what, _said(before), _said(after))]


def _moved(before: float | None, after: float | None) -> float:
    return 0.0 if before is None or after is None else abs(after - before)


def _said(option: Mapping[str, Any]) -> str:
    if option["margin"] is None:
        return str(option["verdict"])
    return f"{option['verdict']}, {'true' if option['correct'] else 'false'} by {abs(option['margin']):.3g}"


def _causes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    found = ["the source is another"] if before["spec"] != after["spec"] else []
    for name, model in after["model"].items():
        if name in before["model"] and before["model"][name]["fingerprint"] != model["fingerprint"]:
            found.append(f"the network {name} is another ({before['model'][name]['name']}, now {model['name']})")
    changed = [id for id, hash in after["images"].items() if before["images"].get(id) != hash]
    found += [f"these images are others: {', '.join(changed)}"] if changed else []
    for name, version in after["versions"].items():
        if before["versions"].get(name) != version:
            found.append(f"{name} is {version}, and was {before['versions'].get(name, 'not there')}")
    return found
