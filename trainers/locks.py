"""Locks on files, between the processes of one machine or of one shared file system.

A lock belongs to an open file. It ends when that is closed, and with the process, even if it is
killed. Processes that it starts do not inherit files that Python opens, so none keeps the lock.
"""


def lock(descriptor: int, *, wait: bool = False) -> bool | None:
    """Locks an open file for this process.

    Args:
        descriptor: The file, as `os.open` returns it; `os.close` ends the lock.
        wait: Wait while another process has the lock.

    Returns:
        True: it is locked; False: another process has it; None: this file system has no locks,
        so nothing is locked and nobody is kept out.
    """
    # Imports asyncio, for which only those who lock something shall wait.
    from filelock import lock_descriptor

    try:
        return lock_descriptor(descriptor, blocking=wait)
    except OSError:
        return None
