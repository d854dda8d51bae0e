//! What a device of our own says outside of calls: that it is there, that it lives, and what it is asked.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use hearing_proto::gb28181::{Code, Query, device};
use rsipstack::sip::transport::Transport;
use rsipstack::sip::typed::{From as Sender, To};
use rsipstack::sip::{CallId, Header, HostWithPort, Method, Request, Response, StatusCode, StatusCodeKind, Uri};
use rsipstack::transaction::TransactionReceiver;
use rsipstack::transport::SipAddr;
use tracing::info;

use super::super::ask::Thread;
use super::super::code;
use super::Door;
use crate::net::clock::NodeClock;
use crate::net::sip::{self, Account, Stack};

/// A device's signalling.
pub(super) struct Post {
    pub(super) door: Door,
    pub(super) id: Code,
    pub(super) platform: Code,
    pub(super) stack: Stack,
    pub(super) clock: NodeClock,
    /// Where the node reaches it.
    pub(super) at: SocketAddr,
    /// Where it reaches the node.
    pub(super) node: SipAddr,
    account: Account,
    numbers: AtomicU32,
}

impl Post {
    pub(super) async fn open(door: &Door, account: Account) -> Result<(Self, TransactionReceiver), String> {
        let id = account.user.parse().map_err(|error| format!("{}: {error}", account.user))?;
        let (at, stack, requests) = sip::beside(door.at.ip(), &door.domain).await.map_err(|error| error.to_string())?;
        let post = Self {
            id,
            platform: code(&door.platform),
            node: SipAddr { r#type: Some(way(door)), ..SipAddr::from(door.at) },
            clock: NodeClock::begin(),
            numbers: AtomicU32::new(1),
            door: door.clone(),
            stack,
            at,
            account,
        };
        Ok((post, requests))
    }

    /// Tells the node where it is, for so many seconds; 0 is goodbye.
    pub(super) async fn register(&self, seconds: u32) -> Result<(), String> {
        let mut thread = Thread::named(format!("{}@{}", uuid::Uuid::new_v4(), self.door.domain));
        let first = self.ask(self.registration(&thread, seconds, None)?).await?;
        let proof = self.account.proof(&first, "REGISTER", &self.server()?.to_string());
        let answer = match proof {
            Some(proof) => {
                thread.seq += 1;
                self.ask(self.registration(&thread, seconds, Some(proof))?).await?
            }
            None => first,
        };
        match answer.status_code.kind() {
            StatusCodeKind::Successful => Ok(()),
            _ => Err(format!("the node refuses the registration: {}", answer.status_code)),
        }
    }

    /// Tells the node that it lives.
    pub(super) fn live(self: &Arc<Self>) {
        let (post, sn) = (Arc::clone(self), self.number());
        tokio::spawn(async move { post.say(device::keepalive(post.id, sn)).await });
    }

    /// Answers a question.
    pub(super) async fn answer(&self, query: Query, sn: u32) {
        self.say(device::answer(query, self.id, sn, NAME)).await;
    }

    /// Says something to the node; what is not taken is noted.
    pub(super) async fn say(&self, body: Vec<u8>) {
        let asked = async {
            let mut request = self.outgoing(Method::Message, self.platform, &Thread::fresh())?;
            request.headers.push(Header::ContentType("Application/MANSCDP+xml".into()));
            request.body = body;
            self.ask(request).await
        };
        match asked.await {
            Ok(answer) if answer.status_code == StatusCode::OK => {}
            Ok(answer) => info!(code = %answer.status_code, "the node does not take what the built-in device says"),
            Err(why) => info!(why, "the built-in device is not heard"),
        }
    }

    /// Where the node reaches it within calls.
    pub(super) fn contact(&self) -> Result<Uri, String> {
        let parameter = if self.door.tcp { ";transport=tcp" } else { "" };
        uri(format!("sip:{}@{}{parameter}", self.id, self.at))
    }

    pub(super) fn number(&self) -> u32 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    fn registration(&self, thread: &Thread, seconds: u32, proof: Option<String>) -> Result<Request, String> {
        let mut request = self.outgoing(Method::Register, self.id, thread)?;
        request.headers.push(Header::Contact(format!("<{}>", self.contact()?).into()));
        request.headers.push(Header::Expires(seconds.into()));
        request.headers.push(Header::Other("X-GB-Ver".to_owned(), "3.0".to_owned()));
        request.headers.extend(proof.map(|proof| vec![Header::Authorization(proof.into())]).unwrap_or_default());
        Ok(request)
    }

    fn outgoing(&self, method: Method, to: Code, thread: &Thread) -> Result<Request, String> {
        let domain = &self.door.domain;
        let own = HostWithPort::try_from(self.at.to_string()).map_err(|error| error.to_string())?;
        let own = SipAddr { r#type: Some(way(&self.door)), addr: own };
        let via = self.stack.endpoint.get_via(Some(own), None).map_err(|error| error.to_string())?;
        let from = Sender { display_name: None, uri: uri(format!("sip:{}@{domain}", self.id))?, params: Vec::new() };
        let from = from.with_tag(thread.local.clone().into());
        let to = To { display_name: None, uri: uri(format!("sip:{to}@{domain}"))?, params: Vec::new() };
        let call = thread.call.clone().map(CallId::from);
        Ok(self.stack.endpoint.make_request(method, self.server()?, via, from, to, thread.seq, call))
    }

    async fn ask(&self, request: Request) -> Result<Response, String> {
        self.stack.ask(request, &self.node).await.map_err(|error| error.to_string())
    }

    fn server(&self) -> Result<Uri, String> {
        uri(format!("sip:{}@{}", self.platform, self.door.at))
    }
}

const fn way(door: &Door) -> Transport {
    if door.tcp { Transport::Tcp } else { Transport::Udp }
}

pub(super) fn uri(text: String) -> Result<Uri, String> {
    Uri::try_from(text.as_str()).map_err(|error| format!("{text}: {error}"))
}

/// As the operator reads it while a rehearsal runs.
const NAME: &str = "彩排设备";
