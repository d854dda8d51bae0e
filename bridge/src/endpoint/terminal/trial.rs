//! A trial call: what is sent to a terminal outside any hearing, and what was found of it.

use std::sync::Arc;
use std::time::Duration;

use hearing_config::Codec;
use serde::Serialize;

use crate::router::{Feed, Takes, Watcher};

/// Makes the test picture and the tone for a terminal that takes this, and looks at what the terminal sends.
pub type Cards = Arc<dyn Fn(&Takes, Watcher) -> Result<Box<dyn Feed>, String> + Send + Sync>;

/// What a trial call found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trial {
    /// True when the terminal can be used: it answers, sends a picture or a sound, and what was agreed on arrives.
    pub ok: bool,
    /// What is wrong, empty when it is fine.
    pub faults: Vec<Fault>,
    /// From ringing to the answer, milliseconds.
    pub answered_ms: u64,
    /// For how long media was exchanged, seconds.
    pub seconds: u64,
    /// Round trip, milliseconds; `null` when the terminal reports nothing (RTCP).
    pub round_trip_ms: Option<u32>,
    /// Its sound, if there is any.
    pub sound: Option<Way>,
    /// The mean level of its loudest second, dB below full scale; `null`: no sound was decoded.
    pub level_db: Option<u8>,
    /// Its picture, if there is any.
    pub picture: Option<Way>,
    /// Its pictures that were decoded here.
    pub pictures: u64,
}

/// One medium, in both directions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Way {
    /// The codec, the same in both.
    pub codec: Codec,
    /// Keyed by SDES.
    pub encrypted: bool,
    /// Packets that were sent to it.
    pub sent: u64,
    /// The share that it says it lost before its last report, percent; `null` when it reports nothing.
    pub lost_there_percent: Option<f32>,
    /// How unevenly it says they came, milliseconds.
    pub jitter_there_ms: Option<f32>,
    /// Packets that came from it.
    pub received: u64,
    /// Packets of it that did not come.
    pub lost: u64,
    /// How unevenly they came, milliseconds.
    pub jitter_ms: f32,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// In Chinese.
    pub zh: &'static str,
    /// In English.
    pub en: &'static str,
}

/// Why there is no trial.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoTrial {
    /// No device of this node, and no address.
    #[error(
        "{0} is no terminal of this node's configuration; give a user of [[sip.device]] or an address such as sip:room3@10.2.0.30"
    )]
    Unknown(String),
    /// It is on its seat, or is awaited there.
    #[error("{terminal} belongs to hearing {hearing} now; try it before or after")]
    Busy {
        /// The terminal.
        terminal: String,
        /// The hearing.
        hearing: hearing_config::HearingId,
    },
    /// A device that has not registered.
    #[error("{0} is not registered; switch it on, and look at its registrar, user and password")]
    Unregistered(String),
    /// It was not reached.
    #[error("{0}")]
    Unreached(String),
}

/// How long a terminal may ring in a trial.
pub const RINGING: Duration = Duration::from_secs(30);
