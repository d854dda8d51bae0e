//! The wire between nodes.
