//! `manifest.json` and `README.txt` of an export.

use std::path::Path;

use serde::Serialize;

use super::Exported;
use crate::record::{Line, Sheet};

/// What is in an export; docs/ref/record-format.md.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Manifest {
    /// `hearing-export/2`.
    pub format: &'static str,
    /// True for the copy for the public, in which what is closed to it is left out.
    pub public: bool,
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
    pub(super) const fn new(record: Sheet, tracks: Vec<TrackEntry>, public: bool) -> Self {
        Self { format: "hearing-export/2", public, record, tracks }
    }

    pub(super) fn summary(&self, folder: &Path) -> Exported {
        let files = || self.tracks.iter().flat_map(|track| &track.files);
        let (frames, bytes) = (files().map(|file| file.frames).sum(), files().map(|file| file.bytes).sum());
        Exported { folder: folder.to_owned(), files: files().count(), frames, bytes }
    }

    pub(super) fn readme(&self) -> String {
        let time = |at: Option<hearing_config::Timestamp>| at.map_or_else(|| "-".to_owned(), |at| at.to_string());
        let (case, opened, closed) = (&self.record.meta.case, time(self.record.opened), time(self.record.closed));
        let hearing = self.record.hearing;
        let (zh, en) = if self.public { (PUBLIC_ZH, PUBLIC_EN) } else { (WHOLE_ZH, WHOLE_EN) };
        format!(
            "{README_ZH}{zh}\n案号：{case}\n开庭：{opened}\n闭庭：{closed}\n编号：{hearing}\n\n{README_EN}{en}\nCase: {case}\nOpened: {opened}\nClosed: {closed}\nHearing: {hearing}\n"
        )
    }
}

const README_ZH: &str = "\
庭审录音录像
composed.mp4（如有）：全部席位的合成画面与混音，普通播放器即可播放；画面右上角为庭审时钟，暂停时段以提示画面代替。
composed.json（如有）：合成画面时间与庭审时间的对应关系。
*.mkv：每个席位的每一路声音、图像各为一个文件，内容与收到时完全一致，未经转码。
各 .mkv 文件使用同一时间轴：文件时间 0 为宣布开庭前 3 秒；某一路缺失的时段在该文件中保持空缺。
manifest.json：每个文件、每段起止、每处空缺及其原因。
核对文件是否完好：在本目录执行 sha256sum -c SHA256SUMS
";

const README_EN: &str = "\
Record of a court hearing
composed.mp4 (if there is one): all seats in one picture with mixed sound, for any player; at the upper right the clock of
the hearing; pauses are replaced by a notice.
composed.json (if there is one): which time of the hearing each time of composed.mp4 is.
*.mkv: each seat's sound and picture is a file of its own, exactly as it was received, not transcoded.
All .mkv files share one clock: file time 0 is 3 seconds before the opening; what is missing stays empty.
manifest.json: every file, every span and every gap with its reason.
To check that the copy is whole, run in this folder: sha256sum -c SHA256SUMS
";

const WHOLE_ZH: &str = "\
record 目录：原始录制文件、索引与存证清单，逐字节保留。
验证录像自录制起未被改动：hearing record verify record --trust 根证书.pem（离线运行，不需要任何节点）
";

const WHOLE_EN: &str = "\
The folder record: the recorded files, their index and the evidence manifest, byte by byte as they were written.
To prove that nothing was changed since it was recorded: hearing record verify record --trust ROOT.pem (offline, needs no node)
";

const PUBLIC_ZH: &str = "\
本副本供公开使用：不公开质证、调解等依法不公开的部分已略去（法释〔2021〕12号第二十七条），因此不含原始文件。
";

const PUBLIC_EN: &str = "\
This copy is for the public: what is closed to it (closed examination of evidence, mediation) is left out, and the
originals with it.
";
