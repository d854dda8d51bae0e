//! The manifest from outside: honest hearings, crashes, witnesses, and everything that somebody may do to a record.

mod building;
mod faults;
mod honest;
mod parties;
mod second;
mod stranger;
mod tamper;
mod verifying;
mod witnessing;
