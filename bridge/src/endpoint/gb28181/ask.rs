//! What the platform says to devices outside of calls (MESSAGE and SUBSCRIBE), and what they answer.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hearing_proto::gb28181::{self as gb, Catalog, Code, Control, Filled, Item, Message, Query};
use rsipstack::sip::typed::{From as Sender, To};
use rsipstack::sip::{CallId, Header, HostWithPort, Method, Request, Response, StatusCodeKind, Uri};
use rsipstack::transaction::make_tag;
use rsipstack::transport::SipAddr;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::Core;
use crate::net::sip::NoAnswer;

/// Why a device did not take what it was told, or did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unheard {
    /// Nothing came back in time.
    #[error("the device does not answer")]
    Silent,
    /// It answered with an error of SIP.
    #[error("the device refuses: {0}")]
    Refused(String),
    /// The request could not be made or sent.
    #[error("the device cannot be reached: {0}")]
    Unsent(String),
}

/// Answers that are awaited, by the number of what was asked.
#[derive(Debug, Default)]
pub(super) struct Answers(Mutex<HashMap<u32, (Code, mpsc::Sender<Message>)>>);

/// An answer that is awaited; not any more when it is dropped.
pub(super) struct Awaited<'a> {
    answers: &'a Answers,
    pub(super) sn: u32,
    messages: mpsc::Receiver<Message>,
}

impl Answers {
    /// Answers of `device` to number `sn` are awaited from now on.
    pub(super) fn await_for(&self, device: Code, sn: u32) -> Awaited<'_> {
        let (sender, messages) = mpsc::channel(PAGES);
        self.waiting().insert(sn, (device, sender));
        Awaited { answers: self, sn, messages }
    }

    /// Hands an answer over; gives it back when nobody awaits it of this device.
    pub(super) fn hand(&self, device: Code, sn: u32, message: Message) -> Option<Message> {
        let sender = self.waiting().get(&sn).filter(|(asked, _)| *asked == device).map(|(_, sender)| sender.clone());
        let Some(sender) = sender else { return Some(message) };
        if sender.try_send(message).is_err() {
            metrics::counter!("hearing_gb28181_answers_lost_total").increment(1);
        }
        None
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u32, (Code, mpsc::Sender<Message>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Awaited<'_> {
    /// The next answer.
    pub(super) async fn next(&mut self) -> Result<Message, Unheard> {
        match timeout(ANSWER_LIMIT, self.messages.recv()).await {
            Ok(Some(message)) => Ok(message),
            Ok(None) | Err(_) => Err(Unheard::Silent),
        }
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.answers.waiting().remove(&self.sn);
    }
}

impl Core {
    /// Asks a device something; its first answer.
    pub(super) async fn ask(&self, query: Query, device: Code, at: &SipAddr) -> Result<Message, Unheard> {
        let mut answer = self.answers.await_for(device, self.number());
        self.tell(device, at, gb::query(query, device, answer.sn)).await?;
        answer.next().await
    }

    /// Everything that a device has; of a catalog whose pages did not all come, those that did.
    pub(super) async fn catalog(&self, device: Code, at: &SipAddr) -> Result<Vec<Item>, Unheard> {
        let mut answer = self.answers.await_for(device, self.number());
        self.tell(device, at, gb::query(Query::Catalog, device, answer.sn)).await?;
        let mut catalog = Catalog::of(answer.sn);
        let mut came = false;
        loop {
            match answer.next().await {
                Ok(Message::Catalog(page)) => {
                    came = true;
                    if catalog.add(page) == Filled::Whole {
                        break;
                    }
                }
                Ok(_) => {}
                Err(silent) if !came => return Err(silent),
                Err(_) => break,
            }
        }
        Ok(catalog.items().cloned().collect())
    }

    /// Tells a device to do something to one of its channels.
    pub(super) async fn order(
        &self,
        order: Control,
        (device, channel): (Code, Code),
        at: &SipAddr,
    ) -> Result<(), Unheard> {
        self.tell(device, at, gb::control(order, channel, self.number())).await
    }

    /// Sends a device a message; done when it has taken it.
    pub(super) async fn tell(&self, device: Code, at: &SipAddr, body: Vec<u8>) -> Result<(), Unheard> {
        let mut request = self.outgoing(Method::Message, device, at, &Thread::fresh())?;
        request.headers.push(Header::ContentType("Application/MANSCDP+xml".into()));
        request.body = body;
        self.send(request, at).await.map(|_| ())
    }

    /// Asks a device to tell what changes in its catalog, for so many seconds; 0 ends it.
    pub(super) async fn subscribe(
        &self,
        device: Code,
        at: &SipAddr,
        thread: &mut Thread,
        seconds: u32,
    ) -> Result<(), Unheard> {
        let mut request = self.outgoing(Method::Subscribe, device, at, thread)?;
        thread.seq += 1;
        let contact = self.contact(at.r#type).map_err(|error| Unheard::Unsent(error.to_string()))?;
        request.headers.push(Header::Contact(format!("<{contact}>").into()));
        request.headers.push(Header::Event("Catalog".into()));
        request.headers.push(Header::Expires(seconds.into()));
        request.headers.push(Header::ContentType("Application/MANSCDP+xml".into()));
        request.body = gb::query(Query::Catalog, device, self.number());
        let response = self.send(request, at).await?;
        let to = response.headers.iter().find_map(|header| match header {
            Header::To(to) => to.tag().ok().flatten(),
            _ => None,
        });
        thread.remote = to.map(|tag| tag.to_string()).or(thread.remote.take());
        Ok(())
    }

    fn outgoing(&self, method: Method, device: Code, at: &SipAddr, thread: &Thread) -> Result<Request, Unheard> {
        let unsent = |error: &dyn std::fmt::Display| Unheard::Unsent(error.to_string());
        let uri = |text: String| Uri::try_from(text.as_str()).map_err(|error| unsent(&error));
        let own = HostWithPort::try_from(self.own(at.r#type).to_string()).map_err(|error| unsent(&error))?;
        let own = SipAddr { r#type: at.r#type, addr: own };
        let via = self.stack.endpoint.get_via(Some(own), None).map_err(|error| unsent(&error))?;
        let domain = &self.settings.domain;
        let from = Sender { display_name: None, uri: uri(format!("sip:{}@{domain}", self.id))?, params: Vec::new() };
        let mut to = To { display_name: None, uri: uri(format!("sip:{device}@{domain}"))?, params: Vec::new() };
        if let Some(tag) = &thread.remote {
            to = to.with_tag(tag.clone().into());
        }
        let call = thread.call.clone().map(CallId::from);
        let to_whom = uri(format!("sip:{device}@{}", at.addr))?;
        let from = from.with_tag(thread.local.clone().into());
        Ok(self.stack.endpoint.make_request(method, to_whom, via, from, to, thread.seq, call))
    }

    async fn send(&self, request: Request, at: &SipAddr) -> Result<Response, Unheard> {
        let response = self.stack.ask(request, at).await?;
        match response.status_code.kind() {
            StatusCodeKind::Successful => Ok(response),
            _ => Err(Unheard::Refused(response.status_code.to_string())),
        }
    }
}

impl From<NoAnswer> for Unheard {
    fn from(none: NoAnswer) -> Self {
        match none {
            NoAnswer::Silent => Self::Silent,
            NoAnswer::Unsent(why) => Self::Unsent(why),
        }
    }
}

/// By what requests that belong together are known.
#[derive(Debug, Clone)]
pub(super) struct Thread {
    /// The Call-ID, when there is to be more than one request.
    pub(super) call: Option<String>,
    pub(super) local: String,
    remote: Option<String>,
    pub(super) seq: u32,
}

impl Thread {
    /// One request alone.
    pub(super) fn fresh() -> Self {
        Self { call: None, local: make_tag().to_string(), remote: None, seq: 1 }
    }

    /// Several, under this Call-ID.
    pub(super) fn named(call: String) -> Self {
        Self { call: Some(call), ..Self::fresh() }
    }
}

/// How long an answer is waited for.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Pages of a catalog that may wait.
const PAGES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn code(n: u8) -> Code {
        format!("340200000013200000{n:02}").parse().unwrap()
    }

    fn done(n: u8, sn: u32) -> Message {
        Message::Done { device: code(n), sn, ok: true }
    }

    #[tokio::test]
    async fn an_answer_reaches_whoever_asked_and_of_nobody_but_the_device_that_was_asked() {
        let answers = Answers::default();
        let mut awaited = answers.await_for(code(1), 7);
        assert_eq!(answers.hand(code(2), 7, done(2, 7)), Some(done(2, 7)), "another device");
        assert_eq!(answers.hand(code(1), 8, done(1, 8)), Some(done(1, 8)), "another number");
        assert_eq!(answers.hand(code(1), 7, done(1, 7)), None);
        assert_eq!(awaited.next().await, Ok(done(1, 7)));
        drop(awaited);
        assert_eq!(answers.hand(code(1), 7, done(1, 7)), Some(done(1, 7)), "nobody waits any more");
    }
}
