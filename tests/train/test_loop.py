"""The training loop on networks of a few weights."""

import math
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from pellucid.inputs.augment import generator
from pellucid.models.load import state_dict
from pellucid.train import checkpoint
from pellucid.train.data import Features
from pellucid.train.loop import Recipe, Run, fit, scored
from pellucid.train.progress import Epoch, Score
from tests.networks import seeded

LABELS = ("round", "square", "other")
RECIPE = Recipe("tiny", epochs=4, batch=4, rate=0.05)


def examples(count: int = 10, seed: int = 0) -> Features:
    """Three clouds in five dimensions."""
    source = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    return Features(torch.randn(count, 5, generator=source) + 2 * torch.eye(3, 5)[labels], labels)


def tiny() -> nn.Module:
    """Dropout draws at random and batch norm keeps statistics: both must survive a resume."""
    return seeded(nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3)))


def run_in(out: Path, data: str = "d") -> Run:
    return Run(out, data, LABELS)


def fitted(out: Path, recipe: Recipe = RECIPE, *, resume: bool = False):
    module = tiny()
    steps = list(fit(module, examples(), examples(6, 1), recipe, run_in(out), resume=resume))
    return module, steps


def same(one: dict, other: dict) -> bool:
    return list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)


# ------------------------------------------------------------------------------------------------ closed form and replica


def test_the_rate_rises_and_falls_along_a_cosine():
    factors = [RECIPE.factor(step, 100) for step in range(100)]
    assert factors[:6] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])
    assert factors[5 + 95 // 2] == pytest.approx((1 + math.cos(math.pi * 47 / 95)) / 2)
    assert factors[5:] == sorted(factors[5:], reverse=True)
    assert 0 < factors[-1] < 0.001
    assert RECIPE.factor(0, 1) == 1  # a single step is not lost to the warm-up


def test_equals_a_plain_loop(tmp_path):
    module, data = seeded(nn.Linear(5, 3)), examples()
    recipe = Recipe("tiny", epochs=2, batch=4, rate=0.05, decay=0.1, smoothing=0.2)
    replica = seeded(nn.Linear(5, 3))
    optimizer = torch.optim.AdamW(replica.parameters(), weight_decay=0.1)
    losses = []
    for epoch in (1, 2):
        order = torch.randperm(10, generator=generator(0, epoch)).tolist()
        for start in (0, 4, 8):
            rows = order[start : start + 4]
            optimizer.param_groups[0]["lr"] = 0.05 * recipe.factor((epoch - 1) * 3 + start // 4, 6)
            loss = cross_entropy(replica(data.values[rows]), data.labels[rows], label_smoothing=0.2)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
    steps = list(fit(module, data, examples(6, 1), recipe, run_in(tmp_path)))
    assert same(module.state_dict(), replica.state_dict())
    reports = [step.report for step in steps if step.report]
    assert reports[1].training_loss == pytest.approx((4 * losses[3] + 4 * losses[4] + 2 * losses[5]) / 10)


def test_a_score_counts_by_class():
    module = nn.Identity()
    module.register_parameter("device", nn.Parameter(torch.zeros(1)))
    logits = torch.tensor([[2.0, 1, 0], [0, 3, 0], [5, 0, 0], [0, 1, 0]])
    labels = torch.tensor([0, 1, 1, 1])
    steps = scored(module, Features(logits, labels), 3, batch=3)
    try:
        while True:
            next(steps)
    except StopIteration as end:
        score = end.value
    assert (score.right, score.count) == ((1, 2, 0), (1, 3, 0))
    assert score.accuracy == 0.75
    assert score.by_class(LABELS) == {"round": 1.0, "square": 2 / 3, "other": None}
    assert score.loss == pytest.approx(float(cross_entropy(logits, labels)))


def test_the_better_epoch_has_more_right_and_then_less_loss():
    one = Epoch(1, 0.0, Score(0.5, (3,), (4,)))
    assert Epoch(2, 0.0, Score(0.9, (4,), (4,))).better_than(one)
    assert Epoch(2, 0.0, Score(0.4, (3,), (4,))).better_than(one)
    assert not Epoch(2, 0.0, Score(0.5, (3,), (4,))).better_than(one)
    assert one.better_than(None)


# ------------------------------------------------------------------------------------------------ behaviour


def test_it_learns_and_says_how_far_it_is(tmp_path):
    _, steps = fitted(tmp_path, Recipe("tiny", epochs=30, batch=5, rate=0.05))
    reports = [step.report for step in steps if step.report]
    assert [report.number for report in reports] == list(range(1, 31))
    assert reports[-1].training_loss < reports[0].training_loss / 2
    assert reports[-1].validation.accuracy > 0.6
    first = [(s.stage, s.done, s.total) for s in steps[:4]]
    assert first == [("training", 5, 10), ("training", 10, 10), ("validation", 5, 6), ("validation", 6, 6)]


def test_the_seed_decides_everything(tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        one = tiny()
        state = torch.random.get_rng_state()
        list(fit(one, examples(), examples(6, 1), RECIPE, run_in(tmp_path / "a")))
        assert torch.equal(state, torch.random.get_rng_state())  # the caller's generator is left alone
    assert same(one.state_dict(), fitted(tmp_path / "b")[0].state_dict())
    other, _ = fitted(tmp_path / "c", Recipe("tiny", epochs=4, batch=4, rate=0.05, seed=1))
    assert not same(one.state_dict(), other.state_dict())


@pytest.mark.parametrize("stop", [1, 4, 7, 12])
def test_a_run_that_was_stopped_anywhere_resumes_to_the_same_bits(tmp_path, stop):
    straight, steps = fitted(tmp_path / "straight")
    module = tiny()
    broken = fit(module, examples(), examples(6, 1), RECIPE, run_in(tmp_path / "broken"))
    for _ in range(stop):
        next(broken)
    broken.close()
    assert not module.training
    resumed, rest = fitted(tmp_path / "broken", resume=True)
    assert same(straight.state_dict(), resumed.state_dict())
    assert rest == steps[-len(rest) :]  # losses, scores and all
    for name in (checkpoint.BEST, checkpoint.LAST):
        one, other = (torch.load(tmp_path / run / name, weights_only=True) for run in ("straight", "broken"))
        assert same(one["model_state_dict"], other["model_state_dict"])
        assert one["history"] == other["history"]


KILLED = """
import sys, torch
torch.set_num_threads(1)
from pathlib import Path
from tests.train.test_loop import examples, fit, run_in, tiny, RECIPE
for step in fit(tiny(), examples(), examples(6, 1), RECIPE, run_in(Path(sys.argv[1]))):
    print(step.stage, step.epoch, flush=True)
    sys.stdin.readline()
"""


def test_a_killed_process_loses_no_more_than_its_epoch(tmp_path):
    straight, _ = fitted(tmp_path / "straight")
    command = [sys.executable, "-c", KILLED, str(tmp_path / "killed")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin, process.stdout:
        while process.stdout.readline() != "training 3\n":
            process.stdin.write("\n")
            process.stdin.flush()
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert torch.load(tmp_path / "killed" / checkpoint.LAST, weights_only=True)["epoch"] == 2
    resumed, _ = fitted(tmp_path / "killed", resume=True)
    assert same(straight.state_dict(), resumed.state_dict())


def test_the_best_epoch_is_kept_beside_the_last(tmp_path):
    module, recipe = tiny(), Recipe("tiny", epochs=12, batch=5, rate=1.0)  # a rate at which it jumps about
    reports, weights = [], []
    for step in fit(module, examples(), examples(6, 1), recipe, run_in(tmp_path)):
        if step.report:
            reports.append(step.report)
            weights.append(checkpoint.to_cpu(module.state_dict()))
    best, last = (torch.load(tmp_path / name, weights_only=True) for name in (checkpoint.BEST, checkpoint.LAST))
    scores = [(report.validation.accuracy, -report.validation.loss) for report in reports]
    number = scores.index(max(scores)) + 1
    assert best["epoch"] == number < 12  # else the run shows nothing
    assert last["epoch"] == 12
    assert same(best["model_state_dict"], weights[number - 1])
    assert same(last["model_state_dict"], weights[-1])
    assert "optimizer" not in best
    assert best["history"] == [report.plain() for report in reports[:number]]


def test_frozen_weights_are_saved_with_the_trained_ones(tmp_path):
    module = seeded(nn.Linear(5, 3))
    run = Run(tmp_path, "d", LABELS, frozen={"stem": torch.ones(2)}, prefix="fc.")
    list(fit(module, examples(), examples(6, 1), RECIPE, run))
    saved = state_dict(tmp_path / checkpoint.LAST)
    assert list(saved) == ["stem", "fc.weight", "fc.bias"]
    again = nn.Linear(5, 3)
    run.restore(again, saved)
    assert same(again.state_dict(), module.state_dict())


# ------------------------------------------------------------------------------------------------ what can go wrong


def test_a_full_disk_keeps_what_was_there(tmp_path):
    fitted(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (512, limits[1]))  # no file may be larger: the same error path as a full disk
    try:
        with pytest.raises(OSError, match=r"cannot write .*last.pth.*What was there before is unchanged"):
            checkpoint.save(tmp_path / checkpoint.LAST, {"model_state_dict": tiny().state_dict()})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_folder_that_cannot_be_written_is_known_before_the_work(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="cannot make the folder"):
        next(fit(tiny(), examples(), examples(6, 1), RECIPE, run_in(tmp_path / "file" / "out")))


def test_a_finished_run_is_not_overwritten(tmp_path):
    fitted(tmp_path)
    with pytest.raises(ValueError, match="already holds a training run; resume it, or train in another folder"):
        fitted(tmp_path)
    assert fitted(tmp_path, resume=True)[1] == []  # and there is nothing left to do


def test_only_the_same_run_is_resumed(tmp_path):
    with pytest.raises(ValueError, match="there is no run to resume in"):
        fitted(tmp_path / "none", resume=True)
    fitted(tmp_path)
    with pytest.raises(ValueError, match=r"was started with epochs 4, not 5; rate 0.05, not 0.1: resume it with the same"):
        fitted(tmp_path, Recipe("tiny", epochs=5, batch=4, rate=0.1), resume=True)
    with pytest.raises(ValueError, match="was started with other photographs"):
        next(fit(tiny(), examples(), examples(6, 1), RECIPE, run_in(tmp_path, "other"), resume=True))
    torch.save({"model_state_dict": tiny().state_dict()}, tmp_path / checkpoint.LAST)
    with pytest.raises(ValueError, match="holds weights but no training run: it lacks recipe, epoch"):
        fitted(tmp_path, resume=True)


def test_a_loss_that_is_not_finite_ends_the_run_and_keeps_the_last_epoch(tmp_path):
    bad = examples()
    bad.values[3] = float("nan")
    with pytest.raises(FloatingPointError, match=r"the loss is nan in epoch 1; a rate below 0.05 may do"):
        list(fit(tiny(), bad, examples(6, 1), RECIPE, run_in(tmp_path)))
    assert torch.load(tmp_path / checkpoint.LAST, weights_only=True)["epoch"] == 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"epochs": 0}, "epochs is 0; at least 1"),
        ({"batch": 0}, "batch is 0; at least 1"),
        ({"rate": 0.0}, "rate is 0.0; expected a number above 0"),
        ({"rate": float("inf")}, "rate is inf"),
        ({"smoothing": 1.0}, "smoothing is 1.0"),
        ({"seed": -1}, "seed is -1; at least 0"),
    ],
)
def test_a_recipe_out_of_range_is_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**{"architecture": "tiny", "epochs": 1, "batch": 1, "rate": 0.1, **changed})
