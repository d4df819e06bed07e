from pathlib import Path

import pytest

from pellucid.course.assignment import Option
from pellucid.course.binding import BindingError, fill, filled_link, images_of
from pellucid.course.reading import read_spec
from pellucid.course.source import SpecError, edited
from pellucid.course.spec import in_points, tenths
from pellucid.inputs.photograph import observation_paths
from tests.course.toy import COURSE, PART, write


def problems(folder: Path, course: str = COURSE, part: str = PART) -> list[str]:
    with pytest.raises(SpecError) as caught:
        read_spec(write(folder, course, part))
    return str(caught.value).splitlines()


def line(text: str, fragment: str) -> int:
    """The number of the line that holds the fragment."""
    return next(n for n, one in enumerate(text.splitlines(), 1) if fragment in one)


def test_a_course_is_read(tmp_path: Path) -> None:
    spec = read_spec(write(tmp_path))
    steady, noisy = spec.questions
    assert [c.id for c in steady.candidates] == ["a", "b", "c", "d", "e"]
    assert str(steady.candidates[1].when) == "toy_share(steady['b']) >= 0.5"
    assert (steady.candidates[0].floor, steady.candidates[0].unit) == (0.08, "share")
    assert steady.candidates[0].why == {"en": "Part a holds {value:.2f}; the line is {threshold:.2f}."}
    assert (noisy.tenths, noisy.lab, noisy.if_ambiguous) == (5, "view=images&part=a", "swap")
    assert str(noisy.candidates[0].when) == "not (toy_share(noisy['a']) >= 0.5)"
    assert spec.tenths == 10
    assignment = spec.assignment({"steady-share": ("c", "a"), "noisy-share": ("n-a",)})
    assert assignment.question("steady-share").options == (Option("c", {"en": "Part c"}), Option("a", {"en": "Part a"}))


def test_the_product_of_several_and_rows_and_languages(tmp_path: Path) -> None:
    course = COURSE.replace("[en]", "[en, zh-TW]").replace("{en: Toy}", "{en: Toy, zh-TW: 玩具}")
    course = course.replace("{en: First}", "{en: First, zh-TW: 一}").replace("{en: Second}", "{en: Second, zh-TW: 二}")
    course = course.replace("parts:", "images: observation\nparts:").replace('each: "0.5"', 'each: "1"')
    part = """\
artefacts: {map: {kind: toy, levels: {a: 1}}}
parameters:
  word: [{token: bank, named: {en: the bank, zh-TW: 銀行}}]
questions:
  - id: all
    group: first
    points: each
    prompt: {en: "Of {image_name}", zh-TW: "{image}"}
    let: {image: "1"}
    floor: 0.3
    candidates:
      - id: "{token}-{n}"
        each: [word, number]
        text: {en: "{named} {n}", zh-TW: "{named}{n}"}
        when: toy_share(map[token]) > n
      - {id: "im-{image}-{other}", each: [image, other], text: {en: x, zh-TW: x}, when: "toy_share(map['a']) / 2 > 1"}
      - {id: "row-{x}", each: [{x: 1, y: 0.5}, {x: 2, y: 0.25}], text: {en: x, zh-TW: x}, when: "toy_share(map['a']) > y"}
"""
    part = part.replace("parameters:", "parameters:\n  number: [{n: 1}, {n: 2}]")
    question = read_spec(write(tmp_path, course, part)).questions[0]
    ids = [candidate.id for candidate in question.candidates]
    assert ids[:2] == ["bank-1", "bank-2"]
    assert question.candidates[0].text == {"en": "the bank 1", "zh-TW": "銀行1"}
    assert str(question.candidates[1].when) == "toy_share(map['bank']) > 2"
    assert len([id for id in ids if id.startswith("im-")]) == 90  # never an image with itself
    assert str(question.candidates[-1].when) == "toy_share(map['a']) > 0.25"
    assert question.prompt["en"] == f"Of {observation_paths()[1].stem}"
    assert question.prompt["zh-TW"] == "1"
    assert {candidate.floor for candidate in question.candidates} == {0.3}


WRONG = [
    ("part", "    group: first\n", "    group: first\n    grup: first\n", "grup: first", "grup: Extra inputs are not"),
    ("part", "group: first", "group: frist", "group: frist", "no group named 'frist' (did you mean 'first'?)"),
    ("part", "points: each", "points: 0.5", "points: 0.5", "points: Input should be a valid string"),
    ("part", "points: each", 'points: "0.55"', '"0.55"', "no multiple of 0.1"),
    ("part", "id: noisy-share", "id: steady-share", "x", "there is already a question 'steady-share'"),
    ("part", "toy_share(steady[part]) >= 0.5", "toy_shar(steady[part]) >= 0.5", "toy_shar(", "no measure named 'toy_shar'"),
    ("part", "toy_share(steady[part]) >= 0.5", "toy_share(stedy[part]) >= 0.5", "stedy[", "or parameter named 'stedy'"),
    ("part", "toy_share(steady[part]) >= 0.5", "steady.part > 1", "steady.part", "a dot is not allowed"),
    ("part", "toy_share(steady[part]) >= 0.5", "toy_share(steady[part]) / 2 > toy_rank(steady[part])", "/ 2", "say `floor:`"),
    ("part", "toy_share(steady[part]) >= 0.5", "1 > 2", "1 > 2", "no artefact is in it"),
    ("part", "each: part\n", "each: parts\n", "each: parts", "no parameter named 'parts'"),
    ("part", 'id: "{part}"', 'id: "same"', 'id: "same"', "there is already a candidate 'same'"),
    ("part", 'id: "{part}"', 'id: "{prt}"', 'id: "{prt}"', "no parameter named 'prt' (did you mean 'part'?)"),
    ("part", 'text: {en: "Part {part}"}', 'text: {en: "Part {part.x}"}', "{part.x}", "a brace of no placeholder"),
    ("part", 'text: {en: "Part {part}"}', 'text: {zh-TW: "Part"}', "zh-TW", "the text is in zh-TW; the course is in en"),
    ("part", "true: [1, 3]", "true: [0, 3]", "true: [0, 3]", "at least one option shown is true"),
    ("part", "options: 4", "options: 9", "candidates:", "5 candidates, and 9 are to be shown"),
    ("part", "steady: {kind: toy", "steady: {kind: tyo", "tyo", "no kind of artefact named 'tyo' (did you mean 'toy'?)"),
    ("part", "jitter: 0.02", "jiter: 0.02", "jiter", "jiter: Extra inputs are not permitted"),
    ("part", "jitter: 0.02", "of: [noisy]", "of: [noisy]", "'noisy' is made from itself"),
    ("part", "jitter: 0.02", "model: cnn", "model: cnn", "no model named 'cnn'"),
    ("part", "jitter: 0.02", "images: ['7']", "images:", "no image named '7'"),
    ("part", "  part: [a", "  steady: [a", "steady: [a", "there is already something named 'steady'"),
    ("part", "    let: {part: a}", "    let: {image: '3'}", "let:", "no image named '3'"),
    ("part", "  steady: {kind", "  steady: {kind: toy, levels: {}}\n  steady: {kind", "x", "found duplicate key \"steady\""),
    ("part", "candidates:\n      - id", "candidates:\n     - {]\n      - id", "{]", "expected"),
    ("course", 'total: "1"', 'total: "10"', "points:", "the 2 questions come to 1 points, not to 10"),
    ("course", ', total: "1"', "", "points:", "say `total:`"),
    ("course", "[part.yaml]", "[part.yaml, prat.yaml]", "parts:", "no file"),
    ("course", "[part.yaml]", "[../part.yaml]", "parts:", "is no file beside course.yaml"),
    ("course", "languages: [en]", "languages: [en, fr]", "assignment:", "the course is in en, fr"),
    ("course", "parts:", "empty_selection: true\nparts:", "empty_selection", "Extra inputs"),
    ("course", "parts:", "images: nowhere\nparts:", "images:", "no folder of images"),
    ("course", "parts:", "images: {a: observation:77}\nparts:", "images:", "there are observation:0 to observation:9"),
]  # fmt: skip


@pytest.mark.parametrize(("where", "old", "new", "at", "said"), WRONG, ids=[f"{w[0]}-{w[4][:24]}" for w in WRONG])
def test_every_error_has_its_file_and_line(tmp_path: Path, where: str, old: str, new: str, at: str, said: str) -> None:
    texts = {"course": COURSE, "part": PART}
    assert old in texts[where]
    texts[where] = texts[where].replace(old, new, 1)
    found = problems(tmp_path, **texts)
    told = [one for one in found if said in one]
    assert told, found
    if at != "x":
        near = line(texts[where], at)
        assert told[0].startswith(f"{where}.yaml:{near}:"), (told[0], near)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    part = PART.replace("group: first", "group: frist").replace("toy_share(noisy[n])", "toy_shar(noisy[n])")
    found = problems(tmp_path, part=part)
    assert [one.partition(":")[0] for one in found] == ["part.yaml", "part.yaml"]
    assert "frist" in found[0]
    assert "toy_shar" in found[1]


def test_what_uses_a_wrong_artefact_is_no_problem_of_its_own(tmp_path: Path) -> None:
    assert problems(tmp_path, part=PART.replace("jitter: 0.02", "jiter: 0.02")) == [
        "part.yaml:4: artefacts.noisy.jiter: Extra inputs are not permitted"
    ]


@pytest.mark.parametrize(
    "text", ["[1, 2]", "just text", "", "a: !!python/object/apply:os.system [true]", "a: &a [*a]", "\x00", "a: b: c"]
)
def test_what_is_no_source_is_an_error(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, part=text)[0].startswith("part.yaml")


def test_anchors_cannot_make_a_source_endless(tmp_path: Path) -> None:
    bomb = "a: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"b{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))
    assert "more than 50000 values" in problems(tmp_path, part=bomb)[0]


def test_an_edit_keeps_comments_and_order() -> None:
    text = "# first\nmodels:   # of the course\n  cnn: imagenet  # shipped\nimages: observation\n"
    assert edited(text, {("models", "cnn"): "food11", ("images",): "photos", ("masks",): "m.json"}) == (
        "# first\nmodels:   # of the course\n  cnn: food11    # shipped\nimages: photos\nmasks: m.json\n"
    )


def test_placeholders_look_names_up_and_nothing_else() -> None:
    values = {"x": 0.12345, "s": "t"}
    assert fill("{x:.2f} {s} {{x}} {x:.1%}", values) == "0.12 t {x} 12.3%"
    assert fill("{value:.2f} {s} {{", values, later=("value",)) == "{value:.2f} t {{"
    for hostile in ("{x.__class__}", "{x[0]}", "{}", "{0}", "{x!r}", "{x:>99999999}", "{x"):
        with pytest.raises(BindingError, match="a brace of no placeholder"):
            fill(hostile, values)
    with pytest.raises(BindingError, match="no parameter named 'y'"):
        fill("{y}", values)
    with pytest.raises(BindingError, match="cannot be written so"):
        fill("{s:.2f}", values)


def test_a_link_keeps_the_braces_of_its_options() -> None:
    assert filled_link('image={x}&method=lime:{"a":{"b":1}}', {"x": 3}) == 'image=3&method=lime:{"a":{"b":1}}'
    with pytest.raises(BindingError, match="no parameter named 'y'"):
        filled_link("image={y}", {"x": 3})


def test_points_are_integer_tenths() -> None:
    assert [tenths(text) for text in ("0.3", "0.4", "10", "1.0")] == [3, 4, 100, 10]
    assert [in_points(count) for count in (3, 10, 100, 105)] == ["0.3", "1", "10", "10.5"]
    for wrong in ("0.35", "-1", "0", "NaN", "Infinity", "x", "1e9", ""):
        with pytest.raises(ValueError, match=r"no (multiple|decimal)"):
            tenths(wrong)


def test_hidden_files_and_folders_are_none_of_a_courses_pictures(tmp_path: Path) -> None:
    (tmp_path / "photos" / "c.png").mkdir(parents=True)
    for name in ("b.png", "a.JPG", "._a.JPG", "notes.txt"):
        (tmp_path / "photos" / name).touch()
    assert images_of("photos", tmp_path) == {"0": str(tmp_path / "photos" / "a.JPG"), "1": str(tmp_path / "photos" / "b.png")}
