//! `hearing record`: the records that a node keeps.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use hearing_config::HearingId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::keep;
use super::print;
use super::reach::Reach;
use super::verify;

/// 录音录像：列出、导出、见证、核验与保存 Lists, exports, verifies and keeps records, and what was witnessed
#[derive(Debug, clap::Args)]
#[command(after_help = "\
例 Examples:
  hearing record list
  hearing record export ID --to /media/usb/123
  hearing record verify /media/usb/123 --trust root.pem

退出码 Exit codes: 0 正常 ok; 1 没有此录像或导出失败 there is no such record, or it can't be written; 2 用法错误 usage; 3 节点无应答 the node is not reachable")]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// 列出录像 Lists the records that the node keeps
    #[command(after_help = "例 Example: hearing record list --json | jq -r '.[].hearing'")]
    List {
        #[command(flatten)]
        reach: Reach,
    },
    /// 导出录像 Copies a record into a folder, in files that any player plays
    #[command(after_help = "例 Example: hearing record export ID --to /media/usb/123")]
    Export {
        /// 庭审编号 The hearing
        #[arg(value_name = "ID")]
        id: HearingId,
        /// 目标文件夹 The folder; it must be empty or not exist, and the node must be able to write there
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
        #[command(flatten)]
        reach: Reach,
    },
    /// 导出见证 Writes what this node has cosigned of the record of a hearing in another zone into a file
    #[command(after_help = "例 Example: hearing record witness ID --to /media/usb/123-witness.jsonl")]
    Witness {
        /// 庭审编号 The hearing
        #[arg(value_name = "ID")]
        id: HearingId,
        /// 目标文件 The file; it must not exist
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        #[command(flatten)]
        reach: Reach,
    },
    Verify(verify::Args),
    #[command(flatten)]
    Keep(keep::Verb),
}

#[derive(Debug, Deserialize)]
struct Listed {
    hearing: String,
    case: String,
    folder: String,
    bytes: u64,
    tracks: Vec<Track>,
    integrity: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Track {
    gaps: usize,
}

impl Args {
    pub(super) const fn json(&self) -> bool {
        match &self.verb {
            Verb::List { reach } | Verb::Export { reach, .. } | Verb::Witness { reach, .. } => reach.json,
            Verb::Verify(args) => args.json,
            Verb::Keep(verb) => verb.json(),
        }
    }
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.verb {
        Verb::List { reach } => list(&reach).await?,
        Verb::Export { id, to, reach } => export(id, to, &reach).await?,
        Verb::Witness { id, to, reach } => witness(id, &to, &reach).await?,
        Verb::Verify(args) => return verify::run(&args),
        Verb::Keep(verb) => keep::run(verb).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(reach: &Reach) -> anyhow::Result<()> {
    let answer: Value = reach.client()?.get("/admin/records").await?;
    if reach.json {
        return Ok(print::json(&answer)?);
    }
    let records: Vec<Listed> = serde_json::from_value(answer)?;
    let row = |record: Listed| {
        let gaps: usize = record.tracks.iter().map(|track| track.gaps).sum();
        let size = format!("{:.1} MB", record.bytes as f64 / 1e6);
        let integrity = record.integrity.unwrap_or_else(|| "-".to_owned());
        let tracks = record.tracks.len().to_string();
        vec![record.hearing, record.case, tracks, gaps.to_string(), size, record.folder, integrity]
    };
    let rows: Vec<_> = records.into_iter().map(row).collect();
    let header = [
        "庭审 hearing",
        "案号 case",
        "路数 tracks",
        "缺口 gaps",
        "大小 size",
        "位置 folder",
        "完整性校验值 integrity value",
    ];
    Ok(print::lines(&print::table(&header, &rows))?)
}

async fn witness(id: HearingId, to: &Path, reach: &Reach) -> anyhow::Result<()> {
    let answer: Value = reach.client()?.get(&format!("/admin/witness/{id}")).await?;
    let mut file = File::create_new(to).with_context(|| format!("{}: cannot be made", to.display()))?;
    file.write_all(answer["text"].as_str().unwrap_or_default().as_bytes())?;
    file.sync_all()?;
    if reach.json {
        return Ok(print::json(&json!({ "hearing": id, "file": to, "lines": answer["lines"] }))?);
    }
    Ok(print::lines(&[format!("已导出见证 exported: {} ({} 条 cosignatures)", to.display(), answer["lines"])])?)
}

async fn export(id: HearingId, to: PathBuf, reach: &Reach) -> anyhow::Result<()> {
    let wish = json!({ "to": std::path::absolute(to)? });
    let answer: Value = reach.client()?.post(&format!("/admin/records/{id}/export"), &wish).await?;
    if reach.json {
        return Ok(print::json(&answer)?);
    }
    let line = format!(
        "已导出 exported: {} ({} 个文件 files, {} 帧 frames)",
        answer["folder"].as_str().unwrap_or_default(),
        answer["files"],
        answer["frames"]
    );
    Ok(print::lines(&[line])?)
}
