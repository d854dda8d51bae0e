//! The device's side: what a platform asks and tells, read, and what a device answers and tells, written. For built-in devices.

use encoding_rs::GB18030;

use super::xml::Element;
use super::{Code, Query, Refused};

/// What a platform says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// It wants to know something; the answer has the same number `sn`.
    Query {
        /// What.
        query: Query,
        /// The number.
        sn: u32,
    },
    /// It wants a key frame (A.2.3.1.9).
    KeyFrame,
    /// Somebody wants to speak to `target` (A.2.5.5).
    Broadcast {
        /// The number of what is to be answered.
        sn: u32,
        /// Who speaks, and is to be invited.
        source: Code,
        /// Who is to listen.
        target: Code,
    },
    /// Something that a built-in device has no use for: orders to move, settings.
    Other {
        /// The command.
        command: String,
    },
}

/// What a platform says in `bytes`, in GB 18030 or UTF-8.
///
/// # Errors
/// [`Refused`] when they are no message.
pub fn asked(bytes: &[u8]) -> Result<Asked, Refused> {
    let root = Element::read(bytes)?;
    let command = root.value("CmdType").ok_or(Refused::Lacks("CmdType"))?.to_owned();
    let sn = || root.number("SN").ok_or(Refused::Lacks("SN"));
    let code = |name: &'static str| root.value(name).and_then(|code| code.parse().ok()).ok_or(Refused::Lacks(name));
    let query = |query: Query| Ok(Asked::Query { query, sn: sn()? });
    match (root.name.to_ascii_lowercase().as_str(), command.as_str()) {
        ("query", "Catalog") => query(Query::Catalog),
        ("query", "DeviceInfo") => query(Query::DeviceInfo),
        ("query", "DeviceStatus") => query(Query::DeviceStatus),
        ("query", "PresetQuery") => query(Query::Presets),
        // The standard of 2022 spells it rightly.
        ("control", "DeviceControl") if root.value("IFameCmd").or(root.value("IFrameCmd")).is_some() => {
            Ok(Asked::KeyFrame)
        }
        ("notify", "Broadcast") => {
            Ok(Asked::Broadcast { sn: sn()?, source: code("SourceID")?, target: code("TargetID")? })
        }
        _ => Ok(Asked::Other { command }),
    }
}

/// `device` lives (A.2.5.2).
#[must_use]
pub fn keepalive(device: Code, sn: u32) -> Vec<u8> {
    document("Notify", "Keepalive", device, sn, "<Status>OK</Status>\r\n")
}

/// What `device`, a camera, answers to a query: it has itself and no presets, is well and does not record. `name` is shown to
/// people and may hold no markup.
#[must_use]
pub fn answer(query: Query, device: Code, sn: u32, name: &str) -> Vec<u8> {
    let (command, more) = match query {
        Query::Catalog => ("Catalog", catalog(device, name)),
        Query::DeviceInfo => (
            "DeviceInfo",
            format!(
                "<Result>OK</Result>\r\n<DeviceName>{name}</DeviceName>\r\n<Manufacturer>hearing</Manufacturer>\r\n\
                 <Model>built-in</Model>\r\n<Firmware>{}</Firmware>\r\n<Channel>1</Channel>\r\n",
                env!("CARGO_PKG_VERSION")
            ),
        ),
        Query::DeviceStatus => ("DeviceStatus", STATUS.to_owned()),
        Query::Presets => ("PresetQuery", "<PresetList Num=\"0\">\r\n</PresetList>\r\n".to_owned()),
    };
    document("Response", command, device, sn, &more)
}

/// `device` listens to what is broadcast (A.2.6.11).
#[must_use]
pub fn listens(device: Code, sn: u32) -> Vec<u8> {
    document("Response", "Broadcast", device, sn, "<Result>OK</Result>\r\n")
}

fn catalog(device: Code, name: &str) -> String {
    format!(
        "<SumNum>1</SumNum>\r\n<DeviceList Num=\"1\">\r\n<Item>\r\n<DeviceID>{device}</DeviceID>\r\n<Name>{name}</Name>\r\n\
         <Manufacturer>hearing</Manufacturer>\r\n<Model>built-in</Model>\r\n<Owner>0</Owner>\r\n\
         <CivilCode>{}</CivilCode>\r\n<Address>0</Address>\r\n<Parental>0</Parental>\r\n<ParentID>{device}</ParentID>\r\n\
         <SafetyWay>0</SafetyWay>\r\n<RegisterWay>1</RegisterWay>\r\n<Secrecy>0</Secrecy>\r\n<Status>ON</Status>\r\n\
         </Item>\r\n</DeviceList>\r\n",
        &device.as_str()[..8]
    )
}

fn document(root: &str, command: &str, device: Code, sn: u32, more: &str) -> Vec<u8> {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"GB2312\"?>\r\n<{root}>\r\n<CmdType>{command}</CmdType>\r\n<SN>{sn}</SN>\r\n\
         <DeviceID>{device}</DeviceID>\r\n{more}</{root}>\r\n"
    );
    GB18030.encode(&text).0.into_owned()
}

const STATUS: &str = "<Result>OK</Result>\r\n<Online>ONLINE</Online>\r\n<Status>OK</Status>\r\n<Encode>ON</Encode>\r\n<Record>OFF</Record>\r\n";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::gb28181::{Control, Message, Ptz, broadcast, control, parse, query};

    fn device() -> Code {
        "99000000001320000001".parse().unwrap()
    }

    #[test]
    fn what_a_platform_asks_and_tells_is_read() {
        for asks in [Query::Catalog, Query::DeviceInfo, Query::DeviceStatus, Query::Presets] {
            assert_eq!(asked(&query(asks, device(), 7)), Ok(Asked::Query { query: asks, sn: 7 }));
        }
        assert_eq!(asked(&control(Control::KeyFrame, device(), 8)), Ok(Asked::KeyFrame));
        let platform = "34020000002000000001".parse().unwrap();
        let told = Asked::Broadcast { sn: 9, source: platform, target: device() };
        assert_eq!(asked(&broadcast(platform, device(), 9)), Ok(told));
        let other = Asked::Other { command: "DeviceControl".to_owned() };
        assert_eq!(asked(&control(Control::Ptz(Ptz::Stop), device(), 8)), Ok(other));
        assert_eq!(asked(b"<Query><CmdType>Catalog</CmdType></Query>"), Err(Refused::Lacks("SN")));
    }

    #[test]
    fn a_platform_understands_what_a_device_answers_and_tells() {
        assert_eq!(parse(&keepalive(device(), 1)), Ok(Message::Keepalive { device: device(), well: true }));
        assert_eq!(parse(&listens(device(), 4)), Ok(Message::Broadcast { device: device(), sn: 4, accepted: true }));
        let answered = |query| parse(&answer(query, device(), 5, "彩排设备")).unwrap();
        let Message::Catalog(page) = answered(Query::Catalog) else { panic!("no catalog") };
        assert_eq!((page.sn, page.sum, page.items.len()), (5, 1, 1));
        assert!(page.items[0].code == device() && page.items[0].on && page.items[0].name == "彩排设备");
        assert!(matches!(answered(Query::DeviceInfo), Message::DeviceInfo { sn: 5, name, .. } if name == "彩排设备"));
        assert!(matches!(answered(Query::DeviceStatus), Message::DeviceStatus { online: true, records: false, .. }));
        assert!(matches!(answered(Query::Presets), Message::Presets { presets, .. } if presets.is_empty()));
    }

    proptest! {
        #[test]
        fn whatever_a_platform_says_is_read_without_panic(text in "<(Query|Notify|Control)>(<(CmdType|SN|SourceID|IFameCmd)>|Catalog|Broadcast|DeviceControl|[0-9]|</|>){0,12}") {
            let _ = asked(text.as_bytes());
        }
    }
}
