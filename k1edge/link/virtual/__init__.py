"""What a virtual node is made of; `k1edge.link.virtual_node` puts it together, `k1edge node simulate` runs it."""
