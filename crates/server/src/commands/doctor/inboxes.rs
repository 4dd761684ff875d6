//! Mailboxes, looked at step by step as they would be read and sent through: those that do not work, or those that were asked for.
//!
//! Nothing is sent. A token that is fetched for it is kept, and a refusal of one is remembered and told, as always; of what else is found, no
//! mailbox's health is changed. What somebody else must mend is a note where nobody asked for that inbox.

use super::Report;
use crate::config::Config;
use crate::parts::Parts;
use app::channels::diagnose::{DiagnoseError, Diagnosis, Outcome, StepReport, look_at};
use domain::{Actor, Failure, InboxId};
use std::time::Duration;
use store::AccountScope;
use tokio::task::JoinSet;

const WHAT: &str = "inboxes";
/// Of those that do not work, as many at most.
const MOST: u32 = 20;
/// At the same time: each opens two connections.
const AT_ONCE: usize = 5;
/// For what has ended here already.
const CLOSES_WITHIN: Duration = Duration::from_secs(5);

pub(super) async fn check(config: &Config, asked: &[i64], report: &mut Report) {
    let parts = match Parts::assemble(config.clone(), "doctor").await {
        Ok(parts) => parts,
        Err(error) => return unseen(asked, &format!("{error:#}"), report),
    };
    let mut found = match to_look_at(&parts, asked, report).await {
        Ok(found) => found.into_iter(),
        Err(error) => return unseen(asked, &error.to_string(), report),
    };
    let mut looking = JoinSet::new();
    let mut seen = Vec::new();
    loop {
        while looking.len() < AT_ONCE
            && let Some((scope, inbox)) = found.next()
        {
            let app = parts.app.clone();
            looking.spawn(async move { (inbox, Box::pin(look_at(&app, &scope, inbox)).await) });
        }
        let Some(looked) = looking.join_next().await else { break };
        match looked {
            Ok(looked) => seen.push(looked),
            Err(error) => unseen(asked, &error.to_string(), report),
        }
    }
    // In the order of their numbers, whichever was looked at first.
    seen.sort_by_key(|(inbox, _)| inbox.0);
    for (inbox, diagnosis) in seen {
        match diagnosis {
            Ok(diagnosis) => shown(&diagnosis, !asked.is_empty(), report),
            Err(DiagnoseError::UnderWay) => report.note(&named(inbox), "somebody is looking at it at this moment"),
            Err(error) => report.note(&named(inbox), &format!("it could not be looked at: {error}")),
        }
    }
    if tokio::time::timeout(CLOSES_WITHIN, parts.app.store().close()).await.is_err() {
        report.note(WHAT, "the database was slow to say goodbye");
    }
}

/// Who asked for an inbox must not take silence for health.
pub(super) fn unseen(asked: &[i64], why: &str, report: &mut Report) {
    let said = format!("an inbox could not be looked at: {why}");
    match asked {
        [] => report.note(WHAT, &said),
        _ => report.fail(WHAT, &said, "Mend what stands above, and look again."),
    }
}

async fn to_look_at(
    parts: &Parts,
    asked: &[i64],
    report: &mut Report,
) -> Result<Vec<(AccountScope, InboxId)>, store::StoreError> {
    let operator = parts.app.store().operator();
    if asked.is_empty() {
        let (failing, count) = operator.failing_inboxes(MOST).await?;
        match count {
            0 => report.ok(WHAT, "each that was used last could be read and sent through"),
            count if count > u64::from(MOST) => {
                let found = format!("{count} do not work; the first {MOST} are looked at, others with --inbox ID");
                report.note(WHAT, &found);
            }
            _ => {}
        }
        return Ok(failing);
    }
    let mut found = Vec::new();
    for id in asked {
        let inbox = InboxId(*id);
        match operator.account_of_inbox(inbox).await? {
            Some(scope) => found.push((scope, inbox)),
            None => report.fail(&named(inbox), "there is no such inbox", "GET …/inboxes lists an account's."),
        }
    }
    Ok(found)
}

fn named(inbox: InboxId) -> String {
    format!("inbox {inbox}")
}

/// `asked`: whoever asked for this inbox wants it to work, whoever must mend it.
fn shown(diagnosis: &Diagnosis, asked: bool, report: &mut Report) {
    let what = named(diagnosis.inbox_id);
    let token = std::slice::from_ref(&diagnosis.token);
    for (way, steps) in [("sign-in", token), ("reading", &diagnosis.fetch), ("sending", &diagnosis.send)] {
        let failed = steps.iter().find_map(|step| step.failure.as_ref().map(|failure| (step, failure)));
        match failed {
            Some((step, failure)) => {
                let found = format!("{way} fails at {}: {}", step.name, words(failure));
                let operators = matches!(failure.class.actor(), Actor::Operator);
                if asked || operators {
                    report.fail(&what, &found, failure.class.cure());
                } else {
                    report.note(&what, &found);
                    report.cure(&format!("{}: {}", who(failure.class.actor()), failure.class.cure()));
                }
            }
            None if steps.iter().any(|step| step.outcome == Outcome::Ok) => {
                report.ok(&what, &format!("{way} works ({})", taken(steps)));
            }
            None => report.note(&what, &format!("{way} was not looked at")),
        }
    }
}

fn who(actor: Actor) -> &'static str {
    match actor {
        Actor::Nobody => "nobody must act",
        Actor::Owner => "the mailbox's owner",
        Actor::TenantAdmin => "an administrator of the Microsoft tenant",
        Actor::Operator => "you",
        Actor::Agent => "whoever wrote the message",
    }
}

fn taken(steps: &[StepReport]) -> String {
    let took: Duration = steps.iter().map(|step| step.took).sum();
    let names: Vec<&str> = steps.iter().filter(|step| step.outcome == Outcome::Ok).map(|step| step.name).collect();
    format!("{}; {} ms", names.join(", "), took.as_millis())
}

fn words(failure: &Failure) -> String {
    let said = failure.server_said.as_deref().map(|said| format!("; the server said: {said}")).unwrap_or_default();
    let id = failure.correlation_id.as_deref().map(|id| format!("; correlation id {id}")).unwrap_or_default();
    format!("{failure}: {}{said}{id}", failure.class.text())
}
