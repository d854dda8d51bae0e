//! A trial call: what is sent to a terminal outside any hearing, and what was found of it.

use std::sync::Arc;
use std::time::Duration;

use hearing_config::Codec;
use serde::Serialize;

use crate::router::{Feed, Takes, Watcher};

/// Makes the test picture and the tone for a terminal, and looks at what it sends.
pub type Cards = Arc<dyn Fn(Tried<'_>, Watcher) -> Result<Box<dyn Feed>, String> + Send + Sync>;

/// What is tried.
#[derive(Debug, Clone, Copy)]
pub enum Tried<'a> {
    /// A terminal that takes this.
    Terminal(&'a Takes),
    /// A camera that sends this, and takes nothing.
    Camera {
        /// How its sound is coded, if it has one.
        sound: Option<Codec>,
        /// And its picture.
        picture: Option<Codec>,
    },
}

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
    /// How large a camera says its picture is, in pixels; `null` of one that does not, and of a terminal.
    pub size: Option<(u32, u32)>,
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

impl Trial {
    /// With the verdict: what is wrong of `more`, and of what was measured.
    #[must_use]
    pub(crate) fn judged(mut self, more: impl IntoIterator<Item = (bool, Fault)>) -> Self {
        let faults: Vec<_> = more.into_iter().chain(self.measured()).filter(|(is_so, _)| *is_so).collect();
        self.faults = faults.into_iter().map(|(_, fault)| fault).collect();
        self.ok = self.faults.is_empty();
        self
    }

    fn measured(&self) -> [(bool, Fault); 6] {
        let heavy = |way: &Way| {
            let there = way.lost_there_percent.is_some_and(|percent| percent > MOST_LOST);
            there || way.lost as f32 * 100.0 > MOST_LOST * (way.received + way.lost) as f32
        };
        let (sound, picture) = (self.sound.as_ref(), self.picture.as_ref());
        let unread = |way: &Way| way.received > 0;
        let lossy = [sound, picture].into_iter().flatten().any(heavy);
        let fault = |zh, en| Fault { zh, en };
        [
            (
                sound.is_some_and(|way| way.received == 0),
                fault("未收到终端的声音", "no sound arrives from the terminal"),
            ),
            (sound.is_some_and(unread) && self.level_db.is_none(), fault("声音无法解码", "its sound can't be decoded")),
            (
                self.level_db.is_some_and(|level| level >= SILENT),
                fault("终端声音为静音", "the terminal's sound is silent"),
            ),
            (
                picture.is_some_and(|way| way.received == 0),
                fault("未收到终端的画面", "no picture arrives from the terminal"),
            ),
            (picture.is_some_and(unread) && self.pictures == 0, fault("画面无法解码", "its pictures can't be decoded")),
            (lossy, fault("丢包超过 2 %", "more than 2 % of the packets are lost")),
        ]
    }
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
/// It ended by itself what was to last longer.
pub(crate) const HUNG_UP: Fault =
    Fault { zh: "终端提前挂断", en: "the terminal hung up before the time was over" };
/// More loss is heard and seen, percent.
const MOST_LOST: f32 = 2.0;
/// Quieter than any room, dB below full scale.
const SILENT: u8 = 80;
