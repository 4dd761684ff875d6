//! How people come to a password: invitations, links, and the mails that carry them.

use super::codes;
use crate::TokenHash;
use domain::notification::NotificationKind;
use domain::user::{Agent, User};
use domain::webhook::DisabledReason;
use domain::{DisplayId, EmailAddress, Failure, SystemMailId, Timestamp, UserId};

codes! {
    /// What a mail of the installation's own is about.
    SystemMailKind {
        /// Somebody is to set a password, and is in the account then.
        Invitation = "invitation",
        /// Somebody who has a password is in another account from now on.
        Added = "added",
        PasswordReset = "password_reset",
        /// A webhook is told of nothing any more until an administrator enables it.
        WebhookDisabled = "webhook_disabled",
        /// The account's own OAuth app, or each of its credentials, is refused by Microsoft.
        OauthAppFailing = "oauth_app_failing",
        /// A credential of the account's own OAuth app ends soon.
        OauthAppEnding = "oauth_app_ending",
        /// Something in a conversation concerns somebody who asked to be told by mail.
        Notification = "notification",
        /// Mailboxes do not work, and somebody must act or may want to know.
        HealthNotice = "health_notice",
        /// They work again.
        HealthRestored = "health_restored",
    }
}

codes! {
    SystemMailState {
        Waiting = "waiting",
        Sent = "sent",
        /// It could not be sent, and is not tried again.
        Failed = "failed",
        /// There was nothing to say any more.
        Dropped = "dropped",
        /// There was nobody to say it to.
        Nobody = "nobody",
    }
}

codes! {
    LinkPurpose {
        Invitation = "invitation",
        PasswordReset = "password_reset",
    }
}

/// Who invites, and whether the installation can send mail.
#[derive(Clone, Copy, Debug)]
pub struct Invite {
    pub by: UserId,
    /// A mail is owed for it.
    pub mailed: bool,
    /// A person waits for it; else it is one of many.
    pub alone: bool,
}

/// What somebody must do before they can work in an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    Nothing,
    /// Set a password.
    Password,
    /// Show by a link that was mailed that the address is theirs: somebody of another account may have made this user, and know their password.
    Proof,
}

#[derive(Clone, Debug)]
pub struct Invited {
    pub agent: Agent,
    pub needs: Needs,
}

#[derive(Clone, Debug)]
pub struct NewPasswordLink {
    pub user_id: UserId,
    pub purpose: LinkPurpose,
    pub hash: TokenHash,
    /// `EmailAddress::key()` of the user's address as it was read. Under another one the link is none.
    pub address_key: String,
    pub expires_at: Timestamp,
    /// It goes to the user's address and nowhere else: whoever uses it has shown that the address is theirs.
    pub mailed: bool,
}

/// A mail of the installation's own that is owed.
#[derive(Clone, Debug)]
pub struct SystemMail {
    pub id: SystemMailId,
    pub kind: SystemMailKind,
    pub state: SystemMailState,
    pub user: User,
    pub address: EmailAddress,
    pub account_name: String,
    /// Who asked for it.
    pub by: Option<SystemMailSender>,
    pub created_at: Timestamp,
    /// They are in the account still.
    pub is_member: bool,
    pub needs: Needs,
    /// The webhook that it is about, while that is disabled.
    pub webhook: Option<DisabledWebhook>,
    /// The OAuth app that it is about, while that does not work, or has the credential that ends.
    pub oauth_app: Option<MailedOauthApp>,
    /// What it tells of, while that is unread and about a conversation that they see.
    pub about: Option<MailedNotification>,
    /// The mailboxes that it is about, while that is so and they are an administrator.
    pub health: Option<super::MailedHealth>,
    /// What comes to their address comes to a mailbox that is fetched from here.
    pub is_fetched: bool,
    /// They have shown that the address is theirs.
    pub is_proved: bool,
}

/// A notification as it was when the mail was owed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailedNotification {
    pub kind: NotificationKind,
    pub display_id: DisplayId,
    pub subject: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisabledWebhook {
    pub name: Option<String>,
    pub url: String,
    pub reason: DisabledReason,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailedOauthApp {
    pub name: String,
    /// What does not work about it.
    pub failure: Option<Failure>,
    /// The credential that ends, by its hint, and when.
    pub ending: Option<(String, Timestamp)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemMailSender {
    pub name: String,
    pub email: String,
}

/// How the installation's own mails are doing, for the operator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SystemMailCounts {
    pub waiting: u64,
    /// Within the last week.
    pub failed: u64,
    /// Why the newest of those did not leave.
    pub last_failure: Option<String>,
}
