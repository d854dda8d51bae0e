//! What a node and its media children say to each other.
