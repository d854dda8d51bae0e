//! What devices say: their MANSCDP messages, typed.

use std::fmt;
use std::str::FromStr;

use super::xml::{Element, Malformed};

/// An identity: twenty digits (GB/T 28181-2022, annex E).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code([u8; 20]);

/// A text that is no identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an identity has twenty digits")]
pub struct NotACode;

impl Code {
    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("only digits are let in")
    }

    /// The first ten digits: the domain.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.as_str()[..10]
    }

    /// What it names, by digits 11 to 13: 132 is a camera, 111 a recorder, 137 a loudspeaker.
    #[must_use]
    pub fn kind(&self) -> u16 {
        self.0[10..13].iter().fold(0, |all, digit| all * 10 + u16::from(digit - b'0'))
    }
}

impl FromStr for Code {
    type Err = NotACode;

    fn from_str(text: &str) -> Result<Self, NotACode> {
        let digits: [u8; 20] = text.as_bytes().try_into().map_err(|_| NotACode)?;
        if digits.iter().all(u8::is_ascii_digit) { Ok(Self(digits)) } else { Err(NotACode) }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A message of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// It lives (A.2.5.2).
    Keepalive {
        /// The device.
        device: Code,
        /// False when it says that it is at fault.
        well: bool,
    },
    /// A part of its catalog, in answer or as a change (A.2.6.4, A.2.5.6).
    Catalog(Page),
    /// What it is (A.2.6.3).
    DeviceInfo {
        /// The device.
        device: Code,
        /// The query's number.
        sn: u32,
        /// Its name, empty when it tells none.
        name: String,
        /// Who made it.
        manufacturer: String,
        /// Its model.
        model: String,
        /// Its firmware.
        firmware: String,
    },
    /// How it is (A.2.6.2).
    DeviceStatus {
        /// The device.
        device: Code,
        /// The query's number.
        sn: u32,
        /// `ONLINE`.
        online: bool,
        /// It records.
        records: bool,
        /// Its wall-clock time as it tells it, if it does.
        time: Option<String>,
    },
    /// Something happened (A.2.5.3).
    Alarm(Alarm),
    /// A sending of media ended; 121 is the end of a file (A.2.5.4).
    MediaStatus {
        /// The device.
        device: Code,
        /// What ended.
        kind: u16,
    },
    /// Whether it takes what is broadcast (A.2.6.11).
    Broadcast {
        /// The device.
        device: Code,
        /// The number of what it answers.
        sn: u32,
        /// It takes it.
        accepted: bool,
    },
    /// Its presets (A.2.6.10), by number and name; at most 255.
    Presets {
        /// The device.
        device: Code,
        /// The query's number.
        sn: u32,
        /// Number and name of each.
        presets: Vec<(u8, String)>,
    },
    /// Whether it has done what it was told (A.2.6.1).
    Done {
        /// The device.
        device: Code,
        /// The order's number.
        sn: u32,
        /// It has.
        ok: bool,
    },
    /// Something that a platform has no use for.
    Other {
        /// The command.
        command: String,
    },
}

/// A part of a catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The device.
    pub device: Code,
    /// The query's number.
    pub sn: u32,
    /// How many items the whole catalog has.
    pub sum: u32,
    /// The items of this part; those without an identity are left out.
    pub items: Vec<Item>,
}

/// One thing that a device has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its identity.
    pub code: Code,
    /// Its name.
    pub name: String,
    /// What it belongs to.
    pub parent: Option<Code>,
    /// It can be used. Of changes: it is there.
    pub on: bool,
    /// It can be turned (A.2.1.9: 1 is a dome, 4 a remote-controlled camera).
    pub turns: bool,
    /// What has become of it, in a change: `ON`, `OFF`, `VLOST`, `DEFECT`, `ADD`, `DEL`, `UPDATE`.
    pub event: Option<String>,
}

/// Something that happened at a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// The device.
    pub device: Code,
    /// How grave, 1 (most) to 4; 0 when not told.
    pub priority: u8,
    /// How it was noticed: 2 is a device's fault, 5 video, 6 a device's fault of another kind.
    pub method: u8,
    /// When, as the device tells it.
    pub time: Option<String>,
    /// What, in its words.
    pub description: Option<String>,
}

/// Why bytes are no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No document.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Something that every message has is missing, or is not what it should be.
    #[error("the message has no {0} that can be read")]
    Lacks(&'static str),
}

/// The message in `bytes`, in GB 18030 or UTF-8.
///
/// # Errors
/// [`Refused`] when there is none.
pub fn parse(bytes: &[u8]) -> Result<Message, Refused> {
    let root = Element::read(bytes)?;
    let command = root.value("CmdType").ok_or(Refused::Lacks("CmdType"))?.to_owned();
    let device = || code(&root, "DeviceID").ok_or(Refused::Lacks("DeviceID"));
    let sn = root.number("SN").unwrap_or(0);
    let ok = |name: &str| root.value(name).is_some_and(|result| result.eq_ignore_ascii_case("OK"));
    Ok(match (root.name.to_ascii_lowercase().as_str(), command.as_str()) {
        ("notify", "Keepalive") => {
            Message::Keepalive { device: device()?, well: root.value("Status").is_none() || ok("Status") }
        }
        ("response" | "notify", "Catalog") => Message::Catalog(page(&root, device()?, sn)),
        ("response", "DeviceInfo") => info(&root, device()?, sn),
        ("response", "DeviceStatus") => Message::DeviceStatus {
            device: device()?,
            sn,
            online: root.value("Online").is_some_and(|online| online.eq_ignore_ascii_case("ONLINE")),
            records: root.value("Record").is_some_and(|record| record.eq_ignore_ascii_case("ON")),
            time: root.value("DeviceTime").map(short),
        },
        ("notify", "Alarm") => Message::Alarm(Alarm {
            device: device()?,
            priority: root.number("AlarmPriority").unwrap_or(0),
            method: root.number("AlarmMethod").unwrap_or(0),
            time: root.value("AlarmTime").map(short),
            description: root.value("AlarmDescription").map(short),
        }),
        ("notify", "MediaStatus") => Message::MediaStatus {
            device: device()?,
            kind: root.number("NotifyType").ok_or(Refused::Lacks("NotifyType"))?,
        },
        ("response", "Broadcast") => Message::Broadcast { device: device()?, sn, accepted: ok("Result") },
        ("response", "PresetQuery") => Message::Presets { device: device()?, sn, presets: presets(&root) },
        ("response", "DeviceControl" | "DeviceConfig") => Message::Done { device: device()?, sn, ok: ok("Result") },
        _ => Message::Other { command: short(&command) },
    })
}

fn page(root: &Element, device: Code, sn: u32) -> Page {
    let items: Vec<_> = listed(root, "DeviceList").filter_map(item).collect();
    let sum = root.number("SumNum").unwrap_or(items.len() as u32);
    Page { device, sn, sum, items }
}

fn item(element: &Element) -> Option<Item> {
    let event = element.value("Event").map(short);
    let gone = matches!(event.as_deref(), Some("OFF" | "VLOST" | "DEFECT" | "DEL"));
    let off = element.value("Status").is_some_and(|status| status.eq_ignore_ascii_case("OFF"));
    let kind: Option<u8> = element.number("PTZType").or_else(|| element.child("Info")?.number("PTZType"));
    Some(Item {
        code: code(element, "DeviceID")?,
        name: element.value("Name").map(short).unwrap_or_default(),
        parent: element.value("ParentID").and_then(|parents| parents.rsplit('/').next()?.parse().ok()),
        on: !gone && !off,
        turns: matches!(kind, Some(1 | 4)),
        event,
    })
}

fn info(root: &Element, device: Code, sn: u32) -> Message {
    let text = |name: &str| root.value(name).map(short).unwrap_or_default();
    Message::DeviceInfo {
        device,
        sn,
        name: text("DeviceName"),
        manufacturer: text("Manufacturer"),
        model: text("Model"),
        firmware: text("Firmware"),
    }
}

fn presets(root: &Element) -> Vec<(u8, String)> {
    let preset = |element: &Element| {
        Some((element.number("PresetID")?, element.value("PresetName").map(short).unwrap_or_default()))
    };
    listed(root, "PresetList").filter_map(preset).take(255).collect()
}

/// The items of a list.
fn listed<'a>(root: &'a Element, list: &str) -> impl Iterator<Item = &'a Element> {
    let items = root.child(list).map(|list| list.children.as_slice()).unwrap_or_default();
    items.iter().filter(|item| item.name.eq_ignore_ascii_case("Item"))
}

fn code(element: &Element, name: &str) -> Option<Code> {
    element.value(name)?.parse().ok()
}

/// What goes on to screens and logs.
fn short(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(TEXT_LIMIT).collect()
}

/// The most characters of a name.
const TEXT_LIMIT: usize = 128;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DEVICE: &str = "34020000001320000001";

    fn device() -> Code {
        DEVICE.parse().unwrap()
    }

    #[test]
    fn a_keepalive_is_read_in_both_forms() {
        let element = format!(
            "<?xml version=\"1.0\"?><Notify><CmdType>Keepalive</CmdType><SN>1</SN><DeviceID>{DEVICE}</DeviceID><Status>OK</Status></Notify>"
        );
        let attribute = format!("<Notify CmdType=\"Keepalive\" SN=\"1\" DeviceID=\"{DEVICE}\" Status=\"OK\"/>");
        for text in [element, attribute] {
            assert_eq!(parse(text.as_bytes()), Ok(Message::Keepalive { device: device(), well: true }));
        }
    }

    #[test]
    fn a_page_of_a_catalog_leaves_out_what_has_no_identity() {
        let text = format!(
            "<Response><CmdType>Catalog</CmdType><SN>5</SN><DeviceID>{DEVICE}</DeviceID><SumNum>3</SumNum><DeviceList Num=\"2\">\
             <Item><DeviceID>{DEVICE}</DeviceID><Name>第一审判庭</Name><Status>ON</Status><Info><PTZType>1</PTZType></Info></Item>\
             <Item><DeviceID>short</DeviceID></Item></DeviceList></Response>"
        );
        let Ok(Message::Catalog(page)) = parse(text.as_bytes()) else { panic!("no catalog") };
        assert_eq!((page.sn, page.sum, page.items.len()), (5, 3, 1));
        assert!(page.items[0].on && page.items[0].turns && page.items[0].name == "第一审判庭");
    }

    #[test]
    fn a_change_of_the_catalog_tells_what_is_gone() {
        let text = format!(
            "<Notify><CmdType>Catalog</CmdType><SN>5</SN><DeviceID>{DEVICE}</DeviceID><SumNum>1</SumNum><DeviceList Num=\"1\">\
             <Item><DeviceID>{DEVICE}</DeviceID><Event>OFF</Event></Item></DeviceList></Notify>"
        );
        let Ok(Message::Catalog(page)) = parse(text.as_bytes()) else { panic!("no catalog") };
        assert!(!page.items[0].on && page.items[0].event.as_deref() == Some("OFF"));
    }

    #[test]
    fn what_a_message_must_have_is_asked_for_by_name() {
        assert_eq!(parse(b"<Notify><SN>1</SN></Notify>"), Err(Refused::Lacks("CmdType")));
        assert_eq!(
            parse(b"<Notify><CmdType>Keepalive</CmdType><DeviceID>1</DeviceID></Notify>"),
            Err(Refused::Lacks("DeviceID"))
        );
        let other = Message::Other { command: "SDCardStatus".to_owned() };
        assert_eq!(parse(b"<Response><CmdType>SDCardStatus</CmdType></Response>"), Ok(other));
    }

    #[test]
    fn an_identity_tells_its_domain_and_kind() {
        assert_eq!((device().domain(), device().kind()), ("3402000000", 132));
        assert_eq!("3402000000132000000x".parse::<Code>(), Err(NotACode));
    }

    proptest! {
        #[test]
        fn whatever_stands_in_a_message_is_read_without_panic(command in "[A-Za-z]{0,12}", value in "\\PC{0,40}", root in "(Notify|Response|Query)") {
            let value = value.replace(['<', '&'], "");
            let text = format!("<{root}><CmdType>{command}</CmdType><SN>{value}</SN><DeviceID>{DEVICE}</DeviceID><SumNum>{value}</SumNum><NotifyType>{value}</NotifyType></{root}>");
            let _ = parse(text.as_bytes());
        }
    }
}
