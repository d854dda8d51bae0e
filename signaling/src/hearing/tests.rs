//! A court to try a hearing in, and what has to hold there.

mod laws;
mod links;
mod rooms;
mod sessions;
mod terminals;

use std::collections::BTreeMap;

use hearing_config::{Endpoint, HearingId, Kind, Role, SeatId, Timestamp, TrackId};
use uuid::Uuid;

use super::*;
use crate::access::{JoinToken, SessionId, TokenHash};
use crate::registry::{Join, Joined, Refusal};

/// `ms` milliseconds after an arbitrary beginning.
pub(crate) fn t(ms: i64) -> Timestamp {
    Timestamp(1_800_000_000_000_000 + ms * 1_000)
}

/// A small hearing for tests of what lies around it.
pub(crate) fn clerk_and_witness(now: Timestamp) -> Sitting {
    sitting(&[("clerk", Role::Clerk, &[]), ("witness", Role::Witness, &[])], now)
}

/// The secret of a test's link: its seat's place.
pub(crate) fn token(seat: u8) -> TokenHash {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode([seat; 32]);
    JoinToken::parse(&text).unwrap().hash()
}

pub(super) const SEATS: &[(&str, Role, &[Kind])] = &[
    ("judge", Role::Judge, &[Kind::Audio]),
    ("clerk", Role::Clerk, &[]),
    ("defendant", Role::Defendant, &[Kind::Audio, Kind::Video]),
    ("counsel", Role::Counsel, &[]),
    ("witness", Role::Witness, &[Kind::Audio]),
    ("observer", Role::Observer, &[]),
    ("technician", Role::Technician, &[]),
];

/// A seat with this name has a terminal; browsers come to all others.
pub(super) const TERMINAL: &str = "terminal";

fn endpoint_of(seat: &str) -> Endpoint {
    if seat != TERMINAL {
        return Endpoint::Browser;
    }
    Endpoint::Sip("sip:room3@10.2.0.30".to_owned().try_into().unwrap())
}

pub(super) fn sitting(seats: &[(&str, Role, &[Kind])], now: Timestamp) -> Sitting {
    let seating = |((name, role, required), id): (&(&str, Role, &[Kind]), u8)| Seating {
        name: (*name).to_owned(),
        title: (*name).to_owned(),
        title_en: (*name).to_owned(),
        role: *role,
        zone: if *role == Role::Judge { "tripartite" } else { "internet" }.parse().unwrap(),
        endpoint: endpoint_of(name),
        layout: hearing_config::Layout::Equal,
        required: required.to_vec(),
        token: token(id),
        valid: Window::day(now),
    };
    let seats = seats.iter().zip(0..).map(seating).collect();
    Sitting { id: HearingId(Uuid::nil()), case: "(2022)内0291刑初123号".into(), template: "criminal".into(), seats }
}

/// A hearing, its clock, and who joined.
pub(super) struct Court {
    pub(super) hearing: Hearing,
    pub(super) now: Timestamp,
    pub(super) sessions: BTreeMap<String, SessionId>,
    pub(super) entries: Vec<Entry>,
    pub(super) started: Vec<Result<(), Refusal>>,
}

impl Court {
    pub(super) fn new() -> Self {
        Self::of(SEATS)
    }

    /// A hearing with these seats.
    pub(super) fn of(seats: &[(&str, Role, &[Kind])]) -> Self {
        let hearing = Hearing::new(sitting(seats, t(0)));
        Self { hearing, now: t(0), sessions: BTreeMap::new(), entries: Vec::new(), started: Vec::new() }
    }

    /// Everybody joined and admitted, every required track arrives.
    pub(super) fn assembled() -> Self {
        let mut court = Self::new();
        for (name, _, _) in SEATS {
            court.join(name).unwrap();
            court.operate(Action::Admit { seat: (*name).into(), identity: Identity::CheckedByDocument }).unwrap();
        }
        for seat in 0..5 {
            court.up(seat, Kind::Audio);
            court.up(seat, Kind::Video);
        }
        court
    }

    /// In session.
    pub(super) fn opened() -> Self {
        let mut court = Self::assembled();
        court.operate(Action::Open).unwrap();
        court.recorder_runs();
        assert_eq!(court.view().phase, Phase::InSession);
        court
    }

    pub(super) fn put(&mut self, input: Input) -> Result<Reply, Refusal> {
        let reply = self.hearing.handle(input, self.now);
        while let Some(output) = self.hearing.poll() {
            match output {
                Output::Entry(entry) => self.entries.push(entry),
                Output::Started(result) => self.started.push(result),
                Output::Plan(plan) => assert_eq!(plan.revision, self.hearing.plan().revision),
                Output::Refollow(_) => {}
            }
        }
        reply
    }

    pub(super) fn join_as(&mut self, name: &str, device: u8) -> Result<Joined, Refusal> {
        let seat = self.id(name);
        let zone = self.view().seats[usize::from(seat.0)].zone.clone();
        let join = Join { token: token(seat.0), device: [device; 16], zone, node: "edge".parse().unwrap() };
        match self.put(Input::Join(join, SessionId::random()))? {
            Reply::Joined(joined) => {
                self.sessions.insert(name.to_owned(), joined.grant.session());
                Ok(*joined)
            }
            Reply::Done | Reply::Later => panic!("a join is answered with a seat"),
        }
    }

    pub(super) fn join(&mut self, name: &str) -> Result<Joined, Refusal> {
        self.join_as(name, 1)
    }

    pub(super) fn operate(&mut self, action: Action) -> Result<Reply, Refusal> {
        self.put(Input::Operate(action))
    }

    pub(super) fn act(&mut self, name: &str, action: Action) -> Result<Reply, Refusal> {
        self.put(Input::Act(self.sessions[name], action))
    }

    pub(super) fn media(&mut self, report: MediaReport) {
        self.put(Input::Media(report)).unwrap();
    }

    pub(super) fn up(&mut self, seat: u8, kind: Kind) {
        self.media(MediaReport::TrackUp { track: TrackId { seat: SeatId(seat), kind } });
    }

    /// The recorder reports exactly what the plan has recorded and arrives.
    pub(super) fn recorder_runs(&mut self) {
        let plan = self.hearing.plan().clone();
        let tracks = self.hearing.arriving().filter(|track| plan.recorded(*track)).collect();
        self.media(MediaReport::Recording { tracks });
    }

    pub(super) fn view(&self) -> &HearingView {
        self.hearing.view()
    }

    pub(super) fn id(&self, name: &str) -> SeatId {
        self.view().seats.iter().find(|seat| seat.name == name).unwrap().id
    }

    pub(super) fn seat(&self, name: &str) -> &SeatView {
        &self.view().seats[usize::from(self.id(name).0)]
    }

    /// The names of those who may receive `kind` of `from`.
    pub(super) fn audience(&self, from: &str, kind: Kind) -> Vec<&str> {
        let audience = self.hearing.plan().audience(TrackId { seat: self.id(from), kind });
        audience.iter().map(|seat| self.view().seats[usize::from(seat.0)].name.as_str()).collect()
    }

    pub(super) fn recorded(&self, from: &str, kind: Kind) -> bool {
        self.hearing.plan().recorded(TrackId { seat: self.id(from), kind })
    }
}

/// An action on a seat.
pub(super) fn on(action: fn(String) -> Action, seat: &str) -> Action {
    action(seat.to_owned())
}

pub(super) fn call(seat: &str) -> Action {
    on(|seat| Action::Call { seat }, seat)
}

pub(super) fn remove(seat: &str) -> Action {
    on(|seat| Action::Remove { seat }, seat)
}

pub(super) fn mute(seat: &str) -> Action {
    on(|seat| Action::Mute { seat }, seat)
}

pub(super) fn admit(seat: &str) -> Action {
    Action::Admit { seat: seat.to_owned(), identity: Identity::Declared }
}
