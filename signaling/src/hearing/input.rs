//! What happens to a hearing: what people do, and what media reports.

use hearing_config::{SeatId, TrackId, Zone};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Proof;
use crate::access::Permission;

/// What somebody with the permission for it asks of a hearing; the operator may ask for all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "action", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// Lets the one who waits on `seat` in, with how the identity was checked (法释〔2021〕12号, article 7).
    Admit {
        /// The seat's slug.
        seat: String,
        /// How the identity was checked.
        identity: Identity,
    },
    /// Sends the one who waits on `seat` away; the link stays usable.
    Refuse {
        /// The seat's slug.
        seat: String,
    },
    /// Takes whoever sits on `seat` out; the link is used up.
    Remove {
        /// The seat's slug.
        seat: String,
    },
    /// Nobody hears `seat` until it is unmuted.
    Mute {
        /// The seat's slug.
        seat: String,
    },
    /// Ends a mute.
    Unmute {
        /// The seat's slug.
        seat: String,
    },
    /// Calls a waiting witness or expert into the hearing (法释〔2021〕12号, article 26).
    Call {
        /// The seat's slug.
        seat: String,
    },
    /// Sends a called witness or expert back to wait apart.
    Dismiss {
        /// The seat's slug.
        seat: String,
    },
    /// The acting seat asks for the floor (举手).
    RaiseHand,
    /// The acting seat no longer asks for the floor.
    LowerHand,
    /// Gives the floor to `seat`.
    GiveFloor {
        /// The seat's slug.
        seat: String,
    },
    /// 宣布开庭: the session and its record begin.
    Open,
    /// Pauses the session and its record for one of the three reasons of 法释〔2017〕5号, article 1.
    Recess {
        /// Why.
        reason: PauseReason,
    },
    /// Goes on after a recess.
    Resume,
    /// Marks this moment of the record (打点), so that it is found again.
    Mark {
        /// What for, at most [`Action::TEXT_LIMIT`] characters; may be empty.
        #[serde(default)]
        text: String,
    },
    /// Puts a remark into the record.
    Note {
        /// 1 to [`Action::TEXT_LIMIT`] characters.
        text: String,
    },
    /// From session to signing; still recorded.
    Sign,
    /// 闭庭: ends the hearing and its record.
    Close,
    /// The acting seat has switched its own microphone or camera on or off, or has none: the others shall know why they hear or
    /// see nothing. It changes nothing about who may.
    SetDevices {
        /// True while its microphone is on.
        microphone: bool,
        /// True while its camera is on.
        camera: bool,
    },
}

impl Action {
    /// The most characters of a mark or a note.
    pub const TEXT_LIMIT: usize = 200;

    /// What is needed for it.
    #[must_use]
    pub const fn permission(&self) -> Permission {
        match self {
            Self::Admit { .. }
            | Self::Refuse { .. }
            | Self::Remove { .. }
            | Self::Mute { .. }
            | Self::Unmute { .. }
            | Self::Call { .. }
            | Self::Dismiss { .. }
            | Self::GiveFloor { .. } => Permission::ControlFloor,
            Self::Open
            | Self::Recess { .. }
            | Self::Resume
            | Self::Mark { .. }
            | Self::Note { .. }
            | Self::Sign
            | Self::Close => Permission::ControlSession,
            Self::RaiseHand | Self::LowerHand | Self::SetDevices { .. } => Permission::Publish,
        }
    }

    /// The action's word, as in the API.
    #[must_use]
    pub const fn what(&self) -> &'static str {
        match self {
            Self::Admit { .. } => "admit",
            Self::Refuse { .. } => "refuse",
            Self::Remove { .. } => "remove",
            Self::Mute { .. } => "mute",
            Self::Unmute { .. } => "unmute",
            Self::Call { .. } => "call",
            Self::Dismiss { .. } => "dismiss",
            Self::RaiseHand => "raise-hand",
            Self::LowerHand => "lower-hand",
            Self::GiveFloor { .. } => "give-floor",
            Self::Open => "open",
            Self::Recess { .. } => "recess",
            Self::Resume => "resume",
            Self::Mark { .. } => "mark",
            Self::Note { .. } => "note",
            Self::Sign => "sign",
            Self::Close => "close",
            Self::SetDevices { .. } => "set-devices",
        }
    }
}

/// How the identity of a participant was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Identity {
    /// An identity document was compared with the picture.
    CheckedByDocument,
    /// Known to the court in person.
    Known,
    /// The custodial authority vouches for the person.
    VouchedByCustody,
    /// The person declared it; nobody checked.
    Declared,
}

/// Why a record may be paused: the only three reasons (法释〔2017〕5号, article 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PauseReason {
    /// 休庭.
    Recess,
    /// 不公开质证.
    ClosedEvidence,
    /// 不宜录制的调解.
    Mediation,
}

/// What the bridge tells a hearing about its media.
#[derive(Debug, Clone, PartialEq)]
pub enum MediaReport {
    /// The endpoint on `seat` is connected.
    Connected {
        /// The seat.
        seat: SeatId,
    },
    /// The endpoint on `seat` is gone; the seat stays reserved.
    Disconnected {
        /// The seat.
        seat: SeatId,
    },
    /// Whoever is on `seat` closed the endpoint on purpose; the seat stays reserved.
    Left {
        /// The seat.
        seat: SeatId,
    },
    /// A track began to arrive at home.
    TrackUp {
        /// The track.
        track: TrackId,
    },
    /// A track no longer arrives at home.
    TrackDown {
        /// The track.
        track: TrackId,
    },
    /// Who speaks now; replaces the last report.
    Speaking {
        /// The seats that speak, loudest first.
        seats: Vec<SeatId>,
    },
    /// How `seat` is doing, about once a second.
    Quality {
        /// The seat.
        seat: SeatId,
        /// The figures.
        quality: SeatQuality,
    },
    /// The recorder runs for these tracks (all others have none).
    Recording {
        /// The tracks that are being written to disk.
        tracks: Vec<TrackId>,
    },
    /// The record can't be written.
    RecordFailed {
        /// What is wrong, for the operator.
        reason: String,
    },
    /// What proves the record so far.
    Proof {
        /// Replaces the last report.
        proof: Proof,
    },
    /// Nothing is wrong with the record yet, but may be soon; `None` when that is over.
    RecordWarning {
        /// What, for the operator.
        warning: Option<String>,
    },
    /// The record is closed, final, and proves itself.
    Sealed {
        /// What proves it; has an integrity value.
        proof: Proof,
    },
    /// The line to a zone's node went up or down.
    Line {
        /// The zone.
        zone: Zone,
        /// True when it is up.
        up: bool,
    },
}

/// The figures of one seat's connection.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct SeatQuality {
    /// What the seat sends, kbit/s.
    pub up_kbps: u32,
    /// What the seat receives, kbit/s.
    pub down_kbps: u32,
    /// Packets lost on the way from the seat, 0.0 to 1.0, after repair.
    pub loss_up: f32,
    /// Packets lost on the way to the seat, 0.0 to 1.0, before repair.
    pub loss_down: f32,
    /// Round trip in milliseconds; 0 when not known yet.
    pub rtt_ms: u32,
    /// What the line to the seat carries, kbit/s; 0 when nobody measures it.
    #[serde(default)]
    pub line_kbps: u32,
    /// What that has cost.
    #[serde(default)]
    pub relief: Relief,
    /// How the room of a terminal sounds; `None` where nobody measures it.
    #[serde(default)]
    pub sound: Option<SeatSound>,
    /// How often what is made for a terminal (its mix, its composed picture) stood still or died, and began anew.
    #[serde(default)]
    pub restarts: u32,
}

/// How the sound of a seat came within a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct SeatSound {
    /// The loudest sample, in dB below full scale, 0 to 96.
    pub peak: u8,
    /// The mean power, in dB below full scale, 0 to 96.
    pub mean: u8,
    /// Samples in a thousand that stand at the end of the range.
    pub clipped: u16,
    /// How alike the rise and fall of this sound and of what the seat was given up to a second before are, in hundredths.
    pub echo: u8,
}

impl SeatSound {
    /// True when samples stand at the end of the range so often that it is heard.
    #[must_use]
    pub const fn is_clipped(self) -> bool {
        self.clipped >= 10
    }

    /// True when the seat's loudspeaker is heard in its microphone.
    #[must_use]
    pub const fn is_echo(self) -> bool {
        self.echo > 60
    }

    /// True when nothing is heard, not even a room.
    #[must_use]
    pub const fn is_silent(self) -> bool {
        self.peak >= 70
    }
}

/// What a thin line to a seat has cost of what it would be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Relief {
    /// Nothing.
    #[default]
    Nothing,
    /// Some pictures are smaller.
    Resolution,
    /// Some pictures have fewer frames.
    FrameRate,
    /// Some pictures are not sent.
    Pictures,
}

impl SeatQuality {
    /// True when nothing is heard of the seat: both ways are then said to lose everything.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.loss_up >= 1.0 && self.loss_down >= 1.0
    }
}
