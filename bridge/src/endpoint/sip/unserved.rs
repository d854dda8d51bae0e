//! Requests that are refused whatever they ask for (RFC 3261, section 8.2; RFC 4475).

use rsipstack::sip::prelude::*;
use rsipstack::sip::{Header, Method, Request, Scheme, StatusCode, Version};

/// How a request is refused that contradicts itself or asks for what is not known here; `None` for one that can be looked at.
pub(super) fn refusal(request: &Request) -> Option<(StatusCode, Vec<Header>)> {
    if matches!(request.method, Method::Ack | Method::Cancel) {
        return None;
    }
    let lengths = request.headers.iter().filter(|header| matches!(header, Header::ContentLength(_))).count();
    let named = request.cseq_header().ok().and_then(|cseq| cseq.method().ok());
    if request.version != Version::V2 && request.version != Version::V(2, 0) {
        Some((StatusCode::VersionNotSupported, Vec::new()))
    } else if lengths > 1 || named != Some(request.method) {
        Some((StatusCode::BadRequest, Vec::new()))
    } else if !matches!(request.uri.scheme, Some(Scheme::Sip | Scheme::Sips)) {
        Some((StatusCode::UnsupportedUriScheme, Vec::new()))
    } else {
        let unknown = unknown(request);
        (!unknown.is_empty()).then(|| (StatusCode::BadExtension, vec![Header::Unsupported(unknown.into())]))
    }
}

/// What it requires and is not known.
fn unknown(request: &Request) -> String {
    let required = request.headers.iter().filter_map(|header| match header {
        Header::Require(value) => Some(value.value()),
        _ => None,
    });
    let words: Vec<_> = required.flat_map(|value| value.split(',')).map(str::trim).filter(|w| *w != "timer").collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(line: &str, more: &str) -> Option<u16> {
        let text = format!(
            "{line}\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: 1\r\n\
             CSeq: 1 OPTIONS\r\n{more}Content-Length: 0\r\n\r\n"
        );
        let request = Request::try_from(text.as_str()).expect("it can be read");
        refusal(&request).map(|(code, _)| code.into())
    }

    #[test]
    fn what_contradicts_itself_or_asks_for_the_unknown_is_refused_by_the_right_code() {
        assert_eq!(refused("OPTIONS sip:a@b SIP/2.0", "Require: timer\r\n"), None);
        assert_eq!(refused("OPTIONS sip:a@b SIP/7.0", ""), Some(505));
        assert_eq!(refused("BYE sip:a@b SIP/2.0", ""), Some(400));
        assert_eq!(refused("OPTIONS sip:a@b SIP/2.0", "Content-Length: 4\r\n"), Some(400));
        assert_eq!(refused("OPTIONS tel:+8610 SIP/2.0", ""), Some(416));
        assert_eq!(refused("OPTIONS sip:a@b SIP/2.0", "Require: timer, teleport\r\n"), Some(420));
    }
}
