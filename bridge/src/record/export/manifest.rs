//! `manifest.json` and `README.txt` of an export.

use serde::Serialize;

use crate::record::{Line, Sheet};

/// What is in an export; docs/ref/record-format.md.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Manifest {
    /// `hearing-export/1`.
    pub format: &'static str,
    /// What the record is of, its clock and its orders.
    pub record: Sheet,
    /// Its tracks, by name.
    pub tracks: Vec<TrackEntry>,
}

/// One track of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrackEntry {
    /// `<seat>-<kind>`.
    pub name: String,
    /// Its files, in order of time.
    pub files: Vec<JoinedFile>,
    /// What is missing, and clocks that were off.
    pub notes: Vec<Line>,
}

/// One media file of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JoinedFile {
    /// Its name.
    pub file: String,
    /// `opus`, `pcma`, `vp8` or `h264`.
    pub codec: &'static str,
    /// Width and height in pixels; `None` for sound.
    pub size: Option<(u16, u16)>,
    /// File time of the first frame, milliseconds from the record's epoch.
    pub start_ms: u64,
    /// File time of the last frame.
    pub end_ms: u64,
    /// Frames.
    pub frames: u64,
    /// Bytes.
    pub bytes: u64,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// The segments of the record that are in it.
    pub segments: Vec<JoinedSegment>,
}

/// One segment of the record within a [`JoinedFile`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JoinedSegment {
    /// Its name in the record.
    pub file: String,
    /// File time of its first frame.
    pub start_ms: u64,
    /// File time of its last frame.
    pub end_ms: u64,
    /// Frames.
    pub frames: u64,
    /// False when its end was cut off or damaged; every whole frame before is here.
    pub whole: bool,
    /// SHA-256 of the segment as it is in the record, hexadecimal.
    pub sha256: String,
}

impl Manifest {
    pub(super) const fn new(record: Sheet, tracks: Vec<TrackEntry>) -> Self {
        Self { format: "hearing-export/1", record, tracks }
    }

    pub(super) fn readme(&self) -> String {
        let time = |at: Option<hearing_config::Timestamp>| at.map_or_else(|| "-".to_owned(), |at| at.to_string());
        let (case, opened, closed) = (&self.record.meta.case, time(self.record.opened), time(self.record.closed));
        let hearing = self.record.hearing;
        format!(
            "{README_ZH}\n案号：{case}\n开庭：{opened}\n闭庭：{closed}\n编号：{hearing}\n\n{README_EN}\nCase: {case}\nOpened: {opened}\nClosed: {closed}\nHearing: {hearing}\n"
        )
    }
}

const README_ZH: &str = "\
庭审录音录像
每个席位的每一路声音、图像各为一个 .mkv 文件，内容与收到时完全一致，未经转码。
所有文件使用同一时间轴：文件时间 0 为宣布开庭前 3 秒；某一路缺失的时段在该文件中保持空缺。
manifest.json 列出每个文件、每段起止、每处空缺及其原因；index 目录为精确到微秒的原始索引。
核对完整性：在本目录执行 sha256sum -c SHA256SUMS
";

const README_EN: &str = "\
Record of a court hearing
Each seat's sound and picture is a .mkv file of its own, exactly as it was received, not transcoded.
All files share one clock: file time 0 is 3 seconds before the opening; what is missing stays empty.
manifest.json lists every file, every span and every gap with its reason; the folder index holds the original lists
of exact times in microseconds.
To check that nothing was changed, run in this folder: sha256sum -c SHA256SUMS
";
