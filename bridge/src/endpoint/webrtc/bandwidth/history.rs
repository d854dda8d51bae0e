//! When what was sent: transport-wide numbers follow each other without a gap, so a queue is enough.

use std::collections::VecDeque;

use super::super::rtp::Unwrap;

/// A packet on its way, or told of lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sent {
    /// Microseconds since the session began.
    pub(super) at: i64,
    pub(super) bytes: u16,
}

/// The packets of the last two seconds, at most 4,096.
#[derive(Debug)]
pub(super) struct History {
    packets: VecDeque<Sent>,
    /// The unwrapped number of the first.
    first: i64,
    unwrap: Unwrap,
}

impl History {
    pub(super) const fn new() -> Self {
        Self { packets: VecDeque::new(), first: 0, unwrap: Unwrap::DEFAULT }
    }

    /// A packet was sent under the transport-wide number `number`; its unwrapped number.
    pub(super) fn push(&mut self, number: u16, sent: Sent) -> i64 {
        let number = self.unwrap.unwrap(u32::from(number), 16);
        let next = self.first + self.packets.len() as i64;
        if number != next {
            self.packets.clear();
            self.first = number;
        }
        while self.packets.front().is_some_and(|first| sent.at - first.at > AGE || self.packets.len() >= LIMIT) {
            self.packets.pop_front();
            self.first += 1;
        }
        self.packets.push_back(sent);
        number
    }

    /// The full value of a number that a client names.
    pub(super) fn unwrap(&self, number: u16) -> i64 {
        self.unwrap.peek(u32::from(number), 16)
    }

    /// What was sent under an unwrapped number; `None` when that is long ago, or never was.
    pub(super) fn get(&self, number: i64) -> Option<Sent> {
        let place = usize::try_from(number - self.first).ok()?;
        self.packets.get(place).copied()
    }
}

/// Microseconds that a packet is remembered.
const AGE: i64 = 2_000_000;
const LIMIT: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(at: i64) -> Sent {
        Sent { at, bytes: 100 }
    }

    #[test]
    fn packets_are_found_by_their_number_over_its_end() {
        let mut history = History::new();
        for n in 0..10_u16 {
            history.push(65_530_u16.wrapping_add(n), sent(i64::from(n)));
        }
        assert_eq!(history.get(history.unwrap(65_533)), Some(sent(3)));
        assert_eq!(history.get(history.unwrap(2)), Some(sent(8)));
        assert_eq!(history.get(history.unwrap(4)), None);
    }

    #[test]
    fn it_is_bounded_in_number_and_age() {
        let mut history = History::new();
        (0..5_000).for_each(|n| _ = history.push(n, sent(0)));
        assert_eq!(history.packets.len(), LIMIT);
        assert_eq!(history.get(903), None);
        assert_eq!(history.get(904), Some(sent(0)));
        history.push(5_000, sent(AGE + 1));
        assert_eq!(history.packets.len(), 1);
        assert_eq!(history.get(5_000), Some(sent(AGE + 1)));
    }
}
