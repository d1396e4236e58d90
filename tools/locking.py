"""Who holds a POSIX lock, without taking it."""

import fcntl
import os
from pathlib import Path


def held_by(lock: Path) -> str | None:
    """The process id written in a lock file that a living process holds."""
    try:
        file = os.open(lock, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return os.pread(file, 20, 0).decode() or "?"
    finally:
        os.close(file)
    return None
