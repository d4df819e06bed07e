"""A word compared across sentences, drawn: what `analysis` found, put before `render`."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from pellucid.analysis.senses import Separation
from pellucid.analysis.similarity import Comparison
from pellucid.render.figures import Paper
from pellucid.render.similarity import separation_curves, similarity_matrix, similarity_strip


def draw(
    made: Mapping[str, Comparison], apart: Mapping[str, Separation], correction: str, layer: int, *, paper: Paper = "light"
) -> dict[str, Figure]:
    """`matrix` of that layer; of several layers, `layers` side by side and, with senses, `separation`: how far they lie apart.

    `made` and `apart` are by correction: pictures are of the one that is named, the curves of all that are there. `apart` may
    be empty.
    """
    main = made[correction]
    unit, similarity = unit_of(main), main.metric == "cosine"
    labels = apart[correction].labels if apart else ()
    title = f"The word {_named(main)} in {len(main.chosen)} sentences"
    reference = f"estimated over {main.reference_tokens:,} tokens of {main.reference}"
    at = main.layers.index(layer)
    facts = [main.rule, f"two random words: {two(main.baseline[at])}, {reference}"]
    if apart:
        facts += [f"layer {layer} of {main.layers[0]} to {main.layers[-1]}: {_sentence(apart[correction], at)}"]
    figures = {
        "matrix": similarity_matrix(
            main.at(layer),
            main.parts,
            unit,
            similarity=similarity,
            groups=labels,
            title=f"{title}, layer {layer}",
            facts=facts,
            paper=paper,
        )
    }
    if len(main.layers) == 1:
        return figures
    captions = [f"random words {two(b)}" for b in main.baseline]
    if apart:
        captions = [f"apart by {two(d)}\n{c}" for d, c in zip(apart[correction].difference, captions, strict=True)]
    figures["layers"] = similarity_strip(
        main.matrices, main.layers, unit, similarity=similarity, groups=labels, captions=captions,
        title=f"{title}, layer by layer", facts=[main.rule, "layer 0 is the embedding layer; one scale for all"],
        paper=paper,
    )  # fmt: skip
    if apart:
        # distances of differently corrected vectors have different units: as shares of two random words' they compare
        per = {kind: 1.0 if similarity else made[kind].baseline for kind in apart}
        curves = {
            {"none": "as they are"}.get(kind, kind): (one.difference / per[kind], one.low / per[kind], one.high / per[kind])
            for kind, one in apart.items()
        }
        first = next(iter(apart.values()))
        figures["separation"] = separation_curves(
            curves, main.layers, "similarity within minus between" if similarity else "share of random words' distance",
            title=f"The word {_named(main)}: how far its senses lie apart", paper=paper,
            facts=[
                main.rule.partition(" hidden")[0] + f" hidden states; pieces of a word pooled by {main.pooling}",
                ("mean similarity within senses minus between" if similarity else
                 "mean distance between senses minus within, as a share of two random words' distance")
                + f"; bands: {first.level:.0%} of {first.resamples:,} resamples of the sentences",
            ],
        )  # fmt: skip
    return figures


def unit_of(comparison: Comparison) -> str:
    if comparison.metric == "cosine":
        return "cosine similarity"
    return "Euclidean distance" + (" in standard deviations" if comparison.correction == "standardised" else "")


def _named(comparison: Comparison) -> str:
    words = list(dict.fromkeys(one.word.casefold() for one in comparison.chosen))
    return f"“{' / '.join(words[:3])}{' …' if len(words) > 3 else ''}”"


def two(value: Any) -> str:
    """Two decimals, three digits of large ones, and no minus before zero."""
    number = float(value)
    return (f"{number:.2f}" if abs(number) < 100 else f"{number:.3g}").replace("-0.00", "0.00")


def _sentence(one: Separation, at: int) -> str:
    sign = (
        "similarity within senses {} and between {}" if one.metric == "cosine" else "distance within senses {} and between {}"
    )
    return (
        f"{sign.format(two(one.within[at]), two(one.between[at]))}, apart by {two(one.difference[at])} "
        f"({one.level:.0%} interval {two(one.low[at])} to {two(one.high[at])}), p = {float(one.p[at]):.2g}"
    )
