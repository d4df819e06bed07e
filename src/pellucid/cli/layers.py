"""`pellucid layers [QUESTION CONTEXT]`"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pellucid.cli.answer import given_text
from pellucid.cli.console import ENCODER, json_flag, out_flag, print_json, print_table, progress
from pellucid.cli.names import asked_plainly, text_stem

if TYPE_CHECKING:
    from pellucid.analysis.phases import Phase, Phases

POOLINGS = ("mean", "sum", "max", "first")


@click.command(
    epilog='Example: pellucid layers --example errand; or: pellucid layers "Who repaired the lamp?" '
    '"Ann lives by the sea. The young keeper repaired the lamp. Her brother sells fish."'
)
@click.argument("question", required=False)
@click.argument("context", required=False)
@click.option(
    "--example", "-e", "example_id", metavar="ID", help="A worked example that ships: lighthouse, errand or observatory."
)
@click.option("--model", "-m", default="minilm-qa", show_default=True, help=ENCODER)
@click.option(
    "--against",
    default="minilm",
    show_default=True,
    metavar="MODEL",
    help="An encoder whose phases are drawn beside the model's; none for no other.",
)
@click.option(
    "--basis",
    type=click.Choice(["layer", "shared"]),
    default="layer",
    show_default=True,
    help="One PCA a layer, each picture turned onto the one before, or one PCA of all layers together.",
)
@click.option(
    "--align/--no-align", default=True, show_default=True, help="With one PCA a layer: turn each onto the one before."
)
@click.option("--trails", is_flag=True, help="With the shared basis: draw where each token lay a layer before.")
@click.option(
    "--answer", "answer_text", metavar="TEXT", help="The answer, letter for letter.  [default: what the model answers]"
)
@click.option("--components", type=click.IntRange(min=2), default=2, show_default=True, help="Dimensions; two are drawn.")
@click.option("--specials/--no-specials", default=True, show_default=True, help="Keep [CLS] and [SEP].")
@click.option("--by-word", type=click.Choice(POOLINGS), help="Whole words, their pieces pooled so.  [default: wordpieces]")
@click.option("--samples", type=click.IntRange(min=1), default=1000, show_default=True, help="Bootstrap samples of the bands.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Makes the bands repeatable.")
@click.option("--format", "suffix", type=click.Choice(["png", "svg"]), default="png", show_default=True)
def layers(
    question: str | None, context: str | None, example_id: str | None, model: str, against: str, basis: Any, align: bool,
    trails: bool, answer_text: str | None, components: int, specials: bool, by_word: Any, samples: int, seed: int, suffix: str,
    out: Path, as_json: bool,
) -> int:  # fmt: skip
    """Show a QUESTION and its CONTEXT (- reads it from standard input) moving through the layers of an encoder.

    One scatter plot a layer (PCA of the hidden states), and four measured phases of question answering over the layers, beside
    those of another encoder: words of one topic gather, entities meet their attributes, the question meets its supporting
    facts, the answer stands apart.
    """
    from pellucid.analysis.passages import example, examples, find_answer, passage
    from pellucid.analysis.projection import project
    from pellucid.analysis.readings import groups_of, measured, predicted_answer, read_marked, with_topics
    from pellucid.models.load import load_encoder
    from pellucid.pictures.layers import draw_layers, draw_phases
    from pellucid.render.figures import save

    if example_id is None and (question is None or context is None):
        raise click.UsageError(f"give a QUESTION and a CONTEXT, or --example with one of: {', '.join(examples())}")
    if example_id is not None and question is not None:
        raise click.UsageError("give a QUESTION and a CONTEXT or --example, not both")
    if trails and basis != "shared":
        raise click.UsageError("--trails needs --basis shared: other pictures have each their own axes")
    shown = example(example_id) if example_id else None
    question, context = (shown.question, shown.context) if shown else map(given_text, (question or "", context or ""))
    with progress(4.0, f"load {model}") as advance:
        encoder = load_encoder(model)
        other = None if against in ("", "none", model) else load_encoder(against)
        tokens = encoder.read(question, context)
        advance(1.0, "find the answer")
        if answer_text:
            facts = shown.passage().support if shown else ()
            span, origin = find_answer(context, answer_text, facts), "given"
        else:
            span, origin = predicted_answer(encoder, question, context)
        marks = shown.passage(span) if shown else passage(question, context, answer=span)
        if shown and span is None:
            origin = f"example ({origin})"
        advance(2.0, f"layers of {encoder.called}")
        act = read_marked(encoder, tokens, marks, by_word)
        marks, topics = with_topics(marks, act)
        phases = {encoder.name: measured(act, marks, samples, seed)}
        if other is not None:
            beside = read_marked(other, other.read(question, context), marks, by_word)
            phases[other.name] = measured(beside, marks, samples, seed)
        advance(3.0, "draw")
        made = project(act, basis=basis, components=components, specials=specials, align=align)
        groups = groups_of(act, marks)
        how = (answer_text, basis, align, trails, components, specials, by_word, samples, seed)
        stem = text_stem(example_id or question.casefold(), question, context, encoder.name, other and other.name, how)
        if example_id and asked_plainly(click.get_current_context(), "example_id", "out", "suffix", "as_json"):
            stem = example_id
        out.mkdir(parents=True, exist_ok=True)
        title = f"{encoder.called}: {question}"
        pictures = {"layers": out / f"{stem}.layers.{suffix}", "phases": out / f"{stem}.phases.{suffix}"}
        save(draw_layers(made, groups.facts, title=title, trails=trails), pictures["layers"])
        save(draw_phases(phases, title=question), pictures["phases"])
    said = context[slice(*marks.answer)] if marks.answer else None
    if marks.answer is None:
        click.echo(f"note: no answer is marked ({origin}); give one with --answer", err=True)
    document = {
        "question": question, "context": context, "example": example_id, "model": encoder.name,
        "answer": said, "answer_span": marks.answer, "answer_from": origin, "topics_from": topics,
        "marks": {
            "support": [context[slice(*s)] for s in marks.support],
            "topics": [[context[slice(*w)] for w in topic] for topic in marks.topics],
            "pairs": [[context[slice(*a)], context[slice(*b)]] for a, b in marks.pairs],
        },
        "projection": {
            "method": made.method, "basis": made.basis, "aligned": made.aligned, "pooled": made.pooled,
            "places": made.places, "tokens": made.labels, "roles": made.roles,
            "supporting": [at in set(groups.facts) for at in made.places],
            "coordinates": made.coordinates.tolist(), "explained_variance_ratio": made.explained_variance_ratio.tolist(),
            "trustworthiness": made.trustworthiness.tolist(), "neighbours": made.neighbours,
        },
        "phases": {name: _as_json(p) for name, p in phases.items()},
        "pictures": {key: str(path) for key, path in pictures.items()},
    }  # fmt: skip
    print_json(document) if as_json else _print(document, phases)
    return 0


layers.params[-1:-1] = [out_flag, json_flag]


def _as_json(phases: "Phases") -> dict[str, Any]:
    curves = {
        p.name: {
            "value": p.value.tolist(), "low": p.low.tolist(), "high": p.high.tolist(), "meaning": p.meaning,
            "resampled": p.resampled, "size": p.size, "not_measured": p.why_not or None,
        }
        for p in phases.all
    }  # fmt: skip
    return {**curves, "samples": phases.samples, "seed": phases.seed, "pooled": phases.pooled}


def _cell(phase: "Phase", layer: int) -> str:
    from pellucid.render.numbers import number

    if not phase.measured:
        return "-"
    value, low, high = (number(float(curve[layer]), 2) for curve in (phase.value, phase.low, phase.high))
    return value if phase.low[layer].isnan() else f"{value} [{low}, {high}]"  # of a single pair there is nothing to resample


def _print(document: dict[str, Any], phases: "dict[str, Phases]") -> None:
    if document["answer"] is not None:
        click.echo(f"answer: {document['answer']} (from: {document['answer_from']})")
    made = document["projection"]
    names = [p.name for p in next(iter(phases.values())).all]
    rows = []
    for n, (shares, trust) in enumerate(zip(made["explained_variance_ratio"], made["trustworthiness"], strict=True)):
        cells = [_cell(p, n) for p in phases[document["model"]].all]
        rows.append((str(n), f"{sum(shares):.1%}".replace("%", " %"), f"{trust:.2f}", *cells))
    print_table(("LAYER", "VARIANCE SHOWN", "TRUSTWORTHINESS", *(name.upper() for name in names)), rows)
    for key, path in document["pictures"].items():
        click.echo(f"{key}: {path}")
