"""From analyses of attention to their pictures, every one with its layer, heads and rule. Where analyses and pictures meet."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float, Float32
from torch import Tensor

from pellucid.analysis.attention import Attention, labels, strongest, without_special
from pellucid.analysis.head_effect import HeadEffect
from pellucid.analysis.head_statistics import HeadStatistics
from pellucid.inputs.text import Tokens
from pellucid.models.activations import Pooling
from pellucid.render.attention import arcs, heat
from pellucid.render.figures import Paper
from pellucid.render.heads import Panel, head_grids, overview

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LONGEST, MOST_NAMED = 240, 40
"""Characters of a text and tokens of one that are repeated above a picture."""


def draw_attention(
    attention: Attention, view: Literal["arcs", "heat"] = "arcs", *, model: str = "", paper: Paper = "light"
) -> "Figure":
    """One layer's chosen heads together, as lines from query to key or as a map. `model` is its name, for the caption.

    ValueError for arcs of more than 120 tokens, and for another view.
    """
    a = attention
    title = f"Attention in layer {a.layer}, head{'' if len(a.heads) == 1 else 's'} {ranges(a.heads)}"
    facts = [*_about(a.tokens, a.pooled, model), a.rule]
    if view == "arcs":
        roles = a.tokens.roles[0]
        return arcs(
            a.labels, a.total, a.kept, a.given, a.received, a.heads,
            unit=weight_of(a), title=title, facts=facts, roles=roles, paper=paper,
        )  # fmt: skip
    if view == "heat":
        return heat(a.labels, a.shown, unit=weight_of(a), title=title, facts=facts, paper=paper)
    raise ValueError(f"no view named {view!r}; known: arcs, heat")


def weight_of(a: Attention) -> str:
    """What a weight of these heads together is: their sum is no share, and may be as large as they are many."""
    return "attention weight" + (f", {a.combine} of {len(a.heads)} heads" if len(a.heads) > 1 else "")


def draw_overview(layers: Sequence[Attention], *, model: str = "", paper: Paper = "light") -> "Figure":
    """Every head of these layers as a small map, each by itself: `mass` applies to every head alone."""
    first = layers[0]
    weights = torch.stack([a.per_head * strongest(a.per_head, a.mass) for a in layers])
    rule = "each head by itself; " + first.rule.replace(f", {first.combine} of {len(first.heads)} heads", "")
    facts = [*_about(first.tokens, first.pooled, model, every=True), rule]
    return overview(weights, [a.layer for a in layers], first.heads, title="Attention of every head", facts=facts, paper=paper)


def draw_followed(
    weights: Float32[Tensor, "query key"], tokens: Tokens, layer: int, kind: Literal["rollout", "flow"] = "rollout",
    *, hide_special: bool = False, pooled: Pooling | None = None, model: str = "", paper: Paper = "light",
) -> "Figure":  # fmt: skip
    """One layer of `rollout`, or an `attention_flow`, of one text as a map; rows and columns of specials may be left black."""
    if hide_special:
        weights = without_special(weights, tokens.special[0])
    rule = "mean of all heads, 0.5 A + 0.5 I, " + {
        "rollout": "multiplied over the layers",
        "flow": "as capacities of a network; each pair of tokens a greatest flow by itself",
    }[kind]  # fmt: skip
    unit = {"rollout": "share of the input token", "flow": "greatest flow, of at most 1"}[kind]
    rule += "; special tokens hidden, not renormalised" if hide_special else ""
    axes = f"rows: token at layer {layer}; columns: token of the input"
    title = f"Attention {kind} from layer {layer} down to the input"
    facts = [*_about(tokens, pooled, model), rule]
    return heat(labels(tokens), weights, unit=unit, axes=axes, title=title, facts=facts, paper=paper)


def draw_head_statistics(
    statistics: HeadStatistics,
    layers: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
    *,
    tokens: Tokens | None = None,
    model: str = "",
    paper: Paper = "light",
) -> "Figure":
    """Every number of every head, or of those layers and heads: a grid of colours each. `tokens` are the text to name."""
    count = statistics.entropy.shape
    layers = list(range(1, count[0] + 1)) if layers is None else list(layers)
    heads = list(range(count[1])) if heads is None else list(heads)
    units = {"entropy": "bits", "distance": "tokens" if statistics.pooled is None else "words"}
    panels = [
        Panel(name, part(values, layers, heads), units.get(name, "share of attention, 0 to 1"))
        for name, values in statistics.table.items()
    ]
    facts = [] if tokens is None else _about(tokens, statistics.pooled, model, every=True)
    facts.append(
        f"means over the {statistics.queries} queries that are not special{'' if facts or not model else f', {model}'}"
    )
    return head_grids(panels, layers, heads, title="What kind of head each one is", facts=facts, paper=paper)


def draw_head_effect(effect: HeadEffect, *, model: str = "", paper: Paper = "light") -> "Figure":
    """What each head's absence changes, beside what its attention suggests."""
    where, what, choices = {
        "question_answering": ("answer's tokens give", "answer", "start and end of the answer"),
        "masked_words": ("masked tokens give", "masked words", "predicted words"),
        "classification": ("first token gives", "class", "class"),
    }[effect.task]
    panels = [
        Panel("Effect", effect.effect, effect.unit),
        Panel("What its attention suggests", effect.attention, f"share that the {where} to tokens that are not special"),
        Panel("Loss of what was chosen", effect.drop.mean(0), "bits of log-probability, mean over positions", "symmetric",
              ("less likely without the head", "more likely")),
    ]  # fmt: skip
    chosen = ", ".join(f"{c!r} {p:.3f}" for c, p in zip(effect.choices, effect.probability.tolist(), strict=True))
    facts = [
        *_about(effect.tokens, None, model),
        f"{choices}, with {'its' if len(effect.choices) == 1 else 'their'} probability: {chosen}",
        f"one head at a time set to zero; rank correlation of effect and attention over heads: {effect.spearman:.2f}",
    ]
    title = f"What each head does to the {what}"
    return head_grids(panels, effect.layers, effect.heads, title=title, facts=facts, paper=paper)


def part(
    values: Float[Tensor, "layer head"], layers: Sequence[int], heads: Sequence[int]
) -> Float[Tensor, "chosen_layer chosen_head"]:
    """Those layers, from 1, and those heads, from 0."""
    return values[[n - 1 for n in layers]][:, list(heads)]


def ranges(heads: Sequence[int]) -> str:
    """0, 3, 4, 5 as `0, 3-5`."""
    runs: list[list[int]] = []
    for head in heads:
        if runs and runs[-1][-1] == head - 1:
            runs[-1].append(head)
        else:
            runs.append([head])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _about(tokens: Tokens, pooled: Pooling | None, model: str, every: bool = False) -> list[str]:
    """The text as it was given, and how many tokens a network made of it; every one of few, for pictures that name none."""
    texts = " ".join(f"“{text if len(text) <= LONGEST else text[:LONGEST].rstrip() + '…'}”" for text in tokens.texts[0])
    count = f"{tokens.lengths[0]} {'tokens' if pooled is None else 'words and special tokens'}"
    named = f": {' · '.join(labels(tokens))}" if every and tokens.lengths[0] <= MOST_NAMED else ""
    return [texts, f"{model}: {count}{named}" if model else count + named]
