//! A rehearsal at the home of the hearing: starts it, has every seat taken, leads it from admission to the close, and
//! reads back what was received and recorded.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hearing_config::{Config, Crossing, Endpoint, Kind, Timestamp, TrackId, Zone};
use hearing_proto::wire::RehearseReport;
use hearing_signaling::hearing::{Action, Identity, MediaPlan, Presence};
use hearing_signaling::registry::{self, HearingHandle, Refusal, Registry, SeatLink, Started};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::info;

use super::judge::Findings;
use super::party::{Place, Secret, Station};
use super::report::Report;
use super::reread::{self, Expected, Track};
use crate::net::sip::Account;
use crate::pipeline::{self, Program};
use crate::trunk::{self, RehearseError, Trunks};

/// What a rehearsal needs of its node. Cheap to clone.
#[derive(Clone)]
pub struct Rehearsals {
    registry: Registry,
    trunks: Trunks,
    station: Station,
    zone: Zone,
    policy: Vec<Crossing>,
    records: PathBuf,
}

/// Why there is no rehearsal.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The hearing can't be started.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// The hearing does not answer.
    #[error(transparent)]
    Hearing(#[from] Refusal),
    /// No media child can be started.
    #[error(transparent)]
    Child(#[from] pipeline::Error),
}

impl Rehearsals {
    /// Over the parts of a node.
    #[must_use]
    pub fn new(config: &Config, registry: Registry, trunks: Trunks, station: Station) -> Self {
        let (zone, policy) = (config.node.zone.clone(), config.crossings.clone());
        Self { registry, trunks, station, zone, policy, records: config.record.directory.clone() }
    }

    /// Rehearses a template from start to close; in session for `seconds`.
    ///
    /// # Errors
    /// When it can't even begin. What goes wrong later stands in the report.
    pub async fn run(&self, template: &str, seconds: u16) -> Result<Report, Error> {
        let program = Program::find()?;
        let began = Instant::now();
        let started = self.registry.rehearse(CASE, template).await?;
        let start_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let handle = self.registry.find(started.id).ok_or(Refusal::UnknownHearing(started.id))?;
        info!(hearing = %started.id, template, "rehearsal begins");
        let parties = self.invite(&started, seconds);
        let course = Course { handle: &handle, seats: &started.seats, faults: Vec::new() }.lead(seconds).await;
        let (found, mut faults) = gather(parties).await;
        let mut course = course?;
        faults.append(&mut course.faults);
        let mut record = None;
        if let Some(opened) = course.opened {
            let tracks = recorded(&course, &started.seats, opened);
            let expected = Expected { directory: self.records.clone(), hearing: started.id, tracks };
            let (check, wrong) = reread::read(&program, &expected).await;
            record = check;
            faults.extend(wrong);
        }
        let report = Findings {
            hearing: started.id,
            start_ms,
            links: &started.seats,
            plan: &course.plan,
            found: &found,
            policy: &self.policy,
            verdicts: &self.trunks.verdicts(),
            record,
            faults,
        };
        Ok(report.judge())
    }

    /// Has the seats of every zone taken at its node.
    fn invite(&self, started: &Started, seconds: u16) -> JoinSet<(Zone, Result<RehearseReport, String>)> {
        let mut zones: BTreeMap<Zone, Vec<SeatLink>> = BTreeMap::new();
        for seat in &started.seats {
            zones.entry(seat.zone.clone()).or_default().push(seat.clone());
        }
        let mut parties = JoinSet::new();
        for (zone, seats) in zones {
            let (all, hearing) = (self.clone(), started.id);
            parties.spawn(async move {
                let result = if zone == all.zone {
                    let place = |seat: &SeatLink| Place { seat: seat.id.0, secret: secret(seat) };
                    let places = seats.iter().map(place).collect();
                    all.station.take(hearing, seconds, places).await.map_err(|error| error.to_string())
                } else {
                    let seat = |seat: &SeatLink| (seat.id, seat.name.clone(), seat.role, secret(seat).told());
                    let ask = trunk::rehearsal(hearing, seats.iter().map(seat).collect(), seconds);
                    all.ask(&zone, ask).await.map_err(|error| error.to_string())
                };
                (zone, result)
            });
        }
        parties
    }

    /// Asks a peer, again while it has not yet heard of the hearing.
    async fn ask(&self, zone: &Zone, ask: hearing_proto::wire::Rehearse) -> Result<RehearseReport, RehearseError> {
        let until = Instant::now() + ANNOUNCED;
        loop {
            match self.trunks.rehearse(zone, ask.clone()).await {
                Err(RehearseError::Declined) if Instant::now() < until => sleep(LOOK).await,
                result => return result,
            }
        }
    }
}

/// A hearing being led.
struct Course<'a> {
    handle: &'a HearingHandle,
    seats: &'a [SeatLink],
    faults: Vec<String>,
}

/// How it went.
struct Led {
    /// The plan when everybody was there who should be.
    plan: MediaPlan,
    opened: Option<Timestamp>,
    /// When those who wait apart were called, by the seat's id.
    called: BTreeMap<u8, Timestamp>,
    faults: Vec<String>,
}

impl Course<'_> {
    /// From the first participant to the close, which always comes.
    async fn lead(mut self, seconds: u16) -> Result<Led, Error> {
        if timeout(GATHERED, self.admit()).await.is_err() {
            self.faults.push(format!(
                "not connected within {} s: {}",
                GATHERED.as_secs(),
                self.absent().await.join(", ")
            ));
        }
        let mut called = BTreeMap::new();
        let mut opened = None;
        match self.open().await {
            Ok(()) => {
                opened = Some(Timestamp::now());
                called = self.call().await;
                if !called.is_empty() {
                    // Whoever was called sees everybody only now, and connects anew.
                    sleep(RELINKED).await;
                }
                sleep(Duration::from_secs(seconds.into())).await;
            }
            Err(refusal) => {
                self.faults.push(format!("the hearing could not be opened: {refusal}"));
                sleep(Duration::from_secs(2)).await;
            }
        }
        let plan = self.handle.plans().await.map(|plans| plans.borrow().as_ref().clone());
        self.handle.operate(Action::Close).await?;
        Ok(Led { plan: plan?, opened, called, faults: self.faults })
    }

    /// Lets everybody in until every seat is connected.
    async fn admit(&self) {
        loop {
            if let Ok(board) = self.handle.show().await {
                let seats = board.view.seats;
                for seat in seats.iter().filter(|seat| seat.presence == Presence::Waiting) {
                    let admit = Action::Admit { seat: seat.name.clone(), identity: Identity::Declared };
                    // A seat that can't be let in stays absent, which is reported.
                    let _ = self.handle.operate(admit).await;
                }
                if seats.iter().all(|seat| seat.presence == Presence::Connected) {
                    return;
                }
            }
            sleep(LOOK).await;
        }
    }

    /// Opens as soon as every required track arrives.
    async fn open(&self) -> Result<(), Refusal> {
        let until = Instant::now() + ARRIVED;
        loop {
            match self.handle.operate(Action::Open).await {
                Err(Refusal::NotReady(_)) if Instant::now() < until => sleep(LOOK).await,
                result => return result.map(drop),
            }
        }
    }

    /// Calls everybody who waits apart; gives when.
    async fn call(&mut self) -> BTreeMap<u8, Timestamp> {
        let mut called = BTreeMap::new();
        let seats = self.handle.show().await.map(|board| board.view.seats).unwrap_or_default();
        for seat in seats.into_iter().filter(|seat| seat.apart) {
            match self.handle.operate(Action::Call { seat: seat.name.clone() }).await {
                Ok(_) => drop(called.insert(seat.id.0, Timestamp::now())),
                Err(refusal) => self.faults.push(format!("{} could not be called: {refusal}", seat.name)),
            }
        }
        called
    }

    async fn absent(&self) -> Vec<String> {
        match self.handle.show().await {
            Ok(board) => {
                let absent = board.view.seats.into_iter().filter(|seat| seat.presence != Presence::Connected);
                absent.map(|seat| seat.name).collect()
            }
            Err(_) => self.seats.iter().map(|seat| seat.name.clone()).collect(),
        }
    }
}

/// Everything that the zones report.
async fn gather(mut parties: JoinSet<(Zone, Result<RehearseReport, String>)>) -> (RehearseReport, Vec<String>) {
    let (mut all, mut faults) = (RehearseReport::default(), Vec::new());
    while let Some(party) = parties.join_next().await {
        match party {
            Ok((_, Ok(report))) => {
                all.seats.extend(report.seats);
                all.pairs.extend(report.pairs);
            }
            Ok((zone, Err(fault))) => faults.push(format!("zone {zone} did not rehearse: {fault}")),
            Err(crash) => faults.push(crash.to_string()),
        }
    }
    all.pairs.sort_by_key(|pair| (pair.from, pair.to));
    (all, faults)
}

/// The tracks that the record has to hold, and from when on.
fn recorded<'a>(course: &Led, seats: &'a [SeatLink], opened: Timestamp) -> Vec<Track<'a>> {
    let both = seats.iter().flat_map(|seat| [(seat, Kind::Audio), (seat, Kind::Video)]);
    let needed = both.filter(|(seat, kind)| course.plan.recorded(TrackId { seat: seat.id, kind: *kind }));
    let settled = i64::try_from(RELINKED.as_micros()).unwrap_or(i64::MAX);
    let from = |seat: &SeatLink| course.called.get(&seat.id.0).map_or(opened, |called| called.plus(settled));
    needed.map(|(seat, kind)| Track { seat, kind, from: from(seat) }).collect()
}

/// What opens a seat: that of its link, or a new one for its terminal.
fn secret(seat: &SeatLink) -> Secret {
    let account = |user: &str| Account { user: user.to_owned(), secret: format!("{:032x}", rand::random::<u128>()) };
    match &seat.endpoint {
        Endpoint::Sip(aor) => Secret::Sip(account(aor.user())),
        Endpoint::Gb28181(device) => Secret::Gb28181(account(device.as_str())),
        Endpoint::Browser | Endpoint::Rtsp(_) => {
            let token = seat.link.as_deref().unwrap_or_default().split_once("#t=").map_or("", |(_, token)| token);
            Secret::Link(token.to_owned())
        }
    }
}

const CASE: &str = "彩排 rehearsal";
const LOOK: Duration = Duration::from_millis(50);
/// How long a peer may take to hear of the hearing.
const ANNOUNCED: Duration = Duration::from_secs(3);
/// How long everybody may take to be connected.
const GATHERED: Duration = Duration::from_secs(20);
/// How long every required track may take to arrive once everybody is connected.
const ARRIVED: Duration = Duration::from_secs(8);
/// How long a seat that was called may take until its media flows again.
const RELINKED: Duration = Duration::from_secs(3);
