//! From RTP payloads to whole frames.
