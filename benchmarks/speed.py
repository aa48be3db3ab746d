"""Measure how fast lesson 12 is, against what, on this machine; print it, and draw it.

python3 start.py bench                          on the course's tweets, about 45 minutes on two cores
python3 start.py bench --tweets FILE            the same, and on a file of real tweets
python3 start.py bench --parts fetch padding    some parts only
    --rounds 5         how often each pair is measured
    --store [FILE]     merge the rows into benchmarks/speed.csv, which lessons 10 and 11 show, or into another file

The variants of a part are measured in turn, round after round, so that a slow minute of the machine slows all of them. A
ratio is taken within a round; the table holds the median of the rounds and the range. Storing replaces the rows of the
same part, data set, number of rows, variant, machine and network, and no others. The lessons read speed.csv as one
machine's table, so store another machine's in a file of its own.

Parts: prepare (CSV to loaders), grow (ten times the rows), fetch (one epoch of a loader), padding, train (one epoch of
training), batch (the same with batches of several sizes), score (what the quick variants do to macro-F1). The last three run
on a GPU if there is one. benchmarks/speed_gpu.csv is

python benchmarks/speed.py --tweets FILE --parts train batch score --train-rows 2048 --store benchmarks/speed_gpu.csv
"""

import argparse
import multiprocessing
import os
import platform
import random
import statistics
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import psutil

from transfer_learning import load_tweets, show

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tools")]
from environment import has_bfloat16, machine, memory_bytes  # noqa: E402
from tables import store  # noqa: E402

STORED = HERE / "speed.csv"
REAL_ROWS = 43_943  # of the file on Kaggle
PARTS = ("prepare", "grow", "fetch", "padding", "train", "batch", "score")
TRAINS = {"train", "compile", "batch", "score"}  # the parts whose results depend on the network
# a row is one variant of one part; the column with its name is called "way", as the lessons that read the table know it
KEY = ["part", "data", "rows", "way", "machine", "weights"]
COLUMNS = ["part", "data", "rows", "way", "seconds", "megabytes", "times", "low", "high", "value", "machine", "weights"]
# what the pipelines are called in the table, slowest first; the others are compared with the first of a part
NAMES = {
    "old_tutorial": "the old tutorial",
    "whole_list": "tokenizer(list, …)",
    "datasets_map": "datasets.map(batched=True)",
    "bare_rust": "bare Rust tokenizer, the call alone",
    "different_words": "this lesson",
    "tokie": "tokie 0.1.4",
    "fetch_items": "item by item",
    "fetch_batches": "whole batches",
    "stream": "streaming",
}


def repeated(df, rows):
    """The tweets again and again until there are `rows`, each with a running number, so that no two are equal.

    The numbers have six digits each: a row is the same amount of work, wherever it stands.
    """
    df = pd.concat([df] * -(-rows // len(df)), ignore_index=True).head(rows)
    return df.assign(message=df["message"] + " " + (df.index + 100_000).astype(str))


def measure(pipeline, path, context):
    """Run one pipeline in a new process; return its seconds, and by how many MB its memory grew at most."""
    import pipelines

    ours, its = context.Pipe()
    process = context.Process(target=pipelines.run, args=(its, pipeline, str(path)))
    process.start()
    its.close()
    ours.recv()
    watched = psutil.Process(process.pid)
    before = peak = memory_bytes(watched)
    ours.send("go")
    while not ours.poll(0.002):
        peak = max(peak, memory_bytes(watched))
    try:
        seconds = ours.recv()
    except EOFError:
        raise SystemExit(f"{NAMES.get(pipeline, pipeline)} failed; the lines above say why.") from None
    peak = max(peak, memory_bytes(watched))
    ours.send("done")
    process.join()
    return seconds, (peak - before) / 2**20


def in_turn(part, data, rows, functions, rounds):
    """Call each function once a round; return a table row for each.

    `functions` maps the name of a variant to a function that returns a dict with "seconds" and what else it measured.
    """
    found = {variant: [] for variant in functions}
    for n in range(rounds):
        for variant, function in functions.items():
            found[variant].append(function())
            print(f"  {part} {data} {n + 1}/{rounds} {variant}: {found[variant][-1]['seconds']:.2f} s", flush=True)
    first = next(iter(found))
    result = []
    for variant, runs in found.items():
        times = [a["seconds"] / b["seconds"] for a, b in zip(found[first], runs)]
        middle = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        row = {"part": part, "data": data, "rows": rows, "way": NAMES.get(variant, variant), **middle}
        result.append({**row, "times": statistics.median(times), "low": min(times), "high": max(times)})
    return result


def in_processes(part, data, rows, path, names, rounds):
    """The same for pipelines, each run in a new process, which also tells how much memory it takes."""
    # a server that has imported everything forks a fresh process for each run; Windows imports each time
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    if method == "forkserver":
        os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
        context.set_forkserver_preload(["pipelines"])

    def runner(pipeline):
        return lambda: dict(zip(("seconds", "megabytes"), measure(pipeline, path, context)))

    return in_turn(part, data, rows, {pipeline: runner(pipeline) for pipeline in names}, rounds)


def prepare(files, rounds):
    """From the CSV file to loaders; `files` is a list of (data set, path, rows)."""
    names = ["old_tutorial", "whole_list", "datasets_map", "bare_rust", "different_words"]
    names += ["tokie"] * (find_spec("tokie") is not None)
    result = [row for data, path, rows in files for row in in_processes("prepare", data, rows, path, names, rounds)]
    return result + unequal(files)


def unequal(files):
    """How many texts get other ids than from the tokenizer itself, of each file and of hostile ones."""
    import pipelines

    texts = {data: list(pd.read_csv(path)["message"]) for data, path, _ in files} | {"hostile": pipelines.HOSTILE}
    encoders = {"different_words": pipelines.prepare}
    if find_spec("tokie"):
        encoders["tokie"] = pipelines.encode_with_tokie
    return [
        {
            "part": "unequal",
            "data": data,
            "rows": len(rows),
            "way": NAMES[pipeline],
            "value": pipelines.unequal(encode, rows),
        }
        for pipeline, encode in encoders.items()
        for data, rows in texts.items()
    ]


def grow(folder, rounds):
    """Time and memory with ten times the rows."""
    paths = {rows: folder / f"{rows}.csv" for rows in (REAL_ROWS, 10 * REAL_ROWS)}
    for rows, path in paths.items():
        repeated(load_tweets(), rows).to_csv(path, index=False)
    found = [
        row  # small and large in turn too
        for _ in range(rounds)
        for rows, path in paths.items()
        for row in in_processes("grow", "course", rows, path, ["different_words", "stream"], 1)
    ]
    key = ["part", "data", "rows", "way"]
    return pd.DataFrame(found).groupby(key, sort=False).median().reset_index().to_dict("records")


def fetch(files, rounds):
    """One epoch of a loader, nothing computed."""
    data, path, rows = files[0]
    return in_processes("fetch", data, rows, path, ["fetch_items", "fetch_batches"], rounds)


def padding(files):
    """How much of an epoch is padding, in percent."""
    import pipelines

    result = []
    for data, path, rows in files:
        for variant, loader in pipelines.loaders(pipelines.dataset_of(path)).items():
            share = 100 * pipelines.padding_share(loader)
            result.append({"part": "padding", "data": data, "rows": rows, "way": variant, "value": share})
    return result


def encoded(texts, labels):
    """A data set as lesson 12 prepares it; labels from 0."""
    import pipelines
    import torch

    return torch.utils.data.TensorDataset(*pipelines.prepare(texts), torch.tensor(labels))


def epochs(dataset):
    """One epoch of training in each variant: name -> function; and the same for the compiled network.

    A function returns its seconds, and as "value" how many percent of the machine's rate of arithmetic it used.
    """
    import pipelines
    import torch
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import Trainer, TrainingArguments

    fixed, longest, similar = pipelines.loaders(dataset).values()
    tokens = int(dataset.tensors[1].sum())
    model, batch = pipelines.new_model(), next(iter(similar))
    with FlopCounterMode(display=False) as counter:
        model(**batch).loss.backward()
    work = counter.get_total_flops() / batch["attention_mask"].numel() * tokens / 1e9
    bf16 = has_bfloat16(pipelines.device)

    def ours(loader, bf16=False, fused=False, frozen=False, compiled=False):
        def epoch():
            model = pipelines.new_model(frozen)
            if compiled:
                model.compile(dynamic=True)
                pipelines.train_epoch(model, loader, pipelines.adamw(model, fused), bf16)
            now = pipelines.matmul_rate(torch.float32)
            start = time.perf_counter()
            pipelines.train_epoch(model, loader, pipelines.adamw(model, fused), bf16)
            seconds = time.perf_counter() - start
            return {"seconds": seconds, "value": 100 * work / seconds / now}

        return epoch

    def upper():
        cache = list(pipelines.lower_layers(similar))
        model = pipelines.upper_model()
        start = time.perf_counter()
        pipelines.train_epoch(model, cache, pipelines.adamw(model, True), bf16)
        return {"seconds": time.perf_counter() - start, "value": float("nan")}

    rows = [{"input_ids": ids[:length].tolist(), "labels": int(label)} for ids, length, label in zip(*dataset.tensors)]

    def trainer(**options):
        def epoch():
            with tempfile.TemporaryDirectory() as folder:
                quiet = {"report_to": [], "disable_tqdm": True, "save_strategy": "no", "logging_strategy": "no"}
                arguments = TrainingArguments(folder, num_train_epochs=1, **quiet, **options)
                trainer = Trainer(
                    pipelines.new_model(), arguments, train_dataset=rows, processing_class=pipelines.tokenizer
                )
                start = time.perf_counter()
                trainer.train()
                return {"seconds": time.perf_counter() - start, "value": float("nan")}

        return epoch

    ours(similar)(), ours(similar, bf16, True, True)()  # warm up
    steps = {
        f"always {pipelines.MAX_LEN}, float32": ours(fixed),
        "the batch's longest": ours(longest),
        "similar lengths": ours(similar),
        "similar lengths, bfloat16": ours(similar, bf16),
        "and fused": ours(similar, bf16, True),
        "and frozen embeddings": ours(similar, bf16, True, True),
        "upper third alone, on cached activations": upper,
        "Trainer's defaults (batches of 8)": trainer(),
        "Trainer, batches of 32": trainer(per_device_train_batch_size=32),
    }
    if not bf16:
        print("  this processor has no bfloat16: those steps compute in float32")
    return steps, ours(similar, bf16, True, True, compiled=True)


def drawn(df, rows):
    """So many of the tweets, drawn at random, always the same ones."""
    df = df.sample(rows, random_state=0)
    return encoded(df["message"], df["sentiment"].to_numpy() + 1)


def train(data, df, rounds, rows):
    """One epoch of training, each step of the lesson on top of the one before."""
    steps, compiled = epochs(drawn(df, rows))
    result = in_turn("train", data, rows, steps, rounds)
    try:  # torch.compile wants a C++ compiler
        result += in_turn("compile", data, rows, {"torch.compile, after its first epoch": compiled}, 1)
        result[-1]["times"] = result[-1]["low"] = result[-1]["high"] = result[0]["seconds"] / result[-1]["seconds"]
    except Exception as error:
        print(f"  torch.compile: {type(error).__name__}: {str(error).splitlines()[0]}")
    return result


def batch(data, df, rounds, rows):
    """All steps of lesson 12, in batches of 8, 32, 128, …; the value is tweets a second."""
    import pipelines
    import torch

    dataset = drawn(df, rows)
    bf16 = has_bfloat16(pipelines.device)

    def epoch(size):
        order = pipelines.SimilarLengths(dataset.tensors[1], size)
        loader = torch.utils.data.DataLoader(dataset, sampler=order, batch_size=None, collate_fn=pipelines.collate)
        model = pipelines.new_model(True)
        optimizer = pipelines.adamw(model, fused=True)
        start = time.perf_counter()
        pipelines.train_epoch(model, loader, optimizer, bf16)
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "value": rows / seconds}

    epoch(8)  # warm up
    sizes = [size for size in (8, 32, 128, 512) if size <= rows / 3 or size == 8]
    return in_turn("batch", data, rows, {f"batches of {size}": lambda size=size: epoch(size) for size in sizes}, rounds)


def score(data, path, seeds=3, labels=800, passes=4):
    """Macro-F1 on tweets not trained on, and seconds of training, for three variants."""
    import pipelines
    import torch
    from learning_curves import Data
    from sklearn.metrics import f1_score

    bf16 = has_bfloat16(pipelines.device)
    tweets = Data(path)
    test = encoded(tweets.texts[tweets.test], tweets.labels[tweets.test])
    tests = list(pipelines.loaders(test).values())[2]
    found = {}
    for seed in range(seeds):
        rows = tweets.sample(labels, seed)
        train = encoded(tweets.texts[rows], tweets.labels[rows])
        fixed, _, similar = pipelines.loaders(train).values()
        for variant in ("as in lesson 08", "all steps", "upper third alone"):
            torch.manual_seed(seed)
            random.seed(seed)
            start = time.perf_counter()
            if variant == "upper third alone":
                model, asked = pipelines.upper_model(), pipelines.lower_layers(tests)
                cache = list(pipelines.lower_layers(similar))
                passed = [random.sample(cache, len(cache)) for _ in range(passes)]
            else:
                model, asked = pipelines.new_model(variant == "all steps"), tests
                passed = [fixed if variant == "as in lesson 08" else similar] * passes
            quick = variant != "as in lesson 08"
            optimizer = pipelines.adamw(model, fused=quick)
            for loader in passed:
                pipelines.train_epoch(model, loader, optimizer, bf16 and quick)
            seconds = time.perf_counter() - start
            model.eval()
            with torch.no_grad():
                answers = [(model(**batch).logits.argmax(-1), batch["labels"]) for batch in asked]
            predicted, true = (torch.cat(column).tolist() for column in zip(*answers))
            found.setdefault(variant, []).append((seconds, f1_score(true, predicted, average="macro")))
            print(
                f"  score {data} seed {seed} {variant}: {seconds:.1f} s, macro-F1 {found[variant][-1][1]:.3f}",
                flush=True,
            )
    first = [seconds for seconds, _ in found["as in lesson 08"]]
    result = []
    for variant, runs in found.items():
        seconds, scores = zip(*runs)
        times = statistics.median(a / b for a, b in zip(first, seconds))
        row = {"part": "score", "data": data, "rows": labels, "way": variant, "seconds": statistics.median(seconds)}
        result.append(
            {**row, "times": times, "value": statistics.mean(scores), "low": min(scores), "high": max(scores)}
        )
    return result


def draw(table, file):
    """One panel a part and data set: how many times as fast each variant is as the part's first."""
    from matplotlib.figure import Figure

    panels = [(key, rows) for key, rows in table.dropna(subset="times").groupby(["part", "data", "rows"], sort=False)]
    panels = [(key, rows) for key, rows in panels if key[0] != "score" and len(rows) > 1]
    if not panels:
        return
    figure = Figure(figsize=(8, sum(0.8 + 0.3 * len(rows) for _, rows in panels)), layout="constrained")
    axes = figure.subplots(len(panels), squeeze=False, height_ratios=[1 + len(rows) for _, rows in panels])[:, 0]
    for ax, (key, rows) in zip(axes, panels):
        error = [rows["times"] - rows["low"], rows["high"] - rows["times"]]
        ax.bar_label(ax.barh(rows["way"], rows["times"], xerr=error, color=show.BLUE), fmt="%.1f", padding=3)
        ax.set(title=f"{key[0]}, {key[1]}, {key[2]:,} rows: times as fast as the first")
        ax.invert_yaxis()
        ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, dpi=110)
    print(f"drawn: {file}")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tweets", metavar="FILE", help="real tweets, beside the course's own")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=REAL_ROWS, help="how often to repeat the course's tweets")
    parser.add_argument("--train-rows", type=int, default=384, help="of parts train and batch")
    parser.add_argument(
        "--store", metavar="FILE", type=Path, nargs="?", const=STORED, help="default: benchmarks/speed.csv"
    )
    args = parser.parse_args(arguments)
    df, data = load_tweets(), "course"
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        files = [("course", folder / "course.csv", args.rows)]
        repeated(df, args.rows).to_csv(files[0][1], index=False)
        if args.tweets:
            df, data = load_tweets(args.tweets), "real"
            files.append(("real", folder / "real.csv", len(df)))
            df.to_csv(files[1][1], index=False)
        jobs = {
            "prepare": lambda: prepare(files, args.rounds),
            "grow": lambda: grow(folder, args.rounds),
            "fetch": lambda: fetch(files, args.rounds),
            "padding": lambda: padding(files),
            "train": lambda: train(data, df, args.rounds, args.train_rows),
            "batch": lambda: batch(data, df, args.rounds, args.train_rows),
            "score": lambda: score(data, args.tweets),
        }
        found = [row for part in PARTS if part in args.parts for row in jobs[part]()]
    table = pd.DataFrame(found).reindex(columns=COLUMNS)
    table["machine"] = machine()
    if TRAINS & set(args.parts):
        import pipelines

        weights = sum(weights.numel() for weights in pipelines.new_model().parameters())
        table["weights"] = table["part"].isin(TRAINS).map({True: weights})  # the other parts have no network
    print(f"\n{table['machine'][0]}, Python {platform.python_version()}")
    print(table.drop(columns=["machine", "weights"]).round(2).to_string(index=False))
    draw(table, (args.store or STORED).with_suffix(".png"))
    if args.store:
        store(args.store, table.round(4), KEY)


if __name__ == "__main__":
    main()
