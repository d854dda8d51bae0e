//! Looks again now and then whether records are still what they were.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hearing_config::{HearingId, Timestamp};
use hearing_proto::manifest::Der;
use hearing_proto::manifest::verify::{MANIFEST, Report, Trust, Verdict, verify};
use metrics::{counter, gauge};

use super::Error;
use super::ledger::{Deed, Ledger};
use crate::record::Sheet;
use crate::record::evidence::Folder;

/// What is looked at, and how often.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder of all records.
    pub directory: PathBuf,
    /// The root certificates that are trusted, in PEM.
    pub root: PathBuf,
    /// Hours between two looks at one record.
    pub hours: u32,
}

/// Looks for as long as the node runs: one record at a time, on one thread.
pub async fn run(settings: Settings) {
    let mut tick = tokio::time::interval(LOOK);
    loop {
        tick.tick().await;
        let (settings, now) = (settings.clone(), Timestamp::now());
        let looked = tokio::task::spawn_blocking(move || pass(&settings, now)).await;
        match looked {
            Ok(Ok(bad)) => gauge!("hearing_record_scrub_bad").set(bad as f64),
            Ok(Err(error)) => tracing::error!(%error, "records could not be verified again"),
            Err(_) => tracing::error!("verifying records again was aborted"),
        }
    }
}

/// Verifies every closed record that is due; how many records are bad by their last look.
///
/// # Errors
/// When the folder or a ledger can't be read or written, or the root can't be read.
pub fn pass(settings: &Settings, now: Timestamp) -> Result<usize, Error> {
    let roots = crate::net::pem::certificates(&settings.root).map_err(|error| Error::Keys(error.to_string()))?;
    let trust = Trust { roots: roots.into_iter().map(Der).collect(), threads: 1, ..Trust::default() };
    let mut bad = 0;
    for (hearing, folder) in closed(&settings.directory)? {
        let ledger = Ledger::of(&settings.directory, hearing);
        let last = ledger.state()?.scrubbed;
        let due = i64::from(settings.hours) * HOUR;
        if let Some((_, verdict)) = last.filter(|(at, _)| now.since(*at) < due) {
            bad += usize::from(is_bad(&verdict));
            continue;
        }
        let report = verify(&Folder::new(folder), &Trust { hearing: Some(hearing.to_string()), ..trust.clone() });
        let verdict = word(report.verdict);
        bad += usize::from(is_bad(verdict));
        tell(hearing, &report);
        ledger.add(now, Deed::Scrub { verdict: verdict.to_owned(), findings: found(&report) })?;
    }
    Ok(bad)
}

/// The records that are bad by their last look: which, since when, and what was found.
///
/// # Errors
/// When the folder or a ledger can't be read.
pub fn bad(directory: &Path) -> Result<Vec<(HearingId, Timestamp, String)>, Error> {
    let mut bad = Vec::new();
    for (hearing, _) in closed(directory)? {
        let scrubbed = Ledger::of(directory, hearing).state()?.scrubbed;
        bad.extend(scrubbed.filter(|(_, verdict)| is_bad(verdict)).map(|(at, verdict)| (hearing, at, verdict)));
    }
    Ok(bad)
}

/// Closed records that have a manifest.
fn closed(directory: &Path) -> Result<Vec<(HearingId, PathBuf)>, Error> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.map_err(Error::disk(directory, "read"))?,
    };
    let named = entries.flatten().filter_map(|e| Some((e.file_name().to_str()?.parse().ok()?, e.path())));
    let is_closed = |folder: &Path| Sheet::read(folder).map_or(true, |sheet| sheet.closed.is_some());
    Ok(named.filter(|(_, folder)| folder.join(MANIFEST).exists() && is_closed(folder)).collect())
}

fn tell(hearing: HearingId, report: &Report) {
    let verdict = word(report.verdict);
    counter!("hearing_record_scrubs_total", "verdict" => verdict).increment(1);
    if is_bad(verdict) {
        tracing::error!(%hearing, verdict, findings = ?found(report), "a record is not what it was");
    }
}

fn found(report: &Report) -> Vec<String> {
    let finding = |finding: &hearing_proto::manifest::verify::Finding| {
        let place = finding.file.clone().unwrap_or_default();
        format!("{} {place}", finding.code.en()).trim_end().to_owned()
    };
    report.findings.iter().take(MOST).map(finding).collect()
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Intact => "intact",
        Verdict::Tampered => "tampered",
        Verdict::Incomplete => "incomplete",
        Verdict::CannotJudge => "cannot-judge",
    }
}

/// A gap that was declared stays as it is; everything else that is not intact is an alarm.
fn is_bad(verdict: &str) -> bool {
    !matches!(verdict, "intact" | "incomplete")
}

/// How often is looked for records that are due.
const LOOK: Duration = Duration::from_secs(600);
/// Microseconds.
const HOUR: i64 = 3_600_000_000;
/// Findings that a ledger keeps of one look.
const MOST: usize = 20;
