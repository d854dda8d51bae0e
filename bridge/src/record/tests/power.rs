//! Loss of power: the block device under the file system is cut off at random moments, with all that was not flushed to it.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use hearing_proto::manifest::{Entry, HashAlg, Line};

use super::bench::{Bench, PKI_DIRECTORY, judged, pki};
use super::full::LoopDisk;
use super::kill::{BOTH, DIRECTORY, MEDIA, media, moment};

#[test]
fn loss_of_power_leaves_no_line_of_the_manifest_without_its_bytes() {
    for n in 0..12 {
        let images = tempfile::tempdir_in("/dev/shm").unwrap();
        let (image, after) = (images.path().join("disk"), images.path().join("cut-off"));
        let disk = LoopDisk::make(&image);
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "record::tests::kill::child_that_records_until_it_is_killed", "--ignored", "--nocapture"])
            .env(DIRECTORY, disk.point.join("record"))
            .env(MEDIA, media())
            .env(PKI_DIRECTORY, pki().file("."))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.is_ok_and(|line| line.starts_with(BOTH))));
        thread::sleep(moment(n * 7));
        // A stopped process asks for nothing more, so that the copy is of one moment: what was flushed until then.
        signal(child.id(), "-STOP");
        fs::copy(&image, &after).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        drop(disk);
        let disk = LoopDisk::mount(&after);
        check(&disk.point.join("record"));
    }
}

fn signal(process: u32, name: &str) {
    assert!(Command::new("kill").args([name, &process.to_string()]).status().unwrap().success());
}

fn check(records: &Path) {
    let folder = records.read_dir().unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap();
    let text = fs::read(folder.join("manifest.jsonl")).unwrap_or_default();
    let mut ends: BTreeMap<String, u64> = BTreeMap::new();
    for line in text.split(|byte| *byte == b'\n').filter_map(|line| Line::parse(line).ok()) {
        let Entry::Data { spans } = &line.entry else { continue };
        for span in spans {
            let bytes = fs::read(folder.join(&span.file)).unwrap();
            let piece = bytes.get(span.from as usize..span.to as usize);
            let piece = piece.unwrap_or_else(|| panic!("line {} names bytes that are not there", line.seq));
            assert_eq!(HashAlg::Sha256.hash(&[piece]), span.hash, "line {}", line.seq);
            assert_eq!(ends.insert(span.file.clone(), span.to).unwrap_or(0), span.from);
        }
    }
    assert!(ends.keys().any(|file| file.ends_with(".mkv")), "something was flushed and chained");
    let mut bench = Bench::at(&folder, 1);
    bench.close(0);
    assert_eq!(judged(&folder).verdict.exit_code(), 2, "{:?}", judged(&folder).findings);
    assert!(matches!(bench.manifest_after_torn().last().map(|line| line.entry.kind()), Some("seal")));
}
