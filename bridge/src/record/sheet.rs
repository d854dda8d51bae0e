//! `hearing.json`: what a record is of, its clock and its orders.

use std::fs::{self, File};
use std::path::Path;

use hearing_config::{HearingId, NodeId, Role, SeatId, Timestamp, TrackId, Zone};
use hearing_signaling::hearing::{HearingView, PauseReason, RecordOrder};
use serde::{Deserialize, Serialize};

use super::{Error, PREROLL, seal};

/// What the recorder has to know of a hearing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// The case number.
    pub case: String,
    /// The template that the hearing was made from.
    pub template: String,
    /// Its seats.
    pub seats: Vec<Seat>,
}

/// A seat as the record names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// Its id.
    pub id: SeatId,
    /// Its slug, such as `counsel`; names its folders.
    pub name: String,
    /// Its title in Chinese.
    pub title: String,
    /// Its title in English.
    pub title_en: String,
    /// Its role.
    pub role: Role,
    /// Its zone.
    pub zone: Zone,
}

impl From<&HearingView> for Meta {
    fn from(view: &HearingView) -> Self {
        let seats = view.seats.iter().map(|seat| Seat {
            id: seat.id,
            name: seat.name.clone(),
            title: seat.title.clone(),
            title_en: seat.title_en.clone(),
            role: seat.role,
            zone: seat.zone.clone(),
        });
        Self { case: view.case.clone(), template: view.template.clone(), seats: seats.collect() }
    }
}

impl Meta {
    /// The folder of a track: `<seat>-<kind>`. Names that are not slugs give way to the seat's number.
    pub(super) fn folder(&self, track: TrackId) -> String {
        let is_slug = |name: &&str| {
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            matches!(name.len(), 1..=64) && name.bytes().all(plain)
        };
        let named = self.seats.iter().find(|seat| seat.id == track.seat).map(|seat| seat.name.as_str());
        match named.filter(is_slug) {
            Some(name) => format!("{name}-{}", track.kind),
            None => format!("seat{}-{}", track.seat, track.kind),
        }
    }
}

/// The content of `hearing.json`; docs/ref/record-format.md.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sheet {
    /// `hearing-record/1`.
    pub format: String,
    /// The hearing.
    pub hearing: HearingId,
    /// The node that records.
    pub node: NodeId,
    /// Case, template, seats.
    #[serde(flatten)]
    pub meta: Meta,
    /// File time 0 of every track, 3 s before the opening; `None` before it.
    pub epoch: Option<Timestamp>,
    /// When it was opened: the first order to run.
    pub opened: Option<Timestamp>,
    /// What was ordered, and from when on, in order.
    pub orders: Vec<Order>,
    /// When it was closed.
    pub closed: Option<Timestamp>,
}

/// One order, in force from a moment on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// From when on, in capture time.
    pub at: Timestamp,
    /// What.
    pub what: What,
    /// Why it is paused.
    pub reason: Option<PauseReason>,
}

/// A time in which nothing was recorded by order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// File time in milliseconds from which on.
    pub from_ms: u64,
    /// Until when; `None` while it lasts.
    pub to_ms: Option<u64>,
    /// Why.
    pub reason: PauseReason,
}

impl Pause {
    /// True when the public may not follow what happened in it (法释〔2017〕5号, article 3; 法释〔2021〕12号, article 27).
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        match self.reason {
            PauseReason::Recess => false,
            PauseReason::ClosedEvidence | PauseReason::Mediation => true,
        }
    }
}

/// The word for an order in the sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// Written.
    Run,
    /// Paused.
    Pause,
    /// Ended.
    Off,
}

impl Sheet {
    /// The sheet in `folder`, or a new one for a new record. Both folder and sheet are durable when this returns.
    pub(super) fn begin(folder: &Path, hearing: HearingId, node: NodeId, meta: Meta) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(Error::disk(folder, "make the folder"))?;
        if folder.join(FILE).exists() {
            return Self::read(folder);
        }
        let format = FORMAT.to_owned();
        let sheet = Self { format, hearing, node, meta, epoch: None, opened: None, orders: Vec::new(), closed: None };
        sheet.write(folder)?;
        if let Some(parent) = folder.parent() {
            sync_folder(parent)?;
        }
        Ok(sheet)
    }

    /// The sheet of the record in `folder`.
    ///
    /// # Errors
    /// When it is missing or can't be read.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(FILE);
        let text = fs::read(&path).map_err(Error::disk(&path, "read"))?;
        serde_json::from_slice(&text).map_err(|error| Error::Damaged { path, reason: error.to_string() })
    }

    /// Replaces the sheet in `folder`, at once or not at all.
    pub(super) fn write(&self, folder: &Path) -> Result<(), Error> {
        seal::replace(folder, FILE, self.text().as_bytes())
    }

    /// The sheet as it stands in its file.
    pub(super) fn text(&self) -> String {
        serde_json::to_string_pretty(self).expect("a sheet is text, numbers and lists")
    }

    /// The file time of a moment, in milliseconds; `None` before the opening.
    #[must_use]
    pub fn file_ms(&self, at: Timestamp) -> Option<u64> {
        u64::try_from(at.since(self.epoch?) / 1_000).ok()
    }

    /// The pauses by order, in order of time.
    #[must_use]
    pub fn pauses(&self) -> Vec<Pause> {
        let mut pauses = Vec::new();
        for (n, order) in self.orders.iter().enumerate() {
            if let (Some(reason), Some(from_ms)) = (order.reason, self.file_ms(order.at)) {
                let end = self.orders.get(n + 1).map(|next| next.at).or(self.closed);
                pauses.push(Pause { from_ms, to_ms: end.and_then(|at| self.file_ms(at)), reason });
            }
        }
        pauses
    }

    /// True while the record has begun and not ended: after a crash it goes on.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.epoch.is_some() && self.closed.is_none()
    }

    /// Takes an order in; false when it is in force already.
    pub(super) fn order(&mut self, order: RecordOrder, at: Timestamp) -> bool {
        let order = Order::new(order, at);
        let (what, reason) = self.orders.last().map_or((What::Off, None), |last| (last.what, last.reason));
        if (what, reason) == (order.what, order.reason) {
            return false;
        }
        if order.what == What::Run {
            self.opened.get_or_insert(at);
            self.epoch.get_or_insert(at.plus(-PREROLL));
            self.closed = None;
        }
        self.orders.push(order);
        true
    }

    /// The order to pause that lies between two captures, if there is one.
    pub(super) fn paused_between(&self, from: Timestamp, to: Timestamp) -> Option<Order> {
        self.orders.iter().rev().find(|order| order.what == What::Pause && from < order.at && order.at <= to).copied()
    }

    /// The order for what was captured at `captured`; `None` before the opening.
    pub(super) fn order_at(&self, captured: Timestamp) -> Option<Order> {
        self.orders.iter().rev().find(|order| order.at <= captured).copied()
    }
}

impl Order {
    fn new(order: RecordOrder, at: Timestamp) -> Self {
        match order {
            RecordOrder::Off => Self { at, what: What::Off, reason: None },
            RecordOrder::Run => Self { at, what: What::Run, reason: None },
            RecordOrder::Pause(reason) => Self { at, what: What::Pause, reason: Some(reason) },
        }
    }
}

fn sync_folder(folder: &Path) -> Result<(), Error> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(Error::disk(folder, "make durable"))
}

pub(super) const FILE: &str = "hearing.json";
const FORMAT: &str = "hearing-record/1";
