//! Errors of the use cases that connect mailboxes, as problems. Each match names every variant, so that a new one must be thought about.

use crate::error::{Problem, Refusal};
use crate::refusals::refused_with;
use app::channels::ConnectionStatusError;
use app::channels::accept::AcceptError;
use app::channels::connect::{BeginError, MAX_OPEN_CONNECTIONS};
use app::channels::consent::ResumeError;
use app::channels::handover::HandoverError;
use app::channels::links::{LinkError, MAX_OPEN_LINKS, MOST_HOURS};
use app::channels::shared::SharedMailboxError;
use domain::Failure;
use std::time::Duration;

refused_with! { BeginError, ConnectionStatusError, ResumeError, HandoverError, AcceptError, LinkError, SharedMailboxError }

fn not_configured() -> Problem {
    Problem::unprocessable(
        "microsoft_not_configured",
        "Signing in with Microsoft is not configured on this installation (AZURE_APP_ID and AZURE_APP_SECRET are missing), and the account has no OAuth app of its own as its default",
    )
}

fn oauth_app_unusable(failure: &Failure) -> Problem {
    Problem::unprocessable(
        "oauth_app_unusable",
        format!("Nobody can sign in through this OAuth app: {failure}. Give it a credential, and verify it"),
    )
}

/// They end by themselves within a quarter of an hour; a minute frees some of them where somebody makes them without end.
fn too_many_open() -> Problem {
    let words = format!(
        "{MAX_OPEN_CONNECTIONS} sign-ins of this account are open: finish one, or wait until they have expired"
    );
    Problem { words: words.into(), code: "too_many_open_connections", ..Problem::too_many(Duration::from_secs(60)) }
}

fn mailbox_invalid() -> Problem {
    Problem::invalid("mailbox", "Mailbox must be an e-mail address, and with an inbox that inbox's own")
}

impl From<BeginError> for Problem {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::Forbidden => Self::forbidden(),
            BeginError::InboxNotFound | BeginError::OauthAppNotFound => Self::not_found(),
            BeginError::OauthAppUnusable(failure) => oauth_app_unusable(&failure),
            BeginError::EmailInvalid => Self::invalid("email", "Email is invalid"),
            BeginError::MailboxInvalid => mailbox_invalid(),
            BeginError::TooManyOpen => too_many_open(),
            BeginError::NotConfigured => not_configured(),
            BeginError::Store(error) => error.into(),
        }
    }
}

impl From<ConnectionStatusError> for Problem {
    fn from(error: ConnectionStatusError) -> Self {
        match error {
            ConnectionStatusError::Forbidden => Self::forbidden(),
            ConnectionStatusError::NotFound => Self::not_found(),
            ConnectionStatusError::Store(error) => error.into(),
        }
    }
}

impl From<ResumeError> for Problem {
    fn from(error: ResumeError) -> Self {
        match error {
            ResumeError::Forbidden => Self::forbidden(),
            ResumeError::NotFound => Self::not_found(),
            ResumeError::NotWaiting => Self::unprocessable(
                "not_awaiting_admin_consent",
                "This connection does not wait for an administrator's approval",
            ),
            ResumeError::Store(error) => error.into(),
        }
    }
}

impl From<HandoverError> for Problem {
    fn from(error: HandoverError) -> Self {
        match error {
            HandoverError::Forbidden => Self::forbidden(),
            HandoverError::NotFound => Self::not_found(),
            HandoverError::NotWaiting => Self::unprocessable(
                "not_awaiting_handover",
                "This connection does not wait for a handover, or not any more",
            ),
            HandoverError::Store(error) => error.into(),
        }
    }
}

impl From<AcceptError> for Problem {
    fn from(error: AcceptError) -> Self {
        match error {
            AcceptError::Forbidden => Self::forbidden(),
            AcceptError::NotFound => Self::not_found(),
            AcceptError::NotWaiting => Self::unprocessable(
                "not_awaiting_acceptance",
                "This connection does not wait to be accepted, or not any more",
            ),
            AcceptError::Store(error) => error.into(),
        }
    }
}

impl From<LinkError> for Problem {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Forbidden => Self::forbidden(),
            LinkError::NotFound | LinkError::InboxNotFound | LinkError::OauthAppNotFound => Self::not_found(),
            LinkError::OauthAppUnusable(failure) => oauth_app_unusable(&failure),
            LinkError::EmailInvalid => Self::invalid("expected_email", "Expected email is invalid"),
            LinkError::MailboxInvalid => mailbox_invalid(),
            LinkError::ReturnUrlForbidden => Self::invalid(
                "return_url",
                "Return url is not below an address that this installation permits: whoever runs it names them in CONNECT_RETURN_URLS",
            ),
            LinkError::HoursInvalid => {
                Self::invalid("expires_in_hours", format!("Expires in hours must be between 1 and {MOST_HOURS}"))
            }
            LinkError::NotConfigured => not_configured(),
            LinkError::TooManyOpen => Self::unprocessable(
                "connect_links_limit_reached",
                format!("{MAX_OPEN_LINKS} connect links of this account can be used: withdraw some that nobody needs"),
            ),
            LinkError::Ended => {
                Self::unprocessable("connect_link_ended", "This link has connected a mailbox or has expired already")
            }
            LinkError::Store(error) => error.into(),
        }
    }
}

impl From<SharedMailboxError> for Problem {
    fn from(error: SharedMailboxError) -> Self {
        match error {
            SharedMailboxError::Forbidden => Self::forbidden(),
            SharedMailboxError::InboxNotFound => Self::not_found(),
            SharedMailboxError::MailboxInvalid => mailbox_invalid(),
            SharedMailboxError::AlreadyConnected => {
                Self::invalid("mailbox", "An inbox of this account has that mailbox already")
            }
            SharedMailboxError::NeedsSignIn(failure) => Self::unprocessable(failure.class.code(), failure.class.cure()),
            SharedMailboxError::TooManyOpen => too_many_open(),
            SharedMailboxError::Store(error) => error.into(),
        }
    }
}
