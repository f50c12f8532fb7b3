"""`python -m l2ssm`: the command line."""

from __future__ import annotations

from l2ssm.cli import main

if __name__ == "__main__":
    main()
