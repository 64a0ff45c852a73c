"""Waveform -> codes."""
