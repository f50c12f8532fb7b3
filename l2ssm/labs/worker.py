"""The process that runs student code: `python -m l2ssm.labs.worker checks.py student.py first limit import_limit`.

Standard output carries one JSON object a line: {"ready": true} or {"broken": outcome} after the import, then an outcome
a check. What student code prints goes nowhere. A check that takes longer than the limit ends the process from a
watchdog thread in C, which also stops a loop inside a compiled function; the traceback it leaves on standard error
names the line.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

from l2ssm.labs.checking import checks_of, describe, line_in, load, outcome


def main(checks_file: str, student_file: str, first: int, limit: float, import_limit: float) -> None:
    """Import the file within `import_limit` seconds, run the checks from number `first` on within `limit` each."""
    results = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    sys.argv = [student_file]
    sys.path.insert(0, str(Path(student_file).parent))
    warnings.simplefilter("ignore")

    def tell(fact: dict[str, Any]) -> None:
        results.write(json.dumps(fact) + "\n")
        results.flush()

    items = checks_of(load(Path(checks_file), "hidden_checks"))[first:]
    faulthandler.dump_traceback_later(import_limit, exit=True)
    try:
        student = load(Path(student_file), "student")
    except BaseException as error:  # SystemExit too
        tell({"broken": describe(error, student_file), "line": line_in(error, student_file)})
        return
    tell({"ready": True})
    for item in items:
        faulthandler.dump_traceback_later(limit, exit=True)
        tell(asdict(outcome(item, student, student_file)))
    faulthandler.cancel_dump_traceback_later()
    os._exit(0)  # threads that student code left behind do not keep the grader waiting


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5]))
