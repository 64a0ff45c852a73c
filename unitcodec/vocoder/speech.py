"""Codes of a stream -> its samples, piece by piece. Each generator supplies what speaks by it: :meth:`.Vocoder.speech`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Protocol

from bitstream.entropy.spec import SAMPLE_RATE

from ..frames import HOP

if TYPE_CHECKING:
    from torch import Tensor

    from ..content import ContentFamily
    from ..pitch import PitchFamily
    from ..speaker import SpeakerFamily
    from .hifigan import CodeGenerator, MelGenerator


class VoiceSource(Protocol):
    """What a generator that is fed codes asks for beside the codes of a stream."""

    def voice(self) -> Any:
        """The vector that the stream's speaker code stands for, (1, channels)."""
        ...


class MelSource(Protocol):
    """What a mel decoder makes of the codes of one stream, for a generator to speak: tensors, or arrays of NumPy.

    Attributes:
        unit_hop: samples a unit frame.
        context: unit frames to each side that the log-mel of a frame depends on.
    """

    @property
    def unit_hop(self) -> int: ...

    @property
    def context(self) -> int: ...

    def decode(self, units: Any, f0: Any, own: slice) -> tuple[Any, Any, Any]:
        """Units (1, rows, m) and F0 codes (1, k) -> normalised log-mel (1, 80, n), pitch features (1, 3, n), F0 (1, n) in Hz.

        Of the unit frames ``own`` only, as far as there are any, which see all the others.
        """
        ...


class Source(VoiceSource, MelSource, Protocol):
    """What any generator may ask for."""


class Speech(Protocol):
    """One stream's voice. Pieces are spoken in order."""

    @property
    def context(self) -> int:
        """Unit frames to each side that a piece has to be given."""
        ...

    def speak(self, units: Any, f0: Any, low: int, begin: int, end: int) -> Any:
        """Units (1, rows, n) from unit frame ``low`` of the stream on, F0 codes (1, m) -> their samples [begin, end), (k,)."""
        ...

    def skip(self, samples: int, hz: Callable[[], float]) -> None:
        """So many are silent and not spoken. ``hz`` tells their F0, which is steady; only an oscillator asks for it."""
        ...


class Vocoder(Protocol):
    """What the codec needs of a generator, a ``torch.nn.Module``.

    Attributes:
        fed: "codes", or "log_mel" of a mel decoder before it.
        context: frames to each side on which a frame of output depends: of log-mel (100 Hz), or of units where it is fed codes.
    """

    @property
    def fed(self) -> Literal["log_mel", "codes"]: ...

    @property
    def context(self) -> int: ...

    def finish(self) -> None:
        """Fold what only training needs."""
        ...

    def fits(self, content: ContentFamily, pitch: PitchFamily, speaker: SpeakerFamily) -> bool:
        """Whether it takes the codes, or the log-mel of the codes, of these families."""
        ...

    def speech(self, source: Source) -> Speech:
        """What speaks the codes of a stream."""
        ...

    def durations(self, units: Tensor) -> Tensor | None:
        """Units without repetitions (B, codebooks, n) -> frames that each lasts (B, n), at least one; None if it cannot tell."""
        ...


class MelVocoder(Vocoder, Protocol):
    """One that is fed log-mel, which is all that it asks of a stream."""

    @property
    def fed(self) -> Literal["log_mel"]: ...

    def speech(self, source: MelSource) -> Speech: ...


class CodeVocoder(Vocoder, Protocol):
    """One that is fed codes."""

    @property
    def fed(self) -> Literal["codes"]: ...


class FedLogMel:
    """What generators have in common that a mel decoder goes before."""

    fed: Literal["log_mel"] = "log_mel"

    def durations(self, units: Tensor) -> Tensor | None:
        """None: how long units last such a generator cannot tell."""
        return None

    def fits(self, content: ContentFamily, pitch: PitchFamily, speaker: SpeakerFamily) -> bool:
        """Whatever the codes: the mel decoder is what has to fit."""
        return True


class ExcitedVocoder(Protocol):
    """A generator that is given pulses and noise; of tensors, or of arrays of NumPy throughout."""

    @property
    def context(self) -> int: ...

    def excite(
        self, hz: Any, voicing: Any, phase: float, begin: int, end: int, part: slice, position: int
    ) -> tuple[Any, Any, float]:
        """What excites it.

        Args:
            hz, voicing: (1, n), of frames.
            phase: cycles of the oscillator before sample ``begin`` of these frames.
            part: the samples that are wanted.
            position: of their first one in the stream.

        Returns:
            Pulses and noise (1, k) of the ``part``, and the phase before sample ``end``.
        """
        ...

    def generate(self, mel: Any, pitch: Any, pulses: Any, noise: Any) -> Any:
        """Normalised log-mel (B, 80, n), pitch features (B, 3, n), excitations (B, 160 n) -> waveform (B, 160 n)."""
        ...


class CodeSpeech:
    """By a generator that is fed codes: nothing is carried from piece to piece."""

    def __init__(self, generator: CodeGenerator, source: VoiceSource):
        self.generator, self.voice = generator, source.voice()

    @property
    def context(self) -> int:
        return self.generator.context

    def speak(self, units: Tensor, f0: Tensor, low: int, begin: int, end: int) -> Tensor:
        waveform: Tensor = self.generator(units, f0, self.voice)[0, 0, begin:end]
        return waveform

    def skip(self, samples: int, hz: Callable[[], float]) -> None:
        pass


class MelSpeech:
    """By a generator that is fed log-mel alone: nothing is carried from piece to piece."""

    def __init__(self, generator: MelGenerator, source: MelSource):
        self.generator, self.source = generator, source

    @property
    def context(self) -> int:
        return _context(self.generator, self.source)

    def speak(self, units: Tensor, f0: Tensor, low: int, begin: int, end: int) -> Tensor:
        own, begin, end = own_frames(self.generator, self.source, begin, end)
        mel, features, _ = self.source.decode(units, f0, own)
        part = frames_of(self.generator, begin, end)
        waveform = self.generator.generate(mel[..., part], features[..., part])
        return waveform[0, begin - part.start * HOP : end - part.start * HOP]

    def skip(self, samples: int, hz: Callable[[], float]) -> None:
        pass


class ExcitedSpeech:
    """By a generator with an excitation: the phase at the end of a piece is where the next begins."""

    def __init__(self, generator: ExcitedVocoder, source: MelSource):
        self.generator, self.source, self.phase = generator, source, 0.0

    @property
    def context(self) -> int:
        return _context(self.generator, self.source)

    def speak(self, units: Any, f0: Any, low: int, begin: int, end: int) -> Any:
        own, begin, end = own_frames(self.generator, self.source, begin, end)
        mel, features, hz = self.source.decode(units, f0, own)
        part = frames_of(self.generator, begin, end)
        first = part.start * HOP
        samples = slice(first, min(end + self.generator.context * HOP, mel.shape[2] * HOP))
        position = (low + own.start) * self.source.unit_hop + first
        pulses, noise, self.phase = self.generator.excite(hz, features[:, 2], self.phase, begin, end, samples, position)
        return self.generator.generate(mel[..., part], features[..., part], pulses, noise)[0, begin - first : end - first]

    def skip(self, samples: int, hz: Callable[[], float]) -> None:
        """The phase goes on."""
        self.phase = (self.phase + samples * hz() / SAMPLE_RATE) % 1.0


def _context(generator: Vocoder | ExcitedVocoder, source: MelSource) -> int:
    """Unit frames to each side: the generator's, which it counts in log-mel frames, and those of the log-mel."""
    return -(-generator.context * HOP // source.unit_hop) + source.context


def own_frames(generator: Vocoder | ExcitedVocoder, source: MelSource, begin: int, end: int) -> tuple[slice, int, int]:
    """The unit frames that the samples [begin, end) take, as far as there are any, and these samples counted from the first one.

    The rest is only there for the mel decoder to see. One more at either end, as F0 is interpolated between frames.
    """
    part, frames = frames_of(generator, begin, end), source.unit_hop // HOP
    own = slice(max(0, part.start // frames - 1), -(-part.stop // frames) + 1)
    return own, begin - own.start * source.unit_hop, end - own.start * source.unit_hop


def frames_of(generator: Vocoder | ExcitedVocoder, begin: int, end: int) -> slice:
    """Log-mel frames that the samples [begin, end) take. The mel decoder sees further than the generator, which costs more."""
    return slice(max(0, begin // HOP - generator.context), -(-end // HOP) + generator.context)
