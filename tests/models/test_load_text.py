"""Loading encoders: what ships, the user's own folders with the head they have, and folders that cannot be used."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import pellucid as pl
from pellucid.models.load import load_classifier, load_encoder
from pellucid.models.load_text import merged, read_changes
from tests import encoders

HEADS = {"Model": (False, False), "ForQuestionAnswering": (True, False), "ForMaskedLM": (False, True)}


@pytest.mark.parametrize("kind", encoders.KINDS)
@pytest.mark.parametrize("head", HEADS)
def test_a_folder_gives_the_encoder_that_was_saved_with_its_head(tmp_path: Path, kind: str, head: str) -> None:
    folder = encoders.written(tmp_path / "checkpoint", kind, head)
    encoder = pl.load(str(folder))
    assert isinstance(encoder, pl.TextEncoder)
    assert (encoder.answers_questions, encoder.fills_masks) == HEADS[head]
    before = encoders.tiny(kind, head).activations("Who wrote?", "the long letter")
    after = encoder.activations("Who wrote?", "the long letter")
    torch.testing.assert_close(after.attentions, before.attentions)
    torch.testing.assert_close(after.hidden_states, before.hidden_states)
    assert after.outputs.keys() == before.outputs.keys()
    for name, value in after.outputs.items():
        torch.testing.assert_close(value, before.outputs[name])


def test_electras_discriminator_is_no_masked_word_head(tmp_path: Path) -> None:
    folder = encoders.written(tmp_path / "checkpoint", "electra", "ForPreTraining")
    with pytest.warns(pl.TextWarning, match="is of ElectraForPreTraining, whose head is not read"):
        encoder = load_encoder(folder)
    assert not encoder.fills_masks
    with pytest.raises(ValueError, match="has no masked-word head; load one that has, such as 'minilm-mlm'"):
        encoder.need("masked_words")


def test_a_head_whose_weights_are_missing_is_not_made_up(tmp_path: Path) -> None:
    folder = encoders.written(tmp_path / "checkpoint", "bert")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "architectures": ["BertForQuestionAnswering"]}))
    with pytest.raises(ValueError, match=r"says it is a BertForQuestionAnswering, but 2 of its weights are missing .*random"):
        pl.load(folder)


def test_folders_that_are_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot load .*A folder needs config.json, tokenizer.json or vocab.txt, model.saf"):
        pl.load(tmp_path)
    folder = encoders.written(tmp_path / "damaged")
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(ValueError, match="cannot load the weights of"):
        pl.load(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ValueError, match="cannot load the weights of"):
        pl.load(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "gpt2"}))
    with pytest.raises(ValueError, match="is a gpt2; the encoders that can be opened up are: albert, bert"):
        pl.load(folder)


@pytest.mark.parametrize("kind", encoders.KINDS)
def test_a_vocabulary_is_not_made_up_where_its_files_are_missing(tmp_path: Path, kind: str) -> None:
    folder = encoders.written(tmp_path / "checkpoint", kind)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    with pytest.raises(ValueError, match=r"has no vocabulary: no file of its tokenizer was found. A folder needs .*vocab.txt"):
        pl.load(folder)


def test_a_vocabulary_larger_than_the_embedding_table_is_refused(tmp_path: Path) -> None:
    folder = encoders.written(tmp_path / "checkpoint")
    tokenizer = encoders.tokenizer("bert")
    rows = len(tokenizer)
    tokenizer.add_tokens(["physicist", "radium"])
    tokenizer.save_pretrained(folder)
    with pytest.raises(ValueError, match=rf"goes to number {rows + 1}, and the encoder's embedding table has {rows} rows"):
        pl.load(folder)
    module = encoders.module("bert")
    module.resize_token_embeddings(rows + 2)
    assert pl.TextEncoder(module.eval(), tokenizer).activations("a physicist").hidden_states.isfinite().all()


def test_pickles_that_run_code_are_not_opened(tmp_path: Path) -> None:
    folder = encoders.written(tmp_path / "checkpoint")
    (folder / "model.safetensors").unlink()
    ran = tmp_path / "ran"

    class Code:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return (Path.touch, (ran,))

    torch.save({"weights": Code()}, folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match="cannot load the weights of"):
        pl.load(folder)
    assert not ran.exists()


def test_a_model_of_the_wrong_sort_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'minilm' is an encoder and reads text; here a classifier of pictures is wanted"):
        load_classifier("minilm")
    with pytest.raises(ValueError, match="'imagenet' classifies pictures; here an encoder of text is wanted, such as 'minilm'"):
        load_encoder("imagenet")
    with pytest.raises(KeyError, match=r"no model named 'minilmm' \(did you mean 'minilm'"):
        pl.load("minilmm")


def test_a_name_of_the_hub_without_a_connection_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match="a name of the Hub needs a connection to it, or an earlier download"):
        pl.load("hf:nobody/nothing-of-that-name")


def test_changes_replace_or_are_added_as_a_product_of_thin_matrices(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    weights = {"a": torch.randn(6, 4, generator=generator), "b": torch.randn(3, generator=generator)}
    left, right = torch.randn(6, 2, generator=generator), torch.randn(2, 4, generator=generator)
    path = tmp_path / "changes.safetensors"
    save_file({"a.lora_A": right, "a.lora_B": left, "b": torch.ones(3).half(), "c": torch.zeros(2)}, path, {"threshold": "1.5"})
    changes, about = read_changes(path)
    result = merged(weights, changes)
    assert about["threshold"] == "1.5"
    torch.testing.assert_close(result["a"], weights["a"] + left @ right)
    torch.testing.assert_close(result["b"], torch.ones(3))
    torch.testing.assert_close(result["c"], torch.zeros(2))
    assert result.keys() == {"a", "b", "c"}


def test_loading_leaves_the_global_random_generator_alone(tmp_path: Path) -> None:
    folder = encoders.written(tmp_path / "checkpoint", "bert", "ForMaskedLM")
    before = torch.random.get_rng_state()
    pl.load(folder)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_folder_of_a_classifier_keeps_its_head(tmp_path: Path) -> None:
    enc = pl.load(str(encoders.written(tmp_path / "sorter", "bert", "ForSequenceClassification")))
    assert isinstance(enc, pl.TextEncoder)
    assert enc.classifies
    module = encoders.module("bert", "ForSequenceClassification")
    tokens = enc.read("the queen wrote the letter")
    with torch.no_grad():
        expected = module(input_ids=tokens.ids, attention_mask=tokens.mask.long(), token_type_ids=tokens.segments).logits
    torch.testing.assert_close(enc.outputs(tokens)["classes"], expected)
