//! Reading single values: a missing or wrong one is told with its key and a remedy.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::Fault;

/// The directory against which relative paths are read: the configuration file's own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Base<'a>(pub(crate) &'a Path);

impl Base<'_> {
    pub(crate) fn path(self, value: Option<String>, key: &str) -> Result<PathBuf, Fault> {
        let text =
            required(value, key, "name a file or directory; relative paths start at this configuration's directory")?;
        if text.is_empty() {
            return Err(Fault::new(key, "is empty", "name a file or directory"));
        }
        Ok(self.0.join(text))
    }
}

pub(crate) fn required<T>(value: Option<T>, key: &str, remedy: &str) -> Result<T, Fault> {
    value.ok_or_else(|| Fault::new(key, "is missing", remedy))
}

/// `IP:PORT` with a port other than 0.
pub(crate) fn address(value: Option<String>, key: &str) -> Result<SocketAddr, Fault> {
    const REMEDY: &str = "write \"IP:PORT\", such as \"10.1.0.5:8443\" or \"[fd00::5]:8443\"";
    let text = required(value, key, REMEDY)?;
    match SocketAddr::from_str(&text) {
        Ok(address) if address.port() != 0 => Ok(address),
        Ok(_) => Err(Fault::new(key, format!("{text:?} has port 0"), REMEDY)),
        Err(_) => Err(Fault::new(key, format!("{text:?} is not an address with a port"), REMEDY)),
    }
}

pub(crate) fn ip(text: &str, key: &str) -> Result<IpAddr, Fault> {
    text.parse()
        .map_err(|_| Fault::new(key, format!("{text:?} is not an IP address"), "write an address such as \"10.1.0.5\""))
}

/// A whole number within `low..=high`.
pub(crate) fn number(value: i64, (low, high): (u32, u32), key: &str) -> Result<u32, Fault> {
    u32::try_from(value).ok().filter(|n| (low..=high).contains(n)).ok_or_else(|| {
        Fault::new(key, format!("{value} is out of range"), format!("write a number from {low} to {high}"))
    })
}

/// The first and the last of a range of ports for RTP, the first even.
pub(crate) fn ports([first, last]: [i64; 2], key: &str) -> Result<(u16, u16), Fault> {
    let port = |value: i64, n: usize| Ok(number(value, (1_024, 65_535), &format!("{key}[{n}]"))? as u16);
    let (first, last) = (port(first, 0)?, port(last, 1)?);
    if first % 2 == 0 && last >= first.saturating_add(FEWEST_PORTS - 1) {
        return Ok((first, last));
    }
    let remedy =
        "write the first and the last port, the first even and the last at least 7 above, such as [30000, 30999]";
    Err(Fault::new(key, format!("{first} to {last} is no range for RTP"), remedy))
}

/// A part of a SIP address.
pub(crate) fn word(text: String, key: &str) -> Result<String, Fault> {
    let fine =
        (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:[]".contains(&b));
    let remedy = "write 1 to 64 letters, digits, -, _ and .";
    if fine { Ok(text) } else { Err(Fault::new(key, format!("{text:?} can't stand in an address"), remedy)) }
}

/// A page address without path, query or trailing slash. Cameras work only on https and on loopback.
pub(crate) fn page(text: &str, key: &str) -> Result<String, Fault> {
    const REMEDY: &str = "write \"https://HOST\" or \"https://HOST:PORT\" (\"http://\" for loopback only)";
    let wrong = |problem: &str| Fault::new(key, format!("{text:?} {problem}"), REMEDY);
    let address = text.trim_end_matches('/');
    let (scheme, host) = address.split_once("://").ok_or_else(|| wrong("is not a page's address"))?;
    if host.is_empty() || host.contains(|c: char| c.is_whitespace() || "/?#@\"".contains(c)) {
        return Err(wrong("must name a host and nothing after it"));
    }
    match scheme {
        "https" => Ok(address.to_owned()),
        "http" if is_loopback(host) => Ok(address.to_owned()),
        "http" => Err(wrong("is plain HTTP to another machine, where browsers give no camera")),
        _ => Err(wrong("is neither https nor http")),
    }
}

/// A text to show: not blank, at most 64 characters, no control characters.
pub(crate) fn title(value: Option<String>, key: &str) -> Result<String, Fault> {
    const REMEDY: &str = "write 1 to 64 characters, such as \"审判长\"";
    let text = required(value, key, REMEDY)?;
    let fine = !text.trim().is_empty() && text.chars().count() <= 64 && !text.chars().any(char::is_control);
    if fine { Ok(text) } else { Err(Fault::new(key, format!("{text:?} can't be shown as a title"), REMEDY)) }
}

/// A name for links, files and metrics.
pub(crate) fn slug(value: Option<String>, key: &str) -> Result<String, Fault> {
    const REMEDY: &str = "write 1 to 32 of a-z, 0-9 and -, beginning with a letter";
    let text = required(value, key, REMEDY)?;
    if crate::value::is_slug(&text) {
        Ok(text)
    } else {
        Err(Fault::new(key, format!("{text:?} is not a name"), REMEDY))
    }
}

/// The place of the first item that stood earlier as well.
pub(crate) fn repeated<T: PartialEq>(items: &[T]) -> Option<usize> {
    items.iter().enumerate().position(|(n, item)| items[..n].contains(item))
}

fn is_loopback(host: &str) -> bool {
    let bare = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or(v6),
        None => host.split(':').next().unwrap_or(host),
    };
    bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Sound and two pictures, each with RTCP, and room to move.
const FEWEST_PORTS: u16 = 8;
