//! The node and the command line of `hearing`.

use std::process::ExitCode;

fn main() -> ExitCode {
    hearing_bridge::cli::main()
}
