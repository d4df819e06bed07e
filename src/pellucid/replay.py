"""Running a record again, and saying whether it came out the same."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import final

import torch
from torch import Tensor

from pellucid.attribution import Attribution, read_header
from pellucid.groups import repeated
from pellucid.inputs.image import Images, displayed, to_pixels
from pellucid.methods import methods
from pellucid.methods.filter_image import FilterImage
from pellucid.methods.filters import filters
from pellucid.models.image import ImageClassifier
from pellucid.models.load import check_no_code, load_classifier
from pellucid.store import Record, environment
from pellucid.stream import bounded, drain

ROUNDING = 1e-4
"""Largest difference, as a share of the largest number on record, that is put down to rounding."""


@final
@dataclass(frozen=True, eq=False)
class Replay:
    """A record, what running it again gave, and how far the two are apart."""

    record: Record | FilterImage
    attribution: Attribution | FilterImage
    identical: bool
    """Every score, or every value of a picture made of a filter, has the same bits."""
    difference: float
    """Largest difference of one, as a share of the largest on record."""
    notes: tuple[str, ...]
    """What has changed since: weights, versions, threads."""

    @property
    def reproduced(self) -> bool:
        """Bit by bit, or up to rounding."""
        return self.difference < ROUNDING

    @property
    def verdict(self) -> str:
        """One sentence for a person."""
        one = "value" if isinstance(self.record, FilterImage) else "score"
        if self.identical:
            return f"Reproduced: every {one} has the same bits."
        if self.reproduced:
            return f"Reproduced up to rounding: {one}s differ by at most {self.difference:.1e} of the largest."
        return f"Not reproduced: {one}s differ by up to {self.difference:.1%} of the largest."


def replay(record: Record | FilterImage | bytes | str | Path, model: ImageClassifier | str | Path | None = None) -> Replay:
    """The record run again: same pixels, target, options, seed, engine, and as many steps of the stream as were taken then.

    A record of a network made in Python wants that network as `model`, and so does one of a Python file's, which a record alone
    never runs: its name (`FILE.py:NAME`) will do. Where the record's engine does not take the network handed in, torch runs it,
    and a note says so. Raises ValueError when the network is missing, reads pictures of another size or has no such class, or
    when the record was made with an engine that is not installed.
    """
    if isinstance(record, bytes | str | Path):
        record = FilterImage.from_record(record) if "filter_image" in read_header(record) else Record.from_bytes(record)
    return _filters(record, model) if isinstance(record, FilterImage) else _explanation(record, model)


def _explanation(record: Record, model: ImageClassifier | str | Path | None) -> Replay:
    request, before = record.request, record.attribution
    said = before.notes.get("engine")
    engine = "torch" if said is None else "openvino-int8" if "int8" in said else "openvino"
    network, without = _network(request.model, model), []
    target = torch.tensor(request.target if request.target is not None else before.target.tolist())
    against = [] if request.against is None else [request.against]
    _check_fits(network, record.inputs.features, [*target.tolist(), *against])
    try:
        network = network.on(engine)
        _ = network.compiled
    except ValueError as error:
        if model is None:
            raise
        network, without = network.on("torch"), [f"engine was {engine}, is torch: {str(error).partition(';')[0]}"]
    now = environment()
    notes = _weights(network, record.fingerprint) + without
    notes += [f"{k} was {v}, is {now.get(k)}" for k, v in record.environment.items() if now.get(k) != v]
    answers = repeated(
        methods[request.method], network.rather_than(request.against), record.inputs, target, before.options, before
    )
    after = replace(drain(answers), view=before.view, against=before.against)
    return Replay(record, after, torch.equal(after.scores, before.scores), _apart(after.scores, before.scores), tuple(notes))


def _filters(record: FilterImage, model: ImageClassifier | str | Path | None) -> Replay:
    model = _network(record.model, model)
    _check_fits(model, record.features)
    start = None
    if record.begin is not None:
        shown = to_pixels(displayed(record.begin, record.mean, record.std))
        names = record.starts[: len(record.begin)]
        start = Images(record.begin, shown, names, names, record.mean, record.std)
    chosen = list(dict.fromkeys(record.filters.tolist()))
    stream = filters.stream(model, record.layer, chosen, start, **record.options)  # pyright: ignore[reportArgumentType]
    after = replace(drain(bounded(stream, steps=record.step)), view=record.view)
    same = torch.equal(after.features, record.features)
    return Replay(record, after, same, _apart(after.features, record.features), tuple(_weights(model, record.fingerprint)))


def _network(name: str, given: ImageClassifier | str | Path | None) -> ImageClassifier:
    if given is not None:
        return given if isinstance(given, ImageClassifier) else load_classifier(given)
    if not name:
        raise ValueError("this record does not say of which network it is; hand it in: replay(record, model=...)")
    if name.startswith("sha256:"):
        raise ValueError("this record is of a network made in Python; hand it in: replay(record, model=...)")
    return load_classifier(check_no_code(name, f"if it is yours: replay(record, {name!r}), or --model {quote(name)}"))


def _check_fits(model: ImageClassifier, features: Tensor, classes: Sequence[int] = ()) -> None:
    """ValueError for a network that does not read what is on record, or has no such classes."""
    size, wanted = tuple(features.shape[1:]), "give the network that the record was made with"
    if size != (len(model.mean), *model.size):
        raise ValueError(f"the record is of pictures of {' x '.join(map(str, size))}, which {model!r} does not read; {wanted}")
    if classes and max(classes) >= len(model.labels):
        raise ValueError(f"the record is of class {max(classes)}, which {model!r} does not have; {wanted}")


def _weights(model: ImageClassifier, fingerprint: str) -> list[str]:
    return [] if model.fingerprint == fingerprint else ["the network has other weights or reads pictures differently"]


def _apart(after: Tensor, before: Tensor) -> float:
    scale = float(before.abs().max()) or 1.0
    return float((after - before).abs().max()) / scale if before.numel() else 0.0
