//! Whoever must act for a mailbox that does not work is told, once, and told again when it works.
//!
//! When is [`domain::channel::notice`]'s to say. Here it is looked for, written down, told to webhooks and owed as mail to the account's
//! administrators, all of it in one transaction for each account: who dies before the commit has told nobody, and after it the mail is owed. Of two
//! who look at once the second finds what the first has written. What is told of many mailboxes at once, for one reason, is one mail.
//!
//! Never mails a mailbox's own people through the mailbox; without a mailer of the installation's own the notices wait to be read.

use super::inboxes::{InboxError, manager};
use super::snapshot::{self, NoticeSnapshot};
use crate::accounts::Member;
use crate::{App, Hint};
use domain::channel::EmailChannel;
use domain::channel::notice::{self, Standing, Step};
use domain::event::EventKind;
use domain::{AccountId, ChannelId, FailureClass, HealthNoticeId};
use std::collections::BTreeMap;
use store::{AccountScope, HealthNotice, NewHealthNotice, StoreError, Tx};
use tracing::{info, warn};

const ACCOUNTS_AT_ONCE: u32 = 100;
const CHANNELS_AT_ONCE: u32 = 200;
/// Notices that are listed.
const LISTED: u32 = 500;

/// What people must be told of now, newest first. Administrators only.
pub async fn open(_app: &App, member: &Member) -> Result<Vec<HealthNotice>, InboxError> {
    manager(member)?;
    Ok(member.scope.open_health_notices(LISTED).await?)
}

/// Looks through all accounts that are not suspended. How many notices began or ended.
pub async fn look(app: &App) -> Result<u32, StoreError> {
    let (mut told, mut after) = (0, AccountId(0));
    loop {
        let accounts = app.store().relay().accounts_with_ill_channels(after, ACCOUNTS_AT_ONCE).await?;
        let Some(last) = accounts.last() else { break };
        after = last.account_id();
        for scope in &accounts {
            match look_at(app, scope).await {
                Ok(count) => told += count,
                Err(error) if error.is_transient() => return Err(error),
                // It keeps none of the others in the dark.
                Err(error) => warn!(account.id = %scope.account_id(), %error, "health could not be looked at"),
            }
        }
    }
    Ok(told)
}

async fn look_at(app: &App, scope: &AccountScope) -> Result<u32, StoreError> {
    let (mut told, mut after) = (0, ChannelId(0));
    loop {
        let channels = scope.ill_channels(after, CHANNELS_AT_ONCE).await?;
        let Some((last, _)) = channels.last() else { break };
        after = last.id;
        let concerned: Vec<ChannelId> =
            channels.iter().filter(|one| !steps(app, one).is_empty()).map(|(channel, _)| channel.id).collect();
        if !concerned.is_empty() {
            told += take_steps(app, scope, &concerned).await?;
        }
    }
    Ok(told)
}

fn steps(app: &App, (channel, open): &(EmailChannel, Vec<Standing>)) -> Vec<Step> {
    notice::look(&channel.fetch_health, &channel.send_health, open, app.now())
}

/// What begins together for one reason is told together, and what was told together and ends together too.
#[derive(Default)]
struct Told {
    began: BTreeMap<&'static str, Vec<HealthNoticeId>>,
    ended: BTreeMap<HealthNoticeId, Vec<HealthNoticeId>>,
}

async fn take_steps(app: &App, scope: &AccountScope, channels: &[ChannelId]) -> Result<u32, StoreError> {
    let mut tx = scope.begin().await?;
    let mut told = Told::default();
    for one in tx.lock_ill_channels(channels).await? {
        for step in steps(app, &one) {
            take(app, &mut tx, &one, step, &mut told).await?;
        }
    }
    let mailed = app.settings().mailer.is_some();
    let (mut mails, mut count) = (0, 0);
    for (code, notices) in &told.began {
        mails += tx.tell_of_health(notices, mailed).await?;
        count += notices.len();
        info!(account.id = %scope.account_id(), failure = code, mailboxes = notices.len(), "told that mailboxes do not work");
    }
    for (told_with, notices) in &told.ended {
        mails += tx.tell_of_health_restored(notices, *told_with, mailed).await?;
        count += notices.len();
    }
    tx.commit().await?;
    if count > 0 {
        app.wake(Hint::Account(scope.account_id()));
    }
    if mails > 0 {
        app.wake(Hint::Owed);
    }
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

async fn take(
    app: &App,
    tx: &mut Tx,
    (channel, open): &(EmailChannel, Vec<Standing>),
    step: Step,
    told: &mut Told,
) -> Result<(), StoreError> {
    let help = |class: FailureClass| app.settings().help(class);
    match step {
        Step::Change(to) => tx.change_health_notice(&to).await?,
        Step::Tell { actor, parts, failure, since } => {
            let new = NewHealthNotice { channel_id: channel.id, actor, parts, failure, since };
            let Some(notice) = tx.open_health_notice(&new).await? else { return Ok(()) };
            told.began.entry(new.failure.class.code()).or_default().push(notice);
            let (inbox, help_url) = (channel.inbox_id, help(new.failure.class));
            let payload = snapshot::health_notice(NoticeSnapshot {
                notice,
                inbox,
                channel: channel.id,
                status: "open",
                parts,
                since,
                failure: &new.failure,
                help_url: &help_url,
            });
            tx.append_event(EventKind::InboxHealthNotice, Some(inbox), None, payload);
        }
        Step::End(notice) => {
            let Some(told_with) = tx.end_health_notice(notice).await? else { return Ok(()) };
            told.ended.entry(told_with).or_default().push(notice);
            let Some(was) = open.iter().find(|standing| standing.id == notice) else { return Ok(()) };
            let help_url = help(was.failure.class);
            let payload = snapshot::health_notice(NoticeSnapshot {
                notice,
                inbox: channel.inbox_id,
                channel: channel.id,
                status: "ended",
                parts: was.parts,
                since: app.now(),
                failure: &was.failure,
                help_url: &help_url,
            });
            tx.append_event(EventKind::InboxHealthNotice, Some(channel.inbox_id), None, payload);
        }
    }
    Ok(())
}
