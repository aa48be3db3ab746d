"""Measure how fast lesson 12 is, against what, on this machine; print it, and draw it.

python3 start.py bench                          on the course's tweets, about 40 minutes on two cores
python3 start.py bench --tweets FILE            the same, and on a file of real tweets
python3 start.py bench --parts fetch padding    some parts only
    --rounds 5         how often each pair is measured
    --store [FILE]     merge the rows into benchmarks/speed.csv, which the lessons show, or into another file

The variants of a part are measured in turn, round after round, so that a slow minute of the machine slows all of them. A
ratio is taken within a round; the table holds the median of the rounds and the range. Storing replaces the rows of the
same part, data set, number of rows, variant, machine and network, and no others. The lessons read speed.csv as one
machine's table, so store another machine's in a file of its own.

Parts: prepare (CSV to loaders), grow (ten times the rows), fetch (one epoch of a loader), padding, train (training on some
rows once), batch (the same with batches of several sizes). The last two run on a GPU if there is one.
benchmarks/speed_gpu.csv is

python benchmarks/speed.py --tweets FILE --parts train batch --train-rows 2048 --store benchmarks/speed_gpu.csv

What the quick variants do to the scores takes longer, and has a command of its own:

python3 start.py bench scores                   macro-F1 of each variant with five seeds, on the course's tweets
    --tweets FILE      on a file of real tweets instead
    --jobs 4           so many variants at a time: a GPU has room for all of them
    --store [FILE]     add the rows to benchmarks/speed_scores.csv, which lesson 12 shows, or to another file

Each seed draws its own fifth of the tweets as the test set and trains on the rest (1,600 tweets at most), as lesson 08 does:
4 epochs, batches of 16, AdamW at 1e-4 (the head at 1e-3), warm-up, then linear, gradients clipped, square-root class
weights. The weights after the last epoch are scored, in float32. Rows that the file already holds for this machine, data
set and network are not computed again.
"""

import argparse
import multiprocessing
import os
import platform
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
SCORES = HERE / "speed_scores.csv"
REAL_ROWS = 43_943  # of the file on Kaggle
PARTS = ("prepare", "grow", "fetch", "padding", "train", "batch")
TRAINS = {"train", "compile", "batch"}  # the parts whose results depend on the network
# a row is one variant of one part; the column with its name is called "way", as the lessons that read the table know it
KEY = ["part", "data", "rows", "way", "machine", "weights"]
COLUMNS = ["part", "data", "rows", "way", "seconds", "megabytes", "times", "low", "high", "value", "machine", "weights"]
SCORES_KEY = ["machine", "data", "way", "seed", "weights"]
SCORES_COLUMNS = ["machine", "data", "rows", "way", "seed", "macro_f1", "seconds", "weights"]
# what the pipelines are called in the table, slowest first; the others are compared with the first of a part
NAMES = {
    "old_tutorial": "the old tutorial",
    "whole_list": "tokenizer(list, …)",
    "datasets_map": "datasets.map(batched=True)",
    "bare_rust": "bare Rust tokenizer, the call alone",
    "different_words": "each word once",
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
        df = pd.read_csv(path)
        ways = pipelines.loaders(pipelines.rows_of(df["message"], df["sentiment"] + 1), 32)
        for variant, loader in ways.items():
            row = {"part": "padding", "data": data, "rows": rows, "way": variant}
            result.append({**row, "value": pipelines.padding(loader)})
    return result


def drawn(df, rows):
    """So many of the tweets, drawn at random, always the same ones, as lesson 12 trains on them."""
    import pipelines

    df = df.sample(min(rows, len(df)), random_state=0)
    return pipelines.rows_of(df["message"], df["sentiment"] + 1)


def epochs(df, count):
    """Train on `count` tweets once in each variant: name -> function; and the same for the compiled network.

    Their batches of 32 are spread evenly over an epoch of 2,048 tweets (or as many as there are), because portions of
    similar lengths need some rows to be cut from. A function returns its seconds, and as "value" how many percent of the
    machine's rate of arithmetic it used.
    """
    import pipelines
    import torch
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import Trainer, TrainingArguments

    everything = drawn(df, max(count, 2048))
    torch.manual_seed(0)
    batches = {
        way: pipelines.some_batches(loader, max(1, count // 32))
        for way, loader in pipelines.loaders(everything, 32).items()
    }
    fixed, longest, similar = batches.values()
    model, batch = pipelines.new_model(), next(iter(similar)).to(pipelines.device)
    with FlopCounterMode(display=False) as counter:
        model(**batch).loss.backward()
    a_token = counter.get_total_flops() / batch["attention_mask"].numel() / 1e9
    bf16 = has_bfloat16(pipelines.device)

    def ours(loader, bf16=False, fused=False, frozen=None, compiled=False, tf32=False):
        work = a_token * sum(int(batch["attention_mask"].sum()) for batch in loader)

        def epoch():
            model = pipelines.new_model()
            if frozen is not None:
                pipelines.freeze(model, frozen)
            if compiled:
                model.compile(dynamic=True)
                pipelines.train(model, loader, pipelines.adamw(model, fused), bf16)
            now = pipelines.matmul_rate(torch.float32)
            torch.set_float32_matmul_precision("high" if tf32 else "highest")
            start = time.perf_counter()
            pipelines.train(model, loader, pipelines.adamw(model, fused), bf16)
            seconds = time.perf_counter() - start
            torch.set_float32_matmul_precision("highest")
            return {"seconds": seconds, "value": 100 * work / seconds / now}

        return epoch

    def upper():
        cache = list(pipelines.lower_layers(similar))
        model = pipelines.upper_model()
        start = time.perf_counter()
        pipelines.train(model, cache, pipelines.adamw(model, True), bf16)
        return {"seconds": time.perf_counter() - start, "value": float("nan")}

    def trainer(**options):
        def epoch():
            with tempfile.TemporaryDirectory() as folder:
                quiet = {"report_to": [], "disable_tqdm": True, "save_strategy": "no", "logging_strategy": "no"}
                arguments = TrainingArguments(folder, num_train_epochs=1, **quiet, **options)
                trainer = Trainer(
                    pipelines.new_model(),
                    arguments,
                    train_dataset=everything[:count],
                    processing_class=pipelines.tokenizer,
                )
                start = time.perf_counter()
                trainer.train()
                return {"seconds": time.perf_counter() - start, "value": float("nan")}

        return epoch

    ours(similar)(), ours(similar, bf16, True, 0)()  # warm up
    steps = {
        f"always {pipelines.MAX_LEN}, float32": ours(fixed),
        "the batch's longest": ours(longest),
        "similar lengths": ours(similar),
        **({"similar lengths, TF32": ours(similar, tf32=True)} if pipelines.device == "cuda" else {}),
        "similar lengths, bfloat16": ours(similar, bf16),
        "and fused": ours(similar, bf16, True),
        "and frozen embeddings": ours(similar, bf16, True, 0),
        "and four layers frozen": ours(similar, bf16, True, pipelines.FROZEN),
        "upper third alone, on cached activations": upper,
        "Trainer's defaults (batches of 8)": trainer(),
        "Trainer, batches of 32": trainer(per_device_train_batch_size=32),
    }
    if not bf16:
        print("  this processor has no bfloat16: those steps compute in float32")
    return steps, ours(similar, bf16, True, 0, compiled=True)


def train(data, df, rounds, rows):
    """Training on some rows once, each step of the lesson on top of the one before."""
    steps, compiled = epochs(df, rows)
    result = in_turn("train", data, rows, steps, rounds)
    try:  # torch.compile wants a C++ compiler; the first of the part is measured beside it, round for round
        pair = {next(iter(steps)): next(iter(steps.values())), "torch.compile, after its first epoch": compiled}
        result += in_turn("compile", data, rows, pair, min(rounds, 3))[1:]
    except Exception as error:
        print(f"  torch.compile: {type(error).__name__}: {str(error).splitlines()[0]}")
    return result


def batch(data, df, rounds, rows):
    """All steps of lesson 12, in batches of 8, 32, 128, …; the value is tweets a second."""
    import pipelines

    tweets = drawn(df, rows)
    bf16 = has_bfloat16(pipelines.device)

    def epoch(size):
        loader = pipelines.loaders(tweets, size)["similar lengths"]
        model = pipelines.new_model()
        pipelines.freeze(model, 0)
        optimizer = pipelines.adamw(model, fused=True)
        start = time.perf_counter()
        pipelines.train(model, loader, optimizer, bf16)
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "value": len(tweets) / seconds}

    epoch(8)  # warm up
    sizes = [size for size in (8, 32, 128, 512) if size <= rows / 3 or size == 8]
    return in_turn("batch", data, rows, {f"batches of {size}": lambda size=size: epoch(size) for size in sizes}, rounds)


# --- what the steps do to the scores -----------------------------------------------------------------------------


def score_ways(device):
    """The steps whose scores are compared, each with the ones before it, but TF32: name -> options of `fit`."""
    quick = {"padding": "similar lengths", "bf16": has_bfloat16(device)}
    ways = {
        "always 64, float32": {"padding": "always 64"},
        "the batch's longest": {"padding": "the batch's longest"},
        "similar lengths": {"padding": "similar lengths"},
        "similar lengths, TF32": {"padding": "similar lengths", "tf32": True},
        "similar lengths, bfloat16": quick,
        "and fused": {**quick, "fused": True},
        "and frozen embeddings": {**quick, "fused": True, "frozen": 0},
        "and four layers frozen": {**quick, "fused": True, "frozen": 4},
        "torch.compile": {**quick, "fused": True, "frozen": 0, "compiled": True},
    }
    if device == "cpu":  # no TF32 there, and compiling costs more than it saves
        del ways["similar lengths, TF32"], ways["torch.compile"]
    return ways


def fit(rows, class_weights, seed, padding, bf16=False, fused=False, frozen=None, tf32=False, compiled=False, epochs=4):
    """Train the classifier as lesson 08 does, with some of lesson 12's steps; return it."""
    import pipelines
    import torch
    from transformers import get_linear_schedule_with_warmup

    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    model, device = pipelines.new_model(seed), pipelines.device
    if frozen is not None:
        pipelines.freeze(model, frozen)
    run = torch.compile(model, dynamic=True) if compiled else model
    trained = {name: weights for name, weights in model.named_parameters() if weights.requires_grad}
    groups = [
        {"params": [weights for name, weights in trained.items() if ("classifier" in name) == head], "lr": rate}
        for head, rate in ((False, 1e-4), (True, 1e-3))
    ]
    optimizer = torch.optim.AdamW(groups, fused=fused)
    loader = pipelines.loaders(rows)[padding]
    steps = epochs * len(loader)
    schedule = get_linear_schedule_with_warmup(optimizer, steps // 10, steps)
    class_weights = torch.tensor(class_weights, dtype=torch.float32, device=device)
    model.train()
    for _ in range(epochs):
        for batch in loader:
            batch = batch.to(device)
            labels = batch.pop("labels")
            with torch.autocast(device, torch.bfloat16, enabled=bf16):
                logits = run(**batch).logits
            torch.nn.functional.cross_entropy(logits.float(), labels, weight=class_weights).backward()
            torch.nn.utils.clip_grad_norm_(trained.values(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    torch.set_float32_matmul_precision("highest")
    return model


def score(task):
    """Train one variant with each of some seeds; return a table row for each seed.

    `task` is (file of tweets or None, name of the variant, seeds, most rows to train on, threads or None).
    """
    path, way, seeds, most, threads = task
    import numpy as np
    import pipelines
    import torch
    import training

    if threads:
        torch.set_num_threads(threads)
    data = training.Data(path or training.SHIPPED)
    options, result = score_ways(pipelines.device)[way], []
    for seed in seeds:
        train, val, test = data.parts(seed)
        train = np.concatenate([train, val])
        train = data.draw(train, most if len(train) > most else None, seed)
        rows = pipelines.rows_of(data.texts[train], data.labels[train])
        start = time.perf_counter()
        try:
            model = fit(rows, training.class_weights(data.labels[train], 0.5), seed, **options)
        except Exception as error:  # torch.compile wants a C++ compiler
            print(f"  {way}: {type(error).__name__}: {str(error).splitlines()[0]}", flush=True)
            break
        seconds = time.perf_counter() - start
        macro_f1, _ = training.scores(data.labels[test], training.predict(model, [data.ids[row] for row in test]))
        print(f"  {way}, seed {seed}: macro-F1 {macro_f1:.3f}, {seconds:.1f} s", flush=True)
        result.append({"rows": len(rows), "way": way, "seed": seed, "macro_f1": macro_f1, "seconds": seconds})
    return result


def scores(arguments):
    """The command `scores`."""
    parser = argparse.ArgumentParser(prog="start.py bench scores")
    parser.add_argument("--tweets", metavar="FILE", help="real tweets, instead of the course's own")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1600, help="how many tweets to train on at most")
    parser.add_argument("--jobs", type=int, default=1, help="how many variants at a time")
    parser.add_argument("--ways", nargs="+", metavar="WAY", help="some variants only")
    parser.add_argument("--store", metavar="FILE", type=Path, nargs="?", const=SCORES)
    args = parser.parse_args(arguments)
    import pipelines

    ways = score_ways(pipelines.device)
    weights = sum(weights.numel() for weights in pipelines.new_model().parameters())
    if unknown := set(args.ways or ()) - set(ways):
        parser.error(f"no variant {', '.join(sorted(unknown))}; there are: {', '.join(ways)}")
    here = {"machine": machine(), "data": "real" if args.tweets else "course", "weights": weights}
    old = pd.read_csv(args.store) if args.store and args.store.exists() else pd.DataFrame(columns=SCORES_COLUMNS)
    old = old[(old[list(here)] == pd.Series(here)).all(axis=1)]
    threads = max(1, os.cpu_count() // args.jobs) if args.jobs > 1 else None
    tasks = []
    for way in args.ways or ways:
        seeds = sorted(set(range(args.seeds)) - set(old.loc[old["way"] == way, "seed"]))
        if seeds:
            tasks.append((args.tweets, way, seeds, args.rows, threads))
    found = []

    def keep(rows):
        found.extend({**here, **row} for row in rows)
        if rows and args.store:
            table = pd.DataFrame(found, columns=SCORES_COLUMNS)
            store(args.store, table.round({"macro_f1": 4, "seconds": 1}), SCORES_KEY)

    if args.jobs > 1:
        context = multiprocessing.get_context("spawn")  # a forked process cannot use a GPU
        with context.Pool(min(args.jobs, max(1, len(tasks)))) as pool:
            for rows in pool.imap(score, tasks):
                keep(rows)
    else:
        for path, way, seeds, most, threads in tasks:
            for seed in seeds:  # each is stored when it is done
                keep(score((path, way, [seed], most, threads)))
    if found:
        table = pd.DataFrame(found, columns=SCORES_COLUMNS)
        print(f"\n{here['machine']}, {here['data']} tweets: macro-F1")
        print(table.groupby("way", sort=False)["macro_f1"].agg(["mean", "min", "max", "count"]).round(3).to_string())


def draw(table, file):
    """One panel a part and data set: how many times as fast each variant is as the part's first."""
    from matplotlib.figure import Figure

    panels = [(key, rows) for key, rows in table.dropna(subset="times").groupby(["part", "data", "rows"], sort=False)]
    panels = [(key, rows) for key, rows in panels if len(rows) > 1]
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
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["scores"]:
        return scores(arguments[1:])
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
