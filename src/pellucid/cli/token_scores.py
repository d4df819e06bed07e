"""`pellucid token-scores TEXT [CONTEXT]`"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pellucid.cli.answer import given_text
from pellucid.cli.console import ENCODER, json_flag, out_flag, print_json, print_table, progress
from pellucid.cli.names import text_stem

if TYPE_CHECKING:  # the help needs neither torch nor matplotlib
    from pellucid.analysis.token_scores import TokenScores
    from pellucid.evidence import Trust
    from pellucid.models.text import TextEncoder

METHODS = ("erasure", "kernel_shap", "input_x_gradient", "integrated_gradients", "attention", "rollout", "random")
BARS = 24
"""Characters of the longest bar of a printed table."""
FOR, AGAINST = "█", "░"


@click.command(
    name="token-scores",
    epilog='Example: pellucid token-scores "Who wrote it?" "The letter was written by Emma." -x erasure -x attention',
)
@click.argument("text")
@click.argument("context", required=False)
@click.option("--model", "-m", help=f"{ENCODER}  [default: minilm-qa with a CONTEXT, minilm-mlm with a [MASK]]")
@click.option("--method", "-x", "methods", type=click.Choice([*METHODS, "all"]), multiple=True, default=("erasure",),
              show_default=True, help="May be given again.")  # fmt: skip
@click.option("--target", "-t", help="What is explained: words of the CONTEXT, a word for the [MASK], a class or a number.  "
              "[default: what the model answers]")  # fmt: skip
@click.option("--by-word", is_flag=True, help="Show whole words: the sum over their pieces.")
@click.option("--top", type=click.IntRange(min=1), default=10, show_default=True,
              help="Lines of the table: the tokens that speak most for the target or against it.")  # fmt: skip
@click.option("--baseline", type=click.Choice(["mask", "pad", "zero"]),
              help="Where gradients begin.  [default: mask for integrated_gradients, zero for input_x_gradient]")  # fmt: skip
@click.option("--steps", type=click.IntRange(min=1), default=32, show_default=True, help="Of integrated_gradients.")
@click.option("--samples", type=click.IntRange(min=10), default=1000, show_default=True, help="Of kernel_shap, at most.")
@click.option("--trust/--no-trust", default=True, show_default=True, help="Gather the evidence on each method's scores.")
@click.option("--budget", type=click.FloatRange(min=0, min_open=True), default=1.0, show_default=True,
              help="What the evidence may cost: a multiple of the scores, or 120 passes where that is more.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of all draws.")
@click.option("--format", "suffix", type=click.Choice(["png", "svg"]), default="png", show_default=True)
def token_scores(
    text: str, context: str | None, model: str | None, methods: tuple[str, ...], target: str | None, by_word: bool, top: int,
    baseline: Any, steps: int, samples: int, trust: bool, budget: float, seed: int, suffix: str, out: Path, as_json: bool,
) -> int:  # fmt: skip
    """Show how much each token of TEXT speaks for the answer, and how far that can be trusted.

    Of a question TEXT with its CONTEXT the answer is explained, of a TEXT with one [MASK] the word there, and with a model for
    classes (--model FOLDER) the class, or of a regression the number. - reads standard input. Every text gets a picture
    and a record.
    """
    from pellucid import __version__
    from pellucid.models.load import load_encoder
    from pellucid.pictures.tokens import draw_tokens
    from pellucid.render.figures import save
    from pellucid.server.bodies import TEXT, TokenScoresBody
    from pellucid.server.texts import said_of_tokens, scored
    from pellucid.server.views import TOKEN_SCORES
    from pellucid.server.warned import warned

    text, context = given_text(text), context and given_text(context)
    if len(text) > TEXT or len(context or "") > TEXT:
        raise ValueError(
            f"a text of more than {TEXT:,} characters; an encoder reads a few hundred words, so give the part that matters"
        )
    model = model or _model_for(text, context)
    encoder = load_encoder(model)
    with warned() as notes:
        read = encoder.read(text, context)  # first, since it says what of a text is no text
        body = TokenScoresBody(
            model=model, text=text, pair=context,
            methods=METHODS if "all" in methods else tuple(dict.fromkeys(methods)),  # pyright: ignore[reportArgumentType]
            target=target, by_word=by_word, baseline=baseline, steps=steps, samples=samples, evidence=trust, budget=budget,
            seed=seed,
        )  # fmt: skip
        with progress(1.0, f"asking {encoder.called}") as advance:
            made, found = scored(encoder, read, body, lambda share: advance(share, "scores and evidence"))
    for note in notes:
        click.echo(f"note: {note}", err=True)
    answer = said_of_tokens(made, found, notes)
    stem = text_stem(text.casefold(), body.model_dump(mode="json"))
    out.mkdir(parents=True, exist_ok=True)
    picture = save(draw_tokens(made, found, model=encoder.name), out / f"{stem}.token-scores.{suffix}")
    record = out / f"{stem}.token-scores.json"
    asked = {"path": TOKEN_SCORES, "body": body.model_dump(mode="json"), "answer": answer}
    weights = {body.model: encoder.fingerprint}
    view = {"kind": "pellucid view", "pellucid": __version__, "questions": [asked], "weights": weights}
    record.write_text(json.dumps(view, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    if as_json:
        about = {"model": encoder.name, "fingerprint": encoder.fingerprint, "texts": [text, *([context] if context else [])]}
        print_json(about | answer | {"picture": str(picture), "record": str(record)})
    else:
        _print(encoder, made, found, top)
        click.echo(f"picture: {picture}\nrecord: {record}")
    return 1 if trust and None in found else 0


token_scores.params += [out_flag, json_flag]


def _model_for(text: str, context: str | None) -> str:
    if context is not None:
        return "minilm-qa"
    if "[MASK]" in text:
        return "minilm-mlm"
    raise click.UsageError(
        "what shall be explained? Give a CONTEXT in which the question TEXT is answered, write [MASK] once for a word to be "
        "guessed, or name a model for classes with --model FOLDER"
    )


def _print(encoder: "TextEncoder", made: "list[TokenScores]", found: "list[Trust | None]", top: int) -> None:
    from pellucid.pictures.tokens import about
    from pellucid.render.numbers import number

    first = made[0]
    click.echo(f"{first.target.names[0]}, by {encoder.called}: {first.target.logit_name} {number(float(first.value[0]))}")
    for one, evidence in zip(made, found, strict=True):
        click.echo()
        best = one.top(top, by="magnitude")
        most = max((abs(each.score) for each in best), default=0.0)
        rows = [(str(each.token), each.text, number(each.score), _bar(each.score / most) if most else "") for each in best]
        print_table(("PLACE", "WORD" if one.pooled else "TOKEN", one.method.upper().replace("_", " "), one.unit.upper()), rows)
        if one.signed and any(each.score < 0 for each in best):
            click.echo(f"{FOR} speaks for {first.target.names[0]}, {AGAINST} against it")
        if evidence is not None:
            click.echo(f"{about(evidence[0], one.target.lost)} {evidence[0].advice}")


def _bar(share: float) -> str:
    return (FOR if share > 0 else AGAINST) * round(BARS * abs(share))
