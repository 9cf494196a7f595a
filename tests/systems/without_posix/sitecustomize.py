"""Remove the parts of Python's library that Windows lacks. Python imports a module of this name at its start."""

import os
import signal
import sys

for module in ("fcntl", "grp", "pwd", "resource", "termios"):
    sys.modules[module] = None  # type: ignore[assignment]
for name in ("O_DIRECTORY", "fork", "forkpty", "getegid", "geteuid", "getgid", "getpgid", "getpgrp", "getuid", "killpg",
             "setsid", "sync", "wait"):  # fmt: skip
    delattr(os, name)
for name in ("SIGALRM", "SIGCHLD", "SIGHUP", "SIGKILL", "SIGQUIT", "SIGUSR1", "SIGUSR2", "alarm", "pthread_sigmask",
             "setitimer", "sigwait", "sigwaitinfo"):  # fmt: skip
    delattr(signal, name)
