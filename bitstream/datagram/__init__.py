"""Datagrams, each decodable alone, for links that lose, repeat and reorder what they carry."""
