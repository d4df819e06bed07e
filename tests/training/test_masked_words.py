"""The masked-word training: what is asked for, how the text is cut, and what a run that was stopped ends with."""

import argparse
from pathlib import Path

import loop
import masked_words
import pack
import pytest
import torch
from torch import Tensor, nn


@pytest.fixture(scope="module")
def text() -> masked_words.Text:
    return masked_words.Text(64)


def test_a_fifth_is_asked_for_in_whole_words_or_single_pieces_and_never_the_edges(text: masked_words.Text) -> None:
    chunks = text.epoch(0, 0)[:200]
    torch.manual_seed(0)
    asked = text.asked(chunks)
    assert not asked[:, 0].any()
    assert not asked[:, -1].any()
    assert float(asked[:, 1:-1].float().mean()) == pytest.approx(0.2, abs=0.015)
    for row in range(0, 80, 4):  # every fourth row: a piece that continues a word goes with the piece before it
        for at in range(2, 63):
            if text.continues[chunks[row, at]]:
                assert asked[row, at] == asked[row, at - 1]
    for others in (1, 2, 3):
        apart = asked[others::4, 2:-1] != asked[others::4, 1:-2]
        assert apart[text.continues[chunks[others::4, 2:-1]]].any()


def test_every_epoch_has_all_of_the_text_in_another_order_and_from_another_place(text: masked_words.Text) -> None:
    first, second = text.epoch(0, 0), text.epoch(1, 0)
    assert torch.equal(first, text.epoch(0, 0))
    tokens = sum(len(ids) for ids in text.training)
    for chunks in (first, second):
        assert (chunks[:, 0] == text.cls).all()
        assert (chunks[:, -1] == text.sep).all()
        assert tokens - 3 * 2 * 62 < chunks[:, 1:-1].numel() <= tokens
    assert not torch.equal(first[:100].sort(0).values, second[:100].sort(0).values)


def test_held_out_articles_are_not_trained_on(text: masked_words.Text) -> None:
    assert len(text.articles) == 4
    held = {tuple(row[1:11].tolist()) for row in text.held_out["wikipedia_a"]}
    joined = torch.cat(text.training)
    windows = {tuple(w) for w in joined.unfold(0, 10, 1)[::1].tolist()}
    assert len(held & windows) < 0.05 * len(held)  # a set phrase may occur twice


class Toy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.dropout = nn.Dropout(0.3)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.dropout(x)).square().mean()


def trained(out: Path, monkeypatch: pytest.MonkeyPatch, stop_at: int | None = None) -> Toy:
    monkeypatch.setattr(loop, "SAVE_EVERY", 5)
    torch.manual_seed(3)
    module = Toy()
    args = argparse.Namespace(out=out, steps=20, seed=1, float32=True, threads=1)

    def loss(step: int) -> Tensor:
        if step == stop_at:
            raise KeyboardInterrupt
        return module(torch.randn(8, 4))

    loop.run(module, [{"params": module.parameters(), "lr": 0.05}], loss, args, lambda: {"score": 1}, evaluate_every=10)
    return module


def test_a_run_that_was_stopped_ends_with_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = trained(tmp_path / "whole", monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "halves", monkeypatch, stop_at=13)
    halves = trained(tmp_path / "halves", monkeypatch)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), halves.parameters(), strict=True))


def test_another_recipe_does_not_go_on_with_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained(tmp_path, monkeypatch)
    args = argparse.Namespace(out=tmp_path, steps=21, seed=1, float32=True, threads=1)
    module = Toy()
    with pytest.raises(SystemExit, match="use another folder"):
        loop.run(module, [{"params": module.parameters(), "lr": 0.05}], lambda _: module(torch.ones(1, 4)), args, dict)


def test_the_rate_rises_and_falls_to_nothing() -> None:
    shares = [loop.factor(step, 100) for step in range(101)]
    assert shares[5] == 1 == max(shares)
    assert shares[:6] == sorted(shares[:6])
    assert shares[5:] == sorted(shares[5:], reverse=True)
    assert shares[100] == 0


def test_packing_keeps_the_closest_product_and_leaves_out_what_did_not_change() -> None:
    generator = torch.Generator().manual_seed(0)
    base = {"encoder.a": torch.randn(12, 8, generator=generator), "encoder.b": torch.randn(8, generator=generator)}
    gained = torch.randn(12, 3, generator=generator) @ torch.randn(3, 8, generator=generator)
    tuned = {
        "bert.encoder.a": base["encoder.a"] + gained, "bert.encoder.b": base["encoder.b"], "head": torch.ones(2, 8),
    }  # fmt: skip
    packed = pack.packed(tuned, base, 3, 3)
    assert packed.keys() == {"bert.encoder.a.lora_A", "bert.encoder.a.lora_B", "head"}
    product = packed["bert.encoder.a.lora_B"].float() @ packed["bert.encoder.a.lora_A"].float()
    torch.testing.assert_close(product, gained, atol=0.02, rtol=0)
    values = torch.linalg.svdvals(gained)
    left, right = pack.thin(gained, 2)
    assert float((left.float() @ right.float() - gained).norm()) == pytest.approx(float(values[2]), rel=0.02)
    whole = pack.packed(tuned, base, 0, 0)
    assert whole.keys() == {"bert.encoder.a", "head"}
