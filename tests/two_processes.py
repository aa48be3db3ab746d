"""What tests/test_distributed.py starts: notebooks/train.py on two processes.

python two_processes.py TRAININGS               two processes, forked here, which do one training after the other;
                                                TRAININGS is a JSON list of lists of train.py's arguments
torchrun … two_processes.py --dies STEP ...     one training with the other arguments; process 1 is killed in that step
"""

import json
import os
import signal
import socket
import sys
from pathlib import Path

import torch
from transformers.models.bert import modeling_bert  # noqa: F401  or each forked process would load it for itself

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "notebooks"))
import train


def all_trainings(rank, port, trainings):
    """One of the two processes: it says who it is as torchrun would, and joins the other."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    train.Accelerator.end_training = lambda self: None  # they stay together for all trainings
    for arguments in trainings:
        sys.argv = ["train.py", *arguments]
        train.main()
    torch.distributed.destroy_process_group()


def die_in(step):
    """Kill process 1 where it would add up the losses of that step (from 0) with the other one."""
    reduce, init = train.Accelerator.reduce, train.Training.__init__
    running = []

    def remember(self, *args):
        running.append(self)
        init(self, *args)

    def reduce_or_die(self, *args, **kwargs):
        if self.process_index == 1 and running[0].step == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return reduce(self, *args, **kwargs)

    train.Training.__init__, train.Accelerator.reduce = remember, reduce_or_die


if __name__ == "__main__":
    if sys.argv[1] == "--dies":
        die_in(int(sys.argv[2]))
        del sys.argv[1:3]
        train.main()
    else:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        # forked, they share what was imported above, which takes longer than to train
        arguments = port, json.loads(sys.argv[1])
        torch.multiprocessing.start_processes(all_trainings, arguments, nprocs=2, start_method="fork")
