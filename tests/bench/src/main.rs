//! Measures what docs/performance.md states: ours, a peer and the bare minimum, alternately in one run on one machine.

mod bare;
<<<<<<< HEAD
mod compose;
mod forward;
=======
>>>>>>> main
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
<<<<<<< HEAD
    /// The rows: forward (which measures Janus and the bare minimum as well), record, kill, start, compose, bare, janus.
=======
    /// The rows, or the beginning of several up to a dash (`forward`); `list` names them.
>>>>>>> main
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
<<<<<<< HEAD
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
=======
    for group in rows::select(&args.rows)? {
        table.extend(group.measure(&mut bench)?);
>>>>>>> main
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
