//! What an H.264 decoder says that it takes (RFC 6184, section 8.1; ITU-T H.264, table A-1).

/// The most pixels of a picture and the most kbit/s of a decoder with these parameters; 0 for what they do not tell.
pub(super) fn limits(parameters: &str) -> (u32, u32) {
    let value = |name: &str| {
        parameters
            .split(';')
            .filter_map(|part| part.trim().split_once('='))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
    };
    let number = |name: &str| value(name).and_then(|(_, value)| value.trim().parse::<u32>().ok());
    let level = value("profile-level-id").and_then(|(_, id)| u32::from_str_radix(id.trim(), 16).ok());
    // Without a level it is the lowest one (RFC 6184, section 8.1); terminals that say nothing are known to take more.
    let of_level = level.and_then(|id| LEVELS.iter().rev().find(|(level, ..)| *level <= id & 0xff)).copied();
    let (_, blocks, kbps) = of_level.unwrap_or_default();
    let blocks = number("max-fs").map_or(blocks, |more| blocks.max(more.min(MOST_BLOCKS)));
    (blocks * BLOCK, number("max-br").map_or(kbps, |more| kbps.max(more)))
}

/// Level, macroblocks of a picture, kbit/s.
const LEVELS: [(u32, u32, u32); 14] = [
    (10, 99, 64),
    (11, 396, 192),
    (12, 396, 384),
    (13, 396, 768),
    (20, 396, 2_000),
    (21, 792, 4_000),
    (22, 1_620, 4_000),
    (30, 1_620, 10_000),
    (31, 3_600, 14_000),
    (32, 5_120, 20_000),
    (40, 8_192, 20_000),
    (42, 8_704, 50_000),
    (50, 22_080, 135_000),
    (51, 36_864, 240_000),
];
/// Pixels of a macroblock.
const BLOCK: u32 = 256;
const MOST_BLOCKS: u32 = 139_264;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoder_takes_what_its_level_says_or_more_if_it_says_more() {
        assert_eq!(limits("profile-level-id=42e01f;packetization-mode=1"), (1280 * 720, 14_000));
        assert_eq!(limits("packetization-mode=0; profile-level-id=42800D"), (352 * 288, 768));
        assert_eq!(limits("profile-level-id=42800d;max-fs=3600;max-br=2000"), (1280 * 720, 2_000));
        assert_eq!(limits("profile-level-id=428014;max-br=10"), (396 * 256, 2_000), "parameters never lessen a level");
        assert_eq!(limits("profile-level-id=tall"), (0, 0));
        assert_eq!(limits("max-fs=4294967295"), (139_264 * 256, 0));
    }
}
