"""The training scripts are no package: they stand beside each other in their folder."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "training"))
