//! Rule 9: what is missing, by the record's own account and beyond it.

use std::collections::BTreeMap;

use super::super::entry::Entry;
use super::lines::Record;
use super::report::{Code, Finding, Hole, Report};

pub(super) fn check(record: &Record<'_>, report: &mut Report) {
    let mut last: BTreeMap<&str, i64> = BTreeMap::new();
    let mut holes: Vec<(u64, Hole)> = Vec::new();
    let mut jumps: Vec<(u64, &str, i64, i64)> = Vec::new();
    let mut paused: Option<(u64, i64, String)> = None;
    let mut before = None;
    for placed in &record.lines {
        let (seq, utc) = (placed.line.seq, placed.line.utc);
        if let Entry::Gap { track, reason, from, to, .. } = placed.line.entry.matter() {
            holes.push((seq, Hole { entry: seq, track: track.clone(), reason: reason.clone(), from: *from, to: *to }));
        } else if let Entry::Recess { reason } = &placed.line.entry {
            paused = Some((seq, utc, reason.clone()));
        } else if let (Entry::Resume {} | Entry::End { .. }, Some((entry, from, reason))) =
            (&placed.line.entry, &paused)
        {
            let (from, to) = (Some(*from), Some(utc));
            holes.push((*entry, Hole { entry: *entry, track: None, reason: reason.clone(), from, to }));
            paused = None;
        } else if let (Entry::Head(_), Some(before)) = (&placed.line.entry, before) {
            holes.push((
                seq,
                Hole { entry: seq, track: None, reason: "restart".to_owned(), from: Some(before), to: Some(utc) },
            ));
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
    for (_, hole) in &holes {
        if !LAWFUL.contains(&hole.reason.as_str()) && hole.reason != "restart" {
            let finding = Finding::new(Code::GapDeclared).entry(hole.entry).track(hole.track.as_deref());
            report.add(finding.time(hole.from, hole.to).detail(&hole.reason));
        }
    }
    report.gaps = holes.into_iter().map(|(_, hole)| hole).collect();
}

/// The longest time between two frames that is no gap, in microseconds.
const LONGEST: i64 = 3_000_000;
/// Reasons that take nothing from a record: ordered pauses, and a track that was not there.
const LAWFUL: [&str; 5] = ["recess", "closed-evidence", "mediation", "pause", "absent"];
