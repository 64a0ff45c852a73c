"""Live packets: a fraction of a second each, decodable alone, that carry the speaker code little by little."""
