import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "data"), str(ROOT / "tests"), str(ROOT)]
LATEST = bool(os.environ.get("COURSE_LATEST"))


@pytest.fixture
def root():
    return ROOT


@pytest.fixture
def no_tweets_csv(monkeypatch):
    """The course's own tweets, whatever the environment says."""
    monkeypatch.delenv("TWEETS_CSV", raising=False)
