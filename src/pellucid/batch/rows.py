"""An answered request as a row of a table, and rows as a table of Arrow."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from types import NoneType
from typing import Annotated, Any, final, get_args, get_origin, get_type_hints

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pellucid.evidence import Evidence
from pellucid.inputs.image import Images
from pellucid.request import Request
from pellucid.strict_json import finite

Map = NDArray[np.float32]
CHANGED, WITHOUT = "read", "no evidence"
"""Notes of a row: what was changed or not known of its picture or text, and why there is no evidence."""


@final
@dataclass(frozen=True, eq=False)
class Asked:
    """A request whose picture or text the network can read."""

    request: Request
    images: Images | None
    """None of a text."""
    content: str
    changed: str
    """What of it was changed to be read, or not known; mostly nothing."""


@final
@dataclass(frozen=True, eq=False)
class Row:
    """What there is to know of one map. The table has these columns, in this order."""

    key: Annotated[str, "SHA-256 of the request's canonical JSON; one row has it"]
    source: Annotated[str, "the picture, as it was named; or the text, or the question"]
    context: Annotated[str | None, "what the question is answered from, where there is one"]
    method: Annotated[str, "the method's name"]
    target: Annotated[int | None, "number of the class that is explained, or of a masked word; an answer has none"]
    label: Annotated[str, "the class, word or answer itself"]
    against: Annotated[int | None, "number of the class that it is set against, where one was named"]
    probability: Annotated[float | None, "what the network gives it; a number of a regression has none"]
    map: Annotated[Map, "raw signed scores in `unit`: height x width with the channels folded, or 1 x tokens"]
    tokens: Annotated[list[str] | None, "of a text, the tokens; one without a score could not be left out"]
    unit: Annotated[str, "what a score is measured in"]
    error: Annotated[float, "the method's own estimate of its error"]
    error_name: Annotated[str, "what that estimates"]
    verdict: Annotated[str | None, "how far the map can be trusted, where the evidence was asked for"]
    advantage: Annotated[float | None, "how much faster the target falls than in random orders of removal"]
    advantage_low: Annotated[float | None, "lower end of its 95 % interval"]
    advantage_high: Annotated[float | None, "upper end"]
    randomised: Annotated[float | None, "how alike the map is on a network with random weights; 1 does not depend on the model"]
    evidence: Annotated[str | None, "all of the evidence, as JSON"]
    model: Annotated[str, "the network's name"]
    fingerprint: Annotated[str, "SHA-256 of its weights and of how it reads a picture"]
    engine: Annotated[str, "what ran its passes"]
    options: Annotated[str, "the method's options with their defaults, as JSON"]
    seed: Annotated[int | None, "of all draws, where the method draws"]
    notes: Annotated[str, "what was chosen on the way and what of the picture was changed, as JSON"]
    forwards: Annotated[int, "passes of the network"]
    backwards: Annotated[int, "passes back"]
    seconds: Annotated[float, "what the map took, without the evidence"]
    content: Annotated[str, "SHA-256 of the picture's file"]
    request: Annotated[str, "the request, as JSON: a line of a file of requests"]

    @classmethod
    def of(cls, request: Request, one: Asked, proof: Evidence | None, notes: Mapping[str, str], **answer: Any) -> "Row":
        """What every row says of its request and evidence, beside what an answer says itself."""
        said = {CHANGED: one.changed, **notes}
        return cls(
            key=request.key,
            source=request.source[0],
            method=request.method,
            against=request.against,
            verdict=None if proof is None else proof.verdict,
            advantage=None if proof is None else proof.advantage.value,
            advantage_low=None if proof is None else proof.advantage.low,
            advantage_high=None if proof is None else proof.advantage.high,
            randomised=None if proof is None else proof.randomised,
            evidence=None if proof is None else json_text(proof.to_json()),
            model=request.model,
            options=json_text(request.options),
            seed=request.seed,
            notes=json_text({name: note for name, note in said.items() if note}),
            content=one.content,
            request=json_text(request.model_dump(mode="json")),
            **answer,
        )


@final
@dataclass(frozen=True, eq=False)
class Answered:
    """A request's row, and its record where that was asked for."""

    request: Request
    row: Row
    record: bytes | None = None


def json_text(value: Any) -> str:
    return json.dumps(finite(value), ensure_ascii=False, sort_keys=True, allow_nan=False)


_KINDS: dict[Any, pa.DataType] = {
    str: pa.string(), int: pa.int64(), float: pa.float64(), list[str]: pa.list_(pa.string()),
    Map: pa.list_(pa.list_(pa.float32())),
}  # fmt: skip


def _column(name: str, hint: Any) -> pa.Field:
    kind, about = get_args(hint)
    some = [k for k in get_args(kind) if k is not NoneType] if NoneType in get_args(kind) else [kind]
    return pa.field(name, _KINDS[some[0]], nullable=some[0] is not kind, metadata={"description": about})


COLUMNS: dict[str, str] = {
    name: get_args(hint)[1] for name, hint in get_type_hints(Row, include_extras=True).items() if get_origin(hint) is Annotated
}
"""What each column holds."""
SCHEMA = pa.schema([_column(name, hint) for name, hint in get_type_hints(Row, include_extras=True).items()])


def table(rows: Sequence[Row]) -> pa.Table:
    """The rows as Arrow has them."""
    columns = [
        _maps([row.map for row in rows]) if field.name == "map"
        else pa.array([getattr(row, field.name) for row in rows], SCHEMA.field(field.name).type)
        for field in fields(Row)
    ]  # fmt: skip
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def _maps(maps: Sequence[Map]) -> pa.Array:
    """Lists of lists from arrays, without an object of Python's for every number."""
    values = np.concatenate([np.ascontiguousarray(one, dtype=np.float32).ravel() for one in maps])
    widths = np.concatenate([np.full(one.shape[0], one.shape[1], dtype=np.int64) for one in maps])
    heights = [one.shape[0] for one in maps]
    lines = pa.ListArray.from_arrays(_ends(widths), pa.array(values))
    return pa.ListArray.from_arrays(_ends(heights), lines)


def _ends(lengths: Sequence[int] | NDArray[np.int64]) -> pa.Array:
    return pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
