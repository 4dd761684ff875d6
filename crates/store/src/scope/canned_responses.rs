//! Canned responses of an account.

use super::filter_terms::holds;
use super::tx::Tx;
use crate::*;
use domain::organising::CannedResponse;
use domain::{AccountId, CannedResponseId, Timestamp};
use sea_orm::FromQueryResult;

#[derive(Debug, FromQueryResult)]
struct CannedRow {
    id: i64,
    account_id: i64,
    short_code: String,
    content: String,
    created_at: i64,
    updated_at: i64,
}

impl From<CannedRow> for CannedResponse {
    fn from(row: CannedRow) -> Self {
        Self {
            id: CannedResponseId(row.id),
            account_id: AccountId(row.account_id),
            short_code: row.short_code,
            content: row.content,
            created_at: Timestamp(row.created_at),
            updated_at: Timestamp(row.updated_at),
        }
    }
}

impl AccountScope {
    /// By short code. With words: those that hold them, first where the short code begins with them, then where it holds them.
    pub async fn canned_responses(&self, search: Option<&str>) -> Result<Vec<CannedResponse>> {
        let sql = match search.map(str::trim).filter(|words| !words.is_empty()) {
            None => self.sql("SELECT * FROM canned_responses WHERE account_id = :account ORDER BY short_code, id"),
            Some(words) => {
                let holds = holds(words);
                let begins = holds[1..].to_owned();
                self.sql(
                    "SELECT * FROM canned_responses WHERE account_id = :account \
                     AND (LOWER(short_code) LIKE ? ESCAPE '\\' OR LOWER(content) LIKE ? ESCAPE '\\') \
                     ORDER BY CASE WHEN LOWER(short_code) LIKE ? ESCAPE '\\' THEN 0 \
                     WHEN LOWER(short_code) LIKE ? ESCAPE '\\' THEN 1 ELSE 2 END, short_code, id",
                )
                .bind(holds.clone())
                .bind(holds.clone())
                .bind(begins)
                .bind(holds)
            }
        };
        let rows: Vec<CannedRow> = sql.all(&self.inner.read).await?;
        Ok(rows.into_iter().map(CannedResponse::from).collect())
    }
}

impl Tx {
    /// `Conflict` when the short code is taken, `LimitReached` when there are `most`.
    pub async fn create_canned_response(
        &mut self,
        short_code: &str,
        content: &str,
        most: u32,
    ) -> Result<CannedResponse> {
        let counted = self.sql("SELECT COUNT(*) FROM canned_responses WHERE account_id = :account");
        self.make_room("canned responses", counted, most).await?;
        let now = self.now().0;
        let row: Option<CannedRow> = self
            .sql(
                "INSERT INTO canned_responses (account_id, short_code, content, created_at, updated_at) \
                 VALUES (:account, ?, ?, ?, ?) RETURNING *",
            )
            .bind(short_code)
            .bind(content)
            .bind(now)
            .bind(now)
            .one(self.on())
            .await?;
        row.map(CannedResponse::from).ok_or(StoreError::NotFound("canned response"))
    }

    /// `Conflict` when the short code is another one's.
    pub async fn update_canned_response(
        &mut self,
        id: CannedResponseId,
        change: &CannedResponseChange,
    ) -> Result<Option<CannedResponse>> {
        let row: Option<CannedRow> = self
            .sql(
                "UPDATE canned_responses SET short_code = COALESCE(?, short_code), content = COALESCE(?, content), updated_at = ? \
                 WHERE account_id = :account AND id = ? RETURNING *",
            )
            .bind(change.short_code.clone())
            .bind(change.content.clone())
            .bind(self.now().0)
            .bind(id.0)
            .one(self.on())
            .await?;
        Ok(row.map(CannedResponse::from))
    }

    pub async fn delete_canned_response(&mut self, id: CannedResponseId) -> Result<bool> {
        let gone = self
            .sql("DELETE FROM canned_responses WHERE account_id = :account AND id = ?")
            .bind(id.0)
            .run(self.on())
            .await?;
        Ok(gone == 1)
    }
}
