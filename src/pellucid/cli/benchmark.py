"""`pellucid benchmark [METHOD...]`"""

from dataclasses import asdict
from typing import Any

import click

from pellucid.cli.console import json_flag, model_flag, print_json, print_table, progress


@click.command(
    params=[model_flag, json_flag], epilog="Example: pellucid benchmark saliency integrated_gradients --photographs 3"
)
@click.argument("names", nargs=-1, metavar="[METHOD]...")
@click.option("--photographs", type=click.IntRange(0, 10), default=10, show_default=True, help="Observation images to take.")
@click.option("--no-plants", is_flag=True, help="Leave out the networks whose cause is known.")
@click.option("--markdown", is_flag=True, help="Print the table as Markdown.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Makes it repeatable.")
def benchmark(
    names: tuple[str, ...], photographs: int, no_plants: bool, markdown: bool, seed: int, model: str, as_json: bool
) -> int:
    """Grade methods, all of them by default: do they find a planted cause, and do their maps hold up on photographs?

    Plants are small networks trained here, in seconds, on data made here, so that what decides is known. Each grade has its
    95 % interval over images; RANK says between which places 95 % of resamples put the method.
    """
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
            g.method, _between(g.found), _between(g.advantage), _between(g.randomised), _between(g.holds_up),
            "-" if g.rank is None else f"{g.rank[0]} to {g.rank[1]}", f"{g.passes:.0f}", f"{g.seconds:.2g} s",
        )
        for g in grades
    ]  # fmt: skip
    header = ("METHOD", "FINDS THE CAUSE", "OVER RANDOM", "RANDOM WEIGHTS", "HOLDS UP", "RANK", "PASSES", "TIME")
    if markdown:
        for cells in (header, ["---"] * len(header), *rows):
            click.echo(f"| {' | '.join(cells)} |")
    else:
        print_table(header, rows)
    for g in grades:
        if g.failed:
            click.echo(f"{g.method}: {g.failed}", err=True)
    return 0


def _between(interval: Any) -> str:
    return "-" if interval is None else f"{interval.value:.2f} ({interval.low:.2f} to {interval.high:.2f})"
