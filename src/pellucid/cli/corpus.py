"""`pellucid corpus build TEXTFILE... --out DIR` and `pellucid corpus search DIR SENTENCE --token WORD`"""

import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pellucid.cli.console import ENCODER, json_flag, numbers, print_json, print_table, progress

if TYPE_CHECKING:
    from pellucid.analysis.corpus import Hit

SHIPPED = "shipped"
AROUND = 34
"""Characters shown on either side of a match."""


@click.group("corpus", epilog="Example: pellucid corpus build shipped --out corpus --layers 4 --limit-characters 200000")
def corpus() -> None:
    """Build an index of a text, and search it by what a token means."""


@corpus.command(
    "build", epilog="Example: pellucid corpus build shipped --out corpus --layers 1-6   (shipped: the text that comes along)"
)
@click.argument("sources", nargs=-1, required=True, metavar="TEXTFILE...")
@click.option("--out", "-o", "folder", required=True, type=click.Path(path_type=Path), help="Folder of the corpus; a new one.")
@click.option("--model", "-m", default="minilm", show_default=True, help=ENCODER)
@click.option("--layers", default="all", show_default=True, help="Layers to index, such as 0,4-6; 0 is the embedding layer.")
@click.option("--no-heads", is_flag=True, help="Leave out the outputs of the heads: half the time and disk.")
@click.option("--limit-characters", type=click.IntRange(1), help="Read no more of the text than this.")
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Chooses the sentences that codes are fitted to."
)
def build(
    sources: tuple[str, ...], folder: Path, model: str, layers: str, no_heads: bool, limit_characters: int | None, seed: int,
    as_json: bool,
) -> int:  # fmt: skip
    """Index every token of text files: its vector at every layer, and what every head puts out."""
    wanted = None if layers == "all" else numbers(layers.split(","), "layer", "--layers", "0,3-5")
    from pellucid.analysis.corpus import build_corpus
    from pellucid.analysis.corpus.build import shipped_texts
    from pellucid.models.load import load_encoder

    paths = [path for source in sources for path in (shipped_texts() if source == SHIPPED else [Path(source)])]
    with progress(1.0, "corpus") as advance:
        made = build_corpus(
            load_encoder(model), paths, folder, layers=wanted, heads=not no_heads, limit_characters=limit_characters,
            progress=advance, seed=seed,
        )  # fmt: skip
    times = made.disk_bytes / made.header["text_bytes"]
    if as_json:
        print_json({
            "corpus": str(folder), "encoder": made.encoder.name, "layers": list(made.layers),
            "head_layers": list(made.head_layers), "counts": made.counts,
            "text_bytes": made.header["text_bytes"], "disk_bytes": made.disk_bytes,
        })  # fmt: skip
        return 0
    n = made.counts
    click.echo(f"{folder}: {n['tokens']:,} tokens of {len(made.rows):,} sentences, read by {made.encoder.called}")
    click.echo(
        f"left out: {n['short']:,} sentences of fewer than 3 tokens, {n['unreadable']:,} unreadable; divided, as too long: "
        f"{n['divided']:,}; unknown to the vocabulary: {n['unknown']:,} tokens"
    )
    click.echo(f"on disk: {made.disk_bytes / 1e6:,.1f} MB, {times:,.0f} times the text")
    return 0


@corpus.command(
    "search", epilog='Example: pellucid corpus search corpus "The bank of the river was steep." --token bank --layer 4'
)
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.argument("sentence")
@click.option(
    "--token", "-t", required=True, help="A word or piece of SENTENCE, or a token's number, 0 being the first special one."
)
@click.option(
    "--occurrence",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Which one, where the word is found more than once.",
)
@click.option("--layer", "-l", type=int, required=True, help="Layer to compare at.")
@click.option("--by", type=click.Choice(["hidden", "heads"]), default="hidden", show_default=True, help="Vectors to compare.")
@click.option(
    "--heads", help="With --by heads, those compared, such as 0,3-5; else those whose attention is shown. Default: all."
)
@click.option("--count", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Hits wanted.")
@click.option("--exact", is_flag=True, help="Read the whole corpus again instead of its index: slow, and never misses.")
@click.option(
    "--reread/--no-reread", default=None,
    help="Read the sentences of the nearest again: seconds, and exact similarities. By default only with --heads, since "
    "what a part of the heads attends to is not stored.",
)  # fmt: skip
@click.option("--model", "-m", help="The encoder that it was built with, where Python code makes it or its folder has moved.")
@click.option("--out", "-o", type=click.Path(path_type=Path), help="Folder for a picture of what the hits have in common.")
@click.option("--format", "kind", type=click.Choice(["png", "svg"]), default="png", show_default=True, help="Of the picture.")
def search(
    folder: Path, sentence: str, token: str, occurrence: int, layer: int, by: Any, heads: str | None, count: int, exact: bool,
    reread: bool | None, model: str | None, out: Path | None, kind: str, as_json: bool,
) -> int:  # fmt: skip
    """Find the tokens of the corpus in DIR that are most like one of SENTENCE."""
    chosen = None if heads is None else numbers(heads.split(","), "head", "--heads", "0,3-5")
    from pellucid.analysis.corpus import open_corpus
    from pellucid.models.load import load_encoder

    opened = open_corpus(folder, load_encoder(model) if model else None)
    act = opened.encoder.activations(sentence)
    at = _token(act.tokens, token, occurrence)
    with progress(1.0, "sentences") as advance:
        hits = opened.search(
            act,
            0,
            at,
            layer=layer,
            by=by,
            heads=chosen,
            count=count,
            exact=exact,
            reread=reread,
            progress=lambda s: advance(s, "sentences"),
        )
    picture = None
    if out is not None:
        from pellucid.pictures.corpus import draw_hits
        from pellucid.render.figures import save

        out.mkdir(parents=True, exist_ok=True)
        picture = save(draw_hits(hits, act.tokens.surface(0, at)), out / f"corpus-{by}-{layer}.{kind}")
    if as_json:
        shown = [asdict(hit) | {"match": hit.match} for hit in hits]
        print_json({
            "query": {"sentence": sentence, "token": at, "match": act.tokens.surface(0, at)}, "layer": layer, "by": by,
            "heads": list(hits.heads), "exact": exact, "candidates": hits.candidates, "hits": shown,
            "picture": None if picture is None else str(picture),
        })  # fmt: skip
        return 0
    digits = 3 if hits.candidates else 2  # stored vectors say no more
    rows = [(f"{h.similarity:.{digits}f}", h.word.pos if h.word else "", _next(h), _attended(h), _marked(h)) for h in hits]
    print_table(("SIMILARITY", "POS", "NEXT WORD", "ATTENDS MOST TO", "SENTENCE"), rows)
    if picture is not None:
        click.echo(f"picture: {picture}")
    return 0


build.params.append(json_flag)
search.params.append(json_flag)


def _token(tokens: Any, wanted: str, occurrence: int) -> int:
    """The first token over the word's n-th occurrence, or the token of that number."""
    if re.fullmatch(r"\d+", wanted) and not re.search(rf"\b{wanted}\b", tokens.texts[0][0]):
        if int(wanted) >= tokens.lengths[0]:
            raise click.BadParameter(f"no token {wanted}; the sentence has {tokens.lengths[0]}, from 0", param_hint="--token")
        return int(wanted)
    text = tokens.texts[0][0]
    found = [m.start() for m in re.finditer(rf"(?<!\w){re.escape(wanted)}(?!\w)", text)]
    if not found:
        found = [m.start() for m in re.finditer(re.escape(wanted), text)]
    if len(found) < occurrence:
        surfaces = " ".join(f"{n}:{s}" for n, s in enumerate(tokens.surfaces(0)))
        times = {0: "not", 1: "once"}.get(len(found), f"{len(found)} times")
        raise click.BadParameter(
            f"{wanted!r} is found {times} in the sentence; its tokens are {surfaces}",
            param_hint="--occurrence" if found else "--token",
        )
    return tokens.at_character(0, found[occurrence - 1])


def _marked(hit: "Hit") -> str:
    before, after = hit.sentence[: hit.start], hit.sentence[hit.end :]
    before = before if len(before) <= AROUND else "…" + before[-AROUND:]
    after = after if len(after) <= AROUND else after[:AROUND] + "…"
    return re.sub(r"\s", " ", f"{before}[{hit.match}]{after}")


def _next(hit: "Hit") -> str:
    return "-" if hit.next is None else f"{hit.next.text} {hit.next.pos}"


def _attended(hit: "Hit") -> str:
    return "-" if hit.attended is None else f"{hit.attended.text} {hit.offset:+d}".replace("+0", "0")
