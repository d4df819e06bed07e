"""`pellucid benchmark [METHOD...]`"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from pellucid.cli.console import engine_flag, json_flag, model_flag, print_json, print_table, progress, readable


@click.command(
    params=[model_flag, engine_flag, json_flag],
    epilog="Example: pellucid benchmark lime smoothgrad:samples=50 smoothgrad:samples=200 --on photos/ --no-plants",
)
@click.argument("names", nargs=-1, metavar="[METHOD]...")
@click.option("--on", "sources", multiple=True, metavar="SOURCE", help="Your own pictures; may be given again.")
@click.option("--photographs", type=click.IntRange(0, 10), default=10, show_default=True, help="Observation images to take.")
@click.option("--no-plants", is_flag=True, help="Leave out the networks whose cause is known.")
@click.option("--text", is_flag=True, help="Grade the methods that score the tokens of a text.")
@click.option("--markdown", is_flag=True, help="Print the table as Markdown.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Makes it repeatable.")
@click.pass_context
def benchmark(
    context: click.Context,
    names: tuple[str, ...],
    sources: tuple[str, ...],
    photographs: int,
    no_plants: bool,
    text: bool,
    markdown: bool,
    seed: int,
    model: str,
    engine: str | None,
    as_json: bool,
) -> int:
    """Grade methods, all of them by default: do they find a planted cause, and do their maps hold up on photographs?

    Plants are small networks trained here, in seconds, on data made here, so that what decides is known. Each grade has its
    95 % interval over images, "-" where there is one; RANK says between which places 95 % of resamples put the method.

    A METHOD may have options: smoothgrad:samples=200,noise=0.1, of which preset, tolerance and deadline (for all pictures
    together) may be some. Pictures are the ten observation images, or each SOURCE: a picture, a folder of pictures,
    observation:0 to observation:9. Plants run on torch whatever --engine says.

    With --text the methods are those that score tokens, and the photographs worked examples of question answering by --model,
    "minilm-qa" by default.
    """

    def left_out(name: str) -> bool:
        return context.get_parameter_source(name) is click.core.ParameterSource.DEFAULT

    def refuse(*flags: str, beside: str) -> None:
        for flag in flags:
            if not left_out({"on": "sources", "json": "as_json"}.get(flag, flag)):
                raise click.UsageError(f"--{flag} does not go with {beside}; leave one of them out")

    pictures = list(sources) or [f"observation:{n}" for n in range(photographs)]
    if sources:
        refuse("photographs", beside="--on, which names the pictures")
    if markdown:
        refuse("json", beside="--markdown")
    if text:
        refuse("photographs", "on", "engine", beside="--text, which grades methods for texts")
        model = "minilm-qa" if left_out("model") else model
    elif not pictures:
        refuse("model", "engine", beside="no photographs")
        if no_plants:
            raise click.UsageError("without plants and without photographs there is nothing to grade on")
    from pellucid.benchmark import asked_for, benchmark_text
    from pellucid.benchmark import benchmark as benchmark_pictures

    failed: list[dict[str, str]] = []
    with progress(1.0, "plants") as advance:
        if text:
            made: Any = benchmark_text(names or None, encoder=model, plants=not no_plants, seed=seed, progress=advance)
        else:
            asked_for(names or None)  # what is wrong with it is said before a network is read
            classifier, read = _read(model, engine, pictures, failed) if pictures else (model, None)
            made = benchmark_pictures(
                names or None, model=classifier, on=read, plants=not no_plants, seed=seed, progress=advance
            )
    if as_json:
        said = {"model": model if made.images else None, "images": list(made.images), "seed": seed, "plants": dict(made.plants)}
        print_json({**said, "grades": [asdict(g) for g in made], "failed": failed})
    elif markdown:
        click.echo(made.markdown())
    else:
        print_table(*made.table())
    for reason in () if markdown else made.failures():
        click.echo(reason, err=True)
    return 1 if failed or made.failures() else 0


def _read(model: str, engine: str | None, sources: Sequence[str], failed: list[dict[str, str]]) -> tuple[Any, list[str]]:
    """The network, and the pictures that it can read; of the others it is said why not."""
    from pellucid.models.load import load_classifier

    classifier = load_classifier(model).on(engine)
    return classifier, readable(classifier, sources, failed)
