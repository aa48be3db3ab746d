"""The ticket file is what its builder makes, and as its data card says."""

import re
from collections import Counter

import pandas as pd
from make_tickets import DATA, VARIANTS, build, export, messages

CLASSES = {"Technical": 252, "Delivery": 224, "Refund": 180, "Billing": 136, "Other": 108}
CARD = (DATA / "README.md").read_text(encoding="utf-8").split("## tickets.csv")[1].split("\n## ")[0]


def test_the_file_is_what_the_builder_makes():
    assert (DATA / "tickets.csv").read_bytes() == export(build())


def test_the_messages_are_distinct():
    assert Counter(label for label, _ in messages()) == CLASSES
    assert len({text.strip().casefold() for _, text in messages()}) == 900
    shares = ", ".join(f"{rows / 9:.0f}" for rows in CLASSES.values())
    assert f"{', '.join(CLASSES)}: {shares} %" in CARD and "900 distinct messages" in CARD


def test_the_noise_is_as_the_card_says():
    table = pd.read_csv(DATA / "tickets.csv", sep=";", encoding="cp1252", keep_default_na=False)
    assert list(table.columns) == ["Unnamed: 0", "Category", "Message body"]
    labels, texts = table["Category"], table["Message body"]
    noise = {what: int(rows) for what, rows in re.findall(r"^\| (.+?) \| (\d+) \|$", CARD, flags=re.M)}
    variants = {spelling for spellings in VARIANTS.values() for spelling in spellings}
    assert len(variants) == 15 and set(labels) == {*variants, *CLASSES, ""}
    seen = [labels.isin(variants).sum(), len(table) - 900, (texts.str.strip() == "").sum(), (labels == "").sum()]
    assert list(noise.values()) == seen
    assert texts.str.contains("[’€ö]").sum() > 100
