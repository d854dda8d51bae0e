//! Puts the packets of one layer of a track together to whole frames, in order; gives a frame up that cannot become whole.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hearing_config::Kind;

use super::packet::{Frame, Packet};

/// Pure and bounded; told the time.
#[derive(Debug)]
pub(crate) struct Assembler {
    /// How long a hole may keep what came after it.
    patience: Duration,
    /// The index of the first slot of `window`.
    base: u64,
    /// What came and was not delivered yet, by index; a `None` is missing. Never ends with a `None`.
    window: VecDeque<Option<Arrival>>,
    /// Slots at the front that were looked at: all there, of one frame, and none its end.
    checked: usize,
    /// True once a frame was delivered or given up: nothing before `base` can matter any more.
    started: bool,
    /// True after a frame was given up whose rest may still come: it is thrown away.
    seeking: bool,
    whole: VecDeque<Frame>,
    skipped: u64,
    /// True since a frame was given up, until a key frame is whole.
    broken: bool,
}

impl Assembler {
    /// One that has seen nothing. What is missing of a picture may be on its way again; what is lost of sound comes with the next
    /// packet or not at all, and a hole in it must not become a longer one: it waits only for what came in another order.
    pub(crate) fn new(kind: Kind) -> Self {
        let patience = if kind.is_picture() { PICTURE } else { SOUND };
        let (window, whole) = Default::default();
        Self { patience, base: 0, window, checked: 0, started: false, seeking: false, whole, skipped: 0, broken: false }
    }

    /// A packet came; `poll_frame` may have something.
    pub(crate) fn handle_packet(&mut self, now: Instant, packet: &Packet) {
        if let Some(offset) = self.slot(packet.index) {
            if offset >= self.window.len() {
                self.window.resize_with(offset + 1, || None);
            }
            self.window[offset].get_or_insert_with(|| Arrival { at: now, packet: packet.clone() });
            self.collect();
        }
    }

    /// Gives up what waited too long.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while self.poll_timeout().is_some_and(|at| at <= now) {
            self.give_up();
            self.collect();
        }
    }

    /// When `handle_timeout` wants to be called.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let behind_the_hole = self.window.range(self.hole()..).flatten().next();
        behind_the_hole.map(|arrival| arrival.at + self.patience)
    }

    /// The next whole frame.
    pub(crate) fn poll_frame(&mut self) -> Option<Frame> {
        self.whole.pop_front()
    }

    /// How often frames were given up since the last call.
    pub(super) fn take_skipped(&mut self) -> u64 {
        std::mem::take(&mut self.skipped)
    }

    /// True when what was given up is mended by no key frame that came since, whole or in part.
    pub(super) fn needs_key(&self) -> bool {
        let comes = |arrival: &Arrival| arrival.packet.key && arrival.packet.frame_start;
        self.broken && !self.window.iter().flatten().any(comes)
    }

    /// Where in the window `index` belongs; `None` when its time is over.
    fn slot(&mut self, index: u64) -> Option<usize> {
        if self.window.is_empty() && !self.started {
            self.base = index;
        }
        if index >= self.base + WINDOW || index + WINDOW < self.base {
            self.skip(u64::from(!self.window.is_empty()));
            self.window.clear();
            (self.base, self.checked, self.started, self.seeking) = (index, 0, false, false);
        }
        if index < self.base {
            if self.started || self.base - index + self.window.len() as u64 > WINDOW {
                return None;
            }
            self.extend_front(index);
        }
        usize::try_from(index - self.base).ok()
    }

    /// Before the first frame nobody knows where the order begins.
    fn extend_front(&mut self, index: u64) {
        for _ in index..self.base {
            self.window.push_front(None);
        }
        (self.base, self.checked) = (index, 0);
    }

    fn collect(&mut self) {
        loop {
            if self.seeking {
                self.seek();
            }
            match self.examine() {
                Head::Waiting => return,
                Head::Broken(len) => {
                    self.skip(1);
                    self.remove(len);
                }
                Head::Whole(len) => {
                    let packets = self.remove(len).into_iter().map(|arrival| arrival.packet).collect();
                    let frame = Frame { packets };
                    self.broken &= !frame.head().key;
                    self.whole.push_back(frame);
                }
            }
        }
    }

    fn seek(&mut self) {
        while self.window.front().is_some_and(|slot| slot.as_ref().is_some_and(|a| !a.packet.frame_start)) {
            self.remove(1);
        }
        self.seeking = self.window.front().is_none_or(Option::is_none);
    }

    fn examine(&mut self) -> Head {
        let Some(Some(first)) = self.window.front() else { return Head::Waiting };
        if !first.packet.frame_start {
            return Head::Waiting;
        }
        while let Some(Some(arrival)) = self.window.get(self.checked) {
            let packet = &arrival.packet;
            if self.checked > 0 && (packet.frame_start || packet.media_time != first.packet.media_time) {
                return Head::Broken(self.checked);
            }
            if packet.frame_end {
                return Head::Whole(self.checked + 1);
            }
            self.checked += 1;
        }
        Head::Waiting
    }

    fn remove(&mut self, len: usize) -> Vec<Arrival> {
        self.base += len as u64;
        (self.checked, self.started) = (0, true);
        self.window.drain(..len).flatten().collect()
    }

    fn skip(&mut self, frames: u64) {
        self.skipped += frames;
        self.broken |= frames > 0;
    }

    /// The first slot that keeps the frame at the front from being whole.
    fn hole(&self) -> usize {
        match self.window.front() {
            Some(Some(first)) if first.packet.frame_start => self.checked,
            Some(_) | None => 0,
        }
    }

    fn give_up(&mut self) {
        let starts = |slot: &Option<Arrival>| slot.as_ref().is_some_and(|a| a.packet.frame_start);
        let hole = self.hole();
        let next = (hole..self.window.len()).find(|at| starts(&self.window[*at]));
        self.skip(1);
        self.seeking = next.is_none();
        self.remove(next.unwrap_or(self.window.len()));
    }
}

#[derive(Debug)]
struct Arrival {
    at: Instant,
    packet: Packet,
}

enum Head {
    /// So many slots are a frame.
    Whole(usize),
    /// So many slots are of a frame whose end was never marked.
    Broken(usize),
    Waiting,
}

/// Time for a packet to be sent once more.
const PICTURE: Duration = Duration::from_millis(200);
/// One packet and a half.
const SOUND: Duration = Duration::from_millis(30);
/// The most packets that are held; a key frame of 1080p is about 200.
const WINDOW: u64 = 1_024;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use hearing_config::Timestamp;
    use proptest::prelude::*;

    use super::super::packet::Layer;
    use super::*;

    /// Frames of the given sizes, their packets in order; the payload names frame and place.
    fn stream(sizes: &[usize]) -> Vec<Packet> {
        let mut index = 1_000;
        let mut packets = Vec::new();
        for (frame, size) in sizes.iter().enumerate() {
            for place in 0..*size {
                packets.push(Packet {
                    index,
                    layer: Layer(0),
                    media_time: frame as i64 * 3_000,
                    captured: Timestamp(0),
                    frame_start: place == 0,
                    frame_end: place + 1 == *size,
                    key: frame == 0,
                    generation: 0,
                    temporal: Default::default(),
                    level: None,
                    payload: Bytes::from(vec![frame as u8, place as u8]),
                });
                index += 1;
            }
        }
        packets
    }

    fn frames(assembler: &mut Assembler) -> Vec<u8> {
        std::iter::from_fn(|| assembler.poll_frame()).map(|frame| frame.head().payload[0]).collect()
    }

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn a_frame_comes_out_when_its_last_packet_is_in() {
        let (mut assembler, now, packets) = (Assembler::new(Kind::Video), Instant::now(), stream(&[3, 1]));
        for packet in &packets[..2] {
            assembler.handle_packet(now, packet);
        }
        assert!(frames(&mut assembler).is_empty());
        assembler.handle_packet(now, &packets[2]);
        assert_eq!(frames(&mut assembler), [0]);
        assembler.handle_packet(now, &packets[3]);
        assert_eq!(frames(&mut assembler), [1]);
    }

    #[test]
    fn reordered_packets_wait_for_the_missing_one_within_the_patience() {
        let (mut assembler, now, packets) = (Assembler::new(Kind::Video), Instant::now(), stream(&[1, 3, 2]));
        for at in [0, 2, 3, 4, 5] {
            assembler.handle_packet(now, &packets[at]);
        }
        assert_eq!(frames(&mut assembler), [0]);
        assembler.handle_timeout(now + ms(199));
        assert!(frames(&mut assembler).is_empty());
        assembler.handle_packet(now + ms(199), &packets[1]);
        assert_eq!(frames(&mut assembler), [1, 2]);
        assert_eq!(assembler.take_skipped(), 0);
        assert_eq!(assembler.poll_timeout(), None);
    }

    #[test]
    fn sound_waits_for_what_came_in_another_order_and_not_for_what_is_lost() {
        let (mut assembler, now, packets) = (Assembler::new(Kind::Audio), Instant::now(), stream(&[1; 6]));
        for at in [0, 2, 1, 4] {
            assembler.handle_packet(now, &packets[at]);
        }
        assert_eq!(frames(&mut assembler), [0, 1, 2]);
        assembler.handle_packet(now + ms(20), &packets[5]);
        assembler.handle_timeout(now + ms(30));
        assert_eq!(frames(&mut assembler), [4, 5]);
    }

    #[test]
    fn a_frame_that_cannot_become_whole_is_skipped_and_counted_and_the_next_one_delivered() {
        let (mut assembler, now, packets) = (Assembler::new(Kind::Video), Instant::now(), stream(&[1, 3, 2, 2]));
        for at in [0, 1, 3, 4, 5, 6, 7] {
            assembler.handle_packet(now, &packets[at]);
        }
        assert_eq!(assembler.poll_timeout(), Some(now + PICTURE));
        assembler.handle_timeout(now + PICTURE);
        assert_eq!(frames(&mut assembler), [0, 2, 3]);
        assert_eq!(assembler.take_skipped(), 1);
    }

    #[test]
    fn several_holes_do_not_add_up_their_patience() {
        let (mut assembler, now, packets) = (Assembler::new(Kind::Video), Instant::now(), stream(&[1, 2, 1, 2, 1]));
        for at in [0, 1, 3, 4, 6] {
            assembler.handle_packet(now, &packets[at]);
        }
        assembler.handle_timeout(now + PICTURE);
        assert_eq!(frames(&mut assembler), [0, 2, 4]);
        assert_eq!(assembler.take_skipped(), 2);
    }

    #[test]
    fn the_rest_of_a_frame_that_was_given_up_does_not_hold_up_the_next() {
        let (mut assembler, now, packets) = (Assembler::new(Kind::Video), Instant::now(), stream(&[1, 5, 1]));
        for at in [0, 1, 3] {
            assembler.handle_packet(now, &packets[at]);
        }
        assembler.handle_timeout(now + PICTURE);
        for at in [4, 5, 6] {
            assembler.handle_packet(now + PICTURE, &packets[at]);
        }
        assert_eq!(frames(&mut assembler), [0, 2]);
    }

    #[test]
    fn the_first_frame_survives_reordering_of_its_packets() {
        let (mut assembler, now, packets) = (Assembler::new(Kind::Video), Instant::now(), stream(&[3]));
        for at in [2, 0, 1] {
            assembler.handle_packet(now, &packets[at]);
        }
        assert_eq!(frames(&mut assembler), [0]);
    }

    #[test]
    fn a_frame_without_an_end_is_not_joined_with_the_next() {
        let (mut assembler, now, mut packets) = (Assembler::new(Kind::Video), Instant::now(), stream(&[2, 2]));
        packets[1].frame_end = false;
        for packet in &packets {
            assembler.handle_packet(now, packet);
        }
        assert_eq!(frames(&mut assembler), [1]);
        assert_eq!(assembler.take_skipped(), 1);
    }

    #[test]
    fn a_jump_of_the_index_starts_afresh_and_memory_stays_bounded() {
        let (mut assembler, now, packets) = (Assembler::new(Kind::Video), Instant::now(), stream(&[2, 1]));
        assembler.handle_packet(now, &packets[0]);
        let mut far = packets[2].clone();
        for index in [5_000_000, 10, u64::MAX - WINDOW - 1] {
            far.index = index;
            assembler.handle_packet(now, &far);
            assert_eq!(frames(&mut assembler), [1]);
            assert!(assembler.window.len() <= WINDOW as usize);
        }
    }

    proptest! {
        #[test]
        fn whatever_the_order_the_loss_and_the_duplication_no_wrong_frame_comes_out(
            sizes in prop::collection::vec(1usize..6, 1..30),
            events in prop::collection::vec((any::<prop::sample::Index>(), 0u64..40), 1..300),
        ) {
            let packets = stream(&sizes);
            let (mut assembler, mut now) = (Assembler::new(Kind::Video), Instant::now());
            let mut last = None;
            for (index, pause) in events {
                now += ms(pause);
                assembler.handle_timeout(now);
                assembler.handle_packet(now, &packets[index.index(packets.len())]);
                while let Some(frame) = assembler.poll_frame() {
                    let number = frame.head().payload[0];
                    let places: Vec<u8> = frame.packets.iter().map(|p| p.payload[1]).collect();
                    let wanted: Vec<u8> = (0..sizes[usize::from(number)] as u8).collect();
                    prop_assert_eq!(places, wanted);
                    prop_assert!(frame.packets.iter().all(|p| p.payload[0] == number));
                    prop_assert!(last.is_none_or(|before| before < number));
                    last = Some(number);
                }
            }
        }

        #[test]
        fn local_reordering_without_loss_loses_nothing(
            sizes in prop::collection::vec(1usize..6, 1..30),
            jitter in prop::collection::vec(0usize..8, 180),
        ) {
            let packets = stream(&sizes);
            let mut order: Vec<usize> = (0..packets.len()).collect();
            // The very first packet stays first: what comes before the first delivered frame is not waited for.
            order[1..].sort_by_key(|at| at + jitter[*at]);
            let (mut assembler, now) = (Assembler::new(Kind::Video), Instant::now());
            for at in order {
                assembler.handle_packet(now, &packets[at]);
            }
            prop_assert_eq!(frames(&mut assembler).len(), sizes.len());
            prop_assert_eq!(assembler.take_skipped(), 0);
        }
    }
}
