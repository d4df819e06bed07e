import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import pellucid as pl
from pellucid.analysis.erasure import comprehensiveness
from pellucid.analysis.head_effect import head_effect
from pellucid.analysis.rollout import rollout
from pellucid.analysis.token_scores import TokenMethod, TokenScores, token_scores
from pellucid.analysis.token_targets import asked_without, removable, token_target
from tests import encoders
from tests.encoders import SENTENCES
from tests.networks import quantized

QUESTION, CONTEXT = "who wrote the long letter?", "the young queen wrote the letter in 1905."
GUESS = "the queen [MASK] the long letter in re."
METHODS: tuple[TokenMethod, ...] = (
    "erasure",
    "kernel_shap",
    "input_x_gradient",
    "integrated_gradients",
    "attention",
    "rollout",
    "random",
)


@pytest.fixture(scope="module", params=encoders.KINDS)
def guesser(request: pytest.FixtureRequest) -> pl.TextEncoder:
    return lively(request.param, "ForMaskedLM")


@pytest.fixture(scope="module")
def bert() -> pl.TextEncoder:
    return lively("bert", "ForMaskedLM")


@pytest.fixture(scope="module", params=["bert", "distilbert", "roberta"])
def reader(request: pytest.FixtureRequest) -> pl.TextEncoder:
    return lively(request.param, "ForQuestionAnswering")


def lively(kind: str, head: str) -> pl.TextEncoder:
    """As the weights are drawn, norms shrink what other tokens do to a thousandth; here every token matters."""
    made = encoders.tiny(kind, head)
    with torch.no_grad():
        for part in made.module.modules():
            if isinstance(part, torch.nn.LayerNorm):
                part.weight.fill_(1)
            if isinstance(part, torch.nn.Linear):
                part.weight.mul_(1.5)
    return made


def guess(encoder: pl.TextEncoder, text: str = GUESS) -> pl.Tokens:
    return encoder.read(text.replace("[MASK]", encoder.tokenizer.mask_token))


def logit(encoder: pl.TextEncoder, tokens: pl.Tokens, place: int, word: int) -> float:
    return float(encoder.outputs(tokens)["words"][0, place, word])


def test_erasure_is_one_forward_pass_for_each_token(guesser: pl.TextEncoder):
    tokens = guess(guesser)
    assert tokens.masked is not None
    place = int(tokens.masked[0].nonzero())
    word = int(guesser.outputs(tokens)["words"][0, place].argmax())
    whole = logit(guesser, tokens, place, word)
    found = token_scores(guesser, tokens)
    assert float(found.value[0]) == pytest.approx(whole, abs=1e-5)
    for at in range(tokens.lengths[0]):
        if int(tokens.parts[0, at]) < 0 or at == place:
            assert found.scores[0, at].isnan()
        else:
            without = logit(guesser, guesser.hide(tokens, [at]), place, word)
            assert float(found.scores[0, at]) == pytest.approx(whole - without, abs=2e-5)
    assert found.scores[0].nan_to_num().abs().max() > 0.02
    assert found.work.forwards == 1 + int(removable(tokens).sum())


def test_erasure_of_an_answer_is_one_forward_pass_for_each_token(reader: pl.TextEncoder):
    tokens = reader.read(QUESTION, CONTEXT)
    (best,) = pl.answer(reader, tokens, threshold=1e9)
    found = token_scores(reader, tokens)
    assert found.target.places.tolist() == [[best.best.first, best.best.last]]
    assert float(found.value[0]) == pytest.approx(best.best.score, abs=1e-4)
    assert found.target.names == (f"the answer {best.best.text!r}",)
    for at in (2, best.best.first, tokens.lengths[0] - 2):
        out = reader.outputs(reader.hide(tokens, [at]))
        without = float(out["start"][0, best.best.first] + out["end"][0, best.best.last])
        assert float(found.scores[0, at]) == pytest.approx(best.best.score - without, abs=1e-4)


def test_the_target_is_the_one_that_head_effect_chooses(reader: pl.TextEncoder, bert: pl.TextEncoder):
    tokens = reader.read(QUESTION, CONTEXT)
    for given in (tokens, tokens.answered([(8, 9)])):
        expected = head_effect(reader, given, layers=[1], heads=[0])
        assert tuple(token_target(reader, given).places[0].tolist()) == expected.positions
    assert token_target(reader, tokens.answered([(8, 9)]), (9, 9)).places.tolist() == [[9, 9]]
    expected = head_effect(bert, GUESS, layers=[1], heads=[0])
    target = token_target(bert, bert.read(GUESS))
    assert tuple(target.places[0].tolist()) == expected.positions
    assert target.names == (f"the word {bert.spelled(int(target.words[0]))!r}",)


def test_a_word_is_asked_about_by_its_spelling_or_number(bert: pl.TextEncoder):
    number = bert.tokenizer.convert_tokens_to_ids("read")
    by_name, by_number = (token_scores(bert, GUESS, target=target) for target in ("read", number))
    assert by_name.target.names == ("the word 'read'",)
    torch.testing.assert_close(by_name.scores, by_number.scores, equal_nan=True)
    assert not torch.equal(by_name.value, token_scores(bert, GUESS).value)
    both = bert.read([GUESS, GUESS])
    assert token_target(bert, both, ["read", None]).words[0] == number
    assert token_target(bert, both, "read").words.tolist() == [number] * 2
    space = lively("roberta", "ForMaskedLM")
    assert space.tokenizer.convert_ids_to_tokens(token_target(space, guess(space), "the").words.tolist()) == ["Ġthe"]


def test_probability_is_that_of_the_softmax_of_the_whole_head(bert: pl.TextEncoder, reader: pl.TextEncoder):
    tokens = bert.read([GUESS, "[MASK] read the letter to the queen of france, re re re re."])
    target = token_target(bert, tokens)
    nothing = torch.zeros_like(tokens.mask)
    _, found = asked_without(bert, tokens, target, torch.tensor([1, 0]), nothing)
    expected = [pl.fill_mask(bert, tokens[row], top=1)[0][0].guesses[0].probability for row in (1, 0)]
    assert found.tolist() == pytest.approx(expected, rel=1e-4)
    pair = reader.read([(QUESTION, CONTEXT), (QUESTION, "the letter.")])
    target = token_target(reader, pair)
    _, found = asked_without(reader, pair, target, torch.arange(2), torch.zeros_like(pair.mask))
    for row in range(2):
        out = reader.outputs(pair[row])
        first, last = target.places[row].tolist()
        product = out["start"][0].softmax(-1)[first] * out["end"][0].softmax(-1)[last]
        assert float(found[row]) == pytest.approx(float(product), rel=1e-4)


def test_a_deleted_token_is_not_there_at_all(bert: pl.TextEncoder):
    tokens = bert.read(GUESS)
    target = token_target(bert, tokens, "read")
    removed = torch.zeros_like(tokens.mask)
    removed[0, [1, 5]] = True
    found, _ = asked_without(bert, tokens, target, torch.tensor([0]), removed, "delete")
    shorter = bert.read("queen [MASK] the letter in re.")
    assert float(found[0]) == pytest.approx(float(token_scores(bert, shorter, target="read").value[0]), abs=1e-5)
    removed[0, 3] = True
    with pytest.raises(ValueError, match="the place of the target cannot be deleted"):
        asked_without(bert, tokens, target, torch.tensor([0]), removed, "delete")


def slopes(encoder: pl.TextEncoder, tokens: pl.Tokens, found: TokenScores, share: float = 1.0) -> torch.Tensor:
    """The gradient of the target's logit by the word embeddings, on the way from the mask's; in double precision."""
    module = copy.deepcopy(encoder.module).double()
    table = module.get_input_embeddings().weight.detach()  # pyright: ignore[reportCallIssue, reportOptionalMemberAccess, reportAttributeAccessIssue]
    able = removable(tokens)[..., None]
    here = table[tokens.ids]
    start = torch.where(able, table[encoder.tokenizer.mask_token_id], here)
    leaf = (start + share * (here - start)).requires_grad_()
    given = {"attention_mask": tokens.mask.long()}
    if getattr(encoder.config, "type_vocab_size", 0) > 1:
        given["token_type_ids"] = tokens.segments
    out = module(inputs_embeds=leaf, **given)
    if found.target.task == "masked_words":
        value = out.logits[0, found.target.places[0, 0], found.target.words[0]]
    else:
        value = out.start_logits[0, found.target.places[0, 0]] + out.end_logits[0, found.target.places[0, 1]]
    value.backward()
    assert leaf.grad is not None
    return leaf.grad


def test_input_x_gradient_is_the_product_by_hand(guesser: pl.TextEncoder):
    tokens = guess(guesser)
    found = token_scores(guesser, tokens, method="input_x_gradient")
    able = removable(tokens)
    table = guesser.module.get_input_embeddings().weight.detach().double()  # pyright: ignore[reportCallIssue, reportOptionalMemberAccess, reportAttributeAccessIssue]
    gradient = slopes(guesser, tokens, found)
    torch.testing.assert_close(found.scores[able].double(), (gradient * table[tokens.ids]).sum(-1)[able], rtol=1e-3, atol=1e-5)
    linear = token_scores(guesser, tokens, method="input_x_gradient", baseline="mask")
    way = table[tokens.ids] - table[guesser.tokenizer.mask_token_id]
    torch.testing.assert_close(linear.scores[able].double(), (gradient * way).sum(-1)[able], rtol=1e-3, atol=1e-5)


def test_a_filling_token_in_the_text_is_explained_as_the_network_reads_it(reader: pl.TextEncoder):
    """RoBERTa counts no place for one; the gradient by hand is by the table, so that the network is given the text itself."""
    filling = reader.tokenizer.pad_token
    tokens = reader.read([(QUESTION, f"the young {filling} queen wrote"), (QUESTION, CONTEXT)])
    found = token_scores(reader, tokens, method="input_x_gradient", target=(8, 9))
    for row in range(2):
        module, one = copy.deepcopy(reader.module).double(), tokens[row]
        table = module.get_input_embeddings().weight  # pyright: ignore[reportCallIssue, reportOptionalMemberAccess, reportAttributeAccessIssue]
        given = {"token_type_ids": one.segments} if getattr(reader.config, "type_vocab_size", 0) > 1 else {}
        out = module(input_ids=one.ids, attention_mask=one.mask.long(), **given)
        (out.start_logits[0, 8] + out.end_logits[0, 9]).backward()
        able = removable(one)[0] & (one.ids[0] != reader.tokenizer.pad_token_id)  # torch gives the table no gradient there
        ids = one.ids[0, able]
        sums = torch.zeros(len(table)).index_add(0, ids, found.scores[row, : len(able)][able])
        expected = (table.grad * table.detach()).sum(-1)
        torch.testing.assert_close(sums[ids].double(), expected[ids], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("method", ["input_x_gradient", "integrated_gradients"])
def test_gradients_of_an_encoder_in_half_precision_are_those_of_the_whole(
    reader: pl.TextEncoder, method: TokenMethod, dtype: torch.dtype
):
    half = pl.TextEncoder(copy.deepcopy(reader.module).to(dtype), reader.tokenizer)
    tokens = reader.read(QUESTION, CONTEXT)
    found, whole = (token_scores(each, tokens, method=method, target=(8, 9), baseline="mask") for each in (half, reader))
    able = removable(tokens)
    most = float(whole.scores[able].abs().max())
    close = most * (0.15 if dtype == torch.bfloat16 else 0.02)
    torch.testing.assert_close(found.scores[able], whole.scores[able], rtol=0, atol=close)
    assert found.scores.dtype == torch.float32
    assert all(parameter.grad is None for parameter in half.module.parameters())


def test_the_gradient_is_orthogonal_to_a_normalised_embedding_so_its_product_says_little(bert: pl.TextEncoder):
    """As the docstring says: word, place and segment are added and normalised, so that the three products sum to 0."""
    tokens = bert.read(GUESS)
    found = token_scores(bert, tokens, method="input_x_gradient")
    embeddings = bert.module.get_submodule("bert.embeddings")
    rest = embeddings.get_parameter("position_embeddings.weight")[: tokens.lengths[0]]
    rest = rest + embeddings.get_parameter("token_type_embeddings.weight")[0]
    able = removable(tokens)[0]
    others = (slopes(bert, tokens, found)[0] * rest.detach().double()).sum(-1)
    torch.testing.assert_close(found.scores[0, able].double(), -others[able], rtol=1e-3, atol=1e-4)


def test_integrated_gradients_are_the_mean_gradient_on_the_path_by_hand(reader: pl.TextEncoder):
    tokens = reader.read(QUESTION, CONTEXT)
    found = token_scores(reader, tokens, method="integrated_gradients", steps=24)
    points = 50
    total = sum(slopes(reader, tokens, found, (k + 0.5) / points) for k in range(points)) / points
    table = reader.module.get_input_embeddings().weight.detach().double()  # pyright: ignore[reportCallIssue, reportOptionalMemberAccess, reportAttributeAccessIssue]
    way = table[tokens.ids] - table[reader.tokenizer.mask_token_id]
    able = removable(tokens)
    expected = (total * way).sum(-1)[able]
    torch.testing.assert_close(found.scores[able].double(), expected, rtol=1e-2, atol=float(expected.abs().max()) / 100)


@pytest.mark.parametrize("baseline", ["mask", "pad", "zero"])
def test_the_completeness_gap_is_honest_and_falls_with_steps(guesser: pl.TextEncoder, baseline: str):
    tokens = guess(guesser)
    gaps = []
    for steps in (2, 8, 64):
        found = token_scores(guesser, tokens, method="integrated_gradients", steps=steps, baseline=baseline)  # pyright: ignore[reportArgumentType]
        gaps.append(float(found.error[0]))
    assert gaps[2] < 0.01 * max(1.0, float(found.value.abs()))
    assert gaps[2] < gaps[0]
    if baseline == "mask":  # the start of the path is a text, so that its logit is known from a plain pass
        target = found.target
        everything, _ = asked_without(guesser, tokens, target, torch.tensor([0]), removable(tokens))
        gap = float(found.scores.nansum() - (found.value - everything))
        assert float(found.error[0]) == pytest.approx(abs(gap), abs=1e-4)
        coarse = token_scores(guesser, tokens, method="integrated_gradients", steps=1)
        gap = float(coarse.scores.nansum() - (found.value - everything))
        assert float(coarse.error[0]) == pytest.approx(abs(gap), abs=1e-4)
        assert coarse.error[0] > 1e-3
    assert (found.error_name, found.unit) == ("completeness gap", "logit")


def test_attention_and_rollout_are_those_of_the_activations(bert: pl.TextEncoder):
    activations = bert.activations(bert.read(GUESS))
    able = removable(activations.tokens)[0]
    received = token_scores(bert, GUESS, method="attention")
    by_hand = [
        sum(float(head[q, k]) for layer in activations.attentions[:, 0] for head in layer for q in range(len(able)))
        / (3 * 4 * len(able))
        for k in range(len(able))
    ]
    torch.testing.assert_close(received.scores[0, able], torch.tensor(by_hand)[able])
    assert sum(by_hand) == pytest.approx(1, abs=1e-5)
    rolled = token_scores(bert, GUESS, method="rollout")
    torch.testing.assert_close(rolled.scores[0, able], rollout(activations)[-1, 0, 3, able])
    for found in (received, rolled):
        assert not found.signed
        assert found.unit == "share of attention"


@pytest.mark.parametrize("method", METHODS)
def test_a_text_among_others_scores_as_it_does_alone(guesser: pl.TextEncoder, method: TokenMethod):
    texts = [GUESS, "[MASK] read the letter to the queen of france, and it was long.", "he [MASK]."]
    texts = [text.replace("[MASK]", guesser.tokenizer.mask_token) for text in texts]
    together = token_scores(guesser, texts, method=method, steps=4, seed=3)
    for row, text in enumerate(texts):
        alone = token_scores(guesser, text, method=method, steps=4, seed=3)
        width = alone.scores.shape[1]
        torch.testing.assert_close(together.scores[row, :width], alone.scores[0], rtol=1e-3, atol=3e-5, equal_nan=True)
        assert together.scores[row, width:].isnan().all()
        torch.testing.assert_close(together.error[row], alone.error[0], rtol=1e-2, atol=1e-4)
    assert (~together.scores.isnan()).equal(removable(together.tokens))


def test_random_is_its_seeds(bert: pl.TextEncoder):
    first, again, other = (token_scores(bert, GUESS, method="random", seed=seed).scores for seed in (1, 1, 2))
    torch.testing.assert_close(first, again, equal_nan=True)
    assert not torch.equal(first.nan_to_num(), other.nan_to_num())


@pytest.mark.parametrize("method", METHODS)
def test_progress_rises_to_one(bert: pl.TextEncoder, method: TokenMethod):
    shares: list[float] = []
    token_scores(bert, [GUESS, GUESS], method=method, progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_top_is_the_strongest_first_and_never_what_has_no_score(bert: pl.TextEncoder):
    found = token_scores(bert, ["he [MASK].", GUESS])
    best = found.top(3, row=1)
    known = sorted(((float(s), -at) for at, s in enumerate(found.scores[1]) if not s.isnan()), reverse=True)
    assert [(one.score, -one.token) for one in best] == known[:3]
    assert [one.text for one in best] == [found.tokens.surface(1, one.token) for one in best]
    assert len(found.top(100, row=0)) == 2
    strongest = found.top(100, row=1, by="magnitude")
    assert [-(one.score**2) for one in strongest] == sorted(-(one.score**2) for one in strongest)
    assert {one.token for one in strongest} == {one.token for one in found.top(100, row=1)}
    assert min(one.score for one in strongest) < 0 < strongest[0].score
    with pytest.raises(ValueError, match="k=0; at least one token"):
        found.top(0)
    with pytest.raises(IndexError, match="no text 2 in a batch of 2"):
        found.top(1, row=2)


def test_words_have_the_sum_of_their_pieces(bert: pl.TextEncoder):
    found = token_scores(bert, f"{SENTENCES[4]} [MASK]")
    words = found.by_word()
    at = words.tokens.surfaces(0).index("rereads")
    pieces = found.tokens.word(0, found.tokens.at_character(0, SENTENCES[4].index("rereads")))
    assert len(pieces) > 1
    assert float(words.scores[0, at]) == pytest.approx(float(found.scores[0, pieces].sum()), abs=1e-5)
    torch.testing.assert_close(words.scores.nansum(), found.scores.nansum(), rtol=1e-4, atol=1e-5)
    assert words.scores[0, 0].isnan()
    assert words.top(1)[0].text in words.tokens.surfaces(0)
    with pytest.raises(ValueError, match="by word already"):
        words.by_word()


def test_what_has_no_target_says_so(tiny: pl.TextEncoder, bert: pl.TextEncoder, reader: pl.TextEncoder):
    with pytest.raises(
        ValueError,
        match="tiny bert has no head for question answering, masked words or classes of texts, so it answers nothing",
    ):
        token_scores(tiny, "the queen")
    with pytest.raises(ValueError, match="no tokens of 'the queen' are masked"):
        token_scores(bert, "the queen")
    with pytest.raises(ValueError, match=r"2 tokens of '.*' are masked; .* write \[MASK\] once"):
        token_scores(bert, "the [MASK] [MASK]")
    with pytest.raises(ValueError, match="'the queen' has no context"):
        token_scores(reader, "the queen")
    with pytest.raises(ValueError, match=r"no answer from token 4 to 99; the text has \d+ tokens, from 0"):
        token_scores(reader, QUESTION, CONTEXT, target=(4, 99))
    with pytest.raises(ValueError, match="'the king' does not stand in the context"):
        token_scores(reader, QUESTION, CONTEXT, target="the king")
    with pytest.raises(ValueError, match="the target 3 is no answer; expected its words, or its first and last token"):
        token_scores(reader, QUESTION, CONTEXT, target=[3])
    with pytest.raises(ValueError, match="'rereads' is no single wordpiece of tiny bert's vocabulary, but "):
        token_scores(bert, GUESS, target="rereads")
    with pytest.raises(ValueError, match=r"the word has .* half of a surrogate pair"):
        token_scores(bert, GUESS, target="\ud83d")
    with pytest.raises(ValueError, match="no word 100000 in the vocabulary"):
        token_scores(bert, GUESS, target=100_000)
    with pytest.raises(ValueError, match="3 targets for 2 texts"):
        token_scores(bert, [GUESS, GUESS], target=["the"] * 3)


@pytest.mark.parametrize("given", [True, np.True_, 1.0, [True]])
def test_a_truth_or_a_fraction_is_no_number_of_a_class_or_word(bert: pl.TextEncoder, unchecked: None, given: object):
    sorter = encoders.tiny("bert", "ForSequenceClassification")
    with pytest.raises(TypeError, match=r"a class is given by its label or its number, not by .*, a (bool|float)"):
        token_scores(sorter, "the queen", target=given)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match=r"a word is given by its spelling or its number, not by .*, a (bool|float)"):
        token_scores(bert, GUESS, target=given)  # pyright: ignore[reportArgumentType]


def test_a_number_may_be_one_of_numpy(bert: pl.TextEncoder, reader: pl.TextEncoder, unchecked: None):
    assert token_target(bert, bert.read(GUESS), np.int64(9)).words.tolist() == [9]  # pyright: ignore[reportArgumentType]
    span = token_target(reader, reader.read(QUESTION, CONTEXT), tuple(np.arange(8, 10)))  # pyright: ignore[reportArgumentType]
    assert span.places.tolist() == [[8, 9]]
    with pytest.raises(ValueError, match=r"the target \(True, 9\) is no answer"):
        token_scores(reader, QUESTION, CONTEXT, target=[(True, 9)])


def test_unknown_options_name_the_known(bert: pl.TextEncoder, unchecked: None):
    with pytest.raises(ValueError, match="no method named 'lime'; known: erasure, kernel_shap, input_x_gradient"):
        token_scores(bert, GUESS, method="lime")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="no baseline named 'blur'; known: mask, pad, zero"):
        token_scores(bert, GUESS, baseline="blur")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="steps=0; at least one point"):
        token_scores(bert, GUESS, method="integrated_gradients", steps=0)
    tokens = bert.read(GUESS)
    with pytest.raises(ValueError, match="no removal named 'blur'; known: mask, delete"):
        asked_without(bert, tokens, token_target(bert, tokens), torch.tensor([0]), torch.zeros_like(tokens.mask), "blur")  # pyright: ignore[reportArgumentType]


@pytest.fixture
def untouched(guesser: pl.TextEncoder) -> Iterator[pl.TextEncoder]:
    guesser.activations(guess(guesser))  # transformers hangs hooks of its own on the first module asked for attentions
    before, hooks = copy.deepcopy(guesser.module.state_dict()), hooks_of(guesser)
    asking = [p.requires_grad for p in guesser.module.parameters()]
    yield guesser
    assert all(torch.equal(value, before[name]) for name, value in guesser.module.state_dict().items())
    assert all(p.grad is None for p in guesser.module.parameters())
    assert [p.requires_grad for p in guesser.module.parameters()] == asking
    assert hooks_of(guesser) == hooks


def hooks_of(encoder: pl.TextEncoder) -> list[int]:
    return [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in encoder.module.modules()]


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_left_behind(untouched: pl.TextEncoder, method: TokenMethod):
    tokens = guess(untouched)
    token_scores(untouched, tokens, method=method, steps=2)

    def cancel(_share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        token_scores(untouched, tokens, method=method, steps=2, progress=cancel)


def test_gradients_do_not_need_the_parameters_or_the_caller_to_ask_for_any(bert: pl.TextEncoder):
    frozen = pl.TextEncoder(copy.deepcopy(bert.module).requires_grad_(False), bert.tokenizer)
    expected = token_scores(bert, GUESS, method="input_x_gradient").scores
    for mode in (torch.no_grad(), torch.inference_mode()):
        with mode:
            found = token_scores(frozen, GUESS, method="input_x_gradient").scores.clone()
        torch.testing.assert_close(found, expected, equal_nan=True)


def test_an_encoder_made_in_inference_mode_has_no_gradients_and_it_is_said():
    with torch.inference_mode():
        encoder = encoders.tiny("bert", "ForSequenceClassification")
    assert pl.token_trust(encoder, token_scores(encoder, "the queen")).verdict
    with pytest.raises(ValueError, match=r"^the network was made within torch\.inference_mode\(\)"):
        token_scores(encoder, "the queen", method="input_x_gradient")


@pytest.fixture(scope="module", params=encoders.KINDS)
def sorter(request: pytest.FixtureRequest) -> pl.TextEncoder:
    """An encoder that puts a text into one of two classes."""
    made = lively(request.param, "ForSequenceClassification")
    made.config.id2label = {0: "neg", 1: "pos"}
    return made


def test_tokens_speak_for_a_class_by_every_method(sorter: pl.TextEncoder):
    tokens = sorter.read(["the queen wrote the long letter.", "he reads no letter"])
    classes = sorter.outputs(tokens)["classes"]
    assert token_target(sorter, tokens).words.tolist() == classes.argmax(-1).tolist()
    assert token_target(sorter, tokens, ["POS", 0]).words.tolist() == [1, 0]
    for method in METHODS:
        scores = token_scores(sorter, tokens, method=method, target="pos", steps=64)
        torch.testing.assert_close(scores.value, classes[:, 1], rtol=1e-4, atol=1e-5)
        assert scores.target.names == ("the class 'pos'", "the class 'pos'")
        assert torch.equal(~scores.scores.isnan(), removable(tokens))


def test_erasure_of_a_class_is_one_forward_pass_for_each_token(sorter: pl.TextEncoder):
    tokens = sorter.read("the queen wrote the long letter.")
    scores = token_scores(sorter, tokens, target=1).scores[0]
    whole = sorter.outputs(tokens)["classes"][0, 1]
    for at in removable(tokens)[0].nonzero()[:, 0].tolist():
        without = sorter.outputs(sorter.hide(tokens, [at]))["classes"][0, 1]
        torch.testing.assert_close(scores[at], whole - without, rtol=1e-4, atol=1e-5)


def test_the_scores_of_a_class_sum_to_the_change_of_its_logit(sorter: pl.TextEncoder):
    tokens = sorter.read("the queen wrote the long letter.")
    few, many = (token_scores(sorter, tokens, method="integrated_gradients", target="neg", steps=n) for n in (4, 128))
    hidden = sorter.hide(tokens, removable(tokens)[0].nonzero()[:, 0].tolist())
    change = (sorter.outputs(tokens)["classes"] - sorter.outputs(hidden)["classes"])[0, 0]
    gap = (many.scores.nansum() - change).abs()
    torch.testing.assert_close(many.error[0], gap, rtol=1e-2, atol=1e-4)
    assert gap < 1e-2 * max(1.0, float(change.abs()))
    assert few.error[0] >= many.error[0] - 1e-4


@pytest.mark.parametrize(
    ("given", "labels"),
    [
        ({1: "neg", 2: "pos"}, ["0", "neg", "pos"]),
        ({0: "neg", 2: "pos"}, ["neg", "1", "pos"]),
        ({"2": "pos"}, ["0", "1", "pos"]),
    ],
)
def test_a_class_without_a_label_is_called_by_its_number(given: dict[int | str, str], labels: list[str]):
    made = encoders.module("bert", "ForSequenceClassification")
    made.classifier, made.num_labels, made.config.id2label = torch.nn.Linear(32, 3), 3, given
    sorter = pl.TextEncoder(made.eval(), encoders.tokenizer("bert"))
    tokens = sorter.read("the queen")
    best = int(sorter.outputs(tokens)["classes"].argmax())
    assert head_effect(sorter, tokens, layers=[1], heads=[0]).choices == (labels[best],)
    for number, label in enumerate(labels):
        for asked in (number, str(number), label):
            found = token_target(sorter, tokens, asked)
            assert (found.words.tolist(), found.names) == ([number], (f"the class {label!r}",))


def test_labels_that_count_from_1_are_refused():
    made = encoders.module("bert", "ForSequenceClassification")
    made.config.id2label = {1: "neg", 2: "pos"}
    sorter = pl.TextEncoder(made, encoders.tokenizer("bert"), name="shifted")
    with pytest.raises(
        ValueError, match=r"the labels of shifted are \{1: 'neg', 2: 'pos'\}, and its head's 2 classes are numb"
    ):
        token_scores(sorter, "the queen")


def test_a_class_that_does_not_exist_says_so():
    sorter = encoders.tiny("bert", "ForSequenceClassification")
    with pytest.raises(ValueError, match=r"no class named 'pos'; known: LABEL_0, LABEL_1"):
        token_scores(sorter, "the queen", target="pos")
    with pytest.raises(ValueError, match=r"no class named 2"):
        token_scores(sorter, "the queen", target=2)
    assert not sorter.fills_masks


@pytest.mark.parametrize("method", ["erasure", "input_x_gradient", "integrated_gradients", "attention"])
def test_a_single_number_is_explained_in_its_own_unit(method: TokenMethod):
    encoder = encoders.rater("warmth")
    tokens = encoder.read(["the queen wrote it.", "the bank was long, he wrote."])
    number = encoder.outputs(tokens)["numbers"][:, 0]
    found = token_scores(encoder, tokens, method=method)
    assert found.target.names == ("the number 'warmth'",) * 2
    assert (found.target.task, found.target.logit_name, found.target.lost) == ("regression", "in its own unit", "the number")
    assert found.unit == ("share of attention" if method == "attention" else "the number's unit")
    torch.testing.assert_close(found.value, number, rtol=1e-4, atol=1e-5)
    assert found.asked_about() == []
    assert "numbers" in encoder.activations(tokens).row(1).outputs


def test_what_is_lost_of_a_number_is_the_number_itself():
    encoder = encoders.rater("warmth")
    found = token_scores(encoder, "the long letter of the queen was no money.")
    m = comprehensiveness(encoder, found, shares=[1e-6], orders=0)
    assert m.unit == "the number"
    torch.testing.assert_close(m.values, torch.tensor([found.top(1)[0].score]), rtol=1e-4, atol=1e-5)


def test_of_several_numbers_one_is_named():
    encoder = encoders.rater("warmth", "length")
    with pytest.raises(ValueError, match=r"rater gives 2 numbers; say which one, as target='warmth'"):
        token_scores(encoder, "the queen")
    with pytest.raises(ValueError, match=r"no number named 'size'; known: warmth, length"):
        token_scores(encoder, "the queen", target="size")
    with pytest.raises(TypeError, match="a number is given by its name or its place, not by True, a bool"):
        token_scores(encoder, "the queen", target=True)
    found = token_scores(encoder, "the queen", target="length")
    torch.testing.assert_close(found.value, encoder.outputs(encoder.read("the queen"))["numbers"][:, 1])
    with pytest.raises(ValueError, match="rater gives a number, and what a head does is measured by probabilities"):
        head_effect(encoder, "the queen")


@pytest.mark.parametrize("labels", [1, 3])
@pytest.mark.parametrize("method", ["erasure", "input_x_gradient", "integrated_gradients", "attention"])
def test_of_several_labels_at_once_each_is_explained_by_itself(method: TokenMethod, labels: int):
    made = encoders.module("bert", "ForSequenceClassification")
    made.classifier, made.num_labels = torch.nn.Linear(32, labels), labels
    made.config.problem_type = "multi_label_classification"
    made.config.id2label = dict(enumerate(["toxic", "insult", "threat"]))
    sorter = pl.TextEncoder(made.eval(), encoders.tokenizer("bert"), name="moderator")
    tokens = sorter.read(["the queen wrote it.", "the bank was long, he wrote."])
    with torch.no_grad():
        logits = sorter.outputs(tokens)["labels"]
    found = token_scores(sorter, tokens, method=method)
    best = logits.argmax(1)
    assert found.target.words.tolist() == best.tolist()
    torch.testing.assert_close(found.value, logits.gather(1, best[:, None])[:, 0], rtol=1e-4, atol=1e-5)
    asked = token_scores(sorter, tokens, method=method, target="toxic")
    assert asked.target.names == ("the class 'toxic'",) * 2
    torch.testing.assert_close(asked.value, logits[:, 0], rtol=1e-4, atol=1e-5)
    nothing = torch.zeros(2, tokens.ids.shape[1], dtype=torch.bool)
    _, probability = asked_without(sorter, tokens, asked.target, torch.arange(2), nothing)
    torch.testing.assert_close(probability, logits[:, 0].sigmoid(), rtol=1e-4, atol=1e-5)
    assert [one.sentence for one in pl.token_trust(sorter, asked).evidence]
    assert "labels" in sorter.activations(tokens).row(1).outputs


@pytest.mark.parametrize("method", ["input_x_gradient", "integrated_gradients"])
@pytest.mark.parametrize("whole", [True, False])
def test_quantized_layers_have_no_gradient_and_it_is_said(tiny_reader: pl.TextEncoder, method: TokenMethod, whole: bool):
    module: Any = copy.deepcopy(tiny_reader.module)
    if whole:
        module = quantized(module)
    else:
        module.bert.encoder = quantized(module.bert.encoder)
    encoder = replace(tiny_reader, module=module)
    tokens = encoder.read("what is it", "it is a dog")
    with pytest.raises(ValueError, match=r"quantized layers\. .* needs no gradient: erasure, attention or rollout"):
        token_scores(encoder, tokens, method=method)
    token_scores(encoder, tokens, method="erasure")


def test_a_name_that_two_classes_have_asks_for_a_number():
    made = encoders.module("bert", "ForSequenceClassification")
    made.config.id2label = {0: "same", 1: "Same"}
    judge = pl.TextEncoder(made, encoders.tokenizer("bert"), name="twins")
    with pytest.raises(ValueError, match=r"2 classes are called 'same': give the number, 0 or 1"):
        token_scores(judge, "the long letter", target="same")
    assert token_scores(judge, "the long letter", target=1).target.words.tolist() == [1]
