//! Puts a record together again from the second store.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use age::x25519::Identity;
use hearing_config::HearingId;
use serde::Serialize;

use super::Error;
use super::store::{Piece, Store};

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// Files.
    pub files: usize,
    /// Bytes in them.
    pub bytes: u64,
}

/// Writes the record of `hearing` into `to`, which must not exist. `keys` open what is encrypted.
///
/// # Errors
/// When there is no copy, a part is missing or can't be opened, or `to` can't be written.
pub async fn restore(store: &Store, hearing: HearingId, to: &Path, keys: &[Identity]) -> Result<Restored, Error> {
    let files = store.parts(hearing).await?;
    if files.is_empty() {
        return Err(Error::Unknown(hearing));
    }
    fs::create_dir(to).map_err(Error::disk(to, "make the folder"))?;
    let mut restored = Restored { files: 0, bytes: 0 };
    for (file, parts) in files {
        let path = to.join(&file);
        let folder = path.parent().unwrap_or(to);
        fs::create_dir_all(folder).map_err(Error::disk(folder, "make the folder"))?;
        let mut out = fs::File::create_new(&path).map_err(Error::disk(&path, "write"))?;
        let mut at = 0;
        // Of a file that is replaced the last copy counts.
        let skip =
            if matches!(parts.first().map(|part| part.piece), Some(Piece::Whole(..))) { parts.len() - 1 } else { 0 };
        for part in &parts[skip..] {
            let mut bytes = store.get(part, keys).await?;
            if let Piece::Span(from, to) = part.piece {
                if from > at {
                    return Err(Error::Hole { file, from: at });
                }
                // A part that a restart made again may overlap with the one before.
                bytes.drain(..usize::try_from(at - from).unwrap_or(usize::MAX).min(bytes.len()));
                at = at.max(to);
            }
            out.write_all(&bytes).map_err(Error::disk(&path, "write"))?;
            restored.bytes += bytes.len() as u64;
        }
        out.sync_all().map_err(Error::disk(&path, "write"))?;
        restored.files += 1;
    }
    Ok(restored)
}

#[cfg(test)]
mod tests {
    use super::super::{Backup, BackupSettings, Recipients, identities};
    use super::*;

    const HEARING: &str = "0198c0de-0000-7000-8000-000000000001";

    /// Records in one directory, a second store in another.
    struct Place {
        directory: tempfile::TempDir,
        hearing: HearingId,
    }

    impl Place {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            fs::create_dir_all(directory.path().join("records").join(HEARING).join("judge-video")).unwrap();
            Self { directory, hearing: HEARING.parse().unwrap() }
        }

        fn append(&self, file: &str, bytes: &[u8]) {
            let path = self.directory.path().join("records").join(HEARING).join(file);
            fs::OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(bytes).unwrap();
        }

        fn sheet(&self, text: &str) {
            fs::write(self.directory.path().join("records").join(HEARING).join("hearing.json"), text).unwrap();
        }

        fn store(&self, recipients: &[String]) -> Store {
            Store::directory(&self.directory.path().join("copy"), Recipients::parse(recipients).unwrap()).unwrap()
        }

        fn backup(&self, recipients: &[String]) -> Backup {
            let directory = self.directory.path().join("records");
            Backup::new(BackupSettings { directory, store: self.store(recipients) })
        }

        async fn restored(&self, keys: &[Identity]) -> Result<Vec<(String, Vec<u8>)>, Error> {
            let to = self.directory.path().join("restored");
            drop(fs::remove_dir_all(&to));
            restore(&self.store(&[]), self.hearing, &to, keys).await?;
            let read = |name: &str| (name.to_owned(), fs::read(to.join(name)).unwrap());
            Ok(["hearing.json", "judge-video/0001.mkv"].map(read).to_vec())
        }
    }

    fn expected(sheet: &str, media: &[u8]) -> Vec<(String, Vec<u8>)> {
        let file = |name: &str, bytes: &[u8]| (name.to_owned(), bytes.to_vec());
        vec![file("hearing.json", sheet.as_bytes()), file("judge-video/0001.mkv", media)]
    }

    #[tokio::test]
    async fn what_grew_while_it_was_copied_and_over_a_restart_is_restored_to_the_byte() {
        let place = Place::new();
        let media: Vec<u8> = (0..9_000_000_u32).map(|n| (n % 251) as u8).collect();
        place.sheet("{\"first\":1}");
        place.append("judge-video/0001.mkv", &media[..5_000_000]);
        let mut backup = place.backup(&[]);
        let lag = backup.turn(tokio::time::Instant::now()).await.unwrap();
        assert_eq!(lag, 5_000_000 - (4 << 20), "the rest waits until it is worth a part");
        drop(backup);
        place.append("judge-video/0001.mkv", &media[5_000_000..]);
        place.sheet("{\"second\":2}");
        place.backup(&[]).finish().await.unwrap();
        assert_eq!(place.restored(&[]).await.unwrap(), expected("{\"second\":2}", &media));
    }

    #[tokio::test]
    async fn an_encrypted_copy_is_read_by_each_of_its_recipients_and_by_nobody_else() {
        let place = Place::new();
        let [clerk, archive, stranger] = [(); 3].map(|()| Identity::generate());
        place.sheet("{}");
        place.append("judge-video/0001.mkv", b"the picture of the judge");
        let recipients = [clerk.to_public().to_string(), archive.to_public().to_string()];
        place.backup(&recipients).finish().await.unwrap();
        let copy = place.directory.path().join("copy");
        let mut seen = 0;
        for entry in fs::read_dir(copy.join(HEARING).join("judge-video/0001.mkv")).unwrap() {
            let stored = fs::read(entry.unwrap().path()).unwrap();
            assert!(!stored.windows(7).any(|window| window == b"picture"));
            seen += 1;
        }
        assert_eq!(seen, 1);
        for key in [clerk, archive] {
            let restored = place.restored(&[key]).await.unwrap();
            assert_eq!(restored, expected("{}", b"the picture of the judge"));
        }
        assert!(matches!(place.restored(&[stranger]).await, Err(Error::Locked { .. })));
    }

    #[tokio::test]
    async fn a_part_that_is_missing_is_named() {
        let place = Place::new();
        place.sheet("{}");
        place.append("judge-video/0001.mkv", &vec![1; 9 << 20]);
        place.backup(&[]).finish().await.unwrap();
        let parts = place.directory.path().join("copy").join(HEARING).join("judge-video/0001.mkv");
        let mut names: Vec<_> = fs::read_dir(parts).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        fs::remove_file(&names[1]).unwrap();
        let missing = place.restored(&[]).await;
        assert!(matches!(missing, Err(Error::Hole { from, .. }) if from == 4 << 20), "{missing:?}");
    }

    #[test]
    fn a_file_without_a_key_is_refused() {
        assert!(identities("# created: today\n").is_err());
        assert!(Recipients::parse(&["age1nonsense".to_owned()]).is_err());
    }
}
