//! The test card: a frame number that survives coding, and a tone per seat.
