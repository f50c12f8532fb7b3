"""The process that runs student code: `python -m l2ssm.labs.worker student.py limit import_limit`.

It imports the file and computes what the grader asks for over standard input and output; what the file prints goes
nowhere. A check that takes longer than the limit ends the process from a watchdog thread in C, which also stops a loop
inside a compiled function; the traceback it leaves on the standard error it was started with names the line.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import warnings
from pathlib import Path

from l2ssm.labs.checking import describe, line_in, load
from l2ssm.labs.remote import Ended, Peer


def main(student_file: str, limit: float, import_limit: float) -> None:
    """Import the file within `import_limit` seconds, then answer calls, those of one check within `limit`."""
    peer = Peer(
        os.fdopen(os.dup(0), "rb"),
        os.fdopen(os.dup(1), "wb"),
        lambda error: (type(error).__name__, describe(error, student_file), line_in(error, student_file)),
    )
    report, nowhere = os.dup(2), os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nowhere, descriptor)
    sys.argv = [student_file]
    sys.path.insert(0, str(Path(student_file).parent))
    warnings.simplefilter("ignore")
    faulthandler.dump_traceback_later(import_limit, exit=True, file=report)
    try:
        student = load(Path(student_file), "student")
    except BaseException as error:  # SystemExit too
        peer.send("broken", describe(error, student_file), line_in(error, student_file))
        os._exit(0)
    peer.functions |= {name: value for name, value in vars(student).items() if callable(value)}
    peer.send("ready", list(peer.functions))
    try:
        while True:
            kind, *rest = peer.receive()
            if kind == "check":
                faulthandler.dump_traceback_later(limit, exit=True, file=report)
            else:
                peer.answer(*rest)
    except Ended:  # the grader has closed the line
        os._exit(0)  # threads that student code left behind do not keep it waiting


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))
