//! What stands in the folder of a record.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use hearing_proto::manifest::{Entry, Line};
use hearing_proto::matroska::{Item, Reader};

/// Every frame's number in a track's folder, in the order of file time; `u64::MAX` for one that stands there twice.
pub(super) fn numbers(folder: &Path) -> Vec<u64> {
    let mut frames = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "mkv") {
            continue;
        }
        let mut reader = Reader::new(BufReader::new(File::open(&path).unwrap()), 0);
        while let Ok(Some(item)) = reader.next_item() {
            if let Item::Block(block) = item {
                let number = u64::from_be_bytes(block.data[block.data.len() - 8..].try_into().unwrap());
                frames.entry((block.ms, number)).and_modify(|count| *count += 1).or_insert(1_u32);
            }
        }
    }
    frames.into_iter().map(|((_, number), count)| if count == 1 { number } else { u64::MAX }).collect()
}

/// Every frame from the first to the last, once.
pub(super) fn is_whole(numbers: &[u64]) -> bool {
    numbers.windows(2).all(|pair| pair[1] == pair[0] + 1)
}

/// The whole lines of the manifest in a record's folder.
pub(super) fn manifest(folder: &Path) -> Vec<Entry> {
    let text = std::fs::read(folder.join("manifest.jsonl")).unwrap_or_default();
    text.split(|byte| *byte == b'\n').filter_map(|line| Line::parse(line).ok()).map(|line| line.entry).collect()
}

/// The tracks of which the manifest says that something came late, from the edge.
pub(super) fn late_entries(folder: &Path) -> BTreeSet<String> {
    let late = |entry| if let Entry::Late { track, edge, .. } = entry { Some((track, edge)) } else { None };
    let all = manifest(folder).into_iter().filter_map(late);
    all.inspect(|(_, edge)| assert_eq!(edge, "inet")).map(|(track, _)| track).collect()
}

pub(super) fn index(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("index.jsonl")).unwrap_or_default()
}

pub(super) fn is_unfetched(entry: &Entry) -> bool {
    matches!(entry, Entry::Gap { reason, .. } if reason == "unfetched")
}
