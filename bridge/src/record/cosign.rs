//! Sealed records whose final checkpoint no node of another zone has cosigned: one may do so later, in an addendum.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use hearing_config::HearingId;
use hearing_proto::manifest::{Addenda, Cosignature, Entry, Request};

use super::later::{self, Turn};
use super::{Clocks, Error, Recorder, Signing, catalog, ledger};

/// One sealed record that a witness is to be asked for. Every call blocks: it reads the manifest.
#[derive(Debug, Clone)]
pub struct Unwitnessed {
    /// The hearing.
    pub hearing: HearingId,
    manifest: PathBuf,
    /// Where it is written anew.
    next: PathBuf,
    turn: Turn,
    signing: Arc<Signing>,
    clocks: Clocks,
}

impl Recorder {
    /// The sealed record of a hearing.
    #[must_use]
    pub fn sealed(&self, hearing: HearingId) -> Unwitnessed {
        let manifest = self.settings.directory.join(hearing.to_string()).join(ledger::FILE);
        let (next, turn) = (later::next(&self.settings.directory, hearing), Arc::clone(&self.addenda));
        let (signing, clocks) = (Arc::clone(&self.settings.signing), self.clocks.clone());
        Unwitnessed { hearing, manifest, next, turn, signing, clocks }
    }

    /// Every sealed record that was recorded here and that no witness has seen to its end. Blocks: it reads all manifests.
    ///
    /// # Errors
    /// When the folder of all records can't be read.
    pub fn unwitnessed(&self) -> Result<Vec<Unwitnessed>, Error> {
        let sealed = catalog::list(&self.settings.directory)?.into_iter().filter(|record| record.integrity.is_some());
        let all = sealed.map(|record| self.sealed(record.sheet.hearing));
        Ok(all.filter(|record| record.request(0).is_ok_and(|request| request.is_some())).collect())
    }
}

impl Unwitnessed {
    /// What a witness has to be asked; `since` is the size of the last checkpoint of this record that it saw. `None` when one
    /// has cosigned the final checkpoint.
    ///
    /// # Errors
    /// When the manifest can't be read or is not sealed, or the node can't sign.
    pub fn request(&self, since: u64) -> Result<Option<Request>, Error> {
        Ok(self.addenda()?.request(since))
    }

    /// Appends the witness's word, durably.
    ///
    /// # Errors
    /// When it is not about this record, the node can't sign, or the disk does not take it.
    pub fn cosigned(&self, word: Cosignature) -> Result<(), Error> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = vec![Entry::Cosign(Box::new(word))];
        later::append(&self.manifest, &self.next, (&self.signing, &self.clocks), entries)
    }

    fn addenda(&self) -> Result<Addenda, Error> {
        let existing = fs::read(&self.manifest).map_err(Error::disk(&self.manifest, "read"))?;
        Ok(Addenda::open(&existing, self.signing.node()?, self.clocks.boot().to_owned(), self.clocks.now())?)
    }
}
