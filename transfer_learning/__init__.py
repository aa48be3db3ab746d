"""The small helper module of the course: texts and tweets, the embedded checkpoints, the pictures, the checks."""

from . import check, show
from .checkpoints import checkpoint
from .texts import TextFileError, load_texts
from .tweets import LABELS, TweetFileError, load_tweets

__all__ = ["LABELS", "TextFileError", "TweetFileError", "check", "checkpoint", "load_texts", "load_tweets", "show"]
