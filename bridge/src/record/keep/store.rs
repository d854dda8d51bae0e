//! The second store: a file of a record is many objects there, each written once and read back. A name tells which bytes.
//!
//! `<hearing>/<file>/<from>-<to>`; with `.age` behind it when it is encrypted. A file that is replaced as a whole is
//! `<hearing>/<file>/v<number>-<length>`.

use std::collections::BTreeMap;
use std::path::Path as FilePath;
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _};
use hearing_config::HearingId;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload};

use super::Error;
use super::lock::{Recipients, unlock};

/// Where copies go. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<dyn ObjectStore>,
    recipients: Recipients,
}

/// One object of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: Path,
    pub(super) piece: Piece,
    pub(super) locked: bool,
}

/// Which bytes it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Piece {
    /// Bytes `0`..`1` of a file that is appended to.
    Span(u64, u64),
    /// The whole of a file that is replaced: number and length.
    Whole(u64, u64),
}

impl Store {
    /// A directory, best on another disk. It is made when it is missing.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn directory(directory: &FilePath, recipients: Recipients) -> Result<Self, Error> {
        std::fs::create_dir_all(directory).map_err(Error::disk(directory, "make the folder"))?;
        let inner = LocalFileSystem::new_with_prefix(directory)?.with_fsync(true);
        Ok(Self { inner: Arc::new(inner), recipients })
    }

    /// The parts of all files of a record, each file's in order.
    pub(super) async fn parts(&self, hearing: HearingId) -> Result<BTreeMap<String, Vec<Part>>, Error> {
        let prefix = Path::from(hearing.to_string());
        let objects: Vec<_> = self.inner.list(Some(&prefix)).try_collect().await?;
        let mut files: BTreeMap<String, Vec<Part>> = BTreeMap::new();
        for object in objects {
            let Some((file, part)) = Part::read(&prefix, object.location) else { continue };
            files.entry(file).or_default().push(part);
        }
        files.values_mut().for_each(|parts| parts.sort_by_key(|part| part.piece));
        Ok(files)
    }

    /// Stores bytes of a file and reads them back. What is there already is left as it is.
    pub(super) async fn put(&self, hearing: HearingId, file: &str, piece: Piece, plain: Vec<u8>) -> Result<(), Error> {
        let name = piece.name(hearing, file, !self.recipients.is_empty());
        let recipients = self.recipients.clone();
        let locked = tokio::task::spawn_blocking(move || recipients.lock(plain)).await;
        let locked = bytes::Bytes::from(locked.map_err(|_| Error::Differs(name.to_string()))??);
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.inner.put_opts(&name, PutPayload::from_bytes(locked.clone()), options).await {
            Ok(_) => {}
            // From before a restart; encrypted it is another ciphertext of the same bytes.
            Err(object_store::Error::AlreadyExists { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let back = self.inner.get(&name).await?.bytes().await?;
        if back == locked { Ok(()) } else { Err(Error::Differs(name.to_string())) }
    }

    /// The bytes of a part.
    pub(super) async fn get(&self, part: &Part, keys: &[age::x25519::Identity]) -> Result<Vec<u8>, Error> {
        let stored = self.inner.get(&part.name).await?.bytes().await?;
        let name = part.name.to_string();
        let plain = if part.locked { unlock(&name, &stored, keys)? } else { stored.to_vec() };
        let (Piece::Span(from, to) | Piece::Whole(from, to)) = part.piece;
        let length = if matches!(part.piece, Piece::Span(..)) { to.saturating_sub(from) } else { to };
        if plain.len() as u64 == length { Ok(plain) } else { Err(Error::Differs(name)) }
    }

    /// Removes everything of a record; how many objects that was.
    pub(super) async fn delete(&self, hearing: HearingId) -> Result<usize, Error> {
        let prefix = Path::from(hearing.to_string());
        let names = self.inner.list(Some(&prefix)).map_ok(|object| object.location).boxed();
        let deleted: Vec<_> = self.inner.delete_stream(names).try_collect().await?;
        Ok(deleted.len())
    }
}

impl Piece {
    fn name(self, hearing: HearingId, file: &str, locked: bool) -> Path {
        let name = match self {
            Self::Span(from, to) => format!("{from:020}-{to:020}"),
            Self::Whole(number, length) => format!("v{number:020}-{length:020}"),
        };
        let end = if locked { ".age" } else { "" };
        Path::from(format!("{hearing}/{file}/{name}{end}"))
    }
}

impl Part {
    /// The file and part that an object of the record below `prefix` is; `None` for what is none.
    fn read(prefix: &Path, name: Path) -> Option<(String, Self)> {
        let below: Vec<_> = name.prefix_match(prefix)?.map(|part| part.as_ref().to_owned()).collect();
        let (last, file) = below.split_last()?;
        let (plain, locked) = last.strip_suffix(".age").map_or((last.as_str(), false), |plain| (plain, true));
        let number = |text: &str| text.parse::<u64>().ok();
        let piece = match plain.strip_prefix('v') {
            Some(rest) => {
                rest.split_once('-').and_then(|(n, length)| Some(Piece::Whole(number(n)?, number(length)?)))?
            }
            None => plain.split_once('-').and_then(|(from, to)| Some(Piece::Span(number(from)?, number(to)?)))?,
        };
        Some((file.join("/"), Self { name, piece, locked }))
    }
}
