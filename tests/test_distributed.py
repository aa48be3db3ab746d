"""notebooks/train.py: every row once, the same on one process and on two, after a kill as without one."""

import contextlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
from argparse import Namespace
from collections import Counter

import datasets
import pandas as pd
import psutil
import pytest
import torch
from accelerate.state import AcceleratorState, GradientState
from conftest import ROOT
from safetensors.torch import load_file

sys.path.insert(0, str(ROOT / "notebooks"))
import train

SCRIPT = str(ROOT / "notebooks" / "train.py")
TWO = str(ROOT / "tests" / "two_processes.py")
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", "2"]
ACCELERATE = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_machines", "1", "--num_processes", "2"]
ACCELERATE += ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_ip", "127.0.0.1"]
ACCELERATE += ["--main_process_port", "0"]
WORDS = "ice sea coal wind sun hoax data rain storm heat crop bird tax law march study".split()
TRAIN, VALIDATION, BATCH = 27, 9, 8  # neither number is even
SAME = {"layers": "1", "batch-size": str(BATCH), "epochs": "2", "learning-rate": "1e-3"}
PLAIN = {"dropout": 0, "trace": True}
RESUMED = {"dropout": 0.3, "stream": True, "checkpoint-every": 3}
HANGS = 240  # seconds: a busy machine may be slow, but the processes would wait 300 s for one that is dead


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    """`datasets` leaves a file in its cache for each file it streams; here in a temporary folder."""
    with pytest.MonkeyPatch.context() as patch:
        folder = str(tmp_path_factory.mktemp("datasets"))
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", folder)
        patch.setenv("HF_DATASETS_CACHE", folder)
        yield


@pytest.fixture(scope="module")
def tweets(tmp_path_factory):
    """Short tweets, so many of each part, with a retweet now and then and with what CSV readers stumble over."""
    draw = random.Random(0)
    wanted, rows = Counter(train=TRAIN, validation=VALIDATION), []
    while wanted.total():
        message = " ".join(draw.sample(WORDS, 5)) + draw.choice(["", "", ", NA", ' "quoted"', "\nsecond line"])
        if rows and draw.random() < 0.2:
            message = f"RT @{draw.choice(WORDS)}: {draw.choice(rows)['message']}"
        part = train.part_of(message)
        if wanted[part]:
            wanted[part] -= 1
            rows.append({"sentiment": draw.randrange(-1, 3), "message": message, "tweetid": len(rows)})
    path = tmp_path_factory.mktemp("tweets") / "tweets.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def command(tweets, out, **options):
    flags = [f"--{key}" for key, value in options.items() if value is True]
    values = [f"--{key}={value}" for key, value in {**SAME, **options}.items() if value is not True]
    return ["--cpu", f"--tweets={tweets}", f"--out={out}", *values, *flags]


def here(*args):
    """Run the script in this process, as one process of one."""
    before, threads = signal.getsignal(signal.SIGTERM), torch.get_num_threads()
    argv, sys.argv = sys.argv, [SCRIPT, *args]
    try:
        torch.set_num_threads(1)
        train.main()
    finally:
        sys.argv = argv
        torch.set_num_threads(threads)
        signal.signal(signal.SIGTERM, before)
        AcceleratorState._reset_state(reset_partial_state=True)
        GradientState._reset_state()


def on_two(launcher, *args):
    """Start two processes that talk over the loopback interface only; return the exit status and what they printed.

    None of them outlives the call.
    """
    loopback = "lo0" if sys.platform == "darwin" else "lo"
    env = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": loopback}
    command = [sys.executable, *launcher, *args]
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        output = process.communicate(timeout=HANGS)[0]
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            for one in [*psutil.Process(process.pid).children(recursive=True), process]:
                one.kill()
        process.communicate()
    return process.returncode, output


def assert_same(one, other, tolerance):
    """The same losses, scores and weights."""
    then, now = (json.loads((out / "result.json").read_text()) for out in (one, other))
    assert len(then["losses"]) == then["step"] == now["step"]
    assert now["losses"] == pytest.approx(then["losses"], abs=tolerance)
    assert now["scores"] == [pytest.approx(scores, abs=1e-9) for scores in then["scores"]]
    then, now = (load_file(out / "model" / "model.safetensors") for out in (one, other))
    assert then.keys() == now.keys()
    for name, weights in then.items():
        torch.testing.assert_close(now[name], weights, rtol=0, atol=tolerance, msg=lambda text, name=name: name + text)


def noted(out, ranks):
    """Which rows each process noted, as (part, step, row)."""
    lines = [(out / f"rows_{rank}.csv").read_text().split() for rank in range(ranks)]
    return [[(part, int(step), int(row)) for part, step, row in (line.split(",") for line in own)] for own in lines]


@pytest.fixture(scope="module")
def trained(tweets, tmp_path_factory):
    """All trainings on two processes that nothing disturbs, one after the other: to start takes longer than to train."""
    parts = pd.read_csv(tweets, keep_default_na=False)["message"].map(train.part_of)
    folder = tmp_path_factory.mktemp("trained")
    rows = {last: int((parts == "train").cumsum().searchsorted(TRAIN - 3 + last)) + 1 for last in (3, 1)}
    each = [command(tweets, folder / f"two, {last}", rows=rows[last], **PLAIN) for last in (3, 1)]
    each += [command(tweets, folder / "whole", **RESUMED)]
    status, output = on_two([], TWO, json.dumps(each))
    assert status == 0, output
    assert output.count("processes: 2, with 4 rows a step each") == 3 and output.count("epoch 2:") == 3
    return folder, rows


@pytest.fixture(scope="module", params=[3, 1], ids=lambda last: f"last batch of {last}")
def runs(request, tweets, trained):
    """The same training on one process and on two: their folders, and which rows of the file it was."""
    folder, rows = trained[0], trained[1][request.param]
    args = Namespace(stream=False, tweets=tweets, rows=rows)
    expected = {part: [row["row"] for row in train.read(args, part)] for part in ("train", "validation")}
    assert len(expected["train"]) % BATCH == request.param
    one = folder / f"one, {request.param}"
    here(*command(tweets, one, rows=rows, **PLAIN))
    return one, folder / f"two, {request.param}", expected


def test_two_processes_end_where_one_does(runs):
    # with Adam, rounding in the gradients (1e-7) may grow to this much in the weights, of a learning rate of 1e-3
    assert_same(*runs[:2], tolerance=2e-5)
    body = load_file(f"{train.checkpoint('bert-base-uncased', 'embedded')}/model-00001-of-00002.safetensors")
    name = "encoder.layer.0.output.dense.weight"
    begin = next(weights for key, weights in body.items() if key.endswith(name))
    end = load_file(runs[1] / "model" / "model.safetensors")[f"bert.{name}"]
    assert (end - begin).abs().max() > 1e-3  # they did move


def test_every_row_once_an_epoch_over_all_processes(runs):
    *folders, expected = runs
    steps = -(-len(expected["train"]) // BATCH)
    for out, ranks in zip(folders, (1, 2)):
        every = list(itertools.chain(*noted(out, ranks)))
        for epoch in range(2):
            seen = [row for part, step, row in every if part == "train" and step // steps == epoch]
            assert sorted(seen) == expected["train"]
            asked = [row for part, step, row in every if part == "validation" and step == (epoch + 1) * steps]
            assert sorted(asked) == expected["validation"]
    # in each step the same rows; on two processes half of them each, and what the last batch has
    alone, together = noted(folders[0], 1)[0], noted(folders[1], 2)
    assert set(alone) == set(itertools.chain(*together))
    sizes = [Counter(step for part, step, _ in own if part == "train") for own in together]
    last = len(expected["train"]) % BATCH
    assert [(own[0], own[steps - 1]) for own in sizes] == [(4, -(-last // 2)), (4, last // 2)]
    result = json.loads((folders[1] / "result.json").read_text())
    assert [scores["rows"] for scores in result["scores"]] == [len(expected["validation"])] * 2


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("world", [1, 2, 3, 4, 50])
def test_shares_are_the_whole(stream, world, tweets):
    rows = train.read(Namespace(stream=stream, tweets=str(tweets), rows=None), "train")
    everything = [row["row"] for row in rows]
    assert len(everything) == len(set(everything)) == TRAIN
    orders = []
    for epoch, skip in [(None, 0), (0, 0), (1, 0), (1, 2 * world)]:
        alone = [row["row"] for row in train.share(rows, 0, 1, seed=5, epoch=epoch, skip=skip)]
        shares = [
            [row["row"] for row in train.share(rows, rank, world, seed=5, epoch=epoch, skip=skip)]
            for rank in range(world)
        ]
        dealt = [row for deal in itertools.zip_longest(*shares) for row in deal if row is not None]
        assert dealt == alone  # together, batch by batch, what one process has alone
        orders.append(alone)
    assert orders[0] == everything != orders[1] != orders[2]
    assert sorted(orders[0]) == sorted(orders[1]) == sorted(orders[2])
    assert orders[3] == orders[2][2 * world :]


def test_both_ways_of_reading_agree(tweets):
    for part, rows in itertools.product(("train", "validation"), (None, 15)):
        listed, streamed = (
            [
                (row["row"], row["message"], row["label"])
                for row in train.read(Namespace(stream=stream, tweets=str(tweets), rows=rows), part)
            ]
            for stream in (False, True)
        )
        assert listed == streamed and listed


def test_retweets_are_in_the_part_of_their_tweet():
    tweet = "Coal is over, says the minister https://t.co/abc"
    for other in (f"RT @someone: {tweet}", f"rt @x: RT @y: {tweet}"[6:], tweet.upper().split(" HTTPS")[0], tweet + "9"):
        assert train.part_of(other) == train.part_of(tweet)
    parts = Counter(train.part_of(f"tweet number {n}") for n in range(2000))
    assert 0.15 < parts["validation"] / parts.total() < 0.25


def test_resume_equals_no_interruption(tweets, tmp_path, monkeypatch):
    """One process, dropout on, stopped in the middle of the second epoch."""
    options = {"dropout": 0.3, "checkpoint-every": 2}
    here(*command(tweets, tmp_path / "whole", **options))

    class Killed(Exception):
        pass

    def killed_at_7(self, *args, **kwargs):
        if self.step == 7:  # the last checkpoint is at 6
            raise Killed
        return reduce(self.accelerator, *args, **kwargs)

    reduce, init = train.Accelerator.reduce, train.Training.__init__

    def init_and_watch(self, args, accelerator):
        init(self, args, accelerator)
        monkeypatch.setattr(accelerator, "reduce", lambda *a, **k: killed_at_7(self, *a, **k))

    with monkeypatch.context() as patch:
        patch.setattr(train.Training, "__init__", init_and_watch)
        with pytest.raises(Killed):
            here(*command(tweets, tmp_path / "killed", **options))
    assert [folder.name for folder in (tmp_path / "killed").glob("step_*")] == ["step_000006"]
    torch.manual_seed(99)  # whatever the generators hold now
    here(*command(tweets, tmp_path / "killed", resume=True, **options))
    assert_same(tmp_path / "whole", tmp_path / "killed", tolerance=1e-7)


def test_a_dead_rank_ends_the_run_and_the_rest_is_made_up(trained, tweets, tmp_path):
    """Two processes, streaming, dropout on: one killed in the middle of an epoch, the run goes on from the checkpoint."""
    out = tmp_path / "killed"
    status, output = on_two(TORCHRUN, TWO, "--dies", "7", *command(tweets, out, **RESUMED))
    assert status != 0
    left = [
        process for process in psutil.process_iter(["cmdline"]) if str(out) in " ".join(process.info["cmdline"] or [])
    ]
    assert not left
    kept = train.newest(out)
    assert kept and kept.name == "step_000006" and not (out / "result.json").exists(), output
    what = "another process died or fell silent, or this one was told to stop"
    assert f"process 0: {what}; add --resume to go on from {kept}" in output, output
    status, output = on_two(ACCELERATE, SCRIPT, *command(tweets, out, resume=True, **RESUMED))
    assert status == 0 and "begins after step 6" in output, output
    assert_same(trained[0] / "whole", out, tolerance=1e-6)


def test_what_does_not_fit_is_said_in_one_line(tweets, tmp_path, capsys):
    def said(*args):
        with pytest.raises(SystemExit) as stopped:
            here(*args)
        assert stopped.value.code == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        return line

    one = tmp_path / "one"
    here(*command(tweets, one, epochs=1))
    capsys.readouterr()
    assert "no checkpoint in" in said(*command(tweets, tmp_path / "none", resume=True))
    assert "add --resume to go on" in said(*command(tweets, one))
    line = said(*command(tweets, one, resume=True, **{"batch-size": 16, "epochs": 1}))
    assert "other settings: batch_size 8, now 16" in line and "epochs" not in line
    assert "cannot share 0 rows" in said(*command(tweets, tmp_path / "none", **{"batch-size": 0}))
    assert "choose more --rows" in said(*command(tweets, tmp_path / "none", rows=1))
    assert "no such file" in said(*command(tmp_path / "missing.csv", tmp_path / "none"))
    assert "missing.csv" in said(*command(tmp_path / "missing.csv", tmp_path / "none", stream=True))


@pytest.mark.parametrize("world, size", [(3, 8), (16, 8), (2, 7)])
def test_a_batch_that_cannot_be_shared(world, size):
    with pytest.raises(train.Stop, match=f"{world} processes cannot share {size} rows: choose a multiple"):
        train.Training(Namespace(batch_size=size), Namespace(process_index=0, num_processes=world))
