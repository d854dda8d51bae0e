//! An authority, nodes and keys for tests.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};

use hearing_proto::manifest::{
    Chain, Der, Ed25519, Entry, HashAlg, HearingKeys, Node, NodeKey, Opened, Opening, Sm2, Span, Stamp,
};

/// A certificate authority, valid from 2020 to 2040.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) root: Der,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2040, 1, 1));
        params.distinguished_name.push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let root = Der(params.self_signed(&key).unwrap().der().to_vec());
        Self { issuer: Issuer::new(params, key), root }
    }

    /// A node with a certificate from 2025 to 2028.
    pub(crate) fn node(&self, zone: &str, node: &str) -> Node {
        self.node_until(zone, node, 2028)
    }

    /// A node whose certificate ends with the year before `year`.
    pub(crate) fn node_until(&self, zone: &str, node: &str, year: i32) -> Node {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        (params.not_before, params.not_after) = (date_time_ymd(2025, 1, 1), date_time_ymd(year, 1, 1));
        let uri = format!("spiffe://hearing/{zone}/{node}");
        params.distinguished_name.push(DnType::CommonName, format!("{zone}/{node}"));
        params.serial_number = Some(SerialNumber::from_slice(&[SERIAL]));
        params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Node {
            node: node.to_owned(),
            zone: zone.to_owned(),
            chain: vec![Der(certificate.der().to_vec())],
            signer: Arc::new(NodeKey::from_pkcs8(&key.serialize_der()).unwrap()),
        }
    }
}

impl Authority {
    /// A list that revokes every certificate of this authority at the given time.
    pub(crate) fn revoking(&self, at: time::OffsetDateTime) -> Vec<u8> {
        let entry = RevokedCertParams {
            serial_number: SerialNumber::from_slice(&[SERIAL]),
            revocation_time: at,
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: at,
            next_update: date_time_ymd(2040, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: vec![entry],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().der().to_vec()
    }
}

pub(crate) fn opening(hash: HashAlg) -> Opening {
    Opening {
        hearing: "0198c0de-0000-7000-8000-000000000001".to_owned(),
        case: "(2026)内0291刑初1号".to_owned(),
        hash,
        software: "hearing 0.1.0".to_owned(),
        build: None,
        policy: hash.hash(&[b"policy"]),
        previous: None,
        boot: "boot-1".to_owned(),
    }
}

/// Keys that are the same for the same number.
pub(crate) fn keys(number: u8) -> HearingKeys {
    let ed25519 = Box::new(Ed25519::from_seed(&[number; 32]).unwrap());
    HearingKeys { ed25519, sm2: Box::new(Sm2::from_scalar(&[number; 32]).unwrap()) }
}

/// Milliseconds after the opening, by both clocks: 2026-11-24T02:40:00Z.
pub(crate) const fn at(ms: i64) -> Stamp {
    Stamp { utc: 1_795_488_000_000_000 + ms * 1_000, mono: 5_000_000 + ms * 1_000 }
}

pub(crate) fn begin(node: &Node) -> Opened {
    Chain::open(b"", opening(HashAlg::Sha256), node.clone(), keys(1), at(0)).unwrap()
}

pub(crate) fn note(text: &str) -> Entry {
    Entry::Note { text: text.to_owned(), by: None }
}

pub(crate) fn data(file: &str, from: u64, bytes: &[u8]) -> Entry {
    let (file, to, hash) = (file.to_owned(), from + bytes.len() as u64, HashAlg::Sha256.hash(&[bytes]));
    Entry::Data { spans: vec![Span { file, from, to, hash, first: None, last: None }] }
}

/// All certificates have it: revoked are all or none.
const SERIAL: u8 = 0x42;
