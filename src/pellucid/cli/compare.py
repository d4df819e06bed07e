"""`pellucid compare WORD SENTENCE...`"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pellucid.cli.console import ENCODER, json_flag, out_flag, print_json, print_table, progress
from pellucid.cli.names import asked_plainly, text_stem

if TYPE_CHECKING:  # the help needs neither torch nor matplotlib
    from pellucid.analysis.senses import Example, Separation
    from pellucid.analysis.similarity import Comparison
    from pellucid.analysis.word import Place

PRINTED = 16
"""Sentences up to which the matrix is printed."""
EXAMPLES = ("apple", "chinese")
CORRECTIONS = ("none", "centred", "standardised", "all_but_the_top")


@click.command(
    epilog='Example: pellucid compare bank "The bank of the river was steep." "The bank lent her money."   '
    "(or --example apple: ten sentences, two senses)"
)
@click.argument("terms", nargs=-1, metavar="[WORD] [SENTENCE]...")
@click.option("--example", "name", type=click.Choice(EXAMPLES), help="Ten sentences of a word of two senses.")
@click.option("--file", "path", type=click.Path(path_type=Path), help="A text file: one sentence a line, an empty line "
              "before each further sense.")  # fmt: skip
@click.option("--model", "-m", default="minilm", show_default=True, help=ENCODER)
@click.option("--metric", type=click.Choice(["cosine", "euclidean"]), default="cosine", show_default=True)
@click.option("--layer", default="all", show_default=True, help="A layer, 0 for the embedding layer, or all.")
@click.option("--pooling", type=click.Choice(["mean", "sum", "max", "first"]), default="mean", show_default=True,
              help="How the pieces of a word become one vector.")  # fmt: skip
@click.option("--correction", type=click.Choice(CORRECTIONS), default="none", show_default=True,
              help="For what all vectors of a layer have in common.")  # fmt: skip
@click.option("--groups", help="The senses: sizes such as 5,5, or one name a sentence.")
@click.option("--occurrence", type=int, multiple=True, help="Which occurrence of the word, from 1; once for all or one each.")
@click.option("--at", type=int, multiple=True,
              help="The word over this character, from 0, instead of WORD; once for all or one each.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the interval's resampling.")
@click.option("--format", "suffix", type=click.Choice(["png", "svg"]), default="png", show_default=True)
def compare(
    terms: tuple[str, ...], name: str | None, path: Path | None, model: str, metric: Any, layer: str, pooling: Any,
    correction: Any, groups: str | None, occurrence: tuple[int, ...], at: tuple[int, ...], seed: int, suffix: str, out: Path,
    as_json: bool,
) -> int:  # fmt: skip
    """Compare one word's vectors across sentences and layers: distances or cosines, and how far its senses lie apart."""
    from pellucid.analysis.senses import example, senses, separation
    from pellucid.analysis.similarity import compare as compare_now
    from pellucid.models.load import load_encoder
    from pellucid.pictures.compare import draw
    from pellucid.render.figures import save

    shown = example(name) if name else None
    sentences, places, found = _asked(terms, shown, path, occurrence, at)
    wanted = _groups(groups) if groups is not None else found
    if wanted is not None:
        wanted = senses(wanted, len(sentences))
    number: Any = "all" if layer == "all" else _number(layer)
    enc = load_encoder(model)
    if shown:
        _check(enc, shown)
    partner: Any = correction if correction != "none" else {"cosine": "centred", "euclidean": "standardised"}[metric]
    kinds: dict[Any, None] = dict.fromkeys(["none", partner] if wanted else [correction])
    made: dict[str, Comparison] = {}
    apart: dict[str, Separation] = {}
    with progress(float(len(kinds)), f"reading with {enc.called}") as advance:
        for done, kind in enumerate(kinds):
            try:
                made[kind] = compare_now(enc, sentences, places, metric=metric, layer=number, pooling=pooling, correction=kind)
            except IndexError as error:
                raise click.BadParameter(str(error), param_hint="--layer") from None
            if wanted:
                apart[kind] = separation(made[kind], wanted, seed=seed)
            advance(done + 1.0, f"comparing, {kind}")
    main = made[correction]
    best = apart[correction].best if apart else main.layers[-1]
    out.mkdir(parents=True, exist_ok=True)
    asked = (enc.name, sentences, places, metric, layer, pooling, correction, wanted)
    word = main.chosen[0].word.casefold()
    plain = shown and asked_plainly(click.get_current_context(), "name", "out", "suffix", "as_json")
    stem = word if plain else text_stem(word, *asked)
    files: dict[str, Path] = {}
    for kind, figure in draw(made, apart, correction, best).items():
        files[kind] = save(figure, out / f"{stem}.{kind}.{suffix}")
    if as_json:
        print_json(document(main, made, apart, best, files))
    else:
        _print(main, apart, correction, best, files)
    return 0


compare.params += [out_flag, json_flag]


def _asked(
    terms: tuple[str, ...], shown: "Example | None", path: Path | None, occurrence: tuple[int, ...], at: tuple[int, ...]
) -> tuple[list[str], "Any", tuple[str, ...] | tuple[int, ...] | None]:
    """The sentences, the place of the word in each, and the senses where example or file tell them."""
    if occurrence and at:
        raise click.UsageError("--occurrence and --at both say which word; give one of them")
    if sum((shown is not None, path is not None)) > 1:
        raise click.UsageError("--example and --file both bring sentences; give one of them")
    if shown:
        if terms or at or occurrence:
            raise click.UsageError(f"--example {shown.name} brings its own word and sentences; leave yours out")
        return list(shown.sentences), shown.word, shown.labels
    word = "" if at else terms[0] if terms else ""
    sentences, found = list(terms if at else terms[1:]), None
    if not at and not word:
        raise click.UsageError("give WORD and two or more sentences, or --example apple")
    if path:
        if sentences:
            raise click.UsageError(f"sentences come from {str(path)!r}, or from the command line; not from both")
        sentences, found = _lines(path)
    if len(sentences) < 2:
        raise click.UsageError(f"{len(sentences)} sentences to compare; give two or more, each in quotes")
    if not at and not occurrence:
        return sentences, word, found
    if len(at or occurrence) not in (1, len(sentences)):
        flag = "--at" if at else "--occurrence"
        raise click.UsageError(
            f"{flag} is given {len(at or occurrence)} times for {len(sentences)} sentences; once, or one each"
        )
    places: list[Place] = [*at] if at else [(word, n) for n in occurrence]
    return sentences, places if len(places) > 1 else places[0], found


def _lines(path: Path) -> tuple[list[str], tuple[int, ...] | None]:
    """The sentences of a file and the sizes of its blocks, where there are several of two or more."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{str(path)!r} is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    blocks = [[line.strip() for line in block.splitlines()] for block in re.split(r"\n\s*\n", text.strip())]
    sizes = tuple(len(block) for block in blocks)
    return [s for block in blocks for s in block if s], sizes if len(sizes) > 1 and min(sizes) > 1 else None


def _groups(text: str) -> list[int] | list[str]:
    parts = [part.strip() for part in text.split(",")]
    return [int(p) for p in parts] if all(p.isdecimal() for p in parts) else parts


def _number(layer: str) -> int:
    try:
        return int(layer)
    except ValueError:
        raise click.BadParameter(f"{layer!r} is neither a number nor all", param_hint="--layer") from None


def _check(enc: Any, shown: "Example") -> None:
    from pellucid.analysis.word import check_chinese

    if shown.needs != "zh":
        return
    try:
        check_chinese(enc, shown.sentences)
    except ValueError as error:
        raise ValueError(f"{error}. Then: pellucid compare --example {shown.name} --model FOLDER") from None


def document(
    main: "Comparison", made: "dict[str, Comparison]", apart: "dict[str, Separation]", best: int, files: dict[str, Path]
) -> dict[str, Any]:
    """All of it for machines."""
    labels = next(iter(apart.values())).labels if apart else (None,) * len(main.chosen)
    return {
        "model": main.model,
        "metric": main.metric,
        "pooling": main.pooling,
        "correction": main.correction,
        "reference": {"source": main.reference, "tokens": main.reference_tokens},
        "sentences": [
            {
                "text": c.sentence, "word": c.word, "start": c.start, "end": c.end, "tokens": list(c.tokens),
                "surfaces": list(c.surfaces), "spans": [list(s) for s in c.spans], "occurrence": c.occurrence,
                "occurrences": c.occurrences, "sense": sense,
            }
            for c, sense in zip(main.chosen, labels, strict=True)
        ],
        "layers": list(main.layers),
        "shown": best,
        "matrices": main.matrices.tolist(),
        "random_words": main.baseline.tolist(),
        "anisotropy": main.anisotropy.tolist(),
        "separation": {kind: _separation(one, made[kind]) for kind, one in apart.items()},
        "pictures": {kind: str(path) for kind, path in files.items()},
    }  # fmt: skip


def _separation(one: "Separation", of: "Comparison") -> dict[str, Any]:
    each = ("difference", "low", "high", "p", "within", "between", "silhouette", "accuracy")
    scalars = ("p_best", "best", "chance", "splits", "exact", "level", "resamples", "seed")
    return {
        **{key: getattr(one, key).tolist() for key in each},
        **{key: getattr(one, key) for key in scalars},
        "random_words": of.baseline.tolist(),
    }


def _print(main: "Comparison", apart: "dict[str, Separation]", correction: str, best: int, files: dict[str, Path]) -> None:
    from pellucid.pictures.compare import two, unit_of
    from pellucid.render.similarity import decimals

    labels: Sequence[str] = apart[correction].labels if apart else ("",) * len(main.chosen)
    click.echo(main.rule)
    click.echo(f"random words and corrections: over {main.reference_tokens:,} tokens of {main.reference}\n")
    for number, (one, sense) in enumerate(zip(main.chosen, labels, strict=True), 1):
        which = f"   (occurrence {one.occurrence} of {one.occurrences})" if one.occurrences > 1 else ""
        pieces = f"   [{' + '.join(one.surfaces)}]" if len(one.surfaces) > 1 else ""
        click.echo(f"{number:>3}  {sense + '  ' if sense else ''}{one.marked}{pieces}{which}")
    at = main.layers.index(best)
    click.echo(f"\nLayer {best}, {unit_of(main)}; two random words: {two(main.baseline[at])}")
    if len(main.chosen) <= PRINTED:
        places = decimals(main.at(best).numpy()) if main.metric == "cosine" else 2
        digits = [[f"{v:.{places}f}" for v in row] for row in main.at(best).tolist()]
        numbers = [str(n) for n in range(1, len(digits) + 1)]
        print_table(("", *numbers), [(n, *row) for n, row in zip(numbers, digits, strict=True)])
    else:
        click.echo(f"the matrix of {len(main.chosen)} sentences is in the picture, and with --json")
    click.echo("")
    if apart:
        _print_separation(main, apart, correction)
    elif len(main.layers) > 1:
        off = 1 - len(main.chosen)
        rows = [
            (str(layer), two(random), two((matrix.sum() - matrix.trace()) / -(off * len(main.chosen))))
            for layer, matrix, random in zip(main.layers, main.matrices, main.baseline, strict=True)
        ]
        print_table(("LAYER", "RANDOM WORDS", "THIS WORD, MEAN"), rows)
    for kind, path in files.items():
        click.echo(f"{kind}: {path}")


def _print_separation(main: "Comparison", apart: "dict[str, Separation]", correction: str) -> None:
    from pellucid.pictures.compare import two

    header: list[str] = ["LAYER", "RANDOM WORDS"]
    for kind, one in apart.items():
        name = {"none": "AS IS"}.get(kind, kind.upper().replace("_", " "))
        header += [f"APART, {name}", f"{one.level:.0%} INTERVAL", "P"]
    header += ["NEAREST OF ITS SENSE", "SILHOUETTE"]
    rows: list[list[str]] = []
    for at, layer in enumerate(main.layers):
        row = [str(layer), two(main.baseline[at])]
        for one in apart.values():
            row += [f"{float(one.difference[at]):.3f}", f"{float(one.low[at]):.3f} to {float(one.high[at]):.3f}",
                    f"{float(one.p[at]):.3f}"]  # fmt: skip
        row += [f"{float(apart[correction].accuracy[at]):.0%}", two(apart[correction].silhouette[at])]
        rows.append(row)
    print_table(header, rows)
    one = apart[correction]
    what = "similarity within senses minus between" if main.metric == "cosine" else "distance between senses minus within"
    tried = f"all {one.splits:,}" if one.exact else f"{one.splits:,} random"
    click.echo(
        f"apart: mean {what}. P: {tried} ways to deal out the senses; of the best layer, with all of them tried, "
        f"{one.p_best:.2g}. By chance {one.chance:.0%} of the nearest are of the same sense."
    )
