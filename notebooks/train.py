"""Finetune BERT on tweets, on one process or on many. If it was stopped, it resumes from its last checkpoint.

python train.py                            one process
torchrun --nproc-per-node 2 train.py       two on this machine, each with half of every batch
"""

import argparse
import json
import shutil
import time
from pathlib import Path

import torch
import transformers
from accelerate import Accelerator, DataLoaderConfiguration
from sklearn.metrics import f1_score
from sklearn.model_selection import GroupShuffleSplit
from torch.utils.data import DataLoader
from transformers import AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding

from transfer_learning import checkpoint, load_tweets

# rows, layers: only the first so many; batch_size: of all processes together
OPTIONS = {"rows": 320, "layers": 2, "epochs": 2, "batch_size": 32, "save_every": 4, "lr": 1e-3, "dropout": 0.1}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="run", help="folder for checkpoints and the trained model")
    for name, default in OPTIONS.items():
        parser.add_argument(f"--{name}", type=type(default), default=default, help=f"default: {default}")
    return parser.parse_args()


def read(args, tokenizer):
    """Return the rows for training and those for validation; retweets are in the same part as their tweet."""
    df = load_tweets()[: args.rows]
    ids = tokenizer(list(df["message"]), truncation=True, max_length=64)["input_ids"]
    rows = [{"input_ids": text, "label": label + 1} for text, label in zip(ids, df["sentiment"])]
    tweet = df["message"].str.replace(r"^(RT @\w+:\s*)+|http\S*", "", regex=True).str.lower().str[:50]
    parts = GroupShuffleSplit(n_splits=1, test_size=0.2, random_state=0).split(rows, groups=tweet)
    return [[rows[n] for n in part] for part in next(parts)]


def load(args, accelerator):
    """Return the tokenizer, and the pretrained network with a new classification head."""
    transformers.logging.set_verbosity_error()
    with accelerator.local_main_process_first():  # one process prepares the files, the others find them
        name = checkpoint("bert-base-uncased")
    options = dict.fromkeys(["hidden_dropout_prob", "attention_probs_dropout_prob"], args.dropout)
    options |= {"num_hidden_layers": args.layers, "num_labels": 4}
    return AutoTokenizer.from_pretrained(name), AutoModelForSequenceClassification.from_pretrained(name, **options)


@torch.no_grad()
def predict(accelerator, model, loader):
    """Return all rows' labels and predictions, on every process."""
    model.eval()
    found = []
    for batch in loader:
        found.append(accelerator.gather_for_metrics((batch["labels"], model(**batch).logits.argmax(dim=-1))))
    return [torch.cat(parts).tolist() for parts in zip(*found)]


def save(accelerator, out, progress):
    """Write a checkpoint. It gets its name when it is complete, and only then are older ones deleted."""
    older, part = list(out.glob("step_*")), out / "unfinished"
    accelerator.save_state(part)
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        (part / "progress.json").write_text(json.dumps(progress))
        part.rename(out / f"step_{progress['step']:06}")
        for old in older:
            shutil.rmtree(old)


def main(args):
    dealing = DataLoaderConfiguration(split_batches=True, use_seedable_sampler=True, data_seed=0)
    accelerator = Accelerator(cpu=not torch.cuda.is_available(), dataloader_config=dealing)
    torch.manual_seed(accelerator.process_index)  # from here on, each process draws its own random numbers
    tokenizer, model = load(args, accelerator)
    train, validation = read(args, tokenizer)
    options = {"batch_size": args.batch_size, "collate_fn": DataCollatorWithPadding(tokenizer)}
    loader = DataLoader(train, shuffle=True, drop_last=True, generator=torch.Generator(), **options)
    steps, out, optimizer = len(loader), Path(args.out), torch.optim.AdamW(model.parameters(), lr=args.lr, fused=True)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, args.epochs * steps // 10, args.epochs * steps)
    model, optimizer, schedule, loader = accelerator.prepare(model, optimizer, schedule, loader)
    val_loader = accelerator.prepare(DataLoader(validation, **options))
    progress = {"step": 0, "losses": [], "seconds": [], "settings": vars(args)}
    if found := max(out.glob("step_*"), default=None):
        progress = json.loads((found / "progress.json").read_text())
        assert progress["settings"] == vars(args), f"{out} holds a run with other settings: choose another --out"
        accelerator.load_state(found)
    accelerator.print(f"processes: {accelerator.num_processes}; {len(train)} rows; steps done: {progress['step']}")
    for epoch in range(max(progress["step"] - 1, 0) // steps, args.epochs):
        loader.set_epoch(epoch)  # a new order, the same on all processes
        model.train()
        for batch in accelerator.skip_first_batches(loader, progress["step"] - epoch * steps):
            started = time.perf_counter()
            loss = model(**batch).loss
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            progress["losses"].append(accelerator.reduce(loss.detach(), "mean").item())
            progress["seconds"].append(time.perf_counter() - started)
            progress["step"] += 1
            if progress["step"] % args.save_every == 0 or progress["step"] == args.epochs * steps:
                save(accelerator, out, progress)
        labels, predictions = predict(accelerator, model, val_loader)
        score = f1_score(labels, predictions, average="macro")
        accelerator.print(f"epoch {epoch + 1}: macro-F1 {score:.2f} on {len(labels)} rows for validation")
    accelerator.unwrap_model(model).save_pretrained(out / "model", is_main_process=accelerator.is_main_process)
    accelerator.wait_for_everyone()
    accelerator.end_training()


if __name__ == "__main__":
    main(arguments())
