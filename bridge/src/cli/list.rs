//! `hearing list`: every hearing that the node knows.

use std::process::ExitCode;

use hearing_signaling::hearing::Phase;
use serde::Deserialize;
use serde_json::Value;

use super::reach::Reach;
use super::{print, words};

/// 列出庭审 Lists the hearings that the node knows
#[derive(Debug, clap::Args)]
#[command(after_help = "\
例 Examples:
  hearing list
  hearing list --json | jq -r '.[] | select(.phase == \"in-session\") | .id'

退出码 Exit codes: 0 正常 ok; 2 用法错误 usage; 3 节点无应答 the node is not reachable")]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) reach: Reach,
}

#[derive(Debug, Deserialize)]
struct Listed {
    id: String,
    case: String,
    template: String,
    /// Absent while its home can't be reached.
    phase: Option<Phase>,
    home: bool,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let answer: Value = args.reach.client()?.get("/admin/hearings").await?;
    if args.reach.json {
        print::json(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let listed: Vec<Listed> = serde_json::from_value(answer)?;
    let row = |hearing: Listed| {
        let phase = hearing.phase.map_or("主节点无应答 home unreachable".to_owned(), words::phase);
        let home = if hearing.home { "本节点 here" } else { "其他节点 elsewhere" };
        vec![hearing.id, hearing.case, hearing.template, phase, home.to_owned()]
    };
    let rows: Vec<_> = listed.into_iter().map(row).collect();
    print::lines(&print::table(&["庭审 hearing", "案号 case", "模板 template", "状态 state", "主节点 home"], &rows))?;
    Ok(ExitCode::SUCCESS)
}
