"""``python -m gmvcausal`` is the command line."""

from gmvcausal.cli import main

if __name__ == "__main__":
    main()
