//! Measures what docs/performance.md states: ours, a peer and the bare minimum, alternately in one run on one machine.

mod bare;
mod compose;
mod forward;
mod http;
mod janus;
mod load;
mod node;
mod process;
mod record;
mod start;
mod table;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Parser;

use crate::forward::{Plan, Who};
use crate::table::{Row, Table};

/// Measures rows of the table of targets; without a row all of them.
#[derive(Debug, Parser)]
#[command(name = "hearing-bench", after_help = "example: hearing-bench bare forward --rounds 3 --json")]
struct Args {
    /// The rows: forward (which measures Janus and the bare minimum as well), record, kill, start, compose, bare, janus.
    rows: Vec<String>,
    /// Prints JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// Receivers of the one sender, 1 to 62.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u8).range(1..=62))]
    subscribers: u8,
    /// Seconds that are measured in a round, after a warm-up.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Rounds of each; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How often the node is killed for the row kill.
    #[arg(long, default_value_t = 5)]
    kills: usize,
    /// Leaves Janus out.
    #[arg(long)]
    no_peer: bool,
    /// The binary of the node; by default the one beside this program.
    #[arg(long)]
    hearing: Option<PathBuf>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    // The client of HTTP wants one even where nothing is encrypted. It is refused only where there is one already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut table = Table::default();
    let all = ["forward", "record", "kill", "start", "compose"].map(str::to_owned);
    for row in if args.rows.is_empty() { &all[..] } else { &args.rows } {
        match row.as_str() {
            "bare" => table.extend(bare_rows(&args)?),
            "janus" => table.extend(forward::measure(&plan(&args, Who { ours: false, peer: true })?)?),
            "forward" => table.extend(forward::measure(&plan(&args, Who { ours: true, peer: !args.no_peer })?)?),
            "record" => table.extend(record::cost(&hearing(&args)?, args.seconds, args.rounds)?),
            "kill" => table.extend(record::loss(&hearing(&args)?, args.kills)?),
            "start" => table.extend(start::measure(&hearing(&args)?, args.rounds)?),
            "compose" => {
                let media = hearing(&args)?.with_file_name("hearing-media");
                for seats in [4, 6] {
                    table.extend(compose::measure(&media, seats, args.seconds.max(10), args.rounds)?);
                }
            }
            other => bail!("no row is named {other:?}; known: forward, record, kill, start, compose, bare, janus"),
        }
    }
    table.print(args.json)?;
    Ok(())
}

fn bare_rows(args: &Args) -> Result<Vec<Row>> {
    let cost = bare::measure(usize::from(args.subscribers), args.rounds)?;
    let row =
        |name: &str, us| Row { name: name.to_owned(), ours: None, peer: None, limit: Some(us), unit: "us/packet" };
    Ok(vec![row("bare-sendto", cost.sendto), row("bare-segments", cost.segments)])
}

fn plan(args: &Args, who: Who) -> Result<Plan> {
    let (subscribers, seconds, rounds) = (args.subscribers, args.seconds, args.rounds);
    Ok(Plan { hearing: hearing(args)?, subscribers, seconds, rounds, who })
}

fn hearing(args: &Args) -> Result<PathBuf> {
    match &args.hearing {
        Some(path) => Ok(path.clone()),
        None => Ok(std::env::current_exe()?.with_file_name("hearing")),
    }
}
