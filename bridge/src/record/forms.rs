//! The log of interruptions (法释〔2017〕5号, article 3) and the explanation after a fault that the presiding judge signs
//! (article 4): from what the manifest tells. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hearing_proto::manifest::Entry;

use super::clock::Clocks;
use super::sheet::Sheet;

/// Something that began, ended or interrupted the record.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Happening {
    /// Microseconds since 1970.
    pub(super) utc: i64,
    what: What,
}

#[derive(Debug, Clone, PartialEq)]
enum What {
    Begin,
    Restart,
    Told(Entry),
}

impl Happening {
    /// What an entry of the manifest means to the log; `None` when it is not for it.
    pub(super) fn of(utc: i64, entry: &Entry) -> Option<Self> {
        let what = match entry {
            Entry::Head(head) if head.resumes.is_some() => What::Restart,
            Entry::Head(_) => What::Begin,
            Entry::Gap { reason, .. } if reason == "pause" => return None,
            Entry::Gap { .. }
            | Entry::Recess { .. }
            | Entry::Resume {}
            | Entry::Clock { .. }
            | Entry::Aside { .. }
            | Entry::Policy { .. }
            | Entry::Late { .. }
            | Entry::Fault { .. }
            | Entry::End { .. } => What::Told(entry.clone()),
            Entry::Segment { .. }
            | Entry::Data { .. }
            | Entry::Replaced { .. }
            | Entry::Join { .. }
            | Entry::Leave { .. }
            | Entry::Mute { .. }
            | Entry::Crossing { .. }
            | Entry::Note { .. }
            | Entry::Mark { .. }
            | Entry::Checkpoint(_)
            | Entry::Cosign(_)
            | Entry::Seal { .. }
            | Entry::Addendum { .. } => return None,
        };
        Some(Self { utc, what })
    }

    /// The record begins now, or goes on after a crash.
    pub(super) fn now(clocks: &Clocks, is_restart: bool) -> Self {
        Self { utc: clocks.now().utc, what: if is_restart { What::Restart } else { What::Begin } }
    }

    /// True when the presiding judge has to explain it.
    fn is_fault(&self) -> bool {
        match &self.what {
            What::Begin => false,
            What::Restart => true,
            What::Told(Entry::Gap { reason, .. }) => {
                matches!(reason.as_str(), "queue" | "disk" | "restart" | "malformed" | "unfetched")
            }
            What::Told(Entry::Fault { over, .. }) => !over,
            What::Told(Entry::Clock { .. }) => true,
            What::Told(_) => false,
        }
    }

    fn is_small_loss(&self) -> bool {
        matches!(&self.what, What::Told(Entry::Gap { reason, .. }) if matches!(reason.as_str(), "network" | "key-frame"))
    }

    fn text(&self) -> String {
        match &self.what {
            What::Begin => "录音录像开始 record begins".to_owned(),
            What::Restart => "录制程序中断后恢复 recorder was interrupted and goes on".to_owned(),
            What::Told(Entry::Recess { reason }) => format!("依令暂停 paused by order: {}", pause(reason)),
            What::Told(Entry::Resume {}) => "继续录制 goes on".to_owned(),
            What::Told(Entry::Gap { track, reason, from, to, packets, frames }) => {
                let span = |at: &Option<i64>| at.map_or("—".to_owned(), moment);
                let track = track.as_deref().unwrap_or("全部 all tracks");
                format!(
                    "缺口 gap: {track}, {}, {} → {} ({packets} 包 packets, {frames} 帧 frames)",
                    gap(reason),
                    span(from),
                    span(to)
                )
            }
            What::Told(Entry::Clock { step }) => {
                format!(
                    "系统时钟跳变 wall clock stepped by {:+.3} s（录像时间不受影响 record times are not)",
                    *step as f64 / 1e6
                )
            }
            What::Told(Entry::Aside { file, from, to, .. }) => {
                format!("未入链数据另存证 bytes not yet chained, kept: {file}, {} bytes", to.saturating_sub(*from))
            }
            What::Told(Entry::Late { track, edge, spans }) => {
                let first = spans.iter().filter_map(|span| span.first).min().map_or("—".to_owned(), moment);
                let last = spans.iter().filter_map(|span| span.last).max().map_or("—".to_owned(), moment);
                format!("补录 came later: {track}, 来自 from {edge}, {first} → {last}")
            }
            What::Told(Entry::Policy { hash, .. }) => format!("跨域策略变更 other zones or crossings: {hash}"),
            What::Told(Entry::Fault { part, reason, over: false }) => format!("故障 fault: {part}: {reason}"),
            What::Told(Entry::Fault { part, reason, over: true }) => format!("故障消除 fault over: {part}: {reason}"),
            What::Told(Entry::End { .. }) => "录音录像结束（闭庭）record ends (closed)".to_owned(),
            What::Told(other) => other.kind().to_owned(),
        }
    }
}

/// The log: start, stop, and every interruption with its reason. `end` is when the hearing was closed.
pub(super) fn interruptions(sheet: &Sheet, happenings: &[Happening], end: i64) -> String {
    let mut text = heading("庭审录音录像启停及中断日志", "Log of the record's start, stop and interruptions", sheet);
    text.push_str("依据 under: 法释〔2017〕5号 第三条 (article 3)\n\n");
    for happening in happenings.iter().filter(|happening| !happening.is_small_loss()) {
        line(&mut text, happening.utc, &happening.text());
    }
    line(&mut text, end, "录音录像结束（闭庭）record ends (closed)");
    let losses = losses(happenings);
    if !losses.is_empty() {
        text.push_str("\n网络丢包造成的短缺口 short gaps from lost packets:\n");
        for (track, (gaps, packets, frames)) in losses {
            // Writing to a string can't fail.
            let _ = writeln!(text, "  {track}: {gaps} 处 gaps, {packets} 包 packets, {frames} 帧 frames");
        }
    }
    text
}

/// The explanation for the presiding judge to complete and sign; `None` when nothing has to be explained.
pub(super) fn explanation(sheet: &Sheet, happenings: &[Happening]) -> Option<String> {
    let faults: Vec<&Happening> = happenings.iter().filter(|happening| happening.is_fault()).collect();
    if faults.is_empty() {
        return None;
    }
    let mut text = heading("关于庭审录音录像故障的情况说明", "Explanation of a fault of the record", sheet);
    text.push_str("依据 under: 法释〔2017〕5号 第四条 (article 4)\n\n");
    text.push_str("系统记录的故障 faults that the system recorded:\n");
    for fault in faults {
        line(&mut text, fault.utc, &fault.text());
    }
    text.push_str(SIGNATURES);
    Some(text)
}

fn losses(happenings: &[Happening]) -> BTreeMap<String, (u64, u64, u64)> {
    let mut losses: BTreeMap<String, (u64, u64, u64)> = BTreeMap::new();
    for happening in happenings.iter().filter(|happening| happening.is_small_loss()) {
        if let What::Told(Entry::Gap { track, packets, frames, .. }) = &happening.what {
            let sum = losses.entry(track.clone().unwrap_or_default()).or_default();
            *sum = (sum.0 + 1, sum.1 + packets, sum.2 + frames);
        }
    }
    losses
}

fn heading(zh: &str, en: &str, sheet: &Sheet) -> String {
    format!(
        "{zh}\n{en}\n\n案号 case: {}\n庭审编号 hearing: {}\n节点 node: {}\n",
        sheet.meta.case, sheet.hearing, sheet.node
    )
}

fn line(text: &mut String, utc: i64, what: &str) {
    // Writing to a string can't fail.
    let _ = writeln!(text, "  {}  {what}", moment(utc));
}

/// Local time to the millisecond, with its offset from UTC.
fn moment(utc: i64) -> String {
    let at = jiff::Timestamp::from_microsecond(utc).unwrap_or_default();
    at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S%.3f %:z").to_string()
}

fn pause(reason: &str) -> String {
    let zh = match reason {
        "recess" => "休庭",
        "closed-evidence" => "公开庭审中的不公开质证",
        "mediation" => "不宜录制的调解",
        _ => "其他",
    };
    format!("{zh} {reason}")
}

/// The word for a pause or a gap, in Chinese before the English one.
pub(crate) fn reason_words(reason: &str) -> String {
    match reason {
        "recess" | "closed-evidence" | "mediation" => pause(reason),
        "pause" => format!("依令暂停 {reason}"),
        _ => gap(reason),
    }
}

fn gap(reason: &str) -> String {
    let zh = match reason {
        "network" => "网络丢包",
        "queue" => "写入过慢",
        "disk" => "磁盘不可写",
        "malformed" => "数据损坏",
        "key-frame" => "等待关键帧",
        "absent" => "席位离线",
        "silent" => "无数据",
        "restart" => "录制程序未运行",
        "unfetched" => "闭庭前未能取回",
        _ => "其他",
    };
    format!("{zh} {reason}")
}

const SIGNATURES: &str = "
故障原因及处理 cause and what was done:



对庭审的影响 effect on the hearing:



完整性校验值 integrity value (封存后由系统给出，抄录于此 copy it here once the record is sealed):

    ____ ____ ____ ____ ____ ____ ____ ____ ____ ____ ____


审判长（独任审判员） presiding judge: ______________    书记员 clerk: ______________

日期 date: ______________
";
