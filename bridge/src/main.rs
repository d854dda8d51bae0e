//! The binary `hearing`.

use std::path::Path;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let file = std::env::args().nth(3).unwrap_or_default();
    let config = hearing_config::Config::load(Path::new(&file))?;
    Ok(hearing_bridge::node::run(config).await?)
}
