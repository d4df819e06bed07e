"""`pellucid benchmark [METHOD...]`"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, get_args

import click

from pellucid.cli.console import json_flag, model_flag, print_json, print_table, progress


@click.command(
    params=[model_flag, json_flag], epilog="Example: pellucid benchmark saliency integrated_gradients --photographs 3"
)
@click.argument("names", nargs=-1, metavar="[METHOD]...")
@click.option("--text", is_flag=True, help="Grade the methods that score the tokens of a text.")
@click.option("--photographs", type=click.IntRange(0, 10), default=10, show_default=True, help="Observation images to take.")
@click.option("--no-plants", is_flag=True, help="Leave out the networks whose cause is known.")
@click.option("--markdown", is_flag=True, help="Print the table as Markdown.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Makes it repeatable.")
@click.pass_context
def benchmark(
    context: click.Context,
    names: tuple[str, ...],
    text: bool,
    photographs: int,
    no_plants: bool,
    markdown: bool,
    seed: int,
    model: str,
    as_json: bool,
) -> int:
    """Grade methods, all of them by default: do they find a planted cause, and do their maps hold up on photographs?

    Plants are small networks trained here, in seconds, on data made here, so that what decides is known. Each grade has its
    95 % interval over images, "-" where there is one; RANK says between which places 95 % of resamples put the method. With
    --text the methods are those that score tokens, and the photographs worked examples of question answering by --model,
    "minilm-qa" by default.
    """
    if text:
        default = click.core.ParameterSource.DEFAULT
        if context.get_parameter_source("photographs") is not default:
            raise click.UsageError("--photographs goes with methods for pictures; leave it out beside --text")
        reader = "minilm-qa" if context.get_parameter_source("model") is default else model
        return _text(names, no_plants, markdown, seed, reader, as_json)
    from pellucid.grades import grade
    from pellucid.methods import methods
    from pellucid.models.load import load_classifier
    from pellucid.planted import plants

    chosen = list(names) or list(methods)
    for name in chosen:
        methods[name]  # an unknown name is wrong before any work is done
    if no_plants and not photographs:
        raise click.UsageError("without plants and without photographs there is nothing to grade on")
    with progress(1.0, "plants") as advance:
        grown: dict[str, Any] = {}
        for n, (name, grow) in enumerate(() if no_plants else plants.items()):
            advance(0.2 * n / len(plants), f"training the plant {name}")
            grown[name] = grow(seed)
        classifier = load_classifier(model) if photographs else None
        images = None if classifier is None else classifier.read([f"observation:{n}" for n in range(photographs)])
        grades = grade(
            chosen, grown, classifier, images, seed=seed, progress=lambda share, what: advance(0.2 + 0.8 * share, what)
        )
    if as_json:
        print_json({"model": model if photographs else None, "photographs": photographs, "seed": seed, "plants": {
            name: {"description": p.description, "accuracy": p.accuracy} for name, p in grown.items()
        }, "grades": [asdict(g) for g in grades]})  # fmt: skip
        return 0
    rows = [
        (
            g.method,
            *map(_between, (g.found, g.magnitude, g.advantage, g.randomised, g.holds_up)),
            _rank(g.rank), f"{g.passes:.0f}", f"{g.seconds:.2g} s",
        )
        for g in grades
    ]  # fmt: skip
    header = (
        "METHOD", "FINDS THE CAUSE", "BY MAGNITUDE", "OVER RANDOM", "RANDOM WEIGHTS", "HOLDS UP", "RANK", "PASSES", "TIME",
    )  # fmt: skip
    _print(header, rows, markdown)
    for g in grades:
        if g.failed:
            click.echo(f"{g.method}: {g.failed}", err=True)
    return 0


def _between(interval: Any) -> str:
    if interval is None:
        return "-"
    between = (
        "-" if interval.low != interval.low else f"{interval.low:.2f} to {interval.high:.2f}"
    )  # not a number: of one image
    return f"{interval.value:.2f} ({between})"


def _text(names: tuple[str, ...], no_plants: bool, markdown: bool, seed: int, model: str, as_json: bool) -> int:
    from pellucid.analysis.planted_text import Plant, plant_text
    from pellucid.analysis.token_scores import TokenMethod
    from pellucid.grades_text import grade_text
    from pellucid.models.load import load_encoder
    from pellucid.registry import UnknownName, unknown

    known: tuple[TokenMethod, ...] = get_args(TokenMethod)
    for name in names:
        if name not in known:
            raise UnknownName(unknown("method for text", name, known))
    chosen: list[TokenMethod] = [name for name in known if not names or name in names]
    kinds: tuple[Plant, ...] = () if no_plants else get_args(Plant)
    with progress(1.0, "plants") as advance:
        grown = []
        for n, kind in enumerate(kinds):
            advance(0.5 * n / len(kinds), f"training the plant {kind}")
            grown.append(plant_text(kind, seed))
        encoder = load_encoder(model)
        grades = grade_text(chosen, grown, encoder, seed=seed, progress=lambda share, what: advance(0.5 + 0.5 * share, what))
    if as_json:
        print_json({"model": model, "seed": seed, "plants": {
            one.name: {"description": one.description, "accuracy": one.accuracy} for one in grown
        }, "grades": [asdict(g) for g in grades]})  # fmt: skip
        return 0
    rows = [
        (
            g.method, _between(g.found), _between(g.comprehensiveness), _between(g.sufficiency), _rank(g.rank),
            f"{g.passes:.0f}", f"{g.seconds:.2g} s",
        )
        for g in grades
    ]  # fmt: skip
    _print(("METHOD", "FINDS THE CAUSE", "COMPREHENSIVE", "SUFFICIENT", "RANK", "PASSES", "TIME"), rows, markdown)
    return 0


def _print(header: Sequence[str], rows: Sequence[Sequence[str]], markdown: bool) -> None:
    if not markdown:
        print_table(header, rows)
        return
    for cells in (header, ["---"] * len(header), *rows):
        click.echo(f"| {' | '.join(cells)} |")


def _rank(rank: tuple[int, int] | None) -> str:
    return "-" if rank is None else f"{rank[0]} to {rank[1]}"
