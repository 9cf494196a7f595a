"""A shell ignores SIGINT for what it starts in the background; the processes that tests start would inherit that."""

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
