//! What changes while a call goes on: the terminal holds or moves, and the call is refreshed (RFC 3264 section 8, RFC 4028).

use std::time::Instant;

use rsipstack::dialog::dialog::TransactionHandle;
use rsipstack::sip::{Header, Method, Request, Response, StatusCode, StatusCodeKind};

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
        if request.body.is_empty() && request.method == Method::Update {
            return handle.respond(StatusCode::OK, Some(headers), None).await.is_ok();
        }
        let lines = if request.body.is_empty() { None } else { sdp::read(&request.body) };
        let Some(lines) = lines.filter(|lines| self.fits(lines)) else {
            return handle.respond(StatusCode::NotAcceptableHere, None, None).await.is_ok();
        };
        self.follow(&lines);
        let answer = self.describe(&lines);
        self.refresh.lines = lines;
        headers.push(Header::ContentType("application/sdp".into()));
        handle.respond(StatusCode::OK, Some(headers), Some(answer.into_bytes())).await.is_ok()
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
