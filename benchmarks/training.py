"""What the scripts of lessons 09 and 10 share: the tweets in three parts, and training, scoring and using a classifier.

The loop is lesson 08's, in batches of similar lengths, on whatever device there is.
"""

import copy
import functools
import html
import itertools
import math
import sys
from pathlib import Path

import ftfy
import numpy as np
import torch
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import StratifiedGroupKFold, train_test_split
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    get_linear_schedule_with_warmup,
    logging,
)
from transformers.trainer_pt_utils import LengthGroupedSampler

from transfer_learning import LABELS, checkpoint, load_tweets
from transfer_learning.tweets import RETWEET_OR_LINK

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tools"))
SHIPPED = ROOT / "data" / "climate_tweets.csv"
BATCH_SIZE, MAX_LEN = 16, 64
NAMES = list(LABELS.values())  # the name of class 0, 1, 2, 3
logging.set_verbosity_error()


def device():
    return "cuda" if torch.cuda.is_available() else "cpu"


@functools.cache
def tokenizer():
    return AutoTokenizer.from_pretrained(checkpoint("bert-base-uncased"))


def encode(texts):
    """Return the ids of each text, a list of lists, cut to `MAX_LEN`."""
    return tokenizer()(list(texts), truncation=True, max_length=MAX_LEN)["input_ids"]


# --- data ---------------------------------------------------------------------------------------------------


class Data:
    """Tweets cleaned as in lesson 03, labels from 0; of near-copies (the same words) only the first."""

    def __init__(self, path=SHIPPED):
        df = load_tweets(path)
        texts = df["message"].map(html.unescape).map(ftfy.fix_encoding)
        plain = texts.str.replace(RETWEET_OR_LINK, "", regex=True).str.lower()
        plain = plain.str.replace(r"\W+", " ", regex=True).str.strip()
        once = ~plain.duplicated()
        self.texts = texts[once].to_numpy(dtype=object)
        self.labels = df["sentiment"][once].to_numpy() + 1
        # a retweet is cut off at 140 characters, so copies differ at the end
        self.groups = plain[once].str[:50].to_numpy()

    def parts(self, seed, val=1, test=2):
        """Return the row numbers of train, validation and test; the latter two have so many tenths of the rows.

        Each seed splits anew; tweets that begin alike stay together, and classes are in proportion.
        """
        folds = StratifiedGroupKFold(n_splits=10, shuffle=True, random_state=seed)
        tenths = [rows for _, rows in folds.split(self.texts, self.labels, self.groups)]
        sizes = (0, test, test + val, 10)
        test, val, train = (np.sort(np.concatenate(tenths[a:b])) for a, b in itertools.pairwise(sizes))
        return train, val, test

    def draw(self, rows, size, seed):
        """Draw `size` of these rows, classes in proportion; all of them where `size` is None."""
        if size is None:
            return rows
        return train_test_split(rows, train_size=size, random_state=seed, stratify=self.labels[rows])[0]

    @functools.cached_property
    def ids(self):
        return encode(self.texts)


def class_weights(labels, power):
    """Return four weights with mean 1 over the rows: rare classes count more; power 0 is none, 1 is "balanced"."""
    counts = np.bincount(labels, minlength=len(NAMES))
    weights = np.where(counts > 0, (len(labels) / len(NAMES) / np.maximum(counts, 1)) ** power, 1.0)
    return weights / np.average(weights, weights=counts)


# --- networks -----------------------------------------------------------------------------------------------


def classifier(pretrained=True):
    """The library's classifier on the course's BERT: pretrained body and new head, or all weights random."""
    name, names = checkpoint("bert-base-uncased"), dict(enumerate(NAMES))
    options = {"num_labels": len(NAMES), "id2label": names, "label2id": {name: n for n, name in names.items()}}
    model = AutoModelForSequenceClassification.from_pretrained(name, **options)
    return model if pretrained else AutoModelForSequenceClassification.from_config(model.config)


def lora(rank=8):
    """The same with LoRA on queries and values: these small matrices and the head are all that is trained."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        task_type="SEQ_CLS", r=rank, lora_alpha=2 * rank, lora_dropout=0.1, target_modules=["query", "value"]
    )
    return get_peft_model(classifier(), config)


def padded(ids, on):
    """Return input ids and mask of a batch, padded to its longest text, on the device `on`."""
    rows = [torch.tensor(row) for row in ids]
    lengths = torch.tensor([len(row) for row in rows])
    input_ids = pad_sequence(rows, batch_first=True, padding_value=tokenizer().pad_token_id)
    mask = (torch.arange(input_ids.shape[1]) < lengths[:, None]).long()
    return {"input_ids": input_ids.to(on), "attention_mask": mask.to(on)}


def predict(model, ids, size=128):
    """Return the probabilities of every text, shape (texts, classes), in the order of `ids`."""
    model.eval()
    on = next(model.parameters()).device
    order = np.argsort([len(row) for row in ids], kind="stable")
    with torch.inference_mode():
        logits = [
            model(**padded([ids[i] for i in order[at : at + size]], on))["logits"] for at in range(0, len(ids), size)
        ]
    return torch.cat(logits).float().softmax(dim=-1).cpu().numpy()[np.argsort(order)]


def scores(labels, probabilities):
    """Return macro-F1 and accuracy."""
    said = probabilities.argmax(axis=1)
    return f1_score(labels, said, average="macro", zero_division=0), accuracy_score(labels, said)


def fit(model, ids, labels, val_ids, val_labels, epochs, rate, head_rate=None, weights=None, seed=0):
    """Train as lesson 08 does, score validation after each epoch, and leave the best epoch's weights in the model.

    AdamW, the learning rate up over a tenth of the steps and then down to 0, batches of similar lengths, gradients
    clipped to norm 1. `head_rate` is the learning rate of the head (default: that of the rest), `weights` are those
    of the classes in the loss. Returns the macro-F1 on validation, one number an epoch.
    """
    on = next(model.parameters()).device
    labels, weights = torch.as_tensor(labels).to(on), torch.as_tensor(weights, dtype=torch.float32).to(on)
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    groups = [
        {"params": [p for name, p in trained.items() if "classifier" not in name], "lr": rate},
        {"params": [p for name, p in trained.items() if "classifier" in name], "lr": head_rate or rate},
    ]
    optimizer = torch.optim.AdamW(groups, fused=True)
    generator = torch.Generator().manual_seed(seed)
    sampler = LengthGroupedSampler(BATCH_SIZE, lengths=[len(row) for row in ids], generator=generator)
    loader = DataLoader(range(len(ids)), batch_size=BATCH_SIZE, sampler=sampler, collate_fn=list)
    steps = epochs * math.ceil(len(ids) / BATCH_SIZE)
    schedule = get_linear_schedule_with_warmup(optimizer, steps // 10, steps)
    history, best = [], None
    for _ in range(epochs):
        model.train()
        for rows in loader:
            logits = model(**padded([ids[row] for row in rows], on))["logits"]
            cross_entropy(logits, labels[rows], weight=weights).backward()
            torch.nn.utils.clip_grad_norm_(trained.values(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        history.append(scores(val_labels, predict(model, val_ids))[0])
        if history[-1] == max(history):
            best = copy.deepcopy({name: p.data for name, p in trained.items()})
    for name, p in trained.items():
        p.data.copy_(best[name])
    return history
