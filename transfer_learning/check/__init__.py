"""One check for each homework: ``check.NAME(...)`` shows a green line, or raises `NotYet` with the reason."""

from ._core import NotYet
from .loader import validation_loader

__all__ = ["NotYet", "validation_loader"]
