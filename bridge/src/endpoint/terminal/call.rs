//! What the keeper of a terminal asks of a protocol, and what comes of it.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::line::Seat;
use crate::router::{Feed, Takes};

/// A terminal to connect and to keep.
pub struct Call {
    /// Its seat.
    pub seat: Seat,
    /// Cancelled when it is to be hung up.
    pub stop: CancellationToken,
    /// It is rung no earlier than after this time. One that calls by itself is taken at once.
    pub wait: Duration,
    /// Makes what it is shown.
    pub feeds: Feeds,
}

/// Makes the feed of the terminal on a seat, once it is known what it takes.
pub type Feeds = Arc<dyn Fn(&Seat, Takes) -> Box<dyn Feed> + Send + Sync>;

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It was to be hung up, and is.
    Stopped,
    /// The terminal could not be reached, refused, hung up or was not heard any more; the text goes to the log.
    Gone(String),
    /// This node can't ring it, now or later.
    Unserved(&'static str),
}
