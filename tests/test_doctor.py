"""The doctor finds what is wrong, says what to set, and sets nothing."""

import json
import os
import sys

import pytest
import torch

from pellucid.doctor import PACKAGES, cores_here, doctor
from tests.cli.command import shell


def found(name: str, environment: dict[str, str] | None = None):
    return next(f for f in doctor(environment or {}) if f.what == name)


@pytest.mark.parametrize(
    ("environment", "state"),
    [
        ({}, "bad"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "bad"), ({"OMP_WAIT_POLICY": "passive"}, "good"),
        ({"GOMP_SPINCOUNT": "10000"}, "good"), ({"GOMP_SPINCOUNT": "30000000"}, "bad"), ({"GOMP_SPINCOUNT": "many"}, "bad"),
    ],
)  # fmt: skip
def test_threads_that_spin(environment, state):
    finding = found("threads that wait", environment)
    assert finding.state == state
    assert ("OMP_WAIT_POLICY=PASSIVE" in finding.advice) == (state == "bad")


@pytest.mark.parametrize(("said", "state"), [({}, "good"), ({"PYTHONDONTWRITEBYTECODE": ""}, "good"),
                                            ({"PYTHONDONTWRITEBYTECODE": "1"}, "note")])  # fmt: skip
def test_modules_that_are_compiled_again_and_again(said, state):
    finding = found("compiled modules", said)
    assert finding.state == state
    assert bool(finding.advice) is (state != "good")


def test_more_threads_than_cores():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(cores_here() + 1)
        assert found("threads").state == "bad"
        assert f"set_num_threads({cores_here()})" in found("threads").advice
    finally:
        torch.set_num_threads(before)
    assert found("threads").state == "good"


def test_a_package_that_is_missing(monkeypatch):
    assert all(found(name).state == "good" for name in PACKAGES)
    # subtle: by the module's name one would get the function of the same name, which is the public one
    monkeypatch.setattr(sys.modules["pellucid.doctor"], "PACKAGES", ("no-such-model-package",))
    finding = found("no-such-model-package")
    assert (finding.state, finding.found) == ("bad", "not installed")
    assert "pip install no-such-model-package" in finding.advice


def test_kept_memory_and_nothing_set():
    before = dict(os.environ)
    assert found("freed memory", {"MALLOC_MMAP_THRESHOLD_": "1073741824"}).state == "good"
    assert "MALLOC_MMAP_THRESHOLD_" in found("freed memory").advice
    assert dict(os.environ) == before


def test_the_command_reports_what_it_was_started_with(tmp_path, monkeypatch):
    for policy, code in (("PASSIVE", 0), ("ACTIVE", 1)):
        monkeypatch.setenv("OMP_WAIT_POLICY", policy)
        done = shell("doctor", "--quick", "--json", cwd=tmp_path)
        assert done.returncode == code, done.stderr
        said = json.loads(done.stdout)
        assert next(f for f in said["findings"] if f["what"] == "threads that wait")["state"] == ("bad" if code else "good")
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    timed = shell("doctor", cwd=tmp_path)
    assert "forward and gradient of the shipped CNN, one image:" in timed.stdout
