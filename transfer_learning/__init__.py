"""The small helper module of the course: the tweets, the embedded checkpoints, the pictures, the checks."""

from . import check, show
from .checkpoints import checkpoint
from .tweets import LABELS, TweetFileError, load_tweets

__all__ = ["LABELS", "TweetFileError", "check", "checkpoint", "load_tweets", "show"]
