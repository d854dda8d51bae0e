//! What a client and a session settle in SDP: the answer to its offer, and to a later one by which it restarts ICE.

use std::net::SocketAddr;

use hearing_signaling::http::MediaRefusal;

use super::certificate::Certificate;
use super::ice::Credentials;
use super::sdp::{self, Local, Remote, Section};
use crate::router::IceRestart;

/// What all sessions of a node share.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where clients reach the worker: the host candidates of every answer, the best first.
    pub addresses: Vec<SocketAddr>,
    /// Where clients reach it over TCP; empty when they don't.
    pub tcp: Vec<SocketAddr>,
    /// By which clients know this process.
    pub certificate: Certificate,
}

/// The answer to an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The SDP.
    pub sdp: String,
    /// The local ICE user fragment, by which the worker knows the session's first datagrams.
    pub ufrag: String,
}

/// What is kept of an answered offer, so that the client may restart ICE without a new session.
#[derive(Debug, Clone)]
pub struct Restartable {
    pub(super) fingerprint: String,
    pub(super) sections: Vec<Section>,
}

impl Restartable {
    /// Answers an offer by which the client of a session restarts ICE (RFC 8839 section 4.4.1.1.1): new credentials of both ends,
    /// everything else as it was answered before.
    ///
    /// # Errors
    ///
    /// When the SDP cannot be read, or is not the same client's offer of the same m-lines.
    pub fn restart(&self, settings: &Settings, sdp: &str) -> Result<(Answer, IceRestart), MediaRefusal> {
        let remote = Remote::read(sdp).map_err(|error| MediaRefusal::BadSdp(error.to_string()))?;
        if remote.fingerprint != self.fingerprint || !remote.has_lines(&self.sections) {
            return Err(MediaRefusal::CannotRestart);
        }
        let credentials = Credentials::random();
        let answer = write(settings, &credentials, &self.sections);
        let Credentials { ufrag, pwd } = credentials;
        Ok((answer, IceRestart { ufrag, pwd, remote_ufrag: remote.ufrag, remote_pwd: remote.pwd }))
    }
}

pub(super) fn write(settings: &Settings, credentials: &Credentials, sections: &[Section]) -> Answer {
    let local = Local {
        ufrag: &credentials.ufrag,
        pwd: &credentials.pwd,
        fingerprint: settings.certificate.fingerprint(),
        addresses: &settings.addresses,
        tcp: &settings.tcp,
    };
    Answer { sdp: sdp::write(&local, sections), ufrag: credentials.ufrag.clone() }
}
