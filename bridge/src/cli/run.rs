//! `hearing run`: one node, until it is told to stop.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use hearing_config::Config;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

/// 运行节点 Runs a node until SIGINT or SIGTERM
#[derive(Debug, clap::Args)]
#[command(after_help = "\
例 Examples:
  hearing run --config /etc/hearing/node.toml
  HEARING_LOG=hearing_bridge::trunk=debug,info hearing run --config node.toml --log json

退出码 Exit codes: 0 按要求停止 it was told to stop; 2 用法或配置错误 usage or configuration; 4 未能启动或自行终止 it could not start, or ended by itself")]
pub(super) struct Args {
    /// 节点配置 The node's configuration
    #[arg(long, value_name = "FILE", default_value = super::reach::CONFIG)]
    config: PathBuf,
    /// 日志格式 How the log is written, to the standard error
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Log::Text)]
    log: Log,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Log {
    /// For people
    Text,
    /// One object per line
    Json,
}

/// A node that did not start, or ended by itself.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NotStarted(pub(super) String);

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = Config::load(&args.config)?;
    listen_to_ourselves(args.log);
    for warning in config.warnings() {
        tracing::warn!(key = %warning.key, "{}; {}", warning.problem, warning.remedy);
    }
    crate::node::run(config).await.map_err(|error| NotStarted(error.to_string()))?;
    Ok(ExitCode::SUCCESS)
}

/// Logs from `info` on, or as `HEARING_LOG` says; panics as well, in the same form.
fn listen_to_ourselves(log: Log) {
    let filter = EnvFilter::try_from_env("HEARING_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let filter = filter.add_directive(crate::net::sip::QUIET.parse().expect("a directive"));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match log {
        Log::Text => lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).boxed(),
        Log::Json => lines.json().boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(filter)).with(crate::net::sip::dropped::count()).init();
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "panic; please report this")));
}
