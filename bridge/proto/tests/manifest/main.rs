//! The manifest from outside: honest hearings, crashes, witnesses, and everything that somebody may do to a record.

#[cfg(test)]
mod building;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod honest;
#[cfg(test)]
mod parties;
#[cfg(test)]
mod second;
#[cfg(test)]
mod stranger;
#[cfg(test)]
mod tamper;
#[cfg(test)]
mod thief;
#[cfg(test)]
mod verifying;
#[cfg(test)]
mod witnessing;
