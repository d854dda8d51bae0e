//! Tests of the builder: honest hearings, crashes, witnesses.

mod building;
mod parties;
mod witnessing;
