//! Which key sealed what, and sealing anew with the first key of the ring while everything runs.
//!
//! Every sealed column stands in [`SEALED`]. A value is replaced only as long as it is the one that was read, so whoever stores a newer one at
//! the same time keeps it. Nothing here ever shows a secret, and nothing that cannot be opened is touched.

use super::account::SIGNING_KEY;
use super::sql::system;
use super::{connection_rows, convert, grants, oauth_apps, webhooks};
use crate::connect::Inner;
use crate::secret::{SealedPlace, key_id_of, prefix};
use crate::*;
use domain::AccountId;
use sea_orm::FromQueryResult;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A column that holds sealed values, and the one beside it with each value's uid.
#[derive(Clone, Copy, Debug)]
struct SealedColumn {
    table: &'static str,
    value: &'static str,
    uid: &'static str,
    purpose: &'static str,
    /// For whoever runs the installation.
    what: &'static str,
}

const SEALED: &[SealedColumn] = &[
    SealedColumn {
        table: "account_keys",
        value: "sealed",
        uid: "seal_uid",
        purpose: SIGNING_KEY,
        what: "accounts' keys that sign Message-IDs",
    },
    SealedColumn {
        table: "grants",
        value: "refresh_token",
        uid: "seal_uid",
        purpose: grants::REFRESH_TOKEN,
        what: "refresh tokens of mailboxes",
    },
    SealedColumn {
        table: "grant_access_tokens",
        value: "token",
        uid: "seal_uid",
        purpose: grants::ACCESS_TOKEN,
        what: "access tokens of mailboxes",
    },
    SealedColumn {
        table: "oauth_app_credentials",
        value: "sealed",
        uid: "seal_uid",
        purpose: oauth_apps::CREDENTIAL,
        what: "credentials of accounts' OAuth apps",
    },
    SealedColumn {
        table: "connections",
        value: "handshake",
        uid: "seal_uid",
        purpose: connection_rows::HANDSHAKE,
        what: "sign-ins",
    },
    SealedColumn {
        table: "connections",
        value: "held_tokens",
        uid: "held_seal_uid",
        purpose: connection_rows::HELD_TOKENS,
        what: "tokens of sign-ins that nobody has confirmed",
    },
    SealedColumn {
        table: "webhooks",
        value: "secret",
        uid: "seal_uid",
        purpose: webhooks::SECRET,
        what: "webhooks' secrets",
    },
    SealedColumn {
        table: "webhooks",
        value: "previous_secret",
        uid: "previous_seal_uid",
        purpose: webhooks::SECRET,
        what: "webhooks' secrets of before",
    },
];

const AT_ONCE: i64 = 200;
/// Values under keys that nobody has are looked at up to so many, to name those keys.
const NAMED_AT_MOST: i64 = 1000;

/// The scope of whoever looks after keys.
#[derive(Clone, Debug)]
pub struct Keys {
    pub(crate) inner: Arc<Inner>,
}

/// How many values of one sort a key seals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedUnder {
    pub what: &'static str,
    pub count: u64,
}

/// A key, and what it seals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUse {
    pub key_id: String,
    /// In the ring that this process was started with.
    pub is_known: bool,
    /// Only what it seals anything of.
    pub seals: Vec<SealedUnder>,
}

impl KeyUse {
    pub fn count(&self) -> u64 {
        self.seals.iter().map(|sealed| sealed.count).sum()
    }
}

/// What sealing anew came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotated {
    pub resealed: u64,
    /// Under a key that is not in the ring, or changed since they were sealed: left as they are.
    pub unreadable: u64,
}

#[derive(Debug, FromQueryResult)]
struct SealedRow {
    account_id: i64,
    uid: String,
    value: Vec<u8>,
}

impl Keys {
    /// Every sealed column: its table, and the column with each value's uid. For whoever checks that none is missing.
    pub fn columns(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        SEALED.iter().map(|column| (column.table, column.uid))
    }

    /// The keys of the ring in its order, then those that are not in it and seal something.
    pub async fn uses(&self) -> Result<Vec<KeyUse>> {
        let mut uses: Vec<KeyUse> = self
            .inner
            .keys
            .ids()
            .map(|id| KeyUse { key_id: id.to_owned(), is_known: true, seals: Vec::new() })
            .collect();
        for column in SEALED {
            for key in &mut uses {
                let count = self.count(column, &prefix(&key.key_id)).await?;
                if count > 0 {
                    key.seals.push(SealedUnder { what: column.what, count });
                }
            }
        }
        let mut unknown: BTreeMap<String, Vec<SealedUnder>> = BTreeMap::new();
        for column in SEALED {
            let mut counts: BTreeMap<String, u64> = BTreeMap::new();
            for value in self.under_no_key(column, NAMED_AT_MOST).await? {
                let id = key_id_of(&value).unwrap_or("(damaged)").to_owned();
                *counts.entry(id).or_default() += 1;
            }
            for (id, count) in counts {
                unknown.entry(id).or_default().push(SealedUnder { what: column.what, count });
            }
        }
        uses.extend(unknown.into_iter().map(|(key_id, seals)| KeyUse { key_id, is_known: false, seals }));
        Ok(uses)
    }

    /// Whether anything is sealed under a key that is not in the ring. Cheap enough for every start.
    pub async fn some_are_missing(&self) -> Result<bool> {
        for column in SEALED {
            if !self.under_no_key(column, 1).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Seals everything with the first key of the ring that is sealed with another. Safe to run at any time, twice, and beside processes that
    /// have the same keys.
    pub async fn rotate(&self) -> Result<Rotated> {
        let mut rotated = Rotated::default();
        for column in SEALED {
            let mut after = String::new();
            loop {
                let rows = self.not_under_the_first(column, &after).await?;
                let Some(last) = rows.last() else { break };
                after.clone_from(&last.uid);
                for row in &rows {
                    match self.reseal(column, row).await {
                        Ok(changed) => rotated.resealed += changed,
                        Err(StoreError::SecretUnreadable(_)) => rotated.unreadable += 1,
                        Err(error) => return Err(error),
                    }
                }
            }
        }
        Ok(rotated)
    }

    async fn reseal(&self, column: &SealedColumn, row: &SealedRow) -> Result<u64> {
        let place = SealedPlace { account: AccountId(row.account_id), purpose: column.purpose, uid: &row.uid };
        let plain = self.inner.keys.open(&place, &row.value)?;
        let sealed = self.inner.keys.seal(&place, self.inner.entropy.as_ref(), &plain);
        let SealedColumn { table, value, uid, .. } = column;
        system(format!("UPDATE {table} SET {value} = ? WHERE account_id = ? AND {uid} = ? AND {value} = ?"))
            .bind(sealed)
            .bind(row.account_id)
            .bind(row.uid.clone())
            .bind(row.value.clone())
            .run(&self.inner.write)
            .await
    }

    async fn not_under_the_first(&self, column: &SealedColumn, after: &str) -> Result<Vec<SealedRow>> {
        let SealedColumn { table, value, uid, .. } = column;
        let prefix = self.inner.keys.first_prefix();
        system(format!(
            "SELECT account_id, {uid} AS uid, {value} AS value FROM {table} WHERE {value} IS NOT NULL AND length({value}) > 0 \
             AND substr({value}, 1, ?) <> ? AND {uid} > ? ORDER BY {uid} LIMIT ?"
        ))
        .bind(length(&prefix))
        .bind(prefix)
        .bind(after)
        .bind(AT_ONCE)
        .all(&self.inner.write)
        .await
    }

    async fn count(&self, column: &SealedColumn, prefix: &[u8]) -> Result<u64> {
        let SealedColumn { table, value, .. } = column;
        let count: Option<i64> = system(format!(
            "SELECT COUNT(*) FROM {table} WHERE {value} IS NOT NULL AND length({value}) > 0 AND substr({value}, 1, ?) = ?"
        ))
        .bind(length(prefix))
        .bind(prefix.to_vec())
        .value(&self.inner.read)
        .await?;
        convert::number("count", count.unwrap_or(0))
    }

    /// Up to `most` values under no key of the ring.
    async fn under_no_key(&self, column: &SealedColumn, most: i64) -> Result<Vec<Vec<u8>>> {
        let SealedColumn { table, value, .. } = column;
        let prefixes: Vec<Vec<u8>> = self.inner.keys.ids().map(prefix).collect();
        let none = " AND substr({value}, 1, ?) <> ?".replace("{value}", value).repeat(prefixes.len());
        let text =
            format!("SELECT {value} FROM {table} WHERE {value} IS NOT NULL AND length({value}) > 0{none} LIMIT {most}");
        let sql = prefixes.into_iter().fold(system(text), |sql, prefix| sql.bind(length(&prefix)).bind(prefix));
        sql.column(&self.inner.read).await
    }
}

/// PostgreSQL's `substr` takes an integer of 32 bits.
fn length(prefix: &[u8]) -> i32 {
    i32::try_from(prefix.len()).expect("a key's id has at most 64 characters")
}
