"""What a batch is asked: equal questions have equal keys, and a wrong question is said to be one before any work is done."""

import pytest

from pellucid.batch.networks import networks
from pellucid.batch.plan import Settings, alike, grouped, read_requests
from pellucid.batch.plan import requested as asked_of
from pellucid.request import Request


def requested(sources, network, **asked) -> list[Request]:
    named = list(sources) if isinstance(sources, list) else [sources]
    return asked_of(named, networks(named, network, None), **asked)


def test_every_picture_is_asked_about_by_every_method(pictures, network):
    found = requested(pictures, network, methods=["saliency", "random"], limit=3)
    assert [(r.source, r.method) for r in found] == [
        ((str(pictures / f"{n}.png"),), method) for n in range(3) for method in ("saliency", "random")
    ]
    assert len({r.key for r in found}) == 6


def test_a_default_that_is_spelled_out_asks_the_same(pictures, network):
    plain = requested(pictures, network, methods="lime")
    spelled = requested(
        pictures, network, methods="lime", options={"lime": {"samples": plain[0].options["samples"], "seed": 0}}
    )
    assert [r.key for r in plain] == [r.key for r in spelled]
    assert plain[0].seed == 0
    assert "seed" not in plain[0].options


def test_options_of_the_shell_are_read_as_what_they_are(pictures, network):
    (one,) = requested(pictures, network, methods="lime", options={"lime": {"samples": "50", "seed": "3"}}, limit=1)
    assert (one.options["samples"], one.seed) == (50, 3)


def test_a_preset_and_a_lifted_bound_are_in_the_request(pictures, network):
    (course,) = requested(pictures, network, methods="lime", preset="course", limit=1)
    (plain,) = requested(pictures, network, methods="lime", limit=1)
    (lifted,) = requested(pictures, network, methods="lime", tolerance=0.1, limit=1)
    assert course.options != plain.options
    assert int(lifted.options["samples"]) > int(plain.options["samples"])


def test_classes_are_kept_as_numbers(pictures, network):
    (one,) = requested(pictures, network, methods="saliency", target="dog", against="emu", limit=1)
    assert (one.target, one.against) == ((1,), 2)


@pytest.mark.parametrize(
    ("asked", "kind", "said"),
    [
        ({"methods": ["salience"]}, KeyError, "did you mean 'saliency'"),
        ({"methods": []}, ValueError, "no method is asked; known: "),
        ({"methods": ["lime"], "options": {"saliency": {}}}, ValueError, "not among the methods that are asked: lime"),
        ({"methods": ["lime"], "options": {"lime": {"sample": 3}}}, TypeError, "no option named 'sample'"),
        ({"methods": ["lime"], "options": {"lime": {"samples": "many"}}}, ValueError, "samples='many'"),
        ({"methods": ["lime"], "target": "cow"}, KeyError, "no class named 'cow'"),
        ({"methods": ["lime"], "target": "cat", "against": 0}, ValueError, "target and against are both 'cat'"),
        ({"methods": ["lime"], "preset": "cours"}, KeyError, "did you mean 'course'"),
    ],
)
def test_a_wrong_question_is_refused_before_any_picture_is_read(tmp_path, network, asked, kind, said):
    with pytest.raises(kind, match=said):
        requested(tmp_path / "nowhere.png", network, **asked)


def test_no_source_is_said(network):
    with pytest.raises(ValueError, match="there are no sources"):
        requested([], network, methods=["lime"])


def test_requests_come_back_from_a_file(pictures, network, tmp_path):
    asked = requested(pictures, network, methods=["lime", "saliency"], target="dog")
    file = tmp_path / "asked.jsonl"
    file.write_text("\n\n".join(r.model_dump_json() for r in asked))
    assert requested(read_requests(file), network) == asked


def test_a_request_by_hand_may_leave_out_what_it_does_not_mean(pictures, network, tmp_path):
    file = tmp_path / "asked.jsonl"
    file.write_text('{"model": "line", "source": ["a.png"], "method": "lime", "options": {"samples": 20}}')
    (one,) = requested(read_requests(file), network)
    assert one.options["samples"] == 20
    assert one.options.keys() == requested(pictures, network, methods="lime")[0].options.keys()
    assert one.seed == 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 2 is no request"),
        ('{"model": "line", "source": ["a.png"]}', "line 2 is no request: method: Field required"),
        ('{"model": "line", "source": ["a.png"], "method": "lime", "sources": []}', "line 2 is no request: sources: Extra"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, said):
    file = tmp_path / "asked.jsonl"
    file.write_text('{"model": "line", "source": ["a.png"], "method": "random"}\n' + line)
    with pytest.raises(ValueError, match=said):
        read_requests(file)


@pytest.mark.parametrize(
    ("changed", "kind", "said"),
    [
        ({"source": ("a.png", "b.png")}, ValueError, "request 2 is about 2 pictures; of a batch, each is about one"),
        ({"method": "lame"}, KeyError, "request 2: no method named 'lame'"),
        ({"method": "lime", "options": {"samples": 0}}, ValueError, "request 2: lime: samples=0"),
        ({"target": (7,)}, IndexError, "no class 7"),
        ({"target": (1,), "against": 1}, ValueError, "target and against are both 1"),
    ],
)
def test_a_request_that_cannot_be_answered_is_named(network, changed, kind, said):
    with pytest.raises(kind, match=said):
        requested([asked("a.png"), asked("a.png").model_copy(update=changed)], network)


def test_an_empty_file_of_requests_is_said(tmp_path):
    (tmp_path / "none.jsonl").write_text("\n")
    with pytest.raises(ValueError, match="holds no request"):
        read_requests(tmp_path / "none.jsonl")


def test_requests_and_pictures_do_not_mix(pictures, network):
    asked = requested(pictures, network, methods="saliency")
    with pytest.raises(TypeError, match="some sources are requests and some are not"):
        requested([asked[0], pictures], network)
    with pytest.raises(ValueError, match="a request says itself"):
        requested(asked, network, methods="lime")


@pytest.mark.usefixtures("unchecked")
def test_a_picture_in_memory_is_no_source(network):
    with pytest.raises(TypeError, match="a picture of a batch is a path, not a int"):
        requested([3], network, methods=["lime"])


def asked(source: str, method: str = "saliency") -> Request:
    return Request(model="line", source=(source,), method=method)


def test_requests_are_grouped_by_picture():
    requests = [asked("a"), asked("b"), asked("a", "lime"), asked("c")]
    groups = list(grouped(requests, 2))
    assert groups == [[requests[0], requests[2], requests[1]], [requests[3]]]
    assert alike(groups[0]) == [[requests[0], requests[1]], [requests[2]]]


def test_a_limit_counts_for_a_picture_alone():
    assert Settings(deadline=1.0).alone
    assert Settings(tolerance=0.1).alone
    assert not Settings().alone
    with pytest.raises(ValueError, match="deadline is a number of seconds above 0"):
        Settings(deadline=0.0)
