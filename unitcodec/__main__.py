"""``python -m unitcodec``: the command."""

from unitcodec.command import main

if __name__ == "__main__":
    raise SystemExit(main())
