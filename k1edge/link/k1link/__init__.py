"""k1link, the timed dialect, host side: from frames to sessions. The reading order is in `k1edge.link`."""
