//! Sends the installation's own mails: one owed row each, tried again for as long as it still means something.
//!
//! The link in a mail is made when the mail is, and stands nowhere else: what is stored is its hash. So a mail that is tried twice carries two
//! links, and the first that is used ends the other.

use super::letters::letter;
use super::links::{self, LINK_PATH};
use crate::{App, Hint, jobs};
use domain::failure::backoff;
use domain::{EmailAddress, Failure, FailureClass, Mailbox, Retry, SystemMailId, Timestamp};
use mail::compose::{Notice, notice};
use mail::smtp::Envelope;
use std::time::Duration;
use store::{
    ClaimedWork, LinkPurpose, NewPasswordLink, StoreError, SystemMail, SystemMailKind, SystemMailState, TokenHash,
};

const FIRST_WAIT: Duration = Duration::from_secs(30);
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// Where the page is.
const PAGE: &str = "/app";

/// How a try ended.
enum Ended {
    Sent,
    /// It says nothing that is still so.
    Dropped,
    Failed(Failure),
}

pub async fn send(app: &App, work: &ClaimedWork) -> Result<(), StoreError> {
    let id = SystemMailId(work.subject_id);
    let scope = &work.scope;
    let mail = scope.system_mail(id).await?.filter(|mail| mail.state == SystemMailState::Waiting);
    let ended = match &mail {
        None => {
            app.store().relay().finish(work).await?;
            return Ok(());
        }
        Some(mail) if is_over(mail) || app.now() > worth_until(mail) => Ended::Dropped,
        Some(mail) => match try_once(app, work, mail).await? {
            Ok(()) => Ended::Sent,
            Err(failure) if failure.class.retry() == Retry::Never => Ended::Failed(failure),
            Err(failure) => {
                tracing::warn!(system_mail.id = %id, attempts = work.attempts, failure = failure.class.code(), "a mail of ours could not be sent; it is tried again");
                scope.system_mail_waits(id, &failure).await?;
                let wait = match failure.class {
                    FailureClass::HostBusy => jobs::UNTIL_SLOT,
                    _ => backoff(work.attempts, FIRST_WAIT, LONGEST_WAIT, app.jitter()),
                };
                app.store().relay().retry(work, wait, &failure).await?;
                return Ok(());
            }
        },
    };
    let mut tx = scope.begin().await?;
    match ended {
        Ended::Sent => {
            tx.end_system_mail(id, SystemMailState::Sent, None).await?;
            tx.finish_work(work).await?;
        }
        Ended::Dropped => {
            tx.end_system_mail(id, SystemMailState::Dropped, None).await?;
            tx.finish_work(work).await?;
        }
        Ended::Failed(failure) => {
            tracing::error!(system_mail.id = %id, attempts = work.attempts, failure = failure.class.code(), "a mail of ours could not be sent");
            tx.end_system_mail(id, SystemMailState::Failed, Some(&failure)).await?;
            tx.fail_work(work, &failure).await?;
        }
    }
    tx.commit().await?;
    app.wake(Hint::Account(scope.account_id()));
    Ok(())
}

/// Work on it breaks down again and again.
pub(crate) async fn give_up(work: &ClaimedWork, failure: &Failure) -> Result<(), StoreError> {
    let mut tx = work.scope.begin().await?;
    tx.end_system_mail(SystemMailId(work.subject_id), SystemMailState::Failed, Some(failure)).await?;
    tx.fail_work(work, failure).await?;
    tx.commit().await?;
    Ok(())
}

/// They left the account, have set their password meanwhile, or have read what it is about.
fn is_over(mail: &SystemMail) -> bool {
    match mail.kind {
        SystemMailKind::Invitation => !mail.is_member || mail.needs == store::Needs::Nothing,
        SystemMailKind::Added => !mail.is_member,
        SystemMailKind::PasswordReset => false,
        SystemMailKind::WebhookDisabled => !mail.is_member || mail.webhook.is_none(),
        SystemMailKind::OauthAppFailing => {
            !mail.is_member || mail.oauth_app.as_ref().is_none_or(|app| app.failure.is_none())
        }
        SystemMailKind::OauthAppEnding => {
            !mail.is_member || mail.oauth_app.as_ref().is_none_or(|app| app.ending.is_none())
        }
        // Where it would come in again, it might be told of again, and so for ever.
        SystemMailKind::Notification => !mail.is_member || !mail.is_proved || mail.about.is_none() || mail.is_fetched,
    }
}

/// For so long it is tried.
fn worth_until(mail: &SystemMail) -> Timestamp {
    mail.created_at.plus(match mail.kind {
        SystemMailKind::PasswordReset => links::RESET_LASTS,
        SystemMailKind::Notification => Duration::from_secs(24 * 3600),
        SystemMailKind::Invitation
        | SystemMailKind::Added
        | SystemMailKind::WebhookDisabled
        | SystemMailKind::OauthAppFailing
        | SystemMailKind::OauthAppEnding => Duration::from_secs(3 * 24 * 3600),
    })
}

async fn try_once(app: &App, work: &ClaimedWork, mail: &SystemMail) -> Result<Result<(), Failure>, StoreError> {
    let Some(mailer) = &app.settings().mailer else {
        let detail = "this process has no mailer (SMTP_ADDRESS)";
        return Ok(Err(Failure::new(FailureClass::ServerUnavailable).detail(detail)));
    };
    let (link, lasts) = match mail.kind {
        SystemMailKind::Added
        | SystemMailKind::WebhookDisabled
        | SystemMailKind::OauthAppFailing
        | SystemMailKind::OauthAppEnding => (app.settings().link(PAGE), None),
        SystemMailKind::Notification => {
            let number = mail.about.as_ref().map_or(0, |about| about.display_id.0);
            let page = format!("{PAGE}/accounts/{}/conversations/{number}", work.scope.account_id());
            (app.settings().link(&page), None)
        }
        SystemMailKind::Invitation => {
            let link = minted(app, work, mail, LinkPurpose::Invitation).await?;
            (link, Some(links::INVITATION_LASTS))
        }
        SystemMailKind::PasswordReset => {
            let link = minted(app, work, mail, LinkPurpose::PasswordReset).await?;
            (link, Some(links::RESET_LASTS))
        }
    };
    let words = letter(mail, &link, lasts);
    let to = Mailbox { name: Some(mail.user.name.clone()), address: mail.address.clone() };
    let built = notice(&Notice {
        from: mailer.from.clone(),
        to,
        subject: words.subject,
        message_id: message_id(app, &mailer.from.address),
        date: app.now(),
        text: words.text,
        html: words.html,
    });
    let bytes = match built {
        Ok(bytes) => bytes,
        Err(error) => {
            return Ok(Err(Failure::new(FailureClass::MessageUnbuildable).detail(error.to_string())));
        }
    };
    let envelope = Envelope { from: mailer.from.address.clone(), to: vec![mail.address.clone()] };
    Ok(mailer.relay.send(app.connector(), &envelope, &bytes).await)
}

async fn minted(app: &App, work: &ClaimedWork, mail: &SystemMail, purpose: LinkPurpose) -> Result<String, StoreError> {
    let token = oauth::random_token(app.entropy(), 32);
    let link = NewPasswordLink {
        user_id: mail.user.id,
        purpose,
        hash: TokenHash::of(&token),
        address_key: mail.address.key(),
        expires_at: app.now().plus(links::lasts(purpose)),
        mailed: true,
    };
    work.scope.mint_password_link(&link).await?;
    Ok(app.settings().link(&format!("{LINK_PATH}{token}")))
}

fn message_id(app: &App, from: &EmailAddress) -> String {
    let domain = from.domain();
    let host = if domain.is_ascii() && !domain.starts_with('[') { domain } else { "localhost" };
    format!("{}@{host}", oauth::random_token(app.entropy(), 16))
}
