import pytest
import torch

import pellucid as pl
from pellucid.attribution import Attribution, Work


def made(**changes: object) -> Attribution:
    scores = torch.tensor([[[[3.0]], [[-4.0]]], [[[1.0]], [[2.0]]]])
    defaults = {
        "scores": scores,
        "target": torch.tensor([0, 1]),
        "error": torch.tensor([0.5, 0.1]),
        "work": Work(2, 2, 1.0),
        "unit": "logit",
    }
    return Attribution(**{**defaults, **changes})  # pyright: ignore[reportArgumentType]


def test_map_folds_the_channels_as_declared() -> None:
    a = made()
    assert a.map().flatten().tolist() == [-1.0, 3.0]
    assert a.map("max_abs").flatten().tolist() == [4.0, 2.0]
    assert a.map("mean_abs").flatten().tolist() == [3.5, 1.5]
    assert a.map("norm").flatten().tolist() == pytest.approx([5.0, 5**0.5])
    assert made(reduction="max_abs").map().flatten().tolist() == [4.0, 2.0]


def test_worst_error_is_the_largest() -> None:
    assert made().worst_error == 0.5


def test_one_image_of_a_batch() -> None:
    a = made(extras={"fit": torch.tensor([0.1, 0.9]), "nodes": torch.arange(5)})[1]
    assert len(a) == 1
    assert a.target.tolist() == [1]
    assert a.fit.tolist() == pytest.approx([0.9])
    assert len(a.extras["nodes"]) == 5
    assert made()[-1].target.tolist() == [1]
    with pytest.raises(IndexError, match="no image 2 in a batch of 2"):
        made()[2]


def test_what_only_lime_has_is_missed_with_a_name() -> None:
    with pytest.raises(AttributeError, match="saliency has no segments; it has: no extras"):
        _ = made(method="saliency").segments


def test_record_round_trip_from_bytes_and_from_a_file(tmp_path: object) -> None:
    a = made(extras={"x": torch.randn(2, 3)}, options={"seed": 3, "kind": "a"}, view={"top": 11}, step=4, method="m", against=7)
    path = str(tmp_path) + "/a.safetensors"
    with open(path, "wb") as file:
        file.write(a.to_record())
    for b in (Attribution.from_record(a.to_record()), Attribution.from_record(path)):
        assert torch.equal(a.scores, b.scores)
        assert torch.equal(a.extras["x"], b.extras["x"])
        assert (b.options, b.view, b.step, b.method, b.against, b.seed) == ({"seed": 3, "kind": "a"}, {"top": 11}, 4, "m", 7, 3)


@pytest.mark.parametrize("data", [b"", b"not a record", b"\x80\x04K\x01.", made().to_record()[:-3]])
def test_what_is_no_record_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="the record is not a record"):
        Attribution.from_record(data)


def test_safetensors_of_somebody_else_are_refused() -> None:
    from safetensors.torch import save

    with pytest.raises(ValueError, match="holds tensors but no record"):
        Attribution.from_record(save({"x": torch.zeros(1)}))


def test_a_record_of_a_newer_format_is_refused() -> None:
    import json

    from safetensors.torch import save

    tensors, header = made().parts()
    with pytest.raises(ValueError, match=r"newer Pellucid \(format 99"):
        Attribution.from_record(save(tensors, {"pellucid": json.dumps(header | {"format": 99})}))


def test_a_missing_record_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"no record at 'nowhere\.safetensors'"):
        Attribution.from_record("nowhere.safetensors")


def test_canary_a_wrong_shape_raises() -> None:
    """Proves that the suite runs with shapes checked."""
    with pytest.raises(TypeError, match="scores"):
        made(scores=torch.zeros(2, 3, 4))
    with pytest.raises(TypeError, match="target"):
        made(target=torch.zeros(3, dtype=torch.int64))


def test_frozen() -> None:
    with pytest.raises(AttributeError):
        made().unit = "probability"  # pyright: ignore[reportAttributeAccessIssue]


def test_public_names_are_all_there() -> None:
    for name in pl.__all__:
        assert getattr(pl, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'explian'; it has: "):
        _ = pl.explian  # pyright: ignore[reportAttributeAccessIssue]


def test_public_functions_are_not_hidden_by_the_submodules_of_the_same_name() -> None:
    import importlib

    for name in ("explain", "methods", "replay"):
        importlib.import_module(f"pellucid.{name}")
        assert not isinstance(getattr(pl, name), type(pl))


def test_it_is_shown_in_a_line(relu: pl.ImageClassifier) -> None:
    a = pl.explain(relu, torch.rand(3, 16, 16), method="saliency", target=2, against=1)
    shown = repr(a)
    assert shown.startswith("<Attribution by saliency: 1 x 3 x 16 x 16 scores from -")
    assert "logit per input unit, target 2 rather than 1, error 0" in shown
    assert "tensor" not in shown
