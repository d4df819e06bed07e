"""The verdicts on controls and on networks that know nothing, over every shipped photograph; and those of the methods.

    python benchmarks/verdicts.py [--photographs 43] [--networks 2] [METHOD...]

`random` must always be "no better than random" and `edges` always "does not depend on the model"; on a network with randomised
weights nothing may hold up. Prints a count of verdicts for each, and the photographs that break the rule.
"""

import argparse
from collections import Counter
from typing import Any

import pellucid as pl
from pellucid.inputs.photograph import photographs
from pellucid.models.randomized import randomized

EXPECTED = {"random": "no better than random", "edges": "does not depend on the model"}
OPTIONS: dict[str, dict[str, Any]] = {"lime": {"samples": 512}, "smoothgrad": {"samples": 64}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", default=["saliency", "grad_cam"])
    parser.add_argument("--photographs", type=int, default=1000)
    parser.add_argument("--networks", type=int, default=2, help="with randomised weights")
    asked = parser.parse_args()
    model = pl.load("imagenet")
    names = [row["file"] for row in photographs()][: asked.photographs]
    folder = pl.observation_paths()[0].parent
    paths = [folder / name for name in names]
    broken = 0
    for method, wanted in EXPECTED.items():
        broken += count(model, paths, method, lambda verdict, wanted=wanted: verdict == wanted)
    for seed in range(asked.networks):
        knows_nothing = randomized(model, seed)
        for method in (*asked.methods, *EXPECTED):
            broken += count(
                knows_nothing, paths[:10], method, lambda verdict: verdict != "holds up", f"random weights {seed}: "
            )
    for method in asked.methods:
        count(model, paths[:10], method, lambda verdict: True)
    print(f"{broken} verdicts break the rule")


def count(model, paths, method, allowed, title=""):
    """Prints how often each verdict fell, and returns how many are not allowed."""
    verdicts: Counter[str] = Counter()
    wrong = []
    for path in paths:
        images = model.read(path)
        a = pl.explain(model, images, method=method, **OPTIONS.get(method, {}))
        evidence = pl.trust(model, images, a)[0]
        verdicts[evidence.verdict] += 1
        if not allowed(evidence.verdict):
            wrong.append(f"{path.name} ({evidence.verdict}: {evidence.advantage}, worth {evidence.worth:.3f})")
    said = ", ".join(f"{n} {verdict}" for verdict, n in verdicts.most_common())
    print(f"{title}{method}: {said}" + "".join(f"\n    {one}" for one in wrong), flush=True)
    return len(wrong)


if __name__ == "__main__":
    main()
