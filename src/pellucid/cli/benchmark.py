"""`pellucid benchmark [METHOD...]`"""

from dataclasses import asdict
from typing import Any

import click

from pellucid.cli.console import engine_flag, json_flag, model_flag, print_json, print_table, progress


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

    A METHOD may have options: smoothgrad:samples=200,noise=0.1, of which preset, tolerance and deadline may be some. Pictures
    are the ten observation images, or each SOURCE: a picture, a folder of pictures, observation:0 to observation:9.

    With --text the methods are those that score tokens, and the photographs worked examples of question answering by --model,
    "minilm-qa" by default.
    """

    def left_out(name: str) -> bool:
        return context.get_parameter_source(name) is click.core.ParameterSource.DEFAULT

    if sources and not left_out("photographs"):
        raise click.UsageError("--photographs counts observation images and --on names the pictures; leave one of them out")
    if text:
        for name, flag in (("photographs", "--photographs"), ("sources", "--on"), ("engine", "--engine")):
            if not left_out(name):
                raise click.UsageError(f"{flag} goes with methods for pictures; leave it out beside --text")
    elif no_plants and not sources and not photographs:
        raise click.UsageError("without plants and without photographs there is nothing to grade on")
    from pellucid.benchmark import asked_for

    if names and not text:
        asked_for(names)  # what is wrong with it is said before a network is read

    with progress(1.0, "plants") as advance:
        if text:
            from pellucid.benchmark import benchmark_text

            model = "minilm-qa" if left_out("model") else model
            made: Any = benchmark_text(names or None, encoder=model, plants=not no_plants, seed=seed, progress=advance)
        else:
            from pellucid.benchmark import benchmark as grade_all
            from pellucid.models.load import load_classifier

            pictures = list(sources) or [f"observation:{n}" for n in range(photographs)]
            made = grade_all(
                names or None, model=load_classifier(model).on(engine) if pictures else model, on=pictures or None,
                plants=not no_plants, seed=seed, progress=advance,
            )  # fmt: skip
    if as_json:
        said = {"model": model if made.images else None, "images": list(made.images), "seed": seed, "plants": dict(made.plants)}
        print_json({**said, "grades": [asdict(g) for g in made]})
    elif markdown:
        click.echo(made.markdown())
    else:
        print_table(*made.table())
    for g in made if not as_json else ():
        if getattr(g, "failed", ""):
            click.echo(f"{g.method}: {g.failed}", err=True)
    return 0
