//! Who may delete a record, and when. Every act and every refusal stands in the record's ledger.

use std::fs;
use std::path::Path;

use hearing_config::{HearingId, Timestamp};
use serde::{Deserialize, Serialize};

use super::ledger::{Deed, FOLDER, Ledger};
use super::{Error, Store};
use crate::record::{Sheet, later};

/// What somebody orders about a record.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// What was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Deletion {
    /// Objects of the second store that went with it.
    pub objects: usize,
}

/// Holds a record: nobody may delete it until it is released.
///
/// # Errors
/// When there is no such record, who or why is missing, or the ledger can't be written.
pub fn hold(directory: &Path, hearing: HearingId, order: Order, now: Timestamp) -> Result<(), Error> {
    let Order { by, reason } = order.checked()?;
    sheet(directory, hearing)?;
    Ledger::of(directory, hearing).add(now, Deed::Hold { by, reason })
}

/// Ends a hold.
///
/// # Errors
/// As [`hold`], and when it is not held.
pub fn release(directory: &Path, hearing: HearingId, order: Order, now: Timestamp) -> Result<(), Error> {
    let Order { by, reason } = order.checked()?;
    sheet(directory, hearing)?;
    let ledger = Ledger::of(directory, hearing);
    if ledger.state()?.held.is_none() {
        return Err(Error::NotHeld(hearing));
    }
    ledger.add(now, Deed::Release { by, reason })
}

/// Deletes a record that is closed, not held and older than `keep_days`, and its copy in the second store.
///
/// # Errors
/// When it may not be deleted, which is written down as well, or can't be.
pub async fn delete(
    directory: &Path,
    hearing: HearingId,
    order: Order,
    now: Timestamp,
    (keep_days, copy): (u32, Option<&Store>),
) -> Result<Deletion, Error> {
    let Order { by, reason } = order.checked()?;
    let ledger = Ledger::of(directory, hearing);
    if let Err(refusal) = may_delete(directory, hearing, now, keep_days) {
        if !matches!(refusal, Error::Unknown(_)) {
            ledger.add(now, Deed::Refused { by, reason, because: refusal.to_string() })?;
        }
        return Err(refusal);
    }
    ledger.add(now, Deed::Delete { by, reason })?;
    later::forget(directory, hearing);
    // Out of the way at once: what is half deleted is no record any more.
    let (folder, away) = (directory.join(hearing.to_string()), directory.join(FOLDER).join(format!("{hearing}.gone")));
    fs::rename(&folder, &away).map_err(Error::disk(&folder, "move away"))?;
    remove_spilled(&away).map_err(Error::disk(&away, "delete"))?;
    fs::remove_dir_all(&away).map_err(Error::disk(&away, "delete"))?;
    let objects = match copy {
        Some(store) => store.delete(hearing).await?,
        None => 0,
    };
    Ok(Deletion { objects })
}

/// Removes what links in a record lead to: segments on the spill disk.
fn remove_spilled(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let (path, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
        if kind.is_dir() {
            remove_spilled(&path)?;
        } else if kind.is_symlink() && path.exists() {
            fs::remove_file(fs::canonicalize(&path)?)?;
        }
    }
    Ok(())
}

fn may_delete(directory: &Path, hearing: HearingId, now: Timestamp, keep_days: u32) -> Result<(), Error> {
    let closed = sheet(directory, hearing)?.closed.ok_or(Error::Open(hearing))?;
    if let Some((since, by, reason)) = Ledger::of(directory, hearing).state()?.held {
        return Err(Error::Held { hearing, since, by, reason });
    }
    let until = closed.plus(i64::from(keep_days) * DAY);
    if now < until { Err(Error::Early { hearing, until }) } else { Ok(()) }
}

fn sheet(directory: &Path, hearing: HearingId) -> Result<Sheet, Error> {
    let folder = directory.join(hearing.to_string());
    if folder.is_dir() { Ok(Sheet::read(&folder)?) } else { Err(Error::Unknown(hearing)) }
}

impl Order {
    fn checked(self) -> Result<Self, Error> {
        for (what, text) in [("by", &self.by), ("reason", &self.reason)] {
            if text.trim().is_empty() || text.chars().count() > LONGEST {
                return Err(Error::Empty(what));
            }
        }
        Ok(self)
    }
}

/// Microseconds.
const DAY: i64 = 86_400_000_000;
/// Characters.
const LONGEST: usize = 500;

#[cfg(test)]
mod tests {
    use super::super::ledger::Act;
    use super::*;

    const CLOSED: Timestamp = Timestamp(1_795_488_000_000_000);

    fn record(closed: bool) -> (tempfile::TempDir, HearingId) {
        let directory = tempfile::tempdir().unwrap();
        let hearing: HearingId = "0198c0de-0000-7000-8000-000000000001".parse().unwrap();
        let folder = directory.path().join(hearing.to_string());
        fs::create_dir_all(folder.join("judge-video")).unwrap();
        fs::write(folder.join("judge-video/0001.mkv"), "picture").unwrap();
        let sheet = serde_json::json!({
            "format": "hearing-record/1", "hearing": hearing, "node": "court", "case": "1", "template": "t",
            "seats": [], "epoch": 0, "opened": 0, "orders": [], "closed": closed.then_some(CLOSED),
        });
        fs::write(folder.join("hearing.json"), sheet.to_string()).unwrap();
        (directory, hearing)
    }

    fn order() -> Order {
        Order { by: "clerk".to_owned(), reason: "appeal".to_owned() }
    }

    async fn try_delete(directory: &Path, hearing: HearingId, days: i64) -> Result<Deletion, Error> {
        delete(directory, hearing, order(), CLOSED.plus(days * DAY), (30, None)).await
    }

    #[tokio::test]
    async fn a_record_is_deleted_only_when_it_is_closed_due_and_not_held() {
        let (directory, hearing) = record(true);
        let directory = directory.path();
        let spilled = directory.join("spilled.mkv");
        fs::write(&spilled, "picture").unwrap();
        let link = directory.join(hearing.to_string()).join("judge-video/0002.mkv");
        std::os::unix::fs::symlink(&spilled, link).unwrap();
        assert!(matches!(try_delete(directory, hearing, 29).await, Err(Error::Early { .. })));
        hold(directory, hearing, order(), CLOSED).unwrap();
        assert!(matches!(try_delete(directory, hearing, 31).await, Err(Error::Held { .. })));
        assert!(directory.join(hearing.to_string()).exists());
        release(directory, hearing, order(), CLOSED).unwrap();
        assert!(matches!(release(directory, hearing, order(), CLOSED), Err(Error::NotHeld(_))));
        try_delete(directory, hearing, 31).await.unwrap();
        assert!(!directory.join(hearing.to_string()).exists());
        assert!(!spilled.exists(), "what was spilled goes with it");
        assert!(matches!(try_delete(directory, hearing, 31).await, Err(Error::Unknown(_))));
        let acts = Ledger::of(directory, hearing).acts().unwrap();
        let names: Vec<_> =
            acts.iter().map(|Act { deed, .. }| serde_json::to_value(deed).unwrap()["act"].clone()).collect();
        assert_eq!(names, ["refused", "hold", "refused", "release", "delete"]);
    }

    #[tokio::test]
    async fn the_record_of_a_hearing_that_goes_on_is_never_deleted() {
        let (directory, hearing) = record(false);
        assert!(matches!(try_delete(directory.path(), hearing, 10_000).await, Err(Error::Open(_))));
    }

    #[tokio::test]
    async fn nobody_acts_without_a_name_and_a_reason() {
        let (directory, hearing) = record(true);
        for (by, reason) in [("", "x"), ("x", " ")] {
            let order = Order { by: by.to_owned(), reason: reason.to_owned() };
            assert!(matches!(hold(directory.path(), hearing, order, CLOSED), Err(Error::Empty(_))));
        }
    }
}
