//! The words that messages are made of. Variants are numbered by their place: new ones go to the end, with a new version.

use serde::{Deserialize, Serialize};

/// A hearing, as the 16 bytes of its UUID.
pub type HearingId = [u8; 16];

/// A device's stay on a seat, as the 16 bytes of its UUID.
pub type SessionId = [u8; 16];

/// What a track shows or lets hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// A microphone.
    Audio,
    /// A camera.
    Video,
    /// A shared screen.
    Screen,
}

/// How a track is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Codec {
    /// RFC 6716.
    Opus,
    /// G.711 A-law.
    Pcma,
    /// RFC 6386.
    Vp8,
    /// H.264.
    H264,
    /// H.265.
    H265,
    /// G.711 mu-law.
    Pcmu,
    /// G.722 at 64 kbit/s.
    G722,
    /// AAC behind ADTS headers.
    Aac,
}

/// What kind of endpoint stands on a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndpointKind {
    /// A browser.
    Browser,
    /// A SIP terminal.
    Sip,
    /// A GB/T 28181 device.
    Gb28181,
    /// An RTSP camera.
    Rtsp,
}

/// What a person or device is in a hearing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Role {
    /// 审判员, 审判长.
    Judge,
    /// 书记员.
    Clerk,
    /// 公诉人.
    Prosecutor,
    /// 被告人.
    Defendant,
    /// 法警, 民警.
    Guard,
    /// 辩护人, 诉讼代理人.
    Counsel,
    /// 当事人.
    Party,
    /// 证人.
    Witness,
    /// 鉴定人.
    Expert,
    /// 翻译人员.
    Interpreter,
    /// 旁听人员.
    Observer,
    /// 技术人员.
    Technician,
}

/// One track of a hearing: who sends it, and what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TrackId {
    /// The publishing seat's place in the plan.
    pub seat: u8,
    /// What it carries.
    pub kind: Kind,
}

/// Why a gate lets something not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DenyReason {
    /// No crossing is configured for it.
    NoCrossing,
    /// The sender may not vouch for its origin.
    NotVouched,
    /// Nobody in the zone may receive it.
    Inaudible,
}

/// Why a record is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PauseReason {
    /// 休庭.
    Recess,
    /// 不公开质证.
    ClosedEvidence,
    /// 不宜录制的调解.
    Mediation,
}
