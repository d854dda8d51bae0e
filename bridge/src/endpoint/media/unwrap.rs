//! Counters that wrap.

/// Unwraps 16- or 32-bit counters that may go back a little.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::endpoint) struct Unwrap {
    highest: Option<i64>,
}

impl Unwrap {
    /// Nothing seen yet.
    pub(in crate::endpoint) const DEFAULT: Self = Self { highest: None };

    /// The full value of a counter of `bits` bits, nearest to the highest seen.
    pub(in crate::endpoint) fn unwrap(&mut self, value: u32, bits: u32) -> i64 {
        let full = self.peek(value, bits);
        self.highest = Some(self.highest.map_or(full, |highest| highest.max(full)));
        full
    }

    /// Like [`Self::unwrap`], remembering nothing.
    pub(in crate::endpoint) fn peek(&self, value: u32, bits: u32) -> i64 {
        let Some(highest) = self.highest else { return i64::from(value) };
        let range = 1_i64 << bits;
        let forward = (i64::from(value) - highest).rem_euclid(range);
        highest + if forward >= range / 2 { forward - range } else { forward }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_unwrap_over_the_end_and_back() {
        let mut unwrap = Unwrap::default();
        assert_eq!(unwrap.unwrap(65_534, 16), 65_534);
        assert_eq!(unwrap.unwrap(1, 16), 65_537);
        assert_eq!(unwrap.unwrap(65_535, 16), 65_535);
        assert_eq!(unwrap.unwrap(2, 16), 65_538);
        assert_eq!(unwrap.peek(65_533, 16), 65_533);
    }
}
