//! How the room of a terminal sounds: what was measured last, and what measures it where the terminal is handed nothing.

use std::time::{Duration, Instant};

use hearing_config::Codec;
use hearing_signaling::hearing::{SeatQuality, SeatSound};

use super::call::Call;
use crate::router::{Feed, FeedInput, FeedOutput, Frame, Packet, Takes};

/// What was measured last.
#[derive(Debug, Clone, Copy, Default)]
pub struct Room {
    last: Option<(Instant, SeatSound)>,
    restarts: u32,
}

/// Measures the sound of a camera, or of a device that is not spoken to. Nothing runs before there is any.
pub struct Gauge<'a> {
    call: &'a Call,
    feed: Option<Box<dyn Feed>>,
}

impl Room {
    /// What a feed says; what is no measurement is left alone.
    pub fn take(&mut self, now: Instant, output: &FeedOutput) {
        match output {
            FeedOutput::Loudness(sound) => self.last = Some((now, *sound)),
            FeedOutput::Restarted => self.restarts += 1,
            FeedOutput::Sound(..) | FeedOutput::Picture(..) | FeedOutput::KeyFrame(..) | FeedOutput::Wish(_) => {}
        }
    }

    /// The figures with how the room sounds, unless that was long ago: then no sound comes any more.
    #[must_use]
    pub fn figures(&self, now: Instant, quality: SeatQuality) -> SeatQuality {
        let fresh = self.last.filter(|(at, _)| now.saturating_duration_since(*at) < STALE);
        SeatQuality { sound: fresh.map(|(_, sound)| sound), restarts: self.restarts, ..quality }
    }
}

impl<'a> Gauge<'a> {
    /// For the terminal of a call.
    #[must_use]
    pub const fn new(call: &'a Call) -> Self {
        Self { call, feed: None }
    }

    /// Sound of the terminal, whole frames.
    pub fn hear(&mut self, codec: Codec, packets: &[Packet]) {
        let feed = self.feed.get_or_insert_with(|| (self.call.feeds)(&self.call.seat, Takes::default()));
        own(packets).for_each(|frame| feed.handle(FeedInput::Own(codec, frame)));
    }

    /// What it has measured; never, before it heard something. Cancelling it loses nothing.
    pub async fn next(&mut self) -> FeedOutput {
        match &mut self.feed {
            Some(feed) => feed.next().await,
            None => std::future::pending().await,
        }
    }
}

/// The frames of packets.
pub fn own(packets: &[Packet]) -> impl Iterator<Item = Frame> {
    packets.chunk_by(|before, _| !before.frame_end).map(|packets| Frame { packets: packets.to_vec() })
}

/// Measurements come about once a second.
const STALE: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use hearing_config::Timestamp;

    use super::*;
    use crate::router::{Layer, Temporal};

    #[test]
    fn what_was_measured_stands_on_the_board_until_nothing_is_measured_any_more() {
        let (mut room, start) = (Room::default(), Instant::now());
        let figures = |room: &Room, seconds| room.figures(start + Duration::from_secs(seconds), SeatQuality::default());
        assert_eq!(figures(&room, 0).sound, None);
        let sound = SeatSound { peak: 3, mean: 20, clipped: 12, echo: 0 };
        room.take(start, &FeedOutput::Loudness(sound));
        room.take(start, &FeedOutput::Restarted);
        assert_eq!((figures(&room, 2).sound, figures(&room, 2).restarts), (Some(sound), 1));
        assert_eq!((figures(&room, 3).sound, figures(&room, 3).restarts), (None, 1));
    }

    #[test]
    fn packets_are_measured_by_whole_frames() {
        let packet = |index, frame_end| Packet {
            index,
            layer: Layer(0),
            media_time: 0,
            captured: Timestamp(0),
            frame_start: index == 0,
            frame_end,
            key: true,
            generation: 0,
            temporal: Temporal::default(),
            level: None,
            payload: Bytes::new(),
        };
        let packets = [packet(0, false), packet(1, true), packet(2, true)];
        let lengths: Vec<_> = own(&packets).map(|frame| frame.packets.len()).collect();
        assert_eq!(lengths, [2, 1]);
        assert_eq!(own(&[]).count(), 0);
    }
}
