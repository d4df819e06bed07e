"""What the lab says of texts: the library's own analyses, as JSON. All of it runs in the worker."""

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from pellucid.analysis.answers import answer, fill_mask
from pellucid.analysis.attention import attend
from pellucid.analysis.head_effect import head_effect
from pellucid.analysis.head_statistics import HeadStatistics, head_statistics
from pellucid.analysis.passages import example as layers_example
from pellucid.analysis.passages import examples as layers_examples
from pellucid.analysis.passages import passage
from pellucid.analysis.phases import Phases
from pellucid.analysis.projection import project
from pellucid.analysis.readings import groups_of, measured, predicted_answer, read_marked, with_topics
from pellucid.analysis.senses import examples as compare_examples
from pellucid.analysis.senses import separation
from pellucid.analysis.similarity import compare
from pellucid.analysis.token_scores import TokenScores, token_scores
from pellucid.analysis.token_targets import token_target
from pellucid.evidence import Trust
from pellucid.inputs.text import Tokens
from pellucid.models.activations import Activations
from pellucid.models.errors import first_line
from pellucid.models.text import TextEncoder, TextWarning
from pellucid.pictures.compare import unit_of
from pellucid.pictures.tokens import about
from pellucid.server.bodies import (
    AnswerBody,
    AttentionBody,
    CompareBody,
    LayersBody,
    MaskedBody,
    OverviewBody,
    TextBody,
    TokenScoresBody,
)
from pellucid.server.encoded import packed
from pellucid.server.loaded import Models
from pellucid.server.warned import warned
from pellucid.strict_json import finite
from pellucid.token_trust import token_trust

STATISTICS = {
    "entropy": "entropy", "distance": "distance", "next": "to_next", "previous": "to_previous", "same": "to_same",
    "special": "to_special",
}  # fmt: skip
GUESSES = 5
LONGEST = 120.0
"""Seconds that one question may take, during which nobody else is answered."""


def tokens(models: Models, body: TextBody) -> dict[str, Any]:
    encoder = models.encoder(body.model)
    with warned() as notes:
        read = encoder.read(body.text, body.pair)
    return {"tokens": _tokens(read), "text": body.text, "pair": body.pair, "limit": encoder.limit, "notes": notes}


def attention(models: Models, body: AttentionBody) -> dict[str, Any]:
    encoder = models.encoder(body.model)
    with warned() as notes:
        read = _hidden(encoder, body)
        act = encoder.activations(read)
        shown = act.by_word() if body.by_word else act
        seen = attend(shown, body.layer)
        statistics = head_statistics(shown)
    assert read.masked is not None
    blanks = fill_mask(encoder, read, top=GUESSES)[0] if encoder.fills_masks and bool(read.masked.any()) else []
    return finite({
        "layers": act.layers, "heads": act.heads, "layer": seen.layer, "tokens": _tokens(seen.tokens),
        "attention": packed(seen.per_head, "<f4"),
        "statistics": [
            {"head": head} | {name: float(values[seen.layer - 1, head]) for name, values in _statistics(statistics).items()}
            for head in range(act.heads)
        ],
        "predictions": [
            {"token": b.token, "top": [{"word": g.token, "probability": g.probability} for g in b.guesses]} for b in blanks
        ],
        "notes": notes,
    })  # fmt: skip


def overview(models: Models, body: OverviewBody) -> dict[str, Any]:
    encoder = models.encoder(body.model)
    with warned() as notes:
        act = encoder.activations(_hidden(encoder, body))
        act = act.by_word() if body.by_word else act
        statistics = head_statistics(act)
    grey = (act.attentions[:, 0].clamp(0, 1) * 255).round().to(torch.uint8)
    return finite({
        "layers": act.layers, "heads": act.heads, "tokens": _tokens(act.tokens), "thumbnails": packed(grey, "u1"),
        "statistics": {name: values.tolist() for name, values in _statistics(statistics).items()}, "notes": notes,
    })  # fmt: skip


def effect(models: Models, body: MaskedBody) -> dict[str, Any]:
    encoder = models.encoder(body.model)
    with warned() as notes:
        found = head_effect(encoder, _hidden(encoder, body), progress=_in_time(time.monotonic()))
    return finite({
        "task": found.task, "effect": found.effect.tolist(), "unit": found.unit, "attention": found.attention.tolist(),
        "drop": found.drop.mean(0).tolist(), "spearman": found.spearman,
        "choices": [
            {"token": token, "text": text, "probability": p}
            for token, text, p in zip(found.positions, found.choices, found.probability.tolist(), strict=True)
        ],
        "layers": list(found.layers), "heads": list(found.heads), "passes": found.passes, "notes": notes,
    })  # fmt: skip


def _in_time(start: float) -> Callable[[float], None]:
    def check(share: float) -> None:
        if time.monotonic() - start > LONGEST:
            raise ValueError(f"this takes longer than {LONGEST:g} s, the most that is given to a question; take a shorter text")

    return check


def token_scores_of(models: Models, body: TokenScoresBody) -> dict[str, Any]:
    encoder = models.encoder(body.model)
    with warned() as notes:
        made, found = scored(encoder, _hidden(encoder, body), body, progress=_in_time(time.monotonic()))
    return said_of_tokens(made, found, notes)


def scored(
    encoder: TextEncoder, read: Tokens, body: TokenScoresBody, progress: Callable[[float], None] = lambda share: None
) -> tuple[list[TokenScores], list[Trust | None]]:
    """What each method says, by words where that is wanted, and the evidence on each, where that is and could be gathered."""
    target = token_target(encoder, read, body.target)
    if target.task == "question_answering" and body.target is None:
        (best,) = answer(encoder, *read.texts[0])
        if not best.answered:
            warnings.warn(
                f"{encoder.called} would say that the passage does not answer this; explained is {target.names[0]}, "
                "which it likes best of what stands there",
                TextWarning,
                stacklevel=2,
            )
    made: list[TokenScores] = []
    found: list[Trust | None] = []
    for n, method in enumerate(body.methods):

        def told(share: float, n: int = n) -> None:
            progress((n + share) / len(body.methods))

        one = token_scores(
            encoder, read, method=method, target=target, baseline=body.baseline, steps=body.steps, samples=body.samples,
            seed=body.seed, progress=lambda share: told(0.3 * share),
        )  # fmt: skip
        evidence = None
        if body.evidence:
            try:
                evidence = token_trust(
                    encoder, one, budget=body.budget, seed=body.seed, progress=lambda share: told(0.3 + 0.7 * share)
                )
            except Exception as error:  # whatever: somebody's encoder, run with random weights
                said = f"the scores of {method} are kept, and there is no evidence on them: {first_line(error)}"
                warnings.warn(said, stacklevel=2)
        found.append(evidence)
        made.append(one.by_word() if body.by_word else one)
    return made, found


def said_of_tokens(made: Sequence[TokenScores], found: Sequence[Trust | None], notes: list[str]) -> dict[str, Any]:
    """`bodies.TokenScoresAnswer` of one text."""
    first = made[0]
    return finite({
        "task": first.target.task, "target": first.target.names[0], "places": first.asked_about(),
        "value": float(first.value[0]), "value_unit": first.target.logit_name, "by_word": first.pooled is not None,
        "tokens": _tokens(first.tokens),
        "methods": [
            {
                "method": one.method, "options": dict(one.options), "unit": one.unit, "signed": one.signed,
                "scores": one.scores[0].tolist(), "error": float(one.error[0]), "error_name": one.error_name,
                "work": asdict(one.work), "trust": None if (trust := found[n]) is None else trust[0].to_json(),
                "about": None if trust is None else about(trust[0], one.target.lost),
            }
            for n, one in enumerate(made)
        ],
        "notes": notes,
    })  # fmt: skip


def answers(models: Models, body: AnswerBody) -> dict[str, Any]:
    encoder = models.encoder(body.model)
    with warned() as notes:
        (found,) = answer(encoder, body.question, body.passage, top=body.top)
    spans = [asdict(span) for span in (found.best, *found.alternatives)]
    return {
        "answered": found.answered, "answer": found.text,
        "answers": [{key: span[key] for key in ("text", "start", "end", "score", "probability")} for span in spans],
        "null_score": found.null_score, "null_probability": found.null_probability, "threshold": found.threshold,
        "windows": len(found.tokens), "notes": notes,
    }  # fmt: skip


def layers(models: Models, body: LayersBody) -> dict[str, Any]:
    """Every model by the same marks: the answer is that of the first model that gives one, or the example's own."""
    given = body.question is not None and body.passage is not None
    if given == (body.example is not None) or (body.question is None) != (body.passage is None):
        raise ValueError("give a question and a passage, or a worked example; one of the two")
    shown = layers_example(body.example) if body.example is not None else None
    question = shown.question if shown else str(body.question)
    context = shown.context if shown else str(body.passage)
    encoders = [models.encoder(name) for name in dict.fromkeys(body.models)]
    reads: list[Tokens] = []
    noted: list[list[str]] = []
    span, origin = None, ""
    for encoder in encoders:
        with warned() as notes:
            reads.append(encoder.read(question, context))
            if span is None:
                span, said = predicted_answer(encoder, question, context)
                origin = encoder.name if span else f"{origin}{'; ' if origin else ''}{said}"
        noted.append(notes)
    marks = shown.passage(span) if shown else passage(question, context, answer=span)
    if shown and span is None:
        origin = f"the example ({origin})"
    found = []
    for encoder, read, notes in zip(encoders, reads, noted, strict=True):
        with warned() as more:
            act = read_marked(encoder, read, marks)
            marks, _ = with_topics(marks, act)
            made = _layers_of(encoder, act, marks, body)
        found.append({**made, "notes": list(dict.fromkeys(notes + more))})
    said = None if marks.answer is None else {
        "text": context[slice(*marks.answer)], "start": marks.answer[0], "end": marks.answer[1]
    }  # fmt: skip
    return finite({
        "question": question, "passage": context, "basis": body.basis, "answer": said, "answer_from": origin, "models": found,
    })  # fmt: skip


def _layers_of(encoder: TextEncoder, act: Activations, marks: Any, body: LayersBody) -> dict[str, Any]:
    made = project(act, basis=body.basis, components=min(body.components, act.tokens.lengths[0]), align=True)
    facts = set(groups_of(act, marks).facts)
    read = act.tokens
    tokens = [
        {
            "text": text, "role": role, "index": at, "supporting": at in facts, "part": int(read.parts[0, at]),
            "start": int(read.offsets[0, at, 0]), "end": int(read.offsets[0, at, 1]),
        }
        for text, role, at in zip(made.labels, made.roles, made.places, strict=True)
    ]  # fmt: skip
    return {
        "name": encoder.name,
        "layers": [
            {"coordinates": points.tolist(), "explained": shares.tolist()}
            for points, shares in zip(made.coordinates, made.explained_variance_ratio, strict=True)
        ],
        "tokens": tokens,
        "phases": _phases(measured(act, marks, body.samples, body.seed)),
        "trustworthiness": made.trustworthiness.tolist(),
        "neighbours": made.neighbours,
    }


def _phases(phases: Phases) -> dict[str, Any]:
    return {
        p.name: {
            "value": p.value.tolist(), "low": p.low.tolist(), "high": p.high.tolist(), "meaning": p.meaning,
            "why_not": p.why_not or None,
        }
        for p in phases.all
    }  # fmt: skip


def comparison(models: Models, body: CompareBody) -> dict[str, Any]:
    encoder = models.encoder(body.model)
    with warned() as notes:
        made = compare(
            encoder, list(body.sentences), body.word, metric=body.metric, layer="all", correction=body.correction
        )  # fmt: skip
        apart = None if body.groups is None else separation(made, list(body.groups), seed=body.seed)
    names = ("difference", "low", "high", "p", "within", "between", "silhouette", "accuracy")
    return finite({
        "metric": made.metric, "correction": made.correction, "unit": unit_of(made), "rule": made.rule,
        "layers": [
            {
                "layer": layer, "matrix": made.matrices[n].tolist(), "random_words": float(made.baseline[n]),
                "anisotropy": float(made.anisotropy[n]),
                "separation": None if apart is None else {name: float(getattr(apart, name)[n]) for name in names},
            }
            for n, layer in enumerate(made.layers)
        ],
        "words": [one.word for one in made.chosen], "spans": [[one.start, one.end] for one in made.chosen],
        "groups": None if apart is None else list(apart.labels), "best": None if apart is None else apart.best,
        "p_best": None if apart is None else apart.p_best, "chance": None if apart is None else apart.chance,
        "reference": made.reference, "reference_tokens": made.reference_tokens, "notes": notes,
    })  # fmt: skip


def worked_examples() -> dict[str, Any]:
    """The questions and words that ship."""
    return {
        "layers": [
            {key: getattr(one, key) for key in ("id", "title", "question", "context", "answer")}
            for one in layers_examples().values()
        ],
        "compare": [
            {
                "name": one.name, "title": one.title, "word": one.word, "sentences": list(one.sentences),
                "labels": list(one.labels), "needs": one.needs or None,
            }
            for one in compare_examples().values()
        ],
    }  # fmt: skip


def _hidden(encoder: TextEncoder, body: MaskedBody) -> Tokens:
    read = encoder.read(body.text, body.pair)
    return encoder.hide(read, list(body.masked)) if body.masked else read


def _statistics(of: HeadStatistics) -> dict[str, Tensor]:
    return {name: getattr(of, attribute) for name, attribute in STATISTICS.items()}


def _tokens(read: Tokens) -> list[dict[str, Any]]:
    assert read.masked is not None
    return [
        {
            "index": at, "text": read.surface(0, at), "piece": read.pieces[0][at], "start": int(read.offsets[0, at, 0]),
            "end": int(read.offsets[0, at, 1]), "word": int(read.words[0, at]), "role": role,
            "part": int(read.parts[0, at]), "masked": bool(read.masked[0, at]),
        }
        for at, role in enumerate(read.roles[0])
    ]  # fmt: skip
