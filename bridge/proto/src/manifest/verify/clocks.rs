//! Rule 3: the wall clock against the monotonic clock.

use super::super::CLOCK_TOLERANCE;
use super::super::entry::Entry;
use super::super::line::Line;
use super::lines::Record;
use super::report::{Code, Finding, Report};

pub(super) fn check(record: &Record<'_>, report: &mut Report) {
    let Some(first) = record.lines.first() else { return };
    let (mut reference, mut before) = (&first.line, &first.line);
    for placed in record.lines.iter().skip(1) {
        let line = &placed.line;
        let is_after_seal = record.sealed.is_some_and(|seal| line.seq > seal);
        let found = |code| Finding::new(code).entry(line.seq).time(Some(before.utc), Some(line.utc));
        if line.boot == before.boot && line.mono < before.mono {
            report.add(found(Code::ClockImpossible).detail("the monotonic clock goes back"));
        }
        if is_after_seal {
            before = line;
            continue;
        }
        let is_head = matches!(line.entry, Entry::Head(_));
        if let Entry::Clock { step: by } = &line.entry {
            report.add(found(Code::ClockStepped).detail(step(*by)));
            reference = line;
        } else if is_head {
            if line.utc < before.utc {
                report.add(found(Code::ClockStepped).detail(step(line.utc - before.utc)));
            }
            reference = line;
        } else if line.boot != before.boot {
            report.add(found(Code::ClockImpossible).detail("another start of the machine without a head"));
        } else if away(line, reference).saturating_abs() > CLOCK_TOLERANCE {
            report.add(found(Code::ClockUndeclared).detail(step(away(line, reference))));
            reference = line;
        }
        before = line;
    }
}

/// How far the wall clock left the monotonic clock since `reference`.
const fn away(line: &Line, reference: &Line) -> i64 {
    line.utc.saturating_sub(reference.utc).saturating_sub(line.mono.saturating_sub(reference.mono))
}

fn step(by: i64) -> String {
    format!("{} ms", by / 1_000)
}
