//! The way to the peer's control stream, shared by everything that has something to say.

use std::sync::Arc;

use hearing_proto::wire::Message;
use tokio::sync::{Notify, mpsc};

/// Cheap to clone. Bounded: a peer that does not read loses the link.
#[derive(Debug, Clone)]
pub(super) struct Line {
    messages: mpsc::Sender<Message>,
    overflow: Arc<Notify>,
}

impl Line {
    /// A line, what it carries, and what tells that it could not.
    pub(super) fn new() -> (Self, mpsc::Receiver<Message>, Arc<Notify>) {
        let (messages, receiver) = mpsc::channel(LIMIT);
        let overflow = Arc::new(Notify::new());
        (Self { messages, overflow: overflow.clone() }, receiver, overflow)
    }

    /// Says something now. When there is no room the link ends: nothing that was said may be lost on a link that goes on.
    pub(super) fn say(&self, message: impl Into<Message>) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.messages.try_send(message.into()) {
            self.overflow.notify_one();
        }
    }

    /// Says something as soon as there is room; false when the link is over.
    pub(super) async fn say_in_turn(&self, message: impl Into<Message>) -> bool {
        self.messages.send(message.into()).await.is_ok()
    }
}

/// Messages that may wait.
const LIMIT: usize = 1_024;
