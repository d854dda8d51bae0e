//! The manifest as a chain of lines: what each says, and where the chain is broken.

use super::super::entry::{Entry, Head, Torn};
use super::super::hash::{Hash, HashAlg};
use super::super::line::{Line, NoLine};
use super::super::tree::{Tree, leaf};
use super::report::{Code, Finding, Report};

/// The lines of a manifest.
pub(super) struct Record<'a> {
    pub(super) lines: Vec<Placed<'a>>,
    pub(super) tree: Tree,
    pub(super) alg: HashAlg,
    /// The line of the seal.
    pub(super) sealed: Option<u64>,
    /// The chain holds from the first line to the last.
    pub(super) unbroken: bool,
}

/// A line and its bytes.
pub(super) struct Placed<'a> {
    pub(super) line: Line,
    pub(super) bytes: &'a [u8],
}

impl<'a> Record<'a> {
    pub(super) fn read(bytes: &'a [u8], report: &mut Report) -> Self {
        let alg = first_head(bytes).map_or_else(HashAlg::default, |head| head.hash);
        let record = Self { lines: Vec::new(), tree: Tree::new(alg), alg, sealed: None, unbroken: true };
        let mut walk = Walk { bytes, at: 0, record, expected: 0, last: Hash::ZERO, report };
        while walk.at < bytes.len() {
            walk.step();
        }
        let record = walk.record;
        report.lines = record.lines.len() as u64;
        report.sealed = record.sealed.is_some();
        record
    }

    /// The heads, each with its line.
    pub(super) fn heads(&self) -> impl Iterator<Item = (&Placed<'a>, &Head)> {
        self.lines.iter().filter_map(|placed| Some((placed, placed.line.entry.as_head()?)))
    }
}

struct Walk<'a, 'r> {
    bytes: &'a [u8],
    at: usize,
    record: Record<'a>,
    expected: u64,
    last: Hash,
    report: &'r mut Report,
}

impl<'a> Walk<'a, '_> {
    fn step(&mut self) {
        let rest = &self.bytes[self.at..];
        let Some(length) = rest.iter().position(|byte| *byte == b'\n') else { return self.unfinished(rest.len()) };
        let bytes = &rest[..length];
        match Line::parse(bytes) {
            Ok(line) if line.seq == self.expected && line.prev == self.last => self.take(line, bytes),
            parsed => match self.torn() {
                Some(end) => self.at = end + 1,
                None if self.ends_in_zeros(bytes) => self.unfinished(rest.len()),
                None => self.broken(parsed, bytes),
            },
        }
    }

    /// True for what a loss of power may leave at the end of an unsealed manifest: zeros where a block was never written.
    fn ends_in_zeros(&self, bytes: &[u8]) -> bool {
        let is_seal = |line| Line::parse(line).is_ok_and(|line| matches!(line.entry, Entry::Seal { .. }));
        let rest = &self.bytes[self.at..];
        self.record.sealed.is_none() && bytes.contains(&0) && !rest.split(|byte| *byte == b'\n').any(is_seal)
    }

    /// Bytes after the last whole line.
    fn unfinished(&mut self, count: usize) {
        let code = if self.record.sealed.is_some() { Code::FileExtended } else { Code::UncoveredTail };
        let detail = format!("{count} bytes of an unfinished line");
        self.report.add(Finding::new(code).file(super::MANIFEST).entry(self.expected).detail(detail));
        self.at = self.bytes.len();
    }

    fn take(&mut self, line: Line, bytes: &'a [u8]) {
        if matches!(line.entry, Entry::Seal { .. }) && self.record.sealed.is_none() {
            self.record.sealed = Some(line.seq);
        }
        self.last = leaf(self.record.alg, bytes);
        self.record.tree.push(self.last);
        self.expected = line.seq.saturating_add(1);
        self.at += bytes.len() + 1;
        self.record.lines.push(Placed { line, bytes });
    }

    /// A line that does not go on with the chain. What follows is still read, so that all of it can be named.
    fn broken(&mut self, parsed: Result<Line, NoLine>, bytes: &'a [u8]) {
        self.record.unbroken = false;
        let before = self.expected.saturating_sub(1);
        match parsed {
            Err(error) => {
                self.report.add(Finding::new(Code::LineDamaged).entry(self.expected).detail(error));
                self.last = leaf(self.record.alg, bytes);
                self.record.tree.push(self.last);
                self.expected += 1;
                self.at += bytes.len() + 1;
            }
            Ok(line) => {
                let finding = if line.seq == self.expected {
                    Finding::new(Code::LineEdited).entry(before)
                } else if line.prev == self.last {
                    Finding::new(Code::LineEdited).entry(self.expected)
                } else if line.seq > self.expected {
                    let missing = format!("lines {} to {}", self.expected, line.seq - 1);
                    Finding::new(Code::LinesMissing).entry(self.expected).detail(missing)
                } else {
                    Finding::new(Code::LineForeign).entry(line.seq)
                };
                self.report.add(finding.time(Some(line.utc), Some(line.utc)));
                self.take(line, bytes);
            }
        }
    }

    /// The end of a torn range that begins here, if the head behind it names it. Rule 2.
    fn torn(&mut self) -> Option<usize> {
        let ends = self.bytes.iter().enumerate().skip(self.at).filter(|(_, byte)| **byte == b'\n');
        let (end, torn) = ends.map(|(end, _)| end).find_map(|end| Some((end, self.torn_before(end)?)))?;
        let range = &self.bytes[self.at..end];
        let is_named = torn.to == end as u64 && torn.hash == self.record.alg.hash(&[range]);
        let hides_lines = range.contains(&b'\n') && !range.contains(&0);
        if !is_named || hides_lines {
            return None;
        }
        let detail = format!("{} bytes of an unfinished line", range.len());
        self.report.add(Finding::new(Code::SetAside).file(super::MANIFEST).entry(self.expected).detail(detail));
        Some(end)
    }

    /// What the head on the line after `end` says was torn, if it goes on from here.
    fn torn_before(&self, end: usize) -> Option<Torn> {
        let rest = &self.bytes[end + 1..];
        let bytes = &rest[..rest.iter().position(|byte| *byte == b'\n')?];
        // Only heads name torn ranges: most lines are told without being read.
        bytes.windows(RESUMES.len()).any(|window| window == RESUMES).then_some(())?;
        let line = Line::parse(bytes).ok()?;
        let Entry::Head(head) = line.entry else { return None };
        let torn = head.resumes?.torn?;
        (line.seq == self.expected && line.prev == self.last && torn.from == self.at as u64).then_some(torn)
    }
}

fn first_head(bytes: &[u8]) -> Option<Head> {
    let mut lines = bytes.split(|byte| *byte == b'\n').take(FIRST);
    lines.find_map(|line| Line::parse(line).ok()?.entry.as_head().cloned())
}

const RESUMES: &[u8] = br#""torn":{"#;
/// Torn lines may come before the first head.
const FIRST: usize = 16;
