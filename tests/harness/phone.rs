//! A SIP client that does exactly what a test tells it: says what no real terminal would, and is silent when told to be.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use md5::{Digest as _, Md5};
use sha2::Sha256;

use super::rooms::Room;

/// A client over UDP.
pub(crate) struct Phone {
    /// Where it stands.
    pub(crate) room: Room,
    socket: UdpSocket,
    node: SocketAddr,
    user: String,
    password: String,
    /// The algorithms of digest authentication that it knows; with one of them it answers also who asks for others.
    pub(crate) knows: &'static [&'static str],
    calls: u32,
}

/// A message of either sort.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// Its first line.
    pub(crate) start: String,
    /// Its headers, in order, with names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// Its body.
    pub(crate) body: String,
}

/// What belongs to one call, or to requests outside any.
#[derive(Debug, Clone)]
pub(crate) struct Talk {
    id: String,
    /// The address that is called.
    target: String,
    /// The node's tag once it has one.
    to: String,
    sequence: u32,
    method: String,
    branch: String,
    /// What the node said of its media.
    pub(crate) answer: String,
    /// What is said in the acknowledgement: the answer, where the node offers.
    pub(crate) reply: String,
}

impl Phone {
    /// A client in a room of its own that is known to nobody yet.
    pub(crate) fn new(room: Room, node: SocketAddr, user: &str, password: &str) -> Self {
        let socket = room.socket();
        let (user, password) = (user.to_owned(), password.to_owned());
        Self { room, socket, node, user, password, knows: &["SHA-256", "MD5"], calls: 0 }
    }

    /// Its own address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("an address")
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&self, bytes: &[u8]) {
        self.socket.send_to(bytes, self.node).expect("a line leads to the node");
    }

    /// The next message; `None` when none comes in time.
    pub(crate) fn receive(&self, limit: Duration) -> Option<Message> {
        let deadline = Instant::now() + limit;
        let mut buffer = [0; 65_536];
        loop {
            let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
            self.socket.set_read_timeout(Some(left)).expect("a time-out");
            let Ok(length) = self.socket.recv(&mut buffer) else { continue };
            if let Some(message) = Message::read(&buffer[..length]) {
                return Some(message);
            }
        }
    }

    /// The next request of a method; others are passed over.
    pub(crate) fn requested(&self, method: &str, limit: Duration) -> Option<Message> {
        let deadline = Instant::now() + limit;
        loop {
            let message = self.receive(deadline.checked_duration_since(Instant::now())?)?;
            if message.start.starts_with(&format!("{method} ")) {
                return Some(message);
            }
        }
    }

    /// Something new to say to `number` of the node.
    pub(crate) fn talk(&mut self, number: &str) -> Talk {
        self.calls += 1;
        let target =
            if number.is_empty() { format!("sip:{}", self.node) } else { format!("sip:{number}@{}", self.node) };
        let id = format!("{}.{}.{}", self.user, self.address().port(), self.calls);
        Talk {
            id,
            target,
            to: String::new(),
            sequence: 0,
            method: String::new(),
            branch: String::new(),
            answer: String::new(),
            reply: String::new(),
        }
    }

    /// Sends a request of a talk. Each gets a number of its own, but for ACK and CANCEL, which have that of what they concern.
    pub(crate) fn tell(&self, talk: &mut Talk, method: &str, more: &str, body: &str) {
        if !matches!(method, "ACK" | "CANCEL") {
            talk.sequence += 1;
            talk.method = method.to_owned();
            talk.branch = format!("z9hG4bK.{}.{}.{method}", talk.id, talk.sequence);
        }
        let Talk { id, target, to, sequence, branch, .. } = &*talk;
        let (at, user, node) = (self.address(), &self.user, self.node);
        // The acknowledgement of a refusal belongs to what was refused, that of an agreement stands for itself.
        let of = if method == "ACK" && !talk.answer.is_empty() { ".ack" } else { "" };
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let text = format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch={branch}{of};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@{node}>;tag={user}\r\nTo: <{target}>{to}\r\nCall-ID: {id}\r\nCSeq: {sequence} {method}\r\n\
             Contact: <sip:{user}@{at}>\r\n{kind}{more}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.send(text.as_bytes());
    }

    /// The final answer to the last request.
    pub(crate) fn answered(&self, talk: &mut Talk) -> Message {
        let message = self.answered_silently(talk);
        if message.header("cseq").ends_with("INVITE") {
            let well = message.status().is_some_and(|status| status < 300);
            let reply = if well { talk.reply.clone() } else { String::new() };
            self.tell(talk, "ACK", "", &reply);
            if !well {
                talk.to.clear();
            }
        }
        message
    }

    /// The same, but an INVITE's is not acknowledged.
    pub(crate) fn answered_silently(&self, talk: &mut Talk) -> Message {
        // That of a CANCEL in between is not meant.
        let expected = format!("{} {}", talk.sequence, talk.method);
        loop {
            let message = self.receive(PATIENCE).unwrap_or_else(|| panic!("no answer in {}", talk.id));
            let ours = message.header("call-id") == talk.id && message.header("cseq") == expected;
            let Some(status) = message.status().filter(|status| ours && *status >= 200) else { continue };
            if message.header("cseq").ends_with("INVITE") {
                talk.to =
                    message.header("to").split_once(";tag=").map(|(_, tag)| format!(";tag={tag}")).unwrap_or_default();
                talk.answer = if status < 300 { message.body.clone() } else { String::new() };
            }
            return message;
        }
    }

    /// Says something and, when it is asked who it is, says it again with its password.
    pub(crate) fn ask(&self, talk: &mut Talk, method: &str, more: &str, body: &str) -> Message {
        self.tell(talk, method, more, body);
        let answer = self.answered(talk);
        if answer.status() != Some(401) {
            return answer;
        }
        let proof = self.credentials(talk, method, &answer);
        self.tell(talk, method, &format!("{more}{proof}"), body);
        self.answered(talk)
    }

    /// The header that answers a challenge.
    pub(crate) fn credentials(&self, talk: &Talk, method: &str, challenge: &Message) -> String {
        let asked = challenge.all("www-authenticate");
        let named =
            |value: &String| self.knows.iter().find(|name| value.contains(&format!("algorithm={name}"))).copied();
        // The first that it knows (RFC 7616, section 3.7).
        let known = asked.iter().find_map(|value| Some((value, named(value)?)));
        let (value, algorithm) = known.unwrap_or_else(|| (&asked[0], self.knows[0]));
        let proof = self.proof((method, &talk.target), value, algorithm);
        format!("Authorization: {proof}\r\n")
    }

    /// Calls `number`; the status, and the talk.
    pub(crate) fn call(&mut self, number: &str, sdp: &str) -> (u16, Talk) {
        let mut talk = self.talk(number);
        let answer = self.ask(&mut talk, "INVITE", "", sdp);
        (answer.status().expect("an answer has a status"), talk)
    }

    /// Registers; the status.
    pub(crate) fn register(&mut self) -> u16 {
        let mut talk = self.talk("");
        talk.target = format!("sip:{}@{}", self.user, self.node);
        let answer = self.ask(&mut talk, "REGISTER", "Expires: 300\r\n", "");
        answer.status().expect("an answer has a status")
    }

    /// Hangs up; the status.
    pub(crate) fn bye(&self, talk: &mut Talk) -> u16 {
        self.tell(talk, "BYE", "", "");
        self.answered(talk).status().expect("an answer has a status")
    }

    /// Answers a request.
    pub(crate) fn respond(&self, request: &Message, status: &str, body: &str) {
        let copied = |(name, value): &(String, String)| match name.as_str() {
            "via" | "from" | "call-id" | "cseq" => Some(format!("{name}: {value}\r\n")),
            "to" if value.contains("tag=") => Some(format!("to: {value}\r\n")),
            "to" => Some(format!("to: {value};tag=phone\r\n")),
            _ => None,
        };
        let headers: String = request.headers.iter().filter_map(copied).collect();
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let contact = format!("Contact: <sip:{}@{}>\r\n", self.user, self.address());
        let text = format!("SIP/2.0 {status}\r\n{headers}{contact}{kind}Content-Length: {}\r\n\r\n{body}", body.len());
        self.send(text.as_bytes());
    }

    /// An RTP socket of its own, and a description of it with this line of codecs.
    pub(crate) fn media(&self, line: &str) -> (UdpSocket, String) {
        let (socket, address) = (self.room.socket(), self.room.address);
        let port = socket.local_addr().expect("an address").port();
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\nm=audio {port} {line}\r\n"
        );
        (socket, sdp)
    }

    /// RFC 7616, as terminals do it.
    fn proof(&self, (method, uri): (&str, &str), challenge: &str, algorithm: &str) -> String {
        let field = |name: &str| {
            let value = challenge.split(&format!("{name}=\"")).nth(1).and_then(|rest| rest.split('"').next());
            value.unwrap_or_else(|| panic!("no {name} in {challenge}")).to_owned()
        };
        let (realm, nonce) = (field("realm"), field("nonce"));
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let hash = |text: String| match algorithm {
            "SHA-256" => hex(&Sha256::digest(text)),
            _ => hex(&Md5::digest(text)),
        };
        let (who, what) = (hash(format!("{}:{realm}:{}", self.user, self.password)), hash(format!("{method}:{uri}")));
        let response = hash(format!("{who}:{nonce}:00000001:c:auth:{what}"));
        format!(
            "Digest username=\"{}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\", algorithm={algorithm}, \
             qop=auth, cnonce=\"c\", nc=00000001",
            self.user
        )
    }
}

impl Message {
    /// The value of the first header of this name, empty when there is none.
    pub(crate) fn header(&self, name: &str) -> String {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default()
    }

    /// The values of all headers of this name, in order.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        self.headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone()).collect()
    }

    /// The status of an answer.
    pub(crate) fn status(&self) -> Option<u16> {
        self.start.strip_prefix("SIP/")?.split(' ').nth(1)?.parse().ok()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let start = lines.next()?.to_owned();
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers =
            headers.map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned())).collect();
        Some(Self { start, headers, body: body.to_owned() })
    }
}

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
