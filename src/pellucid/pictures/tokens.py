"""Scores of tokens as a picture: the text as it reads, coloured by what each method found, and how far that can be trusted."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from pellucid.analysis.token_scores import TokenScores
from pellucid.evidence import Evidence, Trust
from pellucid.render.figures import Paper
from pellucid.render.numbers import number
from pellucid.render.tokens import Piece, TokenRow, token_sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_tokens(
    scores: TokenScores | Sequence[TokenScores],
    trust: Trust | Sequence[Trust | None] | None = None,
    *,
    row: int = 0,
    model: str = "",
    paper: Paper = "light",
) -> "Figure":
    """One text of one or more methods' scores, with the evidence on those that have any; what is asked about is underlined.

    `model` is the encoder's name, for the caption. Scores by word are drawn by word. IndexError for a text that does not exist,
    ValueError for scores of other texts than the first's, and for evidence that is not one a method.
    """
    every = [scores] if isinstance(scores, TokenScores) else list(scores)
    evidence = [None] * len(every) if trust is None else [trust] if isinstance(trust, Trust) else list(trust)
    if not every or len(evidence) != len(every):
        raise ValueError(f"{len(every)} scores and {len(evidence)} pieces of evidence; give one for each method")
    first = every[0]
    if not -len(first) <= row < len(first):
        raise IndexError(f"no text {row} in a batch of {len(first)}")
    row %= len(first)
    if any(one.tokens.texts != first.tokens.texts for one in every):
        raise ValueError("these scores are of different texts; draw them one after the other")
    rows = [
        TokenRow(
            _title(one), _parts(one, row), one.unit, one.signed, [] if known is None else [about(known[row], one.target.lost)]
        )
        for one, known in zip(every, evidence, strict=True)
    ]
    value = f"{first.target.logit_name} {number(float(first.value[row]))}"
    said = f"What speaks for {first.target.names[row]}"
    return token_sheet(rows, said, [f"{model + ': ' if model else ''}{value}"], paper)


def about(evidence: Evidence, lost: str = "probability") -> str:
    """The verdict with its numbers, in one sentence or two; `lost` is what was measured, as `TokenTarget.lost` says."""
    e = evidence
    if e.advantage.value != e.advantage.value:
        return f"{e.verdict}: {e.sentence}"
    alike = "" if e.randomised != e.randomised else f"; rank correlation {e.randomised:.2f} with random weights"
    gained = f"{e.advantage.value:+.3f} ({e.advantage.low:+.3f} to {e.advantage.high:+.3f}) of {lost} over random orders"
    return f"{e.verdict}: {e.sentence} {gained}{alike}."


def _title(scores: TokenScores) -> str:
    options = ", ".join(f"{key} {value}" for key, value in scores.options.items())
    return scores.method.replace("_", " ") + (f" ({options})" if options else "")


def _parts(scores: TokenScores, row: int) -> list[tuple[str, list[Piece]]]:
    """The texts of a row in pieces; specials, which belong to none, are left out."""
    tokens, places = scores.tokens, set(scores.asked_about(row))
    names = ("",) if len(tokens.texts[row]) == 1 else ("question", "context")
    parts: list[tuple[str, list[Piece]]] = []
    for part, name in enumerate(names):
        pieces, behind = [], 0
        for at in torch.nonzero(tokens.parts[row] == part)[:, 0].tolist():
            start, end = tokens.offsets[row, at].tolist()
            said = tokens.surface(row, at)
            # subtle: some tokenizers count the space before a word to its token
            apart = not pieces or any(map(str.isspace, tokens.texts[row][part][behind:start] + said[:1]))
            behind = max(behind, end)
            pieces.append(Piece(said.strip(), float(scores.scores[row, at]), apart, at in places))
        parts.append((name, pieces))
    return parts
