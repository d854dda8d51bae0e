//! Session timers (RFC 4028): a call that nobody refreshes is over, so that neither end waits for one that lost its power.

use std::time::Duration;

use rsipstack::sip::{Header, Headers};

/// What both ends agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timer {
    /// After how many seconds without a refresh the call is over.
    pub(super) seconds: u32,
    /// We refresh it.
    pub(super) ours: bool,
}

/// Which end of a transaction we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// We asked.
    Client,
    /// We answer.
    Server,
}

impl Timer {
    /// What the headers of the other end's request or answer lead to; `None` when it wants no timer.
    pub(super) fn read(headers: &Headers, side: Side) -> Option<Self> {
        let knows = headers.iter().any(|header| match header {
            Header::Supported(value) => value.value().split(',').any(|word| word.trim() == "timer"),
            _ => false,
        });
        let value = headers.iter().find_map(|header| match header {
            Header::SessionExpires(value) => Some(value.value().to_owned()),
            _ => None,
        })?;
        let mut parts = value.split(';').map(str::trim);
        let seconds = parts.next()?.parse().ok()?;
        let refresher = parts.find_map(|part| part.strip_prefix("refresher=").map(str::to_owned));
        let ours = match (side, refresher.as_deref()) {
            (Side::Client, refresher) => refresher == Some("uac"),
            (Side::Server, Some(refresher)) => refresher == "uas",
            // Whoever does not know timers can't refresh (RFC 4028, table 2).
            (Side::Server, None) => !knows,
        };
        Some(Self { seconds, ours })
    }

    /// Too short for a call: answered with 422 (RFC 4028, section 6).
    pub(super) const fn is_short(self) -> bool {
        self.seconds < LEAST
    }

    /// After which a call that was not refreshed is over.
    pub(super) fn life(self) -> Duration {
        Duration::from_secs(self.seconds.max(LEAST).into())
    }

    /// After which we refresh; `None` when the terminal does.
    pub(super) fn refresh(self) -> Option<Duration> {
        self.ours.then(|| self.life() / 2)
    }

    /// Of the answer to a request that asks for it.
    pub(super) fn answer(self) -> Vec<Header> {
        let refresher = if self.ours { "uas" } else { "uac" };
        let expires = Header::SessionExpires(format!("{};refresher={refresher}", self.seconds).into());
        if self.ours { vec![expires] } else { vec![Header::Require("timer".into()), expires] }
    }

    /// Of a request of ours that refreshes.
    pub(super) fn ask(self) -> Vec<Header> {
        let expires = format!("{};refresher=uac", self.seconds);
        vec![Header::Supported("timer".into()), Header::SessionExpires(expires.into())]
    }
}

/// What we ask of session timers when we ring: the terminal refreshes, if it knows them.
pub(super) fn wish() -> Vec<Header> {
    vec![Header::Supported("timer".into()), Header::SessionExpires(format!("{USUAL};refresher=uas").into())]
}

/// Of a 422.
pub(super) fn least() -> Vec<Header> {
    vec![Header::MinSE(LEAST.to_string().into())]
}

const USUAL: u32 = 1_800;
/// RFC 4028, section 4.
const LEAST: u32 = 90;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(side: Side, expires: &str, supported: Option<&str>) -> Option<Timer> {
        let mut headers = vec![Header::SessionExpires(expires.into())];
        headers.extend(supported.map(|words| Header::Supported(words.into())));
        Timer::read(&headers.into(), side)
    }

    #[test]
    fn who_refreshes_is_as_both_agreed() {
        let timer = |seconds, ours| Some(Timer { seconds, ours });
        assert_eq!(read(Side::Client, "1800;refresher=uas", None), timer(1_800, false));
        assert_eq!(read(Side::Client, "600; refresher=uac", None), timer(600, true));
        assert_eq!(read(Side::Server, "1800;refresher=uas", Some("timer")), timer(1_800, true));
        assert_eq!(read(Side::Server, "1800", Some("100rel, timer")), timer(1_800, false));
        assert_eq!(read(Side::Server, "1800", Some("100rel")), timer(1_800, true), "it can't refresh by itself");
        assert_eq!(read(Side::Server, "soon", None), None);
        assert_eq!(Timer::read(&Headers::default(), Side::Server), None);
    }

    #[test]
    fn whoever_refreshes_does_so_in_time_and_short_timers_are_refused() {
        let timer = Timer { seconds: 90, ours: true };
        assert_eq!((timer.refresh(), timer.life()), (Some(Duration::from_secs(45)), Duration::from_secs(90)));
        assert_eq!(Timer { ours: false, ..timer }.refresh(), None);
        assert!(Timer { seconds: 89, ours: true }.is_short() && !timer.is_short());
    }
}
