//! Verifies a record offline: nothing but its files, a trusted root, and what a witness wrote down.
//!
//! docs/ref/record.md has the rules; each breach is a [`Finding`] that names the line, the file, the track and the time.

mod clocks;
mod files;
mod gaps;
mod lines;
mod report;
mod signatures;
mod trust;
mod words;

use std::io::{self, Read};

use super::entry::Cosignature;
use super::hash::Der;
use super::integrity::IntegrityValue;
pub use report::{Code, Finding, Hole, Report, Uncosigned, Verdict};

use lines::Record;

/// The files of a record, wherever they are.
pub trait Files: Sync {
    /// Name and length of every file, manifest included; names are relative, with `/` between folder and name.
    ///
    /// # Errors
    /// When they can't be listed.
    fn list(&self) -> io::Result<Listing>;

    /// Reads a file from its beginning.
    ///
    /// # Errors
    /// When it is not there or can't be read.
    fn open(&self, name: &str) -> io::Result<Box<dyn Read + '_>>;
}

/// Names and lengths of files.
pub type Listing = Vec<(String, u64)>;

/// What the verifier believes, and what it holds against the record.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Roots; without any nothing can be judged genuine.
    pub roots: Vec<Der>,
    /// Revocation lists in DER.
    pub revoked: Vec<Vec<u8>>,
    /// The lines of a witness's own file, if one was brought.
    pub witness: Option<Vec<Cosignature>>,
    /// The integrity value that parties signed, if one was brought.
    pub value: Option<IntegrityValue>,
    /// The hearing that the record is said to be of.
    pub hearing: Option<String>,
    /// Threads that hash files; at least one is used.
    pub threads: usize,
}

/// Checks everything. What can't be read is a finding too.
#[must_use]
pub fn verify(files: &dyn Files, trust: &Trust) -> Report {
    let mut report = Report::default();
    let Some((bytes, list)) = manifest(files, &mut report) else { return report.judged() };
    let record = Record::read(&bytes, &mut report);
    if record.lines.is_empty() {
        report.add(Finding::new(Code::NoManifest));
        return report.judged();
    }
    signatures::check(&record, trust, &mut report);
    clocks::check(&record, &mut report);
    gaps::check(&record, &mut report);
    files::check(&record, files, &list, trust.threads.max(1), &mut report);
    report.judged()
}

/// The lines of a witness's file; those that can't be read are left out.
#[must_use]
pub fn witness_lines(file: &[u8]) -> Vec<Cosignature> {
    file.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

/// The manifest's bytes, and the list of all files.
fn manifest(files: &dyn Files, report: &mut Report) -> Option<(Vec<u8>, Listing)> {
    let read = || -> io::Result<_> {
        let list = files.list()?;
        let mut bytes = Vec::new();
        files.open(MANIFEST)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
        Ok((bytes, list))
    };
    match read() {
        Ok((bytes, _)) if bytes.len() as u64 > LARGEST => {
            report.add(Finding::new(Code::Unreadable).file(MANIFEST).detail(format!("more than {LARGEST} bytes")));
            None
        }
        Ok(all) => Some(all),
        Err(error) => {
            report.add(Finding::new(Code::NoManifest).file(MANIFEST).detail(error));
            None
        }
    }
}

/// The name of the manifest in a record's folder.
pub const MANIFEST: &str = "manifest.jsonl";
/// A day of twenty busy seats is a tenth of this.
const LARGEST: u64 = 4 << 30;
