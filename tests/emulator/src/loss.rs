//! Losses by chance, alone or in bursts.

use rand::Rng;

/// How packets are lost. Chances are 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Loss {
    /// Not at all.
    #[default]
    None,
    /// Each by itself.
    Random(f64),
    /// The model of Gilbert and Elliott: the line is good or bad, and changes between the two from packet to packet.
    Burst {
        /// The chance that a good line becomes bad.
        enter: f64,
        /// The chance that a bad line becomes good: one divided by the mean length of a burst.
        leave: f64,
        /// The chance that a good line loses a packet.
        good: f64,
        /// The chance that a bad line does.
        bad: f64,
    },
}

impl Loss {
    /// Bursts of `length` packets on average, of which all are lost, so that `share` of all packets is lost.
    #[must_use]
    pub fn bursts(share: f64, length: f64) -> Self {
        let leave = 1.0 / length.max(1.0);
        let enter = leave * share / (1.0 - share).max(f64::EPSILON);
        Self::Burst { enter, leave, good: 0.0, bad: 1.0 }
    }

    /// Whether the next packet is lost; `bad` is the state of the line.
    pub(crate) fn strikes(self, bad: &mut bool, chance: &mut impl Rng) -> bool {
        let mut draw = |share: f64| chance.random::<f64>() < share;
        match self {
            Self::None => false,
            Self::Random(share) => draw(share),
            Self::Burst { enter, leave, good, bad: worse } => {
                *bad = if *bad { !draw(leave) } else { draw(enter) };
                draw(if *bad { worse } else { good })
            }
        }
    }
}
