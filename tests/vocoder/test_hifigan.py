"""The HiFi-GAN generator: lengths, folding, receptive field, the published checkpoint layout; and with an excitation."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unitcodec.configuration import ModelConfig
from unitcodec.features import log_mel
from unitcodec.frames import normalise
from unitcodec.model import Networks, restore, stored
from unitcodec.vocoder import make_generator
from unitcodec.vocoder.excitation import voiced_pulses, white_noise
from unitcodec.vocoder.excited import ExcitedGenerator
from unitcodec.vocoder.hifigan import CodeGenerator, Generator, MelGenerator
from unitcodec.vocoder.losses import stft_loss

GOLDEN = Path(os.environ.get("UNITCODEC_SHARED") or Path(__file__).parents[3] / "shared") / "golden" / "polyak"

ISTFT: dict[str, Any] = {"upsample_rates": (5, 4), "istft": 16}
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "snake": {"activation": "snake"},
    "istft": ISTFT,
    "both": {**ISTFT, "activation": "snake"},
}
EXCITED: dict[str, Any] = {"initial_channels": 16, "source": {"channels": 16, "blocks": 2}}
variants = pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS.keys())


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def _parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _code_generator(codebooks: int = 2) -> CodeGenerator:
    return CodeGenerator(Generator(24, initial_channels=32), (10,) * codebooks, 20, speaker_dim=6, embedding_dim=8)


def _codes(frames: int, batch: int = 2, codebooks: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    units = torch.randint(10, (batch, codebooks, frames))
    return units, torch.randint(20, (batch, -(-frames // 4))), torch.randn(batch, 6)


@pytest.mark.parametrize("frames", [1, 7, 20])
def test_length_is_exactly_frames_times_the_rates(frames: int) -> None:
    wave = Generator(12, initial_channels=32)(torch.randn(2, 12, frames))
    assert wave.shape == (2, 1, frames * 320)
    assert wave.abs().max() <= 1


@pytest.mark.parametrize("frames", [1, 7])
@variants
def test_length_of_the_variants(frames: int, options: dict[str, Any]) -> None:
    generator = Generator(12, initial_channels=32, **options)
    assert generator.hop == 320
    assert generator(torch.randn(2, 12, frames)).shape == (2, 1, frames * 320)


def test_kernels_are_twice_the_rates_or_one_more() -> None:
    assert Generator(12, initial_channels=32).upsample_kernels == (11, 8, 8, 4, 4)
    assert Generator(12, (5, 4), initial_channels=32).upsample_kernels == (11, 8)


@pytest.mark.parametrize(("rates", "kernels"), [((8, 8, 2, 2), (16, 16, 4, 4)), ((3, 3), (3, 9)), ((1, 7), (3, 15))])
def test_other_rates(rates: tuple[int, ...], kernels: tuple[int, ...]) -> None:
    generator = Generator(4, rates, kernels, 16)
    assert generator(torch.randn(1, 4, 5)).shape[-1] == 5 * generator.hop


@pytest.mark.parametrize(("rates", "kernels", "channels"), [((4,), (7,), 16), ((4,), (2,), 16), ((2, 2), (4, 4), 6)])
def test_kernels_that_cannot_keep_the_length_are_refused(rates: tuple[int, ...], kernels: tuple[int, ...], channels: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        Generator(4, rates, kernels, channels)


def test_even_residual_kernels_are_refused() -> None:
    with pytest.raises(ValueError, match="odd"):
        Generator(4, resblock_kernels=(3, 4, 5))


@pytest.mark.parametrize(("options", "pattern"), [({"activation": "relu"}, "activation 'relu'"), ({"istft": -16}, "istft")])
def test_variants_that_are_none_are_refused(options: dict[str, Any], pattern: str) -> None:
    with pytest.raises(ValueError, match=pattern):
        Generator(4, initial_channels=32, **options)


@pytest.mark.parametrize("options", [{"upsample_rates": (5, 4)}, {"istft": 16}, {"upsample_rates": (5, 4), "istft": 8}])
def test_mel_generators_make_160_samples_a_frame(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not 320"):
        MelGenerator(initial_channels=32, **options)
    with pytest.raises(TypeError):
        MelGenerator(initial_channels=32, rates=(5, 4))


@pytest.mark.parametrize(("width", "millions"), [(512, 14.2), (256, 3.9), (128, 1.1)])
def test_parameter_counts(width: int, millions: float) -> None:
    generator = Generator(384, initial_channels=width)
    generator.remove_weight_norm()
    assert _parameters(generator) / 1e6 == pytest.approx(millions, abs=0.1)


@variants
def test_folding_weight_norm_changes_nothing_but_the_state_dict(options: dict[str, Any]) -> None:
    generator, x = Generator(12, initial_channels=32, **options), torch.randn(2, 12, 9)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.mul_(1.0 + 0.1 * torch.rand_like(parameter))  # so that g is no longer the norm of v
        before = generator(x)
        generator.remove_weight_norm()
        generator.remove_weight_norm()
        torch.testing.assert_close(generator(x), before, rtol=0, atol=1e-5)
    assert not [name for name in generator.state_dict() if "parametrizations" in name]
    fresh = Generator(12, initial_channels=32, **options)
    fresh.remove_weight_norm()
    fresh.load_state_dict(generator.state_dict())


def test_upsampling_is_zero_insertion_and_an_ordinary_convolution() -> None:
    generator = Generator(12, initial_channels=64)
    with torch.no_grad():
        for up in generator.ups:
            assert isinstance(up, nn.ConvTranspose1d)
            (rate,), (kernel,), padding = up.stride, up.kernel_size, int(up.padding[0])
            x = torch.randn(2, up.in_channels, 10)
            spread = torch.zeros(2, up.in_channels, 10 * rate - rate + 1)
            spread[..., ::rate] = x
            ordinary = F.conv1d(F.pad(spread, (kernel - 1 - padding,) * 2), up.weight.flip(-1).transpose(0, 1), up.bias)
            torch.testing.assert_close(up(x), ordinary, rtol=0, atol=1e-6)


def test_every_parameter_gets_a_gradient() -> None:
    model = _code_generator()
    model(*_codes(60)).square().mean().backward()
    dead = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not dead


@variants
def test_the_variants_learn_under_autocast(options: dict[str, Any]) -> None:
    generator = make_generator("hifigan", initial_channels=32, **options)
    optimizer = torch.optim.Adam(generator.parameters(), 0.002)
    mel, pitch, f0 = torch.randn(2, 80, 8), torch.randn(2, 3, 8), torch.rand(2, 8)
    target = 0.1 * torch.randn(2, 8 * 160)
    losses = []
    for _ in range(8):
        with torch.autocast("cpu", torch.bfloat16):
            wave = generator(mel, pitch, f0)
        assert (wave.shape, wave.dtype) == (target.shape, torch.float32)
        loss = (wave - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        dead = [name for name, p in generator.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
        assert not dead
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


@torch.no_grad()
def test_the_inverse_stft_head_overlaps_and_adds() -> None:
    generator = Generator(4, (2,), initial_channels=8, istft=4)
    generator.remove_weight_norm()
    # The same spectrum in every frame.
    log_magnitude, phase = torch.linspace(0.0, -4.0, 9), torch.linspace(-1.4, 1.4, 9)
    generator.conv_post.weight.zero_()
    generator.conv_post.bias.copy_(torch.cat([log_magnitude, phase]))
    wave = generator(torch.randn(1, 4, 10))[0, 0]
    block = torch.fft.irfft(torch.polar(log_magnitude.exp(), torch.sin(phase)), 16) * torch.hann_window(16)
    # Four windows lie over each sample but the outermost; squared, they add up to 1.5.
    expected = block.reshape(4, 4).sum(0) / 1.5
    torch.testing.assert_close(wave[8:-8].reshape(-1, 4), expected.expand(16, 4), rtol=0, atol=1e-6)
    # However loud a spectrum is asked for, it stays finite.
    generator.conv_post.bias[:9] = 1000.0
    assert generator(torch.randn(1, 4, 10)).isfinite().all()


@torch.no_grad()
@variants
def test_the_variants_survive_storage(options: dict[str, Any]) -> None:
    config = ModelConfig("small", generator={"kind": "hifigan", "initial_channels": 64, **options})
    networks, again = Networks(config), Networks(config)
    for name, weight in networks.generator.named_parameters():
        if name.endswith("log_alpha"):
            weight.uniform_(-3, 3)
    weights = stored(networks)
    alphas = [name for name in weights if name.endswith("log_alpha")]
    stages = len(networks.generator.generator.ups)
    assert len(alphas) == (stages * 18 + 1 if "activation" in options else 0)
    assert {weights[name].dtype for name in alphas} <= {torch.float16}
    # What follows from the configuration is not stored.
    assert not [name for name in weights if "low_pass" in name or "window" in name]
    restore(again, weights)
    state, restored = networks.state_dict(), again.state_dict()
    for name in alphas:
        torch.testing.assert_close(restored[name], state[name], rtol=1e-3, atol=1e-3)
    inputs = torch.randn(1, 80, 8), torch.randn(1, 3, 8)
    expected = networks.generator.generate(*inputs)
    error = again.generator.generate(*inputs) - expected
    assert error.square().mean() < 0.01 * expected.square().mean()


@pytest.mark.parametrize("frames", [4, 5, 7, 8])
def test_code_generator_length(frames: int) -> None:
    assert _code_generator()(*_codes(frames)).shape == (2, 1, frames * 320)


def test_f0_codes_are_held_and_the_speaker_is_constant() -> None:
    model = _code_generator()
    features = model.embed(*_codes(10))
    assert features.shape == (2, 24, 10)
    assert torch.equal(features[:, 8:16, 4:7], features[:, 8:16, 4:5].expand(-1, -1, 3))
    assert torch.equal(features[:, 16:], features[:, 16:, :1].expand(-1, -1, 10))


def test_rows_of_units_are_summed() -> None:
    model = _code_generator()
    units, f0, speaker = _codes(4)
    expected = model.units[0](units[:, 0]) + model.units[1](units[:, 1])
    torch.testing.assert_close(model.embed(units, f0, speaker)[:, :8], expected.transpose(1, 2))


def test_codes_that_do_not_fit_are_refused() -> None:
    model = _code_generator()
    units, f0, speaker = _codes(8)
    with pytest.raises(ValueError, match="fit"):
        model(units[:, :1], f0, speaker)
    with pytest.raises(ValueError, match="fit"):
        model(units, f0[:, :1], speaker)
    with pytest.raises(ValueError, match="channels"):
        CodeGenerator(Generator(24, initial_channels=32), embedding_dim=16)


@pytest.mark.parametrize(("f0_size", "speaker_dim"), [(0, 0), (20, 0), (0, 6)])
def test_without_f0_or_speaker(f0_size: int, speaker_dim: int) -> None:
    channels = 8 * (1 + (f0_size > 0) + (speaker_dim > 0))
    model = CodeGenerator(Generator(channels, initial_channels=32), (10,), f0_size, speaker_dim, 8)
    units, f0, speaker = _codes(7, codebooks=1)
    wave = model(units, f0, speaker)
    assert wave.shape == (2, 1, 7 * 320)
    # What a model does not know is not looked at.
    torch.testing.assert_close(model(units, f0 if f0_size else None, speaker if speaker_dim else None), wave)
    if f0_size:
        with pytest.raises(ValueError, match="f0 none"):
            model(units, None, speaker)
    if speaker_dim:
        with pytest.raises(ValueError, match="speaker none"):
            model(units, f0)
        with pytest.raises(ValueError, match="speaker"):
            model(units, f0, speaker[:, 1:])


def test_context_and_hop_are_the_generators() -> None:
    model = _code_generator()
    assert (model.hop, model.context) == (320, model.generator.receptive_field)


@torch.no_grad()
@variants
def test_a_chunk_with_context_gives_what_the_whole_gives(options: dict[str, Any]) -> None:
    generator = Generator(12, initial_channels=32, **options)
    context, hop = generator.receptive_field, generator.hop
    x = torch.randn(1, 12, 60)
    whole, start, end = generator(x), 30, 34
    assert start >= context
    chunk = generator(x[..., start - context : end + context])[..., context * hop : (context + end - start) * hop]
    torch.testing.assert_close(chunk, whole[..., start * hop : end * hop], rtol=0, atol=1e-4)
    # Signal edges are no exception: what the whole pads with zeros there, the first chunk pads too.
    first = generator(x[..., : end + context])[..., : end * hop]
    torch.testing.assert_close(first, whole[..., : end * hop], rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("rates", "kernels", "width"),
    [((5, 4, 4, 2, 2), (11, 8, 8, 4, 4), 32), ((2,), (2,), 8), ((3, 4), (9, 4), 8), ((2, 5), (10, 5), 8)],
)
@pytest.mark.parametrize("activation", ["leaky_relu", "snake"])
@pytest.mark.parametrize("istft", [0, 1, 4])
def test_receptive_field_is_exact(
    rates: tuple[int, ...], kernels: tuple[int, ...], width: int, activation: str, istft: int
) -> None:
    # Float64 and linear enough: a frame reaches an output sample exactly when its gradient there is not zero.
    generator = Generator(3, rates, kernels, width, activation=activation, istft=istft).double()
    frames = 2 * generator.receptive_field + 11
    x = torch.randn(1, 3, frames, dtype=torch.float64, requires_grad=True)
    middle, hop = frames // 2, generator.hop
    wave = generator(x)[0, 0, middle * hop : (middle + 1) * hop]
    (gradient,) = torch.autograd.grad((wave * torch.randn_like(wave)).sum(), x)
    touched = gradient.abs().sum((0, 1)).nonzero().flatten() - middle
    assert int(touched.abs().max()) == generator.receptive_field


def _excitation(frames: int, batch: int = 1) -> tuple[Tensor, Tensor]:
    """Pulses at 125 Hz, voiced throughout, and noise, (B, 160 frames) each."""
    hz = torch.full((batch, 160 * frames), 125.0)
    cycles = torch.remainder(torch.cumsum(hz.double() / 16000, 1), 1.0)
    return voiced_pulses(hz, cycles, torch.ones(batch, frames)), white_noise(0, 160 * frames).expand(batch, -1)


def _excited(**options: Any) -> ExcitedGenerator:
    generator = make_generator("hifigan", excitation=True, **{**EXCITED, **options})
    assert isinstance(generator, ExcitedGenerator)
    return generator


def test_the_excitation_is_an_option() -> None:
    assert isinstance(make_generator("hifigan", excitation=False, initial_channels=32), MelGenerator)
    with pytest.raises(TypeError):
        make_generator("spectral", excitation=True)
    with pytest.raises(TypeError):
        _excited(channels=8)


@pytest.mark.parametrize("options", [{"upsample_rates": (5, 4)}, {"istft": 8}, {"upsample_rates": (5, 4, 8), "istft": 0}])
def test_excited_generators_make_160_samples_a_frame(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not 160"):
        _excited(**options)


@pytest.mark.parametrize("frames", [1, 2, 7])
@pytest.mark.parametrize("options", [{}, {"upsample_rates": (5, 2, 2), "istft": 8}, {"upsample_rates": (32,), "istft": 5}])
def test_length_with_an_excitation(frames: int, options: dict[str, Any]) -> None:
    wave = _excited(**options)(torch.randn(2, 80, frames), torch.randn(2, 3, frames), torch.rand(2, frames) * 300 + 60)
    assert wave.shape == (2, 160 * frames)
    assert wave.isfinite().all()


@torch.no_grad()
def test_at_first_the_source_network_speaks() -> None:
    generator = _excited()
    mel, pitch = torch.randn(1, 80, 50), torch.randn(1, 3, 50)
    excitation = _excitation(50)
    expected = generator.source.generate(mel, pitch, *excitation)
    error = generator.generate(mel, pitch, *excitation) - expected
    assert error.square().mean() < 0.1 * expected.square().mean()
    # With the head at zero nothing else does: its windows give back what they were given, but at the ends.
    generator.finish()
    generator.generator.conv_post.weight.zero_()
    generator.generator.conv_post.bias[3 * generator.bins : 4 * generator.bins] = -100.0
    wave = generator.generate(mel, pitch, *excitation)
    torch.testing.assert_close(wave[:, 64:-64], expected[:, 64:-64], rtol=0, atol=1e-5)


def test_every_scale_hears_the_excitation() -> None:
    generator = _excited(upsample_rates=(5, 2, 2), istft=8)
    # Whatever the source network makes of it is silenced.
    with torch.no_grad():
        generator.source.head.weight.zero_()
        generator.source.head.bias.fill_(-30.0)
        generator.generator.conv_post.bias.zero_()
    pulses, noise = (signal.clone().requires_grad_() for signal in _excitation(12))
    for scale in range(3):
        for number, down in enumerate(generator.downs):
            down.requires_grad_(number == scale)
        wave = generator.generate(torch.randn(1, 80, 12), torch.randn(1, 3, 12), pulses, noise)
        weight = generator.downs[scale].weight
        (gradient,) = torch.autograd.grad(wave.square().sum(), weight)
        # Both signals, at each of the places in a stride.
        assert (gradient.abs().amax(0) > 0).all()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"upsample_rates": (2, 5)},
        {"upsample_rates": (4, 5), "istft": 8, "activation": "snake"},
        {"resblock_dilations": ((1,), (2,))},
    ],
)
def test_the_context_of_an_excited_generator_is_exact(options: dict[str, Any]) -> None:
    generator = _excited(**options)
    n, middle = 2 * generator.context + 5, generator.context + 2
    inputs = [torch.randn(1, 80, n), torch.randn(1, 3, n), *_excitation(n)]
    for tensor in inputs:
        tensor.requires_grad_()
    wave = generator.generate(*inputs)[0, 160 * middle : 160 * (middle + 1)]
    gradients = torch.autograd.grad((wave * torch.randn(160)).sum(), inputs)
    touched = [gradient.abs().sum((0, 1)).nonzero().flatten() for gradient in gradients[:2]]
    touched += [gradient[0].nonzero().flatten() // 160 for gradient in gradients[2:]]
    reach = [int((frames - middle).abs().max()) for frames in touched]
    assert max(reach) == reach[0] == generator.context


@torch.no_grad()
def test_an_excited_generator_is_folded_and_stored() -> None:
    config = ModelConfig("small", generator={"kind": "hifigan", "excitation": True, **EXCITED, "initial_channels": 64})
    trained, networks, again = make_generator(**config.generator), Networks(config), Networks(config)
    inputs = torch.randn(1, 80, 8), torch.randn(1, 3, 8), *_excitation(8)
    expected = trained.generate(*inputs)  # type: ignore[call-arg]
    trained.finish()
    torch.testing.assert_close(trained.generate(*inputs), expected, rtol=0, atol=1e-5)  # type: ignore[call-arg]
    networks.generator.load_state_dict(trained.state_dict())
    weights = stored(networks)
    assert not [name for name in weights if "parametrizations" in name or "window" in name]
    assert weights["generator.generator.conv_pre.weight"].dtype == weights["generator.downs.0.weight"].dtype == torch.int8
    restore(again, weights)
    error = again.generator.generate(*inputs) - expected
    assert error.square().mean() < 0.01 * expected.square().mean()


def test_a_generator_learns_faster_with_an_excitation() -> None:
    """A third of a second of a vowel that rises from 120 to 150 Hz, with some breath, learned by heart."""
    f0 = torch.linspace(120.0, 150.0, 32)[None]
    cycles = torch.cumsum(f0.repeat_interleave(160, 1) / 16000, 1)
    harmonics = torch.arange(1, 40)
    formants = sum(1.0 / (1.0 + ((135.0 * harmonics - formant) / 120.0) ** 2) for formant in (600.0, 1800.0))
    target = 0.1 * (torch.sin(2 * torch.pi * cycles[..., None] * harmonics) * formants).sum(-1)
    target = target + 0.003 * torch.randn_like(target)
    mel = normalise(log_mel(target))
    pitch = torch.stack([f0 / 100 - 1, f0 / 100 - 1, torch.ones_like(f0)], 1)
    sizes: dict[str, Any] = {"initial_channels": 32, "resblock_kernels": (3,), "resblock_dilations": ((1, 3),), "istft": 16}
    excited = _excited(**sizes, source={"channels": 32, "blocks": 2})
    plain = make_generator("hifigan", upsample_rates=(5, 4), **sizes)
    losses = []
    for generator, steps in ((excited, 40), (plain, 60)):
        optimizer = torch.optim.Adam(generator.parameters(), 0.003)
        for _ in range(steps):
            wave = generator(mel, pitch, f0)
            loss = stft_loss(target, wave) + 3 * F.l1_loss(normalise(log_mel(wave)), mel)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses.append(loss.item())
    assert losses[0] < 0.8 * losses[1]


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="golden vectors are not part of the repository")
def test_published_checkpoints_load_and_speak_the_same() -> None:
    config = json.loads((GOLDEN / "config.json").read_text())
    state = torch.load(GOLDEN / "g_00000000", map_location="cpu", weights_only=True)["generator"]
    expected = np.load(GOLDEN / "expected.npz", allow_pickle=False)
    generator = Generator(
        config["model_in_dim"],
        config["upsample_rates"],
        config["upsample_kernel_sizes"],
        config["upsample_initial_channel"],
        config["resblock_kernel_sizes"],
        config["resblock_dilation_sizes"],
    )
    speakers, dim = state["spkr.weight"].shape
    model = CodeGenerator(generator, (config["num_embeddings"],), len(state["f0_dict.weight"]), speakers, dim)
    ours = {f"generator.{k}": v for k, v in state.items() if k.split(".")[0] in ("conv_pre", "ups", "resblocks", "conv_post")}
    ours |= {"units.0.weight": state["dict.weight"], "f0.weight": state["f0_dict.weight"]}
    ours |= {"speaker.weight": state["spkr.weight"].T}
    model.load_state_dict(ours)
    units, f0 = torch.from_numpy(expected["code"]).unsqueeze(1), torch.from_numpy(expected["f0_codes"])
    speaker = F.one_hot(torch.from_numpy(expected["spkr"]).squeeze(1), speakers).float()
    for fold in (False, True):
        if fold:
            model.remove_weight_norm()
        with torch.no_grad():
            wave = model(units, f0, speaker)
        torch.testing.assert_close(wave, torch.from_numpy(expected["wave"]), rtol=0, atol=1e-5)


@pytest.mark.parametrize("options", [{"kind": "spectral"}, {"kind": "hifigan", **ISTFT, "activation": "snake"}])
def test_windows_and_filters_do_not_depend_on_the_default_type(options: dict[str, Any]) -> None:
    """They are computed when a generator is made, whose weights are read afterwards."""
    torch.set_default_dtype(torch.bfloat16)
    try:
        made = make_generator(**options)
    finally:
        torch.set_default_dtype(torch.float32)
    found = dict(made.float().named_buffers())
    assert found
    assert all(torch.equal(found[name], value) for name, value in make_generator(**options).named_buffers())
