//! The rehearsal: headless participants that take every seat.
