//! Whether a certificate led to a trusted root when it signed.

use std::time::Duration;

use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{BorrowedCertRevocationList, CertRevocationList, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::super::certificate::{Certificate, Identity};
use super::super::hash::Der;
use super::super::note;
use super::super::sign::SignAlg;
use super::Trust;
use super::report::{Code, Finding};

/// A certificate as it stands in the record, and when it signed.
pub(super) struct Signature<'a> {
    pub(super) chain: &'a [Der],
    pub(super) identity: Identity,
    /// Seconds since 1970.
    pub(super) time: i64,
}

impl Signature<'_> {
    /// What speaks against the certificate, if anything.
    pub(super) fn doubt(&self, trust: &Trust) -> Option<Finding> {
        let Some(first) = self.chain.first() else {
            return Some(Finding::new(Code::HeadForged).detail("no certificate"));
        };
        let der = CertificateDer::from(first.0.as_slice());
        let Some(certificate) = Certificate::parse(&der) else {
            return Some(Finding::new(Code::HeadForged).detail("not a certificate"));
        };
        if certificate.identity().as_ref() != Some(&self.identity) {
            let detail = format!("the certificate is not that of {}/{}", self.identity.zone, self.identity.node);
            return Some(Finding::new(Code::HeadForged).detail(detail));
        }
        match self.path(&der, trust) {
            Ok(()) => self.revoked(&der, trust),
            Err(error) if is_about_time(&error) => Some(Finding::new(Code::CertificateInvalid).detail(error)),
            Err(error) => Some(Finding::new(Code::NotTrusted).detail(error)),
        }
    }

    fn path(&self, der: &CertificateDer<'_>, trust: &Trust) -> Result<(), webpki::Error> {
        let roots: Vec<_> = trust.roots.iter().map(|root| CertificateDer::from(root.0.as_slice())).collect();
        let anchors: Vec<_> = roots.iter().filter_map(|root| anchor_from_trusted_cert(root).ok()).collect();
        let between: Vec<_> = self.chain[1..].iter().map(|der| CertificateDer::from(der.0.as_slice())).collect();
        let time = UnixTime::since_unix_epoch(Duration::from_secs(self.time.unsigned_abs()));
        let certificate = EndEntityCert::try_from(der)?;
        let path = certificate.verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &anchors,
            &between,
            time,
            KeyUsage::client_auth(),
            None,
            None,
        );
        path.map(drop)
    }

    /// Whether it had been revoked when it signed. Lists count whatever their own date: they are brought by hand.
    fn revoked(&self, der: &CertificateDer<'_>, trust: &Trust) -> Option<Finding> {
        let certificate = EndEntityCert::try_from(der).ok()?;
        let lists = trust.revoked.iter().filter_map(|list| BorrowedCertRevocationList::from_der(list).ok());
        lists.into_iter().find_map(|list| {
            let list = CertRevocationList::from(list);
            let entry = list.find_serial(certificate.serial()).ok()??;
            let since = entry.revocation_date.as_secs();
            let is_issuer = list.issuer() == certificate.issuer();
            (is_issuer && since <= self.time.unsigned_abs())
                .then(|| Finding::new(Code::CertificateInvalid).detail(format!("revoked since {since} (Unix time)")))
        })
    }
}

const fn is_about_time(error: &webpki::Error) -> bool {
    matches!(error, webpki::Error::CertExpired { .. } | webpki::Error::CertNotValidYet { .. })
}

/// What one of the signatures of a line comes to.
pub(super) enum Outcome {
    /// It holds.
    Holds,
    /// It does not, or there is none.
    Fails,
    /// Only algorithms that are not known here.
    Unknown,
}

/// Whether the node of `chain` signed a line of this kind.
pub(super) fn by_node(chain: &[Der], kind: &str, unsigned: &[u8], sigs: Option<&super::super::line::Sigs>) -> Outcome {
    let Some(sigs) = sigs.filter(|sigs| !sigs.is_empty()) else { return Outcome::Fails };
    if sigs.keys().all(|name| SignAlg::named(name).is_none()) {
        return Outcome::Unknown;
    }
    let message = note::of_node(kind, unsigned);
    let holds = super::super::witness::is_signed_by(chain, None, &message, sigs);
    if holds { Outcome::Holds } else { Outcome::Fails }
}
