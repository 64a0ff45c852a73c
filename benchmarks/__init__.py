"""Quality and speed of the codec beside its peers, measured with public judges."""
