# ruff: noqa: E731
"""More answers to homework 04, most of them written by somebody who had read only the exercise.

An answer is a pair: encode_all, shortest_max_len. The comments say what is wrong.
"""

import bisect
import copy
import functools
import heapq
import itertools
import math
import re
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np
import pandas as pd
import torch

# ---- right: encode_all ----


def by_call(messages, tokenizer):
    return tokenizer(messages)["input_ids"]


def by_loop(messages, tokenizer):
    input_ids = []
    for message in messages:
        ids = tokenizer.encode(message, add_special_tokens=True)
        input_ids.append(ids)
    return input_ids


def by_attribute(messages: list[str], tokenizer) -> list[list[int]]:
    """Tokenize all messages in one call and return the ids."""
    encoding = tokenizer(
        list(messages),
        add_special_tokens=True,
        padding=False,
        truncation=False,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )
    return encoding.input_ids


@torch.no_grad()
def by_numpy(messages, tokenizer):
    out = np.empty(len(messages), dtype=object)
    for i in range(len(messages)):
        out[i] = np.asarray(tokenizer(messages[i])["input_ids"])
    return [row.tolist() for row in out]


def by_encodings(messages, tokenizer):
    return [encoding.ids for encoding in tokenizer(messages).encodings]


def by_copied_backend(messages, tokenizer):
    backend = copy.deepcopy(tokenizer).backend_tokenizer
    backend.no_padding()
    backend.no_truncation()
    return [e.ids for e in backend.encode_batch(messages, add_special_tokens=True)]


def by_tensor(messages, tokenizer):
    return [tokenizer(m, return_tensors="pt")["input_ids"][0].long().tolist() for m in messages]


def by_cache(messages, tokenizer):
    @functools.cache
    def encode(message):
        return tuple(tokenizer.encode(message))

    return [list(encode(message)) for message in messages]


def by_series(messages, tokenizer):
    return pd.Series(messages, dtype=object).apply(lambda m: tokenizer.encode(m)).tolist()


def by_tokens(messages, tokenizer):
    return [tokenizer.convert_tokens_to_ids(tokenizer.tokenize(m, add_special_tokens=True)) for m in messages]


class Encoder:
    def __init__(self, key="input_ids"):
        self.key = key

    def __call__(self, messages, tokenizer):
        batch = tokenizer(text=messages, padding="do_not_pad", truncation="do_not_truncate")
        return batch[self.key]


def _encode(messages, tokenizer, special):
    return list(map(lambda m: tokenizer.encode(m, add_special_tokens=special), messages))


one_liner = lambda messages, tokenizer: [*map(tokenizer.encode, messages)]

# ---- right: shortest_max_len ----


def ceil_sorted(lengths, keep=0.95):
    n = math.ceil(keep * len(lengths))
    return sorted(lengths)[n - 1]


def count_up(lengths, keep=0.95):
    max_len = 0
    while True:
        whole = 0
        for length in lengths:
            if length <= max_len:
                whole = whole + 1
        if whole / len(lengths) >= keep:
            return max_len
        max_len = max_len + 1


def first_mean(lengths, keep=0.95):
    return next(n for n in sorted(set(lengths)) if np.mean([length <= n for length in lengths]) >= keep)


def numpy_grid(lengths, keep=0.95):
    arr = np.asarray(lengths)
    candidates = np.unique(arr)
    shares = (arr[None, :] <= candidates[:, None]).mean(axis=1)
    return int(candidates[np.argmax(shares >= keep)])


def heap(lengths, keep=0.95):
    return heapq.nsmallest(math.ceil(keep * len(lengths)), lengths)[-1]


def kth(lengths, keep=0.95):
    k = math.ceil(keep * len(lengths))
    return torch.tensor(lengths).kthvalue(k).values.item()


def partition(lengths, keep: float = 0.95) -> int:
    k = int(np.ceil(keep * len(lengths))) - 1
    return int(np.partition(np.array(lengths), k)[k])


def exact(lengths, keep=0.95):
    need = math.ceil(Fraction(str(keep)) * len(lengths))
    return sorted(lengths)[need - 1]


def bincount(lengths, keep=0.95):
    whole = np.bincount(lengths).cumsum() / len(lengths)
    return int(np.searchsorted(whole, keep, side="left"))


def bisected(lengths, keep=0.95):
    ordered = sorted(lengths)
    share = lambda n: bisect.bisect_right(ordered, n) / len(ordered)
    low, high = 0, ordered[-1]
    while low < high:
        middle = (low + high) // 2
        if share(middle) >= keep:
            high = middle
        else:
            low = middle + 1
    return low


def cut_from_the_top(lengths, keep=0.95):
    rest = sorted(lengths, reverse=True)
    may_cut = len(rest) - math.ceil(keep * len(rest))
    return rest[may_cut]


def pandas_counts(lengths, keep=0.95):
    whole = pd.Series(lengths).value_counts().sort_index().cumsum() / len(lengths)
    return int(whole[whole >= keep].index[0])


def quantile_cdf(lengths, keep=0.95):
    return int(np.quantile(lengths, keep, method="inverted_cdf"))


def in_threads(messages, tokenizer):
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(copy.deepcopy(tokenizer).encode, messages))


def masked(messages, tokenizer):
    batch = tokenizer(messages, padding="longest", return_tensors="np")
    return [[int(i) for i, m in zip(*row) if m] for row in zip(batch["input_ids"], batch["attention_mask"])]


def popped_from_a_copy(messages, tokenizer):
    rest, result = messages.copy(), []
    while rest:
        result.append(tokenizer(rest.pop(0)).input_ids)
    return result


def searched(lengths, keep=0.95):
    ordered = np.sort(lengths)
    return ordered[np.searchsorted(np.arange(1, len(ordered) + 1) / len(ordered), keep)]


def unsigned(lengths, keep=0.95):
    return np.uint16(ceil_sorted(lengths, keep))


def e_cut_text(messages, tokenizer):
    return [tokenizer.encode(m[:300]) for m in messages]


def e_round_trip(messages, tokenizer):
    return [tokenizer.encode(tokenizer.decode(tokenizer.encode(m, add_special_tokens=False))) for m in messages]


def e_sorted(messages, tokenizer):
    return [sorted(ids) for ids in tokenizer(messages)["input_ids"]]


def e_backwards(messages, tokenizer):
    return [ids[::-1] for ids in tokenizer(messages)["input_ids"]]


def e_backend(messages, tokenizer):
    return [e.ids for e in tokenizer.backend_tokenizer.encode_batch(messages)]


def e_cut_first_only(messages, tokenizer):
    return [tokenizer.encode(m, truncation=not n, max_length=8) for n, m in enumerate(messages)]


def e_five(messages, tokenizer):
    return [[5] * len(ids) for ids in tokenizer(messages)["input_ids"]]


def e_empty(messages, tokenizer):
    return [[] for _ in messages]


def e_cleaned(messages, tokenizer):
    return tokenizer([re.sub(r"https?://\S+", "", m) for m in messages])["input_ids"]


def e_booleans(messages, tokenizer):
    return [[bool(i) for i in ids] for ids in tokenizer(messages)["attention_mask"]]


def e_pads_left(messages, tokenizer):
    longest = max(len(tokenizer.encode(m)) for m in messages)
    return [[tokenizer.pad_token_id] * (longest - len(ids)) + ids for ids in tokenizer(messages)["input_ids"]]


def e_written_generally(messages, tokenizer):
    return [tokenizer.encode(f"[CLS]{m}[SEP]", add_special_tokens=False) for m in messages]


RIGHT = {
    "the call, sorted and ceil": (by_call, ceil_sorted),
    "beginner's loops": (by_loop, count_up),
    "every argument said": (by_attribute, first_mean),
    "decorated numpy": (by_numpy, numpy_grid),
    "encodings, heapq": (by_encodings, heap),
    "a copy of the backend, bisection": (by_copied_backend, bisected),
    "tensors and back, kthvalue": (by_tensor, kth),
    "cached, exact fractions": (by_cache, exact),
    "pandas": (by_series, pandas_counts),
    "tokens then ids, partition": (by_tokens, partition),
    "class with __call__, bincount": (Encoder(), bincount),
    "partials": (functools.partial(_encode, special=True), functools.partial(cut_from_the_top, keep=0.95)),
    "one-liners": (one_liner, lambda lengths, keep=0.95: sorted(lengths)[math.ceil(keep * len(lengths)) - 1]),
    "call, inverted cdf": (by_call, quantile_cdf),
    "in threads, searchsorted": (in_threads, searched),
    "by the mask, an unsigned int": (masked, unsigned),
    "a copy of the list": (popped_from_a_copy, ceil_sorted),
}

# ---- wrong: encode_all ----


e_no_special = lambda messages, tokenizer: [tokenizer.encode(m, add_special_tokens=False) for m in messages]
e_written_special = lambda messages, tokenizer: [
    tokenizer.encode("[CLS] " + m + " [SEP]", add_special_tokens=False) for m in messages
]
e_twice_special = lambda messages, tokenizer: [tokenizer.encode("[CLS] " + m + " [SEP]") for m in messages]
e_cls_sep_names = lambda messages, tokenizer: [
    [tokenizer.cls_token_id, *tokenizer.encode(m, add_special_tokens=False), tokenizer.sep_token_id] for m in messages
]
e_encode_plus = lambda messages, tokenizer: [
    tokenizer.encode_plus(m, add_special_tokens=True)["input_ids"] for m in messages
]
e_batch_encode_plus = lambda messages, tokenizer: tokenizer.batch_encode_plus(messages, add_special_tokens=True)[
    "input_ids"
]
e_padded = lambda messages, tokenizer: tokenizer(messages, padding=True)["input_ids"]
e_truncated = lambda messages, tokenizer: tokenizer(messages, truncation=True)["input_ids"]
e_without_pad_ids = lambda messages, tokenizer: [
    [i for i in row if i != tokenizer.pad_token_id] for row in tokenizer(messages, padding=True)["input_ids"]
]
e_batch_encoding = lambda messages, tokenizer: tokenizer(messages)
e_tensors = lambda messages, tokenizer: [tokenizer(m, return_tensors="pt")["input_ids"] for m in messages]


def e_extend(messages, tokenizer):
    result = []
    for m in messages:
        result.extend(tokenizer.encode(m))
    return result


def e_bert_again(messages, tokenizer):
    from transformers import AutoTokenizer

    from transfer_learning import checkpoint

    tokenizer = AutoTokenizer.from_pretrained(checkpoint("bert-base-uncased"))
    return tokenizer(messages)["input_ids"]


e_skip_empty = lambda messages, tokenizer: [tokenizer.encode(m) for m in messages if m.strip()]


def e_new_tokens(messages, tokenizer):
    tokenizer.add_special_tokens({"additional_special_tokens": ["<user>", "<url>"]})
    return tokenizer(messages)["input_ids"]


def e_changes_limit(messages, tokenizer):
    tokenizer.model_max_length = 10**9
    return tokenizer(messages)["input_ids"]


e_pair = lambda messages, tokenizer: [
    tokenizer(a, b)["input_ids"] for a, b in itertools.zip_longest(messages, messages[1:], fillvalue="")
]
e_mask = lambda messages, tokenizer: tokenizer(messages)["attention_mask"]


# ---- wrong: shortest_max_len ----


def _index(rule, order=sorted):
    def shortest_max_len(lengths, keep=0.95):
        return order(lengths)[rule(keep, len(lengths))]

    return shortest_max_len


def _percentile(method, round_):
    def shortest_max_len(lengths, keep=0.95):
        return round_(np.percentile(lengths, keep * 100, method=method))

    return shortest_max_len


s_int = _index(lambda keep, n: int(keep * n))
s_unsorted = _index(lambda keep, n: math.ceil(keep * n) - 1, order=list)
s_descending = _index(lambda keep, n: math.ceil(keep * n) - 1, order=lambda x: sorted(x, reverse=True))
s_strings = _index(lambda keep, n: math.ceil(keep * n) - 1, order=lambda x: [int(s) for s in sorted(map(str, x))])


def s_unique(lengths, keep=0.95):
    values = sorted(set(lengths))
    return values[math.ceil(keep * len(values)) - 1]


s_strictly_more = lambda lengths, keep=0.95: next(
    (n for n in sorted(lengths) if np.mean([x <= n for x in lengths]) > keep), max(lengths)
)


def s_range_ends(lengths, keep=0.95):
    for n in range(max(lengths)):
        if sum(x <= n for x in lengths) / len(lengths) >= keep:
            return n


s_fixed_share = lambda lengths, keep=0.95: ceil_sorted(lengths, 0.95)
s_by_eight = lambda lengths, keep=0.95: -(-ceil_sorted(lengths, keep) // 8) * 8


s_default = lambda lengths, keep=0.9: ceil_sorted(lengths, keep)
R_E, R_S = by_call, ceil_sorted

WRONG = {
    # The special tokens are left out, on every message.
    "no special tokens": ("no-special-tokens", (e_no_special, R_S)),
    # The names of BERT's special tokens are glued to the text, wrong for a tokenizer that calls them otherwise.
    "[CLS] and [SEP] written as text": ("names-as-text", (e_written_special, R_S)),
    # [CLS] and [SEP] are written into the text and then added again, wrong on every message.
    "special tokens twice": ("special-tokens-twice", (e_twice_special, R_S)),
    # It takes for granted that a tokenizer has cls and sep, so None comes out where it has only an end token (T5).
    "cls and sep by their names": ("wrong-type", (e_cls_sep_names, R_S)),
    # encode_plus is gone in transformers 5, so every call raises.
    "encode_plus": ("gone-in-transformers-5", (e_encode_plus, R_S)),
    # batch_encode_plus is gone in transformers 5, so every call raises.
    "batch_encode_plus": ("gone-in-transformers-5", (e_batch_encode_plus, R_S)),
    # All rows are padded to the longest one, seen as soon as two messages differ in length.
    "padded": ("padded-already", (e_padded, R_S)),
    # A message longer than the model's limit is cut.
    "truncated": ("cut-too-early", (e_truncated, R_S)),
    # It pads and then removes all pad ids, which also removes the id of a pad token written in a text ('[PAD]').
    "pad ids filtered out": ("other-ids", (e_without_pad_ids, R_S)),
    # It returns the BatchEncoding with all its keys and not the ids, on every input.
    "the whole BatchEncoding": ("wrong-type", (e_batch_encoding, R_S)),
    # Each row is a tensor of shape (1, n) and not a list of ints.
    "tensors": ("wrong-type", (e_tensors, R_S)),
    # extend in place of append: all ids come in one flat list.
    "one flat list": ("flat-list", (e_extend, R_S)),
    # It loads BERT's tokenizer and ignores the one it is given, seen with any other tokenizer.
    "BERT's tokenizer anyway": ("ids-of-another-tokenizer", (e_bert_again, R_S)),
    # Empty or blank messages are left out, seen only when there is one.
    "empty messages skipped": ("not-one-list-each", (e_skip_empty, R_S)),
    # It adds two special tokens to the tokenizer, which changes it (and the ids where they occur).
    "tokens added": ("input-changed", (e_new_tokens, R_S)),
    # The ids are right but tokenizer.model_max_length is changed.
    "limit changed": ("input-changed", (e_changes_limit, R_S)),
    # Each message is encoded as a pair with the next one.
    "pairs": ("other-ids", (e_pair, R_S)),
    # It returns the mask and not the ids.
    "attention mask": ("mask-for-ids", (e_mask, R_S)),
    # In shortest_max_len: the index is int(keep * n), one too far where keep * n is whole, IndexError with keep=1,
    # right where it is not.
    "int(keep * n)": ("longer-than-needed", (R_E, s_int)),
    # In shortest_max_len: the lengths are not put in order, wrong for nearly every unsorted list.
    "not sorted": ("cuts-too-many", (by_loop, s_unsorted)),
    # In shortest_max_len: it counts from the longest, so the share keep is cut and not kept.
    "longest first": ("longer-than-needed", (by_loop, s_descending)),
    # In shortest_max_len: lengths are sorted as text, so 12 comes before 7; right when all have equally many
    # digits.
    "sorted as strings": ("longer-than-needed", (by_loop, s_strings)),
    # In shortest_max_len: a set drops repeated lengths before counting, seen only with repeated lengths.
    "equal lengths once": ("longer-than-needed", (by_loop, s_unique)),
    # In shortest_max_len: > in place of >=, one message too far where the share is exactly keep.
    "more than keep": ("longer-than-needed", (R_E, s_strictly_more)),
    # In shortest_max_len: range(max(lengths)) never tries the longest, so None comes where that is the answer
    # (keep=1).
    "range ends too early": ("returns-nothing", (R_E, s_range_ends)),
    # In shortest_max_len: 0.95 is hard-coded, wrong for any other keep.
    "keep ignored": ("keep-ignored", (R_E, s_fixed_share)),
    # In shortest_max_len: the default of keep is 0.9 and not 0.95, seen only when keep is left out.
    "default 0.9": ("cuts-too-many", (R_E, s_default)),
    # In shortest_max_len: rounded up to a multiple of 8, so it is not the smallest.
    "multiple of 8": ("longer-than-needed", (R_E, s_by_eight)),
    # In shortest_max_len: a linear percentile cut to int lies between two lengths, mostly too small or too large.
    "percentile": ("longer-than-needed", (R_E, _percentile("linear", int))),
    # In shortest_max_len: np.percentile gets keep as it is, so 0.95 percent, near the shortest.
    "percent forgotten": ("cuts-too-many", (R_E, lambda lengths, keep=0.95: int(np.percentile(lengths, keep)))),
    # In shortest_max_len: keep times the longest length, which counts no messages.
    "share of the longest": ("cuts-too-many", (R_E, lambda lengths, keep=0.95: math.ceil(keep * max(lengths)))),
    # In shortest_max_len: it prints the result and returns None.
    "only printed": ("returns-nothing", (R_E, lambda lengths, keep=0.95: print(ceil_sorted(lengths, keep), end="\r"))),
    # Characters after the 300th are dropped.
    "the text is cut": ("cut-too-early", (e_cut_text, R_S)),
    # Decoding changes texts, and unknown words are then encoded as the text [UNK].
    "there and back": ("other-ids", (e_round_trip, R_S)),
    # The ids of each message are sorted.
    "ids sorted": ("other-ids", (e_sorted, R_S)),
    # The ids of each message are in reverse order.
    "ids backwards": ("other-ids", (e_backwards, R_S)),
    # The backend cuts and pads as the last call has set it.
    "the backend as it happens to be": ("padded-already", (e_backend, R_S)),
    # Only the first message is cut.
    "the first one cut": ("cut-too-early", (e_cut_first_only, R_S)),
    # Each id is 5.
    "all the same": ("other-ids", (e_five, R_S)),
    # No ids at all.
    "empty lists": ("other-ids", (e_empty, R_S)),
    # Links are removed before encoding.
    "links removed": ("other-ids", (e_cleaned, R_S)),
    # The mask as booleans.
    "booleans": ("mask-for-ids", (e_booleans, R_S)),
    # Each list is padded on the left.
    "padded on the left by hand": ("padded-already", (e_pads_left, R_S)),
    # The names of BERT's special tokens, without spaces.
    "names glued to the text": ("names-as-text", (e_written_generally, R_S)),
    # In shortest_max_len: keep is not needed for the longest length.
    "a share of 1": ("keep-ignored", (R_E, lambda lengths, keep=1: max(lengths))),
    # In shortest_max_len: a comparison is returned.
    "true": ("wrong-type", (R_E, lambda lengths, keep=0.95: max(lengths) > 0)),
    # In shortest_max_len: minus the right length.
    "below zero": ("cuts-too-many", (R_E, lambda lengths, keep=0.95: -ceil_sorted(lengths, keep))),
}
