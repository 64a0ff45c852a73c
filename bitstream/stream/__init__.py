"""Streams: header, packets, end; written, read as they come, looked through, cut and joined."""
