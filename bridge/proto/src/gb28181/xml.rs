//! XML as devices send it: in GB 18030 or UTF-8 whatever they declare, small and flat, values in elements or in attributes.

use encoding_rs::GB18030;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// An element with what is in it. Names are compared without regard to case, as devices write them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Element {
    pub(super) name: String,
    attributes: Vec<(String, String)>,
    text: String,
    pub(super) children: Vec<Element>,
}

/// Why bytes are no document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Longer than 256 KiB.
    #[error("a document of {0} bytes; at most {DOCUMENT_LIMIT} are read")]
    TooLong(usize),
    /// Deeper than 16 levels or with more than 20,000 elements.
    #[error("a document with too many elements, or too deep")]
    TooMany,
    /// Not XML.
    #[error("not XML: {0}")]
    Syntax(String),
    /// XML without an element, or with one that is not closed.
    #[error("a document without a whole element")]
    Empty,
}

impl Element {
    /// The document's element.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > DOCUMENT_LIMIT {
            return Err(Malformed::TooLong(bytes.len()));
        }
        let text = decode(bytes);
        let mut reader = Reader::from_str(&text);
        let (mut open, mut count) = (Vec::<Self>::new(), 0);
        loop {
            match reader.read_event().map_err(syntax)? {
                Event::Start(start) => {
                    count += 1;
                    if open.len() >= DEPTH_LIMIT || count > ELEMENTS_LIMIT {
                        return Err(Malformed::TooMany);
                    }
                    open.push(Self::begin(&start)?);
                }
                Event::Empty(start) => {
                    count += 1;
                    if count > ELEMENTS_LIMIT {
                        return Err(Malformed::TooMany);
                    }
                    let element = Self::begin(&start)?;
                    match open.last_mut() {
                        Some(parent) => parent.children.push(element),
                        None => return Ok(element),
                    }
                }
                Event::End(_) => {
                    let element = open.pop().ok_or(Malformed::Empty)?;
                    match open.last_mut() {
                        Some(parent) => parent.children.push(element),
                        None => return Ok(element),
                    }
                }
                Event::Text(text) => add(&mut open, &text.decode().map_err(|e| syntax(e.into()))?),
                Event::CData(data) => add(&mut open, &data.decode().map_err(|e| syntax(e.into()))?),
                Event::GeneralRef(name) => add(&mut open, &entity(&String::from_utf8_lossy(&name))),
                Event::Eof => return Err(Malformed::Empty),
                Event::Decl(_) | Event::PI(_) | Event::DocType(_) | Event::Comment(_) => {}
            }
        }
    }

    /// The value of this name, in an element or an attribute; blank ones are none.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let same = |other: &str| other.eq_ignore_ascii_case(name);
        let element = self.children.iter().find(|child| same(&child.name)).map(|child| child.text.trim());
        let attribute = self.attributes.iter().find(|(key, _)| same(key)).map(|(_, value)| value.trim());
        element.filter(|text| !text.is_empty()).or(attribute).filter(|text| !text.is_empty())
    }

    /// The number of this name.
    pub(super) fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.value(name)?.parse().ok()
    }

    /// The first element of this name in it.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name.eq_ignore_ascii_case(name))
    }

    fn begin(start: &BytesStart<'_>) -> Result<Self, Malformed> {
        let name = String::from_utf8_lossy(start.local_name().as_ref()).into_owned();
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| Malformed::Syntax(error.to_string()))?;
            let value = attribute.unescape_value().map_err(syntax)?.into_owned();
            attributes.push((String::from_utf8_lossy(attribute.key.local_name().as_ref()).into_owned(), value));
        }
        Ok(Self { name, attributes, ..Self::default() })
    }
}

fn add(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

/// What an entity stands for; unknown ones for themselves.
fn entity(name: &str) -> String {
    let coded = name.strip_prefix("#x").map(|hex| u32::from_str_radix(hex, 16));
    let coded = coded.or_else(|| name.strip_prefix('#').map(str::parse));
    match (name, coded.and_then(Result::ok).and_then(char::from_u32)) {
        ("amp", _) => "&".to_owned(),
        ("lt", _) => "<".to_owned(),
        ("gt", _) => ">".to_owned(),
        ("quot", _) => "\"".to_owned(),
        ("apos", _) => "'".to_owned(),
        (_, Some(letter)) => letter.to_string(),
        (_, None) => format!("&{name};"),
    }
}

/// Devices declare GB2312 and send UTF-8, or the other way round: valid UTF-8 whose letters beyond ASCII are as long as Chinese ones
/// is taken for what it is.
fn decode(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.chars().all(|letter| letter.is_ascii() || letter as u32 >= 0x800) => text.to_owned(),
        Ok(_) | Err(_) => GB18030.decode(bytes).0.into_owned(),
    }
}

fn syntax(error: quick_xml::Error) -> Malformed {
    Malformed::Syntax(error.to_string())
}

/// The most bytes of a document: a page of a catalog is the largest.
pub(super) const DOCUMENT_LIMIT: usize = 256 << 10;
const DEPTH_LIMIT: usize = 16;
const ELEMENTS_LIMIT: usize = 20_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_stand_in_elements_or_attributes_in_either_encoding() {
        let told = "<Notify CmdType=\"Keepalive\"><SN> 7 </SN><Name>法庭&amp;全景</Name></Notify>";
        let declared = format!("<?xml version=\"1.0\" encoding=\"GB2312\"?>\r\n{told}");
        for bytes in [declared.as_bytes().to_vec(), GB18030.encode(&declared).0.into_owned()] {
            let read = Element::read(&bytes).unwrap();
            assert_eq!(
                (read.name.as_str(), read.value("cmdtype"), read.number("SN")),
                ("Notify", Some("Keepalive"), Some(7))
            );
            assert_eq!(read.value("Name"), Some("法庭&全景"));
        }
    }

    #[test]
    fn what_is_not_whole_too_deep_or_too_long_is_refused() {
        assert_eq!(Element::read(b"<Notify><SN>1"), Err(Malformed::Empty));
        assert_eq!(Element::read(b"plainly nothing"), Err(Malformed::Empty));
        assert_eq!(Element::read("<a>".repeat(17).as_bytes()), Err(Malformed::TooMany));
        assert_eq!(Element::read(&vec![b' '; DOCUMENT_LIMIT + 1]), Err(Malformed::TooLong(DOCUMENT_LIMIT + 1)));
        assert!(matches!(Element::read(b"<a></b>"), Err(Malformed::Syntax(_))));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), text in "(<|>|/|&|;|#|\"|=|a| |[A-Za-z]){0,80}") {
            let _ = Element::read(&bytes);
            let _ = Element::read(text.as_bytes());
        }
    }
}
