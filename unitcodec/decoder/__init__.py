"""Codes -> waveform."""
