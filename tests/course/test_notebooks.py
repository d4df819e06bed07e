"""The two notebooks: run from top to bottom as they are given, and with what students may make of them."""

import base64
import io
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

import pellucid as pl
from pellucid.course import notebooks
from pellucid.course.notebooks.figures import variants
from tests import networks
from tests.cli.command import shell

DATA = Path(notebooks.__file__).parent.parent / "data"
RIGHT = """def euclidean_distance(a, b):
    if a.shape != b.shape:
        raise ValueError("other shapes")
    return np.sqrt(((a - b) ** 2).sum())


def cosine_similarity(a, b):
    if a.shape != b.shape:
        raise ValueError("other shapes")
    lengths = np.linalg.norm(a) * np.linalg.norm(b)
    if lengths == 0:
        raise ValueError("no direction")
    return a @ b / lengths"""
WRONG = RIGHT.replace("return a @ b / lengths", "return a @ b").replace("np.sqrt(((a - b) ** 2).sum())", "((a - b) ** 2).sum()")


@contextmanager
def kernel(made: Any, folder: Path) -> Iterator[NotebookClient]:
    """A real kernel that will run the cells of that notebook, one by one."""
    client = NotebookClient(
        made,
        timeout=600,
        startup_timeout=180,
        kernel_name="python3",
        allow_errors=False,
        resources={"metadata": {"path": str(folder)}},
    )
    client.reset_execution_trackers()
    with client.setup_kernel(env=os.environ | {"PYTHONWARNINGS": "default"}):
        yield client


def run(client: NotebookClient, cells: range | None = None) -> None:
    for index, cell in enumerate(client.nb.cells):
        if cell.cell_type == "code" and (cells is None or index in cells):
            client.execute_cell(cell, index)


def outputs(cell: Any, kind: str) -> list[str]:
    return [o["data"][kind] for o in cell.get("outputs", []) if kind in o.get("data", {})]


def printed(cell: Any) -> str:
    return "".join(o["text"] for o in cell.get("outputs", []) if o["output_type"] == "stream")


def with_todo(made: Any, number: int) -> int:
    return next(i for i, cell in enumerate(made.cells) if number in notebooks.todos(cell["source"]))


def is_picture(png: str) -> bool:
    """Whether it is of a readable size and shows something."""
    image = Image.open(io.BytesIO(base64.b64decode(png))).convert("L")
    return image.width >= 600 and image.height >= 300 and int(np.ptp(np.asarray(image))) > 100


def check_figures(made: Any, least: dict[int, int]) -> None:
    """At least so many figures in the cell of each TODO."""
    for number, count in least.items():
        found = outputs(made.cells[with_todo(made, number)], "image/png")
        assert len(found) == count, f"TODO {number} shows {len(found)} figures"
        assert all(map(is_picture, found)), f"TODO {number}"


def test_the_cnn_notebook_runs_as_given(tmp_path: Path) -> None:
    made = notebooks.notebook(1)
    with kernel(made, tmp_path) as client:
        run(client)
        # a setting that will not do ends in one plain sentence, and the notebook goes on from there
        cell = made.cells[with_todo(made, 5)]
        cell["source"] = notebooks.solved(cell["source"], {5: "NOISE = 0.15\nSAMPLES = '8'"})
        client.allow_errors = True
        client.execute_cell(cell, with_todo(made, 5))
    check_figures(made, {1: 2, 2: 2, 3: 1, 4: 1, 6: 1, 7: 3, 8: 2, 9: 1, 10: 1})
    (error,) = [o for o in cell["outputs"] if o["output_type"] == "error"]
    assert error["evalue"].startswith("SAMPLES is '8', a text; give a whole number from 2 to 200")
    verdicts = printed(made.cells[with_todo(made, 10)]).splitlines()
    told = {line.split()[0]: line for line in verdicts[1:]}
    assert "does not depend on the model" in told["edges"]
    assert "no better than random" in told["random"]
    assert len(told) == 5


def test_the_bert_notebook_runs_as_given_and_takes_what_students_write(tmp_path: Path) -> None:
    made = notebooks.notebook(2)
    todo, matrices = with_todo(made, 5), with_todo(made, 6)
    with kernel(made, tmp_path) as client:
        run(client)
        check_figures(made, {1: 1, 2: 1, 3: 1, 6: 2})
        given = outputs(made.cells[todo], "text/html")
        assert len(given) == 2
        assert all("Not yet yours" in note and "nothing is written yet" in note for note in given)
        pictures = outputs(made.cells[matrices], "image/png")

        cell = made.cells[todo]
        blank = cell["source"]
        cell["source"] = notebooks.solved(blank, {5: WRONG})
        run(client, range(todo, todo + 1))
        distance, similarity = outputs(cell, "text/html")
        assert "cosine_similarity([3, 4], [4, 3]) gave 24; 0.96 is right. You gave the scalar product" in similarity
        assert "euclidean_distance([1, 2], [4, 6]) gave 25; 5 is right. You gave the squared distance" in distance

        cell["source"] = notebooks.solved(blank, {5: RIGHT})
        run(client, range(todo, matrices + 1))
        assert all("✓ Yours" in note for note in outputs(cell, "text/html"))
        # the captions say whose functions they are, so the pictures differ; the numbers in them do not
        assert all(one != other for one, other in zip(outputs(made.cells[matrices], "image/png"), pictures, strict=True))
    guesses = printed(made.cells[with_todo(made, 2)])
    assert "in the place of 'lamp':" in guesses
    assert guesses.count("%") == 8
    assert "'The young keeper'" in printed(made.cells[with_todo(made, 3)])
    table = printed(made.cells[with_todo(made, 4)]).splitlines()
    assert len(table) == 1 + 7


@pytest.mark.parametrize("part", notebooks.PARTS)
def test_all_but_the_todos_is_ours(part: int, tmp_path: Path) -> None:
    (path,) = notebooks.write_notebooks(tmp_path, [part])
    assert notebooks.changed(part, path) == notebooks.Changes((), ())
    theirs = nbformat.read(path, as_version=4)
    numbers = [n for cell in theirs.cells for n in notebooks.todos(cell["source"])]
    assert numbers == list(range(1, len(numbers) + 1))
    for cell in theirs.cells:
        cell["source"] = notebooks.solved(cell["source"], dict.fromkeys(notebooks.todos(cell["source"]), "pass\npass"))
    nbformat.write(theirs, path)
    assert notebooks.changed(part, path) == notebooks.Changes(tuple(numbers), ())

    touched = next(cell for cell in theirs.cells if cell.cell_type == "code")
    touched["source"] += "\nprint('mine')"
    theirs.cells.append(nbformat.v4.new_code_cell("2 + 2"))
    nbformat.write(theirs, path)
    assert notebooks.changed(part, path).cells == (touched["id"], "added")


def test_lines_are_taken_apart_and_put_together() -> None:
    code = "a = 1\n# TODO 3: say so\nb = 2\n\nc = 3\n# END TODO 3\nd = 4"
    assert notebooks.todos(code) == {3: "b = 2\n\nc = 3"}
    assert notebooks.given(code) == "a = 1\n# TODO 3: say so\n# END TODO 3\nd = 4"
    assert notebooks.solved(code, {3: "b = 5"}) == "a = 1\n# TODO 3: say so\nb = 5\n# END TODO 3\nd = 4"
    with pytest.raises(KeyError, match="no TODO 4 here; there are: 3"):
        notebooks.solved(code, {4: "b = 5"})
    for wrong in ("# TODO 1\n# TODO 2\n# END TODO 2", "# END TODO 1", "# TODO 1", "# TODO 1\n# END TODO 2"):
        with pytest.raises(ValueError, match="TODO"):
            notebooks.todos(wrong)


@pytest.mark.parametrize("part", notebooks.PARTS)
def test_a_notebook_is_the_same_every_time_and_has_no_outputs(part: int) -> None:
    text = notebooks.text(part)
    assert text == notebooks.text(part)
    made = nbformat.reads(text, as_version=4)
    nbformat.validate(made)
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in made.cells)
    assert sum("\n%matplotlib inline\n" in cell["source"] for cell in made.cells) == 1, "a magic again, no comment"


@pytest.mark.parametrize("part", notebooks.PARTS)
def test_no_notebook_answers_a_question_of_the_course(part: int) -> None:
    text = "\n".join(cell["source"] for cell in notebooks.notebook(part).cells)
    text = text.replace("\n> ", " ")  # a quotation's lines
    groups = {1: ["1 to 4", "5 to 8", "10 to 13", "14 to 17", "18 and 19", "9 and 20"], 2: ["21 to 24", "25 to 27", "28 to 30"]}
    assert re.findall(r"Questions (\d+ (?:to|and) \d+)\.", text) == groups[part]
    assert not re.search(r"accepted|disregarded|keys/|answer key|correct option|right option|\bwhen:", text, re.IGNORECASE)
    conditions = re.findall(r"\bwhen: [\"']?([^\"'\n]+)", "\n".join(p.read_text(encoding="utf-8") for p in DATA.glob("*.yaml")))
    assert not [condition for condition in conditions if condition.strip() in text]
    # a question is named in such a pointer and nowhere else, so nothing can be said of its answer
    assert len(re.findall(r"questions? \d", text, re.IGNORECASE)) == len(groups[part])


def test_the_command_writes_both_and_never_over_a_students_work(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "work"
    done = shell("course", "notebooks", str(folder), "--json")
    assert done.returncode == 0, done.stderr
    paths = [Path(p) for p in json.loads(done.stdout)["notebooks"]]
    assert [p.name for p in paths] == ["part1_cnn.ipynb", "part2_bert.ipynb"]

    work = paths[0].read_text(encoding="utf-8").replace("NOISE = 0.15", "NOISE = 0.25")
    paths[0].write_text(work, encoding="utf-8")
    paths[1].unlink()
    refused = shell("course", "notebooks", str(folder))
    assert refused.returncode == 2
    assert "part1_cnn.ipynb is there already, with changes in TODO 5" in refused.stderr
    assert "--force" in refused.stderr
    assert paths[0].read_text(encoding="utf-8") == work
    assert not paths[1].exists(), "nothing is written where something is refused"

    assert shell("course", "notebooks", str(folder), "--part", "2").returncode == 0
    assert paths[0].read_text(encoding="utf-8") == work
    assert shell("course", "notebooks", str(folder), "--force").returncode == 0
    assert "NOISE = 0.15" in paths[0].read_text(encoding="utf-8")

    paths[0].write_text("not a notebook", encoding="utf-8")
    assert "is there already. Nothing" in shell("course", "notebooks", str(folder), "--part", "1").stderr


def test_variants_of_a_rectified_map_are_not_called_magnitudes() -> None:
    model = pl.ImageClassifier(networks.seeded(networks.smooth_cnn()), size=(32, 32))
    image = model.read(np.full((32, 32, 3), 120, np.uint8))
    named = {layer: pl.explain(model, image, method="grad_cam", layer=layer) for layer in ("1", "3")}
    text = " ".join(text.get_text() for text in variants(image, named).texts).replace("\n", " ")
    assert "only what speaks for the target" in text
    assert "magnitude" not in text
