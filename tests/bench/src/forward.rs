//! Forwarding: one sender, many receivers, our node and Janus alternately.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::bare;
use crate::janus::Janus;
use crate::load::{self, Figures};
use crate::node::Node;
use crate::table::{Row, median};

/// What to measure, and how often.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The node's binary.
    pub(crate) hearing: PathBuf,
    pub(crate) subscribers: u8,
    pub(crate) seconds: u64,
    pub(crate) rounds: usize,
    pub(crate) who: Who,
}

/// Which servers are measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Who {
    pub(crate) ours: bool,
    pub(crate) peer: bool,
}

pub(crate) fn measure(plan: &Plan) -> Result<Vec<Row>> {
    let (subscribers, time) = (usize::from(plan.subscribers), Duration::from_secs(plan.seconds));
    let (mut ours, mut peer) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        if plan.who.ours {
            let mut node = Node::start(&plan.hearing, plan.subscribers).context("our node")?;
            ours.push(load::run(&mut node, subscribers, time).context("our node")?);
        }
        if plan.who.peer {
            let mut janus = Janus::start()?;
            peer.push(load::run(&mut janus, subscribers, time).context("janus")?);
        }
    }
    let bare = bare::measure(subscribers, plan.rounds)?;
    Ok(rows(&ours, &peer, bare))
}

fn rows(ours: &[Figures], peer: &[Figures], bare: bare::Cost) -> Vec<Row> {
    let row = |name: &str, unit, limit, figure: fn(&Figures) -> f64| {
        let middle = |rounds: &[Figures]| median(rounds.iter().map(figure).collect());
        Row { name: name.to_owned(), ours: middle(ours), peer: middle(peer), limit, unit }
    };
    vec![
        row("forward", "us/packet", Some(bare.sendto), |figures| figures.us_per_packet),
        row("forward-segments", "us/packet", Some(bare.segments), |figures| figures.us_per_packet),
        row("tracks-per-core", "720p tracks", None, |figures| 1e6 / (figures.us_per_packet * PACKETS_OF_720P)),
        row("memory", "kB/subscriber", None, |figures| figures.kb_per_subscriber),
        row("latency-p50", "ms", None, |figures| figures.latency_p50_ms),
        row("latency-p99", "ms", None, |figures| figures.latency_p99_ms),
        row("loss", "of 1", None, |figures| figures.loss),
    ]
}

/// A second of video at 720p, as the load sends it.
const PACKETS_OF_720P: f64 = 270.0;
