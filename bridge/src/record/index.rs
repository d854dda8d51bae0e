//! `index.jsonl`, one per track: where everything is, and everything that is not there.

use std::fs;
use std::path::{Path, PathBuf};

use hearing_config::{Codec, Timestamp};
use hearing_signaling::hearing::PauseReason;
use serde::{Deserialize, Serialize};

use super::Error;

/// One line of the index. Times are microseconds since 1970; docs/ref/record-format.md.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "kebab-case")]
pub enum Line {
    /// A segment begins.
    Segment {
        /// Its file.
        file: String,
        /// Why it begins.
        reason: StartReason,
        /// How it is coded.
        codec: Codec,
        /// Width and height in pixels; `None` for sound.
        size: Option<(u16, u16)>,
        /// When its first frame was captured.
        captured: Timestamp,
    },
    /// A cluster begins: the exact times of its first frame.
    Cluster {
        /// The segment's file.
        file: String,
        /// Where the cluster begins, in bytes.
        offset: u64,
        /// File time in milliseconds from the record's epoch.
        ms: u64,
        /// When the frame was captured, after correction.
        captured: Timestamp,
        /// When it reached the recorder, by the recorder's clock.
        arrived: Timestamp,
        /// Its media time in ticks of the codec's RTP clock, unwrapped.
        media_time: i64,
    },
    /// Something is not there.
    Gap {
        /// Why.
        reason: GapReason,
        /// Why it was paused.
        pause: Option<PauseReason>,
        /// The last frame before it; `None` when there is none.
        from: Option<Timestamp>,
        /// The first frame after it.
        to: Timestamp,
        /// Packets that never came, as far as they could be counted.
        packets: u64,
        /// Frames that came and were not written.
        frames: u64,
    },
    /// The sender's clock is off; from here on captured times are moved.
    Clock {
        /// The recorder's time at which this was found.
        at: Timestamp,
        /// What is added to captured times, in microseconds.
        correction: i64,
    },
    /// A hole was looked into: what the edge had kept of it stands in a late segment.
    Late {
        /// The hole's `from`, or the record's beginning.
        from: Timestamp,
        /// The hole's `to`.
        to: Timestamp,
        /// The node that had kept it.
        edge: String,
        /// Frames that came; 0: nobody had anything.
        frames: u64,
    },
    /// Somebody spoke, judged by the loudness that the sound packets carry. A long speech has several lines.
    Speech {
        /// From when on, in capture time.
        from: Timestamp,
        /// Until when.
        to: Timestamp,
    },
    /// A segment ended in order.
    End {
        /// Its file.
        file: String,
        /// Frames in it.
        frames: u64,
        /// When its last frame was captured.
        captured: Timestamp,
    },
}

/// Why a segment begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartReason {
    /// The first of the track.
    First,
    /// The codec, its parameters or the picture's size changed.
    Parameters,
    /// The record goes on after a pause.
    Resume,
    /// The track came back.
    Rejoin,
    /// The recorder was restarted.
    Restart,
    /// The one before was long enough.
    Length,
    /// The disk takes data again.
    Recovered,
    /// It was fetched later from the node at which it entered, and fills a hole of the others.
    Late,
    /// As `Late`, and it goes on between two key frames: to be decoded behind the segment in which the hole is.
    LateDelta,
    /// The disk is full: it is on the spill disk.
    Spill,
}

/// Why something is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GapReason {
    /// Packets were lost on the way and not repaired.
    Network,
    /// The writer did not keep up and its queue was full.
    Queue,
    /// The disk did not take data.
    Disk,
    /// Payloads that make no frame.
    Malformed,
    /// Nothing could be decoded without a key frame, which had not come yet.
    KeyFrame,
    /// The record was paused by order.
    Pause,
    /// The track was not there.
    Absent,
    /// Nothing came for more than 2 s, though the track was there.
    Silent,
    /// The recorder was not running.
    Restart,
    /// The node at which it entered may have it, and could not be asked before the record was closed.
    Unfetched,
}

impl StartReason {
    /// True for what was fetched later.
    #[must_use]
    pub const fn is_late(self) -> bool {
        match self {
            Self::Late | Self::LateDelta => true,
            Self::First
            | Self::Parameters
            | Self::Resume
            | Self::Rejoin
            | Self::Restart
            | Self::Length
            | Self::Recovered
            | Self::Spill => false,
        }
    }
}

impl GapReason {
    /// The word for metrics.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Queue => "queue",
            Self::Disk => "disk",
            Self::Malformed => "malformed",
            Self::KeyFrame => "key-frame",
            Self::Pause => "pause",
            Self::Absent => "absent",
            Self::Silent => "silent",
            Self::Restart => "restart",
            Self::Unfetched => "unfetched",
        }
    }
}

impl Line {
    /// The line as it stands in the file, its end included.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec(self).expect("a line is text and numbers");
        text.push(b'\n');
        text
    }
}

/// The lines of the index in a track's folder, and of what was added to it after the seal; a line that a crash cut off is left out.
pub fn read(folder: &Path) -> Result<Vec<Line>, Error> {
    let mut lines = read_file(&folder.join(FILE))?;
    for path in additions(folder)? {
        lines.extend(read_file(&path)?);
    }
    Ok(lines)
}

/// The index files in a track's folder that were added after the seal, in order.
pub(super) fn additions(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::disk(folder, "read")(error)),
    };
    let is_added = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(ADDED));
    let mut paths: Vec<PathBuf> = entries.filter(is_added).collect();
    paths.sort();
    Ok(paths)
}

/// The index file of what was added from segment `number` on.
pub(super) fn added(number: u32) -> String {
    format!("{ADDED}{number:04}.jsonl")
}

fn read_file(path: &Path) -> Result<Vec<Line>, Error> {
    match fs::read(path) {
        Ok(text) => {
            Ok(text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::disk(path, "read")(error)),
    }
}

const ADDED: &str = "addendum-";
pub(super) const FILE: &str = "index.jsonl";
