"""Every picture that cannot be read, or only changed: the message is what is tested."""

import io
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import pellucid as pl
from pellucid.inputs.photograph import expand, observation_paths, open_photograph, photographs, recall, remember


def gradient(height: int = 20, width: int = 30) -> np.ndarray:
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([rows * 8, columns * 8, rows * 0 + 100], axis=-1).astype(np.uint8)


def test_reads_every_kind_of_source_alike(tmp_path: Path) -> None:
    pixels = gradient()
    path = tmp_path / "a.png"
    Image.fromarray(pixels).save(path)
    tensor = torch.from_numpy(pixels).movedim(-1, 0)
    for source in (path, str(path), Image.fromarray(pixels), pixels, pixels / 255, tensor, tensor.float() / 255):
        picture, _ = open_photograph(source)
        assert np.array_equal(np.asarray(picture), pixels)
        assert picture.mode == "RGB"


@pytest.mark.parametrize("ending", ["jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff", "avif", "jp2"])
def test_every_format_that_a_message_names_is_read(tmp_path: Path, ending: str) -> None:
    Image.fromarray(gradient()).save(tmp_path / f"a.{ending}")
    (path,) = expand([tmp_path])
    picture, _ = open_photograph(path)
    assert np.abs(np.asarray(picture).astype(int) - gradient()).mean() < 12
    with pytest.raises(ValueError, match=rf"known format \(.*\b{ending}\b.*\)"):
        open_photograph(b"hello")


def test_a_camera_on_its_side_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    Image.fromarray(gradient()).save(tmp_path / "a.jpg", exif=exif)
    assert open_photograph(tmp_path / "a.jpg")[0].size == (20, 30)


def test_the_ten_observation_images_are_marked_0_to_9() -> None:
    assert len(observation_paths()) == 10
    assert observation_paths()[0].name == "other_coffee_cup.jpg"
    assert observation_paths()[9].name == "other_honey_bee.jpg"
    assert list(expand(["observation"])) == [f"observation:{n}" for n in range(10)]
    assert open_photograph("observation:3")[1] == "seafood_crab.jpg"


def test_every_shipped_photograph_opens_and_names_its_licence() -> None:
    assert len(photographs()) == 43
    for row in photographs():
        assert row["licence"]
        assert open_photograph(row["path"])[0].size == (int(row["width"]), int(row["height"]))


def test_a_folder_stands_for_its_pictures(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", "notes.txt", "._a.JPG"):  # the last as macOS leaves beside a picture on another disk
        (tmp_path / name).write_bytes(b"")
    assert list(expand([tmp_path, "x.jpg"])) == [str(tmp_path / "a.JPG"), str(tmp_path / "b.png"), "x.jpg"]


def test_folders_in_a_folder_are_passed_over_and_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / ".git").mkdir()
    assert list(expand([tmp_path])) == [str(tmp_path / "a.png")]  # and no warning, which would be an error here
    (tmp_path / "dogs").mkdir()
    with pytest.warns(
        pl.ImageWarning, match=r"^1 folder in '.*' passed over: name those that are wanted too, such as '.*/dogs'$"
    ):
        assert list(expand([tmp_path])) == [str(tmp_path / "a.png")]
    (tmp_path / "cats.png").mkdir()  # whatever it is called
    with pytest.warns(pl.ImageWarning, match=r"^2 folders in '.*' passed over: .* such as '.*/cats.png'$"):
        assert list(expand([tmp_path])) == [str(tmp_path / "a.png")]


def save(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


def bomb(path: Path) -> Path:
    """A PNG of 30,000 x 30,000 px in a few hundred bytes of header; decoding it would take 2.7 GB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = (30_000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0" * 9)) + chunk(b"IEND", b"")
    )
    return path


def truncated(path: Path) -> Path:
    buffer = io.BytesIO()
    Image.fromarray(gradient(200, 200)).save(buffer, "JPEG")
    path.write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    return path


def animated(path: Path) -> Path:
    frames = [Image.fromarray(gradient() + np.uint8(i)) for i in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    return path


def text(path: Path) -> Path:
    path.write_text("no picture")
    return path


REFUSED = {
    "missing": (
        lambda d: d / "cat.jpg",
        FileNotFoundError,
        r"no image at '.*cat\.jpg'; give a file, or observation:0 to observation:9$",
    ),
    "a pattern": (lambda d: str(d / "*.jpg"), FileNotFoundError, "a pattern is for the shell: leave out its quotation marks$"),
    "no name": (lambda _: "", ValueError, "the name of the picture is empty; give a file, or observation:0"),
    "a folder": (lambda d: d, IsADirectoryError, "is a folder; name the pictures in it"),
    "unreadable": (lambda d: text(d / "a.jpg"), ValueError, r"a\.jpg' is not a picture in a known format \(jpg, jpeg, png"),
    "empty": (lambda d: save(d / "a.png", Image.fromarray(gradient())) and text(d / "a.png"), ValueError, "is not a picture"),
    "truncated": (lambda d: truncated(d / "a.jpg"), ValueError, r"a\.jpg' cannot be decoded, it is truncated or damaged"),
    "animated": (lambda d: animated(d / "a.gif"), ValueError, r"a\.gif' has 3 frames; save the one you mean as a picture"),
    "bomb": (lambda d: bomb(d / "a.png"), ValueError, r"a\.png' is (30000 x 30000 px|too large to decode safely)"),
    "20,000 px": (
        lambda d: save(d / "a.png", Image.new("1", (20_000, 20_000))),
        ValueError,
        r"20000 x 20000 px, 400 megapixels; at most 100 are read: make it smaller|too large to decode safely",
    ),
    "1x1": (
        lambda d: save(d / "a.png", Image.new("RGB", (1, 1))),
        ValueError,
        "is 1 x 1 px; the smallest that can be explained is 8 x 8",
    ),
    "observation:10": (
        lambda _: "observation:10",
        ValueError,
        "no observation image '10'; they are observation:0 to observation:9",
    ),
    "of another process": (
        lambda _: "sha256:" + "0" * 64,
        ValueError,
        "was handed in by another process; give the picture again",
    ),
    "bytes of no picture": (lambda _: b"hello", ValueError, "what these bytes hold is not a picture in a known format"),
    "None": (lambda _: None, TypeError, "cannot read a NoneType as an image; give a path, a file's bytes, PIL"),
    "normalised": (
        lambda _: torch.randn(3, 20, 20) * 5,
        ValueError,
        r"the tensor has values from -.* floats are pixel values in \[0, 1\]\. For features .* use model\.from_features",
    ),
    "NaN": (lambda _: torch.full((3, 20, 20), torch.nan), ValueError, "the tensor holds NaN or infinite values"),
    "five channels": (
        lambda _: np.zeros((20, 20, 5), np.uint8),
        ValueError,
        r"the array has shape \(20, 20, 5\); expected height width 3, with 1 or 3 channels$",
    ),
    "a tensor, channels last": (
        lambda _: torch.zeros(20, 24, 3),
        ValueError,
        r"the tensor has shape \(20, 24, 3\); expected channel height width, with 1 or 3 channels; its axes "
        r"are turned by \.permute\(2, 0, 1\)$",
    ),
    "an array, channels first": (
        lambda _: np.zeros((3, 20, 24), np.uint8),
        ValueError,
        r"expected height width 3, with 1 or 3 channels; its axes are turned by \.transpose\(1, 2, 0\)$",
    ),
    "an array with alpha": (
        lambda _: np.zeros((20, 24, 4), np.uint8),
        ValueError,
        r"with 1 or 3 channels; alpha is read from PIL\.Image\.fromarray\(array\), an array of uint8$",
    ),
    "int64": (
        lambda _: np.zeros((20, 20, 3), np.int64),
        ValueError,
        r"the array is int64; expected uint8, or float in \[0, 1\]",
    ),
    "one pixel of a tensor": (lambda _: torch.zeros(3, 1, 1), ValueError, "the tensor is 1 x 1 px; the smallest"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_refused_with_the_reason(case: str, tmp_path: Path) -> None:
    make, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        open_photograph(make(tmp_path))


def test_the_bytes_of_a_file_are_the_picture_in_it(tmp_path: Path, relu: pl.ImageClassifier) -> None:
    path = save(tmp_path / "a.png", Image.fromarray(gradient()))
    by_path, by_bytes = relu.read(path), relu.read([path.read_bytes(), path])
    assert torch.equal(by_bytes.features, by_path.features.expand(2, -1, -1, -1))
    assert torch.equal(relu.read(by_bytes.sources[0]).features, by_path.features), "found again under its name"


def test_a_long_narrow_picture_of_20000_px_is_read(tmp_path: Path) -> None:
    assert open_photograph(save(tmp_path / "a.png", Image.new("RGB", (20_000, 100))))[0].size == (20_000, 100)


def test_cmyk_is_converted_and_said(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg", Image.new("CMYK", (20, 20), (255, 0, 0, 0)), quality=100)
    with pytest.warns(pl.ImageWarning, match=r"a\.jpg' is CMYK; converted to RGB without a colour profile, so hues may shift"):
        picture, _ = open_photograph(path)
    assert np.allclose(np.asarray(picture)[10, 10], [0, 255, 255], atol=3)


def test_16_bits_become_8_and_said(tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 400).astype(np.uint16).reshape(20, 20)
    path = save(tmp_path / "a.png", Image.fromarray(values))
    with pytest.warns(pl.ImageWarning, match=r"a\.png' has 16 bits a channel; read with 8"):
        picture, _ = open_photograph(path)
    assert np.allclose(np.asarray(picture)[..., 0], values / 257, atol=0.51), "scaled, not clipped"


def test_alpha_is_laid_on_white_and_said(tmp_path: Path) -> None:
    pixels = np.zeros((20, 20, 4), np.uint8)
    pixels[:10] = (200, 0, 0, 255)
    for image in (Image.fromarray(pixels), Image.fromarray(pixels).convert("LA")):
        path = save(tmp_path / "a.png", image)
        with pytest.warns(pl.ImageWarning, match=r"a\.png' has transparent parts; they are laid on white"):
            picture, _ = open_photograph(path)
        assert np.asarray(picture)[15, 5].tolist() == [255, 255, 255]


def test_an_opaque_alpha_channel_is_nothing_to_speak_of(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", Image.fromarray(gradient()).convert("RGBA"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(np.asarray(open_photograph(path)[0]), gradient())


def test_one_channel_and_palettes_become_three(tmp_path: Path) -> None:
    grey = save(tmp_path / "grey.png", Image.fromarray(gradient()[..., 0]))
    assert np.array_equal(np.asarray(open_photograph(grey)[0])[..., 2], gradient()[..., 0])
    palette = save(tmp_path / "p.gif", Image.fromarray(gradient()).convert("P"))
    assert open_photograph(palette)[0].mode == "RGB"
    for grey in (gradient()[..., 0], gradient()[..., :1], torch.from_numpy(gradient()[..., 0])):
        assert np.array_equal(np.asarray(open_photograph(grey)[0])[..., 1], gradient()[..., 0])


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no picture; known endings: \.jpg"):
        list(expand([tmp_path]))
    (tmp_path / "cats").mkdir()
    with pytest.raises(ValueError, match="holds no picture; folders in it are not looked into: name them, such as 'cats'"):
        list(expand([tmp_path]))


def test_what_was_handed_in_is_recalled_by_its_content() -> None:
    name = remember(gradient())
    assert name == remember(gradient().copy())
    assert name != remember(gradient(21))
    assert np.array_equal(np.asarray(recall(name)), gradient())
    assert open_photograph(name)[0].size == (30, 20)
    assert remember("a.jpg") == "a.jpg"
