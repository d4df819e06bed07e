"""What the heads on top of an encoder say: the answer to a question, and the words that masks hide."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pellucid.inputs.text import Tokens
from pellucid.models.kinds import check_encoder
from pellucid.models.text import TextEncoder

LONGEST = 30
"""Tokens of the longest answer, unless asked otherwise."""
ROWS = 8
"""Rows of a forward pass: windows are long, and more of them at once are no faster."""


@final
@dataclass(frozen=True)
class Span:
    """A stretch of the context."""

    text: str
    start: int
    """Its first character in the context."""
    end: int
    """The character behind its last."""
    row: int
    """The row of the tokens that it was found in: of a long context, the window."""
    first: int
    """Its first token in that row."""
    last: int
    score: float
    """Start logit plus end logit."""
    probability: float
    """Of all spans of all windows and of there being no answer, this one's share: their softmax."""


@final
@dataclass(frozen=True)
class Answer:
    """The answer to one question, or that its context has none."""

    best: Span
    """The best span, whether it was good enough or not."""
    alternatives: tuple[Span, ...]
    """The next best spans, best first; they may overlap."""
    null_score: float
    """Start and end logit of "no answer", the lowest over the windows."""
    null_probability: float
    threshold: float
    tokens: Tokens
    """The rows of this question, one or several windows, the best span marked as answer when there is one."""

    @property
    def answered(self) -> bool:
        """False when "no answer" exceeds the best span by more than the threshold."""
        return self.null_score - self.best.score <= self.threshold

    @property
    def text(self) -> str:
        """The answer as it stands in the context; "" for none."""
        return self.best.text if self.answered else ""

    @property
    def start(self) -> int | None:
        return self.best.start if self.answered else None

    @property
    def end(self) -> int | None:
        return self.best.end if self.answered else None

    @property
    def first(self) -> int | None:
        return self.best.first if self.answered else None

    @property
    def last(self) -> int | None:
        return self.best.last if self.answered else None


@final
@dataclass(frozen=True)
class Guess:
    """A wordpiece for a masked place."""

    token: str
    probability: float


@final
@dataclass(frozen=True)
class Blank:
    """A masked place and what the encoder would put there, likeliest first."""

    token: int
    """Its place in the row."""
    hidden: str
    """What stands there in the text: the mask itself, or the word that was hidden."""
    guesses: tuple[Guess, ...]


def answer(
    enc: TextEncoder,
    question: str | Tokens | Sequence[str] | Sequence[tuple[str, str]],
    context: str | Sequence[str] | None = None,
    *,
    top: int = 3,
    longest: int = LONGEST,
    threshold: float | None = None,
) -> list[Answer]:
    """The answer to each question from its context, with the `top` best spans of at most `longest` tokens.

    A context that is too long is read in overlapping windows. Of all spans (i, j), i <= j, within the context, the best has the
    largest sum of start and end logit; the logits at the first token, which is special, speak for "no answer" (Devlin et al.
    2019, section 4.3, https://arxiv.org/abs/1810.04805). `threshold` is by default the encoder's own. ValueError for an encoder
    without a question-answering head, or for texts without a context.
    """
    check_encoder(enc)
    enc.need("question_answering")
    if top < 1 or longest < 1:
        raise ValueError(f"top={top} and longest={longest} must be at least 1")
    tokens = question if isinstance(question, Tokens) else enc.read(question, context, windows=True)
    for texts in tokens.texts:
        if len(texts) != 2:
            raise ValueError(
                f"{texts[0][:40]!r} has no context; a question is answered from a context: read(question, context)"
            )
    start, end = _logits(enc, tokens)
    limit = enc.threshold if threshold is None else threshold
    return [
        _answer(tokens, [row for row, of in enumerate(tokens.items) if of == item], start, end, top, longest, limit)
        for item in dict.fromkeys(tokens.items)
    ]


def within_context(tokens: Tokens, row: int) -> Bool[Tensor, " token"]:
    """The tokens with which an answer may begin or end: those of the context that stand for a character other than a space."""
    return (tokens.parts[row] == 1) & (tokens.offsets[row, :, 0] < tokens.offsets[row, :, 1])


def best_spans(
    start: Float[Tensor, " token"], end: Float[Tensor, " token"], inside: Bool[Tensor, " token"], longest: int
) -> Float[Tensor, "token token"]:
    """The score of every span (first, last): start plus end logit; minus infinity where it is no span of the context."""
    places = torch.arange(len(start))
    length = places[None, :] - places[:, None] + 1
    valid = (length >= 1) & (length <= longest) & inside[:, None] & inside[None, :]
    return (start[:, None] + end[None, :]).masked_fill(~valid, -torch.inf)


def _logits(enc: TextEncoder, tokens: Tokens) -> tuple[Tensor, Tensor]:
    start, end = torch.full(tokens.ids.shape, -torch.inf), torch.full(tokens.ids.shape, -torch.inf)
    for at in range(0, len(tokens), ROWS):
        part = tokens[at : at + ROWS]
        out = enc.outputs(part)
        width = out["start"].shape[1]
        start[at : at + ROWS, :width], end[at : at + ROWS, :width] = out["start"], out["end"]
    return start, end


def _answer(
    tokens: Tokens, rows: Sequence[int], start: Tensor, end: Tensor, top: int, longest: int, threshold: float
) -> Answer:
    grids = torch.stack([best_spans(start[r], end[r], within_context(tokens, r), longest) for r in rows])
    null_score = float((start[list(rows), 0] + end[list(rows), 0]).min())
    total = torch.logaddexp(grids.flatten().logsumexp(0), torch.tensor(null_score))
    width = grids.shape[-1]
    spans: list[Span] = []
    # subtle: a span in the overlap of two windows is found twice, so more are looked at than are wanted
    order = grids.flatten().topk(min(grids.numel(), 4 * top + 16))
    for score, flat in zip(order.values.tolist(), order.indices.tolist(), strict=True):
        if score == -torch.inf or len(spans) == top:
            break
        row, first, last = rows[flat // width**2], flat // width % width, flat % width
        left, right = int(tokens.offsets[row, first, 0]), int(tokens.offsets[row, last, 1])
        if any((left, right) == (s.start, s.end) for s in spans):  # the same characters, seen in two windows
            continue
        text = tokens.texts[row][1][left:right]
        spans.append(Span(text, left, right, row - rows[0], first, last, score, float((score - total).exp())))
    best, *rest = spans
    found = null_score - best.score <= threshold
    own = tokens[rows[0] : rows[-1] + 1].answered(
        [(best.first, best.last) if found and n == best.row else None for n in range(len(rows))]
    )
    return Answer(best, tuple(rest), null_score, float((null_score - total).exp()), threshold, own)


def fill_mask(enc: TextEncoder, text: str | Tokens | Sequence[str], *, top: int = 5) -> list[list[Blank]]:
    """For each text, its masked places with the `top` likeliest wordpieces: softmax over the vocabulary at that place.

    Write the encoder's mask token, such as [MASK], in the text, or hide tokens: `enc.hide(tokens, [3])`. ValueError for an
    encoder without a masked-word head, or when nothing is masked.
    """
    check_encoder(enc)
    enc.need("masked_words")
    if not 1 <= top <= enc.config.vocab_size:
        raise ValueError(f"top={top}; expected 1 to {enc.config.vocab_size}, the size of the vocabulary")
    tokens = enc.read(text)
    assert tokens.masked is not None
    for row in range(len(tokens)):
        if not tokens.masked[row].any():
            raise ValueError(
                f"nothing is masked in {tokens.names[row][:60]!r}; write {enc.tokenizer.mask_token} in the place of a word "
                "(in Python, enc.hide(tokens, [3]) does it too)"
            )
    found: list[list[Blank]] = []
    for row in range(len(tokens)):
        alone = tokens[row]
        probabilities = enc.outputs(alone)["words"][0].softmax(-1)
        assert alone.masked is not None
        found.append([_blank(enc, alone, at, probabilities[at], top) for at in alone.masked[0].nonzero()[:, 0].tolist()])
    return found


def _blank(enc: TextEncoder, tokens: Tokens, at: int, probabilities: Tensor, top: int) -> Blank:
    best = probabilities.topk(top)
    words = [enc.spelled(i) for i in best.indices.tolist()]
    return Blank(at, tokens.surface(0, at), tuple(map(Guess, words, best.values.tolist())))
