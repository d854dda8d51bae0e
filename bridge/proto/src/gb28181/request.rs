//! What a platform says to devices, as GB 18030 bytes.

use encoding_rs::GB18030;

use super::{Code, Ptz};

/// What a device is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Query {
    /// What it has (A.2.4.3).
    Catalog,
    /// What it is (A.2.4.4).
    DeviceInfo,
    /// How it is (A.2.4.2).
    DeviceStatus,
    /// Its presets (A.2.4.8).
    Presets,
}

/// What a device is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Move (A.2.3.1.2).
    Ptz(Ptz),
    /// Send a key frame (A.2.3.1.9).
    KeyFrame,
}

/// Asks `device` something; its answer has the same number `sn`.
#[must_use]
pub fn query(query: Query, device: Code, sn: u32) -> Vec<u8> {
    let command = match query {
        Query::Catalog => "Catalog",
        Query::DeviceInfo => "DeviceInfo",
        Query::DeviceStatus => "DeviceStatus",
        Query::Presets => "PresetQuery",
    };
    document("Query", command, &[("SN", &sn.to_string()), ("DeviceID", device.as_str())])
}

/// Tells `device`, a camera or what has cameras, to do something.
#[must_use]
pub fn control(control: Control, device: Code, sn: u32) -> Vec<u8> {
    let number = sn.to_string();
    let order = match control {
        Control::Ptz(ptz) => ("PTZCmd", ptz.hex()),
        // The name is misspelt in the standard of 2016, and in every device.
        Control::KeyFrame => ("IFameCmd", "Send".to_owned()),
    };
    document("Control", "DeviceControl", &[("SN", &number), ("DeviceID", device.as_str()), (order.0, &order.1)])
}

/// Tells `target`, a device with a loudspeaker, that `source` wants to speak (A.2.5.5); it then invites the source.
#[must_use]
pub fn broadcast(source: Code, target: Code, sn: u32) -> Vec<u8> {
    let number = sn.to_string();
    document("Notify", "Broadcast", &[("SN", &number), ("SourceID", source.as_str()), ("TargetID", target.as_str())])
}

/// Values are digits and words of the standard: nothing in them needs escaping.
fn document(root: &str, command: &str, values: &[(&str, &str)]) -> Vec<u8> {
    let mut text =
        format!("<?xml version=\"1.0\" encoding=\"GB2312\"?>\r\n<{root}>\r\n<CmdType>{command}</CmdType>\r\n");
    for (name, value) in values {
        text.push_str(&format!("<{name}>{value}</{name}>\r\n"));
    }
    text.push_str(&format!("</{root}>\r\n"));
    GB18030.encode(&text).0.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap().replace("\r\n", "")
    }

    #[test]
    fn requests_are_written_as_devices_expect_them() {
        let device: Code = "34020000001320000001".parse().unwrap();
        let head = "<?xml version=\"1.0\" encoding=\"GB2312\"?>";
        assert_eq!(
            text(query(Query::Catalog, device, 7)),
            format!("{head}<Query><CmdType>Catalog</CmdType><SN>7</SN><DeviceID>{device}</DeviceID></Query>")
        );
        assert_eq!(
            text(control(Control::KeyFrame, device, 8)),
            format!(
                "{head}<Control><CmdType>DeviceControl</CmdType><SN>8</SN><DeviceID>{device}</DeviceID><IFameCmd>Send</IFameCmd></Control>"
            )
        );
        assert!(text(control(Control::Ptz(Ptz::Stop), device, 9)).contains("<PTZCmd>A50F0100000000B5</PTZCmd>"));
        assert!(text(broadcast(device, device, 1)).contains(&format!("<TargetID>{device}</TargetID>")));
    }
}
