//! Headless participants in a process of their own.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::court::HEARING;
use super::netns;
use super::node::until;

/// `hearing participant` on some seats; killed when dropped.
pub(crate) struct Party(Child);

impl Party {
    /// Takes seats, each by its id and link, from this machine.
    pub(crate) fn take(seats: &[(u8, String)]) -> Self {
        Self::begin(Command::new(HEARING), seats)
    }

    /// Takes them from a network of its own.
    pub(crate) fn take_in(namespace: &str, seats: &[(u8, String)]) -> Self {
        Self::begin(netns::command(namespace, HEARING), seats)
    }

    /// Waits until they have left because the hearing is over; what they saw and heard, as `hearing participant` prints it.
    pub(crate) fn leave(mut self) -> Value {
        let status = until("the participants have left", || self.0.try_wait().expect("a child of the test"));
        assert!(status.success(), "{status}");
        let mut report = String::new();
        let mut output = self.0.stdout.take().expect("stdout is piped");
        output.read_to_string(&mut report).expect("the participants report");
        serde_json::from_str(&report).unwrap_or_else(|_| panic!("no report: {report}"))
    }

    fn begin(mut command: Command, seats: &[(u8, String)]) -> Self {
        let guests: Vec<_> = seats.iter().map(|(seat, link)| json!({ "seat": seat, "link": link })).collect();
        let mut child = command
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
}

/// Expects that a report tells of a seat's tone.
pub(crate) fn assert_heard(report: &Value, seat: u8) {
    let pairs = report["pairs"].as_array().expect("pairs");
    let pair = pairs.iter().find(|pair| pair["from"] == seat).unwrap_or_else(|| panic!("no seat {seat}: {report:#}"));
    assert_eq!(pair["tone"], "Heard", "{report:#}");
}

impl Drop for Party {
    fn drop(&mut self) {
        // Whoever has left already needs no killing.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
