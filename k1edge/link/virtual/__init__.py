"""What a virtual node is made of; `k1edge.link.virtual_node` puts it together and is the one to run."""
