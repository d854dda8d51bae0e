//! The rows of the table: a file for each group, listed here.

mod bare;
mod compose;
mod forward;
mod hall;
mod latency;
mod meetings;
mod record;
mod start;
mod storm;
mod transcode;
mod trunk;
mod verify;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::janus::Janus;
use crate::load::{self, Figures, Shape};
use crate::node::Node;
use crate::plot::Plot;
use crate::table::Row;

/// What every row needs to be measured.
#[derive(Debug)]
pub(crate) struct Bench {
    /// The node's binary.
    pub(crate) hearing: PathBuf,
    /// How long a round counts.
    pub(crate) time: Duration,
    /// Rounds of each; ours and the peer take turns.
    pub(crate) rounds: usize,
    /// True when Janus is measured as well.
    pub(crate) peer: bool,
    /// How often a node is killed.
    pub(crate) kills: usize,
    /// What is to be drawn.
    pub(crate) plots: Vec<Plot>,
}

/// A group of rows that is measured together.
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    measure: fn(&mut Bench) -> Result<Vec<Row>>,
}

/// All groups, in the order in which they are measured.
pub(crate) const ALL: [Group; 22] = [
    Group { name: "forward-20", about: "one sender, 20 receivers: CPU, memory, latency", measure: forward::to_20 },
    Group { name: "forward-50", about: "50 receivers", measure: forward::to_50 },
    Group { name: "forward-100", about: "two senders, 100 receivers", measure: forward::to_100 },
    Group {
        name: "forward-500",
        about: "ten senders of a tenth of the usual rate, 500 receivers",
        measure: forward::to_500,
    },
    Group {
        name: "hall",
        about: "one hearing, one sender, 60 receivers: one media worker against two",
        measure: hall::measure,
    },
    Group {
        name: "meetings",
        about: "20 hearings of 6 who all send, at a tenth of the usual rate",
        measure: meetings::measure,
    },
    Group {
        name: "latency",
        about: "latency while the media thread is busy for 30, 60 and 90 % of the time",
        measure: latency::measure,
    },
    Group {
        name: "storm",
        about: "what 19 receivers feel of one that asks for everything all the time",
        measure: storm::measure,
    },
    Group { name: "record", about: "what recording a participant costs", measure: record::cost },
    Group { name: "trunk-cost", about: "CPU for a packet over a trunk, against raw UDP", measure: trunk::cost },
    Group { name: "trunk-loss", about: "what comes in time over a line that loses packets", measure: trunk::loss },
    Group {
        name: "trunk-rough",
        about: "what comes in time over a line that loses in bursts, jitters or reorders",
        measure: trunk::rough,
    },
    Group { name: "trunk-narrow", about: "what comes over a line that is too narrow", measure: trunk::narrow },
    Group { name: "trunk-cut", about: "how soon pictures are back after a cut of 30 s", measure: trunk::cut },
    Group { name: "kill", about: "what a kill of the node takes of a record", measure: record::loss },
    Group {
        name: "bare",
        about: "the least that any program needs to protect and send the packets",
        measure: bare::measure,
    },
    Group {
        name: "start",
        about: "from the order to hold a hearing to links, and to the first picture",
        measure: start::measure,
    },
    Group { name: "verify", about: "how fast a record is verified, against hashing alone", measure: verify::measure },
    Group {
        name: "compose",
        about: "the film of a record of four and of six seats, against a bare GStreamer pipeline",
        measure: compose::measure,
    },
    Group {
        name: "transcode",
        about: "a picture and a sound coded anew by a media child, against a bare GStreamer pipeline",
        measure: transcode::measure,
    },
    Group {
        name: "composite",
        about: "four seats at 720p live into one picture of 1080p25 and one mix, against a bare GStreamer pipeline",
        measure: transcode::composite,
    },
    Group { name: "ours", about: "forward-50 without the peer, for profiles", measure: forward::ours },
];
/// Not measured unless named.
const ON_DEMAND: [&str; 1] = ["ours"];

/// The groups that `names` mean: a group's own name, or the beginning of several up to a dash; none: all.
pub(crate) fn select(names: &[String]) -> Result<Vec<&'static Group>> {
    if names.is_empty() {
        return Ok(ALL.iter().filter(|group| !ON_DEMAND.contains(&group.name)).collect());
    }
    let mut selected = Vec::new();
    for name in names {
        let means = |group: &&Group| {
            group.name == name || group.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'))
        };
        let before = selected.len();
        selected.extend(ALL.iter().filter(means));
        if selected.len() == before {
            let known = ALL.map(|group| group.name).join(", ");
            bail!("no row is named {name:?}; known: {known}");
        }
    }
    Ok(selected)
}

impl Group {
    pub(crate) fn measure(&self, bench: &mut Bench) -> Result<Vec<Row>> {
        (self.measure)(bench).with_context(|| self.name)
    }
}

impl Bench {
    /// Ours and the peer's figures under a load, in turns.
    fn compare(&self, shape: Shape) -> Result<(Vec<Figures>, Vec<Figures>)> {
        let (mut ours, mut peer) = (Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            ours.push(self.ours(shape)?);
            if self.peer {
                let mut janus = Janus::start(shape.rooms, shape.seats())?;
                peer.push(load::run(&mut janus, shape, self.time).context("janus")?);
            }
        }
        Ok((ours, peer))
    }

    fn ours(&self, shape: Shape) -> Result<Figures> {
        let mut node = Node::start(&self.hearing, shape.rooms, shape.seats()).context("our node")?;
        load::run(&mut node, shape, self.time).context("our node")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_selected_by_name_and_by_group() {
        let names = |wanted: &[&str]| {
            let wanted: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
            select(&wanted).map(|groups| groups.iter().map(|group| group.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&["forward"]).unwrap(), ["forward-20", "forward-50", "forward-100", "forward-500"]);
        assert_eq!(names(&["start", "forward-50"]).unwrap(), ["start", "forward-50"]);
        assert!(names(&["forw"]).is_err());
        assert!(!names(&[]).unwrap().contains(&"ours"));
    }
}
