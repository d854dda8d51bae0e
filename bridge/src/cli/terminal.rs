//! `hearing terminal`: the room terminals of this node's zone.

use std::process::ExitCode;

use clap::Subcommand;
use serde::Deserialize;
use serde_json::Value;

use super::print;
use super::reach::Reach;

/// 会议室终端 Room terminals of this node's zone
#[derive(Debug, clap::Args)]
#[command(after_help = "\
例 Examples:
  hearing terminal list
  hearing terminal list --json | jq -r '.[] | select(.address == null) | .user'

退出码 Exit codes: 0 正常 ok; 2 用法错误 usage; 3 节点无应答 the node is not reachable")]
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
}

impl Args {
    pub(super) const fn json(&self) -> bool {
        match &self.verb {
            Verb::List { reach } => reach.json,
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
    let Verb::List { reach } = args.verb;
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
