"""`pellucid answer QUESTION CONTEXT` and `pellucid fill-mask TEXT`"""

import os
import sys
import warnings
from dataclasses import asdict
from shlex import quote
from typing import Any

import click

from pellucid.cli.console import ENCODER, json_flag, print_json, print_table


def given_text(text: str) -> str:
    """The text, or standard input where it is `-`. ValueError for bytes that are no text."""
    if text != "-":
        if os.path.isfile(text):
            instead = f"to read that, give - and < {quote(text)}"
            warnings.warn(f"{text!r} is read as a text, not as the file of that name; {instead}", stacklevel=2)
        return text
    try:
        read = sys.stdin.read()
        read.encode()  # subtle: most locales let bytes that are no text pass, as halves of surrogate pairs
    except UnicodeError:
        raise ValueError(
            f"standard input is not {sys.stdin.encoding}, as the locale says of it; convert it: iconv -f latin1 -t utf-8"
        ) from None
    return read


def encoder_flag(default: str) -> click.Option:
    """--model of the commands that read text."""
    return click.Option(
        ["--model", "-m"],
        default=default,
        show_default=True,
        help=ENCODER,
    )


@click.command(
    params=[encoder_flag("minilm-qa"), json_flag],
    epilog='Example: pellucid answer "Who wrote it?" "The letter was written by Emma."',
)
@click.argument("question")
@click.argument("context")
@click.option("--top", type=click.IntRange(min=1), default=3, show_default=True, help="Spans to show.")
@click.option("--threshold", type=float, help="How far 'no answer' may exceed the best span.  [default: the model's own]")
def answer(question: str, context: str, model: str, top: int, threshold: float | None, as_json: bool) -> None:
    """Answer QUESTION from CONTEXT (- reads it from standard input), or say that it is not answered there.

    A context of any length will do; a long one is read in overlapping windows.
    """
    from pellucid.analysis.answers import answer as answers
    from pellucid.models.load import load_encoder

    enc = load_encoder(model)
    (found,) = answers(enc, given_text(question), given_text(context), top=top, threshold=threshold)
    spans = [found.best, *found.alternatives]
    if as_json:
        return print_json(
            {
                "model": enc.name,
                "answer": found.text or None,
                "answered": found.answered,
                "null_score": found.null_score,
                "null_probability": found.null_probability,
                "threshold": found.threshold,
                "windows": len(found.tokens),
                "spans": [asdict(span) for span in spans],
            }
        )
    click.echo(found.text or "The context does not answer this question.")
    ahead, whose = found.null_score - found.best.score, "the model's own" if threshold is None else "as --threshold says"
    click.echo(f"('no answer' scores {ahead:+.2f} against the best span; it is taken above {found.threshold:+.2f}, {whose})")
    click.echo()
    rows = [(span.text, f"{span.probability:.3f}", f"{span.score:.2f}", f"{span.start}-{span.end}") for span in spans]
    rows.append(("(no answer)", f"{found.null_probability:.3f}", f"{found.null_score:.2f}", ""))
    return print_table(("SPAN", "PROBABILITY", "SCORE", "CHARACTERS"), rows)


@click.command(
    name="fill-mask",
    params=[encoder_flag("minilm-mlm"), json_flag],
    epilog='Example: pellucid fill-mask "She [MASK] a letter to her sister."',
)
@click.argument("texts", nargs=-1, required=True, metavar="TEXT...")
@click.option("--top", type=click.IntRange(min=1), default=5, show_default=True, help="Words for each place.")
def fill_mask(texts: tuple[str, ...], model: str, top: int, as_json: bool) -> int:
    """Predict the words that [MASK] hides in each TEXT. A text that cannot be read is reported, and the rest go on."""
    from pellucid.analysis.answers import fill_mask as guesses
    from pellucid.models.load import load_encoder

    enc = load_encoder(model)
    enc.need("masked_words")
    done: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    for text in texts:
        try:
            (blanks,) = guesses(enc, given_text(text), top=top)
        except ValueError as error:
            failed.append({"text": text, "error": str(error)})
            click.echo(f"Error: {error}", err=True)
            continue
        done.append({"text": text, "blanks": [asdict(blank) for blank in blanks]})
        if not as_json:
            click.echo(text)
            rows = [(str(b.token), " ".join(f"{g.token} {g.probability:.3f} " for g in b.guesses).rstrip()) for b in blanks]
            print_table(("TOKEN", "GUESSES WITH THEIR PROBABILITIES"), rows)
    if as_json:
        print_json({"model": enc.name, "results": done, "failed": failed})
    return 1 if failed else 0
