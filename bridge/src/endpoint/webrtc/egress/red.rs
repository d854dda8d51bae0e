//! Sound that carries the sound before it once more (RFC 2198), for clients whose line loses packets.

use bytes::Bytes;

/// How many packets before are carried along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Redundancy {
    #[default]
    None,
    One,
    Two,
}

impl Redundancy {
    /// What loss asks for, 0.0 to 1.0. Once begun it goes on until there is next to no loss.
    pub(super) fn after(self, loss: f64) -> Self {
        match (self, loss) {
            (_, loss) if loss >= MUCH => Self::Two,
            (Self::Two, loss) if loss >= MUCH / 2.0 => Self::Two,
            (_, loss) if loss >= SOME => Self::One,
            (Self::One | Self::Two, loss) if loss >= SOME / 4.0 => Self::One,
            (Self::None | Self::One | Self::Two, _) => Self::None,
        }
    }
}

/// The last packets of a slot.
#[derive(Debug, Default)]
pub(super) struct Red {
    /// Sequence number, timestamp and payload, the older first.
    kept: [Option<(u16, u32, Bytes)>; 2],
}

impl Red {
    /// Writes what goes before the payload of the packet with this number and time, and keeps that payload for the next ones.
    /// False when there is nothing to carry: the packet goes out plainly.
    pub(super) fn write(
        &mut self,
        redundancy: Redundancy,
        payload_type: u8,
        (sequence, timestamp, payload): (u16, u32, &Bytes),
        out: &mut Vec<u8>,
    ) -> bool {
        let wanted = match redundancy {
            Redundancy::None => 0,
            Redundancy::One => 1,
            Redundancy::Two => 2,
        };
        let fits = |distance: u16| {
            move |(of, at, kept): &&(u16, u32, Bytes)| {
                let since = timestamp.wrapping_sub(*at);
                sequence.wrapping_sub(*of) == distance && since <= LONGEST && kept.len() <= LARGEST
            }
        };
        let older = self.kept[0].as_ref().filter(|_| wanted > 1).filter(fits(2));
        let newer = self.kept[1].as_ref().filter(|_| wanted > 0).filter(fits(1));
        let blocks = [older, newer];
        for (_, at, kept) in blocks.into_iter().flatten() {
            let head = u32::from(0x80 | payload_type) << 24 | timestamp.wrapping_sub(*at) << 10 | kept.len() as u32;
            out.extend_from_slice(&head.to_be_bytes());
        }
        let any = blocks.iter().any(Option::is_some);
        if any {
            out.push(payload_type);
            blocks.into_iter().flatten().for_each(|(_, _, kept)| out.extend_from_slice(kept));
        }
        self.kept.rotate_left(1);
        self.kept[1] = Some((sequence, timestamp, payload.clone()));
        any
    }
}

/// Loss from which one packet is carried along, and from which two are.
const SOME: f64 = 0.02;
const MUCH: f64 = 0.08;
/// What the header of a block can tell: 14 bits of time, 10 bits of length.
const LONGEST: u32 = 0x3fff;
const LARGEST: usize = 0x3ff;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_before_are_carried_along_as_the_rfc_has_it() {
        let mut red = Red::default();
        let mut write = |redundancy, number: u16, payload: &'static [u8]| {
            let mut out = Vec::new();
            let payload = Bytes::from_static(payload);
            red.write(redundancy, 111, (number, u32::from(number) * 960, &payload), &mut out).then_some(out)
        };
        assert_eq!(write(Redundancy::Two, 1, b"a"), None, "there is none before");
        let one = write(Redundancy::Two, 2, b"bb").unwrap();
        assert_eq!(one, [&[0x80 | 111, 15, 0, 1][..], &[111], b"a"].concat());
        let two = write(Redundancy::Two, 3, b"ccc").unwrap();
        assert_eq!(two, [&[0x80 | 111, 30, 0, 1][..], &[0x80 | 111, 15, 0, 2], &[111], b"abb"].concat());
        assert_eq!(write(Redundancy::None, 4, b"d"), None);
        assert_eq!(write(Redundancy::One, 6, b"f"), None, "5 is missing, and 4 can't stand for it");
    }

    #[test]
    fn redundancy_follows_loss_and_does_not_flutter() {
        let steps =
            [(0.01, Redundancy::None), (0.03, Redundancy::One), (0.01, Redundancy::One), (0.1, Redundancy::Two)];
        let mut redundancy = Redundancy::None;
        for (loss, wanted) in steps.into_iter().chain([(0.05, Redundancy::Two), (0.001, Redundancy::None)]) {
            redundancy = redundancy.after(loss);
            assert_eq!(redundancy, wanted, "{loss}");
        }
    }
}
