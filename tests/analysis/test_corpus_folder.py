"""The folder of a corpus: whole or not there, and what is wrong with it is said."""

import errno
import os
import shutil

import pytest

from pellucid.analysis.corpus import build_corpus, open_corpus
from tests import encoders

TEXT = "\n".join(encoders.SENTENCES)


@pytest.fixture(scope="module")
def made(tiny, tmp_path_factory):
    return build_corpus(tiny, [TEXT], tmp_path_factory.mktemp("corpus") / "made", layers=[1, 3])


@pytest.fixture
def copy(made, tmp_path):
    return shutil.copytree(made.folder, tmp_path / "copy")


def test_it_opens_again_as_it_was(tiny, made, copy):
    again = open_corpus(copy, tiny)
    assert (again.layers, again.head_layers, again.counts, again.text) == ((1, 3), (1, 3), made.counts, TEXT)
    first, second = (c.search(c.encoder.activations(encoders.SENTENCES[2]), 0, 4, layer=3, count=5) for c in (made, again))
    assert first.hits == second.hits


def test_the_same_seed_writes_the_same_bytes(tiny, made, tmp_path):
    build_corpus(tiny, [TEXT], tmp_path / "again", layers=[1, 3])
    for path in made.folder.glob("*.npy"):
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


@pytest.mark.parametrize("name", ["hidden-03.npy", "codes.npz", "tags.npy", "text.txt", "rows.npy"])
def test_a_truncated_or_missing_file_is_named(tiny, copy, name):
    whole = (copy / name).read_bytes()
    (copy / name).write_bytes(whole[:-5])
    with pytest.raises(ValueError, match=rf"damaged: {name} has .* bytes instead of .*; build the corpus again"):
        open_corpus(copy, tiny)
    (copy / name).unlink()
    with pytest.raises(ValueError, match=rf"damaged: {name} is missing"):
        open_corpus(copy, tiny)


@pytest.mark.parametrize("name", ["hidden-03.npy", "codes.npz", "first_token.npy"])
def test_a_file_of_the_right_size_with_wrong_bytes_is_damaged(tiny, copy, name):
    size = (copy / name).stat().st_size
    (copy / name).write_bytes(b"\x00" * size)
    with pytest.raises(ValueError, match="is damaged"):
        open_corpus(copy, tiny)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"format": "pellucid corpus 0"}', '{"format": "pellucid corpus 1"}'])
def test_a_bad_header_is_refused(tiny, copy, content):
    (copy / "corpus.json").write_text(content)
    with pytest.raises(ValueError, match=r"build the corpus again|not of the format"):
        open_corpus(copy, tiny)


def test_no_corpus_and_an_unfinished_one(tiny, copy, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no corpus at .*; make one: pellucid corpus build"):
        open_corpus(tmp_path / "none")
    (copy / "corpus.json").unlink()
    with pytest.raises(ValueError, match="unfinished"):
        open_corpus(copy, tiny)


def test_another_encoder_is_refused(copy):
    other = encoders.tiny("electra")
    with pytest.raises(ValueError, match="was built with another encoder than tiny electra"):
        open_corpus(copy, other)


def test_a_full_disk_leaves_nothing_and_says_what_would_do(tiny, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="the disk is full, and nothing was kept") as error:
        build_corpus(tiny, [TEXT], tmp_path / "c")
    assert error.value.errno == errno.ENOSPC
    assert not list(tmp_path.iterdir())


def test_an_interrupted_build_leaves_nothing_and_a_killed_ones_rest_is_swept(tiny, tmp_path):
    def stop(share, what):
        if what == "vectors":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_corpus(tiny, [TEXT], tmp_path / "c", progress=stop)
    assert not list(tmp_path.iterdir())
    (tmp_path / ".c.building-999999999").mkdir()
    build_corpus(tiny, [TEXT], tmp_path / "c", layers=[0])
    assert [p.name for p in tmp_path.iterdir()] == ["c"]


def test_progress_grows_to_one(tiny, tmp_path):
    told = []
    build_corpus(tiny, [TEXT], tmp_path / "c", progress=lambda share, what: told.append(share))
    assert told == sorted(told)
    assert (told[0], told[-1]) == (0.0, 1.0)


def test_a_folder_in_use_is_not_overwritten(tiny, copy):
    with pytest.raises(ValueError, match="exists already"):
        build_corpus(tiny, [TEXT], copy)
    (copy.parent / "empty").mkdir()
    assert build_corpus(tiny, [TEXT], copy.parent / "empty", layers=[0]).layers == (0,)


def test_layers_that_are_not_there(tiny, made, tmp_path):
    with pytest.raises(IndexError, match="no layer 4; hidden states go from 0"):
        build_corpus(tiny, [TEXT], tmp_path / "c", layers=[4])
    with pytest.raises(ValueError, match="no layer was chosen"):
        build_corpus(tiny, [TEXT], tmp_path / "c", layers=[])
    act = made.encoder.activations("Who wrote it?")
    with pytest.raises(ValueError, match="no hidden states of layer 2; it was built with those of layer 1, 3"):
        made.search(act, 0, 1, layer=2)
    bare = build_corpus(tiny, [TEXT], tmp_path / "c", layers=[0, 2], heads=False)
    with pytest.raises(ValueError, match="no outputs of heads of layer 2; it was built with none"):
        bare.search(act, 0, 1, layer=2, by="heads")
