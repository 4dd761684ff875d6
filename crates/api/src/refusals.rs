//! Use cases' errors as problems. Each match names every variant, so that a new one must be thought about.

use crate::error::{Problem, Refusal};
use app::StoreError;
use app::accounts::{
    AccountError, AgentError, EnterError, MAX_UI_SETTINGS_BYTES, ProfileError, ResetError, SetPasswordError,
    SignInError, TokenError,
};
use app::attachments::OpenError;
use app::audit::AuditError;
use app::channels::health::TryAgainError;
use app::channels::inboxes::InboxError;
use app::contacts::ContactError;
use app::conversations::{AssignError, ReadError, StatusError};
use app::inbound::quarantine::QuarantineError;
use app::outbound::{DecideError, Invalid, ReplyError, RetryError};
use app::webhooks::{LogError, WebhookError};
use poem::http::StatusCode;

const NO_MAILER: &str = "This installation sends no mail of its own: ask whoever runs it";

macro_rules! refused_with {
    ($($error:ty),* $(,)?) => {$(
        impl<A> From<$error> for Refusal<A> {
            fn from(error: $error) -> Self {
                Problem::from(error).into()
            }
        }
    )*};
}

pub(crate) use refused_with;

refused_with! {
    ContactError, StoreError, EnterError, SignInError, ProfileError, AgentError, ReadError, StatusError, AssignError, InboxError,
    TryAgainError, ReplyError, RetryError, DecideError,
    TokenError, QuarantineError, WebhookError, LogError, ResetError, SetPasswordError, AccountError, AuditError,
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::TakenBack(_) | StoreError::ReadOnly(_) => {
                Self::unavailable(&error)
            }
            StoreError::Full(_) => Self::full(&error),
            StoreError::SecretUnreadable(_) => Self::key_missing(&error),
            // The second net behind `no_nul`; what it was is in the log alone.
            StoreError::Unstorable(_) => {
                tracing::warn!(%error, "a request held a text that cannot be kept");
                Self::unprocessable("text_not_storable", "A text holds a character that cannot be kept")
            }
            StoreError::Conflict(_)
            | StoreError::LimitReached(_)
            | StoreError::NotFound(_)
            | StoreError::LeaseLost
            | StoreError::SchemaTooOld { .. }
            | StoreError::SchemaTooNew { .. }
            | StoreError::AlreadyServing
            | StoreError::Corrupt(_)
            | StoreError::Config(_) => Self::internal(&error),
        }
    }
}

impl From<AuditError> for Problem {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::Forbidden => Self::forbidden(),
            AuditError::Store(error) => error.into(),
        }
    }
}

impl From<EnterError> for Problem {
    fn from(error: EnterError) -> Self {
        match error {
            EnterError::NotFound => Self::not_found(),
            EnterError::Suspended => Self::suspended(),
            EnterError::Store(error) => error.into(),
        }
    }
}

impl From<SignInError> for Problem {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Refused => {
                Self::new(StatusCode::UNAUTHORIZED, "invalid_login", "Invalid login credentials. Please try again.")
            }
            SignInError::TooMany { retry_after } => Self::too_many(retry_after),
            SignInError::Store(error) => error.into(),
        }
    }
}

impl From<AgentError> for Problem {
    fn from(error: AgentError) -> Self {
        match error {
            AgentError::Forbidden => Self::forbidden(),
            AgentError::NotFound => Self::not_found(),
            AgentError::EmailInvalid => Self::invalid("email", "Email is invalid"),
            AgentError::NameInvalid => Self::invalid("name", "Name must have 1 to 255 characters"),
            AgentError::PasswordTooShort => {
                Self::invalid("password", "Password is too short (minimum is 8 characters)")
            }
            AgentError::AccountFull { limit } => Self::unprocessable(
                "agents_limit_reached",
                format!(
                    "The account has the {limit} agents it may have: remove one who is no longer needed, or have the operator raise ACCOUNT_AGENTS_LIMIT"
                ),
            ),
            AgentError::AlreadyMember => Self::invalid("email", "Email has already been taken"),
            AgentError::LastAdministrator => {
                Self::unprocessable("last_administrator", "The last administrator cannot be removed or made an agent")
            }
            AgentError::AlreadyConfirmed => Self::unprocessable(
                "already_confirmed",
                "This person has a password and is in the account already: there is nothing to invite them to",
            ),
            AgentError::NoMailer => Self::unprocessable("no_mailer", NO_MAILER),
            AgentError::TooManyInvitations { retry_after } => Self::too_many(retry_after),
            AgentError::Store(error) => error.into(),
        }
    }
}

impl From<ProfileError> for Problem {
    fn from(error: ProfileError) -> Self {
        match error {
            ProfileError::Forbidden => Self::forbidden(),
            ProfileError::NameInvalid => Self::invalid("name", "Name must have 1 to 255 characters"),
            ProfileError::EmailInvalid => Self::invalid("email", "Email is invalid"),
            ProfileError::EmailTaken => Self::invalid("email", "Email has already been taken"),
            ProfileError::PasswordTooShort => {
                Self::invalid("password", "Password is too short (minimum is 8 characters)")
            }
            ProfileError::PasswordsDiffer => {
                Self::invalid("password_confirmation", "Password confirmation doesn't match Password")
            }
            ProfileError::UiSettingsTooLarge => Self::invalid(
                "ui_settings",
                format!("Ui settings are too long (maximum is {MAX_UI_SETTINGS_BYTES} bytes as JSON)"),
            ),
            // Chatwoot says this without a field, and so do we.
            ProfileError::CurrentPasswordWrong => {
                Self::unprocessable("invalid_current_password", "Invalid current password")
            }
            ProfileError::TooMany { retry_after } => Self::too_many(retry_after),
            ProfileError::Store(error) => error.into(),
        }
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::NameInvalid => Self::invalid("name", "Name must have 1 to 255 characters"),
            TokenError::AccountInvalid => Self::invalid("account_id", "Account does not exist"),
            TokenError::ExpiryPast => Self::invalid("expires_at", "Expires at must be in the future"),
            TokenError::OutlivesAsker => {
                Self::invalid("expires_at", "Expires at must not be later than that of the token that asks")
            }
            TokenError::TooMany { limit } => Self::unprocessable(
                "access_tokens_limit_reached",
                format!("There are {limit} API tokens already: revoke one that is no longer needed"),
            ),
            TokenError::NotFound => Self::not_found(),
            TokenError::CurrentSession => {
                Self::unprocessable("current_session", "This is the session that asks: sign out to end it")
            }
            TokenError::Forbidden => Self::forbidden(),
            TokenError::Store(error) => error.into(),
        }
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NotFound => Self::not_found(),
            ReadError::Store(error) => error.into(),
        }
    }
}

impl From<ContactError> for Problem {
    fn from(error: ContactError) -> Self {
        match error {
            ContactError::NotFound => Self::not_found(),
            ContactError::Forbidden => Self::forbidden(),
            ContactError::Invalid { field, words } => Self::invalid(field, words),
            ContactError::Full => {
                Self::unprocessable("limit_reached", "There are as many of these as there may be: remove one first")
            }
            ContactError::TooMuch => Self::unprocessable(
                "too_much_to_merge",
                "More than 5,000 conversations or messages would move: merge the other way round",
            ),
            ContactError::Store(error) => error.into(),
        }
    }
}

impl From<StatusError> for Problem {
    fn from(error: StatusError) -> Self {
        match error {
            StatusError::NotFound => Self::not_found(),
            StatusError::SnoozeOver => Self::invalid("snoozed_until", "Snoozed until must be in the future"),
            StatusError::Store(error) => error.into(),
        }
    }
}

impl From<AssignError> for Problem {
    fn from(error: AssignError) -> Self {
        match error {
            AssignError::NotFound => Self::not_found(),
            AssignError::NotAssignable => Self::invalid("assignee_id", "Assignee cannot see this inbox"),
            AssignError::NoSuchTeam => Self::invalid("team_id", "No such team in this account"),
            AssignError::Store(error) => error.into(),
        }
    }
}

impl From<InboxError> for Problem {
    fn from(error: InboxError) -> Self {
        match error {
            InboxError::Forbidden => Self::forbidden(),
            InboxError::NotFound => Self::not_found(),
            InboxError::NameInvalid => Self::invalid("name", "Name must have 1 to 255 characters"),
            InboxError::AgentNotFound => Self::invalid("user_ids", "No such agent in this account"),
            InboxError::Store(error) => error.into(),
        }
    }
}

impl From<TryAgainError> for Problem {
    fn from(error: TryAgainError) -> Self {
        match error {
            TryAgainError::Forbidden => Self::forbidden(),
            TryAgainError::NotFound => Self::not_found(),
            TryAgainError::NeedsSignIn(failure) => Self::unprocessable(failure.class.code(), failure.class.cure()),
            TryAgainError::Store(error) => error.into(),
        }
    }
}

impl From<ReplyError> for Problem {
    fn from(error: ReplyError) -> Self {
        match error {
            ReplyError::NotFound => Self::not_found(),
            ReplyError::Invalid(invalid) => validation(&invalid),
            ReplyError::KeyReused => {
                Self::unprocessable("idempotency_key_reused", "This Idempotency-Key was used for another request")
            }
            ReplyError::MessageGone => Self::unprocessable(
                "message_gone",
                "The message that was made with this Idempotency-Key has been deleted",
            ),
            ReplyError::Store(error) => error.into(),
        }
    }
}

/// All that is wrong, in one answer.
fn validation(invalid: &[Invalid]) -> Problem {
    let words: Vec<&str> = invalid.iter().map(|one| one.message.as_str()).collect();
    let mut attributes: Vec<String> = invalid.iter().map(|one| one.field.to_owned()).collect();
    attributes.dedup();
    Problem { attributes, ..Problem::unprocessable("invalid", words.join("; ")) }
}

impl From<RetryError> for Problem {
    fn from(error: RetryError) -> Self {
        match error {
            RetryError::NotFound => Self::not_found(),
            RetryError::NothingToRetry => Self::unprocessable(
                "nothing_to_retry",
                "This message is on its way, was sent, or never leaves: there is nothing to retry",
            ),
            RetryError::AskedToWait { until } => Self::conflict(
                "server_asked_to_wait",
                format!(
                    "The mail server asked for no try before {}; with regardless=true it is tried all the same",
                    until.to_iso()
                ),
            ),
            RetryError::NotDeletable => Self::unprocessable("not_deletable", "This message cannot be deleted"),
            RetryError::Store(error) => error.into(),
        }
    }
}

impl From<DecideError> for Problem {
    fn from(error: DecideError) -> Self {
        match error {
            DecideError::NotFound => Self::not_found(),
            DecideError::BeingSent => {
                Self::conflict("being_sent", "The message is being sent at this moment and cannot be called back")
            }
            DecideError::MayHaveLeft => Self::conflict(
                "may_have_left",
                "The message may have left already: look into the mailbox's Sent folder, then say whether it was sent",
            ),
            DecideError::NothingToCancel => Self::unprocessable(
                "nothing_to_cancel",
                "This message was sent, has ended, or never leaves: there is nothing to cancel",
            ),
            DecideError::NothingToResolve => {
                Self::unprocessable("nothing_to_resolve", "It is not open whether this message was sent")
            }
            DecideError::Store(error) => error.into(),
        }
    }
}

impl From<ResetError> for Problem {
    fn from(error: ResetError) -> Self {
        match error {
            ResetError::NoMailer => Self::unprocessable("no_mailer", NO_MAILER),
            ResetError::TooMany { retry_after } => Self::too_many(retry_after),
            ResetError::Store(error) => error.into(),
        }
    }
}

impl From<SetPasswordError> for Problem {
    fn from(error: SetPasswordError) -> Self {
        match error {
            SetPasswordError::TokenInvalid => Self::invalid("reset_password_token", "Invalid token"),
            SetPasswordError::PasswordTooShort => {
                Self::invalid("password", "Password is too short (minimum is 8 characters)")
            }
            SetPasswordError::PasswordsDiffer => {
                Self::invalid("password_confirmation", "Password confirmation doesn't match Password")
            }
            SetPasswordError::TooMany { retry_after } => Self::too_many(retry_after),
            SetPasswordError::Store(error) => error.into(),
        }
    }
}

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Forbidden => Self::forbidden(),
            AccountError::NameInvalid => Self::invalid("name", "Name must have 1 to 255 characters"),
            AccountError::LocaleInvalid => Self::invalid("locale", "Locale is not a language, such as en or pt_BR"),
            AccountError::DomainInvalid => Self::invalid("domain", "Domain is invalid"),
            AccountError::EmailInvalid => Self::invalid("support_email", "Support email is invalid"),
            AccountError::Store(error) => error.into(),
        }
    }
}

impl From<QuarantineError> for Problem {
    fn from(error: QuarantineError) -> Self {
        match error {
            QuarantineError::Forbidden => Self::forbidden(),
            QuarantineError::NotFound | QuarantineError::BytesLost => Self::not_found(),
            QuarantineError::Store(error) => error.into(),
        }
    }
}

impl From<OpenError> for Problem {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::NotFound => Self::not_found(),
            OpenError::Store(error) => error.into(),
        }
    }
}
