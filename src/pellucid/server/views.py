"""What a view of texts was drawn from, as a file: the questions with their answers, which can be asked again."""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import Any, Literal, final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pellucid.models.load import check_no_code, load_encoder
from pellucid.models.text import TextEncoder
from pellucid.replay import ROUNDING
from pellucid.server import bodies as b
from pellucid.server import texts
from pellucid.server.corpora import Corpora
from pellucid.server.loaded import Models

PACKED = {"attention": "<f4", "thumbnails": "u1"}
"""Arrays that an answer holds in base64."""
SEARCH, TOKEN_SCORES = "/api/corpora/", "/api/text/token-scores"
QUESTIONS: dict[str, tuple[type[BaseModel], Callable[[Models, Any], dict[str, Any]]]] = {
    "/api/text/tokens": (b.TextBody, texts.tokens),
    "/api/text/attention": (b.AttentionBody, texts.attention),
    "/api/text/attention/overview": (b.OverviewBody, texts.overview),
    "/api/text/effect": (b.MaskedBody, texts.effect),
    TOKEN_SCORES: (b.TokenScoresBody, texts.token_scores_of),
    "/api/text/answer": (b.AnswerBody, texts.answers),
    "/api/text/layers": (b.LayersBody, texts.layers),
    "/api/text/compare": (b.CompareBody, texts.comparison),
}


class Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    body: dict[str, Any]
    answer: dict[str, Any]


class View(BaseModel):
    """A view of texts, as the lab exports it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["pellucid view"]
    pellucid: str = Field(description="The version that answered.")
    questions: tuple[Asked, ...] = Field(min_length=1)
    weights: dict[str, str] = Field(default={}, description="Of each encoder by name, its fingerprint, where it was noted.")


@final
@dataclass(frozen=True)
class Again:
    """How a question came out when it was asked again."""

    path: str
    identical: bool
    difference: float
    """Largest of a number, as a share of the largest beside it; infinite where words or shapes differ."""
    where: str
    """The part of the answer that differs most, "" where none does."""
    notes: tuple[str, ...] = ()
    """What has changed since: weights."""

    @property
    def reproduced(self) -> bool:
        return self.difference < ROUNDING

    @property
    def verdict(self) -> str:
        """One sentence for a person."""
        if self.identical:
            return "Reproduced: every number is the same."
        if self.reproduced:
            return f"Reproduced up to rounding: numbers differ by at most {self.difference:.1e} of the largest."
        if self.difference == float("inf"):
            return f"Not reproduced: {self.where!r} has other words or another length."
        return f"Not reproduced: {self.where!r} differs by up to {self.difference:.1%}."


def read_view(data: bytes) -> View:
    """ValueError with the reason when it is none."""
    try:
        return View.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ValueError(f"not a view that the lab exported: {where}: {first['msg']}") from None


def ask_again(view: View, store: Path, model: TextEncoder | None = None) -> Iterator[Again]:
    """Every question of the view once more; a search wants the corpora of the lab whose folder is `store`.

    `model` is asked instead of encoders that do not ship, and must be given for one that code makes.
    """
    models = Models(_elsewhere(view, Corpora(store / "corpora", Models()), model))
    corpora = Corpora(store / "corpora", models)
    for asked in view.questions:
        before, after = asked.answer, json.loads(json.dumps(_answer(asked, models, corpora)))
        where, far = max(differences(before, after), key=lambda one: one[1], default=("", 0.0))
        yield Again(asked.path, before == after, far, where if far else "", tuple(_changed(view, asked, models)))


def _changed(view: View, asked: Asked, models: Models) -> list[str]:
    return [
        f"the encoder {name!r} has other weights or another vocabulary"
        for name in _named(asked)
        if name in view.weights and models.encoder(name).fingerprint != view.weights[name]
    ]


def _named(asked: Asked) -> list[Any]:
    """The models that a question is asked of, as its body names them."""
    several = asked.body.get("models")
    return [asked.body.get("model"), *(several if isinstance(several, list) else [])]


def _elsewhere(view: View, corpora: Corpora, given: TextEncoder | None) -> list[TextEncoder]:
    """The encoders of a view that do not ship: from folders, or the one that was given for them."""
    named: list[Any] = []
    for asked in view.questions:
        named += _named(asked)
        if (corpus := _searched(asked.path)) in corpora.names():
            named.append(corpora.encoder_of(corpus))
    shipped = Models().kinds
    names = [name for name in dict.fromkeys(named) if name and isinstance(name, str) and name not in shipped]
    if given is not None and len(names) != 1:
        told = f"these do not: {', '.join(names)}" if names else "all of its models ship"
        raise ValueError(f"--model stands for the one model of a view that does not ship with Pellucid; {told}")
    return [
        replace(given or load_encoder(check_no_code(name, f"if it is yours: --model {quote(name)}")), name=name)
        for name in names
    ]  # fmt: skip


def _searched(path: str) -> str:
    """The corpus that a question is asked of, "" where it is asked of none."""
    return path.removeprefix(SEARCH).removesuffix("/search") if path.startswith(SEARCH) and path.endswith("/search") else ""


def _answer(asked: Asked, models: Models, corpora: Corpora) -> dict[str, Any]:
    if asked.path in QUESTIONS:
        kind, answer = QUESTIONS[asked.path]
        return answer(models, kind.model_validate(asked.body))
    if name := _searched(asked.path):
        s = b.SearchBody.model_validate(asked.body)
        return corpora.search(name, s.text, s.token, layer=s.layer, by=s.by, heads=s.heads, count=s.k)
    raise ValueError(f"{asked.path!r} is no question that can be asked again; known: {', '.join(QUESTIONS)}")


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """How far each part of two answers is apart, in units of the largest number on record in it."""
    for key in before.keys() | after.keys():
        if key not in before or key not in after:
            yield key, float("inf")
            continue
        one, other = (_leaves(key, part[key]) for part in (before, after))
        if one[0] != other[0]:
            yield key, float("inf")
        elif len(one[1]):
            apart = np.abs(one[1] - other[1])
            if PACKED.get(key) == "u1":
                apart = np.clip(apart - 1, 0, None)  # whole grey levels: the last one is rounding
            yield key, float(apart.max() / (np.abs(one[1]).max() or 1.0))


def _leaves(key: str, value: Any) -> tuple[list[Any], np.ndarray]:
    """What must be equal, names and words in their places, and all numbers in order."""
    fixed: list[Any] = []
    numbers: list[np.ndarray] = []

    def walk(key: str, one: Any) -> None:
        if isinstance(one, Mapping):
            fixed.append(sorted(one))
            for name in sorted(one):
                walk(name, one[name])
        elif isinstance(one, list):
            fixed.append(len(one))
            for each in one:
                walk(key, each)
        elif isinstance(one, str) and key in PACKED:
            numbers.append(np.frombuffer(base64.b64decode(one), PACKED[key]).astype(float))
            fixed.append(len(numbers[-1]))
        elif isinstance(one, int | float) and not isinstance(one, bool):
            numbers.append(np.array([float(one)]))
            fixed.append("number")
        else:
            fixed.append(one)

    walk(key, value)
    return fixed, np.concatenate(numbers) if numbers else np.zeros(0)
