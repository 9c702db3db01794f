"""The scripts of deploy/ run by themselves and are no part of the distribution: put them where they can be imported."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "deploy"))
