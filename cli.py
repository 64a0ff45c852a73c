"""``python -m cli``: the command from a source tree; all of it is in ``unitcodec/command``."""

from unitcodec.command import main

if __name__ == "__main__":
    raise SystemExit(main())
