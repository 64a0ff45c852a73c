"""What can go wrong. Whatever bytes a reader is given, nothing but these escapes."""


class BitstreamError(ValueError):
    """Root of every error of this package; the message is one line meant for a person."""


class InvalidCodes(BitstreamError):
    """Codes that no stream can hold: wrong shape, wrong type, or outside the model's alphabets."""


class InvalidEntropyModel(BitstreamError):
    """An entropy model whose description or tables do not fit together."""


class NotUnitcodec(BitstreamError):
    """The bytes do not start as a unitcodec stream does."""


class UnsupportedVersion(BitstreamError):
    """A unitcodec stream of a version that this reader does not know."""


class UnknownModel(BitstreamError):
    """The stream names a model whose entropy model is not at hand."""


class Damaged(BitstreamError):
    """A check failed. `packet` is its number (None: the header), `offset` the byte where it starts."""

    def __init__(self, message: str, *, packet: int | None = None, offset: int | None = None) -> None:
        super().__init__(message)
        self.packet = packet
        self.offset = offset


class Truncated(Damaged):
    """The bytes end before the stream does."""


class TooLong(BitstreamError):
    """A stream longer than the caller allows, or one that so much is missing of that it would be mostly silence."""


class TrailingBytes(Damaged):
    """The stream ended and bytes are left over, from `offset` on."""


def shown(value: object) -> str:
    """A value from a foreign file, as a message shows it: short, in ASCII, whatever it is."""
    try:
        text = ascii(value)
    except (ValueError, RecursionError):  # an integer of too many digits; lists in lists
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 60 else text[:57] + "..."
