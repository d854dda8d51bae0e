//! What changes while a call goes on: the terminal holds or moves, and the call is refreshed (RFC 3264 section 8, RFC 4028).

use std::time::Instant;

use rsipstack::dialog::dialog::TransactionHandle;
use rsipstack::sip::{Header, Method, Request, Response, StatusCode, StatusCodeKind};

use super::super::delayed::{number, unanswered};
use super::super::sdp::{self, Line};
use super::super::timer::{self, Side, Timer};
use super::Session;

impl Session<'_> {
    /// The terminal holds, goes on, moves, or only says that it is still there.
    pub(super) async fn updated(&mut self, request: &Request, handle: TransactionHandle) -> bool {
        let timer = Timer::read(&request.headers, Side::Server);
        if timer.is_some_and(Timer::is_short) {
            return handle.respond(StatusCode::SessionIntervalTooSmall, Some(timer::least()), None).await.is_ok();
        }
        self.refresh.done(timer, Instant::now());
        let mut headers = timer.map(Timer::answer).unwrap_or_default();
        let said = match self.reply(request) {
            Ok(said) => said,
            Err(code) => return handle.respond(code, None, None).await.is_ok(),
        };
        if said.is_some() {
            headers.push(Header::ContentType("application/sdp".into()));
        }
        handle.respond(StatusCode::OK, Some(headers), said.map(String::into_bytes)).await.is_ok()
    }

    /// What we say of our media to a request that is well: our answer to an offer; our offer where an INVITE has none (RFC 3261,
    /// section 14.2); nothing to an UPDATE without one, which only refreshes.
    fn reply(&mut self, request: &Request) -> Result<Option<String>, StatusCode> {
        if request.body.is_empty() && request.method == Method::Update {
            return Ok(None);
        }
        if self.offered.is_some() {
            // Our offer stands until its answer is here (RFC 3311, section 5.2).
            return Err(StatusCode::RequestPending);
        }
        if request.body.is_empty() {
            self.offered = Some(number(request).ok_or(StatusCode::BadRequest)?);
            self.version += 1;
            let version = (self.id, self.version);
            return Ok(Some(sdp::standing(self.core.settings.advertise, version, &self.refresh.lines, &self.own)));
        }
        let lines = sdp::read(&request.body).filter(|lines| self.fits(lines)).ok_or(StatusCode::NotAcceptableHere)?;
        self.follow(&lines);
        let answer = self.describe(&lines);
        self.refresh.lines = lines;
        Ok(Some(answer))
    }

    /// The terminal acknowledged, and answers what we offered, if we did; the reason when it does not.
    pub(super) fn acknowledged(&mut self) -> Option<String> {
        let ack = self.dialog.last_remote_ack().filter(|ack| self.offered.is_some() && number(ack) == self.offered)?;
        self.offered = None;
        let Some(lines) = sdp::read(&ack.body).filter(|lines| self.fits(lines)) else {
            self.fault = Some(unanswered());
            return Some("its ACK has no answer that can be used".to_owned());
        };
        self.follow(&lines);
        self.refresh.lines = lines;
        None
    }

    /// Does as the peer's description says, which fits.
    pub(super) fn follow(&mut self, lines: &[Line]) {
        for stream in &mut self.streams {
            stream.update(&lines[stream.at]);
            if !stream.sends && std::mem::take(&mut stream.published) {
                // A full queue is counted; the router forgets the track with the leg.
                let _ = self.line.unpublish(stream.kind());
            }
        }
        for (chosen, own) in &mut self.own {
            let theirs = lines[chosen.at].crypto.as_ref();
            own.crypto = own.crypto.iter().zip(theirs).filter_map(|(ours, theirs)| ours.answering(theirs)).collect();
        }
        self.key_wanted();
    }

    /// Our own description, in a new version.
    pub(super) fn describe(&mut self, lines: &[Line]) -> String {
        self.version += 1;
        sdp::answer(self.core.settings.advertise, (self.id, self.version), lines, &self.own)
    }

    /// The same m-lines with the same codecs and suites of keys: anything else would be another call.
    pub(super) fn fits(&self, lines: &[Line]) -> bool {
        self.own.iter().all(|(chosen, own)| {
            lines.get(chosen.at).is_some_and(|line| {
                let keys = match (own.crypto.first(), &line.crypto) {
                    (Some(ours), Some(theirs)) => ours.answering(theirs).is_some(),
                    (None, None) => true,
                    (Some(_), None) | (None, Some(_)) => false,
                };
                keys && line.codecs.iter().any(|format| format.codec == chosen.format.codec)
            })
        })
    }

    /// Refreshes the call: by UPDATE where the terminal knows it, else by saying again what was agreed on (RFC 4028, section 7.4).
    pub(super) fn renew(&mut self, timer: Timer) {
        let (dialog, headers) = (self.dialog.clone(), timer.ask());
        if self.refresh.updates {
            self.refresh.begin(async move { dialog.update(Some(headers), None).await.ok().flatten() });
            return;
        }
        let lines = std::mem::take(&mut self.refresh.lines);
        let offer = self.describe(&lines).into_bytes();
        self.refresh.lines = lines;
        let headers = [headers, vec![Header::ContentType("application/sdp".into())]].concat();
        self.refresh.begin(async move { dialog.reinvite(Some(headers), Some(offer)).await.ok().flatten() });
    }

    /// The terminal answered a refresh, or did not; the reason when the call is over.
    pub(super) fn refreshed(&mut self, answer: Option<Response>) -> Option<String> {
        let answer = answer?;
        if matches!(answer.status_code, StatusCode::CallTransactionDoesNotExist | StatusCode::RequestTimeout) {
            return Some("the terminal has forgotten its call".to_owned());
        }
        if answer.status_code.kind() != StatusCodeKind::Successful {
            // It is tried again until the call's time is over.
            return None;
        }
        self.refresh.done(Timer::read(&answer.headers, Side::Client), Instant::now());
        if let Some(lines) = sdp::read(&answer.body).filter(|lines| !answer.body.is_empty() && self.fits(lines)) {
            self.follow(&lines);
            self.refresh.lines = lines;
        }
        None
    }
}
