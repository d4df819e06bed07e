"""Encoders: one forward pass opened up equals what `transformers` itself says, and nothing is left behind."""

import itertools
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import pellucid as pl
from pellucid.models.load import load_encoder
from pellucid.models.randomized_text import randomized_encoder
from tests import encoders

TEXT, QUESTION = "The bank of the river was no bank, he wrote.", "Who wrote the letter?"


@pytest.fixture(scope="module", params=encoders.KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def reference(encoder: pl.TextEncoder, tokens: pl.Tokens) -> object:
    """The same texts through the tokenizer's and the module's own front door."""
    texts = [t[0] for t in tokens.texts], [t[1] for t in tokens.texts] if len(tokens.texts[0]) > 1 else None
    inputs = encoder.tokenizer(*texts, padding=True, return_tensors="pt")
    if "token_type_ids" not in encoder.tokenizer.model_input_names:
        inputs.pop("token_type_ids", None)
    with torch.no_grad():
        return encoder.module(**inputs, output_attentions=True, output_hidden_states=True)


def test_attentions_and_hidden_states_are_those_of_transformers(kind: str) -> None:
    encoder = encoders.tiny(kind)
    tokens = encoder.read([QUESTION, "a"], [TEXT, TEXT])
    act, own = encoder.activations(tokens), reference(encoder, tokens)
    real = tokens.mask
    for n in range(encoder.layers):
        pairs = real[:, None, :, None] & real[:, None, None, :]
        torch.testing.assert_close(act.attentions[n], own.attentions[n] * pairs, atol=1e-5, rtol=0)  # pyright: ignore
    for n in range(encoder.layers + 1):
        torch.testing.assert_close(act.hidden(n), own.hidden_states[n] * real[..., None], atol=1e-5, rtol=0)  # pyright: ignore


@pytest.mark.parametrize("typed", [False, True])
def test_a_pair_is_told_apart_only_where_the_tokenizer_tells_it_apart(typed: bool) -> None:
    tokenizer = encoders.tokenizer("bert")
    tokenizer.model_input_names = ["input_ids", *["token_type_ids"] * typed, "attention_mask"]
    encoder = pl.TextEncoder(encoders.module("bert", "ForQuestionAnswering"), tokenizer)
    tokens = encoder.read(QUESTION, TEXT)
    with torch.no_grad():
        own = encoder.module(**tokenizer(QUESTION, TEXT, return_tensors="pt"))
    torch.testing.assert_close(encoder.outputs(tokens), {"start": own.start_logits, "end": own.end_logits}, atol=1e-6, rtol=0)
    assert bool(tokens.segments.any()) is typed


def test_minilm_is_that_of_transformers(minilm: pl.TextEncoder) -> None:
    tokens = minilm.read("Who wrote Émile's unbelievably long e-mail?")
    act, own = minilm.activations(tokens), reference(minilm, tokens)
    assert act.attentions.shape == (6, 1, 12, tokens.lengths[0], tokens.lengths[0])
    assert act.hidden_states.shape == (7, 1, tokens.lengths[0], 384)
    for n in range(6):
        torch.testing.assert_close(act.attentions[n], own.attentions[n], atol=1e-5, rtol=0)  # pyright: ignore
        torch.testing.assert_close(act.hidden(n + 1), own.hidden_states[n + 1], atol=1e-5, rtol=0)  # pyright: ignore


def test_a_heads_output_is_its_attention_times_its_values() -> None:
    encoder = encoders.tiny("bert")
    act = encoder.activations(TEXT)
    for n, block in enumerate(encoder.module.encoder.layer):  # pyright: ignore
        values = block.attention.self.value(act.hidden_states[n])  # pyright: ignore
        values = values.unflatten(-1, (encoder.heads, -1)).movedim(2, 1)
        torch.testing.assert_close(act.head_outputs[n], act.attentions[n] @ values, atol=1e-5, rtol=0)


def test_head_outputs_make_the_next_hidden_state() -> None:
    block = encoders.tiny("bert").module.encoder.layer[1]  # pyright: ignore
    act = encoders.tiny("bert").activations(TEXT)
    mixed = act.head_outputs[1].movedim(1, 2).flatten(2)
    with torch.no_grad():
        attended = block.attention.output(mixed, act.hidden_states[1])  # pyright: ignore
        torch.testing.assert_close(block.output(block.intermediate(attended), attended), act.hidden(2), atol=1e-5, rtol=0)  # pyright: ignore


def test_rows_of_attention_sum_to_one_and_filling_to_nothing(kind: str) -> None:
    encoder = encoders.tiny(kind)
    tokens = encoder.read(["a", TEXT])
    sums = encoder.activations(tokens).attentions.sum(-1)
    torch.testing.assert_close(sums, tokens.mask[None, :, None, :].expand_as(sums).float())


def test_company_in_a_batch_changes_nothing(kind: str) -> None:
    encoder = encoders.tiny(kind)
    together, alone = encoder.activations(encoder.read(["a", TEXT])).row(0), encoder.activations("a")
    torch.testing.assert_close(together.attentions, alone.attentions)
    torch.testing.assert_close(together.hidden_states, alone.hidden_states)
    torch.testing.assert_close(together.head_outputs, alone.head_outputs)
    assert together.tokens.surfaces(0) == alone.tokens.surfaces(0)


def test_a_text_shorter_than_there_are_classes_keeps_what_is_said_of_each() -> None:
    module = encoders.module("bert", "ForSequenceClassification")
    module.classifier = torch.nn.Linear(32, 9)  # as many labels as a small topic classifier has
    encoder = pl.TextEncoder(module.eval(), encoders.tokenizer("bert"))
    act = encoder.activations(encoder.read(["a", TEXT]))
    for row, text in enumerate(("a", TEXT)):
        torch.testing.assert_close(act.row(row).outputs["classes"], encoder.activations(text).outputs["classes"])
    assert act.row(0).outputs["classes"].shape == (1, 9)
    assert act.row(0).tokens.ids.shape[1] < 9


def test_an_encoder_without_a_mask_token_is_opened_up_all_the_same() -> None:
    tokenizer = encoders.tokenizer("bert")
    tokenizer.mask_token = None
    encoder = pl.TextEncoder(encoders.module("bert", "ForSequenceClassification"), tokenizer)
    tokens = encoder.read(TEXT)
    assert tokens.masked is not None
    assert not tokens.masked.any()
    assert encoder.activations(tokens).by_word().row(0).tokens.surfaces(0)
    scores = pl.token_scores(encoder, tokens, method="integrated_gradients", baseline="zero", steps=4)
    assert scores.scores.isfinite().any()
    with pytest.raises(ValueError, match="no mask token"):
        pl.token_scores(encoder, tokens, method="erasure")


def test_removing_a_head_is_setting_its_columns_to_zero(kind: str) -> None:
    encoder = encoders.tiny(kind, "ForMaskedLM")
    tokens = encoder.read(TEXT)
    keep = torch.ones(encoder.layers, 1, encoder.heads)
    torch.testing.assert_close(encoder.outputs(tokens, keep)["words"], encoder.outputs(tokens)["words"])
    if kind == "albert":
        keep[:, :, 2] = 0  # one module serves all of its blocks
    else:
        keep[1, :, 2] = 0
    removed = encoder.outputs(tokens, keep)["words"]
    with torch.no_grad():
        projection, width = encoder.projections[1], encoder.hidden_size // encoder.heads
        projection.weight[:, 2 * width : 3 * width] = 0  # pyright: ignore
    torch.testing.assert_close(removed, encoder.outputs(tokens)["words"])
    assert not torch.allclose(removed, encoders.tiny(kind, "ForMaskedLM").outputs(tokens)["words"])


def test_each_row_may_miss_other_heads() -> None:
    encoder = encoders.tiny("bert", "ForQuestionAnswering")
    keep = torch.ones(3, 2, 4)
    keep[0, 1, 3] = 0
    both = encoder.outputs(encoder.read([QUESTION] * 2, [TEXT] * 2), keep)["start"]
    torch.testing.assert_close(both[:1], encoder.outputs(encoder.read(QUESTION, TEXT))["start"])
    assert not torch.allclose(both[0], both[1])


def test_nothing_is_left_behind(kind: str) -> None:
    encoder = encoders.tiny(kind)
    before = {k: v.clone() for k, v in encoder.module.state_dict().items()}
    encoder.activations(TEXT)
    encoder.outputs(encoder.read(TEXT), torch.zeros(3, 1, 4))
    assert all(torch.equal(v, before[k]) for k, v in encoder.module.state_dict().items())
    hooks = [m for m in encoder.module.modules() if m._forward_pre_hooks]  # pyright: ignore
    assert not hooks
    assert not encoder.module.training
    assert all(p.grad is None for p in encoder.module.parameters())


def test_whole_words() -> None:
    encoder = encoders.tiny()
    act = encoder.activations("the rereading queen", "a")
    words = act.by_word("mean")
    assert words.tokens.surfaces(0) == ("[CLS]", "the", "rereading", "queen", "[SEP]", "a", "[SEP]")
    assert words.tokens.pieces[0][2] == "rereading"
    assert words.tokens.roles[0] == ("special", "question", "question", "question", "special", "context", "special")
    pieces = act.tokens.word(0, act.tokens.at_character(0, 4))
    assert len(pieces) > 2
    torch.testing.assert_close(words.hidden(2)[0, 2], act.hidden(2)[0, pieces].mean(0))
    torch.testing.assert_close(act.by_word("max").hidden(2)[0, 2], act.hidden(2)[0, pieces].amax(0))
    torch.testing.assert_close(act.by_word("first").hidden(2)[0, 2], act.hidden(2)[0, pieces[0]])
    torch.testing.assert_close(act.by_word("sum").hidden(2)[0, 2], act.hidden(2)[0, pieces].sum(0))
    torch.testing.assert_close(words.head_outputs[1, 0, 3, 2], act.head_outputs[1, 0, 3, pieces].mean(0))
    torch.testing.assert_close(words.attentions.sum(-1), torch.ones(3, 1, 4, 7))
    torch.testing.assert_close(words.attentions[1, 0, 2, 1, 2], act.attentions[1, 0, 2, 1, pieces].sum())
    torch.testing.assert_close(words.attentions[1, 0, 2, 2, 1], act.attentions[1, 0, 2, pieces, 1].mean())
    with pytest.raises(ValueError, match="by word already, pooled by mean"):
        words.by_word("sum")


def test_words_in_a_batch_are_filled_up_with_zeros() -> None:
    encoder = encoders.tiny()
    act = encoder.activations(encoder.read(["rereading", "the long letter he wrote"])).by_word("max")
    alone = encoder.activations("rereading").by_word("max")
    torch.testing.assert_close(act.row(0).hidden_states, alone.hidden_states)
    assert not act.hidden_states[:, 0, 3:].any()


def test_layers_count_as_a_person_does() -> None:
    act = encoders.tiny().activations(TEXT)
    assert torch.equal(act.hidden(-1), act.hidden(3))
    assert torch.equal(act.attention(1), act.attentions[0])
    assert torch.equal(act.attention(-1, [2, 0]), act.attentions[2][:, [2, 0]])
    with pytest.raises(IndexError, match="no layer 4; hidden states go from 0, the embedding layer, to 3"):
        act.hidden(4)
    with pytest.raises(IndexError, match="layer 0 is the embedding layer and attends to nothing"):
        act.attention(0)
    with pytest.raises(IndexError, match="no layer 4; attention goes from layer 1 to 3"):
        act.attention(4)
    with pytest.raises(IndexError, match="no head 4; a layer has 4, from 0"):
        act.attention(1, [4])
    with pytest.raises(ValueError, match="no head was chosen"):
        act.attention(1, [])


def test_attention_that_is_not_kept_by_itself_is_kept_for_the_pass_alone(kind: str) -> None:
    plain, fused = (pl.TextEncoder(encoders.module(kind, how=how), encoders.tokenizer(kind)) for how in ("eager", "sdpa"))
    fused.module.load_state_dict(plain.module.state_dict())
    assert fused.config._attn_implementation == "sdpa"
    act, own = fused.activations(TEXT), plain.activations(TEXT)
    assert fused.config._attn_implementation == "sdpa"
    torch.testing.assert_close(act.attentions, own.attentions, atol=1e-6, rtol=0)
    torch.testing.assert_close(act.hidden_states, own.hidden_states, atol=1e-5, rtol=0)
    assert pl.compare(fused, [TEXT, "a bank"], "bank", layer=1).matrix.shape == (2, 2)
    fused.module.register_forward_pre_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fused.activations(TEXT)
    assert fused.config._attn_implementation == "sdpa"


def test_attention_that_cannot_be_kept_is_an_error_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = pl.TextEncoder(encoders.module("bert", how="sdpa"), encoders.tokenizer("bert"))
    monkeypatch.setattr(type(encoder.module), "_can_set_attn_implementation", lambda *_: False)
    with pytest.raises(ValueError, match=r"gives no attention weights: .*'sdpa'.*attn_implementation='eager'"):
        encoder.activations("a")


@pytest.mark.parametrize("text", ["", "   \n\t"])
def test_an_empty_text(tiny: pl.TextEncoder, text: str) -> None:
    with pytest.raises(ValueError, match="the text is empty; there is nothing to read"):
        tiny.read(text)


@pytest.mark.usefixtures("unchecked")
def test_an_empty_context_and_an_empty_list(tiny: pl.TextEncoder) -> None:
    with pytest.raises(ValueError, match="the context number 1 is empty"):
        tiny.read(["a", "a"], ["b", " "])
    with pytest.raises(ValueError, match="the list is empty"):
        tiny.read([])
    with pytest.raises(ValueError, match="2 questions for 3 contexts"):
        tiny.read(["a", "b"], ["a", "b", "c"])
    with pytest.raises(TypeError, match="text number 1 is a int; expected a text"):
        tiny.read(["a", 3])  # pyright: ignore
    with pytest.raises(ValueError, match="text has 3 parts"):
        tiny.read([("a", "b", "c")])  # pyright: ignore


def test_only_special_tokens(tiny: pl.TextEncoder) -> None:
    with pytest.raises(ValueError, match=r"'\[CLS\] \[SEP\]' holds only special tokens"):
        tiny.read("[CLS] [SEP]")
    with pytest.raises(ValueError, match="holds only characters that the tokenizer drops"):
        tiny.read("\u200b\u00ad")
    assert tiny.read("[MASK]").lengths == (3,)


def test_emoji_are_read_as_unknown_and_said_to_be(minilm: pl.TextEncoder) -> None:
    with pytest.warns(pl.TextWarning, match=r"no piece for '🙂': 1 of 4 tokens are read as \[UNK\]"):
        tokens = minilm.read("hello 🙂")
    assert tokens.surfaces(0) == ("[CLS]", "hello", "🙂", "[SEP]")
    assert torch.isfinite(minilm.activations(tokens).hidden_states).all()


def test_right_to_left_text_keeps_its_logical_order(minilm: pl.TextEncoder) -> None:
    text = "שלום עולם"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tokens = minilm.read(text)
    assert "".join(tokens.surfaces(0)[1:-1]) == text.replace(" ", "")
    assert tokens.texts == ((text,),)


def test_ten_thousand_words_are_refused_with_their_count(minilm: pl.TextEncoder) -> None:
    with pytest.raises(
        ValueError, match=r"the text is 10,002 tokens long and minilm reads at most 512; cut it, or build a corpus"
    ):
        minilm.read("word " * 10_000)
    with pytest.raises(ValueError, match=r"10,005 tokens long .* reads it in windows: read\(question, context, windows=True\)"):
        minilm.read("who is", "word " * 10_000)


def test_windows_cover_the_context_and_overlap() -> None:
    encoder = encoders.tiny("bert", "ForQuestionAnswering")
    context = " ".join(f"{n} the" for n in range(60))
    tokens = encoder.read(["Who wrote?", "a"], [context, "b"], windows=True)
    assert set(tokens.items) == {0, 1}
    assert tokens.items.count(1) == 1
    rows = [r for r, item in enumerate(tokens.items) if item == 0]
    assert len(rows) > 2
    assert max(tokens.lengths) <= encoder.limit
    spans = [tokens.offsets[r][tokens.parts[r] == 1] for r in rows]
    assert int(spans[0][0, 0]) == 0
    assert int(spans[-1][-1, 1]) == len(context)
    for before, after in itertools.pairwise(spans):
        assert int(after[0, 0]) < int(before[-1, 1])
    with pytest.raises(ValueError, match="leaves no room for its context"):
        encoder.read("the long letter " * 15, context, windows=True)


def test_what_is_no_encoder() -> None:
    tokenizer = encoders.tokenizer("bert")
    with pytest.raises(ValueError, match=r"training mode .*module.eval\(\)"):
        pl.TextEncoder(encoders.module("bert").train(), tokenizer)
    gpt2 = transformers.GPT2Model(transformers.GPT2Config(n_layer=1, n_head=1, n_embd=8, vocab_size=9)).eval()
    with pytest.raises(ValueError, match="no encoder of type 'gpt2' can be opened up; known: albert, bert"):
        pl.TextEncoder(gpt2, tokenizer)
    with pytest.raises(ValueError, match="load a fast one"):
        pl.TextEncoder(encoders.module("bert"), object())
    with pytest.raises(TypeError, match="module is a Linear; expected an encoder of transformers"):
        pl.TextEncoder(torch.nn.Linear(1, 1), tokenizer)


@pytest.mark.usefixtures("unchecked")
def test_what_activations_have_is_not_looked_for_in_an_encoder_without_a_word(tiny: pl.TextEncoder) -> None:
    it: Any = tiny
    for ask in (lambda: pl.attend(it, 1), lambda: pl.rollout(it), lambda: pl.project(it)):
        with pytest.raises(
            AttributeError, match=r"has no '\w+'; its activations on a text have: enc\.activations\(text\)\.\w+$"
        ):
            ask()
    with pytest.raises(AttributeError, match=r"a TextEncoder has no 'nonsense'$"):
        _ = it.nonsense


@pytest.mark.parametrize("head", ["ForTokenClassification", "ForMultipleChoice", "ForNextSentencePrediction"])
def test_a_head_that_is_not_read_is_said_to_be_left_out(head: str, tmp_path: Path) -> None:
    folder = encoders.written(tmp_path / "it", head=head)
    with pytest.warns(pl.TextWarning, match=f"is of Bert{head}, whose head is not read: only heads that answer questions"):
        encoder = load_encoder(str(folder))
    assert not any((encoder.answers_questions, encoder.fills_masks, encoder.classifies))


@pytest.mark.parametrize(
    "texts", [("half \ud83d a pair",), ("who?", "half \ud83d a pair"), (["whole \U0001f600", "half \ud83d"],)]
)
def test_half_a_surrogate_pair_is_no_character(kind: str, texts: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"has '\\ud83d' at character 5, which is half of a surrogate pair and no character"):
        encoders.tiny(kind).read(*texts)
    assert encoders.tiny("roberta").read("whole \U0001f600").texts == (("whole \U0001f600",),)


def test_infinite_hidden_states_are_an_error() -> None:
    encoder = encoders.tiny()
    with torch.no_grad():
        encoder.module.encoder.layer[0].output.dense.bias[0] = torch.nan  # pyright: ignore
    with pytest.raises(ValueError, match="hidden states of tiny bert are NaN or infinite"):
        encoder.activations("a")


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
@pytest.mark.parametrize(
    ("head", "last", "name"),
    [
        ("ForMaskedLM", "cls.predictions.bias", "words"),
        ("ForQuestionAnswering", "qa_outputs.bias", "start"),
        ("ForSequenceClassification", "classifier.bias", "classes"),
    ],
)
def test_infinite_logits_are_an_error(head: str, last: str, name: str, bad: float) -> None:
    encoder = encoders.tiny("bert", head)
    tokens = encoder.read(QUESTION, TEXT)
    with torch.no_grad():
        encoder.module.get_parameter(last)[0] = bad
    for ask in (encoder.activations, encoder.outputs):
        with pytest.raises(ValueError, match=f"the {name} logits of tiny bert are NaN or infinite"):
            ask(tokens)


def test_a_fingerprint_is_of_the_weights() -> None:
    encoder, same = encoders.tiny(), encoders.tiny()
    assert encoder.fingerprint == same.fingerprint
    with torch.no_grad():
        same.module.encoder.layer[0].output.dense.bias[0] += 1  # pyright: ignore
    assert pl.TextEncoder(same.module, same.tokenizer).fingerprint != encoder.fingerprint
    assert pl.TextEncoder(encoder.module, encoder.tokenizer).name == f"sha256:{encoder.fingerprint}"


def test_it_is_shown_in_a_line(tiny: pl.TextEncoder) -> None:
    assert repr(tiny) == "<TextEncoder tiny bert: BertModel, 3 layers x 4 heads x 32>"


def test_messages_name_one_without_a_name_as_its_line_does(tiny: pl.TextEncoder) -> None:
    unnamed = pl.TextEncoder(tiny.module, tiny.tokenizer)
    assert repr(unnamed).startswith(f"<TextEncoder sha256:{unnamed.fingerprint[:8]}: ")
    with pytest.raises(ValueError, match=rf"^sha256:{unnamed.fingerprint[:8]} has no question-answering head"):
        pl.answer(unnamed, QUESTION, TEXT)
    assert randomized_encoder(unnamed, 1).called == f"sha256:{unnamed.fingerprint[:8]} with weights drawn from seed 1"
