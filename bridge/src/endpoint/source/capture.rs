//! When a frame of a camera or device was captured, by this node's clock; its media times may jump, and may stand beside others.

use hearing_config::Timestamp;

pub(in crate::endpoint) use super::super::media::capture::SenderClock;

use super::super::media::capture::MediaClock;
use super::super::media::clock::ticks_micros;

/// The media clock of one track of a sender.
#[derive(Debug)]
pub(in crate::endpoint) struct SourceClock(MediaClock);

impl SourceClock {
    /// Of so many ticks a second.
    pub(in crate::endpoint) const fn new(rate: u32) -> Self {
        Self(MediaClock::new(rate))
    }

    /// The sender says that its time `ntp` (microseconds) is media time `time`.
    pub(in crate::endpoint) const fn report(&mut self, ntp: i64, time: i64) {
        self.0.report(ntp, time);
    }

    /// When the moment of media time `time` was, which arrived at `arrival`.
    pub(in crate::endpoint) fn captured(&mut self, time: i64, arrival: Timestamp, sender: &SenderClock) -> Timestamp {
        self.0.arrive_anew(time, arrival);
        self.0.captured(time, sender)
    }

    /// The same beside a track whose times are of the same clock, if they are: whichever of both comes with less delay says when both
    /// were captured. `beside` is [`Self::earliest`] of the other one.
    pub(in crate::endpoint) fn captured_beside(
        &mut self,
        time: i64,
        arrival: Timestamp,
        beside: Option<i64>,
    ) -> Timestamp {
        let own = self.0.arrive_anew(time, arrival);
        let same = beside.filter(|other| (other - own).abs() < SAME);
        Timestamp(same.map_or(own, |other| other.min(own)) + ticks_micros(time, self.0.rate()))
    }

    /// The smallest difference of arrival and media time, in microseconds.
    pub(in crate::endpoint) const fn earliest(&self) -> Option<i64> {
        self.0.earliest()
    }
}

/// Sound and picture of one clock are not further apart on their way.
const SAME: i64 = 500_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_late_was_not_captured_late() {
        let (mut clock, sender) = (SourceClock::new(90_000), SenderClock::default());
        let captured: Vec<_> = [(0, 1_000_000), (3_600, 1_090_000), (7_200, 1_080_000)]
            .map(|(time, arrival)| clock.captured(time, Timestamp(arrival), &sender).0)
            .into();
        assert!(captured[1] - 1_040_000 < 50 && captured[2] - 1_080_000 < 50, "{captured:?}");
    }

    #[test]
    fn reports_bring_sound_and_picture_onto_one_line_although_one_is_late() {
        let (mut sound, mut picture, mut sender) =
            (SourceClock::new(8_000), SourceClock::new(90_000), SenderClock::default());
        sender.report(500_000, Timestamp(10_500_000));
        sound.report(500_000, 4_000);
        picture.report(500_000, 45_000);
        let heard = sound.captured(4_000, Timestamp(10_500_000), &sender);
        let seen = picture.captured(45_000, Timestamp(10_700_000), &sender);
        assert_eq!((heard, seen), (Timestamp(10_500_000), Timestamp(10_500_000)));
    }

    #[test]
    fn sound_that_waits_to_fill_its_packets_stands_on_the_picture_of_the_same_clock_and_on_no_other() {
        let (mut sound, mut picture) = (SourceClock::new(8_000), SourceClock::new(90_000));
        let seen = picture.captured_beside(90_000, Timestamp(9_005_000), sound.earliest());
        let heard = sound.captured_beside(8_000, Timestamp(9_045_000), picture.earliest());
        assert_eq!((seen, heard), (Timestamp(9_005_000), Timestamp(9_005_000)));
        let mut other = SourceClock::new(8_000);
        let heard = other.captured_beside(800_000, Timestamp(9_045_000), picture.earliest());
        assert_eq!(heard, Timestamp(9_045_000), "it counts from elsewhere");
    }

    #[test]
    fn a_camera_is_followed_over_eight_hours_at_100_ppm_with_and_without_reports() {
        for (ppm, every) in [(100, Some(5_000)), (-100, Some(5_000)), (100, Some(10_000)), (100, None), (-100, None)] {
            let (mut clock, mut sender, mut worst) = (SourceClock::new(90_000), SenderClock::default(), 0);
            for ms in (0..8 * 3_600_000_i64).step_by(100) {
                let (wall, arrival) = (ms * 1_000, Timestamp((ms + 20 + (ms * 7_919 / 100) % 60) * 1_000));
                let time = ms * 90 + ms * 90 * ppm / 1_000_000;
                if every.is_some_and(|every| ms % every == 0) {
                    sender.report(wall + ms * ppm / 1_000, arrival);
                    clock.report(wall + ms * ppm / 1_000, time);
                }
                let captured = clock.captured(time, arrival, &sender);
                worst = if ms > 60_000 { worst.max((captured.0 - wall).abs()) } else { worst };
            }
            assert!(worst <= 40_000, "{ppm} ppm, reports every {every:?} ms: {worst} us");
        }
    }

    #[test]
    fn a_report_beyond_belief_is_not_believed_and_a_clock_that_was_set_is_followed() {
        let (mut clock, mut sender) = (SourceClock::new(90_000), SenderClock::default());
        sender.report(0, Timestamp(1_000_000));
        clock.report(9_000_000, 0);
        assert_eq!(clock.captured(0, Timestamp(1_000_000), &sender), Timestamp(1_000_000));
        sender.report(9_000_000, Timestamp(1_000_000));
        assert_eq!(clock.captured(0, Timestamp(1_000_000), &sender), Timestamp(1_000_000));
        assert_eq!(sender.local(9_000_000), Some(Timestamp(1_000_000)));
    }
}
