"""The ``unitcodec`` command: speech files to a few hundred bits a second and back. One subcommand a module.

Nothing heavy is imported before it is needed: ``--help``, ``--version`` and ``info`` run without PyTorch.
"""

from __future__ import annotations

import os
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with ``arguments``, or those of the process, and return its exit status: see :mod:`.program`."""
    # Threads that spin while they wait cost a busy machine minutes; NumPy's products are too small for several. These are read
    # when PyTorch and NumPy are imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from unitcodec.command.group import root
    from unitcodec.command.program import run

    return run(root, arguments, "unitcodec")
