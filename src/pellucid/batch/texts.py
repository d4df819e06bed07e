"""Texts in a batch: what is asked of an encoder, and the scores of a text's tokens as a row."""

import csv
import hashlib
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import torch
from pydantic import BaseModel, Field

from pellucid.analysis.token_scores import Baseline, TokenMethod, TokenScores, token_scores
from pellucid.analysis.token_targets import asked_without, token_target
from pellucid.attribution import Work
from pellucid.batch.rows import WITHOUT, Answered, Asked, Row
from pellucid.evidence import Evidence
from pellucid.models.errors import first_line
from pellucid.registry import UnknownName, options_of, unknown, validated
from pellucid.request import Request
from pellucid.token_trust import token_trust

if TYPE_CHECKING:
    from pellucid.models.text import TextEncoder

ENDINGS = (".txt", ".csv", ".tsv")
"""How the names of files of texts end."""
CONTEXT = ("context", "passage")
"""What the column of a table is called that holds what a question is answered from."""

_Start = Annotated[Baseline, Field(description="Where the path or the difference begins.")]


def _plain() -> None: ...
def _from_somewhere(*, baseline: _Start = "zero") -> None: ...
def _along_a_path(
    *, baseline: _Start = "mask", steps: Annotated[int, Field(ge=1, description="Points of the path.")] = 32
) -> None: ...
def _sampled(
    *,
    samples: Annotated[int, Field(ge=10, description="Subsets of the tokens, at most.")] = 1000,
    seed: Annotated[int, Field(ge=0, description="Makes the run repeatable.")] = 0,
) -> None: ...
def _drawn(*, seed: Annotated[int, Field(ge=0, description="Makes the run repeatable.")] = 0) -> None: ...


OPTIONS: Mapping[str, type[BaseModel]] = {
    "erasure": options_of(_plain),
    "kernel_shap": options_of(_sampled),
    "input_x_gradient": options_of(_from_somewhere),
    "integrated_gradients": options_of(_along_a_path),
    "attention": options_of(_plain),
    "rollout": options_of(_plain),
    "random": options_of(_drawn),
}
"""By method, those of `token_scores` that change its answer."""


def text_options(method: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """All options of the method. KeyError for an unknown one, ValueError or TypeError for what does not fit."""
    if method not in get_args(TokenMethod):
        raise UnknownName(unknown("method for text", method, get_args(TokenMethod)))
    return validated(method, OPTIONS[method], given)


def text_target(encoder: "TextEncoder", texts: Sequence[tuple[str, ...]], target: str | int) -> int:
    """The number of a class, or of a word in the vocabulary. ValueError where the target is an answer, which has none."""
    if encoder.answers_questions:
        raise ValueError("in a batch what a question is asked about is the encoder's own answer; leave the target out")
    return int(token_target(encoder, encoder.read(_read(texts[:1])), target).words[0])


def read_texts(path: Path) -> list[tuple[str, ...]]:
    """The texts in a file: a line each, or of a table (.csv, .tsv) a row each, its first column and the one called context.

    ValueError for one without a text.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file of texts at {str(path)!r}")
    with path.open(encoding="utf-8-sig", newline="") as file:
        if path.suffix == ".txt":
            found = [(line.strip(),) for line in file if line.strip()]
        else:
            rows = csv.DictReader(file, dialect="excel-tab" if path.suffix == ".tsv" else "excel")
            names = list(rows.fieldnames or [])
            beside = next((name for name in names if name.strip().lower() in CONTEXT), None)
            texts = next((name for name in names if name != beside), None)
            if texts is None:
                raise ValueError(
                    f"{str(path)!r} has no column of texts; its first line names the columns, such as text,context"
                )
            found = [
                (row[texts], row[beside]) if beside and (row[beside] or "").strip() else (row[texts],)
                for row in rows if (row[texts] or "").strip()
            ]  # fmt: skip
    if not found:
        raise ValueError(f"{str(path)!r} holds no text")
    return found


def _read(sources: Sequence[tuple[str, ...]]) -> list[str] | list[tuple[str, str]]:
    """As an encoder reads them: all of one text, or all of two."""
    if len(sources[0]) == 1:
        return [source[0] for source in sources]
    return [(source[0], source[1]) for source in sources]


def content_of_text(source: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(source).encode()).hexdigest()


def read_text(encoder: "TextEncoder", request: Request) -> Asked:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        encoder.read(_read([request.source]))
    changed = "; ".join(dict.fromkeys(str(one.message) for one in heard))
    return Asked(request, None, content_of_text(request.source), changed)


def text_rows(encoder: "TextEncoder", part: Sequence[Asked], trusted: bool) -> list[Answered]:
    """Of requests that differ in nothing but their text."""
    asked = part[0].request
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are in the rows
        tokens = encoder.read(_read([one.request.source for one in part]))
    options: dict[str, Any] = dict(asked.options) if asked.seed is None else {**asked.options, "seed": asked.seed}
    start = time.monotonic()
    scores = token_scores(
        encoder, tokens, method=cast(TokenMethod, asked.method), target=None if asked.target is None else asked.target[0],
        **options,
    )  # fmt: skip
    seconds = (time.monotonic() - start) / len(part)
    rows = torch.arange(len(tokens))
    _, probabilities = asked_without(encoder, tokens, scores.target, rows, torch.zeros_like(tokens.mask), "delete")
    evidence = _evidence(encoder, scores) if trusted else [(None, "")] * len(part)
    share = Work(round(scores.work.forwards / len(part)), round(scores.work.backwards / len(part)), scores.work.fraction)
    found = []
    for n, (one, (proof, without)) in enumerate(zip(part, evidence, strict=True)):
        proof = None if proof is None else replace(proof, cost=share)
        number = int(scores.target.words[n])
        request = one.request
        row = Row.of(
            request, one, proof, {WITHOUT: without},
            context=request.source[1] if len(request.source) > 1 else None,
            target=None if number < 0 else number,
            label=scores.target.names[n],
            probability=None if scores.target.task == "regression" else float(probabilities[n]),
            map=scores.scores[n : n + 1, : tokens.lengths[n]].numpy(),
            tokens=list(tokens.surfaces(n)),
            unit=scores.unit,
            error=float(scores.error[n]),
            error_name=scores.error_name,
            fingerprint=encoder.fingerprint,
            engine="torch",
            forwards=share.forwards,
            backwards=share.backwards,
            seconds=seconds,
        )  # fmt: skip
        found.append(Answered(request, row))
    return found


def _evidence(encoder: "TextEncoder", scores: TokenScores) -> list[tuple[Evidence | None, str]]:
    """On each text's scores, or why there is none."""
    try:
        return [(one, "") for one in token_trust(encoder, scores).evidence]
    except Exception as error:  # whatever: somebody's network, run with random weights
        if len(scores) > 1:
            raise  # they are asked one by one then
        return [(None, first_line(error))]
