//! `hearing terminal`: the room terminals of this node's zone.

use std::process::ExitCode;

use clap::Subcommand;
use serde::Deserialize;
use serde_json::{Value, json};

use super::print::{self, cell};
use super::reach::Reach;

/// 会议室终端 Room terminals of this node's zone
#[derive(Debug, clap::Args)]
#[command(after_help = "\
例 Examples:
  hearing terminal list
  hearing terminal list --json | jq -r '.[] | select(.address == null) | .user'
  hearing terminal test room3
  hearing terminal test sip:room3@10.2.0.30 --seconds 10

退出码 Exit codes: 0 正常 ok; 1 终端不合格或节点拒绝 the terminal is not fine, or the node refuses; 2 用法错误 usage; 3 节点无应答 the node is not reachable")]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// 列出终端及其注册状态 Lists the terminals that the node knows, and where they are registered
    List {
        #[command(flatten)]
        reach: Reach,
    },
    /// 试呼终端：互传测试画面和声音 Calls a terminal outside any hearing and exchanges a test picture and a tone
    Test {
        /// 终端用户名或地址 A user of [[sip.device]], or an address such as sip:room3@10.2.0.30
        #[arg(value_name = "NAME")]
        name: String,
        /// 时长（秒） For how long media is exchanged, in seconds, 1 to 60
        #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=60))]
        seconds: u32,
        #[command(flatten)]
        reach: Reach,
    },
}

impl Args {
    pub(super) const fn json(&self) -> bool {
        match &self.verb {
            Verb::List { reach } | Verb::Test { reach, .. } => reach.json,
        }
    }
}

#[derive(Debug, Deserialize)]
struct Device {
    user: String,
    address: Option<String>,
    seconds: u64,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.verb {
        Verb::List { reach } => list(&reach).await,
        Verb::Test { name, seconds, reach } => test(&reach, &name, seconds).await,
    }
}

/// Places a trial call and tells what it found.
async fn test(reach: &Reach, name: &str, seconds: u32) -> anyhow::Result<ExitCode> {
    let wish = json!({ "terminal": name, "seconds": seconds });
    let trial: Value = reach.client()?.post("/admin/terminals/test", &wish).await?;
    if reach.json {
        print::json(&trial)?;
    } else {
        print::lines(&told(name, &trial))?;
    }
    Ok(if trial["ok"] == true { ExitCode::SUCCESS } else { ExitCode::from(super::NO) })
}

fn told(name: &str, trial: &Value) -> Vec<String> {
    let (sound, picture) = (&trial["sound"], &trial["picture"]);
    let mut lines = vec![format!(
        "{name}  接通 answered in {} ms, 往返 round trip {} ms",
        cell(&trial["answered_ms"]),
        cell(&trial["round_trip_ms"])
    )];
    let rows = [("声音 sound", sound), ("画面 picture", picture)].map(|(what, way)| {
        let fields =
            ["codec", "encrypted", "sent", "lost_there_percent", "jitter_there_ms", "received", "lost", "jitter_ms"];
        let mut row = vec![what.to_owned()];
        row.extend(fields.map(|field| cell(&way[field])));
        row
    });
    lines.extend(print::table(
        &[
            "",
            "编码 codec",
            "加密 encrypted",
            "发出 sent",
            "对方丢失 lost there %",
            "对方抖动 jitter there ms",
            "收到 received",
            "丢失 lost",
            "抖动 jitter ms",
        ],
        &rows,
    ));
    lines.push(format!(
        "解码画面 pictures decoded {}, 声音电平 level -{} dB",
        cell(&trial["pictures"]),
        cell(&trial["level_db"])
    ));
    let faults = trial["faults"].as_array().map(Vec::as_slice).unwrap_or_default();
    lines.extend(faults.iter().map(|fault| format!("  - {} {}", cell(&fault["zh"]), cell(&fault["en"]))));
    let verdict =
        if trial["ok"] == true { "终端正常 the terminal is fine" } else { "终端异常 the terminal is NOT fine" };
    lines.push(verdict.to_owned());
    lines
}

async fn list(reach: &Reach) -> anyhow::Result<ExitCode> {
    let answer: Value = reach.client()?.get("/admin/terminals").await?;
    if reach.json {
        print::json(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |device: Device| {
        let left = if device.address.is_some() { device.seconds.to_string() } else { String::new() };
        vec![device.user, device.address.unwrap_or_else(|| "未注册 not registered".to_owned()), left]
    };
    let rows: Vec<_> = serde_json::from_value::<Vec<Device>>(answer)?.into_iter().map(row).collect();
    print::lines(&print::table(&["终端 terminal", "地址 address", "剩余秒数 seconds left"], &rows))?;
    Ok(ExitCode::SUCCESS)
}
