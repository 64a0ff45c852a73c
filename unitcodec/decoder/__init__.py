"""Codes -> waveform, piece by piece.

``stream`` takes packets and gives blocks of samples. ``piece`` decodes what it puts together, by way of ``mel`` or by a generator
that is fed codes; ``concealment`` says what is heard of lost packets. ``together`` speaks a list side by side, ``live`` packets
that stand alone. Before them, ``packets`` chooses packets, ``conversion`` changes voices, and ``completion`` fills in what units
from elsewhere lack, F0 among it (``intonation``).
"""
