//! The threads that stand behind everybody's media: pages, handshakes, the operator's socket, the upkeep of records.

use std::io;

use tokio::runtime::{Builder, Handle, Runtime};

/// A runtime whose threads yield to all others of the node when the machine is full, so that a flood of handshakes costs pages
/// their speed and no hearing its sound. What carries media (trunks, terminals, pipelines) does not run here.
pub(crate) struct Background(Option<Runtime>);

impl Background {
    /// Starts it.
    ///
    /// # Errors
    /// The system gives no threads.
    pub(crate) fn start() -> io::Result<Self> {
        Builder::new_multi_thread()
            .enable_all()
            .thread_name("background")
            .on_thread_start(step_back)
            .build()
            .map(Some)
            .map(Self)
    }

    /// Where to run what can wait.
    pub(crate) fn handle(&self) -> &Handle {
        self.0.as_ref().expect("it runs until it is dropped").handle()
    }
}

impl Drop for Background {
    /// Waits for nobody: a runtime can't be waited for on the threads of another.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Puts the calling thread behind those of media. The kernel may say no, and then it runs beside them.
pub(crate) fn step_back() {
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS);
}

/// About a third of a media thread's share of a full processor.
const NICENESS: i32 = 5;
