//! Records as the verifier reads them: a folder, or an export that holds one, as a folder or a zip.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use hearing_config::HearingId;
use hearing_proto::manifest::verify::{Files, Listing, MANIFEST};
use zip::{CompressionMethod, ZipArchive};

/// A record in `path`: the record's own folder, an export with the originals in it, or a zip of either.
///
/// # Errors
/// When there is no manifest.
pub fn open(path: &Path) -> io::Result<Box<dyn Files>> {
    if path.is_dir() {
        return Ok(Box::new(Folder::find(path)?));
    }
    Ok(Box::new(Zip::open(path)?))
}

/// The hearing that a record's folder is named after, if it is.
#[must_use]
pub fn named(path: &Path) -> Option<HearingId> {
    path.canonicalize().ok()?.file_name()?.to_str()?.parse().ok()
}

/// A record's folder.
pub struct Folder(PathBuf);

impl Folder {
    /// The record's folder itself, whatever is in it.
    #[must_use]
    pub const fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// The folder with the manifest: `path` itself, or the only one in it.
    fn find(path: &Path) -> io::Result<Self> {
        if path.join(MANIFEST).exists() {
            return Ok(Self(path.to_owned()));
        }
        let entries = fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(of(path))?;
        let mut holding = entries.into_iter().map(|e| e.path()).filter(|path| path.join(MANIFEST).exists());
        match (holding.next(), holding.next()) {
            (Some(folder), None) => Ok(Self(folder)),
            (None, _) => Err(missing(path)),
            (Some(_), Some(_)) => Err(io::Error::other(format!("{}: more than one record: name one", path.display()))),
        }
    }
}

impl Files for Folder {
    fn list(&self) -> io::Result<Listing> {
        let mut listing = Vec::new();
        collect(&self.0, "", &mut listing)?;
        Ok(listing)
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(File::open(self.0.join(name))?))
    }
}

fn collect(folder: &Path, below: &str, listing: &mut Listing) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{below}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{name}/"), listing)?;
        } else {
            // A segment may be a link to the spill disk; one that leads nowhere is found when it is read.
            listing.push((name, fs::metadata(entry.path()).map_or(0, |file| file.len())));
        }
    }
    Ok(())
}

/// A zip with a record in it, stored without compression, as exports are.
struct Zip {
    path: PathBuf,
    /// What stands before the record's names.
    prefix: String,
    /// Name, place of the content and length.
    entries: Vec<(String, u64, u64)>,
}

impl Zip {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path).map_err(of(path))?;
        let mut archive = ZipArchive::new(file).map_err(io::Error::from).map_err(of(path))?;
        let mut entries = Vec::new();
        for n in 0..archive.len() {
            let entry = archive.by_index_raw(n)?;
            if entry.is_dir() {
                continue;
            }
            if entry.compression() != CompressionMethod::Stored {
                let reason = format!("{}: {} is compressed: unpack it first", path.display(), entry.name());
                return Err(io::Error::new(io::ErrorKind::Unsupported, reason));
            }
            entries.push((entry.name().to_owned(), entry.data_start(), entry.size()));
        }
        let manifests = entries.iter().filter_map(|(name, ..)| name.strip_suffix(MANIFEST));
        let prefix = manifests.filter(|before| before.is_empty() || before.ends_with('/')).min_by_key(|p| p.len());
        let prefix = prefix.ok_or_else(|| missing(path))?.to_owned();
        Ok(Self { path: path.to_owned(), prefix, entries })
    }
}

impl Files for Zip {
    fn list(&self) -> io::Result<Listing> {
        let ours =
            self.entries.iter().filter_map(|(name, _, length)| Some((name.strip_prefix(&self.prefix)?, *length)));
        Ok(ours.map(|(name, length)| (name.to_owned(), length)).collect())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + '_>> {
        let is_meant = |entry: &&(String, u64, u64)| entry.0.strip_prefix(&self.prefix) == Some(name);
        let (_, start, length) = self.entries.iter().find(is_meant).ok_or(io::ErrorKind::NotFound)?;
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(*start))?;
        Ok(Box::new(file.take(*length)))
    }
}

/// The error names the path.
fn of(path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn missing(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{}: there is no {MANIFEST} in it", path.display()))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn read(files: &dyn Files, name: &str) -> String {
        let mut text = String::new();
        files.open(name).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_record_is_found_in_its_folder_in_an_export_and_in_a_zip_of_one() {
        let directory = tempfile::tempdir().unwrap();
        let export = directory.path().join("export");
        fs::create_dir_all(export.join("record/judge-video")).unwrap();
        fs::write(export.join("record").join(MANIFEST), "lines").unwrap();
        fs::write(export.join("record/judge-video/0001.mkv"), "picture").unwrap();
        fs::write(export.join("README.txt"), "not of the record").unwrap();
        let path = directory.path().join("export.zip");
        let mut zip = ZipWriter::new(File::create(&path).unwrap());
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        for (name, text) in [
            ("x/README.txt", "not of the record"),
            ("x/record/manifest.jsonl", "lines"),
            ("x/record/judge-video/0001.mkv", "picture"),
        ] {
            zip.start_file(name, stored).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
        }
        zip.finish().unwrap();
        for path in [export.join("record"), export, path] {
            let files = open(&path).unwrap();
            let mut list = files.list().unwrap();
            list.sort();
            let expected = [("judge-video/0001.mkv".to_owned(), 7), (MANIFEST.to_owned(), 5)];
            assert_eq!(list, expected, "{}", path.display());
            assert_eq!(read(files.as_ref(), "judge-video/0001.mkv"), "picture");
        }
    }

    #[test]
    fn a_folder_without_a_record_is_refused_with_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let refused = open(directory.path()).err().unwrap().to_string();
        assert!(refused.contains(MANIFEST) && refused.contains(&directory.path().display().to_string()), "{refused}");
        let nowhere = directory.path().join("nowhere");
        let refused = open(&nowhere).err().unwrap().to_string();
        assert!(refused.contains(&nowhere.display().to_string()), "{refused}");
    }
}
