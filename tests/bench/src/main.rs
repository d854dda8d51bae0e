//! Measures what docs/performance.md states: ours, a peer and the bare minimum, alternately in one run on one machine.

mod bare;
mod http;
mod janus;
mod load;
mod node;
mod plot;
mod process;
mod rows;
mod table;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;

use crate::rows::Bench;
use crate::table::Table;

/// Measures rows of the table of targets; without a row all of them.
#[derive(Debug, Parser)]
#[command(
    name = "hearing-bench",
    after_help = "example: hearing-bench forward-50 latency --rounds 3 --svg docs/performance"
)]
struct Args {
    /// The rows, or the beginning of several up to a dash (`forward`); `list` names them.
    rows: Vec<String>,
    /// Prints JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// Draws plots into this directory.
    #[arg(long, value_name = "DIR")]
    svg: Option<PathBuf>,
    /// Seconds that are measured in a round, after a warm-up.
    #[arg(long, default_value_t = 8)]
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
    if args.rows.iter().any(|row| row == "list") {
        return list();
    }
    let mut bench = Bench {
        hearing: hearing(&args)?,
        time: Duration::from_secs(args.seconds),
        rounds: args.rounds,
        peer: !args.no_peer,
        kills: args.kills,
        plots: Vec::new(),
    };
    let mut table = Table::default();
    for group in rows::select(&args.rows)? {
        table.extend(group.measure(&mut bench)?);
    }
    table.print(args.json)?;
    if let Some(directory) = &args.svg {
        bench.plots.iter().try_for_each(|plot| plot.draw(directory))?;
    }
    Ok(())
}

fn list() -> Result<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    for group in &rows::ALL {
        writeln!(out, "{:<14}{}", group.name, group.about)?;
    }
    Ok(())
}

fn hearing(args: &Args) -> Result<PathBuf> {
    match &args.hearing {
        Some(path) => Ok(path.clone()),
        None => Ok(std::env::current_exe()?.with_file_name("hearing")),
    }
}
