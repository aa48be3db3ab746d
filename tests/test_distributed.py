"""notebooks/train.py and exact.py: two processes end where one does, every row once, and after a kill as without one."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import nbformat
import psutil
import pytest
import torch
from accelerate.data_loader import DataLoaderShard
from accelerate.state import AcceleratorState, GradientState
from conftest import ROOT
from safetensors.torch import load_file

sys.path.insert(0, str(ROOT / "notebooks"))
import exact
import train
import two_processes

LESSON = ROOT / "notebooks" / "13_beyond_one_machine.ipynb"
TWO = two_processes.__file__
TORCHRUN = [sys.executable, "-m", "torch.distributed.run"]
SMALL = {"layers": 1, "batch_size": 8, "epochs": 2, "save_every": 3}
WITH_DROPOUT = {**SMALL, "rows": 52, "dropout": 0.3}
LAST = {3: 54, 1: 52}  # rows in the last batch of an epoch: how many tweets to begin with
HANGS = 240  # seconds: a busy machine may be slow


@pytest.fixture(scope="module", autouse=True)
def small():
    """The course's own tweets, and a small network."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("TWEETS_CSV", raising=False)
        patch.setattr(train, "load", two_processes.load_small)
        yield


def options(out, **chosen):
    return [f"--{name}={value}" for name, value in {"out": out, **chosen}.items()]


def here(script, *args):
    """Run the script in this process, as one process of one."""
    threads, argv, sys.argv = torch.get_num_threads(), sys.argv, [script.__name__, *args]
    try:
        torch.set_num_threads(1)
        script.main(train.arguments())
    finally:
        sys.argv = argv
        torch.set_num_threads(threads)
        AcceleratorState._reset_state(reset_partial_state=True)
        GradientState._reset_state()


def run(*command):
    """Return the exit status of a command and what it printed; none of the processes that it starts outlives the call.

    They talk over the loopback interface only.
    """
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    env |= {"PET_LOCAL_ADDR": "127.0.0.1", "GLOO_SOCKET_IFNAME": "lo0" if sys.platform == "darwin" else "lo"}
    if command[0] == "unshare":  # two hosts find each other by name
        del env["PET_LOCAL_ADDR"], env["GLOO_SOCKET_IFNAME"]
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    env.setdefault("ACCELERATE_USE_CPU", "true")
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        output = process.communicate(timeout=HANGS)[0]
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            for one in [*psutil.Process(process.pid).children(recursive=True), process]:
                one.kill()
        process.communicate()
    return process.returncode, output


def losses(out):
    if (out / "losses.json").exists():
        return json.loads((out / "losses.json").read_text())
    (path,) = out.glob("step_*/progress.json")
    return json.loads(path.read_text())["losses"]


def assert_same(one, other, tolerance):
    """The same losses and weights."""
    assert losses(one) and losses(other) == pytest.approx(losses(one), abs=tolerance)
    then, now = (load_file(out / "model" / "model.safetensors") for out in (one, other))
    assert then.keys() == now.keys()
    for name, weights in then.items():
        torch.testing.assert_close(now[name], weights, rtol=0, atol=tolerance, msg=lambda text, name=name: name + text)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """All trainings on two processes that nothing disturbs, one after the other: to start takes longer than to train."""
    folder = tmp_path_factory.mktemp("trained")
    each = [("train", options(folder / "two", **SMALL, rows=52, dropout=0))]
    each += [
        ("exact", options(folder / f"exact, {last}", **SMALL, rows=rows, dropout=0)) for last, rows in LAST.items()
    ]
    each += [("train", options(folder / "whole", **WITH_DROPOUT))]
    status, output = run(sys.executable, TWO, json.dumps(each))
    assert status == 0, output
    assert output.count("processes: 2; ") == 4 and output.count("epoch 2: macro-F1") == 2
    return folder, output


def test_the_script_can_be_held_in_the_head():
    text = (ROOT / "notebooks" / "train.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120 and max(map(len, text.splitlines())) <= 120
    shown = [output for cell in nbformat.read(LESSON, 4).cells for output in cell.get("outputs", [])]
    assert f"```python\n{text}```" in [output.get("data", {}).get("text/markdown") for output in shown]


# rounding in the gradients (1e-7) grows to this much in the weights, of a learning rate of 1e-3
ROUNDING = 2e-4


def test_two_processes_end_where_one_does(trained, tmp_path, monkeypatch):
    make, schedules = train.transformers.get_linear_schedule_with_warmup, []

    def kept(optimizer, *steps):
        schedules.append(steps)
        return make(optimizer, *steps)

    monkeypatch.setattr(train.transformers, "get_linear_schedule_with_warmup", kept)
    here(train, *options(tmp_path / "one", **SMALL, rows=52, dropout=0))
    assert_same(tmp_path / "one", trained[0] / "two", tolerance=ROUNDING)
    first, *_, last = losses(tmp_path / "one")
    assert abs(last - first) > 0.01  # they did move
    steps = len(losses(tmp_path / "one"))
    assert schedules == [(steps // 10, steps)] and steps >= 10  # warm-up: a tenth of all steps, as in lesson 08


@pytest.mark.parametrize("last", LAST, ids=lambda last: f"last batch of {last}")
def test_exactly_every_row_counts_once(last, trained, tmp_path, capsys):
    here(exact, *options(tmp_path / "one", **SMALL, rows=LAST[last], dropout=0))
    (rows, counted) = re.search(
        r"processes: 1; (\d+) rows, 2 epochs; rows in the loss: (\d+)", capsys.readouterr().out
    ).groups()
    assert int(rows) % SMALL["batch_size"] == last and int(counted) == 2 * int(rows)
    assert f"processes: 2; {rows} rows, 2 epochs; rows in the loss: {counted}" in trained[1]
    assert_same(tmp_path / "one", trained[0] / f"exact, {last}", tolerance=ROUNDING)


@pytest.mark.parametrize("size", [1, 3, 8, 40])
@pytest.mark.parametrize("world", [1, 2, 3, 50])
def test_shares_are_the_whole(size, world):
    rows = list(range(27))
    for epoch in range(3):
        every = [
            row
            for batch in exact.batches(rows, size, epoch)
            for rank in range(world)
            for row in exact.share(batch, rank, world)
        ]
        assert sorted(every) == rows
    assert list(exact.batches(rows, size, 0)) != list(exact.batches(rows, size, 1))


@pytest.mark.parametrize("sizes", [(4, 4), (4, 3), (1, 0), (3, 3, 1)])
def test_the_parts_of_the_mean_are_the_mean(sizes):
    """What DistributedDataParallel does with them: it averages over processes."""
    from transformers.modeling_outputs import SequenceClassifierOutput

    torch.manual_seed(1)
    layer = torch.nn.Linear(3, 4)
    x, labels = torch.randn(sum(sizes), 3), torch.randint(4, (sum(sizes),))
    whole = torch.autograd.grad(torch.nn.functional.cross_entropy(layer(x), labels), layer.weight)[0]
    parts = []
    for own, answers in zip(x.split(sizes), labels.split(sizes)):
        inputs = {"x": own, "labels": answers} if len(own) else {"x": x[:1], "labels": torch.tensor([-100])}
        loss = exact.part_of_the_mean(
            lambda x: SequenceClassifierOutput(logits=layer(x)), inputs, sum(sizes), len(sizes)
        )
        parts.append(torch.autograd.grad(loss, layer.weight)[0])
    torch.testing.assert_close(torch.stack(parts).mean(0), whole)


def test_retweets_are_in_the_part_of_their_tweet():
    class Tokenizer:
        def __call__(self, texts, **kwargs):
            return {"input_ids": texts}

    class Args:
        rows = 400

    parts = [
        {re.sub(r"^(RT @\w+:\s*)+|http\S*", "", row["input_ids"]).lower()[:50] for row in part}
        for part in train.read(Args, Tokenizer())
    ]
    assert parts[0] and parts[1] and not parts[0] & parts[1]


def test_resume_equals_no_interruption(tmp_path, monkeypatch):
    """One process, dropout on, stopped in the middle of the second epoch."""
    here(train, *options(tmp_path / "whole", **WITH_DROPOUT))

    class Killed(Exception):
        pass

    reduce, calls = train.Accelerator.reduce, []

    def killed_at_7(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == 8:  # the last checkpoint is at 6
            raise Killed
        return reduce(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(train.Accelerator, "reduce", killed_at_7)
        with pytest.raises(Killed):
            here(train, *options(tmp_path / "killed", **WITH_DROPOUT))
    assert [folder.name for folder in (tmp_path / "killed").glob("step_*")] == ["step_000006"]
    torch.manual_seed(99)  # whatever the generators hold now
    here(train, *options(tmp_path / "killed", **WITH_DROPOUT))
    assert_same(tmp_path / "whole", tmp_path / "killed", tolerance=1e-7)


def test_a_finished_run_is_scored_again_and_another_one_refused(trained, capsys):
    out = trained[0] / "two"
    before = losses(out)
    here(train, *options(out, **SMALL, rows=52, dropout=0))
    printed = capsys.readouterr().out
    assert f"steps done: {len(before)}" in printed and "epoch 2: macro-F1" in printed and "epoch 1" not in printed
    assert losses(out) == before
    with pytest.raises(AssertionError, match="holds a run with other settings: choose another --out"):
        here(train, *options(out, **{**SMALL, "batch_size": 16}, rows=52, dropout=0))


def test_every_prediction_is_gathered_once(trained):
    """An odd number of rows for validation, on two processes."""
    printed = re.findall(r"epoch \d: macro-F1 (\S+) on (\d+) rows for validation", trained[1])
    assert {int(rows) % 2 for _, rows in printed} == {1}

    class Args:
        rows = 52

    tokenizer = train.AutoTokenizer.from_pretrained(train.checkpoint("bert-base-uncased", "embedded"))
    rows = train.read(Args, tokenizer)[1]
    assert {int(count) for _, count in printed} == {len(rows)}
    model = train.AutoModelForSequenceClassification.from_pretrained(trained[0] / "two" / "model").eval()
    with torch.no_grad():
        predictions = [model(torch.tensor([row["input_ids"]])).logits.argmax().item() for row in rows]
    score = train.f1_score([row["label"] for row in rows], predictions, average="macro")
    assert f"{score:.2f}" == printed[1][0]


@pytest.mark.slow
def test_torchrun_starts_a_killed_run_again(trained, tmp_path):
    """Dropout on: one of two processes is killed in the middle of an epoch, and both start again from the checkpoint."""
    out = tmp_path / "killed"
    command = [*TORCHRUN, "--max-restarts", "1", "--nproc-per-node", "2", TWO, "--dies", "7"]
    status, output = run(*command, *options(out, **WITH_DROPOUT))
    assert status == 0, output
    assert re.findall(r"steps done: (\d+)", output) == ["0", "6"]
    left = [one for one in psutil.process_iter(["cmdline"]) if str(out) in " ".join(one.info["cmdline"] or [])]
    assert not left
    assert_same(trained[0] / "whole", out, tolerance=1e-6)


def network_namespaces():
    command = ["unshare", "--map-root-user", "--net", "--uts", "--mount", "ip", "link", "add", "one", "type", "veth"]
    return (
        bool(shutil.which("unshare") and shutil.which("ip") and shutil.which("nsenter"))
        and not subprocess.run([*command, "peer", "name", "two"], capture_output=True).returncode
    )


@pytest.mark.slow
@pytest.mark.skipif(not network_namespaces(), reason="not permitted to make network namespaces here")
def test_two_hosts_end_where_two_processes_do(trained, tmp_path):
    """The lesson's line for several machines, with the number of processes and the script's options changed."""
    text = "\n".join(cell.source for cell in nbformat.read(LESSON, 4).cells)
    line = re.search(r"^torchrun --nnodes 2 .*?--out /shared/run$", text, flags=re.M | re.S)[0]
    assert "--nproc-per-node 8" in line and "--rdzv-endpoint first:29500" in line
    arguments = " ".join(f"'{option}'" for option in options(tmp_path / "run", **SMALL, rows=52, dropout=0))
    line = line.replace("--nproc-per-node 8", "--nproc-per-node 1").replace("--out /shared/run", arguments)
    line = line.replace("train.py", f"{TWO} --dies -1")
    unshare = ["unshare", "--map-root-user", "--net", "--uts", "--mount"]
    status, output = run(*unshare, "bash", str(ROOT / "tests" / "two_hosts.sh"), line)
    assert status == 0 and "processes: 2; " in output, output
    assert_same(trained[0] / "two", tmp_path / "run", tolerance=1e-6)


SAYS_WHO = """
from accelerate import Accelerator, notebook_launcher
def function(**chosen):
    accelerator = Accelerator(**chosen)
    print(f"process {accelerator.process_index} of {accelerator.num_processes}")
"""


@pytest.mark.slow
def test_the_notebook_launcher_starts_processes(tmp_path):
    """As the lesson says, with the processor in place of GPUs; in a process of its own, because it forks."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "cells.py").write_text(f"{SAYS_WHO}notebook_launcher(function, num_processes=2, use_port='{port}')\n")
    status, output = run(sys.executable, str(tmp_path / "cells.py"))
    assert status == 0 and sorted(re.findall("process . of .", output)) == ["process 0 of 2", "process 1 of 2"], output


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="with GPUs, they find each other")
def test_without_cpu_two_processes_do_not_find_each_other(tmp_path, monkeypatch):
    """The lesson's warning holds for this version of Accelerate."""
    (tmp_path / "alone.py").write_text(f"{SAYS_WHO}function()\n")
    monkeypatch.setenv("ACCELERATE_USE_CPU", "false")
    status, output = run(*TORCHRUN, "--nproc-per-node", "2", str(tmp_path / "alone.py"))
    assert status == 0 and re.findall("process . of .", output) == ["process 0 of 1"] * 2, output


def test_the_prepared_loader_keeps_its_generator():
    """Without one of its own, making an iterator draws from torch's generator, and dropout after a resume would differ."""
    loader = DataLoaderShard(list(range(8)), batch_size=2, generator=torch.Generator())
    state = torch.get_rng_state()
    iter(train.DataLoader(list(range(8)), shuffle=True, generator=torch.Generator()))
    assert torch.equal(torch.get_rng_state(), state) and loader.generator is not None
