"""A text encoder of the BERT family: how it reads a text, and one forward pass opened up."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, final

import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from pellucid.inputs.text import Tokens
from pellucid.models.activations import Activations
from pellucid.models.digest import digest, shortened
from pellucid.models.finite import all_finite
from pellucid.models.hooks import find_module, uncompiled
from pellucid.models.remembered import Memory
from pellucid.models.unpickled import make_known

Head = Literal["question_answering", "masked_words", "classification", "regression"]

PROJECTIONS = {
    "albert": "encoder.albert_layer_groups.{group}.albert_layers.0.attention.dense",
    "bert": "encoder.layer.{layer}.attention.output.dense",
    "camembert": "encoder.layer.{layer}.attention.output.dense",
    "distilbert": "transformer.layer.{layer}.attention.out_lin",
    "electra": "encoder.layer.{layer}.attention.output.dense",
    "roberta": "encoder.layer.{layer}.attention.output.dense",
    "xlm-roberta": "encoder.layer.{layer}.attention.output.dense",
}
"""Of each architecture, the matrix of a block that mixes its heads: what goes into it is the heads' outputs, side by side."""
WINDOW, OVERLAP = 384, 128
"""Tokens of a window over a text that is too long, and how many of them the next one repeats; as is usual for SQuAD."""


class TextWarning(UserWarning):
    """A text that can be read, but about which one should know something."""


@final
@dataclass(frozen=True, eq=False)
class TextEncoder:
    """A ready encoder: a module of `transformers` with or without a head, and its tokenizer.

    The module is never changed: weights, mode, `.grad` and hooks stay as they were. Its attention has to be computed by the
    "eager" implementation, the only one that keeps the attention weights.
    """

    module: nn.Module
    tokenizer: Any
    """A fast tokenizer of `transformers`: only those know which characters a token stands for."""
    name: str = ""
    """What a Request calls it; the fingerprint when none is given."""
    threshold: float = 0.0
    """Question answering says "no answer" when its logit exceeds the best span's by more than this."""
    _memory: Memory = field(default_factory=Memory, init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.module, nn.Module) or not hasattr(self.module, "config"):
            raise TypeError(
                f"module is a {type(self.module).__name__}; expected an encoder of transformers, such as a BertModel"
            )
        object.__setattr__(self, "module", uncompiled(self.module))
        kind = self.config.model_type
        if kind not in PROJECTIONS:
            raise ValueError(f"no encoder of type {kind!r} can be opened up; known: {', '.join(PROJECTIONS)}")
        if not getattr(self.tokenizer, "is_fast", False):
            raise ValueError(
                f"the tokenizer is a {type(self.tokenizer).__name__}, which does not say which characters a token stands for; "
                "load a fast one: AutoTokenizer.from_pretrained(..., use_fast=True)"
            )
        highest, rows = max(self.tokenizer.get_vocab().values()), len(self.embeddings)
        if highest >= rows:
            raise ValueError(
                f"the tokenizer's vocabulary goes to number {highest:,}, and the encoder's embedding table has {rows:,} rows, "
                f"from 0; give the tokenizer that belongs to it, or call module.resize_token_embeddings({highest + 1})"
            )
        self.check_mode()
        if not self.name:
            object.__setattr__(self, "name", f"sha256:{self.fingerprint}")

    def __repr__(self) -> str:
        reads = f"{self.layers} layers x {self.heads} heads x {self.hidden_size}"
        return f"<TextEncoder {self.called}: {type(self.module).__name__}, {reads}>"

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        make_known(self.module)

    if not TYPE_CHECKING:  # or any attribute would do for a type checker

        def __getattr__(self, name: str) -> Any:
            """AttributeError; for what activations have, with how to get them."""
            known = name in Activations.__dataclass_fields__ or hasattr(Activations, name)
            also = f"; its activations on a text have: enc.activations(text).{name}" if known else ""
            raise AttributeError(f"a TextEncoder has no {name!r}{also}", name=name, obj=self)

    def check_mode(self) -> None:
        """ValueError for a module in training mode, whose dropout would make every answer another one."""
        if self.module.training:
            raise ValueError(f"the encoder is in training mode ({type(self.module).__name__}): call module.eval() first")

    # ------------------------------------------------------------------------------------------------ what it is

    @property
    def called(self) -> str:
        """Its name as a person reads it: of a fingerprint the first eight digits."""
        return shortened(self.name)

    @property
    def memory(self) -> Memory:
        """What is known of the encoder as it is now."""
        return self._memory.of(self.module)

    @property
    def config(self) -> Any:
        return self.module.config

    @property
    def layers(self) -> int:
        return int(self.config.num_hidden_layers)

    @property
    def heads(self) -> int:
        return int(self.config.num_attention_heads)

    @property
    def hidden_size(self) -> int:
        return int(self.config.hidden_size)

    @property
    def embeddings(self) -> Float[Tensor, "word channel"]:
        """The table of word embeddings."""
        module: Any = self.module
        return module.get_input_embeddings().weight.detach()

    @property
    def limit(self) -> int:
        """How many tokens it reads at once, specials included."""
        positions = int(self.config.max_position_embeddings)
        if "roberta" in self.config.model_type or self.config.model_type == "camembert":
            positions -= int(self.config.pad_token_id) + 1  # RoBERTa counts its positions from behind the padding index
        return min(positions, int(self.tokenizer.model_max_length))

    @cached_property
    def answers_questions(self) -> bool:
        return hasattr(self.module, "qa_outputs")

    @cached_property
    def classifies(self) -> bool:
        """Whether it puts a text, or a pair of texts, into one of several classes."""
        return any(kind.__name__.endswith("ForSequenceClassification") for kind in type(self.module).__mro__)

    @property
    def multi_label(self) -> bool:
        """Whether any number of its classes may hold at once, each with its own sigmoid."""
        return self.classifies and self.config.problem_type == "multi_label_classification"

    @property
    def regression(self) -> bool:
        """Whether what it gives are numbers and no classes: a single one, or several by its configuration."""
        if not self.classifies or self.multi_label:
            return False
        return self.config.problem_type == "regression" or self.head_size == 1

    @property
    def head_size(self) -> int:
        """How many logits its head for classes gives."""
        # subtle: the configuration counts names, which may be fewer
        return int(getattr(self.module, "num_labels", self.config.num_labels))

    @cached_property
    def fills_masks(self) -> bool:
        # a module without a head has no output embeddings; ELECTRA's discriminator has none that speak of words
        get = getattr(self.module, "get_output_embeddings", lambda: None)
        return (
            not (self.answers_questions or self.classifies) and self.tokenizer.mask_token_id is not None and get() is not None
        )

    def need(self, head: Head) -> None:
        """ValueError when the encoder lacks that head, with what would do."""
        if head == "question_answering" and not self.answers_questions:
            raise ValueError(
                f"{self.called} has no question-answering head; load one that has, such as 'minilm-qa' or the folder of a "
                "checkpoint fine-tuned on SQuAD"
            )
        if head == "masked_words" and not self.fills_masks:
            raise ValueError(
                f"{self.called} has no masked-word head; load one that has, such as 'minilm-mlm' or the folder of a checkpoint "
                "like bert-base-uncased"
            )

    def need_some_head(self, so: str) -> None:
        """ValueError when the encoder has no head at all, with what follows from it and what would do."""
        if not (self.answers_questions or self.fills_masks or self.classifies):
            raise ValueError(
                f"{self.called} has no head for question answering, masked words or classes of texts, so {so}; load one that "
                "has such a head, as 'minilm-qa', 'minilm-mlm' or the folder of a model ForSequenceClassification"
            )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the weights, their names, and the vocabulary."""
        return digest(sorted(self.module.state_dict().items()), repr(sorted(self.tokenizer.get_vocab().items())))

    # ------------------------------------------------------------------------------------------------ reading text

    def read(
        self,
        text: str | Tokens | Sequence[str] | Sequence[tuple[str, str]],
        context: str | Sequence[str] | None = None,
        *,
        windows: bool = False,
    ) -> Tokens:
        """A text, a question with its context, or a list of either, as the encoder reads it.

        A `[MASK]` in the text hides a word. With `windows`, a context that is too long becomes several overlapping rows.
        Raises ValueError for a text that is empty or longer than the encoder reads; the message says how long it is. Warns
        of characters for which the vocabulary has no piece.
        """
        if isinstance(text, Tokens):
            return text
        pairs = _pairs(text, context)
        for number, pair in enumerate(pairs):
            self._check(pair, number if len(pairs) > 1 else None)
        encodings, items = self._encode(pairs, windows)
        tokens = self._tokens(pairs, encodings, items)
        self._warn_of_unknown(tokens)
        return tokens

    def hide(self, tokens: Tokens, positions: Sequence[int], row: int = 0) -> Tokens:
        """The same texts with these tokens of a row hidden behind the mask token. ValueError where the encoder has none."""
        if self.tokenizer.mask_token_id is None:
            raise ValueError(f"{self.called} has no mask token, so nothing can be hidden from it")
        return tokens.hidden(row, positions, int(self.tokenizer.mask_token_id))

    def spelled(self, token_id: int) -> str:
        """A wordpiece as a person reads it: ``the` and not `Ġthe`; `##ing` keeps the sign that it continues a word."""
        piece = str(self.tokenizer.convert_ids_to_tokens(token_id))
        if token_id in self.tokenizer.all_special_ids:
            return piece
        return piece if piece.startswith("##") else self.tokenizer.decode([token_id]).strip() or piece

    def _check(self, pair: tuple[Any, ...], number: int | None) -> None:
        which = "" if number is None else f" number {number}"
        if len(pair) not in (1, 2):
            raise ValueError(f"text{which} has {len(pair)} parts; expected a text, or a question with its context")
        for part, name in zip(pair, ("question", "context") if len(pair) > 1 else ("text",), strict=True):
            if not isinstance(part, str):
                raise TypeError(f"{name}{which} is a {type(part).__name__}; expected a text")
            check_characters(part, f"the {name}{which}")
            if not part.strip():
                raise ValueError(f"the {name}{which} is empty; there is nothing to read")
            kept = self._call((part,), add_special_tokens=False)["input_ids"]
            special = set(self.tokenizer.all_special_ids) - {self.tokenizer.mask_token_id, self.tokenizer.unk_token_id}
            if all(i in special for i in kept):
                what = "only special tokens" if kept else "only characters that the tokenizer drops"
                raise ValueError(f"the {name}{which} {part[:40]!r} holds {what}; there is nothing to read")

    def _encode(self, pairs: Sequence[tuple[str, ...]], windows: bool) -> tuple[list[Any], list[int]]:
        encodings, items = [], []
        for number, pair in enumerate(pairs):
            whole = self._call(pair)
            length = len(whole["input_ids"])
            if length <= self.limit:
                encodings.append(whole.encodings[0])
                items.append(number)
                continue
            if not windows or len(pair) < 2:
                cure = "cut it, or build a corpus of it, which is read sentence by sentence"
                if len(pair) > 1:
                    cure = (
                        "cut the context, or only have the question answered, which reads it in windows: read(question, "
                        "context, windows=True), or `pellucid answer`"
                    )
                raise ValueError(f"the text is {length:,} tokens long and {self.called} reads at most {self.limit:,}; {cure}")
            size = min(WINDOW, self.limit)
            question = length - len(self._call((pair[1],))["input_ids"])
            room = size - question - 2
            if room < 32:
                raise ValueError(
                    f"the question takes {question} of the {size} tokens of a window, which leaves no room for its context"
                )
            cut = self._call(
                pair, truncation="only_second", max_length=size, stride=min(OVERLAP, room // 2), return_overflowing_tokens=True
            )
            encodings += cut.encodings
            items += [number] * len(cut.encodings)
        return encodings, items

    def _call(self, pair: tuple[str, ...], **how: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of lengths, which are checked here
            return self.tokenizer(*pair, verbose=False, **how)

    def _tokens(self, pairs: Sequence[tuple[str, ...]], encodings: Sequence[Any], items: Sequence[int]) -> Tokens:
        rows, longest = len(encodings), max(len(e.ids) for e in encodings)
        ids = torch.full((rows, longest), int(self.tokenizer.pad_token_id or 0), dtype=torch.int64)
        segments, offsets = torch.zeros_like(ids), torch.zeros(rows, longest, 2, dtype=torch.int64)
        parts, words = torch.full_like(ids, -1), torch.full_like(ids, -1)
        mask = torch.zeros_like(ids, dtype=torch.bool)
        typed = "token_type_ids" in self.tokenizer.model_input_names  # where not, transformers gives the network zeros
        for row, (encoding, item) in enumerate(zip(encodings, items, strict=True)):
            length = len(encoding.ids)
            ids[row, :length] = torch.tensor(encoding.ids)
            if typed:
                segments[row, :length] = torch.tensor(encoding.type_ids)
            mask[row, :length] = True
            before = -1
            seen: dict[tuple[int, int], int] = {}
            for at, (part, word, (start, end)) in enumerate(
                zip(encoding.sequence_ids, encoding.word_ids, encoding.offsets, strict=True)
            ):
                if part is None:
                    continue
                text = pairs[item][part]
                while start < end and text[start].isspace():  # some tokenizers count the space before a word as its own
                    start += 1
                key = (part, word if word is not None else -2 - at)
                before = before if key in seen else before + 1
                words[row, at] = seen.setdefault(key, before)
                parts[row, at] = part
                offsets[row, at] = torch.tensor([start, end])
        blank = self.tokenizer.mask_token_id
        masked = torch.zeros_like(mask, dtype=torch.bool) if blank is None else ids == blank
        return Tokens(
            ids, mask, segments, tuple(pairs[i] for i in items), offsets, parts, words,
            tuple(tuple(e.tokens) for e in encodings), masked=masked, items=tuple(items),
        )  # fmt: skip

    def _warn_of_unknown(self, tokens: Tokens) -> None:
        unknown = (tokens.ids == self.tokenizer.unk_token_id) & (tokens.parts >= 0)
        if not unknown.any():
            return
        found = [tokens.surface(row, at) for row, at in unknown.nonzero().tolist()]
        shown = ", ".join(repr(s) for s in list(dict.fromkeys(found))[:5])
        warnings.warn(
            f"the vocabulary of {self.called} has no piece for {shown}: {len(found)} of {int(tokens.mask.sum())} tokens are "
            f"read as {self.tokenizer.unk_token}, like any other unknown character",
            TextWarning,
            stacklevel=3,
        )

    # ------------------------------------------------------------------------------------------------ asking the network

    def activations(self, tokens: Tokens | str, context: str | None = None) -> Activations:
        """One forward pass opened up: attentions, hidden states, each head's output, and what a head on top answers.

        A module that computes attention in a way that does not keep it is switched for this pass. ValueError when it cannot be
        (the message says how to load it), and for NaN or infinity.
        """
        tokens = self.read(tokens, context)
        heads: list[Tensor] = []
        with ExitStack() as hooks:
            hooks.enter_context(_keeping_attention(self.module))
            for projection in dict.fromkeys(self.projections):
                handle = projection.register_forward_pre_hook(lambda _module, args: heads.append(args[0].detach()))
                hooks.callback(handle.remove)
            out = self._run(tokens, output_attentions=True, output_hidden_states=True)
        attentions = getattr(out, "attentions", None)
        if not attentions or any(a is None for a in attentions):
            how = getattr(self.config, "_attn_implementation", "another one")
            raise ValueError(
                f"{self.called} gives no attention weights: its attention is computed by {how!r}, which does not keep them. "
                "Load it with attn_implementation='eager', or call module.set_attn_implementation('eager')"
            )
        stacked = torch.stack([a.detach().float() for a in attentions])
        outputs = torch.stack([h.float() for h in heads]).unflatten(-1, (self.heads, -1)).movedim(3, 2)
        hidden = torch.stack([h.detach().float() for h in out.hidden_states])
        if not all_finite(hidden):
            raise ValueError(f"the hidden states of {self.called} are NaN or infinite at this text; are its weights sound?")
        keep = tokens.mask.float()
        return Activations(
            tokens,
            stacked * keep[:, None, :, None] * keep[:, None, None, :],
            hidden * keep[..., None],
            outputs * keep[:, None, :, None],
            self._said(out),
        )

    def outputs(
        self, tokens: Tokens, keep: Float[Tensor, "layer batch head"] | None = None
    ) -> dict[str, Float32[Tensor, "..."]]:
        """What the head on top says: `start` and `end` (batch token), `words` (batch token vocabulary), or `classes`
        (batch class), which are `labels` where any number of them may hold at once, and `numbers` of a regression.

        `keep` multiplies each head's output before the heads are mixed: 0 takes that head out of that row.
        """
        with ExitStack() as hooks:
            if keep is not None:
                layer = iter(keep)

                def scale(_module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
                    heads = args[0].unflatten(-1, (self.heads, -1)) * next(layer)[:, None, :, None].to(args[0])
                    return (heads.flatten(-2), *args[1:])

                for projection in dict.fromkeys(self.projections):
                    hooks.callback(projection.register_forward_pre_hook(scale).remove)
            return self._said(self._run(tokens))

    def _run(self, tokens: Tokens, **how: bool) -> Any:
        self.check_mode()
        given = {"input_ids": tokens.ids, "attention_mask": tokens.mask.long(), "token_type_ids": tokens.segments}
        if getattr(self.config, "type_vocab_size", 0) < 2:  # this model does not tell the two texts of a pair apart
            del given["token_type_ids"]
        device = next(self.module.parameters()).device
        with torch.no_grad():
            return self.module(**{name: value.to(device) for name, value in given.items()}, return_dict=True, **how)

    def _said(self, out: Any) -> dict[str, Tensor]:
        said: dict[str, Tensor] = {}
        if getattr(out, "start_logits", None) is not None:
            said = {"start": out.start_logits.detach().float(), "end": out.end_logits.detach().float()}
        elif getattr(out, "logits", None) is not None:
            classes = "labels" if self.multi_label else "numbers" if self.regression else "classes"
            said = {classes if self.classifies else "words": out.logits.detach().float()}
        for name, value in said.items():
            if not all_finite(value):
                raise ValueError(f"the {name} logits of {self.called} are NaN or infinite at this text; are its weights sound?")
        return said

    @cached_property
    def projections(self) -> list[nn.Module]:
        """Of each block, the matrix that mixes its heads. One module may serve several blocks, as in ALBERT."""
        base = getattr(self.module, "base_model", self.module)
        groups = int(getattr(self.config, "num_hidden_groups", 1))
        if getattr(self.config, "inner_group_num", 1) != 1:
            raise ValueError(
                f"{self.called} has blocks of {self.config.inner_group_num} attentions each, which is not supported"
            )
        where = PROJECTIONS[self.config.model_type]
        names = [where.format(layer=n, group=n * groups // self.layers) for n in range(self.layers)]
        return [find_module(base, name) for name in names]


@contextmanager
def _keeping_attention(module: nn.Module) -> Iterator[None]:
    """Within, a module of transformers computes its attention in the way that keeps it, where it can."""
    before = getattr(getattr(module, "config", None), "_attn_implementation", None)
    switch: Any = getattr(module, "set_attn_implementation", None)
    if switch is None or before in (None, "eager"):
        yield
        return
    switch("eager")
    try:
        yield
    finally:
        switch(before)


def check_characters(text: str, what: str) -> None:
    """ValueError for half a surrogate pair, which is no character, so that no tokenizer takes it."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{what} has {text[error.start]!r} at character {error.start}, which is half of a surrogate pair and no character: "
            "it was cut, or made of bytes that are not UTF-8; leave it out"
        ) from None


def _pairs(text: Any, context: str | Sequence[str] | None) -> list[tuple[str, ...]]:
    """Each text by itself or with its context."""
    first = [text] if isinstance(text, str) else list(text)
    if not first:
        raise ValueError("no text to read: the list is empty")
    if context is None:
        return [tuple(one) if isinstance(one, tuple | list) else (one,) for one in first]
    second = [context] if isinstance(context, str) else list(context)
    first = first * len(second) if len(first) == 1 else first
    second = second * len(first) if len(second) == 1 else second
    if len(first) != len(second):
        raise ValueError(f"{len(first)} questions for {len(second)} contexts; give one, or as many")
    return list(zip(first, second, strict=True))
