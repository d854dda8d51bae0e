//! `hearing check`: one line for each thing that a node needs, what is wrong with it, and how to mend it.

mod media;
mod network;
mod system;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use hearing_config::Config;
use serde::Serialize;

use super::client::Client;
use super::print;

/// 检查节点：配置、证书、端口、线路、磁盘、时钟、媒体进程 Checks everything that a node needs
#[derive(Debug, clap::Args)]
#[command(after_help = "\
例 Examples:
  hearing check --config /etc/hearing/node.toml
  hearing check --config node.toml --json | jq '.checks[] | select(.state != \"ok\")'

退出码 Exit codes: 0 没有失败项 nothing fails (there may be warnings); 1 有失败项 something fails; 2 用法错误 usage")]
pub(super) struct Args {
    /// 节点配置 The node's configuration
    #[arg(long, value_name = "FILE", default_value = super::reach::CONFIG)]
    config: PathBuf,
    /// 输出 JSON Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// What was found out about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    name: &'static str,
    state: State,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Warn,
    Fail,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let findings = match Config::load(&args.config) {
        Ok(config) => all(&config).await,
        Err(error) => vec![Finding::fail(
            CONFIGURATION,
            error.to_string(),
            "mend this key; everything else is checked after that",
        )],
    };
    let ok = findings.iter().all(|finding| finding.state != State::Fail);
    if args.json {
        print::json(&serde_json::json!({ "ok": ok, "checks": findings }))?;
    } else {
        print::lines(&lines(&findings))?;
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(super::NO) })
}

async fn all(config: &Config) -> Vec<Finding> {
    let now = jiff::Timestamp::now();
    let mut findings = configuration(config);
    findings.extend(system::certificates(config, now));
    let running = Client::new(&config.admin.socket).get::<serde_json::Value>("/admin/node").await.ok();
    findings.push(network::ports(config, running.is_some()));
    findings.extend(network::trunks(config, running.as_ref()).await);
    findings.extend(system::disks(config));
    findings.push(system::records(config));
    findings.push(system::clock().await);
    findings.push(media::child().await);
    findings
}

fn configuration(config: &Config) -> Vec<Finding> {
    let warnings = config.warnings();
    if warnings.is_empty() {
        return vec![Finding::ok(
            CONFIGURATION,
            format!("{}: {}/{}", config.file.display(), config.node.zone, config.node.id),
        )];
    }
    warnings.into_iter().map(|w| Finding::warn(CONFIGURATION, format!("{}: {}", w.key, w.problem), w.remedy)).collect()
}

fn lines(findings: &[Finding]) -> Vec<String> {
    let widest = findings.iter().map(|finding| print::width(finding.name)).max().unwrap_or_default();
    let line = |finding: &Finding| {
        let state = match finding.state {
            State::Ok => "正常 ok  ",
            State::Warn => "注意 warn",
            State::Fail => "失败 FAIL",
        };
        let room = widest - print::width(finding.name);
        let remedy = finding.remedy.as_ref().map_or(String::new(), |remedy| format!(" -> {remedy}"));
        format!("{state}  {}{:room$}  {}{remedy}", finding.name, "", finding.text.replace('\n', " "))
    };
    findings.iter().map(line).collect()
}

impl Finding {
    fn ok(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, state: State::Ok, text: text.into(), remedy: None }
    }

    fn warn(name: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, state: State::Warn, text: text.into(), remedy: Some(remedy.into()) }
    }

    fn fail(name: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, state: State::Fail, text: text.into(), remedy: Some(remedy.into()) }
    }
}

/// The nearest directory above `path` that is there.
fn existing(path: &Path) -> &Path {
    path.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("/"))
}

const CONFIGURATION: &str = "配置 configuration";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_finding_is_one_line_that_says_how_to_mend_it() {
        let findings =
            [Finding::ok("配置 configuration", "a.toml"), Finding::fail("端口 ports", "taken\nby x", "stop x")];
        let lines = lines(&findings);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[1], "失败 FAIL  端口 ports          taken by x -> stop x");
    }
}
