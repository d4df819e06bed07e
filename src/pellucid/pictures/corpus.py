"""What the hits of a corpus search have in common, as pictures."""

from matplotlib.figure import Figure

from pellucid.analysis.corpus import Histogram, Hits, histogram, offsets
from pellucid.render.figures import Paper
from pellucid.render.histograms import Panel, histograms

OF = {"match": "match", "next": "next word", "attended": "attends most to"}
KINDS = {"pos": "part of speech", "dep": "dependency", "ent": "entity", "offset": "words away"}


def draw_hits(hits: Hits, match: str, *, paper: Paper = "light") -> Figure:
    """Tags of the matches, of the words after them and of those they attend to most, each beside the corpus's base rate."""
    read = hits.layer > 0 and (hits.candidates > 0 or hits.exact)  # otherwise nobody knows what a match attends to
    words = ("match", "next", "attended") if read else ("match", "next")
    made = [histogram(hits, of, kind) for kind in ("pos", "dep", "ent") for of in words]
    heads = f"heads {', '.join(map(str, hits.heads))}" if len(hits.heads) < hits.corpus.encoder.heads else "all heads"
    what = f"hidden state of layer {hits.layer}" if hits.by == "hidden" else f"outputs of block {hits.layer}, {heads}"
    caption = (
        f"{len(hits)} nearest tokens by the {what} of {hits.corpus.encoder.called}, cosine {hits[0].similarity:.3f} to "
        f"{hits[-1].similarity:.3f}. Bars: share of the hits, with its exact 95 % interval; tick, and the figure behind the "
        "stroke: share of all words of the corpus."
        + (f" Attention: mean over {heads}, special tokens left out." if read else "")
    )
    shown = [_panel(h) for h in made] + ([_panel(offsets(hits))] if read else [])
    return histograms(shown, title=f"What is like “{match}”", caption=caption, columns=len(words), paper=paper)


def _panel(h: Histogram) -> Panel:
    return Panel(f"{OF[h.of]}: {KINDS[h.kind]}", h.names, h.counts, h.total, h.low, h.high, h.base)
