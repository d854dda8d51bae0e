//! Between the words of the wire and those of the house. What comes from a peer is parsed: it is right or it is refused.

mod hearing;
mod plan;
mod refusal;
mod view;

use hearing_config as config;
use hearing_config::{HearingId, SeatId, TrackId, Zone};
use hearing_proto::wire;
use hearing_signaling::access::SessionId;
use hearing_signaling::hearing as signaling;
use uuid::Uuid;

use crate::router::{LayerSet, TrackInfo};

pub(super) use hearing::{
    action_from, action_to, grant_from, grant_to, joined_from, joined_to, report_from, report_to,
};
pub(super) use plan::{plan_from, plan_to};
pub(super) use refusal::{refusal_from, refusal_to};
pub(super) use view::{board_from, board_to, entry_from, entry_to, live_from, live_to, view_from, view_to};

/// A message of a peer whose form is right and whose content can't be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not possible")]
pub(super) struct Invalid(pub(super) &'static str);

/// Two enums of the same words, in both directions; the compiler sees to it that none is missing.
macro_rules! same_words {
    ($to:ident, $from:ident, $ours:path, $wire:path, [$($word:ident),* $(,)?]) => {
        pub(in crate::trunk) const fn $to(word: $ours) -> $wire {
            use $ours as Ours;
            use $wire as Wire;
            match word { $(Ours::$word => Wire::$word),* }
        }

        pub(in crate::trunk) const fn $from(word: $wire) -> $ours {
            use $ours as Ours;
            use $wire as Wire;
            match word { $(Wire::$word => Ours::$word),* }
        }
    };
}
use same_words;

same_words!(kind_to, kind_from, config::Kind, wire::Kind, [Audio, Video, Screen]);
same_words!(codec_to, codec_from, config::Codec, wire::Codec, [Opus, Pcma, Vp8, H264, H265, Pcmu, G722, Aac]);
same_words!(endpoint_to, endpoint_from, config::EndpointKind, wire::EndpointKind, [Browser, Sip, Gb28181, Rtsp]);
same_words!(
    role_to,
    role_from,
    config::Role,
    wire::Role,
    [Judge, Clerk, Prosecutor, Defendant, Guard, Counsel, Party, Witness, Expert, Interpreter, Observer, Technician]
);
same_words!(layout_to, layout_from, config::Layout, wire::Layout, [Exhibit, Speaker, JudgeAndSpeaker, Equal]);
same_words!(reason_to, reason_from, config::DenyReason, wire::DenyReason, [NoCrossing, NotVouched, Inaudible]);
same_words!(pause_to, pause_from, signaling::PauseReason, wire::PauseReason, [Recess, ClosedEvidence, Mediation]);

pub(super) const fn hearing_to(id: HearingId) -> wire::HearingId {
    *id.0.as_bytes()
}

pub(super) const fn hearing_from(id: wire::HearingId) -> HearingId {
    HearingId(Uuid::from_bytes(id))
}

pub(super) const fn session_to(id: SessionId) -> wire::SessionId {
    *id.0.as_bytes()
}

pub(super) const fn session_from(id: wire::SessionId) -> SessionId {
    SessionId(Uuid::from_bytes(id))
}

pub(super) const fn track_to(track: TrackId) -> wire::TrackId {
    wire::TrackId { seat: track.seat.0, kind: kind_to(track.kind) }
}

pub(super) fn track_from(track: wire::TrackId) -> Result<TrackId, Invalid> {
    Ok(TrackId { seat: seat_from(track.seat)?, kind: kind_from(track.kind) })
}

pub(super) const fn seat_from(seat: u8) -> Result<SeatId, Invalid> {
    if (seat as usize) < SeatId::LIMIT { Ok(SeatId(seat)) } else { Err(Invalid("a seat id above 63")) }
}

pub(super) const fn layers_from(layers: u8) -> Result<LayerSet, Invalid> {
    if layers <= LayerSet::ALL.0 { Ok(LayerSet(layers)) } else { Err(Invalid("a fifth layer")) }
}

pub(super) fn zone_from(zone: &str) -> Result<Zone, Invalid> {
    zone.parse().map_err(|_| Invalid("this zone name"))
}

/// The track that a peer announces.
pub(super) fn track_info_from(up: &wire::TrackUp) -> Result<TrackInfo, Invalid> {
    let (id, codec) = (track_from(up.track)?, codec_from(up.codec));
    if codec.is_sound() == id.kind.is_picture() {
        return Err(Invalid("sound coded as a picture or a picture as sound"));
    }
    if up.flow < wire::FIRST_FLOW {
        return Err(Invalid("a flow numbered below 2"));
    }
    Ok(TrackInfo { id, codec, origin: zone_from(&up.origin)?, layers: layers_from(up.layers)?, held: up.held })
}

#[cfg(test)]
mod tests;
