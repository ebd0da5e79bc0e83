"""`python -m k1edge` is the `k1edge` command."""

from k1edge.cli import main

if __name__ == "__main__":
    main()
