//! `hearing rehearse`: headless participants take every seat, and what each saw and heard is checked.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::print;
use super::reach::Reach;

/// 自检：由模拟参与人占满各席位并核对音视频 Rehearses a template with headless participants on real nodes
#[derive(Debug, clap::Args)]
#[command(after_help = "\
例 Examples:
  hearing rehearse --template criminal
  hearing rehearse --seconds 30 --json | jq .ok

退出码 Exit codes: 0 通过 all is well; 1 未通过 something is not; 2 用法错误 usage; 3 节点无应答 the node is not reachable")]
pub(super) struct Args {
    /// 模板 The template of seats
    #[arg(long, value_name = "NAME", default_value = "criminal")]
    template: String,
    /// 庭审时长（秒） How long it is in session, in seconds, 2 to 600
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(2..=600))]
    seconds: u32,
    #[command(flatten)]
    pub(super) reach: Reach,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let wish = json!({ "template": args.template, "seconds": args.seconds });
    let report: Value = args.reach.client()?.post("/admin/rehearse", &wish).await?;
    print::rehearsal(&report, args.reach.json)?;
    Ok(if report["ok"] == true { ExitCode::SUCCESS } else { ExitCode::from(super::NO) })
}
