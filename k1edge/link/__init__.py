"""The wire to the node. Sans-IO but for `port` (pyserial) and `virtual_node` (a node to test against)."""
