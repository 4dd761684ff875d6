//! Sessions with the mail server, kept for the sender's next message: connecting, TLS, EHLO and AUTH cost more than the mail.
//!
//! A session is kept by one process for each sender, whichever of the sender's mailboxes the next message is from, for a moment, and no other sends over it. It is used only by whoever would sign in with
//! the very same token as it did, so nothing leaves over a session whose permission has ended or was given anew; and it is asked whether it
//! is still there before anything is said of a message.

use crate::{App, channels};
use domain::channel::EmailChannel;
use domain::{ChannelId, Failure, FailureClass, GrantId, Retry, Secret};
use mail::smtp::{Session, SmtpLogin};
use oauth::Resource;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use store::ClaimedWork;
use tokio::task::AbortHandle;
use tracing::{debug, info};

/// So much longer than a session is kept, other processes think that it is: until it was said goodbye to.
pub(super) const UNTIL_GONE: Duration = Duration::from_secs(10);
/// Servers end sessions that last long, and those with many mails, whatever is said in them.
const OLDEST: Duration = Duration::from_secs(4 * 60);
const MOST_MAILS: u32 = 20;
/// A session that answers later than this is no quicker than a new one.
const READY_WITHIN: Duration = Duration::from_secs(5);
/// Kept in this process at most: each is a connection.
const MOST_KEPT: usize = 200;

/// A session, and what it was opened with.
#[derive(Debug)]
pub(super) struct SignedIn {
    pub(super) session: Session,
    grant: GrantId,
    user: String,
    token: Secret,
    since: Instant,
    mails: u32,
}

#[derive(Debug, Default)]
pub(crate) struct KeptSessions(Arc<Kept>);

#[derive(Debug, Default)]
struct Kept {
    sessions: Mutex<HashMap<ChannelId, OneKept>>,
    numbers: AtomicU64,
}

#[derive(Debug)]
struct OneKept {
    number: u64,
    signed_in: SignedIn,
    ends: AbortHandle,
}

impl SignedIn {
    fn has_permission(&self, grant: GrantId, channel: &EmailChannel, token: &Secret) -> bool {
        self.grant == grant && self.user == channel.smtp_user && self.token == *token
    }

    pub(super) async fn quit(self) {
        self.session.quit().await;
    }

    /// A mail was taken over it. Whether it may be kept for another.
    pub(super) fn took_a_mail(&mut self) -> bool {
        self.mails += 1;
        self.session.is_usable() && self.mails < MOST_MAILS && self.since.elapsed() < OLDEST
    }
}

impl Kept {
    fn lock(&self) -> MutexGuard<'_, HashMap<ChannelId, OneKept>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, channel: ChannelId, number: Option<u64>) -> Option<OneKept> {
        let mut sessions = self.lock();
        let is_it = sessions.get(&channel).is_some_and(|kept| number.is_none_or(|number| number == kept.number));
        if is_it { sessions.remove(&channel) } else { None }
    }
}

impl KeptSessions {
    /// Keeps it until it is taken, has been idle for so long, or its slot is wanted by a mailbox that sends. Given back when there is no room.
    pub(super) fn keep(&self, channel: ChannelId, signed_in: SignedIn, idle: Duration) -> Option<SignedIn> {
        let kept = Arc::clone(&self.0);
        let mut sessions = self.0.lock();
        if sessions.len() >= MOST_KEPT || sessions.contains_key(&channel) {
            return Some(signed_in);
        }
        let number = self.0.numbers.fetch_add(1, Ordering::Relaxed);
        let slot = signed_in.session.slot().clone();
        let ends = tokio::spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(idle) => {}
                () = slot.wanted() => {}
            }
            if let Some(unused) = kept.take(channel, Some(number)) {
                debug!(channel.id = %channel, "an idle session for sending ends");
                unused.signed_in.quit().await;
            }
        });
        sessions.insert(channel, OneKept { number, signed_in, ends: ends.abort_handle() });
        None
    }

    pub(super) fn take(&self, channel: ChannelId) -> Option<SignedIn> {
        let kept = self.0.take(channel, None)?;
        kept.ends.abort();
        Some(kept.signed_in)
    }

    /// Says goodbye on every one.
    pub(crate) async fn close(&self) {
        let all: Vec<OneKept> = self.0.lock().drain().map(|(_, kept)| kept).collect();
        futures_util::future::join_all(all.into_iter().map(|kept| {
            kept.ends.abort();
            kept.signed_in.quit()
        }))
        .await;
    }
}

/// A session through which the mailbox's mail may leave now: the one that was kept, where it is as good as a new one, or a new one. `line`: under
/// what the sender's is kept.
pub(super) async fn open(
    app: &App,
    work: &ClaimedWork,
    line: ChannelId,
    channel: &EmailChannel,
) -> Result<SignedIn, Failure> {
    let kept = app.kept_sessions().take(line);
    let permission = permission(app, work, channel).await;
    if let Some(mut kept) = kept {
        let is_as_good = permission.as_ref().is_ok_and(|(grant, token)| kept.has_permission(*grant, channel, token));
        if is_as_good && kept.session.is_ready(READY_WITHIN).await {
            return Ok(kept);
        }
        debug!(channel.id = %channel.id, is_as_good, "a kept session for sending is of no use any more");
        kept.quit().await;
    }
    let (grant, token) = permission?;
    sign_in(app, work, channel, grant, token).await
}

/// What whoever signs in now would sign in with.
async fn permission(app: &App, work: &ClaimedWork, channel: &EmailChannel) -> Result<(GrantId, Secret), Failure> {
    let grant = channel.grant_id.ok_or(FailureClass::ChannelRemoved)?;
    let token = channels::refresh::access_token(app, &work.scope, grant, Resource::Outlook).await?;
    Ok((grant, token))
}

/// Signs in for sending; a refusal is tried once more with a fresh token.
async fn sign_in(
    app: &App,
    work: &ClaimedWork,
    channel: &EmailChannel,
    grant: GrantId,
    token: Secret,
) -> Result<SignedIn, Failure> {
    let sign_in = async |token: Secret| {
        let since = Instant::now();
        let (endpoint, user) = (app.settings().smtp_of(channel.service).clone(), channel.smtp_user.clone());
        let login = SmtpLogin { endpoint, user, token };
        let session = Session::open(app.connector(), &login).await?;
        Ok(SignedIn { session, grant, user: login.user, token: login.token, since, mails: 0 })
    };
    match sign_in(token).await {
        Err::<_, Failure>(failure) if failure.class.retry() == Retry::FreshToken => {
            info!(channel.id = %channel.id, %failure, "the sign-in for sending was refused; trying once with a fresh token");
            let token = channels::refresh::fresh_access_token(app, &work.scope, grant, Resource::Outlook).await;
            sign_in(token?).await
        }
        ended => ended,
    }
}
