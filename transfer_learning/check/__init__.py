"""One check for each homework: ``check.NAME(...)`` shows a green line, or raises `NotYet` with the reason.

Each file hwNN_NAME.py is found by itself.
"""

from importlib import import_module
from pathlib import Path

from ._engine import CHECKS, HOMEWORK, MISCONCEPTIONS, NotYet, look, misconception, progress

for _file in sorted(Path(__file__).parent.glob("hw*.py")):
    import_module(f"{__name__}.{_file.stem}")
globals().update(CHECKS)

__all__ = ["HOMEWORK", "MISCONCEPTIONS", "NotYet", "look", "misconception", "progress", *CHECKS]
