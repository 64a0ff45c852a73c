"""What comes next, in integers, and the range coder that turns it into bytes: probabilities <-> payloads."""
