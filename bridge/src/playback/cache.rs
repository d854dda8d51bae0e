//! What a browser plays of a record: each track in files that can be searched, and the film. A closed record is joined once, and again when something was added to it;
//! a running one anew as far as it has come. Everything here can be made again from the record at any time.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hearing_config::HearingId;
use tracing::{info, warn};

use super::export::{FILM, SPANS, write_spans};
use super::{Error, Parts, compose};
use crate::pipeline::Program;
use crate::record::catalog::{self, Record};
use crate::record::export::{self, JoinedFile, Keep};

/// What was made of the records, newest copy last.
#[derive(Debug, Default)]
pub(super) struct Copies(Mutex<HashMap<Key, Vec<Arc<Copy>>>>);

/// A record as a public or a whole copy.
type Key = (HearingId, bool);

/// One joined copy of a record.
#[derive(Debug)]
pub(super) struct Copy {
    /// Its name in addresses.
    pub(super) name: String,
    /// Where its files are.
    pub(super) folder: PathBuf,
    /// The record when it was made.
    pub(super) record: Record,
    /// By track: its files.
    pub(super) tracks: Vec<(String, Vec<JoinedFile>)>,
    made: Instant,
    /// How much had been added to it after its seal.
    added: usize,
}

impl Copies {
    fn newest(&self, key: Key) -> Option<Arc<Copy>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key)?.last().cloned()
    }

    /// Takes a copy in; files of those that are too old go.
    fn keep(&self, key: Key, copy: Arc<Copy>) {
        let mut copies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let copies = copies.entry(key).or_default();
        copies.push(copy);
        while copies.len() > KEPT {
            let old = copies.remove(0);
            if let Err(error) = fs::remove_dir_all(&old.folder) {
                warn!(%error, folder = %old.folder.display(), "an old copy stays");
            }
        }
    }

    /// The file of a copy that still is there.
    fn file(&self, key: Key, copy: &str, file: &str) -> Option<PathBuf> {
        let copies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let copy = copies.get(&key)?.iter().find(|of| of.name == copy)?;
        let known = copy.tracks.iter().flat_map(|(_, files)| files).any(|of| of.file == file);
        known.then(|| copy.folder.join(file))
    }
}

impl Parts {
    /// A copy that is as new as it has to be.
    pub(super) async fn copy(self: &Arc<Self>, hearing: HearingId, public: bool) -> Result<Arc<Copy>, Error> {
        let key = (hearing, public);
        let _turn = self.turn.acquire().await.map_err(|_| Error::Aborted)?;
        let added = catalog::added(&self.records, hearing);
        let fresh = |copy: &Arc<Copy>| match copy.record.sheet.closed {
            Some(_) => copy.added == added,
            None => copy.made.elapsed() < FRESH,
        };
        if let Some(copy) = self.copies.newest(key).filter(fresh) {
            return Ok(copy);
        }
        let parts = Arc::clone(self);
        let made = tokio::task::spawn_blocking(move || parts.join(key)).await.map_err(|_| Error::Aborted)??;
        let copy = Arc::new(made);
        self.copies.keep(key, Arc::clone(&copy));
        Ok(copy)
    }

    fn join(&self, (hearing, public): Key) -> Result<Copy, Error> {
        let added = catalog::added(&self.records, hearing);
        let record = catalog::find(&self.records, hearing)?;
        if record.sheet.epoch.is_none() {
            return Err(Error::Empty);
        }
        let name = format!("{}{}", if public { "public-" } else { "whole-" }, uuid::Uuid::now_v7());
        let folder = self.folder(hearing).join(&name);
        fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
        let keep = Keep::of(&record.sheet, public);
        let track = |track: &catalog::Track| {
            let files = export::join(&record.folder.join(&track.name), &track.name, &folder, &keep)?;
            Ok((track.name.clone(), files))
        };
        let tracks = record.tracks.iter().map(track).collect::<Result<_, Error>>()?;
        Ok(Copy { name, folder, record, tracks, made: Instant::now(), added })
    }

    /// A media file, by the names in its address.
    pub(super) fn media(&self, hearing: HearingId, public: bool, copy: &str, file: &str) -> Option<PathBuf> {
        match (copy, file) {
            (FILM_COPY, FILM) => Some(self.film_folder(hearing, public).join(FILM)),
            _ => self.copies.file((hearing, public), copy, file),
        }
    }

    /// `composed.json` of the film, if it has been made.
    pub(super) fn film(&self, hearing: HearingId, public: bool) -> Option<serde_json::Value> {
        let path = self.film_folder(hearing, public).join(SPANS);
        let made = fs::metadata(&path).and_then(|file| file.modified()).ok()?;
        if catalog::last_added(&self.records, hearing).is_some_and(|added| added > made) {
            return None;
        }
        let text = fs::read(path).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Makes the film of a closed record unless it is there.
    pub(super) async fn prepare_film(self: Arc<Self>, hearing: HearingId, public: bool) {
        if self.film(hearing, public).is_some() {
            return;
        }
        let Ok(_turn) = self.film_turn.acquire().await else { return };
        let parts = Arc::clone(&self);
        match tokio::task::spawn_blocking(move || parts.make_film(hearing, public)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(%hearing, %error, "the film was not made; the seats can be played"),
            Err(error) => warn!(%hearing, %error, "the film was not made; the seats can be played"),
        }
    }

    fn make_film(&self, hearing: HearingId, public: bool) -> Result<(), Error> {
        let record = catalog::find(&self.records, hearing)?;
        if record.sheet.closed.is_none() || self.film(hearing, public).is_some() {
            return Ok(());
        }
        let folder = self.film_folder(hearing, public);
        fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
        let keep = Keep::of(&record.sheet, public);
        let film = folder.join(FILM);
        let script = compose(&Program::find()?, &record, &keep, self.emblem.as_deref(), &film, &|_| ())?;
        write_spans(&folder.join(SPANS), &script)?;
        info!(%hearing, public, "film made");
        Ok(())
    }

    fn film_folder(&self, hearing: HearingId, public: bool) -> PathBuf {
        self.folder(hearing).join(if public { "film-public" } else { "film" })
    }

    fn folder(&self, hearing: HearingId) -> PathBuf {
        self.cache.join(hearing.to_string())
    }
}

/// What of a former process is left: copies that nobody knows any more.
pub(super) fn clean(cache: &std::path::Path) {
    let folders = fs::read_dir(cache).into_iter().flatten().flatten();
    let copies = folders.flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten().flatten());
    for copy in copies {
        let name = copy.file_name().to_string_lossy().into_owned();
        if (name.starts_with("whole-") || name.starts_with("public-")) && fs::remove_dir_all(copy.path()).is_err() {
            warn!(folder = %copy.path().display(), "an old copy stays");
        }
    }
}

/// The film's copy in addresses.
pub(super) const FILM_COPY: &str = "film";
/// A running record is joined anew after this.
const FRESH: Duration = Duration::from_secs(10);
/// Copies of a running record that stay, for those who still play them.
const KEPT: usize = 3;
