"""A run of a fixed number of steps that can be stopped at any time and resumed to the same weights.

The draws of a step depend on the seed and the step alone, and the run's state is written whole or not at all.
"""

import argparse
import json
import math
import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

SAVE_EVERY = 100


def arguments(description: str, *, steps: int, rate: float) -> argparse.ArgumentParser:
    """What every training script takes."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("out", type=Path, help="folder of the run")
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=rate, help="highest learning rate of the encoder")
    parser.add_argument("--head-rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--lora", type=int, default=0, help="rank of LoRA adapters; 0 tunes every weight")
    parser.add_argument("--float32", action="store_true", help="no bfloat16 in the forward pass")
    return parser


def factor(step: int, steps: int, warm_up: float = 0.06) -> float:
    """The rate of a step as a share of the highest: a linear rise, then a linear fall to 0."""
    rising = max(1, round(warm_up * steps))
    return (step + 1) / rising if step < rising else max(0.0, (steps - step) / (steps - rising))


def run(
    module: nn.Module,
    groups: list[dict[str, Any]],
    loss_of: Callable[[int], Tensor],
    args: argparse.Namespace,
    evaluate: Callable[[], dict[str, Any]],
    evaluate_every: int = 500,
) -> dict[str, Any]:
    """Trains the module in place; `loss_of(step)` must draw only from generators that it seeds with the step.

    `groups` are the optimizer's, each with its highest rate under `lr`. Returns the last evaluation.
    """
    args.out.mkdir(parents=True, exist_ok=True)
    state, log = args.out / "state.pt", args.out / "log.jsonl"
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01, betas=(0.9, 0.98), fused=True)
    highest = [group["lr"] for group in optimizer.param_groups]
    recipe = {name: str(value) for name, value in sorted(vars(args).items()) if name not in ("out", "threads")}
    first, smooth = 0, math.nan
    if state.exists():
        kept = torch.load(state, map_location="cpu", weights_only=True)
        if kept["recipe"] != recipe:
            sys.exit(f"{state} was made with {kept['recipe']}, not {recipe}: use another folder")
        module.load_state_dict(kept["module"])
        optimizer.load_state_dict(kept["optimizer"])
        first, smooth = kept["step"], kept["smooth"]
        print(f"resumed at step {first}", flush=True)
    start, result = time.monotonic(), {}
    for step in range(first, args.steps):
        for group, rate in zip(optimizer.param_groups, highest, strict=True):
            group["lr"] = rate * factor(step, args.steps)
        module.train()
        torch.manual_seed(args.seed * 1_000_003 + step)
        random.seed(args.seed * 1_000_003 + step)
        with torch.autocast("cpu", torch.bfloat16, enabled=not args.float32):
            loss = loss_of(step)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        smooth = loss.item() if math.isnan(smooth) else 0.98 * smooth + 0.02 * loss.item()
        done = step + 1
        if done % 25 == 0 or done == args.steps:
            pace = (time.monotonic() - start) / (done - first)
            left = pace * (args.steps - done) / 60
            print(f"step {done}/{args.steps}  loss {smooth:.3f}  {pace:.2f} s a step, {left:.0f} min left", flush=True)
        if done % SAVE_EVERY == 0 or done == args.steps:
            content = {
                "recipe": recipe, "step": done, "smooth": smooth,
                "module": module.state_dict(), "optimizer": optimizer.state_dict(),
            }  # fmt: skip
            torch.save(content, state.with_suffix(".new"))
            os.replace(state.with_suffix(".new"), state)
        if done % evaluate_every == 0 or done == args.steps:
            module.eval()
            with torch.no_grad():
                result = {"step": done, "loss": round(smooth, 4), **evaluate()}
            print(result, flush=True)
            with log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(result) + "\n")
    return result
