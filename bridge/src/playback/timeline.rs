//! What the playback page shows of a record: who, what, when, and where nothing is.

use std::fs;

use hearing_config::{HearingId, Kind, Role, Timestamp};
use hearing_signaling::access::Share;
use hearing_signaling::hearing::PauseReason;
use serde::Serialize;
use serde_json::Value;

use super::cache::{Copy, FILM_COPY};
use super::compose::place;
use super::export::FILM;
use super::script::speech;
use crate::record::catalog::Record;
use crate::record::{Error, GapReason, Line, read_index};

/// Times are milliseconds of file time unless they say otherwise.
#[derive(Debug, Serialize)]
pub(super) struct Timeline {
    hearing: HearingId,
    case: String,
    /// Who the link was given to.
    viewer: String,
    /// True when what is closed to the public is left out.
    public: bool,
    /// Wall time of file time 0, microseconds since 1970.
    epoch: Timestamp,
    opened: Option<Timestamp>,
    closed: Option<Timestamp>,
    start_ms: u64,
    end_ms: u64,
    seats: Vec<Seat>,
    pauses: Vec<Paused>,
    /// Marks that were set in the hearing.
    marks: Vec<Mark>,
    /// The composed film, once it has been made.
    film: Option<FilmPart>,
}

#[derive(Debug, Serialize)]
struct Seat {
    name: String,
    title: String,
    title_en: String,
    role: Role,
    audio: Vec<Piece>,
    video: Vec<Piece>,
    screen: Vec<Piece>,
    /// From and to.
    speech: Vec<(u64, u64)>,
    gaps: Vec<Gap>,
}

/// A file of a track.
#[derive(Debug, Serialize)]
struct Piece {
    url: String,
    start_ms: u64,
    end_ms: u64,
    codec: &'static str,
}

#[derive(Debug, Serialize)]
struct Gap {
    kind: Kind,
    from_ms: u64,
    to_ms: u64,
    reason: GapReason,
}

#[derive(Debug, Serialize)]
struct Paused {
    from_ms: u64,
    to_ms: u64,
    reason: PauseReason,
    closed: bool,
}

#[derive(Debug, Serialize)]
struct Mark {
    at_ms: u64,
    text: String,
}

#[derive(Debug, Serialize)]
struct FilmPart {
    url: String,
    #[serde(flatten)]
    composed: Value,
}

impl Timeline {
    pub(super) fn of(copy: &Copy, share: &Share, film: Option<Value>) -> Result<Self, Error> {
        let record = &copy.record;
        let sheet = &record.sheet;
        let files = || copy.tracks.iter().flat_map(|(_, files)| files);
        let start_ms = files().map(|file| file.start_ms).min().unwrap_or(0);
        let end_ms = files().map(|file| file.end_ms).max().unwrap_or(start_ms);
        let mut seats: Vec<Seat> = sheet.meta.seats.iter().map(Seat::empty).collect();
        for (name, files) in &copy.tracks {
            let Some((seat, kind)) = place(record, name) else { continue };
            let lines = read_index(&record.folder.join(name))?;
            let pieces = files.iter().map(|file| Piece {
                url: format!("/api/records/{}/media/{}/{}", sheet.hearing, copy.name, file.file),
                start_ms: file.start_ms,
                end_ms: file.end_ms,
                codec: file.codec,
            });
            let seat = &mut seats[seat];
            seat.pieces(kind).extend(pieces);
            seat.gaps.extend(lines.iter().filter_map(|line| gap(sheet, kind, line)));
            if kind == Kind::Audio {
                seat.speech = speech(sheet, &lines);
            }
        }
        seats.retain(|seat| [&seat.audio, &seat.video, &seat.screen].iter().any(|pieces| !pieces.is_empty()));
        let pauses = sheet.pauses().into_iter().map(|pause| Paused {
            from_ms: pause.from_ms,
            to_ms: pause.to_ms.unwrap_or(end_ms).max(pause.from_ms),
            reason: pause.reason,
            closed: pause.is_closed(),
        });
        let film = film.map(|composed| FilmPart {
            url: format!("/api/records/{}/media/{FILM_COPY}/{FILM}", sheet.hearing),
            composed,
        });
        Ok(Self {
            hearing: sheet.hearing,
            case: sheet.meta.case.clone(),
            viewer: share.name.clone(),
            public: share.public,
            epoch: sheet.epoch.unwrap_or_default(),
            opened: sheet.opened,
            closed: sheet.closed,
            start_ms,
            end_ms,
            seats,
            pauses: pauses.collect(),
            marks: marks(record),
            film,
        })
    }
}

impl Seat {
    fn empty(seat: &crate::record::Seat) -> Self {
        Self {
            name: seat.name.clone(),
            title: seat.title.clone(),
            title_en: seat.title_en.clone(),
            role: seat.role,
            audio: Vec::new(),
            video: Vec::new(),
            screen: Vec::new(),
            speech: Vec::new(),
            gaps: Vec::new(),
        }
    }

    const fn pieces(&mut self, kind: Kind) -> &mut Vec<Piece> {
        match kind {
            Kind::Audio => &mut self.audio,
            Kind::Video => &mut self.video,
            Kind::Screen => &mut self.screen,
        }
    }
}

/// The marks in the record's manifest (docs/ref/record.md), as far as it can be read.
fn marks(record: &Record) -> Vec<Mark> {
    let text = fs::read_to_string(record.folder.join("manifest.jsonl")).unwrap_or_default();
    let lines = text
        .lines()
        .filter(|line| line.contains("\"mark\""))
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mark = |line: Value| {
        let at_ms = record.sheet.file_ms(Timestamp(line["at"].as_i64()?))?;
        Some(Mark { at_ms, text: line["text"].as_str()?.to_owned() })
    };
    lines.filter(|line| line["kind"] == "mark").filter_map(mark).collect()
}

/// A gap that nobody ordered.
fn gap(sheet: &crate::record::Sheet, kind: Kind, line: &Line) -> Option<Gap> {
    let Line::Gap { reason, from, to, .. } = line else { return None };
    if *reason == GapReason::Pause {
        return None;
    }
    let from_ms = from.map_or(Some(0), |from| sheet.file_ms(from))?;
    Some(Gap { kind, from_ms, to_ms: sheet.file_ms(*to)?, reason: *reason })
}
