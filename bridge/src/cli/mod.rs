//! The command line: one file per verb; verbs that only tell a hearing to do something share a file.

mod act;
mod check;
mod client;
mod demo;
mod keep;
mod list;
mod participant;
mod pki;
mod print;
mod reach;
mod record;
mod rehearse;
mod run;
mod show;
mod start;
mod terminal;
mod verify;
mod watch;
mod words;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::background::step_back;

/// 融合法庭：在互不相连的网络之间开庭 Hearings across networks that must not be joined
#[derive(Debug, Parser)]
#[command(
    name = "hearing",
    version,
    after_help = "\
例 Examples:
  hearing demo                                    在本机试用 try it on this machine
  hearing run --config /etc/hearing/node.toml     运行节点 run a node
  hearing start --case \"(2022)内0291刑初123号\" --template criminal

管理接口 Admin socket: --admin PATH, 环境变量 or HEARING_ADMIN, or admin.socket of --config (default /etc/hearing/node.toml)
退出码 Exit codes: 0 正常 ok; 1 否 the answer is no; 2 用法或配置错误 usage or configuration; 3 节点无应答 the node is not reachable; 4 节点未能启动 a node could not start"
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Run(run::Args),
    Demo(demo::Args),
    Check(check::Args),
    Pki(pki::Args),
    Start(start::Args),
    List(list::Args),
    Show(show::Args),
    Watch(watch::Args),
    Record(record::Args),
    Rehearse(rehearse::Args),
    Terminal(terminal::Args),
    #[command(hide = true)]
    Participant(participant::Args),
    #[command(flatten)]
    Act(act::Verb),
}

/// Reads the arguments of the process, does what they say, and tells how it went by the exit code.
#[must_use]
pub fn main() -> ExitCode {
    main_with(std::env::args_os())
}

fn main_with(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(told) => return usage(&told),
    };
    // The first provider of the process; nobody else sets one before the arguments are read.
    let _ = crate::net::tls::provider().as_ref().clone().install_default();
    let json = cli.verb.json();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    // A node carries media; everything else makes room for it.
    if !matches!(cli.verb, Verb::Run(_)) {
        runtime.on_thread_start(step_back);
    }
    let outcome =
        runtime.enable_all().build().map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(cli.verb.run()));
    outcome.unwrap_or_else(|error| {
        print::failure(&error, json);
        exit_code(&error)
    })
}

impl Verb {
    async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Run(args) => run::run(args).await,
            Self::Demo(args) => demo::run(args).await,
            Self::Check(args) => check::run(args).await,
            Self::Pki(args) => pki::run(args),
            Self::Start(args) => start::run(args).await,
            Self::List(args) => list::run(args).await,
            Self::Show(args) => show::run(args).await,
            Self::Watch(args) => watch::run(args).await,
            Self::Record(args) => record::run(args).await,
            Self::Rehearse(args) => rehearse::run(args).await,
            Self::Terminal(args) => terminal::run(args).await,
            Self::Participant(args) => participant::run(args).await,
            Self::Act(verb) => act::run(verb).await,
        }
    }

    fn json(&self) -> bool {
        match self {
            Self::Run(_) | Self::Demo(_) => false,
            Self::Participant(_) => true,
            Self::Terminal(args) => args.json(),
            Self::Check(args) => args.json,
            Self::Pki(args) => args.json,
            Self::Start(args) => args.reach.json,
            Self::List(args) => args.reach.json,
            Self::Show(args) => args.reach.json,
            Self::Watch(args) => args.reach.json,
            Self::Record(args) => args.json(),
            Self::Rehearse(args) => args.reach.json,
            Self::Act(verb) => verb.json(),
        }
    }
}

/// Help and version go to the standard output and are no failure.
fn usage(told: &clap::Error) -> ExitCode {
    // Without a reader there is nobody to tell.
    let _ = told.print();
    if told.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
}

fn exit_code(error: &anyhow::Error) -> ExitCode {
    if let Some(error) = error.downcast_ref::<client::Error>() {
        return match error {
            client::Error::Unreachable { .. } => ExitCode::from(UNREACHABLE),
            client::Error::Refused(_) | client::Error::Garbled { .. } => ExitCode::from(NO),
        };
    }
    if error.is::<run::NotStarted>() {
        return ExitCode::from(NOT_STARTED);
    }
    if error.is::<hearing_config::Error>() { ExitCode::from(USAGE) } else { ExitCode::from(NO) }
}

/// The answer is no, or what was asked failed.
const NO: u8 = 1;
/// The arguments or the configuration can't be used.
const USAGE: u8 = 2;
/// The node does not answer.
const UNREACHABLE: u8 = 3;
/// A node could not start.
const NOT_STARTED: u8 = 4;

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_shows_an_example_and_its_exit_codes() {
        for mut verb in Cli::command().get_subcommands().cloned().collect::<Vec<_>>() {
            let text = verb.render_help().to_string();
            assert!(text.contains("例 Example"), "{}:\n{text}", verb.get_name());
            assert!(text.contains("退出码 Exit codes"), "{}:\n{text}", verb.get_name());
        }
    }

    #[test]
    fn every_error_has_the_exit_code_of_the_reference() {
        let code = |error: anyhow::Error| format!("{:?}", exit_code(&error));
        let expect = |number: u8| format!("{:?}", ExitCode::from(number));
        let unreachable = client::Error::Unreachable { socket: "/nowhere".into(), reason: "gone".into() };
        assert_eq!(code(unreachable.into()), expect(3));
        let refused = client::Problem { code: "not_ready".into(), message: String::new(), message_zh: String::new() };
        assert_eq!(code(client::Error::Refused(refused).into()), expect(1));
        let config = hearing_config::Config::parse("x = 1", std::path::Path::new("a.toml")).unwrap_err();
        assert_eq!(code(config.into()), expect(2));
        assert_eq!(code(run::NotStarted("no".into()).into()), expect(4));
    }
}
