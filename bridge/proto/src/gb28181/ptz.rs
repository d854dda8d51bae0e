//! Orders to a camera that turns (GB/T 28181-2016, annex A.3): eight bytes, written in hexadecimal.

/// An order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ptz {
    /// Turn and zoom until told otherwise.
    Move(Move),
    /// Stop turning and zooming.
    Stop,
    /// Something about a preset, by its number, 1 to 255.
    Preset(PresetOrder, u8),
}

/// How a camera is to move. Speeds are signed: to the right, up and nearer are positive; 0 is no movement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Move {
    /// -255 to 255.
    pub pan: i16,
    /// -255 to 255.
    pub tilt: i16,
    /// -15 to 15.
    pub zoom: i8,
}

/// What to do with a preset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PresetOrder {
    /// Remember the present position.
    Set,
    /// Go there.
    Go,
    /// Forget it.
    Forget,
}

impl Ptz {
    /// The order's eight bytes, to the device at address 1.
    #[must_use]
    pub fn bytes(self) -> [u8; 8] {
        let (command, first, second, third) = match self {
            Self::Move(Move { pan, tilt, zoom }) => {
                let bit = |wanted: bool, bit: u8| if wanted { bit } else { 0 };
                let turn = bit(pan > 0, 0x01) | bit(pan < 0, 0x02) | bit(tilt < 0, 0x04) | bit(tilt > 0, 0x08);
                let speed = |value: i16| value.unsigned_abs().min(255) as u8;
                let zoomed = bit(zoom > 0, 0x10) | bit(zoom < 0, 0x20);
                (turn | zoomed, speed(pan), speed(tilt), zoom.unsigned_abs().min(15) << 4)
            }
            Self::Stop => (0, 0, 0, 0),
            Self::Preset(PresetOrder::Set, number) => (0x81, 0, number, 0),
            Self::Preset(PresetOrder::Go, number) => (0x82, 0, number, 0),
            Self::Preset(PresetOrder::Forget, number) => (0x83, 0, number, 0),
        };
        // The second byte: version 0, and the low half of the sum of the halves before it.
        let mut bytes = [0xa5, 0x0f, ADDRESS, command, first, second, third, 0];
        bytes[7] = bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte));
        bytes
    }

    /// As it stands in a message.
    #[must_use]
    pub fn hex(self) -> String {
        self.bytes().iter().map(|byte| format!("{byte:02X}")).collect()
    }
}

const ADDRESS: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_written_as_the_standard_has_them() {
        let right = Ptz::Move(Move { pan: 31, ..Move::default() });
        assert_eq!(right.hex(), "A50F01011F0000D5");
        let up_left = Ptz::Move(Move { pan: -16, tilt: 16, zoom: -2 });
        assert_eq!(up_left.hex(), "A50F012A1010201F");
        assert_eq!(Ptz::Stop.hex(), "A50F0100000000B5");
        assert_eq!(Ptz::Preset(PresetOrder::Go, 3).hex(), "A50F01820003003A");
    }

    #[test]
    fn speeds_beyond_the_range_are_the_fastest() {
        let bytes = Ptz::Move(Move { pan: -999, tilt: 300, zoom: 100 }).bytes();
        assert_eq!(bytes[4..7], [255, 255, 0xf0]);
    }
}
