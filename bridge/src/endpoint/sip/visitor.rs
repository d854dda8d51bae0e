//! A terminal of our own that calls a node, as a rehearsal has it on the seat of a terminal that is not to be rung; and the node's
//! leave for it, which lasts as long as the rehearsal.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use hearing_config::{SipTls, Srtp};
use rsipstack::sip::Uri;
use rsipstack::sip::transport::Transport;
use rsipstack::transport::SipAddr;
use serde::{Deserialize, Serialize};

use super::ports::Ports;
use super::registrar::Registrar;
use super::seats::Seats;
use super::trial::Work;
use super::{Core, serve};
use crate::net::clock::NodeClock;
use crate::net::sip::{self, Account, Secured};
use crate::router::{Feed, Takes};

/// Where a node is called, and what it asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Door {
    /// An address of this machine.
    pub at: SocketAddr,
    /// By what.
    pub way: Way,
    /// The node's realm.
    pub domain: String,
    /// True where media in the clear is refused.
    pub keys: bool,
}

/// By what a node is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// Datagrams.
    Udp,
    /// A connection.
    Tcp,
    /// A connection over TLS; PEM file whose first certificate the node has to show.
    Tls(PathBuf),
}

/// A terminal that may call until this is dropped.
pub struct Pass {
    core: Arc<Core>,
    user: String,
}

/// A terminal of our own.
pub struct Visitor {
    core: Arc<Core>,
    callee: Uri,
    at: SipAddr,
    secured: Option<Secured>,
}

impl Door {
    pub(super) fn of(settings: &hearing_config::Sip) -> Option<Self> {
        let (at, way) = match sip::reach(settings.udp, settings.tcp, settings.advertise) {
            Some((at, false)) => (at, Way::Udp),
            Some((at, true)) => (at, Way::Tcp),
            None => {
                let tls = settings.tls.as_ref()?;
                (sip::here(tls.listen, settings.advertise), Way::Tls(tls.certificate.clone()))
            }
        };
        Some(Self { at, way, domain: settings.domain.clone(), keys: settings.srtp == Srtp::Required })
    }

    /// As if a terminal were configured that listens at `at`.
    fn settings(&self, at: SocketAddr) -> hearing_config::Sip {
        hearing_config::Sip {
            udp: Some(at),
            tcp: Some(at),
            // It is reached by the connection that it makes: nothing is bound.
            tls: Some(SipTls { listen: at, certificate: PathBuf::new(), key: PathBuf::new() }),
            advertise: at.ip(),
            domain: self.domain.clone(),
            rtp: (0, 0),
            srtp: if self.keys { Srtp::Required } else { Srtp::Allowed },
            digest: Vec::new(),
            devices: Vec::new(),
        }
    }
}

impl Pass {
    pub(super) fn new(core: &Arc<Core>, account: &Account) -> Self {
        core.registrar.admit(&account.user, &account.secret);
        Self { core: Arc::clone(core), user: account.user.clone() }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.core.registrar.dismiss(&self.user);
    }
}

impl Visitor {
    /// Binds addresses of its own beside the node, and connects to it where it is called by TLS.
    ///
    /// # Errors
    /// None is free, the node's address is not of this machine, or it is not the node that answers by TLS.
    pub async fn start(door: &Door, account: Account) -> Result<Self, sip::Error> {
        let (at, stack, requests) = sip::beside(door.at.ip(), &door.domain).await?;
        let settings = door.settings(at);
        let transport = door.way.transport();
        let named = transport.to_string().to_lowercase();
        let callee = Uri::try_from(format!("sip:hearing@{};transport={named}", door.at).as_str());
        let callee = callee.map_err(|error| unreadable(door, &error))?;
        let secured = match &door.way {
            Way::Tls(certificate) => Some(Secured::connect(&stack, door.at, certificate).await?),
            Way::Udp | Way::Tcp => None,
        };
        let core = Arc::new(Core {
            registrar: Registrar::new(&door.domain, Vec::new(), HashMap::new()),
            ports: Ports::any(door.at.ip()),
            settings,
            stack,
            clock: NodeClock::begin(),
            seats: Seats::default(),
            account: Some(account),
        });
        tokio::spawn(serve(Arc::downgrade(&core), requests));
        Ok(Self { core, callee, at: SipAddr { r#type: Some(transport), ..SipAddr::from(door.at) }, secured })
    }

    /// Calls the node, and exchanges media with it until it hangs up; `feed` makes what is sent and takes what comes.
    ///
    /// # Errors
    /// The node's refusal, or that of `feed`.
    pub async fn call(&self, feed: impl FnOnce(&Takes) -> Result<Box<dyn Feed>, String>) -> Result<(), String> {
        let setup = self.core.dial(self.callee.clone(), Some(self.at.clone())).await?;
        let (mut work, mut held, mut arrivals) = Work::begin(&self.core, setup, feed)?;
        tokio::select! {
            () = work.exchange(&mut held.states, &mut arrivals) => {}
            () = kept(self.secured.as_ref()) => {}
        }
        Ok(())
    }
}

impl Way {
    const fn transport(&self) -> Transport {
        match self {
            Self::Udp => Transport::Udp,
            Self::Tcp => Transport::Tcp,
            Self::Tls(_) => Transport::Tls,
        }
    }
}

/// Until the connection breaks, where there is one.
async fn kept(secured: Option<&Secured>) {
    match secured {
        Some(secured) => secured.keep().await,
        None => std::future::pending().await,
    }
}

fn unreadable(door: &Door, error: &rsipstack::sip::Error) -> sip::Error {
    let source = Box::new(io::Error::other(error.to_string()).into());
    sip::Error::Listen { what: "a terminal", at: door.at.to_string(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(udp: Option<&str>, tcp: Option<&str>) -> hearing_config::Sip {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let door = Door { at: at("10.1.0.2:1"), way: Way::Udp, domain: "court".to_owned(), keys: true };
        hearing_config::Sip { udp: udp.map(at), tcp: tcp.map(at), tls: None, ..door.settings(door.at) }
    }

    #[test]
    fn a_node_is_called_by_udp_or_else_by_tcp_or_else_by_tls_where_it_can_be_reached() {
        let door = Door::of(&settings(Some("0.0.0.0:5060"), Some("10.1.0.2:5070"))).unwrap();
        assert_eq!((door.at.to_string().as_str(), door.way, door.keys), ("10.1.0.2:5060", Way::Udp, true));
        assert_eq!(Door::of(&settings(None, Some("10.1.0.2:5070"))).unwrap().way, Way::Tcp);
        assert_eq!(Door::of(&settings(None, None)), None);
        let tls = SipTls { listen: "[::]:5061".parse().unwrap(), certificate: "sip.pem".into(), key: "sip.key".into() };
        let door = Door::of(&hearing_config::Sip { tls: Some(tls), ..settings(None, None) }).unwrap();
        assert_eq!((door.at.to_string().as_str(), door.way), ("10.1.0.2:5061", Way::Tls("sip.pem".into())));
    }

    fn secured(directory: &std::path::Path, at: SocketAddr) -> hearing_config::Sip {
        let [certificate, key] = ["sip.pem", "sip.key"].map(|name| directory.join(name));
        let made = rcgen::generate_simple_self_signed(vec!["court".to_owned()]).unwrap();
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let tls = Some(SipTls { listen: at, certificate, key });
        hearing_config::Sip {
            tls,
            advertise: at.ip(),
            digest: vec![hearing_config::Digest::Md5],
            ..settings(None, None)
        }
    }

    #[tokio::test]
    async fn a_node_is_called_by_tls_when_it_shows_the_certificate_that_it_is_configured_with_and_not_otherwise() {
        let _ = crate::net::tls::provider().as_ref().clone().install_default();
        let at = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let node = crate::endpoint::sip::Sip::start(&secured(directory.path(), at), NodeClock::begin()).await.unwrap();
        // The stack binds it a moment later.
        let bound = async {
            while tokio::net::TcpStream::connect(at).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), bound).await.expect("it listens");
        let account = Account { user: "rehearsal-1f".to_owned(), secret: "secret".to_owned() };
        let _pass = node.admit(&account);
        let door = node.door().unwrap();
        let visitor = Visitor::start(&door, account.clone()).await.unwrap();
        let refused = visitor.call(|_| Err("nobody is to answer".to_owned())).await.unwrap_err();
        assert!(refused.contains("404"), "he is known, and no seat is for him: {refused}");
        // The file has another certificate than the node has read.
        secured(directory.path(), at);
        let other = Visitor::start(&door, account).await.err().unwrap().to_string();
        assert!(other.contains("another certificate"), "{other}");
    }

    #[tokio::test]
    async fn who_is_let_in_proves_it_and_is_nobody_before_and_after() {
        let at = std::net::UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).unwrap();
        let digest = vec![hearing_config::Digest::Sha256, hearing_config::Digest::Md5];
        let settings = hearing_config::Sip { advertise: at.ip(), digest, ..settings(Some(&at.to_string()), None) };
        let node = crate::endpoint::sip::Sip::start(&settings, NodeClock::begin()).await.unwrap();
        let account = Account { user: "rehearsal-1f".to_owned(), secret: "secret".to_owned() };
        let call = async |account: &Account| {
            let visitor = Visitor::start(&node.door().unwrap(), account.clone()).await.unwrap();
            visitor.call(|_| Err("nobody is to answer".to_owned())).await.unwrap_err()
        };
        assert!(call(&account).await.contains("403"), "nobody let him in");
        let pass = node.admit(&account);
        assert!(call(&account).await.contains("404"), "he is known, and no seat is for him");
        let guess = Account { secret: "guess".to_owned(), ..account.clone() };
        assert!(call(&guess).await.contains("401"));
        drop(pass);
        assert!(call(&account).await.contains("403"), "his pass is gone");
    }
}
