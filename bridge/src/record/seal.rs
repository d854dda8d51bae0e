//! The end of a record, in order: everything durable and chained, the sheet and the forms, the final checkpoint, the
//! witness's word, the seal. Told the time; each step waits until the one before is durable.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use hearing_proto::manifest::{Hash, Previous};
use serde::{Deserialize, Serialize};

use super::ledger::Ledger;
use super::reserve::is_full;
use super::sheet::Sheet;
use super::sink::{self, Sink};
use super::{Error, forms};

/// What proves a record that is sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// The integrity value, in groups.
    pub integrity: String,
    /// The zone whose node cosigned the final checkpoint.
    pub witness: Option<String>,
}

/// How far the end of a record has come.
pub(super) enum Closing {
    /// The sheet and the forms may be written once the manifest is durable up to here.
    Forms { from: u64, texts: Vec<(&'static str, String)> },
    /// The final checkpoint is made; the witness has until `until` to cosign it.
    Cosigning { size: u64, until: Instant },
    /// The seal is made.
    Sealing(Box<Last>),
}

/// A sealed manifest on its way to the disk.
pub(super) struct Last {
    pub(super) sink: Sink,
    pub(super) integrity: String,
    pub(super) root: Hash,
    pub(super) witness: Option<String>,
}

impl Closing {
    /// Begins the end: announces the last files to the manifest.
    ///
    /// # Errors
    /// When the chain refuses an entry.
    pub(super) fn begin(ledger: &mut Ledger, sheet: &Sheet) -> Result<Self, Error> {
        let end = sheet.closed.map_or(0, |at| at.0);
        let mut texts = vec![
            (super::sheet::FILE, sheet.text()),
            (INTERRUPTIONS, forms::interruptions(sheet, &ledger.happenings, end)),
        ];
        texts.extend(forms::explanation(sheet, &ledger.happenings).map(|text| (EXPLANATION, text)));
        let mut from = 0;
        for (file, text) in &texts {
            from = ledger.replace(file, text.as_bytes())?;
        }
        Ok(Self::Forms { from, texts })
    }
}

/// Writes files whose lines in the manifest are durable; on a full disk on the spill disk, with a link to there.
pub(super) fn write(folder: &Path, spill: Option<&Path>, texts: &[(&'static str, String)]) -> Result<(), Error> {
    texts.iter().try_for_each(|(file, text)| match (replace(folder, file, text.as_bytes()), spill) {
        (Err(Error::Disk { source, .. }), Some(spill)) if is_full(&source) => {
            fs::create_dir_all(spill).map_err(Error::disk(spill, "make the folder"))?;
            replace(spill, file, text.as_bytes())?;
            sink::link(folder, spill, file).map_err(Error::disk(folder, "link"))
        }
        (written, _) => written,
    })
}

/// Replaces a file as a whole, at once or not at all, and durably.
pub(super) fn replace(folder: &Path, file: &str, text: &[u8]) -> Result<(), Error> {
    let (path, next) = (folder.join(file), folder.join(format!(".{file}.next")));
    let write = || -> std::io::Result<()> {
        let mut draft = File::create(&next)?;
        draft.write_all(text)?;
        draft.sync_all()?;
        fs::rename(&next, &path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(|error| {
        // A draft that is not whole is no part of any record.
        drop(fs::remove_file(&next));
        Error::disk(&path, "write")(error)
    })
}

#[derive(Serialize, Deserialize)]
struct LastSealed {
    hearing: String,
    root: Hash,
}

/// The record that was sealed last in `directory`; the next one names it.
pub(super) fn previous(directory: &Path) -> Option<Previous> {
    let LastSealed { hearing, root } = serde_json::from_slice(&fs::read(directory.join(PREVIOUS)).ok()?).ok()?;
    Some(Previous { hearing, root })
}

/// Remembers the record that was sealed last.
pub(super) fn remember(directory: &Path, hearing: &str, root: Hash) -> Result<(), Error> {
    let last = LastSealed { hearing: hearing.to_owned(), root };
    replace(directory, PREVIOUS, &serde_json::to_vec(&last).expect("two texts"))
}

/// How long the end waits for the witness.
pub(super) const COSIGNING: Duration = Duration::from_secs(3);
/// The log of interruptions.
pub(super) const INTERRUPTIONS: &str = "interruptions.txt";
/// The prepared explanation of a fault.
pub(super) const EXPLANATION: &str = "explanation.txt";
const PREVIOUS: &str = "last-sealed.json";
