"""Loading: names of the catalog, checkpoints of the user's own, and files that are neither."""

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import pellucid as pl
from pellucid.models.architectures import efficientnet_lite0


def test_a_catalog_model_is_built_once() -> None:
    assert pl.load("imagenet") is pl.load("imagenet")
    assert pl.load("imagenet").name == "imagenet"


def test_an_unknown_model_is_answered_with_the_known_ones() -> None:
    with pytest.raises(KeyError, match=r"no model named 'imagnet' \(did you mean 'imagenet'\?\)"):
        pl.load("imagnet")


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    return pl.load("imagenet").module.state_dict()


@pytest.mark.parametrize("wrapper", ["model_state_dict", "state_dict", None])
def test_a_checkpoint_loads_out_of_its_wrapper(wrapper: str | None, weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pth"
    torch.save({wrapper: weights, "epoch": 3} if wrapper else dict(weights), path)
    model = pl.load(path, architecture="efficientnet-lite0")
    assert model.name == f"efficientnet-lite0:{path}"
    assert model.fingerprint == pl.load("imagenet").fingerprint == pl.load(model.name).fingerprint


def test_safetensors_load(weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    save_file(weights, tmp_path / "w.safetensors")
    assert pl.load(tmp_path / "w.safetensors", architecture="efficientnet-lite0").fingerprint == pl.load("imagenet").fingerprint


class Danger:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("executed"),))  # pyright: ignore[reportReturnType]


def test_a_pickle_that_is_no_state_dict_is_never_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with open("a.pth", "wb") as file:
        pickle.dump(Danger(), file)
    torch.save({"model_state_dict": Danger()}, "b.pth")
    for name in ("a.pth", "b.pth"):
        with pytest.raises(
            ValueError, match=r"is a pickle with more than tensors in it and was not opened.*Save the weights alone"
        ):
            pl.load(name, architecture="efficientnet-lite0")
    assert not Path("executed").exists()


def other(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


REFUSED = {
    "missing": (lambda d: d / "no.pth", FileNotFoundError, r"no checkpoint at '.*no\.pth'"),
    "text": (
        lambda d: (d / "a.pth").write_text("hello") and d / "a.pth",
        ValueError,
        "is a pickle with more than tensors|is not a checkpoint",
    ),
    "empty": (lambda d: (d / "a.pth").write_bytes(b"") or d / "a.pth", ValueError, "is not a checkpoint"),
    "text as safetensors": (
        lambda d: (d / "a.safetensors").write_text("hello") and d / "a.safetensors",
        ValueError,
        "is not a checkpoint",
    ),
    "a program": (
        lambda d: torch.jit.script(torch.nn.Linear(2, 2)).save(d / "a.pt") or d / "a.pt",
        ValueError,
        r"is a TorchScript program, .*: call torch\.jit\.load in a Python file of yours and give FILE\.py:NAME, or wrap it",
    ),
    "a number": (
        lambda d: other(d / "a.pth", 3),
        ValueError,
        "holds no dictionary of tensors, neither itself nor under model_state_dict",
    ),
    "no tensors": (lambda d: other(d / "a.pth", {"model_state_dict": {"a": 1}}), ValueError, "holds no dictionary of tensors"),
    "another network": (
        lambda d: other(d / "a.pth", torch.nn.Linear(2, 2).state_dict()),
        ValueError,
        r"does not fit the architecture efficientnet-lite0: \d+ missing \(such as _conv_stem\.weight\); 2 unknown",
    ),
    "another head": (
        lambda d: other(d / "a.pth", efficientnet_lite0(classes=7).state_dict()),
        ValueError,
        r"2 of another shape \(such as _fc\.weight: \(7, 1280\), expected \(1000, 1280\)\)",
    ),
}


@pytest.mark.filterwarnings("ignore:`torch.jit")
@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_does_not_fit_is_refused_with_the_reason(case: str, tmp_path: Path) -> None:
    make, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        pl.load(make(tmp_path), architecture="efficientnet-lite0")


def test_an_unknown_architecture_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="no architecture named 'resnet'"):
        pl.load(tmp_path / "a.pth", architecture="resnet")


def test_a_file_without_its_architecture_is_asked_for_it(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(b"")
    with pytest.raises(
        ValueError, match="say which architecture they are for, architecture=one of: efficientnet-lite0"
    ) as told:
        pl.load(tmp_path / "a.pth")
    assert "for a network of your own, name what makes it and loads them, FILE.py:NAME, or wrap it" in str(told.value)
