//! Trunks between zones.
