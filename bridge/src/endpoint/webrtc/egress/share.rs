//! What each picture gets of what the line carries. When it is not enough for all, is given up, in this order: the other tiles'
//! resolution, their frame rate, their pictures; a shared screen likewise; the speaker's and last the judge's. Sound never.

use hearing_signaling::hearing::Relief;

use crate::router::{Layer, LayerSet};

/// How much a picture matters to everybody: the first is given up last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Judge,
    Speaker,
    Screen,
    Other,
}

/// What a picture is sent as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Portion {
    pub(super) layer: Layer,
    /// The highest temporal layer that goes out.
    pub(super) temporal: u8,
}

/// What one slot could use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) rank: Rank,
    /// The layers that it may have, by how large it is shown; empty: it needs nothing.
    pub(super) layers: LayerSet,
    /// Bits a second of each layer.
    pub(super) rates: [u32; Layer::LIMIT],
    /// The highest temporal layer of the stream; 0 when it has no others.
    pub(super) temporal: u8,
}

impl Claim {
    /// All that it could use.
    pub(super) fn whole(&self) -> Option<Portion> {
        let layer = (0..Layer::LIMIT as u8).rev().map(Layer).find(|layer| self.layers.contains(*layer))?;
        Some(Portion { layer, temporal: self.temporal })
    }

    /// Bits a second of a portion.
    pub(super) fn cost(&self, portion: Option<Portion>) -> f64 {
        let Some(portion) = portion else { return 0.0 };
        let rate = f64::from(self.rates[usize::from(portion.layer.0 & 3)]);
        let lacking = usize::from(self.temporal.saturating_sub(portion.temporal)).min(2);
        rate * SHARES[usize::from(self.temporal.min(2))][lacking]
    }

    fn smaller(&self, portion: Portion) -> Option<Portion> {
        let layer = (0..portion.layer.0).rev().map(Layer).find(|layer| self.layers.contains(*layer))?;
        Some(Portion { layer, ..portion })
    }

    fn slower(portion: Portion) -> Option<Portion> {
        Some(Portion { temporal: portion.temporal.checked_sub(1)?, ..portion })
    }
}

/// Shares out `budget` bits a second; `portions` is as long as `claims`.
pub(super) fn share(budget: f64, claims: &[Claim], portions: &mut Vec<Option<Portion>>) {
    portions.clear();
    portions.extend(claims.iter().map(Claim::whole));
    let mut cost: f64 = claims.iter().zip(portions.iter()).map(|(claim, portion)| claim.cost(*portion)).sum();
    for (rank, relief) in ORDER {
        while cost > budget {
            let Some(saved) = give_up(rank, relief, claims, portions) else { break };
            cost -= saved;
        }
    }
}

/// One step less of one picture of this rank: the one that costs most. Bits a second that it saves.
fn give_up(rank: Rank, relief: Relief, claims: &[Claim], portions: &mut [Option<Portion>]) -> Option<f64> {
    let steps = claims.iter().enumerate().filter(|(_, claim)| claim.rank == rank).filter_map(|(at, claim)| {
        let present = portions[at]?;
        let less = match relief {
            Relief::Nothing => None,
            Relief::Resolution => Some(Some(claim.smaller(present)?)),
            Relief::FrameRate => Some(Some(Claim::slower(present)?)),
            Relief::Pictures => Some(None),
        }?;
        Some((at, less, claim.cost(Some(present)) - claim.cost(less)))
    });
    // The last of equals, so that the seats keep their order.
    let (at, less, saved) = steps.max_by(|a, b| a.2.total_cmp(&b.2))?;
    portions[at] = less;
    Some(saved)
}

/// The most that is lacking in any picture.
pub(super) fn relief(claims: &[Claim], portions: &[Option<Portion>]) -> Relief {
    let lacks = |(claim, portion): (&Claim, &Option<Portion>)| match (claim.whole(), portion) {
        (None, _) => Relief::Nothing,
        (Some(_), None) => Relief::Pictures,
        (Some(whole), Some(portion)) if portion.temporal < whole.temporal => Relief::FrameRate,
        (Some(whole), Some(portion)) if portion.layer < whole.layer => Relief::Resolution,
        (Some(_), Some(_)) => Relief::Nothing,
    };
    claims.iter().zip(portions).map(lacks).max().unwrap_or_default()
}

/// What is given up first stands first.
const ORDER: [(Rank, Relief); 12] = [
    (Rank::Other, Relief::Resolution),
    (Rank::Other, Relief::FrameRate),
    (Rank::Other, Relief::Pictures),
    (Rank::Screen, Relief::Resolution),
    (Rank::Screen, Relief::FrameRate),
    (Rank::Screen, Relief::Pictures),
    (Rank::Speaker, Relief::Resolution),
    (Rank::Judge, Relief::Resolution),
    (Rank::Speaker, Relief::FrameRate),
    (Rank::Judge, Relief::FrameRate),
    (Rank::Speaker, Relief::Pictures),
    (Rank::Judge, Relief::Pictures),
];

/// The part of a layer's bits in its lower temporal layers, by how many it has above the first and how many are left out; as
/// encoders share them out (libvpx: 60:40, and 40:20:40).
const SHARES: [[f64; 3]; 3] = [[1.0, 1.0, 1.0], [1.0, 0.6, 0.6], [1.0, 0.6, 0.4]];

#[cfg(test)]
mod tests {
    use super::*;

    const HIGH: Option<Portion> = Some(Portion { layer: Layer(1), temporal: 2 });
    const LOW: Option<Portion> = Some(Portion { layer: Layer(0), temporal: 2 });
    const SLOW: Option<Portion> = Some(Portion { layer: Layer(0), temporal: 0 });

    fn claim(rank: Rank) -> Claim {
        Claim { rank, layers: LayerSet(0b11), rates: [200_000, 1_500_000, 0, 0], temporal: 2 }
    }

    fn shared(budget: u32, ranks: &[Rank]) -> Vec<Option<Portion>> {
        let claims: Vec<_> = ranks.iter().copied().map(claim).collect();
        let mut portions = Vec::new();
        share(f64::from(budget), &claims, &mut portions);
        portions
    }

    #[test]
    fn pictures_are_given_up_in_the_order_of_the_house() {
        let all = [Rank::Judge, Rank::Speaker, Rank::Other, Rank::Other];
        assert_eq!(shared(6_000_000, &all), [HIGH, HIGH, HIGH, HIGH]);
        assert_eq!(shared(5_000_000, &all), [HIGH, HIGH, HIGH, LOW]);
        assert_eq!(shared(3_400_000, &all), [HIGH, HIGH, LOW, LOW]);
        assert_eq!(shared(3_170_000, &all), [HIGH, HIGH, SLOW, SLOW]);
        assert_eq!(shared(3_100_000, &all), [HIGH, HIGH, SLOW, None]);
        assert_eq!(shared(3_000_000, &all), [HIGH, HIGH, None, None]);
        assert_eq!(shared(1_800_000, &all), [HIGH, LOW, None, None]);
        assert_eq!(shared(400_000, &all), [LOW, LOW, None, None]);
        assert_eq!(shared(300_000, &all), [LOW, SLOW, None, None]);
        assert_eq!(shared(170_000, &all), [SLOW, SLOW, None, None]);
        assert_eq!(shared(90_000, &all), [SLOW, None, None, None]);
        assert_eq!(shared(50_000, &all), [None, None, None, None]);
    }

    #[test]
    fn a_stream_without_layers_is_kept_or_given_up_whole() {
        let plain = Claim { layers: LayerSet(1), temporal: 0, ..claim(Rank::Other) };
        let mut portions = Vec::new();
        share(199_999.0, &[plain, Claim { rank: Rank::Judge, ..plain }], &mut portions);
        assert_eq!(portions, [None, None]);
        share(200_000.0, &[plain, Claim { rank: Rank::Judge, ..plain }], &mut portions);
        assert_eq!(portions, [None, Some(Portion { layer: Layer(0), temporal: 0 })]);
    }

    #[test]
    fn what_is_lacking_is_told_by_the_worst_picture() {
        let claims = [claim(Rank::Judge), claim(Rank::Other), Claim { layers: LayerSet::EMPTY, ..claim(Rank::Other) }];
        assert_eq!(relief(&claims, &[HIGH, HIGH, None]), Relief::Nothing);
        assert_eq!(relief(&claims, &[HIGH, LOW, None]), Relief::Resolution);
        assert_eq!(relief(&claims, &[LOW, SLOW, None]), Relief::FrameRate);
        assert_eq!(relief(&claims, &[LOW, None, None]), Relief::Pictures);
    }
}
