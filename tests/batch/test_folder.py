"""Rows as Parquet: what is written is whole, and comes back bit by bit."""

import json
from dataclasses import fields, replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pellucid.batch import folder as kept
from pellucid.batch.folder import Folder
from pellucid.batch.plan import Settings
from pellucid.batch.rows import COLUMNS, SCHEMA, Row, table
from pellucid.batch.work import Failure
from pellucid.request import Request

RNG = np.random.default_rng(0)


def row(key: str = "k", side: tuple[int, int] = (3, 4), **changed) -> Row:
    plain = Row(
        key=key, source="a.png", context=None, method="lime", target=1, label="dog", against=None, probability=0.5,
        map=RNG.standard_normal(side).astype(np.float32), tokens=None, unit="logit", error=0.1, error_name="error",
        verdict=None, advantage=None, advantage_low=None, advantage_high=None, randomised=None, evidence=None, model="line",
        fingerprint="f", engine="torch", options="{}", seed=0, notes="{}", forwards=3, backwards=0, seconds=0.2,
        content="c", request="{}",
    )  # fmt: skip
    return replace(plain, **changed)


def test_the_table_has_a_column_for_each_field_and_says_what_it_holds():
    assert SCHEMA.names == [field.name for field in fields(Row)] == list(COLUMNS)
    assert all(SCHEMA.field(name).metadata[b"description"].decode() == about for name, about in COLUMNS.items())
    assert SCHEMA.field("map").type == pa.list_(pa.list_(pa.float32()))
    assert SCHEMA.field("against").nullable
    assert not SCHEMA.field("key").nullable


def test_maps_of_several_shapes_come_back_bit_by_bit():
    rows = [row("a"), row("b", (1, 5)), row("c", (6, 2))]
    rows[1].map[0, 0] = np.nan
    found = table(rows).to_pylist()
    for before, after in zip(rows, found, strict=True):
        np.testing.assert_array_equal(np.array(after["map"], dtype=np.float32), before.map)


def test_tokens_and_what_has_none_come_back():
    rows = [row("a", tokens=["A", "é"], target=None, probability=None), row("b")]
    found = table(rows).select(["tokens", "target", "probability"]).to_pydict()
    assert found == {"tokens": [["A", "é"], None], "target": [None, 1], "probability": [None, 0.5]}


def test_a_map_that_is_not_contiguous_is_not_turned():
    turned = row(side=(3, 4)).map.T
    (found,) = table([row(map=turned)])["map"].to_pylist()
    np.testing.assert_array_equal(np.array(found, dtype=np.float32), turned)


def test_rows_wait_until_there_are_enough_or_the_last_file_is_old(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(kept.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(kept, "ROWS", 3)
    folder = Folder(tmp_path, Settings())
    folder.add(row("a"), None)
    folder.add(row("b"), None)
    assert not list(tmp_path.iterdir())
    folder.add(row("c"), None)
    assert [len(pq.read_table(f)) for f in tmp_path.iterdir()] == [3]
    clock[0] = kept.SECONDS + 1
    folder.add(row("d"), None)
    assert len(list(tmp_path.iterdir())) == 2
    assert sorted(folder.read(["key"])["key"].to_pylist()) == ["a", "b", "c", "d"]
    folder.flush()
    assert len(list(tmp_path.iterdir())) == 2


def test_a_full_disk_keeps_what_waits(tmp_path, monkeypatch):
    folder = Folder(tmp_path, Settings())
    folder.add(row("a"), None)

    def full(path, data):
        raise OSError(28, "the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(kept, "write_whole", full)
        with pytest.raises(OSError, match="full"):
            folder.flush()
    folder.flush()
    assert folder.read(["key"]).to_pydict() == {"key": ["a"]}


def test_rows_that_are_there_are_known(tmp_path):
    folder = Folder(tmp_path, Settings())
    folder.add(row("a"), None)
    folder.flush()
    again = Folder(tmp_path, Settings())
    assert again.known["a"][:3] == ("c", "line", "f")
    again.check_weights({"line": "f", "other": "g"})
    with pytest.raises(ValueError, match="of other weights than 'line' has now"):
        again.check_weights({"line": "g"})


def test_forgotten_rows_leave_the_others(tmp_path):
    folder = Folder(tmp_path, Settings())
    for keys in ("ab", "c"):
        for key in keys:
            folder.add(row(key), None)
        folder.flush()
    again = Folder(tmp_path, Settings())
    before = dict(zip(*again.read(["key", "map"]).to_pydict().values(), strict=True))
    again.drop({"a", "c"})
    assert again.read(["key", "map"]).to_pydict() == {"key": ["b"], "map": [before["b"]]}
    assert Folder(tmp_path, Settings()).known.keys() == {"b"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (Settings(tolerance=0.1), "made with tolerance=None, now it is 0.1"),
        (Settings(deadline=2.0), "made with deadline=None, now it is 2.0"),
        (Settings(trust=False), "made with trust=True, now it is False"),
        (Settings(engine="openvino"), "made with engine='torch', now it is 'openvino'"),
    ],
)
def test_rows_made_in_another_way_are_not_mixed_in(tmp_path, settings, said):
    folder = Folder(tmp_path, Settings())
    folder.add(row("a"), None)
    folder.flush()
    with pytest.raises(ValueError, match=said):
        Folder(tmp_path, settings)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is a file; name a folder"):
        Folder(tmp_path / "file", Settings())
    pq.write_table(pa.table({"x": [1]}), tmp_path / "x.parquet")
    with pytest.raises(ValueError, match="is Parquet, but not of a batch"):
        Folder(tmp_path, Settings())
    (tmp_path / "x.parquet").write_bytes(b"PAR1 cut")
    with pytest.raises(ValueError, match="cannot be read as Parquet"):
        Folder(tmp_path, Settings())


def test_failures_are_told_in_a_file_until_there_are_none(tmp_path):
    folder = Folder(tmp_path, Settings())
    folder.write_failures([Failure(Request(model="line", source=("é.png",), method="lime"), "no image")])
    (line,) = (tmp_path / "_failed.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line) == {"source": "é.png", "method": "lime", "error": "no image"}
    folder.write_failures([])
    assert not list(tmp_path.iterdir())
    assert folder.read() == SCHEMA.empty_table()
