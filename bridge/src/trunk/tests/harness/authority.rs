//! A certificate authority whose certificates are known by their serial numbers, and which revokes them.

use std::time::Duration;

use hearing_config::Pki;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevocationReason, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};

use crate::net::tls::Identity;

/// Issues certificates and revokes them.
pub(crate) struct Authority {
    directory: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
    revoked: Vec<u64>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let root = params.self_signed(&key).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("root.pem"), root.pem()).unwrap();
        let authority = Self { directory, issuer: Issuer::new(params, key), revoked: Vec::new() };
        authority.write_list();
        authority
    }

    pub(crate) fn issue(&self, of: &Identity, serial: u64) -> Pki {
        self.issue_until(of, serial, 4_000_000_000)
    }

    /// Valid until a second since 1970.
    pub(crate) fn issue_until(&self, of: &Identity, serial: u64, end: u64) -> Pki {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::URI(of.uri().try_into().unwrap())];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.serial_number = Some(SerialNumber::from(serial));
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(end);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let pki = self.files(serial);
        std::fs::write(&pki.certificate, certificate.pem()).unwrap();
        std::fs::write(&pki.key, key.serialize_pem()).unwrap();
        pki
    }

    /// Where the certificate with this serial number lies.
    pub(crate) fn files(&self, serial: u64) -> Pki {
        let file = |name: String| self.directory.path().join(name);
        Pki {
            root: file("root.pem".into()),
            certificate: file(format!("{serial}.pem")),
            key: file(format!("{serial}.key")),
            revoked: file("revoked.pem".into()),
        }
    }

    pub(crate) fn revoke(&mut self, serial: u64) {
        self.revoked.push(serial);
        self.write_list();
    }

    /// Renamed into place, so that nobody reads half of it.
    fn write_list(&self) {
        let revoked = self.revoked.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2026, 1, 1),
            reason_code: Some(RevocationReason::KeyCompromise),
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: date_time_ymd(2090, 1, 1),
            crl_number: SerialNumber::from(1 + self.revoked.len() as u64),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let (fresh, file) = (self.directory.path().join("fresh.pem"), self.directory.path().join("revoked.pem"));
        std::fs::write(&fresh, params.signed_by(&self.issuer).unwrap().pem().unwrap()).unwrap();
        std::fs::rename(fresh, file).unwrap();
    }
}
