//! Rule 4: the files against what the lines say of them.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::super::entry::Entry;
use super::super::hash::{Hash, HashAlg};
use super::Files;
use super::lines::Record;
use super::report::{Code, Finding, Report};

/// What the lines say of one file.
#[derive(Default)]
struct Claim {
    /// One after the other.
    spans: Vec<Piece>,
    /// Replaced as a whole: length and hash each time.
    replaced: Vec<(u64, u64, Hash)>,
}

struct Piece {
    entry: u64,
    from: u64,
    to: u64,
    hash: Hash,
    time: (i64, i64),
}

/// What came of one file.
#[derive(Default)]
struct Outcome {
    bytes: u64,
    findings: Vec<Finding>,
    /// The first piece that is not as it was.
    differs: bool,
}

pub(super) fn check(
    record: &Record<'_>,
    files: &dyn Files,
    list: &[(String, u64)],
    threads: usize,
    report: &mut Report,
) {
    let claims = claims(record, report);
    let there: BTreeMap<&str, u64> = list.iter().map(|(name, length)| (name.as_str(), *length)).collect();
    let is_sealed = record.sealed.is_some();
    let mut work: Vec<(&str, &Claim, u64)> = Vec::new();
    for (name, claim) in &claims {
        match there.get(name.as_str()) {
            Some(length) => work.push((name, claim, *length)),
            None if claim.is_added(record.sealed) => report.add(claim.named(Code::AdditionMissing, name)),
            None => report.add(claim.named(Code::FileMissing, name)),
        }
    }
    // A file without a byte is what a crash or a full disk left when it was made: there is nothing to cover.
    let with_bytes = there.iter().filter(|(_, length)| **length > 0).map(|(name, _)| name);
    for name in with_bytes.filter(|name| **name != super::MANIFEST && !claims.contains_key(**name)) {
        let code = if is_sealed { Code::FileExtra } else { Code::UncoveredTail };
        report.add(Finding::new(code).file(name));
    }
    work.sort_by_key(|(_, _, length)| std::cmp::Reverse(*length));
    let outcomes = in_threads(&work, threads, |(name, claim, _)| claim.hold(files, name, record.alg, is_sealed));
    let differing: Vec<_> =
        work.iter().zip(&outcomes).filter(|(_, o)| o.differs).map(|((n, c, _), _)| (*n, *c)).collect();
    let swapped = swapped(files, record.alg, &differing);
    for ((name, claim, _), outcome) in work.iter().zip(outcomes) {
        report.bytes += outcome.bytes;
        match swapped.get(name) {
            Some(with) => report.add(claim.named(Code::FilesSwapped, name).detail(with)),
            None => outcome.findings.into_iter().for_each(|finding| report.add(finding)),
        }
    }
}

/// What the lines claim, file by file. Spans that don't follow each other are a finding.
fn claims(record: &Record<'_>, report: &mut Report) -> BTreeMap<String, Claim> {
    let mut claims: BTreeMap<String, Claim> = BTreeMap::new();
    let mut before = 0;
    for placed in &record.lines {
        let (seq, utc) = (placed.line.seq, placed.line.utc);
        let mut add = |file: &String, piece: Piece| {
            let claim = claims.entry(file.clone()).or_default();
            if record.unbroken && (claim.end() != piece.from || piece.to <= piece.from) {
                report.add(Finding::new(Code::SpansBroken).file(file).entry(seq));
            }
            // Nothing may be added to a file that was sealed.
            let is_addition = record.sealed.is_some_and(|seal| seq > seal);
            if is_addition && claim.entries().next().is_some() && !claim.is_added(record.sealed) {
                report.add(Finding::new(Code::LineMisplaced).file(file).entry(seq).detail("it adds to a sealed file"));
            }
            claim.spans.push(piece);
        };
        let entry = placed.line.entry.matter();
        if let Entry::Data { spans } | Entry::Late { spans, .. } = entry {
            for span in spans {
                let time = (span.first.unwrap_or(before), span.last.unwrap_or(utc));
                add(&span.file, Piece { entry: seq, from: span.from, to: span.to, hash: span.hash, time });
            }
            before = utc;
        } else if let Entry::Aside { file, from, to, hash } = entry {
            add(file, Piece { entry: seq, from: *from, to: *to, hash: *hash, time: (before, utc) });
            report.add(Finding::new(Code::SetAside).file(file).entry(seq).detail(format!("bytes {from} to {to}")));
        } else if let Entry::Replaced { file, size, hash } = entry {
            claims.entry(file.clone()).or_default().replaced.push((seq, *size, *hash));
        }
    }
    claims
}

impl Claim {
    fn entries(&self) -> impl Iterator<Item = u64> {
        self.spans.iter().map(|piece| piece.entry).chain(self.replaced.iter().map(|(entry, ..)| *entry))
    }

    /// True when only lines after the seal name it.
    fn is_added(&self, sealed: Option<u64>) -> bool {
        sealed.is_some_and(|seal| self.entries().all(|entry| entry > seal))
    }

    fn end(&self) -> u64 {
        self.spans.last().map_or(0, |piece| piece.to)
    }

    /// A finding about the whole file.
    fn named(&self, code: Code, name: &str) -> Finding {
        let (first, last) = (self.spans.first(), self.spans.last());
        let entry = first.map(|piece| piece.entry).or_else(|| self.replaced.last().map(|(entry, ..)| *entry));
        let finding = Finding::new(code).file(name).time(first.map(|p| p.time.0), last.map(|p| p.time.1));
        match entry {
            Some(entry) => finding.entry(entry),
            None => finding,
        }
    }

    fn hold(&self, files: &dyn Files, name: &str, alg: HashAlg, is_sealed: bool) -> Outcome {
        let held = match self.replaced.is_empty() {
            true => self.hold_spans(files, name, alg, is_sealed),
            false => self.hold_replaced(files, name, alg, is_sealed),
        };
        held.unwrap_or_else(|error| Outcome {
            findings: vec![self.named(Code::Unreadable, name).detail(error)],
            ..Outcome::default()
        })
    }

    fn hold_spans(&self, files: &dyn Files, name: &str, alg: HashAlg, is_sealed: bool) -> io::Result<Outcome> {
        let mut outcome = Outcome::default();
        let mut place = Place { files, name, reader: files.open(name)?, at: 0, turns: 0 };
        let mut buffer = vec![0; BLOCK];
        for piece in &self.spans {
            let finding = |code| {
                let (from, to) = piece.time;
                Finding::new(code).file(name).entry(piece.entry).time(Some(from), Some(to))
            };
            place.go(piece.from)?;
            let length = piece.to.saturating_sub(piece.from);
            let (count, hash) = hash_of(&mut place.reader, alg, length, &mut buffer)?;
            place.at += count;
            outcome.bytes += count;
            if count < length {
                let detail = format!("it ends at {}, {} are covered", place.at, self.end());
                outcome.findings.push(finding(Code::FileTruncated).detail(detail));
                return Ok(outcome);
            }
            if hash != piece.hash {
                outcome.differs = true;
                let detail = format!("bytes {} to {}", piece.from, piece.to);
                outcome.findings.push(finding(Code::FileEdited).detail(detail));
            }
        }
        let beyond = io::copy(&mut place.reader, &mut io::sink())?;
        if beyond > 0 && !outcome.differs {
            let code = if is_sealed { Code::FileExtended } else { Code::UncoveredTail };
            outcome.findings.push(Finding::new(code).file(name).detail(format!("{beyond} bytes from {}", self.end())));
        }
        Ok(outcome)
    }

    fn hold_replaced(&self, files: &dyn Files, name: &str, alg: HashAlg, is_sealed: bool) -> io::Result<Outcome> {
        let mut reader = files.open(name)?;
        let (bytes, hash) = hash_of(&mut reader, alg, u64::MAX, &mut vec![0; BLOCK])?;
        let mut outcome = Outcome { bytes, ..Outcome::default() };
        let is = |(_, size, told): &(u64, u64, Hash)| (*size, *told) == (bytes, hash);
        let (Some(last), true) = (self.replaced.last(), self.replaced.iter().any(is)) else {
            outcome.findings.push(self.named(Code::FileEdited, name));
            return Ok(outcome);
        };
        if !is(last) {
            outcome.findings.push(self.named(if is_sealed { Code::FileEdited } else { Code::Stale }, name));
        }
        Ok(outcome)
    }
}

/// Where a file is being read. Spans follow each other; only behind a broken chain they don't.
struct Place<'a> {
    files: &'a dyn Files,
    name: &'a str,
    reader: Box<dyn Read + 'a>,
    at: u64,
    turns: usize,
}

impl Place<'_> {
    fn go(&mut self, to: u64) -> io::Result<()> {
        if to < self.at {
            self.turns += 1;
            if self.turns > TURNS {
                return Err(io::Error::other("its spans go back and forth"));
            }
            (self.reader, self.at) = (self.files.open(self.name)?, 0);
        }
        self.at += io::copy(&mut (&mut self.reader).take(to - self.at), &mut io::sink())?;
        Ok(())
    }
}

/// Hashes up to `count` bytes; how many there were, and their hash.
fn hash_of(reader: &mut dyn Read, alg: HashAlg, count: u64, buffer: &mut [u8]) -> io::Result<(u64, Hash)> {
    let mut hasher = alg.hasher();
    let mut done = 0;
    while done < count {
        let want = usize::try_from(count - done).unwrap_or(usize::MAX).min(buffer.len());
        match reader.read(&mut buffer[..want]) {
            Ok(0) => break,
            Ok(read) => {
                hasher.update(&buffer[..read]);
                done += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok((done, hasher.finish()))
}

/// Files that hold what another of them should hold.
fn swapped<'a>(files: &dyn Files, alg: HashAlg, differing: &[(&'a str, &'a Claim)]) -> BTreeMap<&'a str, &'a str> {
    let mut swapped = BTreeMap::new();
    let is = |name: &str, claim: &Claim| {
        let Some(first) = claim.spans.first() else { return false };
        let begin = files.open(name).and_then(|mut reader| hash_of(&mut reader, alg, first.to, &mut vec![0; BLOCK]));
        begin.is_ok_and(|(count, hash)| count == first.to && hash == first.hash)
    };
    for (name, _) in differing.iter().take(PAIRS) {
        let other = differing.iter().take(PAIRS).find(|(other, claim)| other != name && is(name, claim));
        swapped.extend(other.map(|(other, _)| (*name, *other)));
    }
    swapped
}

/// Does all of `work` on several threads; the results are in its order.
fn in_threads<T: Sync, R: Default + Send>(work: &[T], threads: usize, job: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let (next, results) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads.min(work.len()) {
            scope.spawn(|| {
                while let Some((n, item)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|n| Some((n, work.get(n)?)))
                {
                    let result = job(item);
                    results.lock().unwrap_or_else(PoisonError::into_inner).insert(n, result);
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    (0..work.len()).map(|n| results.remove(&n).unwrap_or_default()).collect()
}

/// How often a file is read again from its beginning.
const TURNS: usize = 64;
const BLOCK: usize = 1 << 20;
/// More files than this are not exchanged by accident of one hand.
const PAIRS: usize = 16;
