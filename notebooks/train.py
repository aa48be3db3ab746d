"""Finetune BERT on tweets: the same file on one process, on several, and on a cluster.

python train.py                                             one process
torchrun --standalone --nproc-per-node 2 train.py --cpu     two, on this machine's processor
torchrun --nnodes 4 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint HOST:29500 train.py     32 GPUs
"""

import argparse
import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import sys
import time
import zlib
from datetime import timedelta
from pathlib import Path

import torch
from accelerate import Accelerator, DataLoaderConfiguration, DistributedDataParallelKwargs, InitProcessGroupKwargs
from accelerate.utils import gather_object, set_seed
from datasets import load_dataset
from datasets.distributed import split_dataset_by_node
from sklearn.metrics import accuracy_score, f1_score
from transformers import AutoModelForSequenceClassification, AutoTokenizer, get_linear_schedule_with_warmup, logging

from transfer_learning import LABELS, TweetFileError, checkpoint, load_tweets
from transfer_learning.tweets import DEFAULT, RETWEET_OR_LINK


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--tweets", default=os.environ.get("TWEETS_CSV") or str(DEFAULT), help="a CSV file")
    add("--stream", action="store_true", help="read the file as it goes, hold no table in memory")
    add("--rows", type=int, help="only the first so many of the file")
    add("--epochs", type=int, default=1)
    add("--batch-size", type=int, default=32, help="rows a step, all processes together")
    add("--learning-rate", type=float, default=1e-4)
    add("--dropout", type=float, default=0.1)
    add("--layers", type=int, default=6, help="how many layers of the network to use, from the first on")
    add("--seed", type=int, default=0)
    add("--mixed-precision", choices=["no", "bf16", "fp16"], default="no")
    add("--out", type=Path, default="run", help="folder for checkpoints, result.json and the model")
    add("--checkpoint-every", type=int, default=10**9, metavar="STEPS", help="besides the end of each epoch")
    add("--resume", action="store_true", help="go on from the newest checkpoint in --out")
    add("--trace", action="store_true", help="note in --out which process had which rows")
    add("--cpu", action="store_true", help="leave the GPU alone")
    return parser.parse_args()


class Stop(Exception):
    """The run cannot go on; the message says why, and what to do."""


def part_of(message):
    """A tweet's part, from its text alone: a tweet and its retweets agree, on every process."""
    plain = re.sub(RETWEET_OR_LINK, "", message).lower()
    plain = re.sub(r"\W+", " ", plain).strip()[:50]
    return "validation" if zlib.crc32(plain.encode()) % 5 == 0 else "train"


def read(args, part):
    """The rows of one part: a list, or with --stream something that reads the file anew each time."""
    if not args.stream:
        df = load_tweets(args.tweets)[: args.rows]
        df = df.assign(row=df.index, label=df["sentiment"] + 1)
        return df[df["message"].map(part_of) == part].to_dict("records")
    rows = load_dataset("csv", data_files=args.tweets, split="train", streaming=True, keep_default_na=False)
    rows = rows.take(args.rows) if args.rows else rows
    rows = rows.map(lambda row, n: {"row": n, "label": row["sentiment"] + 1}, with_indices=True)
    return rows.filter(lambda row: part_of(row["message"]) == part)


def share(rows, rank, world, seed=0, epoch=None, skip=0):
    """One process's share of the rows: every `world`-th, from number `rank` on. If an epoch is given, they are mixed
    before, in an order that depends on seed and epoch only; `skip` of them are done already."""
    if isinstance(rows, list):
        mixed = torch.Generator().manual_seed(seed + (epoch or 0))
        order = range(len(rows)) if epoch is None else torch.randperm(len(rows), generator=mixed).tolist()
        return [rows[n] for n in order[skip:][rank::world]]
    rows = rows if epoch is None else rows.shuffle(seed=seed, buffer_size=1000)
    rows = split_dataset_by_node(rows.skip(skip), rank=rank, world_size=world)
    rows.set_epoch(epoch or 0)  # last: the two lines above forget it
    return rows


class Training:
    def __init__(self, args, accelerator):
        self.args, self.accelerator = args, accelerator
        self.rank, self.world = accelerator.process_index, accelerator.num_processes
        if args.batch_size < 1 or args.batch_size % self.world:
            raise Stop(f"{self.world} processes cannot share {args.batch_size} rows: choose a multiple as --batch-size")
        quiet = contextlib.redirect_stdout(sys.stdout if accelerator.is_main_process else None)
        with accelerator.local_main_process_first(), quiet:  # the first prepares the checkpoint, the others find it
            name = checkpoint("bert-base-uncased")
        self.tokenizer = AutoTokenizer.from_pretrained(name)
        self.train, self.validation = read(args, "train"), read(args, "validation")
        self.count = sum(1 for _ in self.train)
        self.steps = -(-self.count // args.batch_size)  # in an epoch; the last one may have fewer rows
        if not self.count or not any(True for _ in self.validation):
            raise Stop("no rows for training, or none for validation: choose more --rows")
        set_seed(args.seed)  # the new head: the same on every process
        options = {"num_hidden_layers": args.layers, "id2label": {n: LABELS[n - 1] for n in range(4)}}
        options |= {"hidden_dropout_prob": args.dropout, "attention_probs_dropout_prob": args.dropout}
        model = AutoModelForSequenceClassification.from_pretrained(name, **options)
        set_seed(args.seed, device_specific=True)  # dropout: different on every process
        optimizer = torch.optim.AdamW(model.parameters(), lr=args.learning_rate, fused=True)
        total = args.epochs * self.steps
        schedule = get_linear_schedule_with_warmup(optimizer, total // 10, total)
        self.model, self.optimizer, self.schedule = accelerator.prepare(model, optimizer, schedule)
        self.step, self.losses, self.scores = 0, [], []

    def batches(self, part, rows, **order):
        """This process's batches; after the last one, empty ones without end."""
        rows, size = iter(share(rows, self.rank, self.world, **order)), self.args.batch_size // self.world
        while True:
            own = list(itertools.islice(rows, size))
            if self.args.trace:
                with open(self.args.out / f"rows_{self.rank}.csv", "a") as file:
                    file.writelines(f"{part},{self.step},{row['row']}\n" for row in own)
            # an empty batch is one empty text with a label that cross_entropy leaves out
            texts, labels = [row["message"] for row in own] or [""], [row["label"] for row in own] or [-100]
            inputs = self.tokenizer(texts, padding=True, truncation=True, max_length=64, return_tensors="pt")
            yield inputs.to(self.accelerator.device), torch.tensor(labels, device=self.accelerator.device), len(own)

    def train_epoch(self, epoch):
        self.model.train()
        done = (self.step - epoch * self.steps) * self.args.batch_size
        batches = self.batches("train", self.train, seed=self.args.seed, epoch=epoch, skip=done)
        while self.step < (epoch + 1) * self.steps:
            inputs, labels, count = next(batches)
            loss = torch.nn.functional.cross_entropy(self.model(**inputs).logits, labels, reduction="sum")
            sums = torch.tensor([count, loss.item()], device=loss.device)
            count, total = self.accelerator.reduce(sums, reduction="sum").tolist()  # over all processes
            self.accelerator.backward(loss * self.world / count)  # averaged over processes: the mean over rows
            self.accelerator.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.schedule.step()
            self.optimizer.zero_grad()
            self.step += 1
            self.losses.append(total / count)
            if self.step % self.args.checkpoint_every == 0 and self.step % self.steps:
                self.save()

    @torch.no_grad()
    def evaluate(self):
        """Scores over all rows of the validation part, each counted once."""
        model, found = self.accelerator.unwrap_model(self.model).eval(), []  # unwrapped: it waits for no other process
        for inputs, labels, count in self.batches("validation", self.validation):
            if not count:
                break
            found += zip(labels.tolist(), model(**inputs).logits.argmax(dim=-1).tolist())
        labels, predictions = zip(*gather_object(found))  # of all processes; the lists may differ in length
        f1 = f1_score(labels, predictions, average="macro", zero_division=0)
        return {"rows": len(labels), "accuracy": accuracy_score(labels, predictions), "macro_f1": float(f1)}

    def state(self):
        names = "rows epochs batch_size learning_rate dropout layers seed mixed_precision stream".split()
        settings = {**{name: getattr(self.args, name) for name in names}, "rows for training": self.count}
        return {"step": self.step, "losses": self.losses, "scores": self.scores, "settings": settings}

    def save(self):
        folder = self.args.out / f"step_{self.step:06}"
        part = folder.with_suffix(".part")  # renamed when complete: a run killed here keeps the older one
        self.accelerator.save_state(str(part))
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            (part / "state.json").write_text(json.dumps(self.state()))
            part.rename(folder)
            for old in set(self.args.out.glob("step_*")) - {folder}:
                shutil.rmtree(old)

    def load(self, folder):
        state = json.loads((folder / "state.json").read_text())
        now, then = self.state()["settings"], state["settings"]
        if other := [f"{key} {then[key]}, now {now[key]}" for key in now if now[key] != then[key]]:
            raise Stop(f"--resume: {folder} was made with other settings: {'; '.join(other)}")
        self.accelerator.load_state(str(folder))
        self.step, self.losses, self.scores = state["step"], state["losses"], state["scores"]

    def run(self):
        out, kept, say = self.args.out, newest(self.args.out), self.accelerator.print
        if self.args.resume and not kept:
            raise Stop(f"--resume: no checkpoint in {out}. Name another --out, or begin without --resume")
        if kept and not self.args.resume:
            raise Stop(f"{out} holds a run: add --resume to go on with it, or name another --out")
        out.mkdir(parents=True, exist_ok=True)
        if kept:
            self.load(kept)
        each = self.args.batch_size // self.world
        say(f"{self.count} rows; processes: {self.world}, with {each} rows a step each; begins after step {self.step}")
        for epoch in range(self.step // self.steps, self.args.epochs):
            started, before = time.perf_counter(), self.step
            self.train_epoch(epoch)
            seconds, loss = time.perf_counter() - started, sum(self.losses[epoch * self.steps :]) / self.steps
            self.scores.append(self.evaluate())
            text = f"epoch {epoch + 1}: {self.step - before} steps in {seconds:.1f} s, loss {loss:.3f}; validation, "
            text += "{rows} rows: accuracy {accuracy:.3f}, macro-F1 {macro_f1:.3f}"
            say(text.format(**self.scores[-1]), flush=True)
            self.save()
        if self.accelerator.is_main_process:
            (out / "result.json").write_text(json.dumps(self.state()))
            self.accelerator.unwrap_model(self.model).save_pretrained(out / "model")
            self.tokenizer.save_pretrained(out / "model")


def newest(out):
    return max((folder for folder in out.glob("step_*") if folder.suffix != ".part"), default=None)


def main():
    args = arguments()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    accelerator = Accelerator(
        cpu=args.cpu,
        mixed_precision=args.mixed_precision,
        dataloader_config=DataLoaderConfiguration(split_batches=True),  # one step of the schedule for each of ours
        kwargs_handlers=[
            InitProcessGroupKwargs(timeout=timedelta(minutes=5)),  # then a silent process counts as dead
            DistributedDataParallelKwargs(gradient_as_bucket_view=True),  # one copy of the gradients, not two
        ],
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # being told to stop is an exception, too
    try:
        Training(args, accelerator).run()
    except (Stop, TweetFileError, FileNotFoundError) as error:
        accelerator.print(f"train.py: {error}", file=sys.stderr, flush=True)
        accelerator.wait_for_everyone()  # if one ends, the launcher stops the others, perhaps before they have spoken
        sys.exit(2)
    except (RuntimeError, KeyboardInterrupt) as error:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # let it speak
        # what gloo and NCCL raise when another process is gone has no class of its own
        lost = accelerator.num_processes > 1 and re.search("gloo|nccl|peer|timed out", str(error), re.IGNORECASE)
        if isinstance(error, RuntimeError) and not lost:
            raise
        kept, who = newest(args.out), f"train.py, process {accelerator.process_index}"
        what = "another process died or fell silent, or this one was told to stop"
        then = f"add --resume to go on from {kept}" if kept else "there is no checkpoint yet, begin again"
        print(f"{who}: {what}; {then}", file=sys.stderr, flush=True)
        os._exit(1)  # at once: a tidy end would wait for the dead
    accelerator.end_training()


if __name__ == "__main__":
    main()
