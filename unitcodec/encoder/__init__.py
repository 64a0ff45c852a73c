"""Waveform -> codes, piece by piece.

``stream`` takes samples and gives packets. It asks ``opening`` for level and speaker, ``buffer`` for the F0 track, ``packet`` for
what may be sent of each packet, ``voice`` for a better speaker code and ``rate`` for the units that the bit rate allows; with an
effort, ``unit_search`` for better units. ``together`` codes a list side by side, ``live`` gives packets that stand alone.
"""
