"""`pellucid token-scores TEXT [CONTEXT]`"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pellucid.cli.answer import given_text
from pellucid.cli.console import ENCODER, finite, json_flag, out_flag, print_json, print_table, progress
from pellucid.cli.names import text_stem

if TYPE_CHECKING:  # the help needs neither torch nor matplotlib
    from pellucid.analysis.token_scores import TokenScores
    from pellucid.evidence import Trust
    from pellucid.inputs.text import Tokens
    from pellucid.models.text import TextEncoder

METHODS = ("erasure", "input_x_gradient", "integrated_gradients", "attention", "rollout", "random")
BARS = 24
"""Characters of the longest bar of a printed table."""


@click.command(
    name="token-scores",
    epilog='Example: pellucid token-scores "Who wrote it?" "The letter was written by Emma." -x erasure -x attention',
)
@click.argument("text")
@click.argument("context", required=False)
@click.option("--model", "-m", help=f"{ENCODER}  [default: minilm-qa with a CONTEXT, minilm-mlm with a [MASK]]")
@click.option("--method", "-x", "methods", type=click.Choice([*METHODS, "all"]), multiple=True, default=("erasure",),
              show_default=True, help="May be given again.")  # fmt: skip
@click.option("--target", "-t", help="What is explained: words of the CONTEXT, a word for the [MASK], or a class.  [default: "
              "what the model answers]")  # fmt: skip
@click.option("--by-word", is_flag=True, help="Show whole words: the sum over their pieces.")
@click.option("--top", type=click.IntRange(min=1), default=10, show_default=True, help="Lines of the table.")
@click.option("--baseline", type=click.Choice(["mask", "pad", "zero"]),
              help="Where gradients begin.  [default: mask for integrated_gradients, zero for input_x_gradient]")  # fmt: skip
@click.option("--steps", type=click.IntRange(min=1), default=32, show_default=True, help="Of integrated_gradients.")
@click.option("--trust/--no-trust", default=True, show_default=True, help="Gather the evidence on each method's scores.")
@click.option("--budget", type=click.FloatRange(min=0, min_open=True), default=1.0, show_default=True,
              help="What the evidence may cost: a multiple of the scores, or 120 passes where that is more.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of all draws.")
@click.option("--format", "suffix", type=click.Choice(["png", "svg"]), default="png", show_default=True)
def token_scores(
    text: str, context: str | None, model: str | None, methods: tuple[str, ...], target: str | None, by_word: bool, top: int,
    baseline: Any, steps: int, trust: bool, budget: float, seed: int, suffix: str, out: Path, as_json: bool,
) -> int:  # fmt: skip
    """Show how much each token of TEXT speaks for the answer, and how far that can be trusted.

    Of a question TEXT with its CONTEXT the answer is explained, of a TEXT with one [MASK] the word there, and with a model for
    classes (--model FOLDER) the class. - reads standard input. Every text gets a picture and a record.
    """
    from pellucid.analysis.token_scores import token_scores as scores_now
    from pellucid.analysis.token_targets import token_target
    from pellucid.models.load import load_encoder
    from pellucid.pictures.tokens import draw_tokens
    from pellucid.render.figures import save
    from pellucid.token_trust import token_trust

    text, context = given_text(text), context and given_text(context)
    chosen: Any = METHODS if "all" in methods else tuple(dict.fromkeys(methods))
    encoder = load_encoder(model or _model_for(text, context))
    tokens = encoder.read(text, context)
    wanted = token_target(encoder, tokens, _target(encoder, tokens, target))
    made: list[TokenScores] = []
    found: list[Trust] = []
    with progress(float(len(chosen)), f"asking {encoder.name}") as advance:
        for n, method in enumerate(chosen):
            one = scores_now(
                encoder, tokens, method=method, target=wanted, baseline=baseline if "gradient" in method else None, steps=steps,
                seed=seed, progress=lambda share, n=n, method=method: advance(n + 0.3 * share, method),
            )  # fmt: skip
            if trust:
                found.append(
                    token_trust(
                        encoder, one, budget=budget, seed=seed,
                        progress=lambda share, n=n, method=method: advance(n + 0.3 + 0.7 * share, f"evidence on {method}"),
                    )
                )  # fmt: skip
            made.append(one.by_word() if by_word else one)
    asked = (encoder.name, tokens.texts, wanted.places.tolist(), wanted.words.tolist(), chosen, by_word, baseline, steps, seed)
    stem = text_stem(text.casefold(), *asked)
    out.mkdir(parents=True, exist_ok=True)
    picture = save(draw_tokens(made, found or None, model=encoder.name), out / f"{stem}.token-scores.{suffix}")
    document = _document(encoder, made, found) | {"picture": str(picture)}
    record = out / f"{stem}.token-scores.json"
    record.write_text(json.dumps(finite(document), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    if as_json:
        print_json(document | {"record": str(record)})
    else:
        _print(encoder, made, found, top)
        click.echo(f"picture: {picture}\nrecord: {record}")
    return 0


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


def _target(encoder: "TextEncoder", tokens: "Tokens", said: str | None) -> Any:
    """As `token_target` takes it: of an answer, its first and last token."""
    if said is None or not encoder.answers_questions or len(tokens.texts[0]) < 2:
        labels = getattr(encoder.config, "label2id", None) or {}
        return int(said) if said and encoder.classifies and said.isdecimal() and said not in labels else said
    from pellucid.analysis.passages import find_answer

    places = tokens.span(0, *find_answer(tokens.texts[0][1], said, ()), part=1)
    return places[0], places[-1]


def _document(encoder: "TextEncoder", made: "list[TokenScores]", found: "list[Trust]") -> dict[str, Any]:
    """All of it for machines."""
    first = made[0]
    tokens, target = first.tokens, first.target
    return {
        "model": encoder.name,
        "fingerprint": encoder.fingerprint,
        "texts": list(tokens.texts[0]),
        "target": {"task": target.task, "name": target.names[0], "places": target.places[0].tolist()},
        "value": float(first.value[0]),
        "value_unit": target.logit_name,
        "pooled": first.pooled,
        "tokens": [
            {
                "token": tokens.surface(0, at), "piece": tokens.pieces[0][at], "role": role,
                "start": int(tokens.offsets[0, at, 0]), "end": int(tokens.offsets[0, at, 1]),
            }
            for at, role in enumerate(tokens.roles[0])
        ],
        "methods": [
            {
                "method": one.method, "options": dict(one.options), "unit": one.unit, "signed": one.signed,
                "scores": one.scores[0].tolist(), one.error_name.replace(" ", "_"): float(one.error[0]),
                "work": {"forwards": one.work.forwards, "backwards": one.work.backwards},
                "trust": found[n][0].to_json() if found else None,
            }
            for n, one in enumerate(made)
        ],
    }  # fmt: skip


def _print(encoder: "TextEncoder", made: "list[TokenScores]", found: "list[Trust]", top: int) -> None:
    from pellucid.pictures.tokens import about
    from pellucid.render.numbers import number

    first = made[0]
    click.echo(f"{first.target.names[0]}, by {encoder.name}: {first.target.logit_name} {number(float(first.value[0]))}")
    for n, one in enumerate(made):
        click.echo()
        best = one.top(top)
        most = max((abs(each.score) for each in best), default=0.0)
        rows = [
            (str(each.token), each.text, number(each.score), "█" * round(BARS * abs(each.score) / most) if most else "")
            for each in best
        ]
        print_table(("PLACE", "WORD" if one.pooled else "TOKEN", one.method.upper().replace("_", " "), one.unit.upper()), rows)
        if found:
            click.echo(f"{about(found[n][0])} {found[n][0].advice}")
