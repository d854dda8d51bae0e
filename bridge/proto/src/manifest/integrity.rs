//! The integrity value (完整性校验值): a short value that a clerk reads out, parties sign, and `verify` computes again.

use std::fmt;
use std::str::FromStr;

use super::hash::{Hash, HashAlg};

/// 40 decimal digits (132.8 bits) in ten groups of four, and a check group. Digits are what is read out without mistakes
/// in any language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IntegrityValue([u16; GROUPS]);

/// A text that is no integrity value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoValue {
    /// Not 44 digits.
    #[error("an integrity value has 44 digits in 11 groups, this has {0}")]
    Length(usize),
    /// The last group does not fit the others.
    #[error("a digit was misread or two groups were exchanged: the check group does not fit")]
    Check,
}

impl IntegrityValue {
    /// The value of a final checkpoint, from its text as the hearing's key signed it.
    #[must_use]
    pub fn of(alg: HashAlg, checkpoint: &str) -> Self {
        Self::from_hash(alg.hash(&[b"court-rec/1 integrity value\n", checkpoint.as_bytes()]))
    }

    /// The hash as a number, big endian, modulo 10^40.
    fn from_hash(hash: Hash) -> Self {
        let mut number = hash.0;
        let mut groups = [0; GROUPS];
        for group in groups.iter_mut().rev() {
            let mut rest = 0_u32;
            for byte in &mut number {
                let part = rest << 8 | u32::from(*byte);
                (*byte, rest) = ((part / BASE) as u8, part % BASE);
            }
            *group = rest as u16;
        }
        Self(groups)
    }

    /// The 40 digits as a number, modulo a prime just below 10^4: it changes with any one digit, and with nearly every
    /// exchange of digits or groups.
    fn check(&self) -> u16 {
        let rest = self.0.iter().fold(0, |rest, group| (rest * BASE + u32::from(*group)) % PRIME);
        rest as u16
    }
}

impl fmt::Display for IntegrityValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|group| write!(f, "{group:04} "))?;
        write!(f, "{:04}", self.check())
    }
}

impl FromStr for IntegrityValue {
    type Err = NoValue;

    /// Everything that is no digit is passed over; full-width digits count.
    fn from_str(text: &str) -> Result<Self, NoValue> {
        let digits: Vec<u16> = text.chars().filter_map(digit).collect();
        if digits.len() != (GROUPS + 1) * 4 {
            return Err(NoValue::Length(digits.len()));
        }
        let mut groups = digits.chunks(4).map(|group| group.iter().fold(0, |sum, digit| sum * 10 + digit));
        let value = Self(std::array::from_fn(|_| groups.next().unwrap_or_default()));
        if groups.next() == Some(value.check()) { Ok(value) } else { Err(NoValue::Check) }
    }
}

fn digit(c: char) -> Option<u16> {
    let plain = match c {
        '０'..='９' => char::from_u32(u32::from(c) - u32::from('０') + u32::from('0'))?,
        other => other,
    };
    plain.to_digit(10).map(|digit| digit as u16)
}

const GROUPS: usize = 10;
const BASE: u32 = 10_000;
const PRIME: u32 = 9_973;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_value_is_the_hash_modulo_ten_to_the_fortieth() {
        let mut low = [0; 32];
        low[31] = 0x39;
        low[30] = 0x30;
        assert!(IntegrityValue::from_hash(Hash(low)).to_string().starts_with("0000 0000"));
        assert!(IntegrityValue::from_hash(Hash(low)).to_string().contains("0001 2345 "));
        // (2^256 - 1) mod 10^40
        let top = IntegrityValue::from_hash(Hash([0xff; 32])).to_string();
        assert!(top.starts_with("3269 9846 6564 0564 0394 5758 4007 9131 2963 9935 "), "{top}");
    }

    proptest! {
        #[test]
        fn what_was_read_out_is_read_back(bytes: [u8; 32]) {
            let value = IntegrityValue::from_hash(Hash(bytes));
            prop_assert_eq!(value.to_string().parse(), Ok(value));
            let wide: String = value.to_string().chars().map(|c| c.to_digit(10).map_or('-', |d| char::from_u32(0xff10 + d).unwrap())).collect();
            prop_assert_eq!(wide.parse(), Ok(value));
        }

        #[test]
        fn one_misread_digit_is_noticed(bytes: [u8; 32], at in 0usize..40, by in 1u8..10) {
            let text = IntegrityValue::from_hash(Hash(bytes)).to_string();
            let mut digits: Vec<u8> = text.bytes().filter(u8::is_ascii_digit).collect();
            digits[at] = b'0' + (digits[at] - b'0' + by) % 10;
            prop_assert_eq!(String::from_utf8(digits).unwrap().parse::<IntegrityValue>(), Err(NoValue::Check));
        }
    }
}
