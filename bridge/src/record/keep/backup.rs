//! Copies records to the second store while they are made. A task of its own: it only reads, and nobody waits for it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hearing_config::HearingId;
use hearing_proto::manifest::verify::Files as _;
use metrics::{counter, gauge};
use tokio::time::Instant;

use super::Error;
use super::store::{Piece, Store};
use crate::record::evidence::Folder;

/// What is copied, and where to.
#[derive(Clone)]
pub struct Settings {
    /// The folder of all records.
    pub directory: PathBuf,
    /// Where copies go.
    pub store: Store,
}

/// Copies what is new; told when to look.
pub struct Backup {
    settings: Settings,
    copied: BTreeMap<HearingId, BTreeMap<String, Copied>>,
}

/// How much of a file is copied.
#[derive(Debug, Clone, Default)]
struct Copied {
    /// Bytes from the beginning on.
    to: u64,
    /// Of a file that is replaced: how often it was copied, and its content last time.
    versions: u64,
    content: Option<Vec<u8>>,
    /// When it was looked at with something new in it.
    waits: Option<Instant>,
}

impl Backup {
    /// A copier that knows nothing yet: what is in the second store it finds out for each record.
    #[must_use]
    pub const fn new(settings: Settings) -> Self {
        Self { settings, copied: BTreeMap::new() }
    }

    /// Copies for as long as the node runs. What fails is tried again at the next turn.
    pub async fn run(mut self) {
        let mut tick = tokio::time::interval(TURN);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            match self.turn(Instant::now()).await {
                Ok(lag) => gauge!("hearing_record_backup_lag_bytes").set(lag as f64),
                Err(error) => {
                    counter!("hearing_record_backup_failures_total").increment(1);
                    tracing::error!(%error, "a record is not backed up");
                }
            }
        }
    }

    /// Copies at most `AT_ONCE` parts; how many bytes are not copied yet.
    ///
    /// # Errors
    /// When something can't be read or stored; other records are then copied at the next turn.
    pub async fn turn(&mut self, now: Instant) -> Result<u64, Error> {
        let (mut lag, mut parts) = (0, 0);
        for hearing in self.hearings()? {
            if !self.copied.contains_key(&hearing) {
                let known = self.known(hearing).await?;
                self.copied.insert(hearing, known);
            }
            let folder = self.settings.directory.join(hearing.to_string());
            let list = Folder::new(folder.clone()).list().map_err(Error::disk(&folder, "read"))?;
            for (file, length) in list.into_iter().filter(|(file, _)| !file.starts_with('.')) {
                let path = folder.join(&file);
                if file == SHEET {
                    self.replaced(hearing, &file, &path).await?;
                } else {
                    lag += self.appended(hearing, &file, (&path, length), (now, &mut parts)).await?;
                }
            }
        }
        Ok(lag)
    }

    /// Copies all that is there, however little: for a record that is closed, and for tests.
    ///
    /// # Errors
    /// As [`Backup::turn`].
    pub async fn finish(&mut self) -> Result<(), Error> {
        let later = Instant::now() + PATIENCE * 2;
        self.turn(Instant::now()).await?;
        while self.turn(later).await? > 0 {}
        Ok(())
    }

    fn hearings(&self) -> Result<Vec<HearingId>, Error> {
        let directory = &self.settings.directory;
        let entries = fs::read_dir(directory).map_err(Error::disk(directory, "read"))?;
        Ok(entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
    }

    /// What the second store has of a record.
    async fn known(&self, hearing: HearingId) -> Result<BTreeMap<String, Copied>, Error> {
        let mut files = BTreeMap::new();
        for (file, parts) in self.settings.store.parts(hearing).await? {
            let mut copied = Copied::default();
            for part in parts {
                match part.piece {
                    Piece::Span(from, to) if from == copied.to => copied.to = to,
                    // A hole: from there on it is copied again.
                    Piece::Span(..) => break,
                    Piece::Whole(number, _) => copied.versions = copied.versions.max(number + 1),
                }
            }
            files.insert(file, copied);
        }
        Ok(files)
    }

    /// Copies what was appended, in whole parts, or less when it has waited for [`PATIENCE`]. Bytes that remain.
    async fn appended(
        &mut self,
        hearing: HearingId,
        file: &str,
        (path, length): (&Path, u64),
        (now, parts): (Instant, &mut usize),
    ) -> Result<u64, Error> {
        let copied = self.copied.entry(hearing).or_default().entry(file.to_owned()).or_default();
        loop {
            let left = length.saturating_sub(copied.to);
            if left == 0 {
                copied.waits = None;
                return Ok(0);
            }
            let since = *copied.waits.get_or_insert(now);
            if (left < PART && now.duration_since(since) < PATIENCE) || *parts >= AT_ONCE {
                return Ok(left);
            }
            let (from, to) = (copied.to, copied.to + left.min(PART));
            let bytes = read(path, from, to).map_err(Error::disk(path, "read"))?;
            self.settings.store.put(hearing, file, Piece::Span(from, to), bytes).await?;
            counter!("hearing_record_backup_bytes_total").increment(to - from);
            (copied.to, copied.waits) = (to, None);
            *parts += 1;
        }
    }

    async fn replaced(&mut self, hearing: HearingId, file: &str, path: &Path) -> Result<(), Error> {
        let copied = self.copied.entry(hearing).or_default().entry(file.to_owned()).or_default();
        let content = fs::read(path).map_err(Error::disk(path, "read"))?;
        if copied.content.as_ref() == Some(&content) {
            return Ok(());
        }
        let piece = Piece::Whole(copied.versions, content.len() as u64);
        self.settings.store.put(hearing, file, piece, content.clone()).await?;
        copied.versions += 1;
        copied.content = Some(content);
        Ok(())
    }
}

fn read(path: &Path, from: u64, to: u64) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = vec![0; usize::try_from(to - from).map_err(std::io::Error::other)?];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

const SHEET: &str = "hearing.json";
/// How often is looked.
const TURN: Duration = Duration::from_secs(2);
/// Less than a part is copied after this.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a part.
const PART: u64 = 4 << 20;
/// Parts that are copied in one turn: 32 MiB/s, which bounds what a copier takes from the disk.
const AT_ONCE: usize = 16;
