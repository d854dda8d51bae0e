//! `hearing participant`: headless participants, as a rehearsal starts them. Hidden: a tool for nodes and tests.

use std::io::{self, Read as _};
use std::process::ExitCode;

use anyhow::Context as _;

use super::print;
use crate::rehearsal::{Guest, Party};

/// 模拟参与人：按链接入席并核对所见所闻 Takes seats as headless participants and reports what they saw and heard
#[derive(Debug, clap::Args)]
#[command(after_help = "\
例 Examples:
  hearing participant --seat 2 --link 'https://court.example/h/...#t=...' --seconds 10
  hearing participant --party < party.json

退出码 Exit codes: 0 报告已输出 a report was printed; 1 无报告 no report; 2 用法错误 usage")]
pub(super) struct Args {
    /// 席位编号 The seat's id
    #[arg(long, value_name = "N", required_unless_present = "party")]
    seat: Option<u8>,
    /// 链接 The seat's join link
    #[arg(long, required_unless_present = "party")]
    link: Option<String>,
    /// 最长时间（秒） How long at most, in seconds
    #[arg(long, value_name = "N", default_value_t = 6)]
    seconds: u16,
    /// 从标准输入读取全部席位 Reads all seats from the standard input, so that no link stands on a command line
    #[arg(long, conflicts_with_all = ["seat", "link"])]
    party: bool,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let report = wish(args)?.attend().await?;
    print::json(&serde_json::to_value(report)?)?;
    Ok(ExitCode::SUCCESS)
}

fn wish(args: Args) -> anyhow::Result<Party> {
    match (args.seat, args.link) {
        (Some(seat), Some(link)) => Ok(Party {
            seconds: args.seconds,
            guests: vec![Guest { seat, link }],
            phones: Vec::new(),
            cameras: Vec::new(),
        }),
        _ => {
            let mut text = String::new();
            io::stdin().take(PARTY_LIMIT).read_to_string(&mut text).context("the standard input holds no party")?;
            serde_json::from_str(&text).context("the standard input holds no party")
        }
    }
}

/// Bytes of a party with every seat of a full court.
const PARTY_LIMIT: u64 = 64 << 10;
