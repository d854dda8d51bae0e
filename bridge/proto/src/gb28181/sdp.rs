//! Session descriptions as GB/T 28181 has them (RFC 4566 with `y=` and `f=`), and the subject of an invitation.

use std::net::IpAddr;

use super::Code;

/// How media travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    /// RTP in datagrams.
    #[default]
    Udp,
    /// RTP over TCP; the one that says so connects.
    TcpActive,
    /// RTP over TCP; the one that says so is connected to.
    TcpPassive,
    /// RTP over TCP; the one that says so leaves it to the other who connects.
    TcpEither,
}

/// An offer to receive what a camera sees and hears now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Play {
    /// Who asks.
    pub platform: Code,
    /// Where media is to go.
    pub address: IpAddr,
    /// The port, or where to be connected to; 9 for [`Transport::TcpActive`] (RFC 4145).
    pub port: u16,
    /// What media is to be marked with.
    pub ssrc: u32,
    /// How it is to travel.
    pub transport: Transport,
}

impl Play {
    /// The description.
    #[must_use]
    pub fn offer(&self) -> String {
        let Self { platform, address, port, ssrc, transport } = self;
        let family = family(*address);
        let (protocol, setup) = wire(*transport);
        format!(
            "v=0\r\no={platform} 0 0 IN {family} {address}\r\ns=Play\r\nc=IN {family} {address}\r\nt=0 0\r\n\
             m=video {port} {protocol} 96\r\na=recvonly\r\na=rtpmap:96 PS/90000\r\n{setup}y={ssrc:010}\r\n"
        )
    }
}

/// An answer to a device that fetches what is said to it: A-law at 8 kHz, 20 ms a packet, from `port` or over a connection that is made as
/// `transport` says.
#[must_use]
pub fn speak(platform: Code, (address, port): (IpAddr, u16), ssrc: u32, transport: Transport) -> String {
    let family = family(address);
    let (protocol, setup) = wire(transport);
    format!(
        "v=0\r\no={platform} 0 0 IN {family} {address}\r\ns=Play\r\nc=IN {family} {address}\r\nt=0 0\r\n\
         m=audio {port} {protocol} 8\r\na=sendonly\r\na=rtpmap:8 PCMA/8000\r\n{setup}y={ssrc:010}\r\nf=v/////a/1/8/1\r\n"
    )
}

/// An offer to talk with a device (`s=Talk`): it is sent A-law at 8 kHz as `transport` says, and may send some.
#[must_use]
pub fn talk(platform: Code, (address, port): (IpAddr, u16), ssrc: u32, transport: Transport) -> String {
    let family = family(address);
    let (protocol, setup) = wire(transport);
    format!(
        "v=0\r\no={platform} 0 0 IN {family} {address}\r\ns=Talk\r\nc=IN {family} {address}\r\nt=0 0\r\n\
         m=audio {port} {protocol} 8\r\na=sendrecv\r\na=rtpmap:8 PCMA/8000\r\n{setup}y={ssrc:010}\r\nf=v/////a/1/8/1\r\n"
    )
}

/// A device's answer to an offer of [`Play`]: it sends a program stream of payload type 96 from `port`, or from a connection that is made as
/// `transport` says.
#[must_use]
pub fn show(device: Code, (address, port): (IpAddr, u16), ssrc: u32, transport: Transport) -> String {
    let family = family(address);
    let (protocol, setup) = wire(transport);
    format!(
        "v=0\r\no={device} 0 0 IN {family} {address}\r\ns=Play\r\nc=IN {family} {address}\r\nt=0 0\r\n\
         m=video {port} {protocol} 96\r\na=sendonly\r\na=rtpmap:96 PS/90000\r\n{setup}y={ssrc:010}\r\nf=v/2/4///a/1/8/1\r\n"
    )
}

/// A device's offer to listen to what is said to it, at `port`: A-law at 8 kHz.
#[must_use]
pub fn listen(device: Code, (address, port): (IpAddr, u16), ssrc: u32) -> String {
    let family = family(address);
    format!(
        "v=0\r\no={device} 0 0 IN {family} {address}\r\ns=Play\r\nc=IN {family} {address}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 8\r\na=recvonly\r\na=rtpmap:8 PCMA/8000\r\ny={ssrc:010}\r\nf=v/////a/1/8/1\r\n"
    )
}

/// What the description of either says of its first media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Media {
    /// True for sound alone.
    pub sound: bool,
    /// Where media comes from or goes to; `None` when the description names a host that is no address.
    pub address: Option<IpAddr>,
    /// The port; 0 when the media is refused.
    pub port: u16,
    /// How it travels.
    pub transport: Transport,
    /// The payload type of the program stream, or of A-law in sound.
    pub payload: Option<u8>,
    /// What its packets are marked with. Devices leave out the leading zero: it is a number.
    pub ssrc: Option<u32>,
}

/// Reads an answer; lines may end in LF alone, lines that are not known are passed over. `None` when it names no media.
#[must_use]
pub fn read(text: &str) -> Option<Media> {
    described(text, Transport::TcpPassive)
}

/// Reads an offer in the same way. Over TCP, whoever offers connects, where it does not say who does (RFC 4145, section 4).
#[must_use]
pub fn read_offer(text: &str) -> Option<Media> {
    described(text, Transport::TcpActive)
}

fn described(text: &str, unsaid: Transport) -> Option<Media> {
    let mut media: Option<Media> = None;
    let (mut address, mut ssrc) = (None, None);
    for line in text.lines().take(LINES_LIMIT) {
        let Some((key, value)) = line.trim_end().split_once('=') else { continue };
        match (key.trim(), &mut media) {
            ("m", Some(_)) => break,
            ("m", none) => *none = Some(of_line(value, unsaid)?),
            ("c", Some(media)) => media.address = last(value).or(media.address),
            ("c", None) => address = last(value),
            ("y", _) => ssrc = value.trim().parse().ok(),
            ("a", Some(media)) => attribute(media, value),
            _ => {}
        }
    }
    // The marks stand at the end, after further media.
    let marked = text.lines().take(LINES_LIMIT).filter_map(|line| line.trim_end().strip_prefix("y="));
    let ssrc = ssrc.or_else(|| marked.filter_map(|value| value.trim().parse().ok()).next());
    media.map(|media| Media { address: media.address.or(address), ssrc, ..media })
}

/// The subject of an invitation: what sends, marked how, to whom (GB/T 28181-2016, annex K).
#[must_use]
pub fn subject(sender: Code, ssrc: u32, receiver: Code) -> String {
    format!("{sender}:{ssrc:010},{receiver}:0")
}

/// What media that is sent now is marked with: 0, five digits of the domain, and a number, 0 to 9999 (annex F of 2016).
#[must_use]
pub fn ssrc(platform: Code, number: u16) -> u32 {
    let domain: u32 = platform.as_str()[3..8].parse().expect("five digits are a number");
    domain * 10_000 + u32::from(number % 10_000)
}

fn of_line(value: &str, unsaid: Transport) -> Option<Media> {
    let mut words = value.split_ascii_whitespace();
    let (kind, port, protocol) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
    let transport = if protocol.to_ascii_uppercase().starts_with("TCP") { unsaid } else { Transport::Udp };
    let sound = kind.eq_ignore_ascii_case("audio");
    // Without a line that says so, A-law is 8 (RFC 3551), and the program stream is the first that is named.
    let named: Vec<u8> = words.filter_map(|word| word.parse().ok()).collect();
    let payload = if sound { named.contains(&8).then_some(8) } else { named.first().copied() };
    Some(Media { sound, address: None, port, transport, payload, ssrc: None })
}

fn attribute(media: &mut Media, value: &str) {
    if let Some(mapped) = value.trim().strip_prefix("rtpmap:") {
        let wanted = if media.sound { "PCMA/8000" } else { "PS/90000" };
        if let Some((number, name)) = mapped.split_once(' ')
            && name.trim().to_ascii_uppercase().starts_with(wanted)
        {
            media.payload = number.trim().parse().ok().or(media.payload);
        }
    } else if let Some(setup) = value.trim().strip_prefix("setup:")
        && media.transport != Transport::Udp
    {
        media.transport = match setup.trim().to_ascii_lowercase().as_str() {
            "active" => Transport::TcpActive,
            "actpass" => Transport::TcpEither,
            _ => Transport::TcpPassive,
        };
    }
}

fn last(value: &str) -> Option<IpAddr> {
    value.split_ascii_whitespace().last()?.split('/').next()?.parse().ok()
}

const fn family(address: IpAddr) -> &'static str {
    match address {
        IpAddr::V4(_) => "IP4",
        IpAddr::V6(_) => "IP6",
    }
}

const fn wire(transport: Transport) -> (&'static str, &'static str) {
    match transport {
        Transport::Udp => ("RTP/AVP", ""),
        Transport::TcpActive => ("TCP/RTP/AVP", "a=setup:active\r\na=connection:new\r\n"),
        Transport::TcpPassive => ("TCP/RTP/AVP", "a=setup:passive\r\na=connection:new\r\n"),
        Transport::TcpEither => ("TCP/RTP/AVP", "a=setup:actpass\r\na=connection:new\r\n"),
    }
}

/// Lines that are looked at.
const LINES_LIMIT: usize = 100;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn platform() -> Code {
        "34020000002000000001".parse().unwrap()
    }

    #[test]
    fn an_offer_is_read_back_as_it_was_made() {
        for transport in [Transport::Udp, Transport::TcpActive, Transport::TcpPassive, Transport::TcpEither] {
            let address = "10.30.0.1".parse().unwrap();
            let play = Play { platform: platform(), address, port: 30_000, ssrc: 200_000_007, transport };
            let read = read(&play.offer()).unwrap();
            assert_eq!((read.address, read.port, read.transport), (Some(address), 30_000, transport));
            assert_eq!((read.payload, read.ssrc, read.sound), (Some(96), Some(200_000_007), false));
        }
    }

    #[test]
    fn a_device_may_leave_out_what_it_likes() {
        let answer = "v=0\no=- 0 0 IN IP4 10.0.0.9\ns=Play\nc=IN IP4 10.0.0.9\nm=video 15060 RTP/AVP 96\na=sendonly\ny=200000001\nf=\n";
        let read = read(answer).unwrap();
        assert_eq!((read.port, read.payload, read.ssrc), (15_060, Some(96), Some(200_000_001)));
        let sound =
            self::read("m=audio 7000 RTP/AVP 8 0\r\nc=IN IP4 10.0.0.9\r\na=recvonly\r\ny=0200000002\r\n").unwrap();
        assert_eq!((sound.sound, sound.payload, sound.ssrc), (true, Some(8), Some(200_000_002)));
        assert_eq!(self::read("v=0\r\n"), None);
    }

    #[test]
    fn what_a_device_answers_and_offers_is_read_by_the_platform() {
        let (device, at) = ("34020000001320000001".parse().unwrap(), "10.0.0.9".parse().unwrap());
        for transport in [Transport::Udp, Transport::TcpActive, Transport::TcpPassive] {
            let shown = read(&show(device, (at, 15_060), 200_000_001, transport)).unwrap();
            let expected = Media {
                sound: false,
                address: Some(at),
                port: 15_060,
                transport,
                payload: Some(96),
                ssrc: Some(200_000_001),
            };
            assert_eq!(shown, expected);
        }
        let heard = read(&listen(device, (at, 7_000), 7)).unwrap();
        assert_eq!((heard.sound, heard.port, heard.payload, heard.ssrc), (true, 7_000, Some(8), Some(7)));
    }

    #[test]
    fn marks_and_subjects_are_made_as_the_standard_has_them() {
        let device: Code = "34020000001320000001".parse().unwrap();
        assert_eq!(ssrc(platform(), 7), 200_000_007);
        assert_eq!(subject(device, 7, platform()), "34020000001320000001:0000000007,34020000002000000001:0");
    }

    #[test]
    fn what_is_said_to_a_device_goes_as_datagrams_or_over_a_connection_and_the_device_is_told_who_makes_it() {
        let at = ("10.30.0.1".parse().unwrap(), 30_002);
        let said = speak(platform(), at, 9, Transport::Udp);
        assert!(said.contains("m=audio 30002 RTP/AVP 8\r\na=sendonly") && !said.contains("setup"), "{said}");
        let said = speak(platform(), at, 9, Transport::TcpPassive);
        assert!(said.contains("m=audio 30002 TCP/RTP/AVP 8\r\n") && said.contains("a=setup:passive\r\n"), "{said}");
        let talk = talk(platform(), at, 9, Transport::TcpActive);
        assert!(talk.contains("s=Talk\r\n") && talk.contains("m=audio 30002 TCP/RTP/AVP 8\r\na=sendrecv"), "{talk}");
        assert!(talk.contains("a=setup:active\r\na=connection:new\r\n"), "{talk}");
    }

    #[test]
    fn who_connects_is_said_by_the_device_or_is_whoever_offers() {
        let offer = |more: &str| read_offer(&format!("m=audio 9 TCP/RTP/AVP 8\r\n{more}")).unwrap().transport;
        assert_eq!(offer("a=setup:passive\r\n"), Transport::TcpPassive);
        assert_eq!(offer("a=setup: ActPass\n"), Transport::TcpEither);
        assert_eq!(offer(""), Transport::TcpActive);
        assert_eq!(read("m=audio 9 TCP/RTP/AVP 8\r\n").unwrap().transport, Transport::TcpPassive);
        assert_eq!(read_offer("m=audio 9 RTP/AVP 8\r\na=setup:active\r\n").unwrap().transport, Transport::Udp);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_without_panic(text in "((m|c|a|y|s)=(video|audio| |[0-9]{1,6}|rtpmap:|setup:|RTP/AVP|TCP|\\PC){0,8}\r?\n){0,8}") {
            let _ = (read(&text), read_offer(&text));
        }
    }
}
