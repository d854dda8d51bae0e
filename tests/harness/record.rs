//! Records as anybody may read them: with the container's timestamps, decoded by ffmpeg.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hearing_proto::testcard::tone::{SAMPLE_RATE, tones};
use hearing_proto::testcard::{self, Luma, Mark};
use serde_json::Value;

use super::court::ffprobe;
use super::node::{Node, until};

/// The folder of one hearing's record.
pub(crate) struct Record {
    folder: PathBuf,
}

impl Record {
    /// The record of `hearing` below `directory`.
    pub(crate) fn of(directory: &Path, hearing: &str) -> Self {
        Self { folder: directory.join(hearing) }
    }

    /// What `hearing.json` says.
    pub(crate) fn sheet(&self) -> Value {
        let text = fs::read(self.folder.join("hearing.json")).expect("the record has a sheet");
        serde_json::from_slice(&text).expect("the sheet is JSON")
    }

    /// The tracks that are there, by name, in order.
    pub(crate) fn tracks(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).expect("the record is there").filter_map(Result::ok);
        let mut names: Vec<_> =
            entries.filter(|e| e.path().is_dir()).filter_map(|e| e.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// A track's files, in order.
    pub(crate) fn files(&self, track: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.join(track)).expect("the track is there").filter_map(Result::ok);
        let mut files: Vec<_> =
            entries.map(|e| e.path()).filter(|path| path.extension().is_some_and(|e| e == "mkv")).collect();
        files.sort();
        files
    }

    /// True for a file of what an edge had kept while the line, or the home, was not there.
    pub(crate) fn is_late(&self, track: &str, file: &Path) -> bool {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned());
        self.lines(track, "segment").iter().any(|line| {
            (line["reason"] == "late" || line["reason"] == "late-delta") && line["file"].as_str() == name.as_deref()
        })
    }

    /// The lines of a track's index of the given sort.
    pub(crate) fn lines(&self, track: &str, sort: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.join(track).join("index.jsonl")).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["line"] == sort).collect()
    }

    /// Waits until five seconds of a seat's pictures are in each of so many files, of a source that gives a key frame a second: each
    /// begins a cluster.
    pub(crate) fn wait_for_seconds(&self, seat: &str, files: usize) {
        let track = format!("{seat}-video");
        until("five seconds are recorded", || {
            let clusters = self.lines(&track, "cluster");
            let begun = |file: &str| clusters.iter().filter(|line| line["file"] == file).count();
            (1..=files).all(|n| begun(&format!("{n:04}.mkv")) >= 6).then_some(())
        });
    }

    /// A seat's pictures, which have to be the test card of `number` and in order, and how often they begin anew.
    pub(crate) fn shown(&self, seat: &str, number: u8) -> (usize, usize) {
        let files = self.files(&format!("{seat}-video"));
        let all: Vec<_> = files.iter().flat_map(|file| marks(file)).collect();
        let counters: Vec<_> = all.iter().map(|mark| mark.expect("its picture is a test card")).collect();
        assert!(counters.iter().all(|mark| mark.seat == number), "another seat's picture");
        let breaks: Vec<_> = counters.windows(2).filter(|pair| pair[1].counter != pair[0].counter + 1).collect();
        assert!(breaks.iter().all(|pair| pair[1].counter < pair[0].counter), "pictures are missing: {breaks:?}");
        (counters.len(), breaks.len() + 1)
    }

    /// Expects the tone of `number`, and no other, in four fifths of a seat's sound.
    pub(crate) fn assert_tone(&self, seat: &str, number: u8) {
        for file in self.files(&format!("{seat}-audio")) {
            let heard: Vec<_> = samples(&file).chunks_exact(SAMPLE_RATE as usize / 10).map(tones).collect();
            let right = heard.iter().filter(|seats| **seats == [number]).count();
            assert!(right * 10 >= heard.len() * 8, "its tone in {right} of {} windows", heard.len());
        }
    }

    /// When the last frame of a file was captured, microseconds since 1970, by its own timestamps and the record's epoch.
    pub(crate) fn last_captured(&self, file: &Path) -> i64 {
        let last = times(file).into_iter().max().unwrap_or_else(|| panic!("{} holds no packet", file.display()));
        self.sheet()["epoch"].as_i64().expect("the record has begun") + last
    }
}

/// Exports a hearing's record and expects in its film the tones of these seats at once, in a third of the time at least.
pub(crate) fn assert_film_sounds(node: &Node, hearing: &str, seats: &[u8]) {
    let whole = node.site.path("whole");
    node.hearing(&["record", "export", hearing, "--to", &whole.display().to_string()]);
    let film = samples(&whole.join("composed.mp4"));
    let heard: Vec<_> = film.chunks_exact(SAMPLE_RATE as usize / 10).map(tones).collect();
    let all = heard.iter().filter(|tones| seats.iter().all(|seat| tones.contains(seat))).count();
    assert!(all * 3 >= heard.len(), "{seats:?} are heard in {all} of {} windows", heard.len());
}

/// The file times of all packets, in order, microseconds.
pub(crate) fn times(file: &Path) -> Vec<i64> {
    let packets = ffprobe(file)["packets"].as_array().cloned().unwrap_or_default();
    let seconds = |packet: &Value| packet["pts_time"].as_str().and_then(|text| text.parse::<f64>().ok());
    packets.iter().map(|packet| (seconds(packet).expect("every packet has a time") * 1e6).round() as i64).collect()
}

/// The marks of a file's pictures, in order, decoded by ffmpeg without dropping or repeating any.
pub(crate) fn marks(file: &Path) -> Vec<Option<Mark>> {
    let stream = &ffprobe(file)["streams"][0];
    let side =
        |key: &str| stream[key].as_u64().and_then(|side| usize::try_from(side).ok()).expect("a picture has sides");
    let (width, height) = (side("width"), side("height"));
    let pictures =
        ffmpeg(file, &["-fps_mode", "passthrough", "-enc_time_base", "1:1000", "-pix_fmt", "gray", "-f", "rawvideo"]);
    let mark = |pixels: &[u8]| testcard::read(Luma { pixels, stride: width, width, height });
    pictures.chunks_exact(width * height).map(mark).collect()
}

/// A file's sound as 48 kHz mono samples.
pub(crate) fn samples(file: &Path) -> Vec<i16> {
    let bytes = ffmpeg(file, &["-ac", "1", "-ar", "48000", "-f", "s16le"]);
    bytes.chunks_exact(2).map(|sample| i16::from_le_bytes([sample[0], sample[1]])).collect()
}

/// What ffmpeg makes of a file, without a complaint.
pub(crate) fn ffmpeg(file: &Path, output: &[&str]) -> Vec<u8> {
    let run = Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(file).args(output).arg("-").output();
    let run = run.expect("ffmpeg is installed by scripts/setup");
    assert!(
        run.status.success() && run.stderr.is_empty(),
        "{}: {}",
        file.display(),
        String::from_utf8_lossy(&run.stderr)
    );
    run.stdout
}
