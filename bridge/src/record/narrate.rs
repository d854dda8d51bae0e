//! What the manifest tells of the people in a hearing: the hearing's journal in the manifest's words. Pure.

use std::collections::BTreeMap;

use hearing_config::{SeatId, Timestamp, Verdict};
use hearing_proto::manifest::Entry;
use hearing_signaling::hearing::{Change, Identity, Mark, PauseReason, Phase, Presence, RecordView, SeatView};
use hearing_signaling::registry::Journaled;

use super::Judged;
use super::sheet::Meta;

/// Follows the journal of one hearing.
pub(super) struct Narrator {
    seats: BTreeMap<SeatId, SeatView>,
    phase: Phase,
    fault: Option<String>,
}

/// What one journal entry means to the record.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Told {
    pub(super) entries: Vec<Entry>,
    /// A checkpoint is due at once: an order of the court.
    pub(super) is_order: bool,
    /// Signing begins: what is signed binds the checkpoint.
    pub(super) signs: bool,
}

impl Narrator {
    pub(super) const fn new() -> Self {
        Self { seats: BTreeMap::new(), phase: Phase::Scheduled, fault: None }
    }

    /// Who is there when the record begins.
    pub(super) fn present(&self) -> impl Iterator<Item = Entry> {
        self.seats.values().filter(|seat| seat.presence == Presence::Connected).map(join)
    }

    /// One entry of the journal.
    pub(super) fn tell(&mut self, journaled: &Journaled) -> Told {
        let (at, by) = (journaled.entry.at, &journaled.cause);
        match &journaled.entry.change {
            Change::Phase(phase) => self.phase(*phase),
            Change::Seat(seat) => self.seat(seat, by),
            Change::Record(record) => Told { entries: self.record(record).into_iter().collect(), ..Told::default() },
            Change::Mark(mark) => Told { entries: vec![self.mark(mark, at, by)], ..Told::default() },
            Change::Floor(seat) => Told { entries: self.floor(*seat, by).into_iter().collect(), ..Told::default() },
        }
    }

    fn phase(&mut self, phase: Phase) -> Told {
        let before = std::mem::replace(&mut self.phase, phase);
        let entries = match (before, phase) {
            (Phase::Recess(_), Phase::InSession) => vec![Entry::Resume {}],
            (_, Phase::InSession) => vec![note("宣布开庭 opened", None)],
            (_, Phase::Recess(reason)) => vec![Entry::Recess { reason: pause_word(reason).to_owned() }],
            (_, Phase::Signing) => vec![note("签字开始 signing begins", None)],
            // The record's end has an entry of its own.
            (_, Phase::Scheduled | Phase::Waiting | Phase::Closed | Phase::Sealed) => Vec::new(),
        };
        Told { is_order: !entries.is_empty(), signs: phase == Phase::Signing, entries }
    }

    fn seat(&mut self, seat: &SeatView, by: &str) -> Told {
        let before = self.seats.insert(seat.id, seat.clone());
        let mut entries = Vec::new();
        let presence = before.as_ref().map_or(Presence::Absent, |seat| seat.presence);
        match (presence, seat.presence) {
            (Presence::Connected, Presence::Connected) => {}
            (_, Presence::Connected) => entries.push(join(seat)),
            (Presence::Connected, left) => {
                let reason = if self.phase.is_over() { "closed" } else { left_word(left, seat.left, by) };
                entries.push(Entry::Leave { seat: seat.name.clone(), reason: reason.to_owned() });
            }
            (
                Presence::Absent | Presence::Waiting | Presence::Admitted | Presence::Removed,
                Presence::Absent | Presence::Waiting | Presence::Admitted | Presence::Removed,
            ) => {}
        }
        if before.as_ref().is_some_and(|before| before.muted) != seat.muted {
            entries.push(Entry::Mute { seat: seat.name.clone(), muted: seat.muted, by: by.to_owned() });
        }
        if before.as_ref().and_then(|before| before.identity) != seat.identity
            && let Some(identity) = seat.identity
        {
            entries.push(note(&format!("准许入庭 admitted: {}, {}", seat.name, identity_word(identity)), Some(by)));
        }
        let is_order = before.as_ref().is_some_and(|before| before.apart != seat.apart);
        if is_order {
            let what = if seat.apart { "退庭候传 dismissed" } else { "传唤到庭 called" };
            entries.push(note(&format!("{what}: {}", seat.name), Some(by)));
        }
        Told { entries, is_order, signs: false }
    }

    /// A required track that is not recorded, or a record that can't be written, and when that is over.
    fn record(&mut self, record: &RecordView) -> Option<Entry> {
        let fault = record.fault.clone().filter(|_| !self.phase.is_over());
        if fault == self.fault {
            return None;
        }
        let before = std::mem::replace(&mut self.fault, fault);
        let reason = self.fault.clone().or(before).unwrap_or_default();
        Some(Entry::Fault { part: "record".to_owned(), reason, over: self.fault.is_none() })
    }

    fn mark(&self, mark: &Mark, at: Timestamp, by: &str) -> Entry {
        let seat = mark.seat.and_then(|seat| self.seats.get(&seat)).map(|seat| seat.name.clone());
        let by = seat.unwrap_or_else(|| by.to_owned());
        if mark.note {
            return note(&mark.text, Some(&by));
        }
        Entry::Mark { at: at.0, text: mark.text.clone(), by }
    }

    fn floor(&self, seat: Option<SeatId>, by: &str) -> Option<Entry> {
        let seat = self.seats.get(&seat?)?;
        Some(note(&format!("发言 has the floor: {}", seat.name), Some(by)))
    }
}

/// What the gate said of a track that was to be recorded or shown.
pub(super) fn crossing(meta: &Meta, judged: &Judged) -> Entry {
    // What passes as it was coded was not made anew; what does not pass was not made at all.
    let (word, reconstructed, reason) = match judged.verdict {
        Verdict::Inspect => ("inspect", false, None),
        Verdict::Deny(reason) => ("deny", false, Some(reason.to_string())),
    };
    Entry::Crossing {
        track: meta.folder(judged.track),
        origin: judged.from.to_string(),
        destination: judged.to.to_string(),
        verdict: word.to_owned(),
        reconstructed,
        reason,
    }
}

fn join(seat: &SeatView) -> Entry {
    let identity = seat.identity.map_or("join link", identity_word).to_owned();
    Entry::Join { seat: seat.name.clone(), zone: seat.zone.to_string(), identity }
}

fn note(text: &str, by: Option<&str>) -> Entry {
    Entry::Note { text: text.to_owned(), by: by.map(str::to_owned) }
}

/// A fault of line or device is no wilful exit (法释〔2021〕12号, article 25).
fn left_word(presence: Presence, left: bool, by: &str) -> &'static str {
    match presence {
        Presence::Removed => "removed",
        Presence::Absent | Presence::Waiting => "turned-away",
        Presence::Admitted | Presence::Connected if by == "restart" => "node-restarted",
        Presence::Admitted | Presence::Connected if left => "left",
        Presence::Admitted | Presence::Connected => "connection-lost",
    }
}

const fn identity_word(identity: Identity) -> &'static str {
    match identity {
        Identity::CheckedByDocument => "checked-by-document",
        Identity::Known => "known",
        Identity::VouchedByCustody => "vouched-by-custody",
        Identity::Declared => "declared",
    }
}

/// The word for a reason to pause.
pub(super) const fn pause_word(reason: PauseReason) -> &'static str {
    match reason {
        PauseReason::Recess => "recess",
        PauseReason::ClosedEvidence => "closed-evidence",
        PauseReason::Mediation => "mediation",
    }
}
