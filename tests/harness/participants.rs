//! Headless participants that send test cards.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};

use serde_json::json;

use super::court::HEARING;
use super::node::until;

/// Headless participants in a process of their own; killed when dropped.
pub(crate) struct Participants(Child);

impl Participants {
    /// Takes seats, each with its link.
    pub(crate) fn take(seats: &[(u8, String)]) -> Self {
        let guests: Vec<_> = seats.iter().map(|(seat, link)| json!({ "seat": seat, "link": link })).collect();
        let mut child = Command::new(HEARING)
            .args(["participant", "--party"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("participants start");
        let party = json!({ "seconds": 60, "guests": guests });
        let mut input = child.stdin.take().expect("stdin is piped");
        input.write_all(party.to_string().as_bytes()).expect("participants listen");
        Self(child)
    }

    /// Waits until they have left because the hearing is over.
    pub(crate) fn leave(mut self) {
        let status = until("the participants have left", || self.0.try_wait().expect("a child of the test"));
        assert!(status.success(), "{status}");
    }
}

impl Drop for Participants {
    fn drop(&mut self) {
        // Whoever has left already needs no killing.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
