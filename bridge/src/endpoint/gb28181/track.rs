//! One track of a device: its times on one line, whatever the device's clock does.

use hearing_config::{Codec, Kind, Timestamp};
use hearing_proto::ps::{Adts, CLOCK_RATE, Unit};

use crate::endpoint::source::{Coded, Cutter, SourceClock};
use crate::router::Packet;

/// From units of an elementary stream to packets.
pub(super) struct Track {
    codec: Codec,
    stream: u8,
    cutter: Cutter,
    clock: SourceClock,
    times: Times,
    /// When the next sound begins if it follows at once, in ticks.
    next: Option<i64>,
    /// What rounding has left of ticks, in shares of the rate of AAC.
    rest: i64,
}

impl Track {
    pub(super) fn new(codec: Codec, stream: u8) -> Self {
        let (cutter, clock) = (Cutter::new(codec, Vec::new()), SourceClock::new(codec.clock_rate()));
        Self { codec, stream, cutter, clock, times: Times::default(), next: None, rest: 0 }
    }

    pub(super) const fn codec(&self) -> Codec {
        self.codec
    }

    pub(super) const fn kind(&self) -> Kind {
        match self.codec {
            Codec::H264 | Codec::H265 | Codec::Vp8 => Kind::Video,
            Codec::Opus | Codec::Pcma | Codec::Pcmu | Codec::G722 | Codec::Aac => Kind::Audio,
        }
    }

    /// Its id in the program stream.
    pub(super) const fn stream(&self) -> u8 {
        self.stream
    }

    /// By how much its fastest unit came later than its time says, in microseconds.
    pub(super) fn earliest(&self) -> Option<i64> {
        self.clock.earliest()
    }

    /// The packets of a unit that came at `arrival`; `beside` is [`Self::earliest`] of the other track of the stream.
    pub(super) fn cut(&mut self, unit: &Unit, arrival: Timestamp, beside: Option<i64>) -> Vec<Packet> {
        if unit.after_loss {
            self.cutter.lose();
        }
        let time = self.times.at(unit.pts, arrival);
        let media_time = match self.kind() {
            Kind::Video | Kind::Screen => time,
            Kind::Audio => self.counted(time, &unit.data),
        };
        let captured = self.clock.captured_beside(media_time, arrival, beside);
        self.cutter.cut(Coded { media_time, captured, data: &unit.data })
    }

    /// Devices tell the times of sound roughly: as long as they are near, samples are counted.
    fn counted(&mut self, time: i64, data: &[u8]) -> i64 {
        let rate = i64::from(self.codec.clock_rate());
        let told = time * rate / i64::from(CLOCK_RATE);
        let begins = self.next.filter(|next| (told - next).abs() <= rate / ROUGHLY).unwrap_or(told);
        self.next = Some(begins + self.length(data));
        begins
    }

    /// How long a piece of sound lasts, in ticks: a byte of G.711 is one.
    fn length(&mut self, data: &[u8]) -> i64 {
        let Some(adts) = Adts::read(data).filter(|_| self.codec == Codec::Aac) else { return data.len() as i64 };
        let shares = SAMPLES * i64::from(self.codec.clock_rate()) + self.rest;
        self.rest = shares % i64::from(adts.rate);
        shares / i64::from(adts.rate)
    }
}

/// Times of a program stream, 33 bits at 90 kHz, on a line that never jumps: not when they wrap, not when the device sets its clock,
/// not when it tells none.
#[derive(Debug, Default)]
struct Times {
    last: Option<Last>,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    told: u64,
    time: i64,
    arrival: Timestamp,
}

impl Times {
    fn at(&mut self, told: Option<u64>, arrival: Timestamp) -> i64 {
        let Some(last) = self.last else {
            let first = told.unwrap_or_default();
            self.last = Some(Last { told: first, time: first as i64, arrival });
            return first as i64;
        };
        let passed = arrival.since(last.arrival) * i64::from(CLOCK_RATE) / 1_000_000;
        let step = told.map_or(passed, |told| apart(told, last.told));
        let step = if (step - passed).abs() > LEAP { passed } else { step };
        let told = told.unwrap_or_else(|| last.told.wrapping_add_signed(step) & (RANGE - 1));
        let time = last.time + step;
        self.last = Some(Last { told, time, arrival });
        time
    }
}

/// From `before` to `after`, the shorter way round.
const fn apart(after: u64, before: u64) -> i64 {
    let forward = after.wrapping_sub(before) & (RANGE - 1);
    if forward < RANGE / 2 { forward as i64 } else { forward as i64 - RANGE as i64 }
}

const RANGE: u64 = 1 << 33;
/// A step that differs more from the time that passed is a clock that was set: five seconds.
const LEAP: i64 = 5 * CLOCK_RATE as i64;
/// Of a frame of AAC.
const SAMPLES: i64 = 1_024;
/// A tenth of a second.
const ROUGHLY: i64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: i64) -> Timestamp {
        Timestamp(millis * 1_000)
    }

    #[test]
    fn times_that_wrap_are_set_or_are_missing_go_on_without_a_jump() {
        let mut times = Times::default();
        let first = RANGE - 1_800;
        assert_eq!(times.at(Some(first), ms(0)), first as i64);
        assert_eq!(times.at(Some(1_800), ms(40)), first as i64 + 3_600, "it wraps");
        assert_eq!(times.at(None, ms(80)), first as i64 + 7_200, "none is told");
        assert_eq!(times.at(Some(9_000), ms(120)), first as i64 + 10_800, "it tells again");
        assert_eq!(times.at(Some(900_000_000), ms(160)), first as i64 + 14_400, "its clock was set");
        assert_eq!(times.at(Some(900_003_600), ms(200)), first as i64 + 18_000, "it goes on from there");
        assert_eq!(times.at(Some(900_001_800), ms(201)), first as i64 + 16_200, "pictures may come in another order");
    }

    fn sound(track: &mut Track, pts: u64, arrival: i64, count: usize) -> i64 {
        let data = vec![0xd5; count];
        let unit =
            Unit { stream: 0xc0, codec: hearing_proto::ps::Codec::Pcma, pts: Some(pts), data, after_loss: false };
        track.cut(&unit, ms(arrival), None)[0].media_time
    }

    #[test]
    fn sound_is_counted_in_samples_until_its_times_say_otherwise() {
        let mut track = Track::new(Codec::Pcma, 0xc0);
        assert_eq!(sound(&mut track, 0, 0, 320), 0);
        assert_eq!(sound(&mut track, 3_700, 40, 320), 320, "a rough time");
        assert_eq!(sound(&mut track, 90_000, 1_000, 320), 8_000, "a pause");
    }

    #[test]
    fn aac_is_counted_at_48_khz_whatever_it_was_sampled_at_and_rounding_does_not_add_up() {
        let mut track = Track::new(Codec::Aac, 0xc0);
        let frame = Adts::wrap([0x12, 0x10], &[7; 300]).unwrap();
        let mut at = |n: i64| {
            let (pts, data) = (Some((n * 90 * 1_024 * 10 / 441) as u64), frame.clone());
            let unit = Unit { stream: 0xc0, codec: hearing_proto::ps::Codec::Aac, pts, data, after_loss: false };
            track.cut(&unit, ms(n * 1_024 * 10 / 441), None)[0].media_time
        };
        let times: Vec<_> = (0..=441).map(&mut at).collect();
        assert_eq!((times[0], times[1], times[2], times[441]), (0, 1_114, 2_229, 1_024 * 480));
    }
}
