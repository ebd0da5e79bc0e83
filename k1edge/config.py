"""Settings: defaults < system file < user file < K1EDGE_* environment < flag."""
