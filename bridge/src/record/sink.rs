//! The one place where the bytes of a record pass on their way to the disk. Whatever wants to see them in order (an
//! evidential manifest) hangs on [`Sink::commit`].

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

/// An append-only file: bytes wait here, are written together, and are made durable by the thread behind [`Syncer`].
pub(super) struct Sink {
    shared: Arc<Shared>,
    waiting: Vec<u8>,
    written: u64,
    submitted: u64,
}

struct Shared {
    file: File,
    /// The folder, until the file's name in it is durable.
    folder: File,
    named: AtomicBool,
    durable: AtomicU64,
    failed: AtomicBool,
}

impl Sink {
    /// A new file; an existing one is never touched.
    pub(super) fn create(folder: &Path, name: &str) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).open(folder.join(name))?;
        Self::with(file, folder, 0)
    }

    /// Goes on at the end of a file, or makes it.
    pub(super) fn append(folder: &Path, name: &str) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(folder.join(name))?;
        let length = file.metadata()?.len();
        Self::with(file, folder, length)
    }

    fn with(file: File, folder: &Path, written: u64) -> io::Result<Self> {
        let shared = Shared {
            file,
            folder: File::open(folder)?,
            named: AtomicBool::new(false),
            durable: AtomicU64::new(written),
            failed: AtomicBool::new(false),
        };
        Ok(Self { shared: Arc::new(shared), waiting: Vec::new(), written, submitted: written })
    }

    /// Bytes to append at the next commit.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
    }

    /// Bytes that wait for a commit.
    pub(super) const fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The length of the file when all that waits is written.
    pub(super) const fn end(&self) -> u64 {
        self.written + self.waiting.len() as u64
    }

    /// Bytes that survive a loss of power.
    pub(super) fn durable(&self) -> u64 {
        self.shared.durable.load(Ordering::Acquire)
    }

    /// True when everything survives a loss of power.
    pub(super) fn is_settled(&self) -> bool {
        self.durable() >= self.end()
    }

    /// Writes what waits. After an error the rest still waits, and the next commit goes on where this one stopped.
    pub(super) fn commit(&mut self) -> io::Result<()> {
        if self.shared.failed.swap(false, Ordering::AcqRel) {
            self.submitted = self.durable();
            return Err(io::Error::other("the disk did not make earlier data durable"));
        }
        let mut done = 0;
        let mut result = Ok(());
        while done < self.waiting.len() {
            match (&self.shared.file).write(&self.waiting[done..]) {
                Ok(0) => result = Err(ErrorKind::WriteZero.into()),
                Ok(count) => done += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => result = Err(error),
            }
            if result.is_err() {
                break;
            }
        }
        self.waiting.drain(..done);
        self.written += done as u64;
        result
    }

    /// True when something is written that nobody has been asked to make durable.
    const fn is_dirty(&self) -> bool {
        self.written > self.submitted
    }
}

/// Makes files durable on its own thread, so that a slow disk never keeps the writer from writing.
pub(super) struct Syncer {
    batches: SyncSender<Vec<(Arc<Shared>, u64)>>,
}

impl Syncer {
    /// Starts the thread; it ends with the syncer.
    pub(super) fn spawn() -> io::Result<Self> {
        let (batches, queue) = sync_channel(1);
        thread::Builder::new().name("record-sync".to_owned()).spawn(move || run(&queue))?;
        Ok(Self { batches })
    }

    /// Asks for the durability of all of `sinks` that need it; does nothing while the thread is busy with two batches.
    pub(super) fn submit(&self, sinks: Vec<&mut Sink>) {
        let mut dirty: Vec<&mut Sink> = sinks.into_iter().filter(|sink| sink.is_dirty()).collect();
        if dirty.is_empty() {
            return;
        }
        let batch = dirty.iter().map(|sink| (Arc::clone(&sink.shared), sink.written)).collect();
        match self.batches.try_send(batch) {
            Ok(()) => dirty.iter_mut().for_each(|sink| sink.submitted = sink.written),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        }
    }
}

fn run(queue: &Receiver<Vec<(Arc<Shared>, u64)>>) {
    for batch in queue {
        batch.into_iter().for_each(|(shared, length)| shared.make_durable(length));
    }
}

/// Makes all of `sinks` durable on the caller's thread.
#[cfg(test)]
pub(super) fn sync_now<'a>(sinks: impl Iterator<Item = &'a mut Sink>) {
    sinks.for_each(|sink| sink.shared.make_durable(sink.written));
}

impl Shared {
    fn make_durable(&self, length: u64) {
        match self.sync() {
            Ok(()) => self.durable.store(length, Ordering::Release),
            Err(error) => {
                tracing::error!(%error, "record file not made durable");
                self.failed.store(true, Ordering::Release);
            }
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()?;
        if !self.named.load(Ordering::Relaxed) {
            self.folder.sync_all()?;
            self.named.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}
