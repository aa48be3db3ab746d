"""Write data/tickets.csv: the messages of data/sources/tickets, as careless as exports from a shop's system are.

    python data/make_tickets.py

Semicolons, Windows-1252 and an unnamed index column, as Excel and pandas write them; labels spelt in several ways; rows
without a text or a label; rows twice. It prints how many of each.
"""

import csv
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


def main(seed=0):
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
    with open(DATA / "tickets.csv", "w", encoding="cp1252", newline="") as file:
        writer = csv.writer(file, delimiter=";", lineterminator="\r\n")
        writer.writerow(["", "Category", "Message body"])
        writer.writerows([n, *row] for n, row in enumerate(rows))
    print(
        f"{len(rows)} rows, labels as they are spelt:", *Counter(label for label, _ in rows).most_common(), sep="\n  "
    )


if __name__ == "__main__":
    main()
