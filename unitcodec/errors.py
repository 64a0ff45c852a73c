"""What can go wrong outside the bitstream, one class a cause, each with a one-line message fit for a user."""


class UnitcodecError(Exception):
    """Base of every error that unitcodec raises on purpose (``bitstream.BitstreamError`` stands beside it)."""


class AudioError(UnitcodecError):
    """The audio cannot be read, or cannot be coded: wrong kind of file, damaged, too low a rate, NaN."""


class UnitcodecWarning(UserWarning):
    """All was done, but not quite as asked for; the command says it in one line."""


class AudioWarning(UnitcodecWarning):
    """The audio was coded, but not just as it is: some of it could not be read, or had to be changed first."""


class ModelError(UnitcodecError, ValueError):
    """The model cannot be loaded, or is not the one that the stream was made with."""
