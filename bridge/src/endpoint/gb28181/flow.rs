//! Sound into a connection that may take it slowly (RFC 4571): what does not fit is left out instead of heard late. Told the time.

use std::io;
use std::time::{Duration, Instant};

use crate::net::frames;

/// What waits for a connection: one packet at most.
#[derive(Debug)]
pub(super) struct Flow {
    waiting: Vec<u8>,
    /// When the connection last took something, or had nothing to take.
    moved: Instant,
}

impl Flow {
    pub(super) const fn new(now: Instant) -> Self {
        Self { waiting: Vec::new(), moved: now }
    }

    /// Writes a packet by `write`, behind what is left of the one before; false when that one still waits, and this one is left out.
    ///
    /// # Errors
    /// In words: the connection is of no use any more.
    pub(super) fn say(
        &mut self,
        now: Instant,
        packet: &[u8],
        mut write: impl FnMut(&[u8]) -> io::Result<usize>,
    ) -> Result<bool, String> {
        self.drain(now, &mut write)?;
        if !self.waiting.is_empty() {
            let stalled = now.saturating_duration_since(self.moved) >= STALL;
            return if stalled { Err(format!("it has taken no sound for {} s", STALL.as_secs())) } else { Ok(false) };
        }
        frames::append(&mut self.waiting, packet);
        self.drain(now, &mut write)?;
        Ok(true)
    }

    fn drain(&mut self, now: Instant, mut write: impl FnMut(&[u8]) -> io::Result<usize>) -> Result<(), String> {
        while !self.waiting.is_empty() {
            match write(&self.waiting) {
                Ok(0) => return Err(broke(&io::ErrorKind::WriteZero.into())),
                Ok(length) => {
                    self.waiting.drain(..length);
                    self.moved = now;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(broke(&error)),
            }
        }
        self.moved = now;
        Ok(())
    }
}

/// Why nothing goes over a connection any more.
pub(super) fn broke(error: &io::Error) -> String {
    format!("the connection of its sound broke: {error}")
}

/// Without a byte taken for so long while some wait, a connection is given up.
const STALL: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::frames::Frames;

    /// A connection that takes so many bytes more.
    #[derive(Default)]
    struct Device {
        room: usize,
        took: Vec<u8>,
    }

    impl Device {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let length = bytes.len().min(std::mem::take(&mut self.room));
            self.took.extend(&bytes[..length]);
            if length == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(length) }
        }

        fn heard(&self) -> Vec<Vec<u8>> {
            let mut heard = Vec::new();
            Frames::default().feed(&self.took, |frame| heard.push(frame.to_vec())).unwrap();
            heard
        }
    }

    #[test]
    fn what_a_slow_device_does_not_take_is_left_out_and_the_packets_that_it_gets_are_whole() {
        let (start, mut device) = (Instant::now(), Device { room: 5, ..Device::default() });
        let mut flow = Flow::new(start);
        let mut say = |device: &mut Device, millis, packet: &[u8]| {
            flow.say(start + Duration::from_millis(millis), packet, |bytes| device.write(bytes))
        };
        assert_eq!(say(&mut device, 0, &[1; 10]), Ok(true), "a part of it");
        assert_eq!(say(&mut device, 20, &[2; 10]), Ok(false));
        assert_eq!(say(&mut device, 40, &[3; 10]), Ok(false));
        device.room = 7;
        assert_eq!(say(&mut device, 60, &[4; 10]), Ok(true), "the rest of the first one, and it waits");
        device.room = 100;
        assert_eq!(say(&mut device, 80, &[5; 10]), Ok(true));
        device.room = 100;
        assert_eq!(say(&mut device, 100, &[]), Ok(true));
        assert_eq!(device.heard(), [[1; 10], [4; 10], [5; 10]]);
    }

    #[test]
    fn a_device_that_takes_nothing_for_five_seconds_is_given_up_and_one_that_takes_little_is_not() {
        let (start, mut device) = (Instant::now(), Device::default());
        let mut flow = Flow::new(start);
        let mut say = |device: &mut Device, millis| {
            flow.say(start + Duration::from_millis(millis), &[7; 100], |bytes| device.write(bytes))
        };
        assert_eq!(say(&mut device, 0), Ok(true), "it waits");
        assert_eq!(say(&mut device, 4_980), Ok(false));
        device.room = 1;
        assert_eq!(say(&mut device, 5_000), Ok(false), "a byte was taken");
        assert_eq!(say(&mut device, 9_980), Ok(false));
        assert_eq!(say(&mut device, 10_000), Err("it has taken no sound for 5 s".to_owned()));
    }

    #[test]
    fn a_pause_is_no_stall_and_a_connection_that_breaks_is_the_end() {
        let start = Instant::now();
        let mut flow = Flow::new(start);
        assert_eq!(flow.say(start, &[7; 100], |bytes| Ok(bytes.len())), Ok(true));
        let later = start + Duration::from_secs(60);
        assert_eq!(flow.say(later, &[7; 100], |_| Err(io::ErrorKind::WouldBlock.into())), Ok(true), "it waits");
        assert_eq!(flow.say(later, &[7; 100], |_| Err(io::ErrorKind::WouldBlock.into())), Ok(false));
        let broken = flow.say(later, &[7; 100], |_| Err(io::ErrorKind::BrokenPipe.into()));
        assert!(broken.unwrap_err().contains("broke"));
    }
}
