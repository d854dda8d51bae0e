//! What entered the hearing at this node and belongs into a record kept elsewhere: kept on disk, bounded in size and age,
//! until the hearing's home has it. So a cut of the trunk leaves late media in the record and not a hole.

mod files;
mod leg;
mod track;

use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use hearing_config::{Codec, HearingId, Timestamp, TrackId, Zone};
use tokio::sync::oneshot;

use crate::router::{Frame, Leg};
use files::Files;
use leg::SpoolLeg;

/// Where, how much and how long.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder; made when it is missing.
    pub directory: PathBuf,
    /// The most bytes of all hearings; the oldest go first.
    pub bytes: u64,
    /// The longest that anything is kept, by when it was written.
    pub age: Duration,
}

/// A node's spool: the handle to the thread that owns its files. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Spool {
    media: SyncSender<Box<Item>>,
    control: SyncSender<Control>,
}

/// Some of what was kept of a track, in the order in which it came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Piece {
    /// How it is coded; `None` when there is nothing.
    pub codec: Option<Codec>,
    /// The frames.
    pub frames: Vec<Frame>,
    /// Everything that is there and was captured before this is in the piece.
    pub upto: Timestamp,
}

/// A frame to keep.
struct Item {
    hearing: HearingId,
    track: TrackId,
    codec: Codec,
    frame: Frame,
}

enum Control {
    Read { hearing: HearingId, track: TrackId, from: Timestamp, to: Timestamp, reply: oneshot::Sender<Piece> },
    Kept { hearing: HearingId, track: TrackId, through: Timestamp },
}

impl Spool {
    /// Reads what is there from before, and starts the thread. It ends with the last handle and leg.
    ///
    /// # Errors
    /// When the folder can't be made or read.
    pub fn start(settings: Settings) -> io::Result<Self> {
        let files = Files::open(settings)?;
        let (media, items) = sync_channel(ITEMS);
        let (control, controls) = sync_channel(CONTROLS);
        thread::Builder::new().name("spool".to_owned()).spawn(move || run(files, &items, &controls))?;
        Ok(Self { media, control })
    }

    /// Keeps what enters a hearing in this zone; goes onto the hearing's router with `Place::Record`.
    #[must_use]
    pub fn leg(&self, hearing: HearingId, zone: Zone) -> Box<dyn Leg> {
        Box::new(SpoolLeg::new(hearing, zone, self.media.clone()))
    }

    /// What was captured of a track from `from` on and before `to`, or the beginning of it; nothing when the thread is gone.
    pub async fn read(&self, hearing: HearingId, track: TrackId, from: Timestamp, to: Timestamp) -> Piece {
        let (reply, piece) = oneshot::channel();
        drop(self.control.try_send(Control::Read { hearing, track, from, to, reply }));
        piece.await.unwrap_or(Piece { upto: from, ..Piece::default() })
    }

    /// Home has what was captured before `through`. A word that does not fit is said again with the next.
    pub fn kept(&self, hearing: HearingId, track: TrackId, through: Timestamp) {
        drop(self.control.try_send(Control::Kept { hearing, track, through }));
    }
}

fn run(mut files: Files, items: &Receiver<Box<Item>>, controls: &Receiver<Control>) {
    let mut look = Instant::now();
    loop {
        match controls.recv_timeout(COMMIT) {
            Ok(Control::Kept { hearing, track, through }) => files.kept((hearing, track), through),
            Ok(Control::Read { hearing, track, from, to, reply }) => {
                take(&mut files, items);
                // Whoever asked may be gone.
                drop(reply.send(files.read((hearing, track), from, to)));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                take(&mut files, items);
                return files.flush();
            }
        }
        take(&mut files, items);
        if look.elapsed() >= LOOK {
            look = Instant::now();
            files.bound(std::time::SystemTime::now());
        }
    }
}

fn take(files: &mut Files, items: &Receiver<Box<Item>>) {
    for item in items.try_iter().take(ITEMS) {
        let Item { hearing, track, codec, frame } = *item;
        files.write((hearing, track), codec, &frame);
    }
    files.flush();
}

/// How often everything that came is written.
const COMMIT: Duration = Duration::from_millis(100);
/// How often size and age are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Ten seconds of fifty tracks.
const ITEMS: usize = 32_768;
const CONTROLS: usize = 1_024;

#[cfg(test)]
mod tests;
