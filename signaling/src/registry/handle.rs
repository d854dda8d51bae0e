//! The handle by which everybody reaches a hearing.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use super::{Board, Following, HearingHandle, Join, Joined, Journaled, Refusal, Request};
use crate::access::{Grant, SessionId};
use crate::hearing::{Action, MediaPlan, MediaReport};

impl HearingHandle {
    /// The bound of a hearing's queue of requests.
    pub const BOUND: usize = 256;

    /// A device uses a join link.
    ///
    /// # Errors
    /// The hearing's [`Refusal`].
    pub async fn join(&self, join: Join) -> Result<Joined, Refusal> {
        self.ask(|reply| Request::Join(join, reply)).await?
    }

    /// Which seat a session is on.
    ///
    /// # Errors
    /// The hearing's [`Refusal`].
    pub async fn authorize(&self, session: SessionId) -> Result<Grant, Refusal> {
        self.ask(|reply| Request::Authorize(session, reply)).await?
    }

    /// A participant does something; returns the number of the last entry that it led to.
    ///
    /// # Errors
    /// The hearing's [`Refusal`].
    pub async fn act(&self, session: SessionId, action: Action) -> Result<u64, Refusal> {
        self.ask(|reply| Request::Act(session, action, reply)).await?
    }

    /// The operator does something; returns the number of the last entry that it led to.
    ///
    /// # Errors
    /// The hearing's [`Refusal`].
    pub async fn operate(&self, action: Action) -> Result<u64, Refusal> {
        self.ask(|reply| Request::Operate(action, reply)).await?
    }

    /// Follows with the eyes of a session.
    ///
    /// # Errors
    /// The hearing's [`Refusal`].
    pub async fn follow(&self, session: SessionId, after: Option<u64>) -> Result<Following, Refusal> {
        self.ask(|reply| Request::Follow { session, after, reply }).await?
    }

    /// The whole hearing, for the operator.
    ///
    /// # Errors
    /// [`Refusal::Busy`] and [`Refusal::HomeUnreachable`].
    pub async fn show(&self) -> Result<Board, Refusal> {
        self.ask(Request::Show).await
    }

    /// The media plan, now and whenever it changes.
    ///
    /// # Errors
    /// [`Refusal::Busy`] and [`Refusal::HomeUnreachable`].
    pub async fn plans(&self) -> Result<watch::Receiver<Arc<MediaPlan>>, Refusal> {
        self.ask(Request::Plans).await
    }

    /// Every journal entry after `after` and those that follow, unfiltered; for the record. When the receiver ends, the reader
    /// lagged: ask again.
    ///
    /// # Errors
    /// [`Refusal::Busy`] and [`Refusal::HomeUnreachable`].
    pub async fn journal(&self, after: u64) -> Result<mpsc::Receiver<Journaled>, Refusal> {
        self.ask(|reply| Request::Journal { after, reply }).await
    }

    /// Media reports; waits for room, because a lost report would make the hearing's picture of its media wrong.
    ///
    /// # Errors
    /// [`Refusal::HomeUnreachable`] when nobody owns the hearing any more.
    pub async fn report(&self, report: MediaReport) -> Result<(), Refusal> {
        self.requests.send(Request::Media(report)).await.map_err(|_| Refusal::HomeUnreachable)
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.requests.try_send(request(reply)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => busy(),
            mpsc::error::TrySendError::Closed(_) => Refusal::HomeUnreachable,
        })?;
        match tokio::time::timeout(ANSWER_LIMIT, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) | Err(_) => Err(Refusal::HomeUnreachable),
        }
    }
}

fn busy() -> Refusal {
    metrics::counter!("hearing_requests_refused_busy_total").increment(1);
    Refusal::Busy
}

/// How long a hearing may take to answer: longer than an opening waits for its recorder.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
