//! Streamable Matroska.
