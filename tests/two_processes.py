"""What tests/test_distributed.py starts: notebooks/train.py and exact.py on several processes.

python two_processes.py TRAININGS               two processes, forked here, which do one training after the other;
                                                TRAININGS is a JSON list of (name of the script, its arguments)
torchrun … two_processes.py --dies STEP ...     train.py with the other arguments; when it is started for the first
                                                time, process 1 is killed in that step (-1: in none)

The scripts train a network with the stand-in's vocabulary, but so small that to start them takes longer than to train.
"""

import json
import os
import signal
import socket
import sys
from pathlib import Path

import torch
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "notebooks"))
import exact
import train


def load_small(args, accelerator):
    """In place of train.load. Its weights are random, and so are different on each process until DDP sends rank 0's."""
    with accelerator.local_main_process_first():
        name = train.checkpoint("bert-base-uncased", "embedded")
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "num_hidden_layers": args.layers}
    dropout = {"hidden_dropout_prob": args.dropout, "attention_probs_dropout_prob": args.dropout}
    network = BertForSequenceClassification(BertConfig(num_labels=4, **sizes, **dropout))
    return AutoTokenizer.from_pretrained(name), network


def all_trainings(rank, port, trainings):
    """One of the two processes: it says who it is as torchrun would, and joins the other."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    train.Accelerator.end_training = lambda self: None  # they stay together for all trainings
    for script, arguments in trainings:
        sys.argv = [script, *arguments]
        {"train": train, "exact": exact}[script].main(train.arguments())
    torch.distributed.destroy_process_group()


def die_in(step):
    """Kill process 1 where it would average the loss of that step (from 0) with the other one's."""
    reduce, calls = train.Accelerator.reduce, []

    def reduce_or_die(self, *args, **kwargs):
        calls.append(1)
        if self.process_index == 1 and len(calls) == step + 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return reduce(self, *args, **kwargs)

    train.Accelerator.reduce = reduce_or_die


if __name__ == "__main__":
    train.load = load_small
    if sys.argv[1] == "--dies":
        if os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
            die_in(int(sys.argv[2]))
        del sys.argv[1:3]
        train.main(train.arguments())
    else:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        # forked, they share what was imported above, which takes longer than to train
        arguments = port, json.loads(sys.argv[1])
        torch.multiprocessing.start_processes(all_trainings, arguments, nprocs=2, start_method="fork")
