"""The ten questions on BERT: whole, in both languages, with links that the lab can follow, and computed as shipped."""

import re
import shutil
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

import pellucid as pl
from pellucid.analysis.passages import example
from pellucid.analysis.word import find
from pellucid.course.artefacts.text import GuessEntry, LayersEntry, TextEntry, WordEntry
from pellucid.course.evidence import measured
from pellucid.course.expression import names
from pellucid.course.folder import CourseFolder
from pellucid.course.reading import read_spec
from pellucid.course.sampling import sample
from pellucid.course.spec import QuestionSpec, Spec, tenths
from pellucid.course.verdicts import judge
from pellucid.course.workshop import Workshop

GROUPS = {"attention": 4, "embedding_maps": 3, "embedding_analysis": 3}
CHINESE = re.compile(r"[\u4e00-\u9fff]")
STATES = Path(__file__).parents[2] / "frontend" / "src" / "lib" / "states"


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Spec:
    """The course with this part alone."""
    shipped, folder = Path(str(files("pellucid.course") / "data")), tmp_path_factory.mktemp("bert")
    course = (shipped / "course.yaml").read_text(encoding="utf-8")
    course = course.replace("parts: [cnn.yaml, bert.yaml]", "parts: [bert.yaml]").replace('total: "10"', 'total: "4"')
    (folder / "course.yaml").write_text(course, encoding="utf-8")
    shutil.copy(shipped / "bert.yaml", folder)
    return read_spec(folder)


@pytest.fixture(scope="module")
def questions(spec: Spec) -> dict[str, QuestionSpec]:
    return {question.id: question for question in spec.questions if question.group in GROUPS}


def link(question: QuestionSpec) -> dict[str, list[str]]:
    """The link's values by their key."""
    found: dict[str, list[str]] = {}
    for key, value in parse_qsl(question.lab, keep_blank_values=True, strict_parsing=True):
        found.setdefault(key, []).append(value)
    return found


# ------------------------------------------------------------------------------------------------ what is asked


def test_there_are_ten_in_their_groups_worth_four_points(questions: Mapping[str, QuestionSpec]) -> None:
    assert [q.group for q in questions.values()] == [group for group, count in GROUPS.items() for _ in range(count)]
    assert {q.tenths for q in questions.values()} == {tenths("0.4")}


def test_every_pool_is_about_twice_what_is_shown(questions: Mapping[str, QuestionSpec]) -> None:
    assert {q.options for q in questions.values()} == {5}
    assert {id: len(q.candidates) for id, q in questions.items() if len(q.candidates) < 10} == {}


def test_every_text_is_there_in_both_languages(questions: Mapping[str, QuestionSpec]) -> None:
    for question in questions.values():
        whys = [candidate.why for candidate in question.candidates]
        for text in [question.prompt, question.hint, *whys]:
            assert set(text) == {"en", "zh-TW"}, (question.id, text)
            assert CHINESE.search(text["zh-TW"]), (question.id, text)
            assert not CHINESE.search(text["en"]), (question.id, text)
        assert all("{value" in why["en"] and "{value" in why["zh-TW"] for why in whys), question.id
        for language in ("en", "zh-TW"):
            said = [candidate.text[language] for candidate in question.candidates]
            assert all(said), question.id
            assert len(set(said)) == len(said), (question.id, language)


def test_no_key_depends_on_the_sign_of_an_axis(questions: Mapping[str, QuestionSpec]) -> None:
    for question in questions.values():
        assert not [c.id for c in question.candidates if re.search(r"\['picture'\]|\['vectors'\]", str(c.when))], question.id


# ------------------------------------------------------------------------------------------------ links into the lab


def codecs(room: str) -> dict[str, str]:
    """The keys that a room's link may have, and how each is written, as the page declares it."""
    source = (STATES / f"{room}.ts").read_text(encoding="utf-8")
    table = source.partition("CODECS: Codecs<")[2].partition("= {")[2].partition("\n};")[0]
    return dict(re.findall(r"^  (\w+): (.+),$", table, re.MULTILINE))


def can_be_read(codec: str, values: list[str]) -> bool:
    """Whether the page's codec would read it; of `list` every value, of the others the only one."""
    if codec.startswith("list("):
        return all(can_be_read(codec[5:-1], [value]) for value in values)
    (value,) = values
    if codec.startswith("maybe("):
        return value == "none" or can_be_read(codec[6:-1], values)
    if codec == "real":
        return re.fullmatch(r"-?\d+(\.\d+)?", value) is not None
    if codec == "truth":
        return value in ("yes", "no")
    known = {"choice(...TOOLS)": ("glance", "statistics", "effect"),
             "choice(...STATISTICS)": ("entropy", "distance", "next", "previous", "same", "special")}  # fmt: skip
    if codec.startswith("choice("):
        return value in known.get(codec, re.findall(r'"([^"]+)"', codec))
    return codec == "text"


def test_the_lab_can_follow_every_link(questions: Mapping[str, QuestionSpec]) -> None:
    rooms = {"attention": "attention", "embedding_maps": "layers", "embedding_analysis": "words"}
    for question in questions.values():
        given = link(question)
        assert given.pop("view") == [rooms[question.group]], question.id
        known = codecs(rooms[question.group])
        assert set(given) <= set(known), (question.id, set(given) - set(known))
        for key, values in given.items():
            assert can_be_read(known[key], values), (question.id, key, values)


def test_a_link_shows_what_is_measured(spec: Spec, questions: Mapping[str, QuestionSpec]) -> None:
    for question in questions.values():
        given = link(question)
        for name in {name for candidate in question.candidates for name in names(candidate.when)}:
            entry = spec.entries[name]
            model = spec.models[entry.model]
            match entry:
                case TextEntry():
                    assert given["attentionText"] == [entry.text], name
                    assert given.get("attentionPair", [""]) == [entry.context], name
                    assert given.get("attentionEncoder", ["minilm-mlm"]) == [model], name
                case GuessEntry():
                    start, end = find(entry.text, entry.hidden)
                    assert (given["attentionText"], given["attentionMasked"]) == ([entry.text], [f"0:{start}-{end}"]), name
                    assert given.get("attentionEncoder", ["minilm-mlm"]) == [model], name
                case LayersEntry():
                    assert given.get("layersExample", ["lighthouse"]) == [entry.example], name
                    assert given.get("layersQuestion", [""]) == [entry.question], name
                    assert given.get("layersPassage", [""]) == [entry.passage], name
                    assert model in given["layersModels"], name
                case WordEntry():
                    assert given["wordsWord"] == [entry.word], name
                    assert tuple(given["wordsSentence"]) == entry.sentences, name
                    assert tuple(given["wordsSense"]) == entry.senses, name
                case _:
                    pytest.fail(f"{question.id}: {name} is a {type(entry).__name__}")


def test_the_answers_are_those_that_the_lab_marks(spec: Spec) -> None:
    qa = pl.load("minilm-qa")
    for name, entry in spec.entries.items():
        if isinstance(entry, LayersEntry) and entry.model == "bert":
            shown = example(entry.example) if entry.example else None
            question, passage = (shown.question, shown.context) if shown else (entry.question, entry.passage)
            assert pl.answer(qa, question, passage)[0].text == entry.answer, name


# ------------------------------------------------------------------------------------------------ the key

TRUE = {
    "separators-as-sinks": "head-2-10 head-3-7 head-4-3 head-4-5 head-5-2 head-5-5 layer-5",
    "habits-of-heads": "previous-1-2 previous-2-9 next-2-8 spread-1-0 spread-1-3",
    "what-a-guess-leans-on": "king the-2",
    "the-answer-stands-out": "qa-5 qa-6 qa-4",
}
"""All true candidates of the questions that are computed here; the others' take longer."""


@pytest.mark.parametrize("id", TRUE)
def test_the_key_is_what_the_models_do(spec: Spec, questions: Mapping[str, QuestionSpec], id: str, tmp_path: Path) -> None:
    question = questions[id]
    found = measured(question, Workshop(spec, tmp_path), {})
    judged = {candidate.id: judge(found[candidate.id].runs, candidate.floor) for candidate in question.candidates}
    unsure = [one for one, judgement in judged.items() if judgement.verdict != "SAFE"]
    assert unsure == (["head-6-9"] if id == "separators-as-sinks" else [])
    assert {one for one, judgement in judged.items() if judgement.correct} == set(TRUE[id].split())
    drawn = sample(id, judged, options=question.options, true=question.true, draw=question.draw)
    assert not drawn.problems
    assert len(drawn.options) == 5
    assert 0 < sum(judged[one].correct for one in drawn.options) < 5
    shipped = CourseFolder().key()
    for asked in shipped["evidence"]["questions"] if shipped else ():
        if asked["id"] == id:
            assert [o["id"] for o in asked["options"] if o["shown"]] == list(drawn.options)
            assert {o["id"]: o["correct"] for o in asked["options"]} == {one: j.correct for one, j in judged.items()}
