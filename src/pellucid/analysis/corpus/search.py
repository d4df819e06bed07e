"""Searching a corpus: the tokens whose vectors point most nearly the way of a query's."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from pellucid.analysis.corpus.codes import nearest
from pellucid.analysis.corpus.index import Corpus, Word
from pellucid.analysis.corpus.vectors import By, Space, activations, batches, chosen, most_attended, tokenised
from pellucid.models.activations import Activations

LEAST = 50
"""Candidates whose sentences are read again, however few hits are wanted."""
Vector = Float32[Tensor, " width"] | Float32[np.ndarray, " width"]


@final
@dataclass(frozen=True)
class Hit:
    """A token that was found. Places are characters of its sentence; `token` counts the sentence's tokens with the special
    ones, so that `encoder.read(hit.sentence)` has the match there."""

    similarity: float
    """Cosine; of heads, the mean of the chosen heads' cosines. From a new reading of the sentence it is exact in float32, else
    what the stored bytes say, a few hundredths off."""
    row: int
    token: int
    sentence: str
    start: int
    end: int
    place: int
    """The match's first character in the corpus's text."""
    word: Word | None
    """spaCy's word at the match's first character, with its tags."""
    next: Word | None
    """The word after that one; None at the sentence's end."""
    attended: Word | None
    """The word of the token to which the match attends most in block `layer`, mean over the chosen heads; None for layer 0,
    and where that is not stored and the sentence was not read again."""
    attention: float | None
    """That mean attention, to that one token."""
    offset: int | None
    """How many words later it stands; negative before the match, 0 in its own word."""

    @property
    def match(self) -> str:
        return self.sentence[self.start : self.end]


@final
@dataclass(frozen=True, eq=False)
class Hits:
    """What a search found, most similar first, and how it searched."""

    hits: tuple[Hit, ...]
    corpus: Corpus
    query: Float32[Tensor, " width"]
    """Of length 1; the parts of heads that were not chosen are zero."""
    by: By
    layer: int
    heads: tuple[int, ...]
    """By `heads`, those compared; those whose attention was averaged in either case."""
    exact: bool
    candidates: int
    """How many tokens were compared in float32; 0 where the stored vectors alone decided."""
    specials: bool

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __len__(self) -> int:
        return len(self.hits)

    def __getitem__(self, number: int) -> Hit:
        return self.hits[number]


def search(
    corpus: Corpus,
    query: Activations | Vector | Hit | None = None,
    row: int | None = None,
    token: int | None = None,
    *,
    layer: int,
    by: By = "hidden",
    heads: Sequence[int] | None = None,
    count: int = 50,
    exact: bool = False,
    candidates: int | None = None,
    reread: bool | None = None,
    specials: bool = False,
    hit: Hit | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> Hits:
    """The `count` tokens of the corpus most similar to a token of a text, to a vector, or to a hit of an earlier search.

    `query` with `row` and `token` are activations by the corpus's encoder and a place in them. Tokens are compared by their
    hidden state at `layer`, or by what the chosen `heads` of block `layer` put out, each head with equal weight.

    The stored vectors, all of them, say which tokens are nearest, in a tenth of a second; similarities are then those of the
    few bytes that are kept. With `reread` they choose `candidates` tokens (by default twice `count`, four times for a part of
    the heads, and at least 50), whose sentences are read again, in seconds: order and similarity are exact among those.
    `exact` reads the whole corpus instead. What a match attends to is stored as the mean over all heads and without special
    tokens, so for a part of the heads, or with `specials`, which lets the word attended most be a special token and show as
    None, sentences are always read again, unless `reread` is False: then that stays unknown.

    Raises ValueError for a layer that was not built, and for a query of another encoder, by whole words, zero or not finite;
    IndexError for a row, token or head that does not exist.
    """
    space = corpus.space(by, layer)
    if count < 1:
        raise ValueError(f"count is {count}; ask for at least one hit")
    numbers = _heads(corpus, heads)
    vector = _query(corpus, space, hit if hit is not None else query, row, token)
    if by == "heads":
        vector = chosen(vector, numbers, corpus.encoder.heads)
    scale = (corpus.encoder.heads / len(numbers)) ** 0.5 if by == "heads" else 1.0
    if exact and reread is False:
        raise ValueError("an exact search reads every sentence; leave out reread=False")
    stored = len(numbers) == corpus.encoder.heads and not specials
    again = not stored if reread is None else reread
    if exact:
        found = np.arange(corpus.tokens)
    elif not again:
        found, products = nearest(corpus.scanner(space), corpus.codes[space], vector.numpy(), count)
        unread = _unread(corpus, found, products * scale, layer if stored else 0)
        hits = tuple(_hit(corpus, int(token), unread, n) for n, token in enumerate(found))
        return Hits(hits, corpus, vector, by, layer, tuple(numbers), exact, 0, specials)
    else:
        wanted = candidates or max(LEAST, count * (4 if by == "heads" and heads is not None else 2))
        found, _ = nearest(corpus.scanner(space), corpus.codes[space], vector.numpy(), max(count, wanted))
        found = np.sort(found)
    read = _compare(corpus, found, vector * scale, space, numbers, specials, progress)
    best = np.lexsort((found, -read.similarity))[:count]
    hits = tuple(_hit(corpus, int(found[n]), read, int(n)) for n in best)
    return Hits(hits, corpus, vector, by, layer, tuple(numbers), exact, len(found), specials)


def _heads(corpus: Corpus, heads: Sequence[int] | None) -> list[int]:
    numbers = list(range(corpus.encoder.heads)) if heads is None else sorted(set(heads))
    if not numbers:
        raise ValueError("no head was chosen; leave them out for all of them")
    for head in numbers:
        if not 0 <= head < corpus.encoder.heads:
            raise IndexError(f"no head {head}; a layer has {corpus.encoder.heads}, from 0")
    return numbers


def _query(
    corpus: Corpus, space: Space, query: Activations | Vector | Hit | None, row: int | None, token: int | None
) -> Float32[Tensor, " width"]:
    if isinstance(query, Hit):
        return space.of(activations(corpus.encoder, [query.sentence]))[0, query.token]
    if isinstance(query, Activations):
        return _of_activations(corpus, space, query, row, token)
    if query is None:
        raise ValueError("nothing to search for: give activations with a row and a token, a vector, or a hit")
    vector = torch.as_tensor(query, dtype=torch.float32)
    if vector.shape != (corpus.encoder.hidden_size,):
        raise ValueError(
            f"the vector has the shape {tuple(vector.shape)}; {corpus.encoder.called}'s have ({corpus.encoder.hidden_size},)"
        )
    if not torch.isfinite(vector).all() or not vector.any():
        raise ValueError("the vector is zero, NaN or infinite, and points nowhere")
    return torch.nn.functional.normalize(vector, dim=0)


def _of_activations(
    corpus: Corpus, space: Space, act: Activations, row: int | None, token: int | None
) -> Float32[Tensor, " width"]:
    if row is None or token is None:
        raise ValueError("of these activations, which token? Give its row and its number: search(act, 0, 5, layer=...)")
    if act.pooled is not None:
        raise ValueError("these activations are by whole words, and a corpus keeps wordpieces; give encoder.activations(...)")
    if not 0 <= row < len(act.tokens):
        raise IndexError(f"no text {row} in a batch of {len(act.tokens)}")
    if not 0 <= token < act.tokens.lengths[row]:
        raise IndexError(f"no token {token}; the text has {act.tokens.lengths[row]}, from 0")
    alien = ValueError(
        f"the query was not computed by the encoder of this corpus, {corpus.encoder.called}, and its vectors cannot be "
        "compared; compute it with corpus.encoder.activations(...)"
    )
    own = corpus.encoder
    tokens = act.tokens[row]
    words = int(own.module.get_input_embeddings().weight.shape[0])  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]
    sizes = (act.layers, act.heads, act.hidden_states.shape[-1])
    if sizes != (own.layers, own.heads, own.hidden_size) or int(tokens.ids.max()) >= words:
        raise alien
    vector = space.of(act)[row, token]
    again = space.of(own.activations(tokens))[0, token]
    if float(vector @ again) < 0.999:  # float32 in batches of other shapes differs in the sixth digit
        raise alien
    return vector


@dataclass(frozen=True, eq=False)
class _Reading:
    """Of each candidate, what a new reading of its sentence says."""

    similarity: Float32[np.ndarray, " candidate"]
    at: Int64[np.ndarray, "candidate 3"]
    """The token with the special ones counted, first character, and the one behind the last."""
    to: Int64[np.ndarray, " candidate"]
    """First character of the token attended most; -1 for a special one, and where there is no attention."""
    weight: Float32[np.ndarray, " candidate"]


def _compare(
    corpus: Corpus, found: Int64[np.ndarray, " candidate"], query: Float32[Tensor, " width"], space: Space,
    heads: Sequence[int], specials: bool, progress: Callable[[float], None],
) -> _Reading:  # fmt: skip
    """Every candidate compared in float32, in as few batches as their sentences need. `found` is ascending."""
    similarity, weight = np.zeros(len(found), dtype=np.float32), np.full(len(found), np.nan, dtype=np.float32)
    at, to = np.zeros((len(found), 3), dtype=np.int64), np.full(len(found), -1, dtype=np.int64)
    rows = np.searchsorted(corpus.first_token, found, side="right") - 1
    distinct, starts = np.unique(rows, return_index=True)
    ends = np.append(starts[1:], len(found))
    lengths = (corpus.first_token[distinct + 1] - corpus.first_token[distinct]).tolist()
    done = 0
    for batch in batches(lengths):
        act = activations(corpus.encoder, [corpus.sentence(int(distinct[i])) for i in batch])
        products = space.of(act) @ query
        to_most = most_attended(act, space.layer, heads, specials) if space.layer else None
        for line, i in enumerate(batch):
            here = slice(starts[i], ends[i])
            places = (act.tokens.parts[line] >= 0).nonzero()[:, 0]
            mine = places[torch.from_numpy(found[here] - corpus.first_token[distinct[i]])]
            similarity[here] = products[line, mine].numpy()
            at[here, 0], at[here, 1:] = mine.numpy(), act.tokens.offsets[line, mine].numpy()
            if to_most is not None:
                most = to_most[0][line, mine]
                text = act.tokens.parts[line, most] >= 0
                to[here] = torch.where(text, act.tokens.offsets[line, most, 0], -1).numpy()
                weight[here] = to_most[1][line, mine].numpy()
        done += len(batch)
        progress(done / len(distinct))
    return _Reading(similarity, at, to, weight)


def _unread(corpus: Corpus, found: Int64[np.ndarray, " hit"], similarity: Float32[np.ndarray, " hit"], layer: int) -> _Reading:
    """Where the tokens stand in their sentences, which takes a tokenizer and no network, and what the index says of their
    attention in block `layer`; 0 for none."""
    places = [corpus.row_of(token) for token in found.tolist()]
    tokens = tokenised(corpus.encoder, [corpus.sentence(row) for row, _ in places])
    at, to = np.zeros((len(found), 3), dtype=np.int64), np.full(len(found), -1)
    attended, weight = corpus.attention(found, layer) if layer else (None, np.full(len(found), np.nan, dtype=np.float32))
    for n, (_, number) in enumerate(places):
        kept = (tokens.parts[n] >= 0).nonzero()[:, 0]
        at[n] = (int(kept[number]), *tokens.offsets[n, kept[number]].tolist())
        if attended is not None:
            to[n] = int(tokens.offsets[n, kept[attended[n]], 0])
    similarity = np.clip(similarity, -1, 1).astype(np.float32)  # a few bytes may overshoot
    return _Reading(similarity, at, to, weight)


def _hit(corpus: Corpus, token: int, read: _Reading, n: int) -> Hit:
    row, _ = corpus.row_of(token)
    words = corpus.words_of(row)
    place, start, end = (int(value) for value in read.at[n])
    number = corpus.word_over(row, start)
    other = corpus.word_over(row, int(read.to[n])) if read.to[n] >= 0 else None
    following = None if number is None or number + 1 == len(words) else words[number + 1]
    return Hit(
        similarity=float(read.similarity[n]), row=row, token=place, sentence=corpus.sentence(row), start=start, end=end,
        place=int(corpus.rows[row, 0]) + start, word=None if number is None else words[number], next=following,
        attended=None if other is None else words[other],
        attention=None if np.isnan(read.weight[n]) else float(read.weight[n]),
        offset=None if other is None or number is None else other - number,
    )  # fmt: skip
