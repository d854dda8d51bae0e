//! How a seat is connected.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::value::InvalidValue;

/// What stands on a seat.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Endpoint {
    /// A browser that opens the seat's link, or a WHIP/WHEP client that holds the link's token.
    #[default]
    Browser,
    /// A room terminal that the node of the seat's zone calls by SIP.
    Sip(Aor),
    /// A GB/T 28181 device that is registered with the node of the seat's zone.
    Gb28181(DeviceId),
    /// A camera that the node of the seat's zone pulls from.
    Rtsp(RtspUrl),
}

/// What kind of endpoint stands on a seat; everybody may know it, unlike the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndpointKind {
    /// A browser.
    #[default]
    Browser,
    /// A SIP terminal.
    Sip,
    /// A GB/T 28181 device.
    Gb28181,
    /// An RTSP camera.
    Rtsp,
}

impl Endpoint {
    /// What kind of endpoint it is.
    #[must_use]
    pub const fn kind(&self) -> EndpointKind {
        match self {
            Self::Browser => EndpointKind::Browser,
            Self::Sip(_) => EndpointKind::Sip,
            Self::Gb28181(_) => EndpointKind::Gb28181,
            Self::Rtsp(_) => EndpointKind::Rtsp,
        }
    }

    /// True for what a node connects by itself, without a link.
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        !matches!(self, Self::Browser)
    }
}

impl EndpointKind {
    /// The word used in configuration and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Sip => "sip",
            Self::Gb28181 => "gb28181",
            Self::Rtsp => "rtsp",
        }
    }
}

impl fmt::Display for EndpointKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// For operators: an address of RTSP is shown without its user and password.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Browser => f.write_str("browser"),
            Self::Sip(aor) => f.write_str(aor.as_str()),
            Self::Gb28181(device) => write!(f, "gb28181:{}", device.as_str()),
            Self::Rtsp(url) => f.write_str(&url.without_credentials()),
        }
    }
}

/// The address of a SIP terminal (RFC 3261, section 19.1): `sip:USER@HOST[:PORT][;transport=udp|tcp|tls]`, at most 255 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Aor(String);

impl Aor {
    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the `@`.
    #[must_use]
    pub fn user(&self) -> &str {
        self.parts().0
    }

    /// The host with its port, if it names one.
    #[must_use]
    pub fn host(&self) -> &str {
        self.parts().1
    }

    /// How it is reached, if the address says so: `udp`, `tcp` or `tls`.
    #[must_use]
    pub fn transport(&self) -> Option<&str> {
        let named = self.0.split_once(";transport=").map(|(_, transport)| transport);
        named.or_else(|| self.0.starts_with("sips:").then_some("tls"))
    }

    /// The address of a terminal that stands in for another while a hearing is rehearsed. Its host can't exist (RFC 6761, section 6.4), so
    /// nobody is ever rung there.
    ///
    /// # Errors
    /// When `name` can't be a part of a user.
    pub fn in_rehearsal(name: &str) -> Result<Self, InvalidValue> {
        Self::try_from(format!("sip:rehearsal-{name}@{REHEARSAL}"))
    }

    /// True for such an address: who has it calls by itself.
    #[must_use]
    pub fn is_in_rehearsal(&self) -> bool {
        self.host() == REHEARSAL
    }

    fn parts(&self) -> (&str, &str) {
        split(&self.0).unwrap_or_default()
    }
}

impl TryFrom<String> for Aor {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if is_aor(&text) { Ok(Self(text)) } else { Err(InvalidValue::Aor(text)) }
    }
}

impl From<Aor> for String {
    fn from(aor: Aor) -> Self {
        aor.0
    }
}

/// A GB/T 28181 identity: twenty digits (GB/T 28181-2022, annex E).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceId(String);

impl DeviceId {
    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl DeviceId {
    /// The identity of a device, a camera, that stands in for another while a hearing is rehearsed; of `number` twelve digits count. No
    /// region's code begins with 99 (GB/T 2260), so no real device has it.
    #[must_use]
    pub fn in_rehearsal(number: u64) -> Self {
        let (place, serial) = (number % 1_000_000, number / 1_000_000 % 1_000_000);
        Self(format!("99{place:06}001320{serial:06}"))
    }
}

impl TryFrom<String> for DeviceId {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let fine = text.len() == 20 && text.bytes().all(|b| b.is_ascii_digit());
        if fine { Ok(Self(text)) } else { Err(InvalidValue::DeviceId(text)) }
    }
}

impl From<DeviceId> for String {
    fn from(id: DeviceId) -> Self {
        id.0
    }
}

/// The address of a camera's stream (RFC 7826, section 4.2): `rtsp://[USER:PASSWORD@]HOST[:PORT]/PATH` or `rtsps://`, at most 255
/// characters.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RtspUrl(String);

impl RtspUrl {
    /// The address as text, with user and password: not for logs.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address as it may be shown.
    #[must_use]
    pub fn without_credentials(&self) -> String {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("rtsp", &self.0));
        let authority = rest.find('/').unwrap_or(rest.len());
        let host = rest[..authority].rfind('@').map_or(rest, |at| &rest[at + 1..]);
        format!("{scheme}://{host}")
    }
}

impl fmt::Debug for RtspUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.without_credentials())
    }
}

impl TryFrom<String> for RtspUrl {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let rest = text.strip_prefix("rtsp://").or_else(|| text.strip_prefix("rtsps://"));
        let fine = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/')) && is_plain(&text);
        // Passwords may stand in it, so the text is not repeated.
        if fine { Ok(Self(text)) } else { Err(InvalidValue::RtspUrl) }
    }
}

impl From<RtspUrl> for String {
    fn from(url: RtspUrl) -> Self {
        url.0
    }
}

fn is_aor(text: &str) -> bool {
    let Some((user, host)) = split(text) else { return false };
    let parameters = text.split_once(';').map(|(_, parameters)| parameters);
    let transport = parameters.is_none_or(|p| matches!(p, "transport=udp" | "transport=tcp" | "transport=tls"));
    let named = |part: &str| !part.is_empty() && !part.contains(['@', '<', '>', '"', '?', ',']);
    is_plain(text) && named(user) && named(host) && transport
}

fn split(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("sip:").or_else(|| text.strip_prefix("sips:"))?;
    rest.split(';').next()?.split_once('@')
}

fn is_plain(text: &str) -> bool {
    text.len() <= ADDRESS_LIMIT && text.bytes().all(|b| b.is_ascii_graphic())
}

/// The host of terminals that stand in for others.
const REHEARSAL: &str = "rehearsal.invalid";
/// The most characters of an address.
const ADDRESS_LIMIT: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_nothing_else_is() {
        let aor = Aor::try_from("sip:room3@10.2.0.30:5070;transport=tcp".to_owned()).unwrap();
        assert_eq!((aor.user(), aor.host(), aor.transport()), ("room3", "10.2.0.30:5070", Some("tcp")));
        for wrong in ["room3@host", "sip:room3", "sip:@host", "sip:a b@host", "sip:a@h>;x", "sip:a@h;transport=sctp"] {
            assert!(Aor::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
        assert!(DeviceId::try_from("34020000001320000001".to_owned()).is_ok());
        assert!(DeviceId::try_from("3402000000132000000x".to_owned()).is_err());
        assert!(RtspUrl::try_from("http://camera/1".to_owned()).is_err());
    }

    #[test]
    fn who_stands_in_for_a_terminal_is_told_from_every_other() {
        let stands_in = Aor::in_rehearsal("1f").unwrap();
        assert_eq!((stands_in.user(), stands_in.is_in_rehearsal()), ("rehearsal-1f", true));
        assert!(!Aor::try_from("sip:rehearsal-1f@court".to_owned()).unwrap().is_in_rehearsal());
        assert!(Aor::in_rehearsal("a b").is_err());
    }

    #[test]
    fn who_stands_in_for_a_device_has_an_identity_of_a_camera_in_no_region() {
        for (number, expected) in [(0, "99000000001320000000"), (u64::MAX, "99551615001320073709")] {
            let id = DeviceId::in_rehearsal(number);
            assert_eq!(id.as_str(), expected);
            assert_eq!(DeviceId::try_from(id.as_str().to_owned()), Ok(id));
        }
    }

    #[test]
    fn a_cameras_password_is_never_shown() {
        let url = RtspUrl::try_from("rtsp://user:p@ss@10.2.0.31/live@1".to_owned()).unwrap();
        assert_eq!(
            format!("{url:?} {}", Endpoint::Rtsp(url.clone())),
            "rtsp://10.2.0.31/live@1 rtsp://10.2.0.31/live@1"
        );
    }
}
