//! An export as the operator asks for it: a folder or a zip archive, with the film.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use hearing_config::HearingId;
use serde::Serialize;

use super::{Error, Parts, Script, Span, compose};
use crate::pipeline::Program;
use crate::record::catalog;
use crate::record::export::{self, Exported, Keep, Wish};

/// What the operator wants.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) hearing: HearingId,
    /// A folder, or a file that ends in `.zip`.
    pub(super) to: PathBuf,
    pub(super) public: bool,
    /// With `composed.mp4`.
    pub(super) compose: bool,
}

/// `composed.json`: where in the record each part of the film is.
#[derive(Debug, Serialize)]
pub(super) struct Composed<'a> {
    /// `hearing-composed/1`.
    pub(super) format: &'static str,
    /// The film's length in milliseconds.
    pub(super) length_ms: i64,
    /// Its parts; what lies between them is the notice of a pause.
    pub(super) spans: &'a [Span],
}

impl<'a> Composed<'a> {
    pub(super) fn of(script: &'a Script) -> Self {
        Self { format: "hearing-composed/1", length_ms: script.length / 1_000, spans: &script.spans }
    }
}

impl Parts {
    /// Exports; blocks for as long as it takes. `progress` is told what is done and how much of it, 0 to 1.
    pub(super) fn export(&self, order: &Order, progress: &dyn Fn(&'static str, f64)) -> Result<Exported, Error> {
        let archive = order.to.extension().is_some_and(|extension| extension == "zip");
        let folder = if archive { beside(&order.to) } else { order.to.clone() };
        let mut exported = self.fill(order, &folder, progress)?;
        if archive {
            progress("zip", 0.0);
            let packed = pack(&folder, &order.to);
            fs::remove_dir_all(&folder).map_err(Error::file(&folder))?;
            packed?;
            exported.folder.clone_from(&order.to);
        }
        Ok(exported)
    }

    fn fill(&self, order: &Order, folder: &Path, progress: &dyn Fn(&'static str, f64)) -> Result<Exported, Error> {
        let wish = Wish { to: folder.to_owned(), public: order.public };
        let (mut exported, manifest) =
            export::export(&self.records, order.hearing, &wish, &|done| progress("copy", done))?;
        if order.compose && exported.frames > 0 {
            let record = catalog::find(&self.records, order.hearing)?;
            let keep = Keep::of(&manifest.record, order.public);
            let film = folder.join(FILM);
            let told = |done| progress("compose", done);
            let script = compose(&Program::find()?, &record, &keep, self.emblem.as_deref(), &film, &told)?;
            write_spans(&folder.join(SPANS), &script)?;
            exported.files += 1;
            exported.bytes += film.metadata().map_err(Error::file(&film))?.len();
        }
        progress("checksums", 0.0);
        export::seal(folder)?;
        Ok(exported)
    }
}

pub(super) fn write_spans(path: &Path, script: &Script) -> Result<(), Error> {
    let text = serde_json::to_vec_pretty(&Composed::of(script)).expect("numbers");
    fs::write(path, text).map_err(Error::file(path))
}

/// A folder beside an archive in which it is put together.
fn beside(archive: &Path) -> PathBuf {
    let mut name = archive.file_stem().unwrap_or_default().to_owned();
    name.push(".part");
    archive.with_file_name(name)
}

/// Packs a folder without compressing: media doesn't become smaller.
fn pack(folder: &Path, archive: &Path) -> Result<(), Error> {
    let broken = |source| Error::Zip { path: archive.to_owned(), source };
    let mut zip = zip::ZipWriter::new(File::create_new(archive).map_err(Error::file(archive))?);
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let root = archive.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).map_err(Error::file(&next))? {
            let path = entry.map_err(Error::file(&next))?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = format!("{root}/{}", path.strip_prefix(folder).unwrap_or(&path).display());
            let mut file = File::open(&path).map_err(Error::file(&path))?;
            zip.start_file(name, stored.large_file(true)).map_err(broken)?;
            io::copy(&mut file, &mut zip).map_err(Error::file(archive))?;
        }
    }
    zip.finish().map_err(broken)?.sync_all().map_err(Error::file(archive))
}

pub(super) const FILM: &str = "composed.mp4";
pub(super) const SPANS: &str = "composed.json";
