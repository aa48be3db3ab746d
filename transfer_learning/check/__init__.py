"""One check for each homework: ``check.NAME(...)`` shows a green line, or raises `NotYet` with the reason."""

from ._core import HOMEWORK, MISCONCEPTIONS, NotYet, progress
from .cleaning import clean
from .encoding import encoding
from .evaluating import evaluate
from .loader import validation_loader
from .masking import mask_tokens
from .padding import pad_and_mask
from .splitting import three_way_split
from .vector import sentence_vector

__all__ = [
    "HOMEWORK",
    "MISCONCEPTIONS",
    "NotYet",
    "clean",
    "encoding",
    "evaluate",
    "mask_tokens",
    "pad_and_mask",
    "progress",
    "sentence_vector",
    "three_way_split",
    "validation_loader",
]
