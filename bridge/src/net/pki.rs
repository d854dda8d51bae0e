//! A certificate authority in a directory: enough for an installation that has none. Keys stay where they are made.

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hearing_config::{NodeId, Zone};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{CertificateRevocationList, FromDer as _, X509Certificate};

use super::identity::Identity;
use super::pem::{Error, canonical, instant, parse, read_chain, read_lists, unusable};

/// The authority: `root.pem`, `root.key`, `revoked.crl` and a copy of every certificate in `issued/`.
#[derive(Debug, Clone)]
pub struct Pki {
    directory: PathBuf,
}

/// What a certificate is issued for.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The node.
    pub identity: Identity,
    /// Names and addresses under which it serves the page, if it does with this certificate.
    pub hosts: Vec<Host>,
    /// How long it is valid.
    pub days: u32,
}

/// Under which name or address a page is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// An IP address.
    Ip(IpAddr),
    /// A DNS name.
    Name(String),
}

/// One certificate that was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// Whose it is.
    pub identity: Identity,
    /// Its serial number without leading zeros.
    pub serial: Vec<u8>,
    /// When its time begins.
    pub from: jiff::Timestamp,
    /// When its time ends.
    pub to: jiff::Timestamp,
    /// Names and addresses for the page.
    pub hosts: Vec<Host>,
    /// When it was revoked, if it was.
    pub revoked: Option<jiff::Timestamp>,
}

impl Pki {
    /// Makes a new authority now; see [`Pki::init_at`].
    ///
    /// # Errors
    /// As there.
    pub fn init(directory: &Path, name: &str) -> Result<Self, Error> {
        Self::init_at(directory, name, jiff::Timestamp::now())
    }

    /// Issues a certificate for a year from now, into the authority's own directory; see [`Pki::issue_at`].
    ///
    /// # Errors
    /// As there.
    pub fn issue(&self, zone: &Zone, node: &NodeId, ips: &[IpAddr], names: &[&str]) -> Result<Issued, Error> {
        let hosts = ips.iter().map(|ip| Host::Ip(*ip)).chain(names.iter().map(|name| Host::Name((*name).to_owned())));
        let wish =
            Wish { identity: Identity { zone: zone.clone(), node: node.clone() }, hosts: hosts.collect(), days: 365 };
        self.issue_at(&wish, &self.directory, jiff::Timestamp::now())
    }

    /// Makes a new authority, valid for ten years, with an empty revocation list. `now` is the time by the wall clock.
    ///
    /// # Errors
    /// When one is there already, or the directory can't be written.
    pub fn init_at(directory: &Path, name: &str, now: jiff::Timestamp) -> Result<Self, Error> {
        let authority = Self { directory: directory.to_owned() };
        if authority.file("root.key").exists() || authority.file("root.pem").exists() {
            return Err(Error::Exists(directory.to_owned()));
        }
        let issued = authority.file("issued");
        fs::create_dir_all(&issued).map_err(|source| Error::Write { file: issued, source })?;
        let key = KeyPair::generate()?;
        let mut params = valid(CertificateParams::default(), now, 3_650);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, name);
        let root = params.self_signed(&key)?;
        write(&authority.file("root.key"), &key.serialize_pem(), PRIVATE)?;
        write(&authority.file("root.pem"), &root.pem(), PUBLIC)?;
        authority.sign_list(Vec::new(), now)?;
        Ok(authority)
    }

    /// An authority that is there.
    ///
    /// # Errors
    /// When the directory holds none.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        let authority = Self { directory: directory.to_owned() };
        authority.issuer().map(|_| authority)
    }

    /// Issues a certificate with a new key: `{node}.pem` and `{node}.key` in `out`, replacing what was there.
    ///
    /// # Errors
    /// When a host is no name for a certificate, or a file can't be written.
    pub fn issue_at(&self, wish: &Wish, out: &Path, now: jiff::Timestamp) -> Result<Issued, Error> {
        let key = KeyPair::generate()?;
        let mut params = valid(CertificateParams::default(), now, wish.days);
        let mut serial: [u8; 16] = rand::random();
        serial[0] = serial[0] & 0x7f | 0x40;
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.distinguished_name.push(DnType::CommonName, wish.identity.to_string());
        params.subject_alt_names = vec![SanType::URI(wish.identity.uri().try_into()?)];
        for host in &wish.hosts {
            params.subject_alt_names.push(match host {
                Host::Ip(ip) => SanType::IpAddress(*ip),
                Host::Name(name) => SanType::DnsName(name.clone().try_into()?),
            });
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer()?)?;
        fs::create_dir_all(out).map_err(|source| Error::Write { file: out.to_owned(), source })?;
        write(&self.file("issued").join(format!("{}.pem", hex(&serial))), &certificate.pem(), PUBLIC)?;
        write(&out.join(format!("{}.key", wish.identity.node)), &key.serialize_pem(), PRIVATE)?;
        write(&out.join(format!("{}.pem", wish.identity.node)), &certificate.pem(), PUBLIC)?;
        self.sign_list(self.revocations()?, now)?;
        Issued::of(&parse(certificate.der())?, &[])
    }

    /// Revokes a certificate by its serial number in hexadecimal, or every valid one of a node by `{zone}/{node}`, and signs a
    /// new list. Revoking again changes nothing.
    ///
    /// # Errors
    /// When no certificate is meant by `wanted`, or the list can't be written.
    pub fn revoke_at(&self, wanted: &str, now: jiff::Timestamp) -> Result<Vec<Issued>, Error> {
        let meant =
            |issued: &Issued| hex(&issued.serial) == wanted.to_lowercase() || issued.identity.to_string() == wanted;
        let meant: Vec<Issued> = self.list()?.into_iter().filter(meant).collect();
        if meant.is_empty() {
            return Err(Error::NotIssued { directory: self.directory.clone(), wanted: wanted.to_owned() });
        }
        let mut revocations = self.revocations()?;
        let fresh = meant.iter().filter(|issued| issued.revoked.is_none());
        revocations.extend(fresh.map(|issued| (issued.serial.clone(), now)));
        self.sign_list(revocations, now)?;
        Ok(meant.into_iter().map(|issued| Issued { revoked: issued.revoked.or(Some(now)), ..issued }).collect())
    }

    /// Every certificate that was issued, oldest first.
    ///
    /// # Errors
    /// When a file can't be read.
    pub fn list(&self) -> Result<Vec<Issued>, Error> {
        let directory = self.file("issued");
        let revocations = self.revocations()?;
        let mut list = Vec::new();
        for entry in fs::read_dir(&directory).map_err(|e| unusable(&directory, "directory", &e))? {
            let file = entry.map_err(|e| unusable(&directory, "directory", &e))?.path();
            let chain = read_chain(&file, "certificate")?;
            list.push(Issued::of(&parse(&chain[0])?, &revocations)?);
        }
        list.sort_by(|a, b| (a.from, &a.serial).cmp(&(b.from, &b.serial)));
        Ok(list)
    }

    /// The directory's file of this name.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn issuer(&self) -> Result<Issuer<'static, KeyPair>, Error> {
        let read = |name: &str| {
            let file = self.file(name);
            fs::read_to_string(&file).map_err(|e| unusable(&file, "authority; make one with `hearing pki init`", &e))
        };
        Ok(Issuer::from_ca_cert_pem(&read("root.pem")?, KeyPair::from_pem(&read("root.key")?)?)?)
    }

    fn revocations(&self) -> Result<Vec<(Vec<u8>, jiff::Timestamp)>, Error> {
        let file = self.file("revoked.crl");
        let mut all = Vec::new();
        for list in read_lists(&file)? {
            let (_, list) =
                CertificateRevocationList::from_der(&list).map_err(|e| unusable(&file, "revocation list", &e))?;
            let entries = list.iter_revoked_certificates();
            all.extend(entries.map(|entry| (canonical(entry.raw_serial()).to_vec(), instant(entry.revocation_date))));
        }
        Ok(all)
    }

    fn sign_list(&self, revoked: Vec<(Vec<u8>, jiff::Timestamp)>, now: jiff::Timestamp) -> Result<(), Error> {
        let entry = |(serial, at): (Vec<u8>, jiff::Timestamp)| RevokedCertParams {
            serial_number: SerialNumber::from_slice(&serial),
            revocation_time: calendar(at),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: calendar(now) - SKEW,
            next_update: calendar(now) + DAY * 365,
            crl_number: SerialNumber::from(now.as_microsecond().unsigned_abs()),
            issuing_distribution_point: None,
            revoked_certs: revoked.into_iter().map(entry).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        write(&self.file("revoked.crl"), &params.signed_by(&self.issuer()?)?.pem()?, PUBLIC)
    }
}

impl Issued {
    /// The serial number in hexadecimal.
    #[must_use]
    pub fn serial_hex(&self) -> String {
        hex(&self.serial)
    }

    fn of(certificate: &X509Certificate<'_>, revocations: &[(Vec<u8>, jiff::Timestamp)]) -> Result<Self, Error> {
        let serial = canonical(certificate.raw_serial()).to_vec();
        let names = certificate.subject_alternative_name().map_err(|e| Error::NoIdentity(e.to_string()))?;
        Ok(Self {
            identity: Identity::of(certificate)?,
            from: instant(certificate.validity().not_before),
            to: instant(certificate.validity().not_after),
            hosts: names.map_or(Vec::new(), |names| names.value.general_names.iter().filter_map(Host::of).collect()),
            revoked: revocations.iter().find(|(revoked, _)| *revoked == serial).map(|(_, at)| *at),
            serial,
        })
    }
}

impl Host {
    /// Reads an IP address, or else takes the text as a DNS name.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Ip)
    }

    fn of(name: &GeneralName<'_>) -> Option<Self> {
        match name {
            GeneralName::DNSName(name) => Some(Self::Name((*name).to_owned())),
            GeneralName::IPAddress(bytes) => match <[u8; 4]>::try_from(*bytes) {
                Ok(v4) => Some(Self::Ip(v4.into())),
                Err(_) => <[u8; 16]>::try_from(*bytes).ok().map(|v6| Self::Ip(v6.into())),
            },
            _ => None,
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

fn valid(mut params: CertificateParams, now: jiff::Timestamp, days: u32) -> CertificateParams {
    params.not_before = calendar(now) - SKEW;
    params.not_after = calendar(now) + DAY * days;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
}

/// rcgen's calendar reaches from 1950 to 9999; the clock of a node is after 1970.
fn calendar(at: jiff::Timestamp) -> time::OffsetDateTime {
    date_time_ymd(1970, 1, 1) + Duration::from_secs(at.as_second().unsigned_abs())
}

/// Writes a whole file or nothing.
fn write(file: &Path, text: &str, mode: u32) -> Result<(), Error> {
    let failed = |source| Error::Write { file: file.to_owned(), source };
    let directory = file.parent().unwrap_or(Path::new("."));
    let mut draft = tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(mode))
        .tempfile_in(directory)
        .map_err(failed)?;
    draft.write_all(text.as_bytes()).map_err(failed)?;
    draft.as_file().sync_all().map_err(failed)?;
    draft.persist(file).map(drop).map_err(|e| failed(e.error))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const PRIVATE: u32 = 0o600;
const PUBLIC: u32 = 0o644;
const DAY: Duration = Duration::from_secs(86_400);

/// How far the clock of another node may be behind.
const SKEW: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        Pki::init_at(directory.path(), "first", now()).unwrap();
        let root = fs::read(directory.path().join("root.pem")).unwrap();
        assert!(matches!(Pki::init_at(directory.path(), "second", now()), Err(Error::Exists(_))));
        assert_eq!(fs::read(directory.path().join("root.pem")).unwrap(), root);
    }

    #[test]
    fn nobody_else_can_read_the_keys() {
        let (directory, authority) = authority();
        authority.issue_at(&wish("court"), directory.path(), now()).unwrap();
        for key in ["root.key", "court.key"] {
            let mode = fs::metadata(directory.path().join(key)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{key}");
        }
    }

    #[test]
    fn a_certificate_names_its_node_and_its_hosts() {
        let (directory, authority) = authority();
        let hosts = vec![Host::parse("court.example"), Host::parse("10.0.0.1"), Host::parse("fd00::1")];
        let issued =
            authority.issue_at(&Wish { hosts: hosts.clone(), ..wish("court") }, directory.path(), now()).unwrap();
        assert_eq!((issued.identity.to_string(), issued.hosts), ("tripartite/court".to_owned(), hosts));
        assert_eq!(issued.to, "2026-12-01T00:00:00Z".parse().unwrap());
    }

    #[test]
    fn revoking_a_node_revokes_all_its_certificates_and_no_others() {
        let (directory, authority) = authority();
        for node in ["court", "court", "other"] {
            authority.issue_at(&wish(node), directory.path(), now()).unwrap();
        }
        assert_eq!(authority.revoke_at("tripartite/court", now()).unwrap().len(), 2);
        let list = Pki::open(directory.path()).unwrap().list().unwrap();
        let revoked =
            |node: &str| list.iter().filter(|i| i.identity.node.as_str() == node && i.revoked == Some(now())).count();
        assert_eq!((list.len(), revoked("court"), revoked("other")), (3, 2, 0));
    }

    #[test]
    fn revoking_twice_keeps_the_first_time_and_issuing_keeps_the_list() {
        let (directory, authority) = authority();
        let serial = authority.issue_at(&wish("court"), directory.path(), now()).unwrap().serial_hex();
        authority.revoke_at(&serial, now()).unwrap();
        let later = now() + jiff::SignedDuration::from_hours(1);
        assert_eq!(authority.revoke_at(&serial, later).unwrap()[0].revoked, Some(now()));
        authority.issue_at(&wish("other"), directory.path(), later).unwrap();
        assert_eq!(authority.list().unwrap().iter().filter(|issued| issued.revoked == Some(now())).count(), 1);
    }

    #[test]
    fn revoking_what_was_never_issued_is_refused() {
        let (_directory, authority) = authority();
        assert!(matches!(authority.revoke_at("gov/nobody", now()), Err(Error::NotIssued { .. })));
    }

    fn authority() -> (tempfile::TempDir, Pki) {
        let directory = tempfile::tempdir().unwrap();
        let authority = Pki::init_at(directory.path(), "test", now()).unwrap();
        (directory, authority)
    }

    fn wish(node: &str) -> Wish {
        let identity = Identity { zone: "tripartite".parse().unwrap(), node: node.parse().unwrap() };
        Wish { identity, hosts: Vec::new(), days: 30 }
    }

    fn now() -> jiff::Timestamp {
        "2026-11-01T00:00:00Z".parse().unwrap()
    }
}
