//! The line as a program: takes its orders from standard input, one a line, and tells its counts as JSON.

use std::io::{self, BufRead as _, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use hearing_emulator::{Handle, Quality, Relay, Side, Wire};

/// A line that loses, delays, jitters, reorders, has a rate and a queue, and can be cut.
#[derive(Debug, Parser)]
#[command(name = "hearing-emulator", after_help = HELP)]
struct Cli {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    /// Between UDP endpoints: whoever sends to --near is served by --far.
    Udp {
        /// Where to listen.
        #[arg(long)]
        near: SocketAddr,
        /// Where to hand on to.
        #[arg(long)]
        far: SocketAddr,
        #[command(flatten)]
        line: Options,
    },
    /// Between two namespaces, everything: puts an Ethernet device into each (needs root).
    Wire {
        /// NAMESPACE/DEVICE/ADDRESS/PREFIX
        #[arg(long)]
        near: Side,
        /// NAMESPACE/DEVICE/ADDRESS/PREFIX
        #[arg(long)]
        far: Side,
        #[command(flatten)]
        line: Options,
    },
}

#[derive(Debug, Args)]
struct Options {
    /// How bad it is: delay=20ms,jitter=5ms,loss=5%,burst=5%/4,reorder=1%,held=30ms,rate=20M,queue=100k,cut
    #[arg(long, default_value = "good")]
    line: Quality,
    /// How bad it is from --far to --near, if otherwise.
    #[arg(long)]
    back: Option<Quality>,
    /// Decides every chance.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    let result = match Cli::parse().kind {
        Kind::Udp { near, far, line } => {
            Relay::start(near, far, line.both(), line.seed).map_err(|e| e.to_string()).and_then(|r| serve(r.handle()))
        }
        Kind::Wire { near, far, line } => {
            Wire::lay(near, far, line.both(), line.seed).map_err(|e| e.to_string()).and_then(|w| serve(w.handle()))
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(io::stderr(), "{error}"));
            ExitCode::FAILURE
        }
    }
}

impl Options {
    fn both(&self) -> [Quality; 2] {
        [self.line, self.back.unwrap_or(self.line)]
    }
}

/// Until standard input ends.
fn serve(handle: &Handle) -> Result<(), String> {
    tell(handle)?;
    for order in io::stdin().lock().lines() {
        let order = order.map_err(|error| error.to_string())?;
        match order.trim() {
            "cut" => handle.cut(),
            "repair" => handle.repair(),
            "" => {}
            qualities => match read(qualities) {
                Ok([there, back]) => handle.set_each(there, back),
                Err(error) => drop(writeln!(io::stderr(), "{error}")),
            },
        }
        tell(handle)?;
    }
    Ok(())
}

/// One quality for both directions, or two with a blank between them.
fn read(text: &str) -> Result<[Quality; 2], String> {
    let parse = |text: &str| text.parse::<Quality>().map_err(|error| error.to_string());
    match text.split_once(' ') {
        Some((there, back)) => Ok([parse(there)?, parse(back)?]),
        None => parse(text).map(|quality| [quality; 2]),
    }
}

fn tell(handle: &Handle) -> Result<(), String> {
    let [there, back] = handle.counts();
    let text = serde_json::json!({ "there": there, "back": back });
    writeln!(io::stdout(), "{text}").map_err(|error| error.to_string())
}

const HELP: &str = "Orders on standard input, one a line, each answered by the counts so far as JSON:
  cut | repair | QUALITY for both directions | QUALITY QUALITY for each | an empty line: only the counts
It ends with its input.

example: hearing-emulator udp --near 127.0.0.1:9000 --far 127.0.0.1:4433 --line delay=20ms,loss=5%";
