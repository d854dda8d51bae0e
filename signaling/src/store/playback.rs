//! Links to records and who looked, in the journal.

use hearing_config::{HearingId, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Error, Journal};
use crate::access::{Share, TokenHash};

/// One line of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// The record's hearing.
    pub hearing: HearingId,
    /// The share by which; `None` when a link opened nothing.
    pub share: Option<i64>,
    /// When.
    pub at: Timestamp,
    /// From which address.
    pub address: String,
    /// What was done.
    pub act: Act,
    /// The file, when one was fetched.
    pub file: Option<String>,
    /// The span of the record that was looked at, milliseconds of file time.
    pub span: Option<(i64, i64)>,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Act {
    /// The operator made the link.
    Share,
    /// The operator took it back.
    Unshare,
    /// The page was opened.
    Open,
    /// A media file was fetched, for the first time since the page was opened.
    Fetch,
    /// The page played this span.
    Watch,
    /// A link that opens nothing was tried.
    Refuse,
}

/// A line of the audit log with the name of the share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Viewed {
    /// Who it was given to.
    pub name: Option<String>,
    /// The line.
    #[serde(flatten)]
    pub view: View,
}

/// What a new share says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewShare {
    /// The record's hearing.
    pub hearing: HearingId,
    /// The hash of its secret.
    pub hash: TokenHash,
    /// Who it is given to.
    pub name: String,
    /// Without what is closed to the public.
    pub public: bool,
    /// Now.
    pub made: Timestamp,
    /// When it ends.
    pub until: Timestamp,
}

impl Journal {
    /// Writes a share down; its number.
    ///
    /// # Errors
    /// [`Error::Sql`].
    pub async fn share(&self, new: &NewShare) -> Result<i64, Error> {
        let row = sqlx::query(
            "INSERT INTO share (hearing, hash, name, public, made, until) VALUES (?, ?, ?, ?, ?, ?) RETURNING id",
        )
        .bind(new.hearing.to_string())
        .bind(new.hash.0.to_vec())
        .bind(&new.name)
        .bind(new.public)
        .bind(new.made.0)
        .bind(new.until.0)
        .fetch_one(&self.pool)
        .await?;
        Ok(row.try_get(0)?)
    }

    /// The share of a record with this hash.
    ///
    /// # Errors
    /// [`Error::Sql`].
    pub async fn find_share(&self, hearing: HearingId, hash: TokenHash) -> Result<Option<Share>, Error> {
        let query =
            sqlx::query("SELECT id, name, public, made, until, revoked FROM share WHERE hearing = ? AND hash = ?");
        let row = query.bind(hearing.to_string()).bind(hash.0.to_vec()).fetch_optional(&self.pool).await?;
        row.map(|row| share(hearing, &row)).transpose()
    }

    /// All shares of a record, oldest first.
    ///
    /// # Errors
    /// [`Error::Sql`].
    pub async fn shares(&self, hearing: HearingId) -> Result<Vec<Share>, Error> {
        let query =
            sqlx::query("SELECT id, name, public, made, until, revoked FROM share WHERE hearing = ? ORDER BY id");
        let rows = query.bind(hearing.to_string()).fetch_all(&self.pool).await?;
        rows.iter().map(|row| share(hearing, row)).collect()
    }

    /// Takes back the shares of a record that were given to `name`; their numbers.
    ///
    /// # Errors
    /// [`Error::Sql`].
    pub async fn revoke_shares(&self, hearing: HearingId, name: &str, now: Timestamp) -> Result<Vec<i64>, Error> {
        let query =
            sqlx::query("UPDATE share SET revoked = ? WHERE hearing = ? AND name = ? AND revoked IS NULL RETURNING id");
        let rows = query.bind(now.0).bind(hearing.to_string()).bind(name).fetch_all(&self.pool).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// Writes a line of the audit log; synced to disk when it returns.
    ///
    /// # Errors
    /// [`Error::Sql`].
    pub async fn view(&self, view: &View) -> Result<(), Error> {
        sqlx::query(
            "INSERT INTO view (hearing, share, at, address, act, file, from_ms, to_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(view.hearing.to_string())
        .bind(view.share)
        .bind(view.at.0)
        .bind(&view.address)
        .bind(serde_json::to_string(&view.act).unwrap_or_default().trim_matches('"').to_owned())
        .bind(&view.file)
        .bind(view.span.map(|span| span.0))
        .bind(view.span.map(|span| span.1))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The audit log of a record, oldest first.
    ///
    /// # Errors
    /// [`Error::Sql`] and [`Error::Row`].
    pub async fn views(&self, hearing: HearingId) -> Result<Vec<Viewed>, Error> {
        let query = sqlx::query(
            "SELECT view.share, view.at, view.address, view.act, view.file, view.from_ms, view.to_ms, share.name \
             FROM view LEFT JOIN share ON share.id = view.share WHERE view.hearing = ? ORDER BY view.id",
        );
        let rows = query.bind(hearing.to_string()).fetch_all(&self.pool).await?;
        rows.iter().map(|row| viewed(hearing, row)).collect()
    }
}

fn share(hearing: HearingId, row: &SqliteRow) -> Result<Share, Error> {
    Ok(Share {
        id: row.try_get(0)?,
        hearing,
        name: row.try_get(1)?,
        public: row.try_get(2)?,
        made: Timestamp(row.try_get(3)?),
        until: Timestamp(row.try_get(4)?),
        revoked: row.try_get::<Option<i64>, _>(5)?.map(Timestamp),
    })
}

fn viewed(hearing: HearingId, row: &SqliteRow) -> Result<Viewed, Error> {
    let word: String = row.try_get(3)?;
    let act = serde_json::from_value(word.into());
    let act = act.map_err(|source| Error::Row { hearing: hearing.to_string(), source })?;
    let span: (Option<i64>, Option<i64>) = (row.try_get(5)?, row.try_get(6)?);
    let view = View {
        hearing,
        share: row.try_get(0)?,
        at: Timestamp(row.try_get(1)?),
        address: row.try_get(2)?,
        act,
        file: row.try_get(4)?,
        span: span.0.zip(span.1),
    };
    Ok(Viewed { name: row.try_get(7)?, view })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Closed, JoinToken};

    #[tokio::test]
    async fn a_share_is_found_by_its_hash_in_its_record_only_and_taken_back_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal::open(directory.path()).await.unwrap();
        let (hearing, token) = (HearingId::random(), JoinToken::random());
        let new = NewShare {
            hearing,
            hash: token.hash(),
            name: "承办法官".to_owned(),
            public: false,
            made: Timestamp(1),
            until: Timestamp(100),
        };
        let id = journal.share(&new).await.unwrap();
        let found = journal.find_share(hearing, token.hash()).await.unwrap().unwrap();
        assert_eq!((found.id, found.name.as_str()), (id, "承办法官"));
        assert_eq!(journal.find_share(HearingId::random(), token.hash()).await.unwrap(), None);
        assert_eq!(journal.find_share(hearing, JoinToken::random().hash()).await.unwrap(), None);
        assert_eq!(journal.revoke_shares(hearing, "别人", Timestamp(5)).await.unwrap(), [0_i64; 0]);
        assert_eq!(journal.revoke_shares(hearing, "承办法官", Timestamp(5)).await.unwrap(), [id]);
        let found = journal.find_share(hearing, token.hash()).await.unwrap().unwrap();
        assert_eq!(found.open(Timestamp(6)), Err(Closed::Revoked));
    }

    #[tokio::test]
    async fn the_audit_log_keeps_every_line_in_order_with_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal::open(directory.path()).await.unwrap();
        let hearing = HearingId::random();
        let new = NewShare {
            hearing,
            hash: JoinToken::random().hash(),
            name: "书记员".to_owned(),
            public: true,
            made: Timestamp(1),
            until: Timestamp(100),
        };
        let share = journal.share(&new).await.unwrap();
        let line = |share, act, span| View {
            hearing,
            share,
            at: Timestamp(7),
            address: "192.0.2.1".to_owned(),
            act,
            file: None,
            span,
        };
        let lines = [
            line(Some(share), Act::Open, None),
            line(None, Act::Refuse, None),
            line(Some(share), Act::Watch, Some((500, 9_000))),
        ];
        for view in &lines {
            journal.view(view).await.unwrap();
        }
        let log = journal.views(hearing).await.unwrap();
        assert_eq!(log.iter().map(|viewed| viewed.view.clone()).collect::<Vec<_>>(), lines);
        assert_eq!(
            log.iter().map(|viewed| viewed.name.as_deref()).collect::<Vec<_>>(),
            [Some("书记员"), None, Some("书记员")]
        );
    }
}
