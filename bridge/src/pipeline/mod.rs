//! Starts `hearing-media` children and talks to them. A child that dies takes its own streams with it and nothing else.

pub mod booth;
pub mod card;
mod convert;
pub mod desk;
mod intake;
mod life;
mod pulse;
mod renditions;
#[cfg(test)]
mod testing;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hearing_proto::child::{Coded, FromChild, Job, ToChild};
use tokio::sync::mpsc;

pub use renditions::Renditions;

/// Where the program of the children is.
#[derive(Debug, Clone)]
pub struct Program(PathBuf);

/// How long a child is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// For one piece of work: when it ends, however, it stays ended.
    Once,
    /// Until the feed is dropped: a crash starts it anew, after a pause that doubles up to 8 s.
    Kept,
}

/// What goes into a child. Dropping it ends the child.
#[derive(Debug)]
pub struct Feed {
    input: mpsc::Sender<ToChild>,
    shared: Arc<life::Shared>,
}

/// What comes out of a child. Dropping it ends the child.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<Event>);

/// What happens to a child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It runs, its sandbox is shut. After a restart decoders need key frames.
    Up,
    /// It says something.
    Said(FromChild),
    /// It ended.
    Down {
        /// How.
        reason: String,
        /// When the next one starts; `None`: never.
        again: Option<Duration>,
    },
}

/// Why no child runs.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program isn't there.
    #[error(
        "{0} is missing: it is installed beside the program hearing, or named by the environment variable {VARIABLE}"
    )]
    Missing(PathBuf),
    /// The operating system gives no thread.
    #[error("a thread for the media child: {0}")]
    Thread(#[from] std::io::Error),
}

/// The child has ended for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the media child has ended")]
pub struct Ended;

impl Program {
    /// The program that the environment names, or the one beside this one.
    ///
    /// # Errors
    /// There is none.
    pub fn find() -> Result<Self, Error> {
        let named = std::env::var_os(VARIABLE).map(PathBuf::from);
        let beside = || std::env::current_exe().ok()?.parent().map(|directory| directory.join(NAME));
        Self::at(named.or_else(beside).unwrap_or_else(|| NAME.into()))
    }

    /// The program at this path.
    ///
    /// # Errors
    /// There is no file.
    pub fn at(path: PathBuf) -> Result<Self, Error> {
        if path.is_file() { Ok(Self(path)) } else { Err(Error::Missing(path)) }
    }

    /// Starts a child. It is up when [`Event::Up`] comes; what is fed before that waits.
    ///
    /// # Errors
    /// There is no thread left to watch it.
    pub fn spawn(&self, job: Job, life: Life) -> Result<(Feed, Events), Error> {
        let (input, queue) = mpsc::channel(INPUT_QUEUE);
        let (output, events) = mpsc::channel(EVENT_QUEUE);
        let shared = life::start(self.0.clone(), job, life, queue, output)?;
        Ok((Feed { input, shared }, Events(events)))
    }
}

impl Feed {
    /// Gives the child a frame if it has room; a frame that doesn't fit is lost and counted. For live streams.
    pub fn offer(&self, frame: Coded) -> bool {
        let taken = self.input.try_send(ToChild::Frame(frame)).is_ok();
        if !taken {
            lost();
        }
        taken
    }

    /// Says something to a live child if it has room; what doesn't fit is lost and counted.
    pub fn tell(&self, message: ToChild) -> bool {
        let taken = self.input.try_send(message).is_ok();
        if !taken {
            lost();
        }
        taken
    }

    /// Gives the child a frame as soon as it has room. For files.
    ///
    /// # Errors
    /// The child has ended.
    pub async fn give(&self, frame: Coded) -> Result<(), Ended> {
        self.input.send(ToChild::Frame(frame)).await.map_err(|_| Ended)
    }

    /// Says something to the child as soon as it has room. For threads that may wait.
    ///
    /// # Errors
    /// The child has ended.
    pub fn give_blocking(&self, message: ToChild) -> Result<(), Ended> {
        self.input.blocking_send(message).map_err(|_| Ended)
    }

    /// Asks a generator for a key frame; one that doesn't fit is asked for again by whoever needs it.
    pub fn key_frame(&self, stream: u16) {
        if self.input.try_send(ToChild::KeyFrame { stream }).is_err() {
            lost();
        }
    }

    /// Lets the child finish; its last event tells that it has.
    ///
    /// # Errors
    /// It has ended already.
    pub async fn stop(&self) -> Result<(), Ended> {
        self.input.send(ToChild::Stop).await.map_err(|_| Ended)
    }

    /// Ends a process that stands still; a child that is kept is started anew.
    pub fn kill(&self) {
        let pid = self.pid().and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed()));
        if pid.is_some_and(|pid| rustix::process::kill_process(pid, rustix::process::Signal::KILL).is_err()) {
            lost();
        }
    }

    /// The child's process id while it lives.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.shared.pid()
    }
}

impl Events {
    /// What happens next; `None` after the child has ended for good.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }

    /// The same for threads that may wait.
    pub fn next_blocking(&mut self) -> Option<Event> {
        self.0.blocking_recv()
    }
}

fn lost() {
    metrics::counter!("hearing_media_child_frames_lost_total").increment(1);
}

/// The reason of an end that is no fault.
pub const FINISHED: &str = "finished";
const NAME: &str = "hearing-media";
const VARIABLE: &str = "HEARING_MEDIA";
/// About 4 s of picture and sound of one seat.
const INPUT_QUEUE: usize = 256;
const EVENT_QUEUE: usize = 256;

#[cfg(test)]
mod tests;
