//! `hearing record`: the records that a node keeps.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use hearing_config::HearingId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::keep;
use super::print;
use super::reach::Reach;
use super::verify;

/// 录音录像：列出、导出与核验 Lists, exports and verifies records
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
}

#[derive(Debug, Deserialize)]
struct Track {
    gaps: usize,
}

impl Args {
    pub(super) const fn json(&self) -> bool {
        match &self.verb {
            Verb::List { reach } | Verb::Export { reach, .. } => reach.json,
            Verb::Verify(args) => args.json,
            Verb::Keep(verb) => verb.json(),
        }
    }
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.verb {
        Verb::List { reach } => list(&reach).await?,
        Verb::Export { id, to, reach } => export(id, to, &reach).await?,
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
        vec![record.hearing, record.case, record.tracks.len().to_string(), gaps.to_string(), size, record.folder]
    };
    let rows: Vec<_> = records.into_iter().map(row).collect();
    let header = ["庭审 hearing", "案号 case", "路数 tracks", "缺口 gaps", "大小 size", "位置 folder"];
    Ok(print::lines(&print::table(&header, &rows))?)
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
