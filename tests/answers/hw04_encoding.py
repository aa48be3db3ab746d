"""Answers to homework 04: right ones in different styles, wrong ones with one mistake each and its slug.

An answer is a pair: encode_all, shortest_max_len.
"""

import copy
import functools
import itertools
import math
from bisect import bisect_right
from collections import Counter

import numpy as np
import pandas as pd
import torch
from transformers import AutoTokenizer

from transfer_learning import check, checkpoint

# as it is loaded, its backend cuts and pads at 128; a call changes that, so it is handed to the check alone
TOKENIZER = AutoTokenizer.from_pretrained(checkpoint("bert-base-uncased"))
ANOTHER = copy.deepcopy(TOKENIZER)


def judge(answer):
    encode_all, shortest_max_len = answer
    return check.encoding(encode_all, shortest_max_len, TOKENIZER)


def encode_all(messages, tokenizer):
    return tokenizer(messages)["input_ids"]


def shortest_max_len(lengths, keep=0.95):
    return sorted(lengths)[math.ceil(keep * len(lengths)) - 1]


# --- right: encode_all


def one_by_one(messages, tokenizer):
    input_ids = []
    for message in messages:
        input_ids.append(tokenizer.encode(message, add_special_tokens=True))
    return input_ids


def subwords_first(messages, tokenizer):
    return [tokenizer.convert_tokens_to_ids(tokenizer.tokenize(m, add_special_tokens=True)) for m in messages]


def in_batches(messages, tokenizer, size=4):
    batches = (messages[start : start + size] for start in range(0, len(messages), size))
    return list(itertools.chain.from_iterable(tokenizer(batch).input_ids for batch in batches))


def the_backend(messages, tokenizer):
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    backend.no_truncation()
    return [encoding.ids for encoding in backend.encode_batch(messages)]


def from_arrays(messages, tokenizer):
    return [list(tokenizer(m, return_tensors="np")["input_ids"][0]) for m in messages]  # numpy's ints


def padded_and_cut_back(messages, tokenizer):
    batch = tokenizer(messages, padding=True, return_tensors="pt")
    return [ids[mask.bool()].tolist() for ids, mask in zip(batch["input_ids"], batch["attention_mask"])]


def recursively(messages, tokenizer):
    return messages and [tokenizer.encode(messages[0]), *recursively(messages[1:], tokenizer)]


def longest_first(messages, tokenizer):
    """Sorted for speed, then put back."""
    order = sorted(range(len(messages)), key=lambda n: -len(messages[n]))
    ids = dict(zip(order, tokenizer([messages[n] for n in order])["input_ids"]))
    return [ids[n] for n in range(len(messages))]


def each_text_once(messages, tokenizer):
    known = {message: tokenizer.encode(message) for message in set(messages)}
    return list(map(known.__getitem__, messages))


def as_a_series(messages, tokenizer):
    return pd.Series(messages).map(tokenizer.encode).tolist()


class Encoder:
    def __call__(self, messages, tokenizer):
        return [*tokenizer(tuple(messages) and list(messages), padding=False, truncation=False).data["input_ids"]]


# --- right: shortest_max_len


def counting_up(lengths, keep=0.95):
    max_len = 0
    while sum(length <= max_len for length in lengths) < keep * len(lengths):
        max_len += 1
    return max_len


def the_quantile(lengths, keep=0.95):
    return np.quantile(lengths, keep, method="inverted_cdf")  # numpy's int


def cumulated(lengths, keep=0.95):
    shares = pd.Series(lengths).value_counts(normalize=True).sort_index().cumsum()
    return int(shares[shares >= keep].index[0])


def dropping_the_longest(lengths, keep=0.95):
    may_go = int((1 - keep) * len(lengths))
    return sorted(lengths, reverse=True)[may_go]


def bisecting(lengths, keep=0.95):
    ordered, low, high = sorted(lengths), 0, max(lengths)
    while low < high:
        middle = (low + high) // 2
        if bisect_right(ordered, middle) / len(ordered) >= keep:
            high = middle
        else:
            low = middle + 1
    return high


def smallest_that_will_do(lengths, keep=0.95):
    return min(n for n in set(lengths) if np.mean(np.array(lengths) <= n) >= keep)


def kth_value(lengths, keep=0.95):
    return torch.tensor(lengths).kthvalue(math.ceil(keep * len(lengths))).values  # a tensor without dimensions


def by_counter(lengths, keep=0.95):
    whole = 0
    for length, count in sorted(Counter(lengths).items()):
        whole += count
        if whole >= keep * len(lengths):
            return length


def by_rank(lengths, keep=0.95):
    ranks = pd.Series(lengths).rank(method="max", pct=True)
    return int(pd.Series(lengths)[ranks >= keep].min())


def by_heap(lengths, keep=0.95):
    import heapq

    return heapq.nsmallest(math.ceil(keep * len(lengths)), lengths)[-1]


def by_bincount(lengths, keep=0.95):
    return int(np.argmax(np.bincount(lengths).cumsum() / len(lengths) >= keep))


RIGHT = {
    "the whole list, sorted": (encode_all, shortest_max_len),
    "one by one, counting up": (one_by_one, counting_up),
    "subwords first, the quantile": (subwords_first, the_quantile),
    "in batches, cumulated": (in_batches, cumulated),
    "the backend, dropping the longest": (the_backend, dropping_the_longest),
    "from arrays, bisecting": (from_arrays, bisecting),
    "padded and cut back, smallest that will do": (padded_and_cut_back, smallest_that_will_do),
    "recursively, kth value": (recursively, kth_value),
    "longest first, a Counter": (longest_first, by_counter),
    "each text once, by rank": (each_text_once, by_rank),
    "a Series, a heap": (as_a_series, by_heap),
    "an object, bincount": (Encoder(), by_bincount),
    "partials": (functools.partial(in_batches, size=1), functools.partial(shortest_max_len)),
}

# --- wrong


def with_ids(change):
    """encode_all, its lists changed."""
    return lambda messages, tokenizer: change(encode_all(messages, tokenizer)), shortest_max_len


def with_options(**options):
    return lambda messages, tokenizer: tokenizer(messages, **options)["input_ids"], shortest_max_len


def with_encode(encode):
    return encode, shortest_max_len


def with_length(length):
    return encode_all, length


def twice_framed(messages, tokenizer):
    return [[tokenizer.cls_token_id, *tokenizer.encode(m), tokenizer.sep_token_id] for m in messages]


def numbers_written_in(messages, tokenizer):
    return [[101, *tokenizer.encode(m, add_special_tokens=False), 102] for m in messages]


def framed_by_hand(messages, tokenizer):
    frame = [tokenizer.cls_token_id], [tokenizer.sep_token_id]  # T5's tokenizer has neither
    return [frame[0] + tokenizer.convert_tokens_to_ids(tokenizer.tokenize(m)) + frame[1] for m in messages]


def no_end(messages, tokenizer):
    return [[tokenizer.cls_token_id, *tokenizer.encode(m, add_special_tokens=False)] for m in messages]


def words_looked_up(messages, tokenizer):
    return [tokenizer.convert_tokens_to_ids(["[CLS]", *m.lower().split(), "[SEP]"]) for m in messages]


def empties_the_list(messages, tokenizer):
    return [tokenizer.encode(messages.pop(0)) for _ in range(len(messages))]


def strips_in_place(messages, tokenizer):
    for n, message in enumerate(messages):
        messages[n] = message.strip()
    return [tokenizer.encode(message) for message in messages]


def lifts_the_limit(messages, tokenizer):
    tokenizer.model_max_length = 10**9
    return encode_all(messages, tokenizer)


def learns_a_word(messages, tokenizer):
    ids = encode_all(messages, tokenizer)
    tokenizer.add_tokens(["photovoltaics"])
    return ids


def remembers(messages, tokenizer, known={}):  # noqa: B006
    for message in messages:
        if message not in known:
            known[message] = tokenizer.encode(message)
    return [known[message] for message in messages]


def sorts_in_place(lengths, keep=0.95):
    lengths.sort()
    return lengths[math.ceil(keep * len(lengths)) - 1]


def strictly_shorter(lengths, keep=0.95):
    return next(n for n in itertools.count() if np.mean([length < n for length in lengths]) >= keep)


def more_than_keep(lengths, keep=0.95):
    return next(n for n in itertools.count() if np.mean([x <= n for x in lengths]) > keep or n == max(lengths))


def of_the_characters(lengths, keep=0.95):
    """Keeps a share of the tokens, not of the messages."""
    return next(n for n in itertools.count() if sum(min(x, n) for x in lengths) >= keep * sum(lengths))


WRONG = {
    "nothing written": ("nothing-yet", (..., ...)),
    "half of it": ("nothing-yet", (encode_all, ...)),
    "half of it, a number": ("not-a-function", (encode_all, 64)),
    "returns nothing": ("returns-nothing", with_encode(lambda messages, tokenizer: None)),
    "the length is not returned": ("returns-nothing", with_length(lambda lengths, keep=0.95: None)),
    "the tokenizer's whole output": ("wrong-type", with_encode(lambda messages, tokenizer: tokenizer(messages))),
    "a tensor": ("wrong-type", with_ids(lambda ids: torch.tensor(ids[0]))),
    "tensors": ("wrong-type", with_ids(lambda ids: [torch.tensor(i) for i in ids])),
    "an array": ("wrong-type", with_ids(lambda ids: np.array(ids, dtype=object))),
    "tuples": ("wrong-type", with_ids(lambda ids: [tuple(i) for i in ids])),
    "a generator": ("wrong-type", with_ids(lambda ids: (i for i in ids))),
    "a Series": ("wrong-type", with_ids(pd.Series)),
    "a dict": ("wrong-type", with_ids(lambda ids: dict(enumerate(ids)))),
    "decimals": ("wrong-type", with_ids(lambda ids: [[float(i) for i in row] for row in ids])),
    "subwords, not ids": (
        "wrong-type",
        with_encode(lambda messages, tokenizer: [tokenizer.tokenize(m) for m in messages]),
    ),
    "batches of one": (
        "wrong-type",
        with_encode(lambda messages, tokenizer: [tokenizer([m])["input_ids"] for m in messages]),
    ),
    "ids as text": ("wrong-type", with_ids(lambda ids: [" ".join(map(str, i)) for i in ids])),
    "one flat list": ("flat-list", with_ids(lambda ids: [*itertools.chain(*ids)])),
    "the messages joined": ("flat-list", with_encode(lambda messages, tokenizer: tokenizer.encode(" ".join(messages)))),
    "the list taken for words": ("flat-list", with_options(is_split_into_words=True)),
    "framed by hand": ("wrong-type", with_encode(framed_by_hand)),
    "lengths, not ids": ("wrong-type", with_ids(lambda ids: [len(i) for i in ids])),
    "each message once": (
        "not-one-list-each",
        with_encode(lambda m, tokenizer: encode_all(list(dict.fromkeys(m)), tokenizer)),
    ),
    "the last one left out": ("not-one-list-each", with_ids(lambda ids: ids[:-1])),
    "the first one alone": ("not-one-list-each", with_ids(lambda ids: ids[:1])),
    "no list at all": ("not-one-list-each", with_ids(lambda ids: [])),
    "sorted by length": ("lists-in-another-order", with_ids(lambda ids: sorted(ids, key=len))),
    "reversed": ("lists-in-another-order", with_ids(lambda ids: ids[::-1])),
    "no special tokens": ("no-special-tokens", with_options(add_special_tokens=False)),
    "no [SEP]": ("no-special-tokens", with_encode(no_end)),
    "no [CLS]": ("no-special-tokens", with_ids(lambda ids: [i[1:] for i in ids])),
    "special tokens twice": ("special-tokens-twice", with_encode(twice_framed)),
    "[SEP] twice": ("special-tokens-twice", with_ids(lambda ids: [[*i, i[-1]] for i in ids])),
    "another tokenizer": (
        "ids-of-another-tokenizer",
        with_encode(lambda messages, tokenizer: encode_all(messages, ANOTHER)),
    ),
    "101 and 102": ("ids-of-another-tokenizer", with_encode(numbers_written_in)),
    "remembers without the tokenizer": ("ids-of-another-tokenizer", with_encode(remembers)),
    "padded": ("padded-already", with_options(padding=True)),
    "padded to 64, as in the old tutorial": (
        "padded-already",
        with_options(padding="max_length", truncation=True, max_length=64),
    ),
    "padded with 0": ("padded-already", with_ids(lambda ids: [i + [0] * (99 - len(i)) for i in ids])),
    "padded in front": ("padded-already", with_options(padding=True, padding_side="left")),
    "the backend as it is set": (
        "padded-already",
        with_encode(lambda messages, tokenizer: [e.ids for e in tokenizer.backend_tokenizer.encode_batch(messages)]),
    ),
    "cut at the model's limit": ("cut-too-early", with_options(truncation=True)),
    "cut at 512": ("cut-too-early", with_options(truncation=True, max_length=512)),
    "cut at 64": ("cut-too-early", with_options(truncation=True, max_length=64)),
    "cut by hand": ("cut-too-early", with_ids(lambda ids: [i[:512] for i in ids])),
    "cut in front": ("cut-too-early", with_ids(lambda ids: [i[-512:] for i in ids])),
    "the mask": ("mask-for-ids", with_encode(lambda messages, tokenizer: tokenizer(messages)["attention_mask"])),
    "the segments": (
        "mask-for-ids",
        with_encode(lambda m, tokenizer: [[0] * len(i) for i in tokenizer(m)["input_ids"]]),
    ),
    "words looked up": ("other-ids", with_encode(words_looked_up)),
    "lower case": ("other-ids", with_encode(lambda m, tokenizer: encode_all([text.lower() for text in m], tokenizer))),
    "links shortened": (
        "other-ids",
        with_encode(lambda m, tokenizer: encode_all([text.replace("https://", "") for text in m], tokenizer)),
    ),
    "without spaces at the ends": (
        "other-ids",
        with_encode(lambda messages, tokenizer: [tokenizer.encode(text.strip()) for text in messages]),
    ),
    "words without their spaces": (
        "other-ids",
        with_encode(
            lambda m, tokenizer: [tokenizer(text.split(), is_split_into_words=True)["input_ids"] for text in m]
        ),
    ),
    "each id once": ("other-ids", with_ids(lambda ids: [list(dict.fromkeys(i)) for i in ids])),
    "all as one pair": ("other-ids", with_encode(lambda m, tokenizer: tokenizer(m, m)["input_ids"])),
    "codes of the letters": (
        "other-ids",
        with_encode(lambda messages, tokenizer: [list(map(ord, m)) for m in messages]),
    ),
    "the list is emptied": ("input-changed", with_encode(empties_the_list)),
    "the texts are changed": ("input-changed", with_encode(strips_in_place)),
    "the limit is lifted": ("input-changed", with_encode(lifts_the_limit)),
    "the tokenizer learns a word": ("input-changed", with_encode(learns_a_word)),
    "lengths are sorted": ("input-changed", with_length(sorts_in_place)),
    "a decimal number": ("wrong-type", with_length(lambda lengths, keep=0.95: float(shortest_max_len(lengths, keep)))),
    "a percentile": ("wrong-type", with_length(lambda lengths, keep=0.95: np.percentile(lengths, 100 * keep))),
    "a list": ("wrong-type", with_length(lambda lengths, keep=0.95: [shortest_max_len(lengths, keep)])),
    "text": ("wrong-type", with_length(lambda lengths, keep=0.95: str(shortest_max_len(lengths, keep)))),
    "how many are cut": (
        "longer-than-needed",
        with_length(lambda lengths, keep=0.95: shortest_max_len(lengths, keep) + 1),
    ),
    "64": ("keep-ignored", with_length(lambda lengths, keep=0.95: 64)),
    "strictly shorter": ("longer-than-needed", with_length(strictly_shorter)),
    "more than keep": ("longer-than-needed", with_length(more_than_keep)),
    "a percentile, rounded up": (
        "longer-than-needed",
        with_length(lambda lengths, keep=0.95: math.ceil(np.percentile(lengths, 100 * keep))),
    ),
    "a percentile, the next higher": (
        "longer-than-needed",
        with_length(lambda lengths, keep=0.95: int(np.quantile(lengths, keep, method="higher"))),
    ),
    "counted from 0": (
        "longer-than-needed",
        with_length(lambda lengths, keep=0.95: sorted(lengths)[min(int(keep * len(lengths)), len(lengths) - 1)]),
    ),
    "to the next multiple of 8": (
        "longer-than-needed",
        with_length(lambda lengths, keep=0.95: -(-shortest_max_len(lengths, keep) // 8) * 8),
    ),
    "a percentile, the next lower": (
        "cuts-too-many",
        with_length(lambda lengths, keep=0.95: int(np.quantile(lengths, keep, method="lower"))),
    ),
    "rounded to a row": (
        "cuts-too-many",
        with_length(lambda lengths, keep=0.95: sorted(lengths)[max(round(keep * len(lengths)) - 1, 0)]),
    ),
    "rounded down to a row": (
        "cuts-too-many",
        with_length(lambda lengths, keep=0.95: sorted(lengths)[max(int(keep * len(lengths)) - 1, 0)]),
    ),
    "not sorted": (
        "cuts-too-many",
        with_length(lambda lengths, keep=0.95: lengths[math.ceil(keep * len(lengths)) - 1]),
    ),
    "a share of the longest": ("cuts-too-many", with_length(lambda lengths, keep=0.95: int(keep * max(lengths)))),
    "each length once": (
        "longer-than-needed",
        with_length(lambda lengths, keep=0.95: shortest_max_len([*set(lengths)], keep)),
    ),
    "a share of the tokens": ("cuts-too-many", with_length(of_the_characters)),
    "at most 512": ("cuts-too-many", with_length(lambda lengths, keep=0.95: min(shortest_max_len(lengths, keep), 512))),
    "without the special tokens": (
        "cuts-too-many",
        with_length(lambda lengths, keep=0.95: shortest_max_len(lengths, keep) - 2),
    ),
    "the share to cut": ("cuts-too-many", with_length(lambda lengths, keep=0.95: shortest_max_len(lengths, 1 - keep))),
    "another default": ("cuts-too-many", with_length(lambda lengths, keep=0.9: shortest_max_len(lengths, keep))),
    "keep in per cent": ("cuts-too-many", with_length(lambda lengths, keep=95: shortest_max_len(lengths, keep / 100))),
    "always 95 %": ("keep-ignored", with_length(lambda lengths, keep=0.95: shortest_max_len(lengths))),
    "the longest": ("keep-ignored", with_length(lambda lengths, keep=0.95: max(lengths))),
    "the mean": ("keep-ignored", with_length(lambda lengths, keep=0.95: round(sum(lengths) / len(lengths)))),
}
