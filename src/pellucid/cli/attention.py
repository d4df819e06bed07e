"""`pellucid attention TEXT [CONTEXT]`"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pellucid.cli.answer import given_text
from pellucid.cli.console import ENCODER, json_flag, numbers, out_flag, print_json, print_table, progress
from pellucid.cli.names import text_stem

if TYPE_CHECKING:  # torch is imported when the command runs, not for its help
    from matplotlib.figure import Figure

    from pellucid.analysis.attention import Attention
    from pellucid.analysis.head_effect import HeadEffect
    from pellucid.analysis.head_statistics import HeadStatistics
    from pellucid.inputs.text import Tokens
    from pellucid.models.activations import Activations
    from pellucid.models.text import TextEncoder

VIEWS = ("arcs", "heat", "overview", "statistics", "rollout", "flow", "effect")
SHOWN = 12
"""Lines of a printed table."""


def _command() -> click.Command:
    params: list[click.Parameter] = [
        click.Argument(["text"]),
        click.Argument(["context"], required=False),
        click.Option(["--model", "-m"], default="minilm", show_default=True,
                     help=ENCODER),
        click.Option(["--view"], type=click.Choice(VIEWS), default="arcs", show_default=True, help="What to draw."),
        click.Option(["--layer"], metavar="N|all",
                     help="From 1; -1 is the last.  [default: the last; all for overview, statistics and effect]"),
        click.Option(["--heads"], default="all", show_default=True, metavar="HEADS",
                     help="Numbers from 0 and ranges, such as 0,3-5, or all."),
        click.Option(["--mean"], is_flag=True, help="Show the chosen heads' mean rather than their sum."),
        click.Option(["--by-word"], type=click.Choice(["mean", "sum", "max", "first"]),
                     help="Join wordpieces into words. Attention to a word is the sum over its pieces and from it their mean, "
                     "whichever is given; the four differ for hidden states."),
        click.Option(["--hide-special"], is_flag=True, help="Hide [CLS], [SEP] and their like. Nothing is renormalised."),
        click.Option(["--mass"], type=click.FloatRange(0, 1, min_open=True), default=1.0, show_default=True,
                     help="Keep of every query the strongest keys that carry this share of its attention."),
        click.Option(["--mask", "masks"], type=int, multiple=True, metavar="TOKEN",
                     help="Hide this token from the network, by its number from 0; may be given again."),
        out_flag,
        click.Option(["--format", "suffix"], type=click.Choice(["png", "svg"]), default="png", show_default=True),
        json_flag,
    ]  # fmt: skip
    return click.Command(
        "attention",
        params=params,
        callback=run,
        help="Show what each token of TEXT attends to, head by head; with CONTEXT, TEXT is the question. - reads standard "
        "input.\n\n"
        "arcs: lines from query to key. heat: a map of them. overview: every head. statistics: numbers of every head. rollout "
        "and flow: attention of all heads followed down to the input (Abnar and Zuidema 2020). effect: what changes when "
        "a head is taken out, beside what its attention suggests; needs an encoder that answers, such as minilm-qa, minilm-mlm "
        "or the folder of a classifier. --mass thins out the first three only.",
        epilog='Example: pellucid attention "The bank was steep." --layer 4 --heads 0,3-5 --hide-special --mass 0.7',
    )


def run(
    text: str, context: str | None, model: str, view: str, layer: str | None, heads: str, mean: bool, by_word: Any,
    hide_special: bool, mass: float, masks: tuple[int, ...], out: Path, suffix: str, as_json: bool,
) -> int:  # fmt: skip
    """Read, compute, draw, and print what was found."""
    from pellucid.analysis.attention import attend
    from pellucid.analysis.head_statistics import head_statistics
    from pellucid.models.load import load_encoder
    from pellucid.render.figures import save

    chosen = None if heads == "all" else numbers(heads.split(","), "head", "--heads", "0,3-5, or all")
    wanted = _layer(layer)
    encoder = load_encoder(model)
    tokens = encoder.read(given_text(text), context and given_text(context))
    if masks:
        tokens = encoder.hide(tokens, masks)
    if view == "effect" and by_word:
        raise ValueError("the effect of a head is measured on wordpieces, as the network reads them; leave out --by-word")
    activations = encoder.activations(tokens)
    activations = activations.by_word(by_word) if by_word else activations
    every = list(range(1, activations.layers + 1))
    if wanted is None:
        layers = every if view in ("overview", "statistics", "effect") else [activations.layers]
    else:
        layers = every if wanted == "all" else [activations.block(int(wanted))]
    seen = [
        attend(
            activations, n, chosen, combine="mean" if mean else "sum", hide_special=hide_special, mass=mass
        )
        for n in layers
    ]  # fmt: skip
    statistics = head_statistics(activations)
    effect = _effect(encoder, tokens, layers, chosen) if view == "effect" else None
    followed = _followed(activations, view, layers) if view in ("rollout", "flow") else []
    pictures = _draw(encoder, view, seen, statistics, effect, followed)
    assert tokens.masked is not None
    shown = (heads, by_word, mean, mass, hide_special)
    stem = text_stem(tokens.texts[0][0], encoder.name, tokens.texts, tokens.masked.nonzero().tolist(), shown)
    out.mkdir(parents=True, exist_ok=True)
    files = [save(figure, out / f"{stem}.{name}.{suffix}") for name, figure in pictures]
    if as_json:
        document = _document(encoder, seen, statistics, effect)
        if followed:
            document[view] = [
                {"layer": a.layer, "weights": _rounded(one)} for a, one in zip(seen, followed, strict=True)
            ]  # fmt: skip
        print_json({"view": view, **document, "pictures": [str(path) for path in files]})
    else:
        _print(view, seen, statistics, effect, followed)
        for path in files:
            click.echo(f"picture: {path}")
    return 0


def _effect(encoder: "TextEncoder", tokens: "Tokens", layers: Sequence[int], heads: Sequence[int] | None) -> "HeadEffect":
    from pellucid.analysis.head_effect import head_effect

    with progress(1.0, "taking out heads") as advance:
        return head_effect(
            encoder, tokens, layers=layers, heads=heads, progress=lambda share: advance(share, "taking out heads")
        )


def _followed(activations: "Activations", view: str, layers: Sequence[int]) -> list[Any]:
    """Of each layer, the matrix "query key" of rollout or flow."""
    from pellucid.analysis.rollout import attention_flow, rollout

    if view == "rollout":
        through = rollout(activations)[:, 0]
        return [through[n - 1] for n in layers]
    with progress(float(len(layers)), "flow") as advance:
        return [
            attention_flow(activations, n, progress=lambda share, at=at: advance(at + share, "flow"))
            for at, n in enumerate(layers)
        ]


def _draw(
    encoder: "TextEncoder", view: str, seen: Sequence["Attention"], statistics: "HeadStatistics", effect: "HeadEffect | None",
    followed: Sequence[Any],
) -> list[tuple[str, "Figure"]]:  # fmt: skip
    """Every picture of the view with its part of the file's name."""
    from pellucid.pictures import attention as pictures

    model, first = encoder.called, seen[0]
    if view in ("arcs", "heat"):
        return [(f"layer-{a.layer}.{view}", pictures.draw_attention(a, view, model=model)) for a in seen]
    if view in ("rollout", "flow"):
        return [
            (f"layer-{a.layer}.{view}",
             pictures.draw_followed(one, a.tokens, a.layer, view, hide_special=a.hide_special, pooled=a.pooled, model=model))
            for a, one in zip(seen, followed, strict=True)
        ]  # fmt: skip
    if view == "overview":
        return [(view, pictures.draw_overview(seen, model=model))]
    if view == "statistics":
        return [(view, pictures.draw_head_statistics(
            statistics, [a.layer for a in seen], first.heads, tokens=first.tokens, model=model
        ))]  # fmt: skip
    assert effect is not None
    return [(view, pictures.draw_head_effect(effect, model=model))]


def _document(
    encoder: "TextEncoder", seen: Sequence["Attention"], statistics: "HeadStatistics", effect: "HeadEffect | None"
) -> dict[str, Any]:
    from pellucid.pictures.attention import part

    first = seen[0]
    tokens, heads = first.tokens, first.heads
    document: dict[str, Any] = {
        "model": encoder.name, "texts": list(tokens.texts[0]), "layers": [a.layer for a in seen], "heads": list(heads),
        "combine": first.combine, "hide_special": first.hide_special, "mass": first.mass, "by_word": first.pooled,
        "rule": first.rule, "tokens": _tokens(tokens),
        "attentions": [
            {"layer": a.layer, "edges": [
                {"query": e.query, "key": e.key, "weight": round(e.weight, 6), "heads": [round(h, 6) for h in e.heads]}
                for e in a.edges
            ]}
            for a in seen
        ],
        "statistics": {
            "queries": statistics.queries,
            **{name: _rounded(part(v, [a.layer for a in seen], heads)) for name, v in statistics.table.items()},
        },
    }  # fmt: skip
    if effect is not None:
        document["effect"] = {
            "task": effect.task, "positions": list(effect.positions), "choices": list(effect.choices),
            "probability": effect.probability.tolist(), "unit": effect.unit, "effect": effect.effect.tolist(),
            "divergence_bits": effect.divergence.tolist(), "drop_bits": effect.drop.tolist(),
            "probability_change": effect.change.tolist(), "attention": _rounded(effect.attention),
            "spearman": effect.spearman, "passes": effect.passes,
        }  # fmt: skip
    return document


def _tokens(tokens: "Tokens") -> list[dict[str, Any]]:
    assert tokens.masked is not None
    return [
        {
            "index": at, "piece": tokens.pieces[0][at], "surface": tokens.surface(0, at), "role": role,
            "part": int(tokens.parts[0, at]), "start": int(tokens.offsets[0, at, 0]), "end": int(tokens.offsets[0, at, 1]),
            "word": int(tokens.words[0, at]), "masked": bool(tokens.masked[0, at]),
        }
        for at, role in enumerate(tokens.roles[0])
    ]  # fmt: skip


def _print(
    view: str, seen: Sequence["Attention"], statistics: "HeadStatistics", effect: "HeadEffect | None", followed: Sequence[Any]
) -> None:
    from pellucid.pictures.attention import part, weight_of

    first = seen[0]
    if view in ("arcs", "heat"):
        found = [(a.layer, e.weight, a.labels[e.query], a.labels[e.key]) for a in seen for e in a.edges]
        _pairs(found, weight_of(first))
    elif followed:
        _pairs([
            (a.layer, float(one[q, k]), a.labels[q], a.labels[k])
            for a, one in zip(seen, followed, strict=True) for q in range(len(one)) for k in range(len(one)) if q != k
        ], view)  # fmt: skip
    elif view == "statistics":
        table = {name: part(values, [a.layer for a in seen], first.heads) for name, values in statistics.table.items()}
        print_table(
            ("LAYER", "HEAD", *(name.upper() for name in table)),
            [(str(a.layer), str(head), *(f"{values[row, at]:.3f}" for values in table.values()))
             for row, a in enumerate(seen) for at, head in enumerate(first.heads)],
        )  # fmt: skip
    elif effect is not None:
        order = effect.effect.flatten().argsort(descending=True, stable=True).tolist()[:SHOWN]
        places = [(at // len(effect.heads), at % len(effect.heads)) for at in order]
        print_table(
            ("LAYER", "HEAD", "EFFECT (BITS)", "LOSS OF CHOICE (BITS)", "ATTENTION"),
            [(str(effect.layers[r]), str(effect.heads[h]), f"{effect.effect[r, h]:.3g}", f"{effect.drop.mean(0)[r, h]:+.3g}",
              f"{effect.attention[r, h]:.3f}") for r, h in places],
        )  # fmt: skip
        click.echo(f"rank correlation of effect and attention over {effect.effect.numel()} heads: {effect.spearman:.2f}")


def _pairs(found: list[tuple[int, float, str, str]], what: str) -> None:
    found = sorted(found, key=lambda one: -one[1])[:SHOWN]
    print_table(("LAYER", "QUERY", "KEY", what.upper()), [(str(n), query, key, f"{w:.3f}") for n, w, query, key in found])


def _rounded(values: Any) -> list[list[float]]:
    return [[round(v, 6) for v in row] for row in values.tolist()]


def _layer(text: str | None) -> str | None:
    if text is not None and text != "all" and not re.fullmatch(r"-?\d+", text):
        raise click.BadParameter(f"{text!r} is no layer; give a number from 1, -1 for the last, or all", param_hint="--layer")
    return text


attention = _command()
