"""Which signals end the program. Loads nothing, as the command line asks it at once."""

import signal


def endings() -> list[signal.Signals]:
    """Return the signals that end a program, beside Ctrl-C's: a service is stopped by one, and by the other whoever
    closes the terminal's window, unless `nohup` says that it is to go on."""
    hang_up: signal.Signals | None = getattr(signal, "SIGHUP", None)  # Windows has none
    if hang_up is None or signal.getsignal(hang_up) is signal.SIG_IGN:
        return [signal.SIGTERM]
    return [signal.SIGTERM, hang_up]
