//! The relay for participants behind firewalls that let nothing but TLS to port 443 of one known host pass.

use std::path::PathBuf;

use crate::error::Fault;
use crate::raw;
use crate::read::{Base, number, required};

/// A TURN server (RFC 8656) that this zone's browsers may use, and the secret that it shares with this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Where it is, as browsers are told: `turns:HOST[:PORT][?transport=tcp]`; never empty.
    pub urls: Vec<String>,
    /// File with the secret by which credentials are signed.
    pub secret: PathBuf,
    /// For how many minutes credentials are good, 10 to 1,440.
    pub minutes: u16,
}

impl Turn {
    pub(crate) fn parse(raw: raw::Turn, base: Base<'_>) -> Result<Self, Fault> {
        let urls = required(raw.urls, "turn.urls", REMEDY)?;
        if urls.is_empty() || urls.len() > URLS {
            return Err(Fault::new(
                "turn.urls",
                format!("names {} servers, 1 to {URLS} are possible", urls.len()),
                REMEDY,
            ));
        }
        for (n, url) in urls.iter().enumerate() {
            check(url, &format!("turn.urls[{n}]"))?;
        }
        let minutes = number(raw.minutes.unwrap_or(DEFAULT_MINUTES), (10, 1_440), "turn.minutes")? as u16;
        Ok(Self { urls, secret: base.path(raw.secret, "turn.secret")?, minutes })
    }
}

fn check(url: &str, key: &str) -> Result<(), Fault> {
    let host = url.strip_prefix("turns:").or_else(|| url.strip_prefix("turn:"));
    let fine = host.is_some_and(|host| !host.is_empty() && host.chars().all(|c| c.is_ascii_graphic() && c != '"'));
    if fine { Ok(()) } else { Err(Fault::new(key, format!("{url:?} is no TURN server"), REMEDY)) }
}

const REMEDY: &str = "write a list such as [\"turns:turn.example.cn:443?transport=tcp\"]";
const URLS: usize = 4;
/// A long hearing; a page asks for new ones whenever it connects.
const DEFAULT_MINUTES: i64 = 240;
