"""Build data/tickets.csv from the messages of data/sources/tickets, as careless as exports from a shop's system are.

    python data/make_tickets.py

The messages are written; this script only adds semicolons, Windows-1252 and an unnamed index column, as Excel and pandas
write them, labels spelt in several ways, rows without a text or a label, and rows twice. It prints what came out, and how
hard the messages are for a simple baseline.
"""

import csv
import io
import random
from collections import Counter
from pathlib import Path

DATA = Path(__file__).resolve().parent
VARIANTS = {
    "Billing": ("billing", "Billing ", "BILLING"),
    "Delivery": ("delivery", " Delivery", "Deliveries"),
    "Other": ("other", "Other ", "misc"),
    "Refund": ("refund ", "REFUND", "Refunds"),
    "Technical": ("technical", "Tech", "Technical "),
}
SPELT_DIFFERENTLY = 0.13  # share of the labels
WITHOUT_TEXT, WITHOUT_LABEL, TWICE = 11, 7, 23  # rows


def messages():
    """Return a list of [label, text], in the order of the files."""
    files = sorted((DATA / "sources" / "tickets").glob("*.tsv"))
    return [line.split("\t") for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def build(seed=0):
    """Return the rows of the file as [label, text]."""
    rng = random.Random(seed)
    rows = messages()
    rng.shuffle(rows)
    for row in rng.sample(rows, TWICE):
        rows.insert(rng.randrange(len(rows)), list(row))
    for row in rng.sample(rows, round(SPELT_DIFFERENTLY * len(rows))):
        row[0] = rng.choice(VARIANTS[row[0]])
    texts, labels = rng.sample(range(len(rows)), WITHOUT_TEXT), rng.sample(range(len(rows)), WITHOUT_LABEL)
    for n in texts:
        rows[n][1] = rng.choice(("", " "))
    for n in labels:
        rows[n][0] = ""
    return rows


def export(rows):
    """Return the bytes of the file."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=";", lineterminator="\r\n")
    writer.writerow(["", "Category", "Message body"])
    writer.writerows([n, *row] for n, row in enumerate(rows))
    return file.getvalue().encode("cp1252")


def report(rows):
    """Print how the labels are spelt, and the baseline's scores on the messages without the noise."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score, f1_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline

    print(f"{len(rows)} rows, labels as they are spelt:")
    print(*Counter(label for label, _ in rows).most_common(), sep="\n")
    labels, texts = zip(*messages())
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        LogisticRegression(C=30, max_iter=2000, class_weight="balanced"),
    )
    print(f"{len(texts)} messages; TF-IDF + logistic regression, 5-fold cross-validation, three ways to fold:")
    for seed in range(3):
        guessed = cross_val_predict(model, texts, labels, cv=StratifiedKFold(5, shuffle=True, random_state=seed))
        score, accuracy = f1_score(labels, guessed, average="macro"), accuracy_score(labels, guessed)
        print(f"  macro-F1 {score:.3f}, accuracy {accuracy:.3f}")


if __name__ == "__main__":
    rows = build()
    (DATA / "tickets.csv").write_bytes(export(rows))
    report(rows)
