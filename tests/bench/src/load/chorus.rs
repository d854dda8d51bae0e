//! Several participants who all send and receive nothing: what a record is made of.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::course::Course;
use super::{Host, Peer};

/// Participants who send sound and picture while they are driven.
pub(crate) struct Chorus(Course);

impl Chorus {
    /// `count` participants, connected to `host`.
    pub(crate) fn join(host: &mut dyn Host, count: usize) -> Result<Self> {
        let mut course = Course::new(1.0)?;
        for _ in 0..count {
            let mut sender = Peer::sender()?;
            host.publish(0, &mut sender)?;
            course.add(sender)?;
        }
        course.go(Duration::from_secs(20), |peers| peers.iter().all(|peer| peer.connected))?;
        ensure!(course.peers.iter().all(|peer| peer.connected), "not every sender gets connected");
        Ok(Self(course))
    }

    /// Sends for a while.
    pub(crate) fn sing(&mut self, time: Duration) -> Result<()> {
        self.0.go(time, |_| false)
    }
}
