"""Jobs over HTTP: streams, resuming, sharing, cancelling, limits, and what is left behind."""

import base64
import gc
import json
import os
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest
import torch

import pellucid as pl
from pellucid.server import make_app, sources
from pellucid.server.jobs import Run
from pellucid.server.results import Results
from pellucid.server.sources import observations
from pellucid.store import Record
from tests.conftest import MEAN, STD
from tests.server.conftest import ENDLESS, events, finished, jpeg, opened, parsed, question, small


def start(client, body, status=201):
    answer = client.post("/api/jobs", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()["id"]


def running(client, id):
    while client.get(f"/api/jobs/{id}").json()["result"] is None:
        time.sleep(0.01)


def values(one):
    return np.frombuffer(base64.b64decode(one["data"]), "<f4").reshape(one["height"], one["width"])


def test_the_numbers_are_those_of_the_library(client):
    id = start(client, question("integrated_gradients", ("observation:0", "observation:3"), target=[2, 1], against=4))
    said = finished(client, id)
    assert said["state"] == "done", said
    a = pl.explain(
        small(), ["observation:0", "observation:3"], method="integrated_gradients", target=[2, 1], against=4
    )  # fmt: skip
    result = said["result"]
    for one, expected in zip(result["maps"], a.map().numpy(), strict=True):
        np.testing.assert_array_equal(values(one), expected)
        assert (one["low"], one["high"]) == (float(expected.min()), float(expected.max()))
    assert result["target"] == [2, 1]
    assert result["labels"] == ["c", "b"]
    assert (result["unit"], result["against"], result["fraction"]) == (a.unit, 4, 1.0)
    assert result["error"] == a.error.tolist()
    assert [m["source"] for m in result["maps"]] == ["observation:0", "observation:3"]
    assert result["extras"]["completeness_gap"] == a.extras["completeness_gap"].tolist()
    assert len(result["extras"]["baselines"]) == 2


def test_lime_tells_its_superpixels(client):
    said = finished(client, start(client, question("lime", options={"samples": 64, "segments": 8}, seed=3)))
    assert said["state"] == "done", said
    extras, a = said["result"]["extras"], pl.explain(small(), "observation:0", method="lime", samples=64, segments=8, seed=3)
    found = np.frombuffer(base64.b64decode(extras["segments"][0]), "<i4").reshape(16, 16)
    np.testing.assert_array_equal(found, a.segments[0].numpy())
    assert extras["segment_weights"] == a.segment_weights.tolist()
    assert extras["fit"] == a.fit.tolist()
    assert said["result"]["options"]["seed"] == 3


def test_events_come_in_order_and_the_last_step_is_the_answer(client):
    id = start(client, question("smoothgrad", options={"samples": 200}))
    told = events(client, id)
    kinds = [kind for _, kind, _ in told]
    assert kinds[-2:] == ["step", "done"]
    assert [n for n, _, _ in told] == sorted({n for n, _, _ in told})
    assert told[-2][2] == client.get(f"/api/jobs/{id}").json()["result"]
    assert told[-1][2] == {"record": f"/api/jobs/{id}/record"}


def test_events_are_as_the_interface_describes_them(client):
    from pellucid.server import bodies as b

    described = {
        "queued": b.QueuedEvent, "started": b.StartedEvent, "step": b.ExplainStep, "trust": b.TrustEvent, "done": b.DoneEvent,
        "note": b.NoteEvent,
    }  # fmt: skip
    for body in (question("lime", options={"samples": 20}), question("grad_cam"), question("integrated_gradients")):
        for _, kind, data in events(client, start(client, {**body, "trust": True})):
            assert described[kind].model_validate(data).model_dump(mode="json", exclude_unset=True) == data


def test_a_stream_goes_on_where_it_broke_off(client):
    id = start(client, question("smoothgrad", options={"samples": 200}))
    finished(client, id)
    told = events(client, id)
    number = told[0][0]
    assert events(client, id, **{"last-event-id": str(number)}) == told[1:]
    assert events(client, id, **{"last-event-id": str(told[-1][0])}) == []
    assert parsed(client.get(f"/api/jobs/{id}/events?after={told[-2][0]}").text) == told[-1:]
    assert events(client, id, **{"last-event-id": "nonsense"}) == told


def test_evidence_comes_after_the_last_step_and_is_the_librarys(client):
    id = start(client, {**question("smoothgrad", options={"samples": 20}), "trust": True})
    told = events(client, id)
    assert [kind for _, kind, _ in told][-3:] == ["step", "trust", "done"]
    model = small()
    a = pl.explain(model, "observation:0", method="smoothgrad", samples=20)
    expected = pl.trust(model, model.read("observation:0"), a)
    evidence = told[-2][2]["evidence"][0]
    assert evidence["verdict"] == expected.verdict
    assert evidence["sentence"] == expected.sentence
    assert evidence["randomised"] == pytest.approx(expected[0].randomised)
    assert client.get(f"/api/jobs/{id}").json()["trust"] == [evidence]
    kept = Record.from_bytes(client.get(f"/api/jobs/{id}/record").content)
    assert kept.evidence[0]["verdict"] == expected.verdict


def test_the_record_replays(client):
    id = start(client, question("smoothgrad", options={"samples": 20}, seed=5))
    finished(client, id)
    answer = client.get(f"/api/jobs/{id}/record")
    assert 'filename="' in answer.headers["content-disposition"]
    kept = Record.from_bytes(answer.content)
    assert pl.replay(kept, small()).identical
    assert kept.request.seed == 5
    assert kept.request.source == ("observation:0",)


def test_the_lab_runs_on_another_engine_and_keeps_its_results_apart(tmp_path):
    asked = question("occlusion")
    kept = {}
    for engine in ("torch", "openvino"):
        with opened(tmp_path, engine=engine) as client:
            kept[engine] = finished(client, start(client, asked))
            record = client.get(f"/api/jobs/{kept[engine]['id']}/record").content
        expected = pl.explain(small().on(engine), "observation:0", method="occlusion")
        assert kept[engine]["result"]["notes"] == expected.notes
        assert torch.equal(Record.from_bytes(record).attribution.scores, expected.scores)
    assert kept["torch"]["id"] != kept["openvino"]["id"]
    assert "engine" in kept["openvino"]["result"]["notes"]
    with opened(tmp_path) as client:  # a network that was handed in on an engine of its own stays on it
        assert start(client, asked, 200) == kept["torch"]["id"]
    with opened(tmp_path, models=[small().on("openvino")]) as client:
        assert start(client, asked, 200) == kept["openvino"]["id"]
    with pytest.raises(ValueError, match="no engine named 'tensorrt'; known: torch, openvino"):
        make_app(store=tmp_path, engine="tensorrt")


def test_the_same_question_is_one_job(client):
    body = question("smoothgrad", options={"samples": 64, "noise": 0.15})
    id = start(client, body)
    assert start(client, body, 200) == id
    other = question("smoothgrad", options={"noise": 0.15, "samples": 64}, seed=0)  # another order, and a default spelled out
    assert start(client, other, 200) == id
    finished(client, id)
    assert start(client, body, 200) == id
    assert start(client, question("smoothgrad", options={"samples": 65})) != id
    assert start(client, question("smoothgrad", options={"samples": 64}, seed=1)) != id
    assert start(client, {**body, "trust": True}) != id


def test_a_preset_brings_its_options_and_how_it_is_drawn(client):
    said = finished(client, start(client, question("lime", options={"samples": 32}, preset="course")))
    assert said["result"]["view"] == dict(pl.methods["lime"].presets["course"].view)
    assert said["result"]["options"]["samples"] == 32


def test_a_tolerance_lifts_the_bound_only_where_it_was_not_given(client):
    given = finished(client, start(client, question("smoothgrad", options={"samples": 10}, tolerance=1e-9)))
    assert given["result"]["work"]["backwards"] == 10
    id = start(client, question("smoothgrad", tolerance=1e-9))
    running(client, id)
    assert client.get(f"/api/jobs/{id}").json()["result"]["options"]["samples"] > 1000
    client.delete(f"/api/jobs/{id}")


def test_cancelling_in_mid_stream_ends_it_at_the_next_batch(client):
    id = start(client, ENDLESS)
    running(client, id)
    steps = client.get(f"/api/jobs/{id}").json()["steps"]
    assert client.delete(f"/api/jobs/{id}").status_code == 202
    said = finished(client, id)
    assert said["state"] == "cancelled"
    assert [kind for _, kind, _ in events(client, id)] == ["cancelled"]
    assert said["steps"] - steps < 50  # of ten thousand
    assert said["result"] is None
    assert client.get(f"/api/jobs/{id}/record").status_code == 409
    assert start(client, ENDLESS) == id  # it may be asked again
    client.delete(f"/api/jobs/{id}")


def test_evidence_can_be_cancelled_too(client, monkeypatch):
    from pellucid.server import work

    begun = threading.Event()

    def slow(model, images, a, progress):
        begun.set()
        for _ in range(6000):
            time.sleep(0.01)
            progress(0.5)

    monkeypatch.setattr(work, "trust", slow)
    id = start(client, {**question(), "trust": True})
    assert begun.wait(30)
    client.delete(f"/api/jobs/{id}")
    assert finished(client, id)["state"] == "cancelled"


class Clock:
    """A clock that is set by hand."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_what_a_page_asked_for_is_let_go_a_minute_after_the_page_is_gone(client):
    jobs = client.app.state.lab.jobs
    jobs.clock = clock = Clock()
    here, gone = {"X-Page": "here"}, {"X-Page": "gone"}

    def asked(samples, headers=None):
        body = question("smoothgrad", options={"samples": samples})
        return client.post("/api/jobs", json=body, headers=headers).json()["id"]

    first = asked(100_000, gone)
    running(client, first)
    waiting, shared, scripts, listened, heard = asked(3, gone), asked(4, gone), asked(5), asked(6, here), asked(7, here)
    assert asked(4, here) == shared
    for clock.now in (30.0, 60.0, 90.0, 120.0):  # one job of a page is looked at, and all of its jobs are kept
        client.get(f"/api/jobs/{first}")
        client.get(f"/api/jobs/{heard}")
    assert client.get("/api/jobs").json()["jobs"][-1]["state"] == "running"
    clock.now = 170.0
    client.get(f"/api/jobs/{heard}")
    clock.now = 181.0
    assert [finished(client, id)["state"] for id in (scripts, shared, listened, heard)] == ["done"] * 4
    for id in (first, waiting):
        assert finished(client, id)["state"] == "cancelled"
        assert finished(client, id)["error"] == "the page that asked for it was gone for 60 s; ask again"
        assert events(client, id)[-1][1:] == ("cancelled", {"detail": finished(client, id)["error"]})
    assert asked(3) == waiting  # the page is no part of the question
    assert finished(client, waiting)["state"] == "done"


def test_a_page_that_listens_is_there(client):
    jobs = client.app.state.lab.jobs
    jobs.clock = clock = Clock()
    id = client.post("/api/jobs", json=ENDLESS, headers={"X-Page": "a"}).json()["id"]
    running(client, id)
    with ThreadPoolExecutor(1) as thread:
        told = thread.submit(events, client, id)
        while not jobs.get(id).listeners:
            time.sleep(0.01)
        for clock.now in range(50, 600, 50):
            while jobs._seen.get("a") != clock.now and not told.done():  # until the stream has looked for what is new
                time.sleep(0.01)
        assert client.delete(f"/api/jobs/{id}").status_code == 202
        assert told.result()[-1][1:] == ("cancelled", {})


def test_a_queued_job_is_cancelled_at_once_and_the_others_move_up(client):
    first = start(client, ENDLESS)
    running(client, first)
    waiting = [start(client, question("smoothgrad", options={"samples": n})) for n in (3, 4, 5)]
    assert [client.get(f"/api/jobs/{id}").json()["position"] for id in waiting] == [1, 2, 3]
    assert client.delete(f"/api/jobs/{waiting[0]}").json()["state"] == "cancelled"
    assert [client.get(f"/api/jobs/{id}").json()["position"] for id in waiting[1:]] == [1, 2]
    assert [one["id"] for one in client.get("/api/jobs").json()["jobs"]] == [*reversed(waiting), first]
    client.delete(f"/api/jobs/{first}")
    assert all(finished(client, id)["state"] == "done" for id in waiting[1:])


def test_questions_are_answered_while_a_job_runs(client):
    id = start(client, ENDLESS)
    running(client, id)
    said = client.post("/api/predict", json={"model": "small", "source": "observation:0"}).json()
    best = small().predict(small().read("observation:0"))[0]
    assert [(p["index"], p["probability"]) for p in said["predictions"]] == [(b.index, b.probability) for b in best]
    assert client.get(f"/api/jobs/{id}").json()["state"] == "running"
    client.delete(f"/api/jobs/{id}")


def test_a_full_queue_says_when_to_come_again(tmp_path):
    with opened(tmp_path, queue=2) as client:
        first = start(client, ENDLESS)
        running(client, first)
        for n in (3, 4):
            start(client, question("smoothgrad", options={"samples": n}))
        answer = client.post("/api/jobs", json=question("smoothgrad", options={"samples": 9}))
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert "2 jobs are waiting" in answer.json()["detail"]
        assert start(client, ENDLESS, 200) == first  # what is there already needs no place


def test_a_job_ends_at_its_limit_with_the_best_so_far(tmp_path):
    with opened(tmp_path, seconds=0.5) as client:
        id = start(client, {**ENDLESS, "trust": True})
        said = finished(client, id)
        assert said["state"] == "done"
        assert 0 < said["result"]["fraction"] < 1
        assert said["seconds"] < 5
        assert said["trust"] is None
        assert "no evidence was gathered" in said["notes"][-1]


def test_a_deadline_counts_from_the_reading_of_the_pictures_on(client, monkeypatch):
    from pellucid.server import work

    read, stream, given = sources.Sources.read, work.explain_stream, []

    def slowly(*asked):
        time.sleep(0.2)
        return read(*asked)

    def noted(*asked, deadline, **options):
        given.append(deadline)
        return stream(*asked, deadline=deadline, **options)

    monkeypatch.setattr(sources.Sources, "read", slowly)
    monkeypatch.setattr(work, "explain_stream", noted)
    for deadline in (50.0, 0.1):
        said = finished(client, start(client, question("smoothgrad", options={"samples": 2}, deadline=deadline)))
        assert said["state"] == "done", said
    assert 0 < given[0] <= 49.8
    assert 0 < given[1] < 0.01  # the first answer is waited for


@pytest.mark.parametrize("kind", [ValueError, RuntimeError])
def test_a_map_without_evidence_is_kept_and_it_is_said_why(tmp_path, monkeypatch: pytest.MonkeyPatch, kind):
    def fails(*_args: object, **_options: object) -> None:
        raise kind("the logits are NaN")

    monkeypatch.setattr("pellucid.server.work.trust", fails)
    with opened(tmp_path) as client:
        said = finished(client, start(client, {**question("saliency"), "trust": True}))
    assert (said["state"], said["trust"]) == ("done", None)
    assert said["notes"][-1] == "no evidence was gathered: the logits are NaN"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"method": "ig"}, "no method named 'ig'"),
        ({"method": "smoothgrad", "options": {"sample": 3}}, "no option named 'sample' (did you mean 'samples'?)"),
        ({"method": "smoothgrad", "options": {"samples": 1}}, "samples=1"),
        ({"model": "/etc/passwd"}, "no model named '/etc/passwd'"),
        ({"model": "food11-cnn:/tmp/x.pth"}, "no model named"),
        ({"model": "tiny bert"}, "reads text; here one of these is wanted"),
        ({"source": ["/etc/passwd"]}, "no picture '/etc/passwd'"),
        ({"source": ["observation:77"]}, "observation:0 to observation:9"),
        ({"source": ["sha256:" + "0" * 64]}, "upload the picture again"),
        ({"source": []}, "0 pictures"),
        ({"source": ["observation:0"] * 17}, "17 pictures"),
        ({"method": "saliency", "seed": 3}, "saliency has no seed"),
        ({"seed": 2**63, "method": "smoothgrad"}, "too large"),
        ({"method": "integrated_gradients", "options": {"baseline": "image", "baseline_image": "/etc/passwd"}}, "no picture"),
        ({"method": "lime", "options": {"segmentation": "labels", "label_map": "/etc/passwd"}}, "label map"),
        ({"against": 1, "method": "saliency", "options": {"output": "probability"}}, "difference of two logits"),
        ({"unknown": 1}, "Extra inputs"),
        ({"target": ["x"]}, "target"),
    ],
)
def test_what_does_not_fit_is_refused_in_the_librarys_words(client, change, words):
    body = question()
    body["request"] = {**body["request"], **change}
    answer = client.post("/api/jobs", json=body)
    assert answer.status_code == 422
    assert words in answer.json()["detail"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"preset": "none"}, "no preset of saliency named 'none'"),
        ({"tolerance": 0}, "tolerance"),
        ({"deadline": -1}, "deadline"),
        ({"kind": "other"}, "kind"),
    ],
)
def test_what_does_not_fit_around_the_request_is_refused(client, change, words):
    answer = client.post("/api/jobs", json={**question(), **change})
    assert answer.status_code == 422
    assert words in answer.json()["detail"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"target": [7]}, "no class 7"),
        ({"target": [1, 2]}, "2 targets for 1 images"),
        ({"against": 9}, "no class 9"),
        ({"method": "grad_cam", "options": {"layer": "nowhere"}}, "no layer named 'nowhere'"),
    ],
)
def test_what_only_the_model_knows_fails_in_its_words(client, change, words):
    body = question()
    body["request"] = {**body["request"], **change}
    told = events(client, start(client, body))
    assert told[-1][1] == "failed"
    assert words in told[-1][2]["detail"]


def test_a_failure_of_ours_says_so_and_the_worker_goes_on(client, monkeypatch):
    from pellucid.server import work

    monkeypatch.setattr(work, "explain_stream", lambda *a, **k: 1 / 0)
    said = finished(client, start(client, question()))
    assert said["state"] == "failed"
    assert "ZeroDivisionError" in said["error"]
    monkeypatch.undo()
    assert finished(client, start(client, question()))["state"] == "done"  # a failure is no answer: it is done again


def test_a_full_disk_fails_the_job_and_leaves_nothing(client, monkeypatch, tmp_path):
    from pellucid.server import results

    def full(path, data):
        raise OSError(28, "cannot write: the disk is full; 1 MB are needed")

    monkeypatch.setattr(results, "write_whole", full)
    id = start(client, question())
    said = finished(client, id)
    assert said["state"] == "failed"
    assert "disk is full" in said["error"]
    assert not list((tmp_path / "results").glob("*"))


def test_results_beyond_the_room_are_let_go_but_not_those_just_looked_at(tmp_path):
    kept = Results(tmp_path, room=2_500)
    for age, id in enumerate(("a" * 24, "b" * 24)):
        kept.write(id, b"x" * 600, b"y" * 400)
        os.utime(tmp_path / f"{id}.json", (age, age))
    assert kept.read("a" * 24) == b"x" * 600
    kept.write("c" * 24, b"x" * 600, b"y" * 400)
    assert [kept.has(id * 24) for id in "abc"] == [True, False, True]
    assert not kept.record_path("b" * 24).exists()
    kept.write("d" * 24, b"x" * 5_000, None)
    assert [kept.has(id * 24) for id in "abcd"] == [False, False, False, True], "what was just found stays, whatever its size"


def test_a_result_that_was_let_go_is_found_anew(client, tmp_path):
    id = start(client, question())
    assert finished(client, id)["state"] == "done"
    for path in (tmp_path / "results").iterdir():
        path.unlink()
    assert start(client, question()) == id
    assert finished(client, id)["state"] == "done"


def test_a_full_disk_at_an_upload_is_said_as_such(client, monkeypatch):
    def full(path, data):
        raise OSError(28, "cannot write: the disk is full; 1 MB are needed")

    monkeypatch.setattr(sources, "write_whole", full)
    answer = client.post("/api/uploads", content=jpeg())
    assert answer.status_code == 507
    assert "disk is full" in answer.json()["detail"]


def test_an_unknown_job_is_not_there(client):
    for address in ("", "/events", "/record", "/maps.csv", "/picture.png"):
        answer = client.get(f"/api/jobs/{'0' * 24}{address}")
        assert answer.status_code == 404
        assert "ask again" in answer.json()["detail"]
    assert client.get("/api/jobs/..%2f..%2fx").status_code in (404, 422)
    assert client.delete(f"/api/jobs/{'0' * 24}").status_code == 404


def test_results_are_there_for_the_next_lab(tmp_path):
    with opened(tmp_path) as client:
        id = start(client, question("smoothgrad", options={"samples": 30}))
        before, told = finished(client, id), events(client, id)
    with opened(tmp_path) as client:
        assert client.get(f"/api/jobs/{id}").json() == before
        assert events(client, id) == told
        assert events(client, id, **{"last-event-id": str(told[-2][0])}) == told[-1:]
        assert start(client, question("smoothgrad", options={"samples": 30}), 200) == id
        assert client.get(f"/api/jobs/{id}/record").status_code == 200
        assert client.delete(f"/api/jobs/{id}").json()["state"] == "done"
        fresh = start(client, question("smoothgrad", options={"samples": 31}))
        assert events(client, fresh)[0][0] > told[-1][0]  # numbers go on


def test_another_network_under_the_same_name_is_another_question(tmp_path):
    with opened(tmp_path, models=[small()]) as client:
        id = start(client, question())
        finished(client, id)
    from tests import networks

    with opened(tmp_path, models=[small(networks.relu_cnn())]) as client:
        assert start(client, question()) != id


def test_jobs_that_ended_leave_memory_and_stay_in_the_store(tmp_path):
    with opened(tmp_path, keep=3) as client:
        ids = [start(client, question("smoothgrad", options={"samples": n})) for n in range(2, 12)]
        assert finished(client, ids[-1])["state"] == "done"
        assert len(client.get("/api/jobs").json()["jobs"]) == 3
        assert all(client.get(f"/api/jobs/{id}").json()["state"] == "done" for id in ids)
        assert all(start(client, question("smoothgrad", options={"samples": n}), 200) in ids for n in range(2, 12))


def test_a_network_that_never_settles_sends_null_and_not_nan(client, monkeypatch):
    from pellucid.server import encoded

    assert encoded.finite({"a": [float("nan"), 1.0], "b": (float("inf"),)}) == {"a": [None, 1.0], "b": [None]}
    said = finished(client, start(client, question("smoothgrad", options={"samples": 2})))  # of two samples no error is known
    json.dumps(said, allow_nan=False)


def test_an_upload_is_explained_as_the_file_is_by_the_shell(client, tmp_path):
    file = tmp_path / "my picture.jpg"
    file.write_bytes(jpeg(60, 50, seed=3))
    source = client.post("/api/uploads?name=my%20picture.jpg", content=file.read_bytes()).json()["source"]
    said = finished(client, start(client, question(sources=(source,))))
    np.testing.assert_array_equal(values(said["result"]["maps"][0]), pl.explain(small(), file, method="saliency").map()[0])
    assert said["result"]["maps"][0]["name"] == "my picture.jpg"
    kept = Record.from_bytes(client.get(f"/api/jobs/{said['id']}/record").content)
    assert kept.request.source == (source,)
    assert str(tmp_path) not in repr(kept.request)


def test_an_upload_can_be_the_baseline(client, tmp_path):
    file = tmp_path / "b.png"
    file.write_bytes(jpeg(50, 70, "PNG", seed=9))
    source = client.post("/api/uploads", content=file.read_bytes()).json()["source"]
    options = {"baseline": "image", "baseline_image": source}
    said = finished(client, start(client, question("integrated_gradients", options=options)))
    assert said["state"] == "done", said
    expected = pl.explain(small(), "observation:0", method="integrated_gradients", baseline="image", baseline_image=str(file))
    np.testing.assert_array_equal(values(said["result"]["maps"][0]), expected.map()[0])
    assert pl.replay(Record.from_bytes(client.get(f"/api/jobs/{said['id']}/record").content), small()).identical


def test_filters_are_made_and_shown_where_they_fire(client):
    body = {"kind": "filters", "model": "small", "layer": "0", "filters": [1, 4], "options": {"steps": 10},
            "on": "observation:2"}  # fmt: skip
    id = start(client, body)
    told = events(client, id)
    assert [kind for _, kind, _ in told][-3:] == ["step", "firing", "done"]
    step, firing = told[-3][2], told[-2][2]
    made = pl.filters(small(), "0", [1, 4], steps=10)
    assert step["filters"] == [1, 4]
    assert step["objectives"] == made.final_objective.tolist()
    assert step["curves"]["values"] == made.objective.T.tolist()
    assert all(one.startswith("data:image/png;base64,") for one in step["images"])
    maps = pl.filter_maps(small(), small().read("observation:2"), "0", [1, 4])
    np.testing.assert_array_equal(values(firing["maps"][1]), maps.activations[0, 1])
    assert firing["source"] == "observation:2"
    images = small().read(["observation:2", *(o["source"] for o in observations() if o["source"] != "observation:2")])
    best = pl.strongest_patches(small(), images, "0", [1, 4], 6)
    assert [[p["value"] for p in found] for found in firing["patches"]] == [[p.value for p in found] for found in best]
    assert firing["beats_images"] == pl.beats_images(small(), made, images).tolist()
    of_images = pl.filter_maps(small(), images, "0", [1, 4])
    assert [one["raised"] for one in firing["photographs"]] == of_images.mean.amax(0).tolist()
    assert [one["peak"] for one in firing["photographs"]] == [found[0].value for found in best]
    assert [one["raised"] for one in firing["made"]] == pytest.approx(made.final_objective.tolist(), rel=1e-5)
    assert all(one["peak"] >= one["raised"] for one in firing["made"])
    kept = pl.FilterImage.from_record(client.get(f"/api/jobs/{id}/record").content)
    assert torch.equal(kept.features, made.features)
    assert client.get(f"/api/jobs/{id}/maps.csv").text.startswith("filter,start,step,activation\n1,noise,0,")
    assert client.get(f"/api/jobs/{id}/picture.png").content[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"options": {"start": "images"}}, "needs a picture"),
        ({"filters": []}, "filters"),
        ({"filters": list(range(33))}, "filters"),
        ({"options": {"step": 1}}, "no option named 'step'"),
        ({"preset": "x"}, "no preset of filters"),
        ({"on": "/x"}, "no picture"),
    ],
)
def test_filters_that_do_not_fit_are_refused(client, change, words):
    body = {"kind": "filters", "model": "small", "layer": "0", "filters": [0], **change}
    answer = client.post("/api/jobs", json=body)
    assert answer.status_code == 422
    assert words in answer.json()["detail"]


@pytest.mark.parametrize(("layer", "filters", "words"), [("9x", [0], "no layer named"), ("0", [99], "filters 0 to 5")])
def test_a_layer_or_filter_that_is_not_there_fails_in_the_librarys_words(client, layer, filters, words):
    said = finished(client, start(client, {"kind": "filters", "model": "small", "layer": layer, "filters": filters}))
    assert said["state"] == "failed"
    assert words in said["error"]


def test_filters_start_from_a_picture(client):
    body = {"kind": "filters", "model": "small", "layer": "3", "filters": [0], "on": "observation:1", "preset": "course",
            "options": {"steps": 5}}  # fmt: skip
    said = finished(client, start(client, body))
    assert said["state"] == "done", said
    assert said["result"]["starts"] == [small().read("observation:1").names[0]]


def open_files() -> Counter[str]:
    """What this process holds open; pipes and sockets have a number of their own each."""
    held: Counter[str] = Counter()
    for one in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the listing's own
            held[os.readlink(f"/proc/self/fd/{one}")] += 1
    return held


def test_two_hundred_jobs_queued_and_cancelled_at_random_leave_nothing_behind(tmp_path):
    draw = random.Random(7)
    model = pl.ImageClassifier(small().module, size=(16, 16), mean=MEAN, std=STD, name="small")

    def alive():
        gc.collect()
        return sum(type(one) in (pl.Attribution, Run) for one in gc.get_objects()), open_files()

    with opened(tmp_path / "first", models=[model]) as client:  # whatever is set up once, is
        finished(client, start(client, question()))
    before = alive()
    with opened(tmp_path, models=[model], queue=200) as client:
        ids = [
            start(client, question("smoothgrad", options={"samples": draw.choice([2, 20, 100_000])}, seed=n))
            for n in range(200)
        ]
        gone = set(draw.sample(ids, 100))
        for id in draw.sample(ids, 200):  # whatever their order
            if id in gone or client.get(f"/api/jobs/{id}").json()["body"]["request"]["options"]["samples"] == 100_000:
                assert client.delete(f"/api/jobs/{id}").status_code == 202
        states = [finished(client, id)["state"] for id in ids]
        assert set(states) == {"done", "cancelled"}
        jobs = client.app.state.lab.jobs  # pyright: ignore[reportFunctionMemberAccess, reportAttributeAccessIssue]
        assert not any(job.listeners for job in jobs._known.values())
        assert not any("step" in job.events for job in jobs._known.values())
        assert alive()[0] == before[0]  # no map, and nothing that could hold one
        done = sorted(id for id, state in zip(ids, states, strict=True) if state == "done")
        assert sorted(path.name for path in (tmp_path / "results").iterdir()) == sorted(
            f"{id}{suffix}" for id in done for suffix in (".json", ".safetensors")
        )
        assert len([t for t in threading.enumerate() if t.name.startswith("pellucid lab")]) == 1
    assert not [t for t in threading.enumerate() if t.name.startswith("pellucid lab")]
    objects, files = alive()
    assert objects == before[0]
    assert not files - before[1]  # what tests before this one left may be closed by now, but nothing may be new
