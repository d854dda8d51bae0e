#!/usr/bin/env python3
"""A second verifier of the manifest of a record, written from docs/ref/record.md alone.

    verify.py FOLDER --trust ROOT.pem [--witness FILE] [--crl CRL.pem] [--value DIGITS] [--hearing ID]

It shares no code with the first. It needs the standard library and the command `openssl` (3.0 or later).
Prints one JSON object {verdict, codes}; exit code 0 intact, 1 tampered, 2 incomplete, 3 cannot judge.
"""
import argparse
import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile

LONGEST = 1 << 20
CLOCK = 500_000
GAP = 3_000_000
NEAR = 500_000
ADDED = {"segment", "late", "gap", "note", "mark", "fault", "cosign"}
LAWFUL = {"recess", "closed-evidence", "mediation", "pause", "absent"}
TAMPERED = {
    "line-edited", "line-damaged", "lines-missing", "line-foreign", "line-misplaced", "head-forged", "root-mismatch",
    "signature-invalid", "certificate-invalid", "cosignature-forged", "seal-forged", "addendum-forged",
    "witness-disagrees", "witness-saw-more", "value-differs", "other-hearing", "clock-undeclared", "clock-impossible",
    "file-missing", "file-edited", "file-truncated", "files-swapped", "file-extended", "file-extra", "spans-broken",
}
UNJUDGED = {"not-trusted", "no-manifest", "unreadable", "unknown", "witness-silent"}
TOLD = {"gap-filled", "clock-stepped", "clocks-differ"}
FIELDS = {
    "segment": ["track", "file", "codec", "size", "reason", "captured"], "data": ["spans"],
    "replaced": ["file", "size", "hash"], "gap": ["track", "reason", "from", "to", "packets", "frames"],
    "join": ["seat", "zone", "identity"], "leave": ["seat", "reason"], "mute": ["seat", "muted", "by"],
    "recess": ["reason"], "resume": [], "clock": ["step"], "policy": ["hash", "text"],
    "crossing": ["track", "origin", "destination", "verdict", "reconstructed", "reason"], "note": ["text", "by"],
    "mark": ["at", "text", "by"], "late": ["track", "edge", "spans"], "aside": ["file", "from", "to", "hash"],
    "fault": ["part", "reason", "over"], "end": ["reason"], "checkpoint": ["size", "root", "final"],
    "cosign": ["origin", "size", "root", "bound", "time", "node", "zone", "chain", "alg", "sig"],
    "seal": ["size", "value"], "addendum": ["entry"],
    "head": ["format", "hash", "hearing", "case", "node", "zone", "chain", "software", "build", "policy", "keys",
             "previous", "resumes"],
}
SPKI = {  # what stands before a public key in SubjectPublicKeyInfo
    "ed25519": bytes.fromhex("302a300506032b6570032100"),
    "sm2-sm3": bytes.fromhex("3059301306072a8648ce3d020106082a811ccf5501822d034200"),
}
codes = []


def found(code, entry=None, detail=""):
    codes.append({"code": code, "entry": entry, "detail": str(detail)})


class Algorithm:
    """Hashes of the record, and its tree."""

    def __init__(self, name):
        self.name, self.leaves = name, []

    def __call__(self, *parts):
        return hashlib.new(self.name, b"".join(parts)).digest()

    def leaf(self, line):
        return self(b"\0", line)

    def root(self, size, start=0):
        if size == 0:
            return self(b"")
        if size == 1:
            return self.leaves[start]
        split = 1 << ((size - 1).bit_length() - 1)
        return self(b"\1", self.root(split, start), self.root(size - split, start + split))


def unsigned(line):
    at = line.rfind(b',"sigs":{')
    return line if at < 0 else line[:at]


def parse(line):
    """The object on a line, or None."""
    if len(line) > LONGEST:
        return None
    try:
        entry = json.loads(line.decode("utf-8"), parse_constant=lambda _: 1 / 0, parse_float=lambda _: 1 / 0)
        kind = entry["kind"]
        whole = all(type(entry[k]) is int for k in ("seq", "utc", "mono")) and type(entry["boot"]) is str
        whole = whole and re.fullmatch("[0-9a-f]{64}", entry["prev"]) and all(k in entry for k in FIELDS[kind])
        if kind == "addendum":
            whole = whole and all(k in entry["entry"] for k in FIELDS[entry["entry"]["kind"]])
        sigs = entry.get("sigs")
        if sigs is not None:
            pairs = ",".join('"%s":"%s"' % pair for pair in sorted(sigs.items()))
            whole = whole and all(re.fullmatch("([0-9a-f]{2})*", sig) for sig in sigs.values())
            whole = whole and line == unsigned(line) + (',"sigs":{%s}}' % pairs).encode()
        return entry if whole else None
    except (ValueError, KeyError, TypeError, ZeroDivisionError, AttributeError, RecursionError):
        return None


def openssl(*arguments):
    done = subprocess.run(["openssl", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.returncode, done.stdout.decode(errors="replace")


class Keys:
    """What openssl is asked; everything goes through files in one folder."""

    def __init__(self, folder):
        self.folder, self.known = folder, {}

    def file(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as out:
            out.write(content)
        return path

    def verify(self, alg, key, message, sig):
        key, message, sig = self.file("key", key), self.file("message", message), self.file("sig", sig)
        if alg == "ed25519":
            code, _ = openssl("pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", key, "-rawin", "-in", message,
                              "-sigfile", sig)
        elif alg == "sm2-sm3":
            code, _ = openssl("dgst", "-sm3", "-keyform", "DER", "-verify", key, "-sigopt", "distid:1234567812345678",
                              "-signature", sig, message)
        else:
            digest = "-sha256" if alg == "ecdsa-p256-sha256" else "-sha384"
            code, _ = openssl("dgst", digest, "-verify", key, "-signature", sig, message)
        return code == 0

    def certificate(self, chain):
        """Public key in PEM and identity of the first certificate; None if it is none."""
        if not chain or chain[0] not in self.known:
            try:
                der = self.file("certificate", base64.b64decode(chain[0], validate=True))
            except (ValueError, IndexError):
                return None
            code, text = openssl("x509", "-inform", "DER", "-in", der, "-noout", "-pubkey", "-ext", "subjectAltName")
            names = re.findall(r"URI:([^\s,]+)", text)
            identity = re.fullmatch(r"spiffe://hearing/([^/]+)/([^/]+)", names[0]) if len(names) == 1 else None
            self.known[chain[0]] = None if code else (text.encode(), identity and identity.groups())
        return self.known[chain[0]]

    def by_certificate(self, chain, message, sigs):
        """True, False, or None if no algorithm is known."""
        known = {alg: sig for alg, sig in (sigs or {}).items() if alg.startswith("ecdsa-p")}
        if sigs and not known:
            return None
        certificate = self.certificate(chain)
        return bool(certificate) and any(
            self.verify(alg, certificate[0], message, bytes.fromhex(sig)) for alg, sig in known.items())

    def doubt(self, chain, who, time, trust, crl):
        """What speaks against a certificate at a time in seconds."""
        certificate = self.certificate(chain)
        if not certificate or certificate[1] != who:
            return "head-forged"
        asked = (tuple(chain), time)
        if asked in self.known:
            return self.known[asked]
        pem = [base64.encodebytes(base64.b64decode(der)) for der in chain]
        pem = [b"-----BEGIN CERTIFICATE-----\n" + der + b"-----END CERTIFICATE-----\n" for der in pem]
        leaf, between = self.file("leaf", pem[0]), self.file("between", b"".join(pem[1:]))
        arguments = ["verify", "-CAfile", trust, "-no-CApath", "-no-CAstore", "-purpose", "sslclient", "-attime", str(time)]
        if len(pem) > 1:
            arguments += ["-untrusted", between]
        code, text = openssl(*arguments, leaf)
        answer = None
        if code:
            answer = "certificate-invalid" if "expired" in text or "not yet valid" in text else "not-trusted"
        elif crl and self.revoked(leaf, crl, time):
            answer = "certificate-invalid"
        self.known[asked] = answer
        return answer

    def revoked(self, leaf, crl, time):
        _, serial = openssl("x509", "-in", leaf, "-noout", "-serial", "-issuer")
        _, text = openssl("crl", "-in", crl, "-noout", "-text", "-nameopt", "RFC2253")
        serial = re.search(r"serial=0*([0-9A-F]+)", serial).group(1)
        import calendar
        import time as clock
        for number, date in re.findall(r"Serial Number: 0*([0-9A-F]+)\s+Revocation Date: (.+)", text):
            if number == serial and calendar.timegm(clock.strptime(date.strip(), "%b %d %H:%M:%S %Y GMT")) <= time:
                return True
        return False


def walk(data):
    """Rules 1 and 2: lines as (entry, bytes), and whether the chain holds."""
    first = next((e for e in map(parse, data.split(b"\n")[:16]) if e and e["kind"] == "head"), None)
    name = first["hash"] if first and first["hash"] in ("sha256", "sm3") else "sha256"
    alg, lines, at, expected, last, unbroken, sealed = Algorithm(name), [], 0, 0, bytes(32), True, None
    while at < len(data):
        end = data.find(b"\n", at)
        if end < 0:
            found("file-extended" if sealed is not None else "uncovered-tail", expected, "unfinished line")
            break
        line = data[at:end]
        entry = parse(line)
        fits = entry and entry["seq"] == expected and entry["prev"] == last.hex()
        if not fits:
            torn = torn_range(data, at, expected, last, alg)
            if torn is not None:
                found("set-aside", expected, "torn line")
                at = torn + 1
                continue
            rest = map(parse, data[at:].split(b"\n"))
            if sealed is None and b"\0" in line and not any(e and e["kind"] == "seal" for e in rest):
                found("uncovered-tail", expected, "zeros at the end")
                break
            unbroken = False
            if entry is None:
                found("line-damaged", expected)
                last = alg.leaf(line)
                alg.leaves.append(last)
                expected, at = expected + 1, end + 1
                continue
            if entry["seq"] == expected:
                found("line-edited", expected - 1)
            elif entry["prev"] == last.hex():
                found("line-edited", expected)
            elif entry["seq"] > expected:
                found("lines-missing", expected)
            else:
                found("line-foreign", entry["seq"])
        if entry["kind"] == "seal" and sealed is None:
            sealed = entry["seq"]
        last = alg.leaf(line)
        alg.leaves.append(last)
        lines.append((entry, line))
        expected, at = entry["seq"] + 1, end + 1
    return alg, lines, unbroken, sealed


def torn_range(data, at, expected, last, alg):
    """The end of a torn range that begins at `at`, if a head behind it says so."""
    end = data.find(b"\n", at)
    while end >= 0:
        line = data[end + 1:].split(b"\n", 1)[0]
        entry = parse(line) if b'"torn":{' in line else None
        if entry and entry["kind"] == "head" and entry["seq"] == expected and entry["prev"] == last.hex():
            torn = (entry["resumes"] or {}).get("torn")
            if torn and torn["from"] == at:
                part = data[at:end]
                named = torn["to"] == end and torn["hash"] == alg(part).hex()
                return end if named and (b"\n" not in part or b"\0" in part) else None
        end = data.find(b"\n", end + 1)
    return None


def checkpoint_text(origin, size, root, bound):
    return "%s\n%d\n%s\n%s\n" % (origin, size, base64.b64encode(root).decode(), bound)


def integrity(alg, text):
    number = int.from_bytes(alg(b"court-rec/1 integrity value\n", text.encode()), "big") % 10**40
    digits = "%040d%04d" % (number, number % 9973)
    return " ".join(digits[n:n + 4] for n in range(0, 44, 4))


class Signatures:
    """Rules 1 and 5 to 8."""

    def __init__(self, alg, lines, unbroken, sealed, keys, options):
        self.alg, self.lines, self.unbroken, self.sealed = alg, lines, unbroken, sealed
        self.keys, self.options, self.roots = keys, options, {}
        self.origin = self.head = self.head_seq = self.final = self.value = None
        self.checkpoints, self.doubted = {}, False

    def root(self, size):
        if size > len(self.alg.leaves):
            return None
        if size not in self.roots:
            self.roots[size] = self.alg.root(size)
        return self.roots[size]

    def run(self):
        if self.lines[0][0]["kind"] != "head":
            found("line-misplaced", self.lines[0][0]["seq"])
        for entry, line in self.lines:
            self.place(entry)
            handle = getattr(self, "see_" + entry["kind"], None)
            if handle:
                handle(entry, line)
        first = next((e for e, _ in self.lines if e["kind"] == "head"), None)
        if first is None:
            found("head-forged")
        elif self.options.hearing and first["hearing"] != self.options.hearing:
            found("other-hearing", 0)
        self.witness()
        if self.sealed is None:
            found("not-sealed")
            signed = max(self.checkpoints, default=-1)
            if any(e["seq"] > signed and e["kind"] != "cosign" for e, _ in self.lines):
                found("unsigned-tail")
            if self.options.value:
                found("value-differs")

    def place(self, entry):
        after_seal = self.sealed is not None and entry["seq"] > self.sealed
        follows = entry["kind"] in ("cosign", "clock", "seal", "head", "addendum")
        added = entry["kind"] != "addendum" or entry["entry"]["kind"] in ADDED
        if after_seal != (entry["kind"] == "addendum") or not added or (self.final and not follows):
            found("line-misplaced", entry["seq"], entry["kind"])

    def doubt(self, chain, zone, node, time, seq):
        answer = self.keys.doubt(chain, (zone, node), time, self.options.trust, self.options.crl)
        if answer:
            found(answer, seq)

    def see_head(self, entry, line):
        first = next(e for e, _ in self.lines if e["kind"] == "head")
        if entry["format"] != "court-rec/1":
            found("unknown", entry["seq"])
        resumes = entry["resumes"]
        fits = entry["hearing"] == first["hearing"] and entry["hash"] == first["hash"]
        fits = fits and (resumes is not None or entry["seq"] == 0)
        fits = fits and (resumes is None or resumes["head"] == self.head_seq)
        message = b"court-rec/1 head\n" + unsigned(line)
        holds = self.keys.by_certificate(entry["chain"], message, entry.get("sigs"))
        if holds is None:
            found("unknown", entry["seq"])
        elif not (holds and fits):
            found("head-forged", entry["seq"])
        self.doubt(entry["chain"], entry["zone"], entry["node"], entry["utc"] // 1_000_000, entry["seq"])
        if self.origin is None:
            self.origin = "court-rec/1/%s/%s/%s" % (entry["zone"], entry["node"], entry["hearing"])
        self.head, self.head_seq, self.final = entry, entry["seq"], None

    def signed(self, entry, line, algs):
        bound = "%s %s" % (entry["kind"], self.alg(unsigned(line)).hex())
        root = self.root(entry["seq"])
        if root is None or not self.head:
            return None, bound
        text = checkpoint_text(self.origin, entry["seq"], root, bound)
        sigs, bad = entry.get("sigs") or {}, False
        for alg in algs:
            key = SPKI[alg] + bytes.fromhex(self.head["keys"][alg])
            if alg not in sigs or not self.keys.verify(alg, key, text.encode(), bytes.fromhex(sigs[alg])):
                bad = True
        if bad and (self.unbroken or not self.doubted):
            found("signature-invalid", entry["seq"])
            self.doubted = self.doubted or not self.unbroken
        return text, bound

    def see_checkpoint(self, entry, line):
        size = entry["size"]
        if self.unbroken and (size != entry["seq"] or self.root(size).hex() != entry["root"]):
            found("root-mismatch", entry["seq"])
        text, bound = self.signed(entry, line, ["ed25519"] + (["sm2-sm3"] if entry["final"] else []))
        self.checkpoints[size] = bound
        if entry["final"]:
            self.final = (size, text)

    def see_cosign(self, entry, _line, seq=None):
        seq = entry.get("seq", seq)
        if not entry["alg"].startswith("ecdsa-p"):
            return found("unknown", seq)
        root = bytes.fromhex(entry["root"])
        ours = entry["origin"] == self.origin and self.checkpoints.get(entry["size"]) == entry["bound"]
        ours = ours and (not self.unbroken or self.root(entry["size"]) == root)
        text = checkpoint_text(entry["origin"], entry["size"], root, entry["bound"])
        message = "cosignature/v1\ntime %d\n%s" % (entry["time"], text)
        certificate = self.keys.certificate(entry["chain"])
        holds = bool(certificate) and certificate[1] == (entry["zone"], entry["node"])
        holds = holds and self.keys.by_certificate(entry["chain"], message.encode(), {entry["alg"]: entry["sig"]})
        if not (ours and holds and self.head and self.head["zone"] != entry["zone"]):
            return found("cosignature-forged", seq)
        return self.doubt(entry["chain"], entry["zone"], entry["node"], entry["time"], seq)

    def see_seal(self, entry, line):
        self.signed(entry, line, ["ed25519"])
        self.value = integrity(self.alg, self.final[1]) if self.final and self.final[1] else None
        if not self.final or self.final[0] != entry["size"] or self.value != entry["value"]:
            found("seal-forged", entry["seq"])
        digits = lambda text: re.sub(r"\D", "", text or "")
        if self.options.value and digits(self.options.value) != digits(self.value):
            found("value-differs", entry["seq"])

    def see_addendum(self, entry, line):
        message = b"court-rec/1 addendum\n" + unsigned(line)
        holds = self.head and self.keys.by_certificate(self.head["chain"], message, entry.get("sigs"))
        if not holds:
            found("addendum-forged", entry["seq"])
        if entry["entry"]["kind"] == "cosign":
            self.see_cosign(entry["entry"], line, entry["seq"])

    def witness(self):
        if not self.options.witness:
            return
        with open(self.options.witness, "rb") as file:
            words = [json.loads(line) for line in file.read().split(b"\n") if line]
        words = [word for word in words if word["origin"] == self.origin]
        if not words:
            found("witness-silent")
        for word in words:
            if word["size"] > len(self.alg.leaves):
                found("witness-saw-more", len(self.alg.leaves))
            elif self.root(word["size"]).hex() != word["root"]:
                found("witness-disagrees", word["size"])


def clocks(lines, sealed):
    """Rule 3."""
    reference = before = lines[0][0]
    for entry, _ in lines[1:]:
        seq = entry["seq"]
        if entry["boot"] == before["boot"] and entry["mono"] < before["mono"]:
            found("clock-impossible", seq)
        if sealed is None or seq <= sealed:
            away = entry["utc"] - reference["utc"] - (entry["mono"] - reference["mono"])
            if entry["kind"] == "clock":
                found("clock-stepped", seq)
                reference = entry
            elif entry["kind"] == "head":
                if entry["utc"] < before["utc"]:
                    found("clock-stepped", seq)
                reference = entry
            elif entry["boot"] != before["boot"]:
                found("clock-impossible", seq)
            elif abs(away) > CLOCK:
                found("clock-undeclared", seq)
                reference = entry
        before = entry


def gaps(lines):
    """Rule 9."""
    holes, jumps, last, paused, before = [], [], {}, None, None
    declared, late, in_time = [], {}, {}
    for entry, _ in lines:
        matter = entry["entry"] if entry["kind"] == "addendum" else entry
        kind = matter["kind"]
        if kind == "gap":
            holes.append((matter["track"], matter["from"], matter["to"]))
            if matter["reason"] not in LAWFUL | {"restart"}:
                declared.append((entry["seq"], matter["track"], matter["from"], matter["to"]))
        elif kind == "late":
            times = [(span["first"], span["last"]) for span in matter["spans"] if span.get("first") is not None]
            late.setdefault(matter["track"], []).extend(times)
            if entry["kind"] != "addendum":
                in_time.setdefault(matter["track"], []).extend(times)
        elif kind == "recess":
            paused = entry["utc"]
        elif kind in ("resume", "end") and paused is not None:
            holes.append((None, paused, entry["utc"]))
            paused = None
        elif kind == "head" and before is not None:
            holes.append((None, before, entry["utc"]))
            found("restarted", entry["seq"])
        elif entry["kind"] == "data":
            for span in entry["spans"]:
                if span.get("first") is None or span.get("last") is None:
                    continue
                track = span["file"].split("/")[0]
                if track in last and span["first"] - last[track] > GAP:
                    jumps.append((entry["seq"], track, last[track], span["first"]))
                last[track] = span["last"]
        before = entry["utc"]
    for seq, track, start, end in jumps:
        told = any(of in (None, track) and (a is None or a <= end) and (b is None or b >= start) for of, a, b in holes)
        if not told:
            found("gap-undeclared", seq)
    for seq, track, start, end in declared:
        if fills(in_time.get(track, []), start, end):
            found("gap-filled", seq)
        else:
            found("gap-filled-later" if fills(late.get(track, []), start, end) else "gap-declared", seq)


def fills(late, start, end):
    """True when what came late leaves at most NEAR of a hole anywhere."""
    if start is None or end is None:
        return False
    inside = sorted((first, last) for first, last in late if last >= start and first <= end)
    reached = start
    for first, last in inside:
        if first - reached > NEAR:
            return False
        reached = max(reached, last)
    return bool(inside) and end - reached <= NEAR


def files(folder, alg, lines, unbroken, sealed):
    """Rule 4."""
    spans, replaced, before_seal = {}, {}, set()
    for entry, _ in lines:
        after_seal = sealed is not None and entry["seq"] > sealed
        matter = entry["entry"] if entry["kind"] == "addendum" else entry
        pieces = []
        if matter["kind"] in ("data", "late"):
            pieces = matter["spans"]
        elif matter["kind"] == "aside":
            pieces = [matter]
            found("set-aside", entry["seq"])
        elif matter["kind"] == "replaced":
            replaced.setdefault(matter["file"], []).append((matter["size"], matter["hash"]))
        for piece in pieces:
            known = spans.setdefault(piece["file"], [])
            end = known[-1]["to"] if known else 0
            if unbroken and (piece["from"] != end or piece["to"] <= piece["from"]):
                found("spans-broken", entry["seq"])
            known.append(piece)
            if after_seal and piece["file"] in before_seal:
                found("line-misplaced", entry["seq"], "it adds to a sealed file")
        if not after_seal:
            before_seal.update(piece["file"] for piece in pieces)
            before_seal.update([matter["file"]] if matter["kind"] == "replaced" else [])
    there = {}
    for path, _, names in os.walk(folder):
        for name in names:
            full = os.path.join(path, name)
            there[os.path.relpath(full, folder).replace(os.sep, "/")] = full
    there.pop("manifest.jsonl", None)
    for name in {name for name in there if os.path.getsize(there[name])} - set(spans) - set(replaced):
        found("uncovered-tail" if sealed is None else "file-extra", None, name)
    differing = {}
    for name in set(spans) | set(replaced):
        if name not in there:
            found("file-missing" if sealed is None or name in before_seal else "addition-missing", None, name)
            continue
        with open(there[name], "rb") as file:
            content = file.read()
        if name in replaced:
            now = (len(content), alg(content).hex())
            if now != replaced[name][-1]:
                stale = now in replaced[name] and sealed is None
                found("stale" if stale else "file-edited", None, name)
            continue
        problems = []
        for piece in spans[name]:
            part = content[piece["from"]:piece["to"]]
            if len(part) < piece["to"] - piece["from"]:
                problems.append("file-truncated")
                break
            if alg(part).hex() != piece["hash"]:
                problems.append("file-edited")
        if not problems and len(content) > spans[name][-1]["to"]:
            found("uncovered-tail" if sealed is None else "file-extended", None, name)
        if "file-edited" in problems:
            differing[name] = (content, problems)
        else:
            for problem in problems:
                found(problem, None, name)
    for name, (content, problems) in differing.items():
        mine = [other for other in differing if other != name and len(content) >= spans[other][0]["to"]
                and alg(content[:spans[other][0]["to"]]).hex() == spans[other][0]["hash"]]
        for problem in ["files-swapped"] if mine else problems:
            found(problem, None, name)


def judge(options, keys):
    try:
        with open(os.path.join(options.folder, "manifest.jsonl"), "rb") as file:
            data = file.read()
    except OSError:
        return found("no-manifest")
    alg, lines, unbroken, sealed = walk(data)
    if not lines:
        return found("no-manifest")
    Signatures(alg, lines, unbroken, sealed, keys, options).run()
    clocks(lines, sealed)
    gaps(lines)
    return files(options.folder, alg, lines, unbroken, sealed)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--trust", required=True)
    for flag in ("--witness", "--crl", "--value", "--hearing"):
        parser.add_argument(flag)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        judge(options, Keys(folder))
    names = {each["code"] for each in codes}
    if names & TAMPERED:
        verdict, code = "tampered", 1
    elif names & UNJUDGED:
        verdict, code = "cannot-judge", 3
    elif names - TOLD:
        verdict, code = "incomplete", 2
    else:
        verdict, code = "intact", 0
    print(json.dumps({"verdict": verdict, "codes": sorted(names), "findings": codes}))
    sys.exit(code)


if __name__ == "__main__":
    main()
