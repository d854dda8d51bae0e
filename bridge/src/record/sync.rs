//! Makes files durable on threads of its own, all files of a commit at once: the file system then has one commit to make
//! and not one for each file, and a slow disk never keeps the writer from writing.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::sink::{Shared, Sink};

/// The threads.
pub(super) struct Syncer {
    files: SyncSender<Work>,
    /// Files of the present batch that are not durable yet.
    left: Arc<AtomicUsize>,
}

struct Work {
    file: Arc<Shared>,
    length: u64,
    left: Arc<AtomicUsize>,
}

impl Syncer {
    /// Starts the threads; they end with the syncer.
    pub(super) fn spawn() -> io::Result<Self> {
        let (files, queue) = sync_channel(BATCH);
        let queue = Arc::new(Mutex::new(queue));
        for number in 0..THREADS {
            let queue = Arc::clone(&queue);
            thread::Builder::new().name(format!("record-sync-{number}")).spawn(move || run(&queue))?;
        }
        Ok(Self { files, left: Arc::default() })
    }

    /// True while the last batch is not durable yet.
    pub(super) fn is_busy(&self) -> bool {
        self.left.load(Ordering::Acquire) > 0
    }

    /// Asks for the durability of all of `sinks` that need it, unless the last batch is still on its way.
    pub(super) fn submit<'a>(&self, sinks: impl Iterator<Item = &'a mut Sink>) {
        if self.is_busy() {
            return;
        }
        let batch: Vec<_> = sinks.filter_map(Sink::submit).take(BATCH).collect();
        self.left.store(batch.len(), Ordering::Release);
        for (file, length) in batch {
            // There is room: the queue holds a batch, and the last one is done.
            let sent = self.files.try_send(Work { file, length, left: Arc::clone(&self.left) });
            if sent.is_err() {
                self.left.fetch_sub(1, Ordering::AcqRel);
            }
        }
    }
}

/// The record goes before everything else that a busy machine has to do. Without the right to that (`CAP_SYS_NICE`) it stands
/// in line like the rest of the node.
pub(super) fn go_first() {
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE) {
        tracing::debug!(%error, "the recorder's thread has no priority");
    }
}

fn run(queue: &Mutex<Receiver<Work>>) {
    go_first();
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Work { file, length, left }) = next else { return };
        file.make_durable(length);
        left.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Makes all of `sinks` durable on the caller's thread.
pub(super) fn sync_now<'a>(sinks: impl Iterator<Item = &'a mut Sink>) {
    for (file, length) in sinks.filter_map(Sink::submit) {
        file.make_durable(length);
    }
}

/// As of setpriority(2).
const NICE: i32 = -10;
const THREADS: usize = 8;
/// The most files of one batch; what is more waits for the next.
const BATCH: usize = 4_096;
