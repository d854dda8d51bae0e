//! Reading certificates, keys and revocation lists, and why they can't be used.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, io};

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use x509_parser::prelude::{CertificateRevocationList, FromDer as _, X509Certificate};

/// Why certificates can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file can't be read, or holds no PEM of the wanted kind.
    #[error("{}: no usable {what}: {reason}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The certificate's time is over, or has not begun.
    #[error("{}: the certificate is valid from {from} to {to} only; issue a new one with `hearing pki issue`", file.display())]
    OutOfTime {
        /// The file.
        file: PathBuf,
        /// When its time begins.
        from: jiff::Timestamp,
        /// When it ends.
        to: jiff::Timestamp,
    },
    /// The certificate names no node.
    #[error("the certificate names no node: {0}")]
    NoIdentity(String),
    /// A file can't be written.
    #[error("{}: cannot be written: {source}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// rustls refuses the settings.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// A certificate can't be made.
    #[error("certificate: {0}")]
    Issue(#[from] rcgen::Error),
    /// The authority knows no such certificate.
    #[error("{}: no certificate was issued to {wanted}; see `hearing pki list`", directory.display())]
    NotIssued {
        /// The authority's directory.
        directory: PathBuf,
        /// What was asked for.
        wanted: String,
    },
    /// The authority is there already.
    #[error("{}: an authority is there already; it is never overwritten", .0.display())]
    Exists(PathBuf),
}

/// At least one certificate.
pub(super) fn read_chain(file: &Path, what: &'static str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = || CertificateDer::pem_file_iter(file)?.collect::<Result<Vec<_>, _>>();
    let chain = read().map_err(|e| unusable(file, what, &e))?;
    if chain.is_empty() { Err(unusable(file, what, &"no PEM block CERTIFICATE")) } else { Ok(chain) }
}

/// The certificates in a file of PEM blocks, as DER.
///
/// # Errors
/// When there is none, or the file can't be read.
pub fn certificates(file: &Path) -> Result<Vec<Vec<u8>>, Error> {
    Ok(read_chain(file, "certificate")?.into_iter().map(|der| der.to_vec()).collect())
}

/// The revocation lists in a file of PEM blocks, as DER.
///
/// # Errors
/// When there is none, or the file can't be read.
pub fn lists(file: &Path) -> Result<Vec<Vec<u8>>, Error> {
    Ok(read_lists(file)?.into_iter().map(|der| der.to_vec()).collect())
}

pub(super) fn read_key(file: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    PrivateKeyDer::from_pem_file(file).map_err(|e| unusable(file, "private key", &e))
}

pub(super) fn read_roots(file: &Path) -> Result<Arc<RootCertStore>, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in read_chain(file, "root certificate")? {
        roots.add(certificate).map_err(|e| unusable(file, "root certificate", &e))?;
    }
    Ok(Arc::new(roots))
}

/// At least one list: without any, rustls would check no revocation at all.
pub(super) fn read_lists(file: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, Error> {
    let read = || CertificateRevocationListDer::pem_file_iter(file)?.collect::<Result<Vec<_>, _>>();
    let lists = read().map_err(|e| unusable(file, "revocation list", &e))?;
    if lists.is_empty() { Err(unusable(file, "revocation list", &"no PEM block X509 CRL")) } else { Ok(lists) }
}

pub(super) fn revoked_serials(
    file: &Path,
    lists: &[CertificateRevocationListDer<'_>],
) -> Result<HashSet<Vec<u8>>, Error> {
    let mut serials = HashSet::new();
    for list in lists {
        let (_, list) = CertificateRevocationList::from_der(list).map_err(|e| unusable(file, "revocation list", &e))?;
        serials.extend(list.iter_revoked_certificates().map(|entry| canonical(entry.raw_serial()).to_vec()));
    }
    Ok(serials)
}

pub(super) fn next_update(
    file: &Path,
    lists: &[CertificateRevocationListDer<'_>],
) -> Result<Option<jiff::Timestamp>, Error> {
    for list in lists {
        let (_, list) = CertificateRevocationList::from_der(list).map_err(|e| unusable(file, "revocation list", &e))?;
        if let Some(due) = list.next_update() {
            return Ok(Some(instant(due)));
        }
    }
    Ok(None)
}

pub(super) fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Error> {
    X509Certificate::from_der(certificate)
        .map(|(_, parsed)| parsed)
        .map_err(|e| Error::NoIdentity(format!("it can't be read: {e}")))
}

/// A serial number without the leading zeros that DER adds to keep it positive.
pub(super) fn canonical(serial: &[u8]) -> &[u8] {
    &serial[serial.iter().take_while(|byte| **byte == 0).count()..]
}

/// A time of a certificate; 1970 when it is none that a calendar knows.
pub(super) fn instant(t: x509_parser::time::ASN1Time) -> jiff::Timestamp {
    jiff::Timestamp::from_second(t.timestamp()).unwrap_or_default()
}

pub(super) fn unusable(file: &Path, what: &'static str, reason: &dyn fmt::Display) -> Error {
    Error::File { file: file.to_owned(), what, reason: reason.to_string() }
}
