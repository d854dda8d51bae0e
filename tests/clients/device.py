#!/usr/bin/env python3
"""A GB/T 28181 device of its own making: registers, lives, tells what it has, shows a clip, hears what it is told, is moved.

device.py ADDRESS PORT PLATFORM PLATFORM_PORT ID PASSWORD CODEC PICTURES SOUND HEARD [FRAMING [SIGNALLING [TALK]]]

PICTURES is a byte stream of h264 or h265 with access unit delimiters, 15 a second; SOUND is A-law at 8 kHz, or AAC at 44.1 kHz behind
ADTS headers in a file called .adts; HEARD is where what it is
told is written. FRAMING of its media over TCP is 4571 or dollar; SIGNALLING goes over udp or tcp, then from any port. TALK = broadcast
fetches what it is told in datagrams, broadcast-active and -passive over a connection that it makes or takes, -deaf over one that it makes and
reads nothing of; with TALK = invite it refuses to fetch what it is told and takes calls that talk instead. What it does stands on the standard output; "end" on the standard
input ends its media, "off" tells that its channel is gone, "bye" hangs up, "rubbish" sends 150 messages that are none.
"""
import hashlib
import os
import random
import socket
import struct
import sys
import threading
import time

address, port, platform, platform_port, ident, password, codec, pictures, sound, heard = sys.argv[1:11]
framing = sys.argv[11] if len(sys.argv) > 11 else "4571"
tcp = len(sys.argv) > 12 and sys.argv[12] == "tcp"
fetches, _, role = (sys.argv[13] if len(sys.argv) > 13 else "broadcast").partition("-")
fetches = fetches != "invite"
aac = sound.endswith(".adts")
port, peer = int(port), (platform, int(platform_port))
DOMAIN, SERVER = ident[:10], "34020000002000000001"
CHANNEL = ident[:10] + "132" + "0000009"
if tcp:
    sip = socket.create_connection(peer, source_address=(address, 0))
    port = sip.getsockname()[1]
else:
    sip = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sip.bind((address, port))
SENDING = threading.Lock()


def say(*words):
    print(*words, flush=True)


# --- program streams, after ISO/IEC 13818-1 ---


def crc(data):
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ 0x04C11DB7 if value & 0x80000000 else value << 1) & 0xFFFFFFFF
    return value


def bits(*fields):
    """Fields of (value, width), as bytes."""
    value = width = 0
    for number, wide in fields:
        value, width = value << wide | number & (1 << wide) - 1, width + wide
    return value.to_bytes(width // 8, "big")


def pack_header(clock):
    scr = [(1, 2), (clock >> 30, 3), (1, 1), (clock >> 15, 15), (1, 1), (clock, 15), (1, 1), (0, 9), (1, 1)]
    # Two bytes of stuffing, as some devices have them.
    return b"\0\0\1\xba" + bits(*scr, (6000, 22), (3, 2), (31, 5), (2, 3)) + b"\xff\xff"


def system_header():
    bounds = bits((1, 1), (6000, 22), (1, 1), (1, 6), (0, 1), (1, 1), (1, 1), (1, 1), (1, 1), (1, 5), (0, 1), (127, 7))
    streams = bits((0xE0, 8), (3, 2), (1, 1), (512, 13)) + bits((0xC0, 8), (3, 2), (0, 1), (16, 13))
    return b"\0\0\1\xbb" + struct.pack(">H", len(bounds + streams)) + bounds + streams


def stream_map():
    entries = b"".join(struct.pack(">BBH", kind, sid, 0) for kind, sid in ((0x24 if codec == "h265" else 0x1B, 0xE0), (0x0F if aac else 0x90, 0xC0)))
    body = b"\xe1\xff" + struct.pack(">HH", 0, len(entries)) + entries
    whole = b"\0\0\1\xbc" + struct.pack(">H", len(body) + 4) + body
    return whole + struct.pack(">I", crc(whole))


def stamp(mark, pts):
    return bits((mark, 4), (pts >> 30, 3), (1, 1), (pts >> 15, 15), (1, 1), (pts, 15), (1, 1))


def elementary(sid, pts, data):
    out, first = b"", True
    while data:
        # A time of decoding beside that of showing, on the first packet only.
        head = b"\x8c\xc0\x0a" + stamp(3, pts) + stamp(1, pts) if first else b"\x88\x00\x00"
        piece, data, first = data[:32000], data[32000:], False
        out += b"\0\0\1" + bytes([sid]) + struct.pack(">H", len(head) + len(piece)) + head + piece
    return out


def units(data):
    """The access units of a byte stream with delimiters, each as (is key, bytes without the delimiter)."""
    starts, at = [], data.find(b"\0\0\1")
    while at >= 0:
        starts.append(at + 3)
        at = data.find(b"\0\0\1", at + 3)
    current, key, found = b"", False, []
    for begin, end in zip(starts, starts[1:] + [len(data) + 3]):
        nal = data[begin : end - 3].rstrip(b"\0")
        kind = nal[0] & 31 if codec == "h264" else nal[0] >> 1 & 63
        if kind == (9 if codec == "h264" else 35):
            if current:
                found.append((key, current))
            current, key = b"", False
            continue
        key |= kind == 5 if codec == "h264" else 16 <= kind <= 21
        current += b"\0\0\0\1" + nal
    return found + [(key, current)] if current else found


def pieces(data):
    """The sound in pieces, each as (seconds from the beginning, bytes): 40 ms of A-law, or two frames of AAC."""
    if not aac:
        return [(at / 8000, data[at : at + 320]) for at in range(0, len(data), 320)]
    frames = []
    while len(data) > 7:
        length = (data[3] & 3) << 11 | data[4] << 3 | data[5] >> 5
        frames.append(data[:length])
        data = data[length:]
    return [(n * 1024 / 44100, b"".join(frames[n : n + 2])) for n in range(0, len(frames), 2)]


CLIP, VOICE = units(open(pictures, "rb").read()), pieces(open(sound, "rb").read())

# --- media ---


class Media(threading.Thread):
    """Sends the clip from its beginning until it is stopped."""

    def __init__(self, send, ssrc):
        super().__init__(daemon=True)
        self.transmit, self.ssrc, self.on, self.sequence = send, ssrc, True, random.randrange(65536)

    def rtp(self, ticks, data):
        pieces = [data[at : at + 1300] for at in range(0, len(data), 1300)]
        for n, piece in enumerate(pieces):
            mark = 0x80 if n + 1 == len(pieces) else 0
            self.transmit(struct.pack(">BBHII", 0x80, 96 | mark, self.sequence, ticks & 0xFFFFFFFF, self.ssrc) + piece)
            self.sequence = self.sequence + 1 & 0xFFFF

    def run(self):
        began, spoken = time.monotonic(), 0
        # The clock wraps after two seconds.
        clock = lambda seconds: int((1 << 33) - 180000 + seconds * 90000) % (1 << 33)
        try:
            for n, (key, unit) in enumerate(CLIP):
                wait = began + n / 15 - time.monotonic()
                if wait > 0:
                    time.sleep(wait)
                if not self.on:
                    return
                pts = clock(n / 15)
                stream = pack_header(pts) + (system_header() + stream_map() if key else b"")
                self.rtp(pts, stream + elementary(0xE0, pts, unit))
                while spoken < len(VOICE) and VOICE[spoken][0] < n / 15:
                    pts = clock(VOICE[spoken][0])
                    self.rtp(pts, pack_header(pts) + elementary(0xC0, pts, VOICE[spoken][1]))
                    spoken += 1
        except OSError as error:
            say("media broke", error)


class Listener(threading.Thread):
    """Writes the sound that it is told, and says what the reports beside it tell."""

    def __init__(self):
        super().__init__(daemon=True)
        while True:
            self.socket, self.reports = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
            self.socket.bind((address, 0))
            self.port = self.socket.getsockname()[1]
            try:
                self.reports.bind((address, self.port + 1))
                break
            except OSError:
                continue
        self.last = None

    def run(self):
        threading.Thread(target=self.learn, daemon=True).start()
        with open(heard, "wb", buffering=0) as out:
            while True:
                packet = self.socket.recv(2048)
                if packet[0] >> 6 == 2 and packet[1] & 0x7F == 8:
                    self.last = struct.unpack(">I", packet[4:8])[0]
                    out.write(packet[12 + 4 * (packet[0] & 15) :])

    def learn(self):
        """Sender reports (RFC 3550, section 6.4.1): is their clock the wall's, and their moment the present one?"""
        while True:
            report = self.reports.recv(2048)
            if report[1] != 200:
                continue
            seconds, _, ticks, packets, _ = struct.unpack(">IIIII", report[8:28])
            late = (ticks - (self.last or 0) + (1 << 31)) % (1 << 32) - (1 << 31)
            right = abs(seconds - 2208988800 - time.time()) < 2 and abs(late) < 8000 and packets > 0
            say("report", "right" if right else f"wrong {seconds} {late} {packets}")


class Connected(threading.Thread):
    """Writes the sound that it is told over a connection, each packet behind two bytes of length (RFC 4571)."""

    def __init__(self, connect):
        super().__init__(daemon=True)
        self.connect = connect
        self.start()

    def run(self):
        stream = self.connect()
        say("connected for sound")
        if role == "deaf":
            time.sleep(3600)
        with open(heard, "wb", buffering=0) as out, stream.makefile("rb") as packets:
            while len(length := packets.read(2)) == 2:
                packet = packets.read(struct.unpack(">H", length)[0])
                if packet[0] >> 6 != 2 or packet[1] & 0x7F != 8:
                    say("no sound", packet[:16])
                out.write(packet[12 + 4 * (packet[0] & 15) :])
        say("sound over")


def calls(to):
    """A connection of sound that is made, and reads little ahead when it is to read nothing."""
    stream = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if role == "deaf":
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    stream.bind((address, 0))
    stream.connect(to)
    return stream


def takes():
    """A port where a connection of sound is taken."""
    door = socket.create_server((address, 0))
    Connected(lambda: door.accept()[0])
    return door.getsockname()[1]


# --- signalling ---


def headers(text):
    lines = text.split("\r\n")
    pairs = [line.split(":", 1) for line in lines[1:] if ":" in line]
    return lines[0], [(name.strip().lower(), value.strip()) for name, value in pairs]


def one(fields, name):
    return next((value for key, value in fields if key == name), "")


def send(start, fields, body=b""):
    text = start + "\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields)
    whole = text.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body
    with SENDING:
        sip.sendall(whole) if tcp else sip.sendto(whole, peer)


def branch():
    return f"SIP/2.0/{'TCP' if tcp else 'UDP'} {address}:{port};rport;branch=z9hG4bK{random.getrandbits(64):x}"


CONTACT = f"<sip:{ident}@{address}:{port}{';transport=tcp' if tcp else ''}>"


def arrivals():
    """The messages that come: datagrams, or what stands in a stream by its Content-Length (RFC 3261, section 18.3)."""
    waiting = b""
    while True:
        if not tcp:
            yield sip.recv(65536)
            continue
        # Empty lines keep a connection alive.
        waiting = waiting.lstrip(b"\r\n")
        head, whole, rest = waiting.partition(b"\r\n\r\n")
        length = int(one(headers(head.decode())[1], "content-length") or 0) if whole else 0
        if not whole or len(rest) < length:
            came = sip.recv(65536)
            if not came:
                say("connection over")
                os._exit(0)
            waiting += came
            continue
        yield head + whole + rest[:length]
        waiting = rest[length:]


def fresh():
    return f"{random.getrandbits(64):x}"


def request(method, call=None, tag=None, to=None, seq=None, more=(), body=b""):
    fields = [("Via", branch()), ("From", f"<sip:{ident}@{DOMAIN}>;tag={tag or fresh()}")]
    fields += [("To", to or f"<sip:{SERVER}@{DOMAIN}>"), ("Call-ID", call or fresh()), ("CSeq", f"{seq or 1} {method}")]
    fields += [("Contact", CONTACT), ("Max-Forwards", "70"), *more]
    send(f"{method} sip:{SERVER}@{DOMAIN} SIP/2.0", fields, body)


def reply(fields, code, tag=None, more=(), body=b""):
    to = one(fields, "to")
    same = [(name, value) for name, value in fields if name in ("via", "from", "call-id", "cseq")]
    to = f"{to};tag={tag}" if tag and "tag=" not in to else to
    send(f"SIP/2.0 {code}", same + [("To", to), ("Contact", CONTACT), *more], body)


def manscdp(root, command, sn, more):
    text = f'<?xml version="1.0" encoding="GB2312"?>\r\n<{root}>\r\n<CmdType>{command}</CmdType>\r\n<SN>{sn}</SN>\r\n'
    text += f"<DeviceID>{ident}</DeviceID>\r\n{more}</{root}>\r\n"
    return text.encode("gb18030")


def message(root, command, sn, more=""):
    kind = [("Content-Type", "Application/MANSCDP+xml")]
    request("MESSAGE", more=kind, body=manscdp(root, command, sn, more))


REGISTER = {"call": fresh(), "tag": fresh(), "seq": 0}


def register(challenge=None):
    REGISTER["seq"] += 1
    more = [("Expires", "3600"), ("X-GB-Ver", "2.0")]
    if challenge:
        value = lambda name: challenge.split(name + '="')[1].split('"')[0]
        md5 = lambda text: hashlib.md5(text.encode()).hexdigest()
        uri, nonce, realm = f"sip:{SERVER}@{DOMAIN}", value("nonce"), value("realm")
        proof = md5(f"{ident}:{realm}:{password}") + f":{nonce}:00000001:c:auth:" + md5(f"REGISTER:{uri}")
        told = f'username="{ident}", realm="{realm}", nonce="{nonce}", uri="{uri}", response="{md5(proof)}", algorithm=MD5'
        more.append(("Authorization", f'Digest {told}, qop=auth, nc=00000001, cnonce="c"'))
    to = f"<sip:{ident}@{DOMAIN}>"
    request("REGISTER", REGISTER["call"], REGISTER["tag"], to, REGISTER["seq"], more)


def live():
    """A sign of life every second, and another try for whoever is not registered."""
    n = 0
    while True:
        if REGISTER.get("there"):
            n += 1
            message("Notify", "Keepalive", n, "<Status>OK</Status>\r\n")
        else:
            register()
        time.sleep(1)


def item(code, name, more=""):
    return f"<Item>\r\n<DeviceID>{code}</DeviceID>\r\n<Name>{name}</Name>\r\n<Status>ON</Status>\r\n<ParentID>{ident}</ParentID>\r\n{more}</Item>\r\n"


def told(text, fields):
    """A question or an order."""
    within = lambda name: text.split(f"<{name}>")[1].split(f"</{name}>")[0] if f"<{name}>" in text else ""
    command, sn = within("CmdType"), within("SN")
    if command == "Catalog":
        for code, name, more in ((ident, "第一审判庭", "<PTZType>1</PTZType>\r\n"), (CHANNEL, "旁听席", "")):
            page = f'<SumNum>2</SumNum>\r\n<DeviceList Num="1">\r\n{item(code, name, more)}</DeviceList>\r\n'
            message("Response", command, sn, page)
    elif command == "DeviceInfo":
        message("Response", command, sn, "<DeviceName>法庭摄像机</DeviceName>\r\n<Manufacturer>试验</Manufacturer>\r\n<Model>T-1</Model>\r\n<Firmware>1.0</Firmware>\r\n")
    elif command == "DeviceStatus":
        message("Response", command, sn, "<Result>OK</Result>\r\n<Online>ONLINE</Online>\r\n<Status>OK</Status>\r\n<Record>OFF</Record>\r\n")
    elif command == "Broadcast" and not fetches:
        message("Response", command, sn, "<Result>ERROR</Result>\r\n")
    elif command == "Broadcast":
        message("Response", command, sn, "<Result>OK</Result>\r\n")
        fetch(within("SourceID"))
    elif command == "DeviceControl":
        say("key frame" if within("IFameCmd") else f"moved {within('PTZCmd')} of {within('DeviceID')}")


TALK = {}


def fetch(source):
    """Invites whoever has something to say."""
    TALK.update(call=fresh(), tag=fresh())
    setup = ["a=setup:passive" if role == "passive" else "a=setup:active", "a=connection:new"] if role else []
    line = f"m=audio {takes() if role == 'passive' else 9} TCP/RTP/AVP 8" if role else f"m=audio {listens()} RTP/AVP 8"
    lines = ["v=0", f"o={ident} 0 0 IN IP4 {address}", "s=Play", f"c=IN IP4 {address}", "t=0 0", line]
    offer = "\r\n".join(lines + ["a=recvonly", "a=rtpmap:8 PCMA/8000", *setup, "y=0200000077", "f=v/////a/1/8/1", ""])
    more = [("Content-Type", "APPLICATION/SDP"), ("Subject", f"{source}:0200000077,{ident}:0")]
    request("INVITE", TALK["call"], TALK["tag"], f"<sip:{source}@{DOMAIN}>", 20, more, offer.encode())


def listens():
    """A port where sound is taken in datagrams."""
    ear = Listener()
    ear.start()
    return ear.port


def place(lines):
    """Where a description has its media."""
    value = lambda start: next(line[len(start) :] for line in lines if line.startswith(start))
    return value("c=").split()[-1], int(value("m=").split()[1])


def talked(fields, body):
    """Takes a call that talks; what it would say itself is in its program stream."""
    lines = body.decode().split("\r\n")
    if b" TCP/RTP/AVP " not in body:
        media = [f"m=audio {listens()} RTP/AVP 8"]
    elif "a=setup:active" in lines:
        media = [f"m=audio {takes()} TCP/RTP/AVP 8", "a=setup:passive", "a=connection:new"]
    else:
        media = ["m=audio 9 TCP/RTP/AVP 8", "a=setup:active", "a=connection:new"]
        TALK["connect"] = lambda: calls(place(lines))
    TALK.update(call=one(fields, "call-id"), tag=fresh())
    answer = ["v=0", f"o={ident} 0 0 IN IP4 {address}", "s=Talk", f"c=IN IP4 {address}", "t=0 0", *media]
    answer += ["a=sendrecv", "a=rtpmap:8 PCMA/8000", "y=0200000078", "f=v/////a/1/8/1", ""]
    say("talks", "subject", one(fields, "subject"))
    reply(fields, "200 OK", TALK["tag"], [("Content-Type", "APPLICATION/SDP")], "\r\n".join(answer).encode())


PLAY, NOTICES = {}, {}


def connected():
    """A stream of media over TCP, framed as it was told."""
    stream = PLAY["stream"]()
    frame = (lambda p: b"$\0" + struct.pack(">H", len(p)) + p) if framing == "dollar" else (lambda p: struct.pack(">H", len(p)) + p)
    return lambda packet: stream.sendall(frame(packet))


def invited(fields, body):
    lines = body.decode().split("\r\n")
    value = lambda start: next(line[len(start) :] for line in lines if line.startswith(start))
    _, target, protocol, *_ = value("m=").split()
    to, ssrc = (value("c=").split()[-1], int(target)), int(value("y="))
    answer = ["v=0", f"o={ident} 0 0 IN IP4 {address}", "s=Play", f"c=IN IP4 {address}", "t=0 0"]
    if protocol.startswith("TCP") and "a=setup:active" in lines:
        door = socket.create_server((address, 0))
        PLAY["stream"] = lambda: door.accept()[0]
        answer += [f"m=video {door.getsockname()[1]} TCP/RTP/AVP 96", "a=setup:passive"]
    elif protocol.startswith("TCP"):
        PLAY["stream"] = lambda: socket.create_connection(to, source_address=(address, 0))
        answer += [f"m=video {random.randrange(20000, 30000)} TCP/RTP/AVP 96", "a=setup:active"]
    else:
        out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        out.bind((address, 0))
        PLAY["stream"] = None
        PLAY["send"] = lambda packet: out.sendto(packet, to)
        answer += [f"m=video {out.getsockname()[1]} RTP/AVP 96"]
    # The mark without its leading zero, as devices write it.
    answer += ["a=sendonly", "a=rtpmap:96 PS/90000", f"y={ssrc}", ""]
    PLAY.update(ssrc=ssrc, call=one(fields, "call-id"), tag=fresh(), fields=fields)
    say("invited", protocol, "subject", one(fields, "subject"))
    reply(fields, "200 OK", PLAY["tag"], [("Content-Type", "APPLICATION/SDP")], "\r\n".join(answer).encode())


def play():
    def run():
        PLAY["media"] = Media(connected() if PLAY["stream"] else PLAY["send"], PLAY["ssrc"])
        PLAY["media"].start()

    threading.Thread(target=run, daemon=True).start()


def stop():
    if PLAY.get("media"):
        PLAY.pop("media").on = False


def handle(data):
    head, _, body = data.partition(b"\r\n\r\n")
    start, fields = headers(head.decode())
    seq, method = one(fields, "cseq").split()
    if start.startswith("SIP/2.0"):
        code = start.split()[1]
        if method == "REGISTER":
            say("registration", code)
            REGISTER["there"] = code == "200"
            if code == "401":
                register(one(fields, "www-authenticate"))
            elif code == "200":
                say("told", "date" if one(fields, "date") else "no date", one(fields, "x-gb-ver"))
        elif method == "INVITE" and code == "200":
            request("ACK", TALK["call"], TALK["tag"], one(fields, "to"), seq)
            if role in ("active", "deaf"):
                Connected(lambda: calls(place(body.decode().split("\r\n"))))
            say("listens", "sendonly" if b"a=sendonly" in body else body, "TCP" if b" TCP/RTP/AVP " in body else "UDP")
        elif method == "INVITE" and code >= "300":
            say("not spoken to", code)
        elif method == "MESSAGE" and code != "200":
            say("message", code)
        return
    call = one(fields, "call-id")
    if method == "MESSAGE":
        reply(fields, "200 OK")
        told(body.decode("gb18030"), fields)
    elif method == "INVITE" and b"s=Talk" in body:
        if fetches:
            reply(fields, "488 Not Acceptable Here", fresh())
        elif TALK.get("call") != call:
            talked(fields, body)
    elif method == "INVITE":
        if PLAY.get("call") != call:
            invited(fields, body)
    elif method == "ACK" and call == TALK.get("call") and "connect" in TALK:
        Connected(TALK.pop("connect"))
    elif method == "ACK" and call == PLAY.get("call") and not PLAY.get("begun"):
        PLAY["begun"] = True
        play()
    elif method == "BYE":
        reply(fields, "200 OK")
        say("talk over" if call == TALK.get("call") else "hung up")
        if call == PLAY.get("call"):
            stop()
            PLAY.clear()
    elif method == "SUBSCRIBE":
        NOTICES.update(call=call, to=one(fields, "from"), tag=fresh())
        reply(fields, "200 OK", NOTICES["tag"], [("Expires", one(fields, "expires"))])
        say("subscribed", one(fields, "event"))
    elif method != "ACK":
        reply(fields, "200 OK")


def obey():
    for line in sys.stdin:
        if line.strip() == "end":
            message("Notify", "MediaStatus", 1, "<NotifyType>121</NotifyType>\r\n")
        elif line.strip() == "off":
            gone = f"<Item>\r\n<DeviceID>{CHANNEL}</DeviceID>\r\n<Event>OFF</Event>\r\n</Item>\r\n"
            body = manscdp("Notify", "Catalog", 7, f'<SumNum>1</SumNum>\r\n<DeviceList Num="1">\r\n{gone}</DeviceList>\r\n')
            more = [("Event", "Catalog"), ("Subscription-State", "active"), ("Content-Type", "Application/MANSCDP+xml")]
            request("NOTIFY", NOTICES["call"], NOTICES["tag"], NOTICES["to"], 5, more, body)
        elif line.strip() == "rubbish":
            for _ in range(150):
                request("MESSAGE", more=[("Content-Type", "Application/MANSCDP+xml")], body=b"<Notify><CmdType>Keepalive")
        elif line.strip() == "bye":
            fields = PLAY["fields"]
            stop()
            ours = f"{one(fields, 'to')};tag={PLAY['tag']}"
            lines = [("Via", branch()), ("From", ours), ("To", one(fields, "from")), ("Call-ID", PLAY["call"]), ("CSeq", "1 BYE")]
            send(f"BYE sip:{SERVER}@{platform}:{peer[1]} SIP/2.0", lines + [("Max-Forwards", "70")])
            PLAY.clear()


if __name__ == "__main__":
    threading.Thread(target=live, daemon=True).start()
    threading.Thread(target=obey, daemon=True).start()
    say("up")
    for message_that_came in arrivals():
        try:
            handle(message_that_came)
        except Exception as error:  # noqa: BLE001: a test shows what went wrong
            say("went wrong", repr(error), message_that_came[:200])
            os._exit(1)
