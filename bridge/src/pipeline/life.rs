//! The life of one child: a thread starts and reads it, a thread writes to it.
//!
//! The thread that starts a child stays until the child is dead: the kernel's death signal is bound to that thread.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use hearing_proto::child::{self, Decoder, FromChild, Job, ToChild, VERSION};
use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::{Event, Life};

/// What the threads and the feed share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    socket: Mutex<Option<UnixStream>>,
    arrived: Condvar,
    pid: AtomicU32,
    began: AtomicBool,
    unwanted: AtomicBool,
}

struct Keeper {
    program: PathBuf,
    job: Job,
    life: Life,
    shared: Arc<Shared>,
    events: mpsc::Sender<Event>,
}

/// Why one process of a child ended.
enum End {
    /// It did what it was for, or nobody wants it any more.
    Finished,
    /// It died.
    Died(String),
}

pub(super) fn start(
    program: PathBuf,
    job: Job,
    life: Life,
    queue: mpsc::Receiver<ToChild>,
    events: mpsc::Sender<Event>,
) -> io::Result<Arc<Shared>> {
    let shared = Arc::new(Shared::default());
    let keeper = Keeper { program, job, life, shared: shared.clone(), events };
    thread::Builder::new().name("media-child".to_owned()).spawn(move || keeper.keep())?;
    let writer = shared.clone();
    thread::Builder::new().name("media-feed".to_owned()).spawn(move || writer.write(queue))?;
    Ok(shared)
}

impl Keeper {
    fn keep(self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let began = Instant::now();
            let end = self.one().unwrap_or_else(|error| End::Died(error.to_string()));
            let reason = match end {
                End::Finished => super::FINISHED.to_owned(),
                End::Died(reason) => {
                    warn!(reason, "media child died");
                    metrics::counter!("hearing_media_child_deaths_total").increment(1);
                    reason
                }
            };
            let over = self.life == Life::Once || self.shared.unwanted();
            if began.elapsed() > GOOD_LIFE {
                pause = FIRST_PAUSE;
            }
            let again = (!over).then_some(pause);
            if self.events.blocking_send(Event::Down { reason, again }).is_err() || over || self.shared.rest(pause) {
                break;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        self.shared.end();
    }

    /// From the start to the end of one process.
    fn one(&self) -> io::Result<End> {
        let (socket, theirs) = UnixStream::pair()?;
        let mut process = Command::new(&self.program)
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .env_clear()
            .spawn()?;
        self.shared.pid.store(process.id(), Ordering::Relaxed);
        let end = self.read(&socket);
        self.shared.detach();
        let status = put_down(&mut process)?;
        self.shared.pid.store(0, Ordering::Relaxed);
        Ok(end.unwrap_or_else(|| if self.shared.unwanted() { End::Finished } else { End::Died(how(status)) }))
    }

    /// Reads until the process closes its end; `None` when its exit status tells why.
    fn read(&self, socket: &UnixStream) -> Option<End> {
        self.shared.attach(socket, &self.job).ok()?;
        let (mut decoder, mut buffer, mut end) = (Decoder::new(), vec![0; 64 << 10], None);
        let mut socket = socket;
        loop {
            loop {
                match decoder.message::<FromChild>() {
                    Ok(Some(message)) => end = self.pass(message)?.or(end),
                    Ok(None) => break,
                    Err(error) => return Some(End::Died(format!("it sent {error}"))),
                }
            }
            match socket.read(&mut buffer) {
                Ok(0) => return end,
                Ok(length) => decoder.push(&buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return end,
            }
        }
    }

    /// Passes a message on; `None` when nobody listens, else how the process will end if that is known now.
    fn pass(&self, message: FromChild) -> Option<Option<End>> {
        let (event, end) = match message {
            FromChild::Ready { version: VERSION } => (Event::Up, None),
            FromChild::Ready { version } => return Some(Some(End::Died(format!("it speaks version {version}")))),
            FromChild::Failed { stream: None, ref reason } => {
                let end = End::Died(reason.clone());
                (Event::Said(message), Some(end))
            }
            FromChild::Done => (Event::Said(FromChild::Done), Some(End::Finished)),
            other => (Event::Said(other), None),
        };
        match self.events.blocking_send(event) {
            Ok(()) => Some(end),
            Err(_) => {
                self.shared.unwanted.store(true, Ordering::Relaxed);
                None
            }
        }
    }
}

impl Shared {
    pub(super) fn pid(&self) -> Option<u32> {
        Some(self.pid.load(Ordering::Relaxed)).filter(|pid| *pid != 0)
    }

    fn unwanted(&self) -> bool {
        self.unwanted.load(Ordering::Relaxed)
    }

    /// Names the job and opens the socket to the feed.
    fn attach(&self, mut socket: &UnixStream, job: &Job) -> io::Result<()> {
        socket.set_write_timeout(Some(HANG))?;
        let start = child::encode(&ToChild::Start { version: VERSION, job: job.clone() }).map_err(io::Error::other)?;
        socket.write_all(&start)?;
        *self.socket.lock().unwrap_or_else(PoisonError::into_inner) = Some(socket.try_clone()?);
        self.began.store(true, Ordering::Relaxed);
        self.arrived.notify_all();
        Ok(())
    }

    fn detach(&self) {
        *self.socket.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// No child will come any more.
    fn end(&self) {
        self.unwanted.store(true, Ordering::Relaxed);
        self.arrived.notify_all();
    }

    /// Waits before the next start; true when none is wanted.
    fn rest(&self, pause: Duration) -> bool {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.arrived.wait_timeout_while(socket, pause, |_| !self.unwanted());
        drop(waited);
        self.unwanted()
    }

    fn write(&self, mut queue: mpsc::Receiver<ToChild>) {
        while let Some(message) = queue.blocking_recv() {
            if !self.write_one(&message) {
                super::lost();
            }
            if self.unwanted() {
                break;
            }
        }
        self.unwanted.store(true, Ordering::Relaxed);
        if let Some(socket) = &*self.socket.lock().unwrap_or_else(PoisonError::into_inner) {
            close(socket);
        }
        self.arrived.notify_all();
    }

    /// Waits for the first process, not for one that is to replace a dead one: what is live then is stale by the time it is up.
    fn write_one(&self, message: &ToChild) -> bool {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let first = |socket: &mut Option<UnixStream>| {
            socket.is_none() && !self.began.load(Ordering::Relaxed) && !self.unwanted()
        };
        let waited = self.arrived.wait_timeout_while(socket, HANG, first);
        let socket = waited.unwrap_or_else(PoisonError::into_inner).0;
        let Some(mut stream) = socket.as_ref() else { return false };
        let Ok(bytes) = child::encode(message) else { return false };
        let written = stream.write_all(&bytes);
        if let Err(error) = &written {
            // It hangs or is dead; the reader sees the end and starts another.
            debug!(%error, "media child takes nothing");
            close(stream);
        }
        written.is_ok()
    }
}

fn close(socket: &UnixStream) {
    // Fails only when the other end is gone already.
    let _ = socket.shutdown(Shutdown::Both);
}

/// Gives a process that has closed its end a moment to exit by itself, so that its status tells why; then kills it.
fn put_down(process: &mut Child) -> io::Result<ExitStatus> {
    for _ in 0..50 {
        if let Some(status) = process.try_wait()? {
            return Ok(status);
        }
        thread::sleep(Duration::from_millis(10));
    }
    process.kill()?;
    process.wait()
}

fn how(status: ExitStatus) -> String {
    match status.signal() {
        Some(signal) => format!("killed by signal {signal}"),
        None => status.to_string(),
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// A child that lived this long is started anew after the shortest pause.
const GOOD_LIFE: Duration = Duration::from_secs(30);
/// A child that takes nothing for this long is given up.
const HANG: Duration = Duration::from_secs(5);
