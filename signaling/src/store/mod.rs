//! The journal: one SQLite file per node, written and synced before anything becomes visible.

mod playback;

use std::path::{Path, PathBuf};

use hearing_config::{HearingId, Timestamp};
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Row as _, SqlitePool};

use crate::hearing::{Entry, Kept};
use crate::registry::Journaled;

pub use playback::{Act, NewShare, View, Viewed};

/// A node's journal. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Journal {
    pool: SqlitePool,
}

/// What led to an entry; kept beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The hearing was made.
    Start,
    /// A device used a link.
    Join,
    /// Whoever sits on the seat with this slug.
    Seat(String),
    /// The operator.
    Operator,
    /// Media reported.
    Media,
    /// The node started again.
    Restart,
    /// Time passed.
    Time,
}

/// Why the journal can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be opened or made.
    #[error("the journal {} cannot be opened: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: sqlx::Error,
    },
    /// The file was written by a newer version, or is damaged.
    #[error("the journal {} is not one that this version can use: {source}", path.display())]
    Migrate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: sqlx::migrate::MigrateError,
    },
    /// A statement failed.
    #[error("the journal cannot be used: {0}")]
    Sql(#[from] sqlx::Error),
    /// A row can't be read.
    #[error("hearing {hearing} in the journal cannot be read: {source}")]
    Row {
        /// Which hearing.
        hearing: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl Journal {
    /// Opens the journal in `directory`, or makes a new one there.
    ///
    /// # Errors
    /// [`Error::Open`] and [`Error::Migrate`].
    pub async fn open(directory: &Path) -> Result<Self, Error> {
        let path = directory.join("journal.sqlite");
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        // One connection: SQLite has one writer anyway, and waiting here is fairer than SQLITE_BUSY.
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await;
        let pool = pool.map_err(|source| Error::Open { path: path.clone(), source })?;
        MIGRATIONS.run(&pool).await.map_err(|source| Error::Migrate { path, source })?;
        Ok(Self { pool })
    }

    /// Writes the state of a hearing and the entries that led to it; synced to disk when it returns.
    ///
    /// # Errors
    /// [`Error::Sql`]; nothing was written then.
    pub async fn write(&self, kept: &Kept, entries: &[(Cause, Entry)]) -> Result<(), Error> {
        let id = kept.id().to_string();
        let row = |source| Error::Row { hearing: id.clone(), source };
        let mut transaction = self.pool.begin().await?;
        sqlx::query(UPSERT)
            .bind(&id)
            .bind(kept.seq().cast_signed())
            .bind(kept.is_sealed())
            .bind(serde_json::to_string(kept).map_err(row)?)
            .execute(&mut *transaction)
            .await?;
        for (cause, entry) in entries {
            sqlx::query("INSERT INTO entry (hearing, seq, at, cause, change) VALUES (?, ?, ?, ?, ?)")
                .bind(&id)
                .bind(entry.seq.cast_signed())
                .bind(entry.at.0)
                .bind(cause.to_string())
                .bind(serde_json::to_string(&entry.change).map_err(row)?)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Every hearing that is not sealed, and the newest `sealed` ones that are; oldest first.
    ///
    /// # Errors
    /// [`Error::Sql`] and [`Error::Row`].
    pub async fn hearings(&self, sealed: u32) -> Result<Vec<Kept>, Error> {
        let rows = sqlx::query(HEARINGS).bind(sealed).fetch_all(&self.pool).await?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            let (hearing, kept): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            serde_json::from_str(&kept).map_err(|source| Error::Row { hearing, source })
        };
        rows.iter().map(read).collect()
    }

    /// The first `limit` entries of a hearing after number `after`, in order.
    ///
    /// # Errors
    /// [`Error::Sql`] and [`Error::Row`].
    pub async fn entries_after(&self, hearing: HearingId, after: u64, limit: u32) -> Result<Vec<Journaled>, Error> {
        let rows =
            sqlx::query("SELECT seq, at, change, cause FROM entry WHERE hearing = ? AND seq > ? ORDER BY seq LIMIT ?")
                .bind(hearing.to_string())
                .bind(after.cast_signed())
                .bind(limit)
                .fetch_all(&self.pool)
                .await?;
        let journaled = |row| Ok(Journaled { cause: row_cause(row)?, entry: entry(hearing, row)? });
        rows.iter().map(journaled).collect()
    }

    /// The last `limit` entries of a hearing, in order.
    ///
    /// # Errors
    /// [`Error::Sql`] and [`Error::Row`].
    pub async fn entries(&self, hearing: HearingId, limit: u32) -> Result<Vec<Entry>, Error> {
        let rows = sqlx::query("SELECT seq, at, change FROM entry WHERE hearing = ? ORDER BY seq DESC LIMIT ?")
            .bind(hearing.to_string())
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().rev().map(|row| entry(hearing, row)).collect()
    }
}

fn row_cause(row: &sqlx::sqlite::SqliteRow) -> Result<String, Error> {
    Ok(row.try_get(3)?)
}

fn entry(hearing: HearingId, row: &sqlx::sqlite::SqliteRow) -> Result<Entry, Error> {
    let (seq, at, change): (i64, i64, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let change = serde_json::from_str(&change).map_err(|source| Error::Row { hearing: hearing.to_string(), source })?;
    Ok(Entry { seq: seq.cast_unsigned(), at: Timestamp(at), change })
}

#[cfg(test)]
impl Journal {
    /// As if the disk were gone.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Start => f.write_str("start"),
            Self::Join => f.write_str("join"),
            Self::Seat(name) => write!(f, "seat/{name}"),
            Self::Operator => f.write_str("operator"),
            Self::Media => f.write_str("media"),
            Self::Restart => f.write_str("restart"),
            Self::Time => f.write_str("time"),
        }
    }
}

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations");

const UPSERT: &str = "INSERT INTO hearing (id, seq, sealed, kept) VALUES (?, ?, ?, ?) \
    ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, sealed = excluded.sealed, kept = excluded.kept";

// Ids are UUIDs of version 7: they sort by time.
const HEARINGS: &str = "SELECT id, kept FROM hearing WHERE sealed = 0 \
    OR id IN (SELECT id FROM hearing WHERE sealed = 1 ORDER BY id DESC LIMIT ?) ORDER BY id";
