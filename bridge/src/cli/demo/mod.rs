//! `hearing demo`: three zone nodes on loopback with development certificates, and one hearing.

mod files;
mod nodes;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::client::Client;
use super::print;
use nodes::Nodes;

/// 本机试用：启动三个网络的节点和一次庭审，并打印各席位链接 Starts three zone nodes on loopback and one hearing, and prints a link per seat
#[derive(Debug, clap::Args)]
#[command(after_help = "\
例 Examples:
  hearing demo                               三个区域的节点和一个演示庭审 three zone nodes and one hearing
  hearing demo --rehearse                    自检后退出 the self-test; exit code 0 only if all is well
  hearing demo --rehearse --json --export /tmp/hearing-1
  hearing demo --keep ./demo                 配置留在 ./demo，可修改后再用 keeps the configuration there; edit it and start again

退出码 Exit codes: 0 正常 ok; 1 自检未通过 the rehearsal failed; 2 用法错误 usage; 4 未能启动 a node could not start")]
pub(crate) struct Args {
    /// 自检 Let headless participants take every seat, check what each of them saw and heard, and stop
    #[arg(long)]
    rehearse: bool,
    /// 模板 The template of seats
    #[arg(long, default_value = "criminal")]
    template: String,
    /// 自检时长（秒） How long a rehearsal is in session, in seconds
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(2..=600))]
    seconds: u32,
    /// 输出 JSON Print JSON
    #[arg(long)]
    json: bool,
    /// 保留目录 Keep configuration, keys and records in DIR; what is there already is used
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// 导出目录 Export the rehearsal's record to DIR
    #[arg(long, value_name = "DIR", requires = "rehearse")]
    export: Option<PathBuf>,
    /// 不自动准入 Do not admit by itself those who join; admit them with `hearing admit` or as the clerk
    #[arg(long)]
    no_admit: bool,
}

/// Runs until interrupted, or until the rehearsal is over.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let scratch = tempfile::Builder::new().prefix("hearing-demo-").tempdir().context("no temporary directory")?;
    let directory = args.keep.clone().unwrap_or_else(|| scratch.path().to_owned());
    let files = files::prepare(&directory)?;
    let mut nodes = Nodes::start(&files)?;
    let outcome = tokio::select! {
        outcome = act(&args, &files) => outcome,
        death = nodes.first_death() => Err(death),
        () = interrupted() => Ok(ExitCode::SUCCESS),
    };
    nodes.stop().await;
    outcome
}

async fn act(args: &Args, files: &files::Files) -> anyhow::Result<ExitCode> {
    let home = Client::new(&files.home().socket);
    nodes::wait_until_joined(&home, files.others().count()).await?;
    if args.rehearse { rehearse(args, &home).await } else { invite(args, &home, files).await }
}

async fn rehearse(args: &Args, home: &Client) -> anyhow::Result<ExitCode> {
    let wish = json!({ "template": args.template, "seconds": args.seconds });
    let report: Value = home.post("/admin/rehearse", &wish).await?;
    if let Some(to) = &args.export {
        let hearing = report["hearing"].as_str().context("the report names no hearing to export")?;
        let wish = json!({ "to": std::path::absolute(to)? });
        home.follow(&format!("/admin/records/{hearing}/export"), &wish, &mut |_| ()).await?;
    }
    print::rehearsal(&report, args.json)?;
    Ok(if report["ok"] == true { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

async fn invite(args: &Args, home: &Client, files: &files::Files) -> anyhow::Result<ExitCode> {
    let wish = json!({ "case": CASE, "template": args.template });
    let started: Value = home.post("/admin/hearings", &wish).await?;
    print::started(&started, args.json, std::io::stdout().is_terminal() && !args.json)?;
    if !args.json {
        print::lines(&[
            "",
            &format!("管理接口 admin socket: {}", files.home().socket.display()),
            "打开任意两个链接，彼此可见可闻；Ctrl-C 结束。 Open any two links: they see and hear each other. Ctrl-C ends it.",
        ])?;
    }
    let Some(id) = started["id"].as_str() else { bail!("the node started a hearing without an id") };
    loop {
        if !args.no_admit {
            admit_whoever_waits(home, id).await?;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

async fn admit_whoever_waits(home: &Client, id: &str) -> anyhow::Result<()> {
    let board: Value = home.get(&format!("/admin/hearings/{id}")).await?;
    let seats = board["view"]["seats"].as_array().map(Vec::as_slice).unwrap_or_default();
    for seat in seats.iter().filter(|seat| seat["presence"] == "waiting") {
        let action = json!({ "action": "admit", "seat": seat["name"], "identity": "declared" });
        let _: Value = home.post(&format!("/admin/hearings/{id}/act"), &action).await?;
    }
    Ok(())
}

async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

const CASE: &str = "(2022)内0291刑初123号";
