"""The report's text half: attention, answers and masked words, hidden states, words and corpus, on worked examples."""

import tempfile
import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pellucid.analysis.answers import answer, fill_mask
from pellucid.analysis.attention import attend
from pellucid.analysis.groups import token_groups
from pellucid.analysis.head_effect import head_effect
from pellucid.analysis.head_statistics import head_statistics
from pellucid.analysis.passages import Example, example
from pellucid.analysis.phases import phases
from pellucid.analysis.projection import project
from pellucid.analysis.senses import example as word_example
from pellucid.analysis.senses import separation
from pellucid.analysis.similarity import compare
from pellucid.analysis.token_scores import token_scores
from pellucid.evidence import Trust
from pellucid.models.load import load_encoder
from pellucid.models.text import TextEncoder
from pellucid.pictures.attention import draw_attention, draw_head_effect, draw_head_statistics, draw_overview
from pellucid.pictures.compare import draw as draw_comparison
from pellucid.pictures.layers import draw_layers, draw_phases
from pellucid.pictures.tokens import draw_tokens
from pellucid.render.figures import png_bytes
from pellucid.render.numbers import percent
from pellucid.render.page import Block, Cite, Picture, Section, Table
from pellucid.token_trust import token_trust

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from pellucid.analysis.corpus import Hit
    from pellucid.render.figures import Paper

COSTS = {
    "masked-words": 1.0, "answers": 1.0, "tokens": 6.0, "attention": 12.0, "layers": 20.0, "words": 8.0, "corpus": 14.0,
}  # fmt: skip
"""About how many seconds each section takes: for the progress bar only."""

AROUND = 60
"""Characters of a found sentence to either side of the match."""
Advance = Callable[[float], None]


@cache
def texts() -> dict[str, Any]:
    """What each section says, and on which model and examples."""
    return tomllib.loads((files("pellucid") / "data" / "text_approaches.toml").read_text(encoding="utf-8"))


def text_sections(part: Callable[[str, str], Advance]) -> list[Section]:
    """The sections in the order in which they are read. `part(id, title)` gives the bar of one of them."""
    made = {
        "masked-words": _masked_words, "answers": _answers, "tokens": _tokens, "attention": _attention,
        "layers": _layers, "words": _words, "corpus": _corpus,
    }  # fmt: skip
    sections = []
    for about in texts().values():
        advance = part(about["id"], about["title"])
        blocks, notes = made[about["id"]](about, advance)
        advance(1.0)
        sections.append(
            Section(
                about["id"],
                about["title"],
                what=tuple(about["what"]),
                reading=tuple(about["reading"]),
                cite=Cite(about["cite"], about["address"]),
                blocks=tuple(blocks),
                notes=tuple(notes),
            )
        )
    return sections


def _picture(draw: Callable[..., "Figure"], alt: str, *args: Any, **options: Any) -> Picture:
    """The figure that `draw` makes, on paper for light and for dark screens."""
    papers: tuple[Paper, Paper] = ("light", "dark")
    light, dark = (png_bytes(draw(*args, paper=paper, **options)) for paper in papers)
    return Picture(light, alt, dark=dark)


def _masked_words(about: Mapping[str, Any], advance: Advance) -> tuple[list[Block], list[str]]:
    enc = load_encoder(about["model"])
    rows = []
    for text, blanks in zip(about["texts"], fill_mask(enc, about["texts"]), strict=True):
        rows += [(text, ", ".join(f"{g.token} {percent(g.probability)}" for g in blank.guesses)) for blank in blanks]
    return [Table(("text", f"what {enc.called} would put there"), tuple(rows))], []


def _answers(about: Mapping[str, Any], advance: Advance) -> tuple[list[Block], list[str]]:
    enc = load_encoder(about["model"])
    shown = [example(name) for name in texts()["layers"]["examples"]]
    asked = [(e.question, e.context) for e in shown] + [(about["unanswerable"], shown[0].context)]
    rows = []
    for (question, context), found in zip(asked, answer(enc, asked), strict=True):
        said = found.text if found.answered else "the passage does not say"
        share = percent(found.best.probability if found.answered else found.null_probability)
        rows.append((question, said, share, context))
    return [Table(("question", f"{enc.called} answers", "probability", "passage"), tuple(rows))], []


def _tokens(about: Mapping[str, Any], advance: Advance) -> tuple[list[Block], list[str]]:
    enc = load_encoder(about["model"])
    shown = example(about["example"])
    made = [token_scores(enc, shown.question, shown.context, method=method) for method in about["methods"]]
    advance(0.3)
    found: list[Trust] = []
    for n, scores in enumerate(made):
        found.append(token_trust(enc, scores))
        advance(0.3 + 0.6 * (n + 1) / len(made))
    alt = f"The words of “{shown.question}” and its passage, coloured by how much they speak for {made[0].target.names[0]}"
    return [_picture(draw_tokens, alt, made, found, model=enc.called)], []


def _attention(about: Mapping[str, Any], advance: Advance) -> tuple[list[Block], list[str]]:
    enc = load_encoder(about["model"])
    shown = example(about["example"])
    tokens = enc.read(shown.question, " ".join(shown.support))  # short enough for lines that can be told apart
    act = enc.activations(tokens)
    layer = about["layer"]
    one = attend(act, layer, mass=about["mass"], hide_special=True, combine="mean")
    every = [attend(act, n) for n in range(1, act.layers + 1)]
    advance(0.1)
    blocks: list[Block] = [
        _picture(
            draw_attention, f"Lines from each token to those it attends to in layer {layer}", one, "arcs", model=enc.called
        ),
        _picture(draw_overview, "A small map of the attention of every head of every layer", every, model=enc.called),
    ]
    advance(0.4)
    blocks.append(
        _picture(
            draw_head_statistics,
            "Entropy, distance and favourite tokens of every head",
            head_statistics(act),
            tokens=act.tokens,
            model=enc.called,
        )
    )
    effect = head_effect(enc, tokens, progress=lambda share: advance(0.5 + 0.4 * share))
    blocks.append(
        _picture(draw_head_effect, "How much the answer changes without each head, and its attention", effect, model=enc.called)
    )
    return blocks, []


def _layers(about: Mapping[str, Any], advance: Advance) -> tuple[list[Block], list[str]]:
    enc, other = load_encoder(about["model"]), load_encoder(about["against"])
    blocks: list[Block] = []
    notes: list[str] = []
    for n, name in enumerate(about["examples"]):
        shown = example(name)
        marks = shown.passage()
        (found,) = answer(enc, shown.question, shown.context)
        if found.text != shown.answer:
            said = f"answers “{found.text}”" if found.answered else "finds no answer"
            notes.append(f"{shown.title}: {enc.called} {said}; marked is the right answer, “{shown.answer}”.")
        opened = {model.name: _opened(model, shown, marks) for model in (enc, other)}
        groups = token_groups(opened[enc.name].tokens, marks)
        measured = {name: phases(act, token_groups(act.tokens, marks)) for name, act in opened.items()}
        advance((n + 0.3) / len(about["examples"]))
        blocks.append(
            _picture(
                draw_layers, f"The tokens of “{shown.question}” and its passage in two dimensions, layer by layer",
                project(opened[enc.name], align=True), groups.facts, title=f"{shown.title}: {shown.question}",
            )
        )  # fmt: skip
        blocks.append(
            _picture(draw_phases, f"Four measured phases over the layers for {shown.title}", measured, title=shown.question)
        )
        advance((n + 1) / len(about["examples"]))
    return blocks, notes


def _opened(enc: TextEncoder, shown: Example, marks: Any) -> Any:
    tokens = enc.read(shown.question, shown.context)
    places = tokens.span(0, *marks.answer, part=1)
    return enc.activations(tokens.answered([(places[0], places[-1])]))


def _words(about: Mapping[str, Any], advance: Advance) -> tuple[list[Block], list[str]]:
    enc = load_encoder(about["model"])
    shown = word_example(about["example"])
    blocks: list[Block] = []
    metrics: Sequence[Any] = ("cosine", "euclidean")
    for n, metric in enumerate(metrics):
        corrections: Sequence[Any] = ("none", "centred" if metric == "cosine" else "standardised")
        made = {kind: compare(enc, shown.sentences, shown.word, metric=metric, correction=kind) for kind in corrections}
        apart = {kind: separation(one, shown.labels) for kind, one in made.items()}
        advance((n + 0.5) / 2)
        best = apart["none"].best
        kinds = ("matrix", "layers", "separation") if metric == "cosine" else ("matrix",)
        for kind in kinds:
            alt = f"{metric} of “{shown.word}” in {len(shown.sentences)} sentences: {kind}"
            blocks.append(_picture(partial(_comparison, kind, made, apart, best), alt))
    return blocks, []


def _comparison(kind: str, made: Any, apart: Any, layer: int, paper: "Paper") -> "Figure":
    return draw_comparison(made, apart, "none", layer, paper=paper)[kind]


def _corpus(about: Mapping[str, Any], advance: Advance) -> tuple[list[Block], list[str]]:
    from pellucid.analysis.corpus import build_corpus
    from pellucid.pictures.corpus import draw_hits

    enc = load_encoder(about["model"])
    text = (files("pellucid") / "data" / "text" / "wikipedia_a.txt").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        corpus = build_corpus(
            enc, [text], Path(folder) / "corpus", layers=[about["layer"]], heads=False, limit_characters=about["characters"],
            progress=lambda share, _: advance(0.8 * share),
        )  # fmt: skip
        act = enc.activations(about["sentence"])
        place = act.tokens.at_character(0, about["sentence"].index(about["word"]))
        hits = corpus.search(act, 0, place, layer=about["layer"])
        rows = tuple((hit.match, f"{hit.similarity:.3f}", _around(hit)) for hit in hits.hits[:10])
        alt = "Tags of the words that were found, beside those of the whole text"
        picture = _picture(draw_hits, alt, hits, about["word"])
    caption = f"Most like “{about['word']}” in “{about['sentence']}”, of {corpus.tokens:,} tokens."
    return [Table(("found", "similarity", "where"), rows, caption), picture], []


def _around(hit: "Hit") -> str:
    """The sentence around the match, marked."""
    before, after = hit.sentence[: hit.start], hit.sentence[hit.end :]
    before = before if len(before) <= AROUND else f"…{before[-AROUND:]}"
    return f"{before}[{hit.match}]{after if len(after) <= AROUND else f'{after[:AROUND]}…'}"
