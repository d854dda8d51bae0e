//! Bits of parameter sets, as H.264 and H.265 write them.

/// Takes out the bytes that keep start codes from appearing (H.264, section 7.4.1; H.265, section 7.4.2).
pub(super) fn without_emulation(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len());
    let mut zeros = 0;
    for &byte in data {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

/// Reads bit by bit; `None` at the end.
pub(super) struct Bits<'a> {
    pub(super) data: &'a [u8],
    /// In bits.
    pub(super) at: usize,
}

impl Bits<'_> {
    pub(super) fn bit(&mut self) -> Option<bool> {
        let byte = self.data.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// u(n), at most 32 bits.
    pub(super) fn fixed(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            value = value << 1 | u32::from(self.bit()?);
        }
        Some(value)
    }

    /// ue(v), section 9.1 of H.264, 9.2 of H.265.
    pub(super) fn unsigned(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let mut value: u32 = 1;
        for _ in 0..zeros {
            value = value << 1 | u32::from(self.bit()?);
        }
        Some(value - 1)
    }

    /// se(v).
    pub(super) fn signed(&mut self) -> Option<i64> {
        let code = i64::from(self.unsigned()?);
        Some(if code % 2 == 1 { (code + 1) / 2 } else { -(code / 2) })
    }

    /// ue(v) that may not be above `limit`.
    pub(super) fn small(&mut self, limit: u8) -> Option<u8> {
        u8::try_from(self.unsigned()?).ok().filter(|value| *value <= limit)
    }
}
