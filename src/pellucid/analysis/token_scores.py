"""How much each token speaks for what an encoder answered, by seven methods.

Leaving a token out: Li, Monroe and Jurafsky 2016, https://arxiv.org/abs/1612.08220. Kernel SHAP: Lundberg and Lee, NeurIPS
2017, https://arxiv.org/abs/1705.07874. Input times gradient: Denil, Demiraj and de Freitas 2014, https://arxiv.org/abs/1412.6815.
Integrated gradients: Sundararajan, Taly and Yan, ICML 2017, https://arxiv.org/abs/1703.01365. That attention is no measure of
importance by itself: Jain and Wallace, NAACL 2019, https://arxiv.org/abs/1902.10186.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal, final, get_args

import torch
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor

from pellucid.analysis.rollout import rollout
from pellucid.analysis.token_shapley import LEAST, token_shapley
from pellucid.analysis.token_targets import (
    AT_ONCE,
    Asked,
    TokenTarget,
    asked_without,
    by_length,
    read_out,
    removable,
    speaking_at,
    token_target,
)
from pellucid.attribution import Work
from pellucid.inputs.paths import quadrature
from pellucid.inputs.text import Tokens
from pellucid.models.activations import _words_as_tokens, word_groups
from pellucid.models.fit import check_gradients
from pellucid.models.fit import gradient as gradient_of
from pellucid.models.kinds import check_encoder
from pellucid.models.text import TextEncoder
from pellucid.registry import OptionValue

TokenMethod = Literal["erasure", "kernel_shap", "input_x_gradient", "integrated_gradients", "attention", "rollout", "random"]
Baseline = Literal["mask", "pad", "zero"]
DISTANCE = "expected distance"
"""The name of an error that is a Euclidean distance between all scores of a text."""


@final
@dataclass(frozen=True)
class TokenScore:
    """One token, or word, and how much it speaks for the target."""

    token: int
    """Its place in the row."""
    text: str
    """As it stands in the text."""
    score: float


@final
@dataclass(frozen=True, eq=False)
class TokenScores:
    """How much each token spoke for the target, in `unit`. Raw; scaled only when drawn.

    NaN stands where there is no token of the text that could be left out: specials, filling, and tokens that the network is not
    shown, among them the masked place that is asked about.
    """

    tokens: Tokens
    scores: Float32[Tensor, "batch token"]
    target: TokenTarget
    value: Float32[Tensor, " batch"]
    """The target's logit, or the number, for the whole text."""
    unit: str
    method: str
    error: Float32[Tensor, " batch"]
    """The method's own estimate of its error, in `unit`; 0 where a method computes exactly what it says."""
    work: Work
    error_name: str = "error"
    signed: bool = True
    """Whether a score below zero speaks against the target; where not, there is only more and less."""
    pooled: Literal["sum"] | None = None
    """How wordpieces were made into words, where they were."""
    options: Mapping[str, OptionValue] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.scores)

    def top(self, k: int = 5, row: int = 0, *, by: Literal["score", "magnitude"] = "score") -> list[TokenScore]:
        """The k tokens of a text that speak most for the target, the strongest first; of equal ones, the earlier.

        `by="magnitude"`: most for or against it. IndexError for a text that does not exist, ValueError for k below 1.
        """
        if k < 1:
            raise ValueError(f"k={k}; at least one token")
        if by not in ("score", "magnitude"):
            raise ValueError(f"by={by!r}; 'score' or 'magnitude'")
        if not -len(self) <= row < len(self):
            raise IndexError(f"no text {row} in a batch of {len(self)}")
        row %= len(self)
        scores = self.scores[row]
        ranked = scores.abs() if by == "magnitude" else scores
        order = ranked.nan_to_num(-torch.inf, posinf=torch.inf, neginf=-torch.inf).argsort(descending=True, stable=True)
        found = [at for at in order.tolist() if not scores[at].isnan()][:k]
        return [TokenScore(at, self.tokens.surface(row, at), float(scores[at])) for at in found]

    def asked_about(self, row: int = 0) -> list[int]:
        """The tokens that are asked about: those of the answer, or the masked one; none for a class or number, nor by word."""
        if self.target.task in ("classification", "regression") or self.pooled is not None:
            return []
        first, last = self.target.places[row, [0, -1]].tolist()
        return list(range(first, last + 1))

    def by_word(self) -> "TokenScores":
        """The same by whole words: the sum over each word's pieces, so that the total stays; a special is a word by itself.

        A word is NaN when all its pieces are. `target` keeps counting in wordpieces. ValueError for scores that are by word.
        """
        if self.pooled is not None:
            raise ValueError(f"these scores are by word already, pooled by {self.pooled}")
        groups = [word_groups(self.tokens, row) for row in range(len(self))]
        most = max(map(len, groups))
        scores = torch.full((len(groups), most), torch.nan)
        for row, words in enumerate(groups):
            for number, pieces in enumerate(words):
                known = self.scores[row, pieces]
                known = known[~known.isnan()]
                scores[row, number] = known.double().sum().float() if len(known) else torch.nan
        return replace(self, tokens=_words_as_tokens(self.tokens, groups, most), scores=scores, pooled="sum")


def token_scores(
    encoder: TextEncoder,
    tokens: Tokens | str | Sequence[str] | Sequence[tuple[str, str]],
    context: str | Sequence[str] | None = None,
    *,
    method: TokenMethod = "erasure",
    target: Asked | TokenTarget = None,
    baseline: Baseline | None = None,
    steps: int = 32,
    samples: int = 1000,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> TokenScores:
    """How much each token of each text speaks for the encoder's answer, the word at its one masked place, its class or number.

    The target's logit is the sum of start and end logit of the answer, the logit of the word or of the class, or the number of
    a regression; see `token_target` for what may be given and what is chosen otherwise.

    - `erasure`: by how much the logit falls when the token alone is shown as the mask token. One pass a token.
    - `kernel_shap`: the token's Shapley value, the mean of what showing it adds to the logit over all orders in which tokens
      may be shown, the others being the mask token until then; from `samples` subsets of the tokens, drawn from `seed`. The
      values add up to the logit less that of a text of masks. Of up to nine tokens, by default, all subsets are asked, and the
      values are exact; otherwise `error` is how far they are expected to be from those of endless samples, as a Euclidean
      distance.
    - `input_x_gradient`: the gradient of the logit by the token's word embedding, dotted with that embedding (less the one of
      `baseline`, by default zero). These encoders normalise the sum of a token's embeddings (word, place, segment), so that its
      length does not matter and the gradient is orthogonal to it: what this method gives is minus the product with place and
      segment, and says little. With `baseline` "mask" it is the linear estimate of what erasure measures.
    - `integrated_gradients`: the same gradient, averaged over `steps` points of Gauss and Legendre on the straight path from
      the embedding of `baseline` (by default the mask token's), dotted with the way. Specials and the masked place stay as they
      are along the path. `error` is the completeness gap: how far the scores' sum is from the change of the logit.
    - `attention`: what the token receives, the mean over layers, heads and queries. It does not know the target.
    - `rollout`: what the target's places have of the token at the last layer (mean over start and end; of a class, the first
      token), by attention rollout.
    - `random`: standard normal noise from `seed`, the same for texts of one length; a control.

    Scores are logits, or in the number's unit, but shares of attention for `attention` and `rollout`, which are never negative;
    they sum to 1 only with the specials, which are NaN here. ValueError for an unknown method or baseline, for steps below 1 or
    samples below 10, and for what has no target.
    """
    check_encoder(encoder)
    if method not in get_args(TokenMethod):
        raise ValueError(f"no method named {method!r}; known: {', '.join(get_args(TokenMethod))}")
    start = baseline or ("mask" if method == "integrated_gradients" else "zero")
    if start not in get_args(Baseline):
        raise ValueError(f"no baseline named {baseline!r}; known: {', '.join(get_args(Baseline))}")
    if steps < 1:
        raise ValueError(f"steps={steps}; at least one point of the path")
    if samples < LEAST:
        raise ValueError(f"samples={samples}; at least {LEAST} subsets of the tokens")
    tokens = tokens if isinstance(tokens, Tokens) else encoder.read(tokens, context)
    wanted = token_target(encoder, tokens, target)
    able = removable(tokens)
    every = torch.arange(len(tokens))
    whole, _ = asked_without(encoder, tokens, wanted, every, torch.zeros_like(able), "delete")
    nothing = torch.zeros(len(tokens))
    unit = "the number's unit" if wanted.task == "regression" else "logit"
    base = TokenScores(tokens, torch.full(able.shape, torch.nan), wanted, whole, unit, method, nothing, Work(0, 0, 1.0))

    def finished(scores: Tensor, forwards: int, backwards: int = 0, **more: Any) -> TokenScores:
        if progress is not None:
            progress(1.0)
        passes = Work(len(tokens) + forwards, backwards, 1.0)
        return replace(base, scores=scores.masked_fill(~able, torch.nan), work=passes, **more)

    if method == "erasure":
        return finished(erased(encoder, tokens, wanted, whole, able, progress), int(able.sum()))
    if method == "kernel_shap":
        scores, off, asked = token_shapley(encoder, tokens, wanted, able, samples, seed, progress)
        return finished(
            scores, asked, error=off, error_name=DISTANCE, options={"samples": samples, "seed": seed}
        )  # fmt: skip
    if method == "input_x_gradient":
        here = _embedded(encoder, tokens.ids)
        gradient, _ = _asked_of(encoder, tokens, wanted, every, here, gradient=True, progress=progress)
        scores = (gradient * (here - _baseline(encoder, start))).sum(-1)
        return finished(scores, len(tokens), len(tokens), options={"baseline": start})
    if method == "integrated_gradients":
        scores, gap = _integrated(encoder, tokens, wanted, able, start, steps, progress)
        return finished(
            scores, (steps + 2) * len(tokens), steps * len(tokens), error=gap, error_name="completeness gap",
            options={"baseline": start, "steps": steps},
        )  # fmt: skip
    if method == "random":
        scores = torch.zeros(able.shape)
        for row, length in enumerate(tokens.lengths):
            scores[row, :length] = torch.randn(length, generator=torch.Generator().manual_seed(seed))
        return finished(scores, 0, unit="arbitrary", options={"seed": seed})
    scores = _attended(encoder, tokens, wanted, method, progress)
    return finished(scores, len(tokens), unit="share of attention", signed=False)


def erased(
    encoder: TextEncoder,
    tokens: Tokens,
    target: TokenTarget,
    whole: Float32[Tensor, " batch"],
    which: Bool[Tensor, "batch token"],
    progress: Callable[[float], None] | None = None,
) -> Float32[Tensor, "batch token"]:
    """By how much the target's logit, `whole` for the whole texts, falls without each of these tokens alone; NaN elsewhere."""
    rows, places = which.nonzero().T
    removed = torch.zeros(len(rows), which.shape[1], dtype=torch.bool)
    removed[torch.arange(len(rows)), places] = True
    scores = torch.full(which.shape, torch.nan)
    scores[rows, places] = whole[rows] - asked_without(encoder, tokens, target, rows, removed, "mask", progress)[0]
    return scores


def _attended(
    encoder: TextEncoder,
    tokens: Tokens,
    target: TokenTarget,
    method: TokenMethod,
    progress: Callable[[float], None] | None,
) -> Float32[Tensor, "batch token"]:
    scores = torch.zeros(tokens.ids.shape)
    for row in range(len(tokens)):  # one by one: activations hold every head's square of weights
        activations = encoder.activations(tokens[row])
        if method == "attention":
            found = activations.attentions.mean((0, 1, 2, 3))
        else:
            found = rollout(activations)[-1, 0, target.places[row]].mean(0)
        scores[row, : len(found)] = found
        if progress is not None:
            progress((row + 1) / len(tokens))
    return scores


def _integrated(
    encoder: TextEncoder,
    tokens: Tokens,
    target: TokenTarget,
    able: Tensor,
    baseline: Baseline,
    steps: int,
    progress: Callable[[float], None] | None,
) -> tuple[Float32[Tensor, "batch token"], Float32[Tensor, " batch"]]:
    here = _embedded(encoder, tokens.ids)
    start = here * ~able[..., None] + _baseline(encoder, baseline) * able[..., None]
    way = here - start
    positions, weights = (torch.from_numpy(each).float() for each in quadrature("gauss_legendre", steps))
    count, rows = len(tokens), torch.arange(len(tokens))
    scores, done = torch.zeros(able.shape, dtype=torch.float64), 0
    for some in torch.arange(steps).split(max(1, AT_ONCE // 2 // able.numel())):
        along = start + positions[some, None, None, None] * way
        gradient, _ = _asked_of(encoder, tokens, target, rows.repeat(len(some)), along.flatten(0, 1), gradient=True)
        pull = (gradient.unflatten(0, (len(some), count)) * way).sum(-1)
        scores += (weights[some, None, None] * pull).double().sum(0)
        done += len(some)
        if progress is not None:
            progress(done / (steps + 1))
    ends = [_asked_of(encoder, tokens, target, rows, at)[1] for at in (start, here)]
    change = ends[1].double() - ends[0].double()
    return scores.float(), (scores.sum(1) - change).abs().float()


def _asked_of(
    encoder: TextEncoder,
    tokens: Tokens,
    target: TokenTarget,
    rows: Int64[Tensor, " batch"],
    embeddings: Float[Tensor, "batch token channel"],
    *,
    gradient: bool = False,
    progress: Callable[[float], None] | None = None,
) -> tuple[Float32[Tensor, "batch token channel"], Float32[Tensor, " batch"]]:
    """The gradient of the targets' logits by these word embeddings, 0 unless asked for, and the logits."""
    encoder.check_mode()
    if gradient:
        check_gradients(encoder.module)
    device = next(encoder.module.parameters()).device
    # subtle: the caller may be in no_grad or in inference mode; what is indexed or cloned here is of neither
    with torch.inference_mode(False), torch.set_grad_enabled(gradient):
        slopes, logits = torch.zeros(embeddings.shape), torch.zeros(len(rows))
        passes = by_length(tokens.mask[rows].sum(1), AT_ONCE // 2 if gradient else AT_ONCE)
        for number, some in enumerate(passes):
            chosen = rows[some]
            width = int(tokens.mask[chosen].sum(1).max())
            mask, places = tokens.mask[chosen][:, :width], target.places[chosen]
            given = {"input_ids": tokens.ids[chosen][:, :width], "attention_mask": mask.long()}
            if getattr(encoder.config, "type_vocab_size", 0) > 1:
                given["token_type_ids"] = tokens.segments[chosen][:, :width]
            leaf = embeddings[some][:, :width].clone().to(device).requires_grad_(gradient)
            with speaking_at(encoder, places), _embedding(encoder, leaf):
                out = encoder.module(**{k: v.to(device) for k, v in given.items()}, return_dict=True)
            if target.task == "question_answering":
                said = {"start": out.start_logits, "end": out.end_logits}
            else:
                kind = {"classification": "classes", "regression": "numbers"}.get(target.task, "words")
                said = {kind: out.logits}
            logit, _ = read_out({k: v.float() for k, v in said.items()}, mask, places, target.words[chosen])
            logits[some] = logit.detach()
            if gradient:  # of the embeddings alone: the caller's parameters keep their .grad
                slopes[some, :width] = gradient_of(logit, leaf, "erasure, attention or rollout").cpu()
            if progress is not None:
                progress((number + 1) / len(passes))
    if not torch.isfinite(slopes).all():
        raise ValueError(f"the gradient of {encoder.called} is NaN or infinite at this text; are its weights sound?")
    return slopes, logits


@contextmanager
def _embedding(encoder: TextEncoder, embeddings: Float[Tensor, "batch token channel"]) -> Iterator[None]:
    """Within, the network reads these for the words that it is given: RoBERTa counts its places by the words."""
    module: Any = encoder.module
    handle = module.get_input_embeddings().register_forward_hook(lambda _module, _args, own: embeddings.to(own))
    try:
        yield
    finally:
        handle.remove()


def _embedded(encoder: TextEncoder, ids: Int64[Tensor, "*any"]) -> Float32[Tensor, "*any channel"]:
    return encoder.embeddings.float().cpu()[ids]


def _baseline(encoder: TextEncoder, baseline: Baseline) -> Float32[Tensor, " channel"]:
    number = {"mask": encoder.tokenizer.mask_token_id, "pad": encoder.tokenizer.pad_token_id, "zero": 0}[baseline]
    if number is None:
        raise ValueError(f"the tokenizer of {encoder.called} has no {baseline} token; baseline='zero' needs none")
    found = _embedded(encoder, torch.tensor(int(number)))
    return torch.zeros_like(found) if baseline == "zero" else found
