"""The node's side of k1link as a pure state machine: what the virtual node runs. Read `core` first."""
