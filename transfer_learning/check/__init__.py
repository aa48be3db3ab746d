"""One check for each homework: ``check.NAME(...)`` shows a green line, or raises `NotYet` with the reason."""

from ._core import HOMEWORK, MISCONCEPTIONS, NotYet, progress
from .loader import validation_loader

__all__ = ["HOMEWORK", "MISCONCEPTIONS", "NotYet", "progress", "validation_loader"]
