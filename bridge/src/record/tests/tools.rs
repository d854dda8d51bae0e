//! What ffprobe and ffmpeg say of files.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::process::Command;

use hearing_proto::matroska::{Block, Item, Reader};

pub(super) fn blocks(path: &Path) -> Vec<Block> {
    let mut reader = Reader::new(BufReader::new(File::open(path).unwrap()), 0);
    let mut blocks = Vec::new();
    while let Some(item) = reader.next_item().unwrap() {
        if let Item::Block(block) = item {
            blocks.push(block);
        }
    }
    blocks
}

pub(super) fn ffprobe(path: &Path, entries: &str) -> String {
    let arguments = ["-v", "error", "-count_frames", "-show_entries", entries, "-of", "default=nw=1:nk=1"];
    let output = Command::new("ffprobe").args(arguments).arg(path).output().expect("ffprobe is installed");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Decodes the whole file; what ffmpeg complains of.
pub(super) fn complaints(path: &Path) -> String {
    let arguments = ["-v", "error", "-nostdin", "-i"];
    let output = Command::new("ffmpeg").args(arguments).arg(path).args(["-f", "null", "-"]).output();
    String::from_utf8(output.expect("ffmpeg is installed").stderr).unwrap()
}

/// Frames that ffprobe decodes.
pub(super) fn decoded(path: &Path) -> usize {
    ffprobe(path, "stream=nb_read_frames").parse().unwrap_or(0)
}
