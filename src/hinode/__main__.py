"""`python -m hinode`."""

from __future__ import annotations

from hinode.cli import main

if __name__ == "__main__":
    main()
