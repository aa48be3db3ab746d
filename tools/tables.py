"""Tables of measurements: CSV files to which a new run adds its rows."""

import os
from pathlib import Path

import pandas as pd


def merge(old, new, key):
    """Add the rows of `new` to those of `old`; of rows that agree in the columns `key`, only the last one is kept.

    A replaced row keeps its place, so storing the same run twice changes nothing. A missing value is equal to another.
    """
    table = pd.concat([part for part in (old, new) if len(part)] or [new], ignore_index=True)
    place = table.groupby(key, sort=False, dropna=False).ngroup()  # numbered in order of first appearance
    table = table.assign(place=place).drop_duplicates(subset=key, keep="last")
    return table.sort_values("place").drop(columns="place").reset_index(drop=True)


def store(path, new, key, sort=False):
    """Merge the rows of `new`, a DataFrame, into the CSV file `path`, which is made when there is none.

    With `sort` the file is sorted by the key columns; else rows are in the order in which they first came.
    """
    path = Path(path)
    table = merge(pd.read_csv(path) if path.exists() else new.head(0), new, key)
    part = path.with_suffix(".part")
    (table.sort_values(key) if sort else table).to_csv(part, index=False, lineterminator="\n")
    os.replace(part, path)  # complete or not at all: a run that is stopped here leaves the older file
