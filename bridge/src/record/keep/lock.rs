//! Encryption at rest: each object of the second store is for named recipients (age-encryption.org/v1, X25519).

use std::io::{Read as _, Write as _};
use std::str::FromStr as _;

use age::x25519::{Identity, Recipient};
use age::{Decryptor, Encryptor};

use super::Error;

/// Who may read; none means that everything is stored as it is.
#[derive(Clone, Default)]
pub struct Recipients(Vec<Recipient>);

impl Recipients {
    /// Reads public keys such as `age1..`.
    ///
    /// # Errors
    /// When one is none.
    pub fn parse(keys: &[String]) -> Result<Self, Error> {
        let key = |key: &String| Recipient::from_str(key).map_err(|why| Error::Keys(format!("{key:?}: {why}")));
        keys.iter().map(key).collect::<Result<_, _>>().map(Self)
    }

    /// True when what is stored can be read by everybody.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is stored of `plain`.
    pub(super) fn lock(&self, plain: Vec<u8>) -> Result<Vec<u8>, Error> {
        if self.is_empty() {
            return Ok(plain);
        }
        let recipients = self.0.iter().map(|recipient| recipient as &dyn age::Recipient);
        let lock = Encryptor::with_recipients(recipients).map_err(|why| Error::Keys(why.to_string()))?;
        let mut locked = Vec::with_capacity(plain.len() + plain.len() / 64 + 1_024);
        let write = || -> std::io::Result<()> {
            let mut writer = lock.wrap_output(&mut locked)?;
            writer.write_all(&plain)?;
            writer.finish().map(drop)
        };
        write().map_err(|why| Error::Keys(why.to_string()))?;
        Ok(locked)
    }
}

/// The private keys in a file as `age-keygen` writes it.
///
/// # Errors
/// When there is none in it.
pub fn identities(text: &str) -> Result<Vec<Identity>, Error> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let keys = lines.map(|line| Identity::from_str(line).map_err(|why| Error::Keys(why.to_owned())));
    let keys = keys.collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() {
        Err(Error::Keys("the file holds no private key AGE-SECRET-KEY-1..".to_owned()))
    } else {
        Ok(keys)
    }
}

/// What was stored as `locked`.
pub(super) fn unlock(object: &str, locked: &[u8], keys: &[Identity]) -> Result<Vec<u8>, Error> {
    let failed = |why: String| Error::Locked { object: object.to_owned(), reason: why };
    let decryptor = Decryptor::new(locked).map_err(|why| failed(why.to_string()))?;
    let keys = keys.iter().map(|key| key as &dyn age::Identity);
    let mut reader = decryptor.decrypt(keys).map_err(|why| failed(why.to_string()))?;
    let mut plain = Vec::new();
    reader.read_to_end(&mut plain).map_err(|why| failed(why.to_string()))?;
    Ok(plain)
}
