//! `hearing start`: a hearing from a template, with a link for each seat.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::print;
use super::reach::Reach;

/// 排期并生成各席位链接 Starts a hearing from a template and prints one link per seat
#[derive(Debug, clap::Args)]
#[command(after_help = "\
例 Examples:
  hearing start --case \"(2022)内0291刑初123号\" --template criminal
  hearing start --case \"(2022)内0291民初45号\" --template civil --json | jq -r '.seats[] | .name + \" \" + .link'

链接只显示这一次，请交给本人。 Links are shown this once; hand each to the person it is for.
退出码 Exit codes: 0 正常 ok; 1 节点拒绝 the node refuses; 2 用法错误 usage; 3 节点无应答 the node is not reachable")]
pub(super) struct Args {
    /// 案号 The case number
    #[arg(long, value_name = "CASE")]
    case: String,
    /// 模板 The template of seats, as the node's configuration names it
    #[arg(long, value_name = "NAME")]
    template: String,
    /// 不显示二维码 Print no QR codes (none are printed to a file or a pipe)
    #[arg(long)]
    no_qr: bool,
    #[command(flatten)]
    pub(super) reach: Reach,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let wish = json!({ "case": args.case, "template": args.template });
    let started: Value = args.reach.client()?.tell("/admin/hearings", &wish).await?;
    print::started(&started, args.reach.json, !args.no_qr && std::io::stdout().is_terminal())?;
    Ok(ExitCode::SUCCESS)
}
