//! One open socket.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, timeout};
use uuid::Uuid;

use super::{ClientMessage, ServerMessage};
use crate::access::{Grant, Permission, SessionId, may};
use crate::hearing::{Action, Change, Phase};
use crate::http::{Layers, MediaRequest, Problem, Shared};
use crate::registry::{Following, HearingHandle, Refusal, Update};

/// One screen's connection.
pub(super) struct Socket {
    socket: WebSocket,
    shared: Arc<Shared>,
    handle: HearingHandle,
    acts: FuturesUnordered<BoxFuture<'static, (u64, Result<u64, Refusal>)>>,
    beat: Interval,
    heard: Instant,
    budget: Budget,
}

/// Why a socket ends.
enum End {
    /// The other side is gone.
    Gone,
    /// The session is over, or can't go on now.
    Over(Problem),
}

impl Socket {
    pub(super) fn new(socket: WebSocket, shared: Arc<Shared>, handle: HearingHandle) -> Self {
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (acts, heard, budget) = (FuturesUnordered::new(), Instant::now(), Budget::full());
        Self { socket, shared, handle, acts, beat, heard, budget }
    }

    pub(super) async fn run(mut self) {
        metrics::gauge!("hearing_sockets").increment(1);
        let Err(end) = self.serve().await;
        metrics::gauge!("hearing_sockets").decrement(1);
        match end {
            End::Gone => return,
            // The page comes back by itself.
            End::Over(problem) if problem.passes() => {}
            End::Over(problem) => _ = self.send(&ServerMessage::Ended { problem }).await,
        }
        _ = timeout(CLOSE_LIMIT, self.close()).await;
    }

    /// Says goodbye and reads until the other side has, too: closing on unread data would reset the connection, and what
    /// was just sent would be lost.
    async fn close(&mut self) {
        if self.socket.send(Message::Close(None)).await.is_ok() {
            while let Some(Ok(_)) = self.socket.recv().await {}
        }
    }

    async fn serve(&mut self) -> Result<std::convert::Infallible, End> {
        let (session, mut after) = self.hello().await?;
        let grant = self.handle.authorize(session).await.map_err(over)?;
        let mut layers = self.shared.app.demands.follow(grant.hearing(), grant.seat());
        loop {
            let began = Instant::now();
            let Following { view, updates } = self.handle.follow(session, after).await.map_err(over)?;
            if let Some(view) = view {
                after = Some(view.seq);
                self.send(&ServerMessage::View { you: grant.seat(), view: Box::new(view) }).await?;
            }
            self.pump(&grant, (updates, &mut layers), &mut after).await?;
            // Whoever is dropped again and again must not keep the hearing busy.
            tokio::time::sleep_until(began + FOLLOW_PAUSE).await;
        }
    }

    async fn hello(&mut self) -> Result<(SessionId, Option<u64>), End> {
        let message = timeout(HELLO_LIMIT, self.socket.recv()).await.map_err(|_| End::Gone)?;
        let Some(Ok(Message::Text(text))) = message else { return Err(End::Gone) };
        match serde_json::from_str(&text) {
            Ok(ClientMessage::Hello { session, after }) => {
                let session = Uuid::parse_str(&session).map_err(|_| over(Refusal::UnknownSession))?;
                Ok((SessionId(session), after))
            }
            Ok(ClientMessage::Act { .. } | ClientMessage::Prefer { .. } | ClientMessage::Ping { .. }) => {
                Err(End::Over(Problem::malformed("the first message has to be hello")))
            }
            Err(error) => Err(End::Over(Problem::malformed(&error.to_string()))),
        }
    }

    /// Carries both directions until the hearing drops this follower, who then follows again from `after`.
    async fn pump(
        &mut self,
        grant: &Grant,
        (mut updates, layers): (mpsc::Receiver<Update>, &mut watch::Receiver<Layers>),
        after: &mut Option<u64>,
    ) -> Result<(), End> {
        loop {
            tokio::select! {
                // An action's entries come before its answer.
                biased;
                update = updates.recv() => match update {
                    Some(update) => self.update(update, grant, after).await?,
                    None => return Ok(()),
                },
                Some((id, result)) = self.acts.next(), if !self.acts.is_empty() => self.answer(id, result).await?,
                Ok(()) = layers.changed() => {
                    let asked = layers.borrow_and_update().clone();
                    for (kind, active) in asked {
                        self.send(&ServerMessage::Layers { kind, active }).await?;
                    }
                }
                message = self.socket.recv() => match message {
                    Some(Ok(message)) => self.received(message, grant).await?,
                    Some(Err(_)) | None => return Err(End::Gone),
                },
                _ = self.beat.tick() => self.ping().await?,
            }
        }
    }

    /// The court stays until the record is sealed, to see what proves it.
    async fn update(&mut self, update: Update, grant: &Grant, after: &mut Option<u64>) -> Result<(), End> {
        match update {
            Update::Live(live) => self.send(&ServerMessage::Live { live }).await,
            Update::Entry(entry) => {
                *after = Some(entry.seq);
                let stays = may(grant.role(), Permission::ControlSession);
                let closed =
                    matches!(entry.change, Change::Phase(phase) if phase == Phase::Sealed || phase.is_over() && !stays);
                self.send(&ServerMessage::Entry { entry }).await?;
                if closed { Err(End::Over(Problem::closed())) } else { Ok(()) }
            }
        }
    }

    async fn received(&mut self, message: Message, grant: &Grant) -> Result<(), End> {
        self.heard = Instant::now();
        let text = match message {
            Message::Text(text) => text,
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Close(_) => return Err(End::Gone),
            Message::Binary(_) => return self.failed(0, Problem::malformed("messages are text")).await,
        };
        if !self.budget.spend() {
            metrics::counter!("hearing_ws_too_fast_total").increment(1);
            return Err(End::Over(Problem::too_fast()));
        }
        match serde_json::from_str(&text) {
            Ok(ClientMessage::Act { id, action }) => self.act(id, action, grant).await,
            Ok(ClientMessage::Prefer { seat, kind, size }) => {
                if self.shared.app.media.try_send(MediaRequest::Prefer(grant.clone(), seat, kind, size)).is_err() {
                    metrics::counter!("hearing_prefers_lost_total").increment(1);
                }
                Ok(())
            }
            Ok(ClientMessage::Ping { at }) => self.send(&ServerMessage::Pong { at }).await,
            Ok(ClientMessage::Hello { .. }) => self.failed(0, Problem::malformed("hello comes once")).await,
            Err(error) => self.failed(0, Problem::malformed(&error.to_string())).await,
        }
    }

    /// An opening takes as long as its recorder: the socket goes on meanwhile.
    async fn act(&mut self, id: u64, action: Action, grant: &Grant) -> Result<(), End> {
        if self.acts.len() >= ACTS {
            return self.failed(id, Refusal::Busy.into()).await;
        }
        let (handle, session) = (self.handle.clone(), grant.session());
        self.acts.push(Box::pin(async move { (id, handle.act(session, action).await) }));
        Ok(())
    }

    async fn answer(&mut self, id: u64, result: Result<u64, Refusal>) -> Result<(), End> {
        match result {
            Ok(seq) => self.send(&ServerMessage::Done { id, seq }).await,
            Err(refusal) => self.failed(id, refusal.into()).await,
        }
    }

    async fn failed(&mut self, id: u64, problem: Problem) -> Result<(), End> {
        metrics::counter!("hearing_ws_problems_total", "code" => problem.code).increment(1);
        self.send(&ServerMessage::Failed { id, problem }).await
    }

    async fn ping(&mut self) -> Result<(), End> {
        if self.heard.elapsed() > BEAT + SILENCE {
            return Err(End::Gone);
        }
        self.put(Message::Ping(axum::body::Bytes::new())).await
    }

    async fn send(&mut self, message: &ServerMessage) -> Result<(), End> {
        let text =
            serde_json::to_string(message).expect("the API's messages have string keys and no failing serializers");
        self.put(Message::Text(text.into())).await
    }

    async fn put(&mut self, message: Message) -> Result<(), End> {
        match timeout(SEND_LIMIT, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::Gone),
        }
    }
}

fn over(refusal: Refusal) -> End {
    End::Over(match refusal {
        Refusal::WrongPhase { .. } => Problem::closed(),
        refusal => refusal.into(),
    })
}

/// Ten messages a second, and a burst of one for every seat and picture: a page that changes its layout tells the size of every picture at once.
struct Budget {
    left: f64,
    at: Instant,
}

impl Budget {
    fn full() -> Self {
        Self { left: BURST, at: Instant::now() }
    }

    fn spend(&mut self) -> bool {
        let now = Instant::now();
        self.left = (self.left + now.duration_since(self.at).as_secs_f64() * PER_SECOND).min(BURST);
        self.at = now;
        let may = self.left >= 1.0;
        if may {
            self.left -= 1.0;
        }
        may
    }
}

const PER_SECOND: f64 = 10.0;
const BURST: f64 = 128.0;
const ACTS: usize = 16;
const BEAT: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_secs(5);
const SEND_LIMIT: Duration = Duration::from_secs(5);
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
const HELLO_LIMIT: Duration = Duration::from_secs(5);
const FOLLOW_PAUSE: Duration = Duration::from_millis(100);
