//! Why a hearing says no. Words that the house keeps as constants are found again by their text; an unknown one is put in
//! general terms, so that no text of a peer is taken for ours.

use hearing_config::Role;
use hearing_proto::wire;
use hearing_signaling::registry::Refusal;

use super::{Invalid, hearing_from, hearing_to, zone_from};

pub(in crate::trunk) fn refusal_to(refusal: Refusal) -> wire::Refusal {
    match refusal {
        Refusal::UnknownLink => wire::Refusal::UnknownLink,
        Refusal::LinkExpired => wire::Refusal::LinkExpired,
        Refusal::SeatTaken => wire::Refusal::SeatTaken,
        Refusal::WrongZone { expected, actual } => {
            wire::Refusal::WrongZone { expected: expected.to_string(), actual: actual.to_string() }
        }
        Refusal::UnknownSession => wire::Refusal::UnknownSession,
        Refusal::Replaced => wire::Refusal::Replaced,
        Refusal::TurnedAway => wire::Refusal::TurnedAway,
        Refusal::Removed => wire::Refusal::Removed,
        Refusal::Forbidden { role, what } => wire::Refusal::Forbidden { role: role.to_owned(), what: what.to_owned() },
        Refusal::WrongPhase { what, phase } => wire::Refusal::WrongPhase { what: what.to_owned(), phase },
        Refusal::UnknownSeat(seat) => wire::Refusal::UnknownSeat(seat),
        Refusal::SeatEmpty(seat) => wire::Refusal::SeatEmpty(seat),
        Refusal::NotAdmitted(seat) => wire::Refusal::NotAdmitted(seat),
        Refusal::NotReady(why) => wire::Refusal::NotReady(why),
        Refusal::HomeUnreachable => wire::Refusal::HomeUnreachable,
        Refusal::Busy => wire::Refusal::Busy,
        Refusal::BadText => wire::Refusal::BadText,
        Refusal::Journal(why) => wire::Refusal::Journal(why),
        Refusal::UnknownHearing(id) => wire::Refusal::UnknownHearing(hearing_to(id)),
    }
}

pub(in crate::trunk) fn refusal_from(refusal: wire::Refusal) -> Result<Refusal, Invalid> {
    Ok(match refusal {
        wire::Refusal::UnknownLink => Refusal::UnknownLink,
        wire::Refusal::LinkExpired => Refusal::LinkExpired,
        wire::Refusal::SeatTaken => Refusal::SeatTaken,
        wire::Refusal::WrongZone { expected, actual } => {
            Refusal::WrongZone { expected: zone_from(&expected)?, actual: zone_from(&actual)? }
        }
        wire::Refusal::UnknownSession => Refusal::UnknownSession,
        wire::Refusal::Replaced => Refusal::Replaced,
        wire::Refusal::TurnedAway => Refusal::TurnedAway,
        wire::Refusal::Removed => Refusal::Removed,
        wire::Refusal::Forbidden { role, what } => Refusal::Forbidden { role: role_word(&role), what: word(&what) },
        wire::Refusal::WrongPhase { what, phase } => Refusal::WrongPhase { what: word(&what), phase },
        wire::Refusal::UnknownSeat(seat) => Refusal::UnknownSeat(seat),
        wire::Refusal::SeatEmpty(seat) => Refusal::SeatEmpty(seat),
        wire::Refusal::NotAdmitted(seat) => Refusal::NotAdmitted(seat),
        wire::Refusal::NotReady(why) => Refusal::NotReady(why),
        wire::Refusal::HomeUnreachable => Refusal::HomeUnreachable,
        wire::Refusal::Busy => Refusal::Busy,
        wire::Refusal::BadText => Refusal::BadText,
        wire::Refusal::Journal(why) => Refusal::Journal(why),
        wire::Refusal::UnknownHearing(id) => Refusal::UnknownHearing(hearing_from(id)),
    })
}

fn word(text: &str) -> &'static str {
    WORDS.iter().find(|word| **word == text).copied().unwrap_or("do that")
}

fn role_word(text: &str) -> &'static str {
    let roles = Role::ALL.map(Role::as_str);
    roles.into_iter().chain([OPERATOR]).find(|word| *word == text).unwrap_or("participant")
}

const OPERATOR: &str = "court operator";

/// The words of signaling's actions, and what it says besides.
const WORDS: [&str; 21] = [
    "admit",
    "refuse",
    "remove",
    "mute",
    "unmute",
    "call",
    "dismiss",
    "raise-hand",
    "lower-hand",
    "give-floor",
    "open",
    "recess",
    "resume",
    "mark",
    "note",
    "sign",
    "close",
    "set-devices",
    "ask for the floor before being called",
    "have the floor now",
    "be called or dismissed",
];
