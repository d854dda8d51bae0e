//! Integration and end-to-end tests: the real binary, real networks, real browsers.

mod architecture;
mod docs;
mod e2e;
mod harness;
