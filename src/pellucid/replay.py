"""Running a record again, and saying whether it came out the same."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import torch

from pellucid.attribution import Attribution
from pellucid.methods import methods
from pellucid.models.image import ImageClassifier
from pellucid.models.load import load_classifier
from pellucid.store import Record, environment
from pellucid.stream import bounded, drain


@final
@dataclass(frozen=True, eq=False)
class Replay:
    """A record, what running it again gave, and how far the two are apart."""

    record: Record
    attribution: Attribution
    identical: bool
    """Every score has the same bits."""
    difference: float
    """Largest difference of a score, as a share of the largest score on record."""
    notes: tuple[str, ...]
    """What has changed since: weights, versions, threads."""

    @property
    def verdict(self) -> str:
        """One sentence for a person."""
        if self.identical:
            return "Reproduced: every score has the same bits."
        if self.difference < 1e-4:
            return f"Reproduced up to rounding: scores differ by at most {self.difference:.1e} of the largest."
        return f"Not reproduced: scores differ by up to {self.difference:.1%} of the largest."


def replay(record: Record | bytes | str | Path, model: ImageClassifier | None = None) -> Replay:
    """The record run again: same pixels, target, options, seed, and as many steps of the stream as were taken then.

    A record of a network made in Python wants that network as `model`. Raises ValueError when it is missing, or
    when the record was made with an engine that is not installed.
    """
    record = record if isinstance(record, Record) else Record.from_bytes(record)
    request, before = record.request, record.attribution
    if model is None:
        if request.model.startswith("sha256:"):
            raise ValueError("this record is of a network made in Python; hand it in: replay(record, model=...)")
        model = load_classifier(request.model).on("openvino" if "engine" in before.notes else "torch")
    notes = [] if model.fingerprint == record.fingerprint else ["the network has other weights or reads pictures differently"]
    now = environment()
    notes += [f"{k} was {v}, is {now.get(k)}" for k, v in record.environment.items() if now.get(k) != v]
    target = torch.tensor(request.target if request.target is not None else before.target.tolist())
    stream = methods[request.method].stream(model.rather_than(request.against), record.inputs, target, **before.options)
    after = replace(drain(bounded(stream, steps=before.step)), view=before.view, against=before.against)
    scale = float(before.scores.abs().max()) or 1.0
    difference = float((after.scores - before.scores).abs().max()) / scale if before.scores.numel() else 0.0
    return Replay(record, after, torch.equal(after.scores, before.scores), difference, tuple(notes))
