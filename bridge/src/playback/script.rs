//! What a film of a record shows and when: pure. Pauses become a short notice, everything else keeps its length.

use hearing_config::{Kind, Timestamp};
use hearing_proto::scene::{Cue, Layout, Scene, Tile, Words};
use hearing_signaling::hearing::PauseReason;
use serde::Serialize;

use crate::record::{Line, Pause, Sheet};

/// A film's script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The spans of the record that it shows, in order.
    pub spans: Vec<Span>,
    /// What changes, in order.
    pub cues: Vec<(i64, Cue)>,
    /// Its length in microseconds.
    pub length: i64,
    /// What it draws.
    pub scene: Scene,
}

/// A part of the record that a film shows without a cut. Times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Span {
    /// File time of the record from which on.
    pub from_ms: u64,
    /// Until when.
    pub to_ms: u64,
    /// Where it begins in the film.
    pub at_ms: u64,
}

/// A recorded track, as a script needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// `<seat>-<kind>`.
    pub name: String,
    /// The seat's place in the sheet.
    pub seat: usize,
    /// What it carries.
    pub kind: Kind,
    /// The streams of it, one for each way in which it is coded.
    pub streams: Vec<u16>,
    /// Its index.
    pub lines: Vec<Line>,
}

impl Script {
    /// The script for the part from the first frame, `start_ms`, to the last, `end_ms` (file times).
    #[must_use]
    pub fn of(sheet: &Sheet, tracks: &[Track], (start_ms, end_ms): (u64, u64), emblem: Option<bytes::Bytes>) -> Self {
        let pauses: Vec<Pause> = sheet.pauses().into_iter().filter(|pause| pause.from_ms < end_ms).collect();
        let (spans, notices) = lay_out(start_ms, end_ms, &pauses);
        let seats = tiles(sheet, tracks);
        let mut script = Self { spans, cues: Vec::new(), length: 0, scene: scene(sheet, &seats, emblem) };
        script.length = script.spans.last().map_or(0, |span| (span.at_ms + span.to_ms - span.from_ms) as i64 * 1_000);
        let last = notices.iter().map(|(at, _)| (*at + NOTICE_MS) as i64 * 1_000).max().unwrap_or(0);
        script.length = script.length.max(last);
        for span in &script.spans {
            let wall = sheet.epoch.unwrap_or_default().plus(span.from_ms as i64 * 1_000);
            script.cues.push((span.at_ms as i64 * 1_000, Cue::Clock(wall.0)));
        }
        for (at, pause) in notices {
            let at = at as i64 * 1_000;
            script.cues.push((at, Cue::Notice(Some(notice(sheet, pause)))));
            script.cues.push((at + NOTICE_MS as i64 * 1_000, Cue::Notice(None)));
        }
        script.speak(sheet, tracks, &seats);
        script.cues.sort_by_key(|(at, _)| *at);
        script
    }

    /// The place in the film of a file time; `None` when the film leaves it out.
    #[must_use]
    pub fn place(&self, ms: u64) -> Option<i64> {
        let span = self.spans.iter().find(|span| (span.from_ms..=span.to_ms).contains(&ms))?;
        i64::try_from((span.at_ms + ms - span.from_ms) * 1_000).ok()
    }

    /// Who speaks: whoever began last.
    fn speak(&mut self, sheet: &Sheet, tracks: &[Track], seats: &[(usize, Kind, Vec<u16>)]) {
        let mut turns: Vec<(u64, u64, u16)> = Vec::new();
        for track in tracks.iter().filter(|track| track.kind == Kind::Audio) {
            let Some(tile) = seats.iter().position(|(seat, kind, _)| *seat == track.seat && *kind != Kind::Screen)
            else {
                continue;
            };
            for (from, to) in speech(sheet, &track.lines) {
                turns.push((from, to, tile as u16));
            }
        }
        turns.sort_unstable();
        for (n, (from, to, tile)) in turns.iter().enumerate() {
            let taken = turns.get(n + 1).is_some_and(|(next, ..)| next <= to);
            self.cues.extend(self.place(*from).map(|at| (at, Cue::Speaker(Some(*tile)))));
            if !taken {
                self.cues.extend(self.place(*to).map(|at| (at, Cue::Speaker(None))));
            }
        }
    }
}

/// A track's spans of speech in file time, those joined that follow each other closely.
pub(super) fn speech(sheet: &Sheet, lines: &[Line]) -> Vec<(u64, u64)> {
    let mut spans: Vec<(u64, u64)> = Vec::new();
    for line in lines {
        let Line::Speech { from, to } = line else { continue };
        let Some((from, to)) = sheet.file_ms(*from).zip(sheet.file_ms(*to)) else { continue };
        match spans.last_mut() {
            Some((_, last)) if from <= *last + NEAR_MS => *last = to.max(*last),
            _ => spans.push((from, to)),
        }
    }
    spans
}

/// Spans between the pauses, and where in the film each pause's notice begins.
fn lay_out(start_ms: u64, end_ms: u64, pauses: &[Pause]) -> (Vec<Span>, Vec<(u64, Pause)>) {
    let (mut spans, mut notices) = (Vec::new(), Vec::new());
    let (mut from_ms, mut at_ms) = (start_ms, 0);
    for pause in pauses {
        if pause.from_ms > from_ms {
            spans.push(Span { from_ms, to_ms: pause.from_ms, at_ms });
            at_ms += pause.from_ms - from_ms;
        }
        notices.push((at_ms, *pause));
        at_ms += NOTICE_MS;
        from_ms = pause.to_ms.unwrap_or(end_ms).max(from_ms);
    }
    if end_ms > from_ms {
        spans.push(Span { from_ms, to_ms: end_ms, at_ms });
    }
    (spans, notices)
}

/// A tile for each seat that was there, and one for each screen that was shown.
fn tiles(sheet: &Sheet, tracks: &[Track]) -> Vec<(usize, Kind, Vec<u16>)> {
    let mut tiles = Vec::new();
    for seat in 0..sheet.meta.seats.len() {
        let streams = |kind: Kind| -> Vec<u16> {
            let of = tracks.iter().filter(|track| track.seat == seat && track.kind == kind);
            of.flat_map(|track| track.streams.clone()).collect()
        };
        let (camera, sound, screen) = (streams(Kind::Video), streams(Kind::Audio), streams(Kind::Screen));
        if !camera.is_empty() || !sound.is_empty() {
            tiles.push((seat, Kind::Video, camera));
        }
        if !screen.is_empty() {
            tiles.push((seat, Kind::Screen, screen));
        }
    }
    tiles.truncate(hearing_proto::scene::TILE_LIMIT);
    tiles
}

fn scene(sheet: &Sheet, seats: &[(usize, Kind, Vec<u16>)], emblem: Option<bytes::Bytes>) -> Scene {
    let tile = |(seat, kind, streams): &(usize, Kind, Vec<u16>)| {
        let seat = &sheet.meta.seats[*seat];
        let (zh, en) = if *kind == Kind::Screen { (" · 屏幕", " · screen") } else { ("", "") };
        let name = Words { zh: format!("{}{zh}", seat.title), en: format!("{}{en}", seat.title_en) };
        Tile { name, streams: streams.clone() }
    };
    let utc_offset = jiff::tz::TimeZone::system().to_offset(time_of(sheet.epoch.unwrap_or_default())).seconds();
    Scene {
        width: 1280,
        height: 720,
        fps: 25,
        layout: Layout::Equal,
        heading: sheet.meta.case.clone(),
        utc_offset,
        emblem,
        tiles: seats.iter().map(tile).collect(),
    }
}

fn time_of(at: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_microsecond(at.0).unwrap_or_default()
}

/// What stands in place of a pause: why, and from when to when.
fn notice(sheet: &Sheet, pause: Pause) -> Words {
    let clock = |ms: u64| {
        let at = time_of(sheet.epoch.unwrap_or_default().plus(ms as i64 * 1_000));
        at.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M:%S").to_string()
    };
    let span = format!("{} – {}", clock(pause.from_ms), pause.to_ms.map_or_else(|| "…".to_owned(), clock));
    let (zh, en) = match pause.reason {
        PauseReason::Recess => ("休庭", "Recess"),
        PauseReason::ClosedEvidence => {
            ("不公开质证，依法未录制或不予公开", "Closed examination of evidence, left out by law")
        }
        PauseReason::Mediation => ("调解，依法未录制或不予公开", "Mediation, left out by law"),
    };
    Words { zh: format!("{zh} {span}"), en: en.to_owned() }
}

/// How long the notice of a pause stands.
pub(super) const NOTICE_MS: u64 = 4_000;
/// Spans of speech that are nearer to each other than this are one.
const NEAR_MS: u64 = 100;

#[cfg(test)]
mod tests;
