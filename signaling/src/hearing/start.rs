//! What a hearing is made from.

use hearing_config::{Endpoint, HearingId, Kind, Layout, Role, SeatId, Timestamp, Zone};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{HearingView, Kept, Phase, Presence, Proof, RecordState, RecordView, SeatView, Sight, sight};
use crate::access::{SessionId, TokenHash};

/// A hearing to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sitting {
    /// Its id.
    pub id: HearingId,
    /// The case number.
    pub case: String,
    /// The template's name.
    pub template: String,
    /// Its seats, at most [`SeatId::LIMIT`]; more are left out.
    pub seats: Vec<Seating>,
}

/// One seat to fill, and the link to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seating {
    /// Its slug.
    pub name: String,
    /// Its title in Chinese.
    pub title: String,
    /// Its title in English.
    pub title_en: String,
    /// Its role.
    pub role: Role,
    /// Its zone.
    pub zone: Zone,
    /// What stands on it; a terminal has no link.
    pub endpoint: Endpoint,
    /// How everybody else stands in a terminal's picture.
    pub layout: Layout,
    /// Kinds without which the hearing is not in session.
    pub required: Vec<Kind>,
    /// The hash of its link's secret.
    pub token: TokenHash,
    /// When the link may be used for the first time.
    pub valid: Window,
}

/// A time window; the end does not belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Its beginning.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
}

impl Window {
    /// The 24 hours from `now`.
    #[must_use]
    pub const fn day(now: Timestamp) -> Self {
        Self { from: now, until: now.plus(24 * 3600 * 1_000_000) }
    }

    /// True while `now` is within.
    #[must_use]
    pub fn contains(self, now: Timestamp) -> bool {
        (self.from..self.until).contains(&now)
    }
}

/// A seat's link and who uses it. Secrets are kept as hashes only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Link {
    /// Of a terminal's seat nobody knows the secret.
    pub(super) token: TokenHash,
    #[serde(default)]
    pub(super) endpoint: Endpoint,
    #[serde(default)]
    pub(super) layout: Layout,
    pub(super) valid: Window,
    pub(super) stay: Option<Stay>,
    /// The last stays that ended, oldest first, at most [`Link::ENDED_LIMIT`].
    pub(super) ended: Vec<(Stay, Ending)>,
    /// What the seat may follow.
    pub(super) sight: Sight,
    /// The entry up to which a follower needs the view: what the seat may follow changed there.
    pub(super) sight_since: u64,
}

/// Why a stay ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Ending {
    Replaced,
    TurnedAway,
    Removed,
}

impl Link {
    const ENDED_LIMIT: usize = 4;

    pub(super) fn end_stay(&mut self, ending: Ending) {
        let Some(stay) = self.stay.take() else { return };
        if self.ended.len() == Self::ENDED_LIMIT {
            self.ended.remove(0);
        }
        self.ended.push((stay, ending));
    }
}

/// One device's stay on a seat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Stay {
    device: [u8; 32],
    session: [u8; 32],
}

impl Stay {
    pub(super) fn new(device: [u8; 16], session: SessionId) -> Self {
        Self { device: Sha256::digest(device).into(), session: Sha256::digest(session.0.as_bytes()).into() }
    }

    pub(super) fn of_device(&self, device: [u8; 16]) -> bool {
        self.device.ct_eq(&Sha256::digest(device)).into()
    }

    pub(super) fn of_session(&self, session: SessionId) -> bool {
        self.session.ct_eq(&Sha256::digest(session.0.as_bytes())).into()
    }
}

impl Kept {
    pub(super) fn new(sitting: Sitting) -> Self {
        let (views, links) = sitting.seats.into_iter().take(SeatId::LIMIT).zip(0..).map(seat).unzip();
        let view = HearingView {
            id: sitting.id,
            case: sitting.case,
            template: sitting.template,
            phase: Phase::Scheduled,
            opened_at: None,
            seats: views,
            record: RecordView {
                state: RecordState::Off,
                tracks: Vec::new(),
                fault: None,
                warning: None,
                proof: Proof::default(),
            },
            floor: None,
            seq: 0,
        };
        Self { view, links, revision: 1, proof: Proof::default() }
    }

    /// The hearing's id.
    #[must_use]
    pub const fn id(&self) -> HearingId {
        self.view.id
    }

    /// The number of the last entry.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.view.seq
    }

    /// True once the record is final.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.view.phase == Phase::Sealed
    }
}

fn seat((seating, id): (Seating, u8)) -> (SeatView, Link) {
    let view = SeatView {
        id: SeatId(id),
        name: seating.name,
        title: seating.title,
        title_en: seating.title_en,
        role: seating.role,
        zone: seating.zone,
        endpoint: seating.endpoint.kind(),
        presence: Presence::Absent,
        identity: None,
        muted: false,
        apart: matches!(seating.role, Role::Witness | Role::Expert),
        hand: false,
        microphone_off: false,
        camera_off: false,
        left: false,
        required: seating.required,
    };
    let sight = sight::of(&view);
    let (token, endpoint, layout, valid) = (seating.token, seating.endpoint, seating.layout, seating.valid);
    (view, Link { token, endpoint, layout, valid, stay: None, ended: Vec::new(), sight, sight_since: 0 })
}
