//! Owed work that a worker takes: claiming, keeping, finishing, failing. The row is the only lease.
//!
//! A claim counts an attempt. Whoever claimed says how it ended; one that never did (it panicked, its process was killed, its time ran out)
//! leaves its token in the row, and the next claim counts that as a breakdown. So work that kills whoever touches it can be told from work
//! that is tried again for a reason, and is not tried for ever. The count begins anew when a try ends with words: a failure, or progress.
//!
//! Claims that are asked for at the same time are one statement and one commit, and so are plain ends (a commit to SQLite waits for the
//! disk): each row is judged for itself. Rows that somebody else is just changing are left to them, so that no two ever wait for each other.

use super::convert::{self, to_json};
use super::grants::micros;
use super::relay::Relay;
use super::sql::{Sql, rows_of, scoped, system};
use crate::connect::Inner;
use crate::together::AsyncAnswer;
use crate::*;
use domain::{AccountId, Failure, OwedId};
use sea_orm::{ConnectionTrait, FromQueryResult};
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, FromQueryResult)]
struct ClaimedRow {
    id: i64,
    account_id: i64,
    kind: String,
    subject_id: i64,
    attempts: i64,
    breakdowns: i64,
    payload: String,
    lease_token: String,
}

/// A claim that is asked for.
#[derive(Clone, Debug)]
pub(crate) struct ClaimAsk {
    account: AccountId,
    kind: OwedKind,
    owed: OwedId,
    worker: String,
    lease: Duration,
}

/// The end of a claim that is asked for.
#[derive(Clone, Debug)]
pub(crate) struct FinishAsk {
    kind: OwedKind,
    owed: OwedId,
    token: String,
}

struct Claiming(Arc<Inner>);
struct Finishing(Arc<Inner>);

/// What a claim does to the count of breakdowns.
const BREAKDOWNS: &str = "breakdowns = breakdowns + CASE WHEN lease_token IS NULL THEN 0 ELSE 1 END";

/// Texts from the queue that are kept at most: the newest.
const UNREADABLE_KEPT: i64 = 1000;

impl Relay {
    /// `None` when it is done, somebody else's, not due (any more), or its account is suspended. Counts an attempt. `worker` is for
    /// diagnosis. For raw mail the owed id is the raw mail's id.
    pub async fn claim(
        &self,
        account: AccountId,
        kind: OwedKind,
        owed: OwedId,
        worker: &str,
        lease: Duration,
    ) -> Result<Option<ClaimedWork>> {
        let ask = ClaimAsk { account, kind, owed, worker: worker.to_owned(), lease };
        self.inner.claims.ask(ask, || Claiming(Arc::clone(&self.inner))).await
    }

    /// The lease starts anew. `false`: it was lost.
    pub async fn extend(&self, work: &ClaimedWork, lease: Duration) -> Result<bool> {
        extend(&self.inner.write, work, lease).await
    }

    /// Done. `false`: the lease was lost. (`Tx::finish_work` does the same together with its effects.)
    pub async fn finish(&self, work: &ClaimedWork) -> Result<bool> {
        let ask = FinishAsk { kind: work.kind, owed: work.owed_id, token: work.token.clone() };
        self.inner.finishes.ask(ask, || Finishing(Arc::clone(&self.inner))).await
    }

    pub async fn retry(&self, work: &ClaimedWork, after: Duration, failure: &Failure) -> Result<bool> {
        retry(&self.inner.write, work, after, failure).await
    }

    /// Never tried again by itself; kept with its failure. Raw mail is quarantined.
    pub async fn fail(&self, work: &ClaimedWork, failure: &Failure) -> Result<bool> {
        fail(&self.inner.write, work, failure).await
    }

    /// Given back untried: the attempt is not counted, and what went before stays counted.
    pub async fn release(&self, work: &ClaimedWork, after: Duration) -> Result<bool> {
        give_back(&self.inner.write, work, after, "").await
    }

    /// A part of it is done, and it goes on at once, for whoever takes it.
    pub async fn go_on(&self, work: &ClaimedWork) -> Result<bool> {
        give_back(&self.inner.write, work, Duration::ZERO, ", breakdowns = 0").await
    }

    /// The work's payload is this from now on: what a job that comes in pieces remembers between them. `false`: the lease was lost.
    pub async fn remember(&self, work: &ClaimedWork, payload: &serde_json::Value) -> Result<bool> {
        let text = "UPDATE owed_work SET payload = ? WHERE account_id = :account AND id = ? AND lease_token = ?";
        Ok(ours(scoped(work.scope.id, text).bind(payload.to_string()), work).run(&self.inner.write).await? == 1)
    }

    /// It broke off, and nothing of it is to be tried again before `after`. The claim stays: the next one counts a breakdown. `false`: the
    /// lease was lost.
    pub async fn broke_off(&self, work: &ClaimedWork, after: Duration, failure: &Failure) -> Result<bool> {
        let (column, error) =
            if is_raw(work) { ("reason", failure.to_string()) } else { ("last_error", to_json(failure)) };
        let text = format!(
            "UPDATE {} SET {column} = ?, lease_until = {{now}} + ?, ready_at = {{now}} + ? WHERE account_id = :account AND id = ? AND lease_token = ?",
            table(work.kind)
        );
        let sql = scoped(work.scope.id, text).bind(error).bind(micros(after)).bind(micros(after));
        Ok(ours(sql, work).run(&self.inner.write).await? == 1)
    }

    /// Rows of kinds that this version does not know fail when they have been due for `due_for` and no other version took them. Their
    /// payload stays in them. How many.
    pub async fn fail_unknown(&self, due_for: Duration, failure: &Failure) -> Result<u64> {
        system("UPDATE owed_work SET state = 'failed', last_error = ? WHERE state = 'waiting' AND kind NOT IN (??) AND due_at <= {now} - ?")
            .bind(to_json(failure))
            .list(OwedKind::ALL.iter().map(|kind| kind.as_str()))
            .bind(micros(due_for))
            .run(&self.inner.write)
            .await
    }

    /// Keeps a text from the queue that is no job, so that somebody may look what it was. Only so many are kept.
    pub async fn keep_unreadable(&self, text: &str, reason: &str, worker: &str) -> Result<()> {
        // PostgreSQL keeps no NUL in a text.
        let id: Option<i64> =
            system("INSERT INTO unreadable_jobs (text, reason, worker, seen_at) VALUES (?, ?, ?, ?) RETURNING id")
                .bind(text.replace('\0', "\u{fffd}"))
                .bind(reason)
                .bind(worker)
                .bind(self.inner.now().0)
                .value(&self.inner.write)
                .await?;
        system("DELETE FROM unreadable_jobs WHERE id <= ?")
            .bind(id.unwrap_or(0).saturating_sub(UNREADABLE_KEPT))
            .run(&self.inner.write)
            .await?;
        Ok(())
    }
}

impl AsyncAnswer<ClaimAsk, Option<ClaimedWork>> for Claiming {
    async fn answer(&self, asks: Vec<ClaimAsk>) -> Vec<Result<Option<ClaimedWork>>> {
        let mut answers: Vec<Option<Result<Option<ClaimedWork>>>> = asks.iter().map(|_| None).collect();
        while let Some(first) = answers.iter().position(Option::is_none) {
            // What one statement can claim: of one table, for one worker, for the same time. Usually that is all of them.
            let alike = |ask: &ClaimAsk| {
                (table(ask.kind), &ask.worker, ask.lease)
                    == (table(asks[first].kind), &asks[first].worker, asks[first].lease)
            };
            let some: Vec<usize> = (0..asks.len()).filter(|at| answers[*at].is_none() && alike(&asks[*at])).collect();
            let alike: Vec<&ClaimAsk> = some.iter().map(|at| &asks[*at]).collect();
            let mut claimed = self.claim(&alike).await;
            for at in some {
                answers[at] = Some(match &mut claimed {
                    Ok(rows) => take_own(rows, &asks[at]).map(|row| self.proof(row, &asks[at])).transpose(),
                    Err(error) => Err(error.for_another()),
                });
            }
        }
        answers.into_iter().map(|answer| answer.unwrap_or(Ok(None))).collect()
    }
}

/// Of two who asked for the same row, one has it.
fn take_own(rows: &mut Vec<ClaimedRow>, ask: &ClaimAsk) -> Option<ClaimedRow> {
    let own =
        |row: &ClaimedRow| row.id == ask.owed.0 && row.account_id == ask.account.0 && row.kind == ask.kind.as_str();
    let at = rows.iter().position(own)?;
    Some(rows.swap_remove(at))
}

impl Claiming {
    /// Those of the rows that are due and nobody's, each under a token of its own.
    async fn claim(&self, asks: &[&ClaimAsk]) -> Result<Vec<ClaimedRow>> {
        let Some(first) = asks.first() else { return Ok(Vec::new()) };
        let lease = micros(first.lease);
        let named = rows_of("(?, ?, ?)", asks.len());
        let (table, kind, rest, returning) = match first.kind {
            OwedKind::IngestRawEmail => (
                "raw_emails",
                "'ingest_raw_email'",
                "",
                "'ingest_raw_email' AS kind, id AS subject_id, '{}' AS payload",
            ),
            OwedKind::DeliverMessage
            | OwedKind::ProveConnection
            | OwedKind::ImportWindow
            | OwedKind::ReconcileDelivery
            | OwedKind::DeliverWebhook
            | OwedKind::SendSystemMail
            | OwedKind::EraseContact
            | OwedKind::FileSentCopy => ("owed_work", "c.kind", "AND c.due_at <= {now}", "kind, subject_id, payload"),
        };
        let text = format!(
            "UPDATE {table} SET attempts = attempts + 1, {BREAKDOWNS}, lease_token = ? || CAST(id AS TEXT), lease_worker = ?, \
             lease_until = {{now}} + ?, ready_at = {{now}} + ? WHERE id IN (SELECT c.id FROM {table} c WHERE c.id IN (??) \
             AND (c.account_id, {kind}, c.id) IN (VALUES {named}) AND c.state = 'waiting' {rest} AND c.lease_until <= {{now}} \
             AND EXISTS (SELECT 1 FROM accounts a WHERE a.id = c.account_id AND a.status = 'active'){{skip}}) \
             RETURNING id, account_id, attempts, breakdowns, lease_token, {returning}"
        );
        let statement = system(text)
            .bind(format!("{}-", self.0.random_name()))
            .bind(first.worker.clone())
            .bind(lease)
            .bind(lease)
            .list(asks.iter().map(|ask| ask.owed.0));
        let name = |sql: Sql, ask: &&ClaimAsk| sql.bind(ask.account.0).bind(ask.kind.as_str()).bind(ask.owed.0);
        asks.iter().fold(statement, name).all(&self.0.write).await
    }

    fn proof(&self, row: ClaimedRow, ask: &ClaimAsk) -> Result<ClaimedWork> {
        Ok(ClaimedWork {
            scope: self.0.scope(ask.account),
            kind: ask.kind,
            owed_id: ask.owed,
            subject_id: row.subject_id,
            attempts: convert::number("attempts", row.attempts)?,
            breakdowns: convert::number("breakdowns", row.breakdowns)?,
            payload: row.payload,
            token: row.lease_token,
        })
    }
}

impl AsyncAnswer<FinishAsk, bool> for Finishing {
    async fn answer(&self, asks: Vec<FinishAsk>) -> Vec<Result<bool>> {
        let owed = self.finish(asks.iter().filter(|ask| table(ask.kind) == "owed_work").collect()).await;
        let raw = self.finish(asks.iter().filter(|ask| table(ask.kind) == "raw_emails").collect()).await;
        let own = |ask: &FinishAsk| match if table(ask.kind) == "owed_work" { &owed } else { &raw } {
            Ok(finished) => Ok(finished.contains(&ask.owed.0)),
            Err(error) => Err(error.for_another()),
        };
        asks.iter().map(own).collect()
    }
}

impl Finishing {
    /// The ids of the rows that were still theirs. A token is one row's and one claim's.
    async fn finish(&self, asks: Vec<&FinishAsk>) -> Result<Vec<i64>> {
        let Some(first) = asks.first() else { return Ok(Vec::new()) };
        system(format!("{} WHERE id IN (??) AND lease_token IN (??) RETURNING id", finishing(first.kind)))
            .list(asks.iter().map(|ask| ask.owed.0))
            .list(asks.iter().map(|ask| ask.token.clone()))
            .column(&self.0.write)
            .await
    }
}

/// How a claim ends whose work is done. What became of a raw mail is in its state; only the lease ends here.
fn finishing(kind: OwedKind) -> &'static str {
    match kind {
        OwedKind::IngestRawEmail => "UPDATE raw_emails SET lease_token = NULL, lease_worker = NULL, lease_until = 0",
        OwedKind::DeliverMessage
        | OwedKind::ProveConnection
        | OwedKind::ImportWindow
        | OwedKind::ReconcileDelivery
        | OwedKind::DeliverWebhook
        | OwedKind::SendSystemMail
        | OwedKind::EraseContact
        | OwedKind::FileSentCopy => "DELETE FROM owed_work",
    }
}

fn is_raw(work: &ClaimedWork) -> bool {
    work.kind == OwedKind::IngestRawEmail
}

fn table(kind: OwedKind) -> &'static str {
    match kind {
        OwedKind::IngestRawEmail => "raw_emails",
        OwedKind::DeliverMessage
        | OwedKind::ProveConnection
        | OwedKind::ImportWindow
        | OwedKind::ReconcileDelivery
        | OwedKind::DeliverWebhook
        | OwedKind::SendSystemMail
        | OwedKind::EraseContact
        | OwedKind::FileSentCopy => "owed_work",
    }
}

/// The row, as long as it is this worker's.
fn ours(sql: Sql, work: &ClaimedWork) -> Sql {
    sql.bind(work.owed_id.0).bind(work.token.clone())
}

pub(crate) async fn extend<C: ConnectionTrait>(on: &C, work: &ClaimedWork, lease: Duration) -> Result<bool> {
    let text = format!(
        "UPDATE {} SET lease_until = {{now}} + ?, ready_at = {{now}} + ? WHERE account_id = :account AND id = ? AND lease_token = ?",
        table(work.kind)
    );
    let extended = ours(scoped(work.scope.id, text).bind(micros(lease)).bind(micros(lease)), work);
    Ok(extended.run(on).await? == 1)
}

pub(crate) async fn finish<C: ConnectionTrait>(on: &C, work: &ClaimedWork) -> Result<bool> {
    let text = format!("{} WHERE account_id = :account AND id = ? AND lease_token = ?", finishing(work.kind));
    Ok(ours(scoped(work.scope.id, text), work).run(on).await? == 1)
}

pub(crate) async fn retry<C: ConnectionTrait>(
    on: &C,
    work: &ClaimedWork,
    after: Duration,
    failure: &Failure,
) -> Result<bool> {
    let (text, after) = if is_raw(work) {
        (
            "UPDATE raw_emails SET lease_token = NULL, lease_worker = NULL, lease_until = 0, breakdowns = 0, reason = ?, ready_at = {now} + ? \
             WHERE account_id = :account AND id = ? AND lease_token = ?",
            [Some(micros(after)), None],
        )
    } else {
        (
            "UPDATE owed_work SET lease_token = NULL, lease_worker = NULL, lease_until = 0, breakdowns = 0, handed_until = 0, last_error = ?, \
             ready_at = {now} + ?, due_at = {now} + ? WHERE account_id = :account AND id = ? AND lease_token = ?",
            [Some(micros(after)); 2],
        )
    };
    let error = if is_raw(work) { failure.to_string() } else { to_json(failure) };
    let sql = after.into_iter().flatten().fold(scoped(work.scope.id, text).bind(error), Sql::bind);
    Ok(ours(sql, work).run(on).await? == 1)
}

/// Whoever claimed has not tried. `more`: what else is so now.
pub(crate) async fn give_back<C: ConnectionTrait>(
    on: &C,
    work: &ClaimedWork,
    after: Duration,
    more: &str,
) -> Result<bool> {
    let due = if is_raw(work) { "" } else { ", due_at = {now} + ?, handed_until = 0" };
    let text = format!(
        "UPDATE {} SET attempts = attempts - 1, lease_token = NULL, lease_worker = NULL, lease_until = 0, ready_at = {{now}} + ?{due}{more} \
         WHERE account_id = :account AND id = ? AND lease_token = ?",
        table(work.kind)
    );
    let sql = scoped(work.scope.id, text).bind(micros(after));
    let sql = if is_raw(work) { sql } else { sql.bind(micros(after)) };
    Ok(ours(sql, work).run(on).await? == 1)
}

/// As `release`, with the reason. Raw mail has no line.
pub(crate) async fn line_up<C: ConnectionTrait>(
    on: &C,
    work: &ClaimedWork,
    after: Duration,
    why: &Failure,
) -> Result<bool> {
    let text = "UPDATE owed_work SET attempts = attempts - 1, lease_token = NULL, lease_worker = NULL, lease_until = 0, handed_until = 0, \
                last_error = ?, ready_at = {now} + ?, due_at = {now} + ? WHERE account_id = :account AND id = ? AND lease_token = ?";
    let sql = scoped(work.scope.id, text).bind(to_json(why)).bind(micros(after)).bind(micros(after));
    Ok(ours(sql, work).run(on).await? == 1)
}

pub(crate) async fn fail<C: ConnectionTrait>(on: &C, work: &ClaimedWork, failure: &Failure) -> Result<bool> {
    let (text, error) = if is_raw(work) {
        (
            "UPDATE raw_emails SET state = 'quarantined', reason = ?, lease_token = NULL, lease_worker = NULL, lease_until = 0 \
             WHERE account_id = :account AND id = ? AND lease_token = ?",
            failure.to_string(),
        )
    } else {
        (
            "UPDATE owed_work SET state = 'failed', last_error = ?, lease_token = NULL, lease_worker = NULL, lease_until = 0 \
             WHERE account_id = :account AND id = ? AND lease_token = ?",
            to_json(failure),
        )
    };
    Ok(ours(scoped(work.scope.id, text).bind(error), work).run(on).await? == 1)
}
