//! `hearing record verify`: whether a record is whole and genuine. It needs no node and no network.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::available_parallelism;

use hearing_proto::manifest::verify::{Finding, Report, Trust, Verdict, verify, witness_lines};
use hearing_proto::manifest::{Der, IntegrityValue};
use jiff::Timestamp;
use serde_json::json;

use super::print;
use crate::net::pem;
use crate::record::{evidence, reason_words};

/// 核验录像 Verifies a record, offline
#[derive(Debug, clap::Args)]
#[command(after_help = "\
例 Examples:
  hearing record verify /media/usb/123 --trust root.pem
  hearing record verify 123.zip --trust root.pem --witness gov-witness.jsonl --value \"0123 4567 ..\"

退出码 Exit codes: 0 完好 intact; 1 被篡改 tampered with; 2 不完整，缺口已说明 incomplete, its gaps declared; 3 无法判断 can't be judged: no trusted root, unknown key, no manifest, a value that was misread
用法错误也是 2 wrong usage is 2 as well, with nothing on standard output")]
pub(super) struct Args {
    /// 录像文件夹、导出文件夹或 zip The record's folder, or an export of it, as a folder or zip
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// 受信任的根证书 The root certificates that are trusted, in PEM
    #[arg(long, value_name = "ROOT.pem")]
    trust: Option<PathBuf>,
    /// 见证文件 What a node of another zone wrote down, brought from there
    #[arg(long, value_name = "FILE")]
    witness: Option<PathBuf>,
    /// 吊销列表 The authority's revocation list, in PEM
    #[arg(long, value_name = "FILE")]
    crl: Option<PathBuf>,
    /// 当事人签署的完整性校验值 The integrity value that the parties signed
    #[arg(long, value_name = "DIGITS")]
    value: Option<String>,
    /// 输出 JSON Prints the report as JSON
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let judged = trust(args).and_then(|trust| Ok(verify(evidence::open(&args.path)?.as_ref(), &trust)));
    match judged {
        Ok(report) => {
            if args.json {
                print::json(&json!(report))?;
            } else {
                print::lines(&told(&report))?;
            }
            Ok(ExitCode::from(report.verdict.exit_code()))
        }
        Err(error) => {
            print::failure(&error.context("无法判断 cannot be judged"), args.json);
            Ok(ExitCode::from(Verdict::CannotJudge.exit_code()))
        }
    }
}

fn trust(args: &Args) -> anyhow::Result<Trust> {
    let roots = args.trust.as_deref().map(pem::certificates).transpose()?.unwrap_or_default();
    let revoked = args.crl.as_deref().map(pem::lists).transpose()?.unwrap_or_default();
    let witness = args.witness.as_deref().map(read).transpose()?.map(|file| witness_lines(&file));
    let value = args.value.as_deref().map(value).transpose()?;
    Ok(Trust {
        roots: roots.into_iter().map(Der).collect(),
        revoked,
        witness,
        value,
        hearing: evidence::named(&args.path).map(|hearing| hearing.to_string()),
        threads: available_parallelism().map_or(1, usize::from),
    })
}

/// A value that was misread says nothing of the record.
fn value(digits: &str) -> anyhow::Result<IntegrityValue> {
    digits.parse().map_err(|error| anyhow::anyhow!("--value {digits:?}: {error}"))
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(file).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))
}

/// The report for people.
fn told(report: &Report) -> Vec<String> {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let mut lines = vec![
        format!("结论 verdict: {}", verdict(report.verdict)),
        format!("庭审 hearing: {}", or_none(&report.hearing)),
        format!("案号 case: {}", or_none(&report.case)),
        format!("录制节点 recorded by: {}", or_none(&report.node)),
    ];
    if let Some((from, to)) = report.span {
        lines.push(format!("时间 time: {}", span(Some(from), Some(to))));
    }
    lines.push(format!("完整性校验值 integrity value: {}", or_none(&report.value)));
    let witnesses = if report.witnesses.is_empty() { "-".to_owned() } else { report.witnesses.join(", ") };
    lines.push(format!("见证 cosigned by: {witnesses}"));
    lines.push(format!(
        "已核对 checked: {} 行 lines, {} 检查点 checkpoints, {:.1} MB",
        report.lines,
        report.checkpoints,
        report.bytes as f64 / 1e6
    ));
    section(&mut lines, "发现 findings", report.findings.iter().map(finding));
    let gaps = report.gaps.iter().map(|gap| {
        let track = gap.track.as_deref().unwrap_or("全部 all");
        let filled = match (gap.filled, gap.later) {
            (true, true) => "，封存后补上 filled after the seal",
            (true, false) => "，已补上 filled",
            (false, _) => "",
        };
        let (time, reason) = (span(gap.from, gap.to), reason_words(&gap.reason));
        format!("{track}: {time}, {reason}{filled} (清单第 {} 行 line {})", gap.entry, gap.entry)
    });
    section(&mut lines, "缺口与休庭 gaps and recesses", gaps);
    let bare = report.uncosigned.iter().map(|bare| {
        format!(
            "{} (清单第 {}-{} 行 lines {}-{})",
            span(Some(bare.from), Some(bare.to)),
            bare.first,
            bare.last,
            bare.first,
            bare.last
        )
    });
    section(&mut lines, "无见证签名的时段 not cosigned by any witness", bare);
    lines
}

fn section(lines: &mut Vec<String>, title: &str, rows: impl Iterator<Item = String>) {
    let rows: Vec<_> = rows.map(|row| format!("  - {row}")).collect();
    if !rows.is_empty() {
        lines.push(format!("{title}:"));
        lines.extend(rows);
    }
}

fn finding(finding: &Finding) -> String {
    let Finding { code, entry, file, track, from, to, detail } = finding;
    let mut text = format!("{} {}", code.zh(), code.en());
    let mark = match code.verdict() {
        Some(Verdict::Tampered) => "✗ ",
        Some(Verdict::CannotJudge) => "? ",
        Some(Verdict::Incomplete | Verdict::Intact) | None => "",
    };
    text.insert_str(0, mark);
    let place = track.iter().map(|track| format!("轨道 track {track}"));
    let place = place.chain(file.iter().map(|file| format!("文件 file {file}")));
    let time = (from.is_some() || to.is_some()).then(|| span(*from, *to));
    let line = entry.map(|entry| format!("清单第 {entry} 行 line {entry}"));
    let parts: Vec<_> = place.chain(time).chain(line).chain(detail.clone()).collect();
    if parts.is_empty() { text } else { format!("{text}: {}", parts.join(", ")) }
}

const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Intact => "完好 INTACT",
        Verdict::Tampered => "被篡改 TAMPERED WITH",
        Verdict::Incomplete => "真实但不完整，缺口已列明 INCOMPLETE, as listed",
        Verdict::CannotJudge => "无法判断 CANNOT BE JUDGED",
    }
}

fn span(from: Option<i64>, to: Option<i64>) -> String {
    let time = |at: Option<i64>| {
        let at = at.and_then(|at| Timestamp::from_microsecond(at).ok());
        at.map_or_else(|| "..".to_owned(), |at| format!("{at:.3}"))
    };
    if from == to { time(from) } else { format!("{} – {}", time(from), time(to)) }
}

#[cfg(test)]
mod tests {
    use hearing_proto::manifest::verify::Code;

    use super::*;

    #[test]
    fn a_finding_names_track_time_and_line_in_both_languages() {
        let found = Finding {
            code: Code::FileEdited,
            entry: Some(12),
            file: Some("judge-video/0001.mkv".to_owned()),
            track: Some("judge-video".to_owned()),
            from: Some(1_795_488_000_000_000),
            to: Some(1_795_488_000_500_000),
            detail: None,
        };
        let text = finding(&found);
        for part in
            ["文件内容被改动", "was changed", "judge-video", "02:40:00.000Z – 2026-11-24T02:40:00.500Z", "第 12 行"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
