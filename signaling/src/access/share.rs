//! Who may look at a record.

use hearing_config::{HearingId, Timestamp};
use serde::{Deserialize, Serialize};

/// A link that lets one person look at one record. Only the hash of its secret is kept, in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Its number in the journal.
    pub id: i64,
    /// The record's hearing.
    pub hearing: HearingId,
    /// Who it was given to.
    pub name: String,
    /// True when what is closed to the public is left out.
    pub public: bool,
    /// When it was made.
    pub made: Timestamp,
    /// When it ends.
    pub until: Timestamp,
    /// When it was taken back.
    pub revoked: Option<Timestamp>,
}

/// Why a link opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// It is for no record here.
    #[error("this link is for no record of this node")]
    Unknown,
    /// Its time is over.
    #[error("this link is no longer valid; ask the court for another one")]
    Expired,
    /// The court took it back.
    #[error("the court has taken this link back")]
    Revoked,
}

/// The word of the journal that whoever holds it may look. Made by [`Share::open`] only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewing {
    share: Share,
}

impl Share {
    /// Lets its holder look, now.
    ///
    /// # Errors
    /// It has ended.
    pub fn open(self, now: Timestamp) -> Result<Viewing, Closed> {
        match (self.revoked, now < self.until) {
            (Some(_), _) => Err(Closed::Revoked),
            (None, false) => Err(Closed::Expired),
            (None, true) => Ok(Viewing { share: self }),
        }
    }
}

impl Viewing {
    /// The share that it comes from.
    #[must_use]
    pub const fn share(&self) -> &Share {
        &self.share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(until: i64, revoked: Option<i64>) -> Share {
        let (hearing, name) = (HearingId::random(), "合议庭".to_owned());
        let (until, revoked) = (Timestamp(until), revoked.map(Timestamp));
        Share { id: 1, hearing, name, public: false, made: Timestamp(0), until, revoked }
    }

    #[test]
    fn a_link_opens_until_its_end_and_not_once_it_was_taken_back() {
        assert!(share(100, None).open(Timestamp(99)).is_ok());
        assert_eq!(share(100, None).open(Timestamp(100)), Err(Closed::Expired));
        assert_eq!(share(100, Some(50)).open(Timestamp(60)), Err(Closed::Revoked));
    }
}
