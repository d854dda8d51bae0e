//! Rule 9: what is missing, by the record's own account and beyond it.

use std::collections::BTreeMap;

use super::super::entry::Entry;
use super::lines::Record;
use super::report::{Code, Finding, Hole, Report};

pub(super) fn check(record: &Record<'_>, report: &mut Report) {
    let mut last: BTreeMap<&str, i64> = BTreeMap::new();
    let mut holes: Vec<(u64, Hole)> = Vec::new();
    let mut jumps: Vec<(u64, &str, i64, i64)> = Vec::new();
    let mut late: BTreeMap<&str, Vec<Came>> = BTreeMap::new();
    let mut paused: Option<(u64, i64, String)> = None;
    let mut before = None;
    for placed in &record.lines {
        let (seq, utc) = (placed.line.seq, placed.line.utc);
        if let Entry::Gap { track, reason, from, to, .. } = placed.line.entry.matter() {
            let (track, reason, from, to) = (track.clone(), reason.clone(), *from, *to);
            holes.push((seq, Hole { entry: seq, track, reason, from, to, filled: false, later: false }));
        } else if let Entry::Late { track, spans, .. } = placed.line.entry.matter() {
            let after_seal = record.sealed.is_some_and(|seal| seq > seal);
            let times = spans.iter().filter_map(|span| span.first.zip(span.last));
            late.entry(track).or_default().extend(times.map(|(first, last)| Came { first, last, after_seal }));
        } else if let Entry::Recess { reason } = &placed.line.entry {
            paused = Some((seq, utc, reason.clone()));
        } else if let (Entry::Resume {} | Entry::End { .. }, Some((entry, from, reason))) =
            (&placed.line.entry, &paused)
        {
            let (from, to) = (Some(*from), Some(utc));
            let (entry, reason) = (*entry, reason.clone());
            holes.push((entry, Hole { entry, track: None, reason, from, to, filled: false, later: false }));
            paused = None;
        } else if let (Entry::Head(_), Some(before)) = (&placed.line.entry, before) {
            let (reason, from, to) = ("restart".to_owned(), Some(before), Some(utc));
            holes.push((seq, Hole { entry: seq, track: None, reason, from, to, filled: false, later: false }));
            report.add(Finding::new(Code::Restarted).entry(seq).time(Some(before), Some(utc)));
        } else if let Entry::Data { spans } = &placed.line.entry {
            for span in spans {
                let (Some(first), Some(end)) = (span.first, span.last) else { continue };
                let track = span.file.split_once('/').map_or(span.file.as_str(), |(folder, _)| folder);
                if let Some(from) = last.insert(track, end).filter(|from| first.saturating_sub(*from) > LONGEST) {
                    jumps.push((seq, track, from, first));
                }
            }
        }
        before = Some(utc);
    }
    for (seq, track, from, to) in jumps {
        let explains = |hole: &Hole| {
            hole.track.as_deref().is_none_or(|of| of == track)
                && hole.from.is_none_or(|begin| begin <= to)
                && hole.to.is_none_or(|end| end >= from)
        };
        if !holes.iter().any(|(_, hole)| explains(hole)) {
            report.add(Finding::new(Code::GapUndeclared).entry(seq).track(Some(track)).time(Some(from), Some(to)));
        }
    }
    tell(&mut holes, late, report);
    report.gaps = holes.into_iter().map(|(_, hole)| hole).collect();
}

/// Says of each hole whether what came late fills it.
fn tell(holes: &mut [(u64, Hole)], mut late: BTreeMap<&str, Vec<Came>>, report: &mut Report) {
    late.values_mut().for_each(|times| times.sort_unstable());
    for (_, hole) in holes {
        let came = hole.track.as_deref().and_then(|track| late.get(track)).map_or(&[][..], Vec::as_slice);
        let in_time = fills(came.iter().filter(|came| !came.after_seal), hole);
        hole.filled = in_time || fills(came.iter(), hole);
        hole.later = hole.filled && !in_time;
        if !LAWFUL.contains(&hole.reason.as_str()) && hole.reason != "restart" {
            let code = match (hole.filled, hole.later) {
                (true, true) => Code::GapFilledLater,
                (true, false) => Code::GapFilled,
                (false, _) => Code::GapDeclared,
            };
            let finding = Finding::new(code).entry(hole.entry).track(hole.track.as_deref());
            report.add(finding.time(hole.from, hole.to).detail(&hole.reason));
        }
    }
}

/// Media that came late: when it was captured, and whether the record was sealed by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Came {
    first: i64,
    last: i64,
    after_seal: bool,
}

/// True when what came late leaves nothing of a hole that is longer than [`NEAR`].
fn fills<'a>(late: impl Iterator<Item = &'a Came>, hole: &Hole) -> bool {
    let (Some(from), Some(to)) = (hole.from, hole.to) else { return false };
    let (mut reached, mut any) = (from, false);
    for came in late.filter(|came| came.last >= from && came.first <= to) {
        if came.first.saturating_sub(reached) > NEAR {
            return false;
        }
        (reached, any) = (reached.max(came.last), true);
    }
    any && to.saturating_sub(reached) <= NEAR
}

/// What came late fills a hole if no more than this is missing anywhere in it, in microseconds.
const NEAR: i64 = 500_000;
/// The longest time between two frames that is no gap, in microseconds.
const LONGEST: i64 = 3_000_000;
/// Reasons that take nothing from a record: ordered pauses, and a track that was not there.
const LAWFUL: [&str; 5] = ["recess", "closed-evidence", "mediation", "pause", "absent"];
