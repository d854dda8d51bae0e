//! `hearing record`: the records that a node keeps.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
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

/// 录音录像：列出、导出、核验、见证、保存、授权回放 Lists, exports, verifies and keeps records, what was witnessed, who may play them back
#[derive(Debug, clap::Args)]
#[command(after_help = "\
例 Examples:
  hearing record list
  hearing record export ID --to /media/usb/123.zip
  hearing record verify /media/usb/123/record --trust root.pem
  hearing record share ID --name 合议庭
  hearing record audit ID

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
    /// 导出录像 Copies a record with its composed film into a folder or a zip archive that any computer plays
    #[command(after_help = "\
例 Examples:
  hearing record export ID --to /media/usb/123
  hearing record export ID --to /media/usb/public.zip --public")]
    Export {
        /// 庭审编号 The hearing
        #[arg(value_name = "ID")]
        id: HearingId,
        /// 目标文件夹或 .zip 文件 A folder that is empty or does not exist, or a new .zip file; the node must be able to write there
        #[arg(long, value_name = "DIR|FILE.zip")]
        to: PathBuf,
        /// 公开副本：略去不公开质证与调解 The copy for the public: closed parts are left out
        #[arg(long)]
        public: bool,
        /// 不制作合成画面（更快） Without the composed film, which takes longest
        #[arg(long)]
        no_compose: bool,
        #[command(flatten)]
        reach: Reach,
    },
    /// 授权回放，打印链接（仅此一次） Lets somebody play a record back; prints the link, this once
    #[command(after_help = "例 Example: hearing record share ID --name 承办法官 --valid 48")]
    Share {
        /// 庭审编号 The hearing
        #[arg(value_name = "ID")]
        id: HearingId,
        /// 给予何人，记入日志 Who it is for; stands in the audit log
        #[arg(long, value_name = "WHO")]
        name: String,
        /// 有效小时数 Hours for which the link is valid, 1 to 8760
        #[arg(long, value_name = "HOURS", default_value_t = 24)]
        valid: u32,
        /// 只看公开副本 Only the public copy
        #[arg(long)]
        public: bool,
        #[command(flatten)]
        reach: Reach,
    },
    /// 收回回放链接 Takes somebody's links to a record back, at once
    #[command(after_help = "例 Example: hearing record unshare ID --name 承办法官")]
    Unshare {
        /// 庭审编号 The hearing
        #[arg(value_name = "ID")]
        id: HearingId,
        /// 当初给予何人 Who they were given to
        #[arg(long, value_name = "WHO")]
        name: String,
        #[command(flatten)]
        reach: Reach,
    },
    /// 查看日志：何人、何时、从何处、看了哪一段 Who looked at a record: when, from where, which part
    #[command(after_help = "例 Example: hearing record audit ID")]
    Audit {
        /// 庭审编号 The hearing
        #[arg(value_name = "ID")]
        id: HearingId,
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
            Verb::List { reach }
            | Verb::Export { reach, .. }
            | Verb::Witness { reach, .. }
            | Verb::Share { reach, .. }
            | Verb::Unshare { reach, .. }
            | Verb::Audit { reach, .. } => reach.json,
            Verb::Verify(args) => args.json,
            Verb::Keep(verb) => verb.json(),
        }
    }
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.verb {
        Verb::List { reach } => list(&reach).await?,
        Verb::Export { id, to, public, no_compose, reach } => {
            let wish = json!({ "to": std::path::absolute(to)?, "public": public, "no_compose": no_compose });
            export(id, &wish, &reach).await?;
        }
        Verb::Witness { id, to, reach } => witness(id, &to, &reach).await?,
        Verb::Share { id, name, valid, public, reach } => {
            let wish = json!({ "name": name, "hours": valid, "public": public });
            share(id, &wish, &reach).await?;
        }
        Verb::Unshare { id, name, reach } => unshare(id, &json!({ "name": name }), &reach).await?,
        Verb::Audit { id, reach } => audit(id, &reach).await?,
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

async fn export(id: HearingId, wish: &Value, reach: &Reach) -> anyhow::Result<()> {
    let shown = !reach.json && io::stderr().is_terminal();
    let mut told = |line: &Value| {
        if let (true, Some(step)) = (shown, line["step"].as_str()) {
            // Without a reader there is nobody to tell.
            let _ = write!(io::stderr(), "\r\x1b[K{} {:>3} %", step_words(step), line["percent"]);
        }
    };
    let answer = reach.client()?.follow(&format!("/admin/records/{id}/export"), wish, &mut told).await;
    if shown {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
    let answer = answer?;
    let exported = &answer["exported"];
    if reach.json {
        return Ok(print::json(exported)?);
    }
    let line = format!(
        "已导出 exported: {} ({} 个文件 files, {} 帧 frames)",
        exported["folder"].as_str().unwrap_or_default(),
        exported["files"],
        exported["frames"]
    );
    Ok(print::lines(&[line])?)
}

fn step_words(step: &str) -> &'static str {
    match step {
        "copy" => "复制 copying",
        "compose" => "合成画面 composing",
        "checksums" => "校验 checksums",
        _ => "打包 packing",
    }
}

async fn share(id: HearingId, wish: &Value, reach: &Reach) -> anyhow::Result<()> {
    let answer: Value = reach.client()?.tell(&format!("/admin/records/{id}/share"), wish).await?;
    if reach.json {
        return Ok(print::json(&answer)?);
    }
    let until = time(&answer["until"]);
    let word = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
    Ok(print::lines(&[word("link"), format!("给予 for {}，有效至 valid until {until}", word("name"))])?)
}

async fn unshare(id: HearingId, wish: &Value, reach: &Reach) -> anyhow::Result<()> {
    let answer: Value = reach.client()?.tell(&format!("/admin/records/{id}/unshare"), wish).await?;
    if reach.json {
        return Ok(print::json(&answer)?);
    }
    Ok(print::lines(&[format!("已收回 taken back: {}", answer["revoked"])])?)
}

async fn audit(id: HearingId, reach: &Reach) -> anyhow::Result<()> {
    let answer: Value = reach.client()?.get(&format!("/admin/records/{id}/audit")).await?;
    if reach.json {
        return Ok(print::json(&answer)?);
    }
    let rows = answer.as_array().into_iter().flatten().map(|line| {
        let word = |key: &str| line[key].as_str().unwrap_or("-").to_owned();
        let span = line["span"].as_array().map_or_else(String::new, |span| {
            let second = |n: usize| span.get(n).and_then(Value::as_i64).unwrap_or(0) as f64 / 1_000.0;
            format!("{:.1}–{:.1} s", second(0), second(1))
        });
        let what = [span, line["file"].as_str().unwrap_or_default().to_owned()].concat();
        vec![time(&line["at"]), word("name"), word("address"), act_words(&word("act")).to_owned(), what]
    });
    let header = ["时间 time", "何人 who", "从何处 from", "行为 act", "内容 what"];
    Ok(print::lines(&print::table(&header, &rows.collect::<Vec<_>>()))?)
}

fn act_words(act: &str) -> &str {
    match act {
        "share" => "授权 share",
        "unshare" => "收回 unshare",
        "open" => "打开 open",
        "fetch" => "取文件 fetch",
        "watch" => "观看 watch",
        "refuse" => "拒绝 refuse",
        other => other,
    }
}

/// Local time of microseconds since 1970.
fn time(at: &Value) -> String {
    let at = at.as_i64().and_then(|at| jiff::Timestamp::from_microsecond(at).ok());
    let local = at.map(|at| at.to_zoned(jiff::tz::TimeZone::system()));
    local.map_or_else(|| "-".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M:%S").to_string())
}
