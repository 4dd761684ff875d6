//! As `refusals`: the errors of what agents do with conversations, and of what they sort and share their work with.

use crate::error::{Problem, Refusal};
use crate::refusals::refused_with;
use app::conversations::drafts::DraftError;
use app::conversations::filter::FilterError;
use app::conversations::{BulkError, DeleteError, MarkError, ParticipantError};
use app::organising::KeepError;
use app::outbound::StartError;

refused_with! {
    DeleteError, BulkError, FilterError, StartError, MarkError, ParticipantError, DraftError, KeepError,
}

impl From<DeleteError> for Problem {
    fn from(error: DeleteError) -> Self {
        match error {
            DeleteError::Forbidden => Self::forbidden(),
            DeleteError::NotFound => Self::not_found(),
            DeleteError::Store(error) => error.into(),
        }
    }
}

impl From<BulkError> for Problem {
    fn from(error: BulkError) -> Self {
        match error {
            BulkError::Assign(error) => error.into(),
            BulkError::Mark(error) => error.into(),
            BulkError::Status(error) => error.into(),
            BulkError::Store(error) => error.into(),
        }
    }
}

impl From<FilterError> for Problem {
    fn from(error: FilterError) -> Self {
        let words = error.to_string();
        Self::invalid("payload", words)
    }
}

impl From<StartError> for Problem {
    fn from(error: StartError) -> Self {
        match error {
            StartError::InboxNotFound => Self::invalid("inbox_id", "No such inbox"),
            StartError::ContactNotFound => Self::invalid("contact_id", "No such contact"),
            StartError::SubjectTooLong => {
                Self::invalid("mail_subject", "The subject is too long (maximum is 998 characters)")
            }
            StartError::AttributesTooLong => {
                Self::invalid("custom_attributes", "Attributes must be at most 64 kB of JSON")
            }
            StartError::SnoozeOver => Self::invalid("snoozed_until", "Snoozed until must be in the future"),
            StartError::Assign(error) => error.into(),
            StartError::Message(error) => error.into(),
            StartError::Store(error) => error.into(),
        }
    }
}

impl From<MarkError> for Problem {
    fn from(error: MarkError) -> Self {
        match error {
            MarkError::NotFound => Self::not_found(),
            MarkError::LabelInvalid => Self::invalid(
                "labels",
                "A label begins with a letter or digit and holds only letters, digits, hyphens and underscores",
            ),
            MarkError::TooManyLabels => Self::invalid("labels", "A conversation has at most 50 labels"),
            MarkError::AttributesTooLong => {
                Self::invalid("custom_attributes", "Custom attributes must be at most 64 kB of JSON")
            }
            MarkError::Store(error) => error.into(),
        }
    }
}

impl From<ParticipantError> for Problem {
    fn from(error: ParticipantError) -> Self {
        match error {
            ParticipantError::NotFound => Self::not_found(),
            ParticipantError::CannotSee => Self::invalid("user_ids", "Somebody named cannot see this inbox"),
            ParticipantError::Store(error) => error.into(),
        }
    }
}

impl From<DraftError> for Problem {
    fn from(error: DraftError) -> Self {
        match error {
            DraftError::NotFound => Self::not_found(),
            DraftError::RecipientsTooLong => Self::invalid("to_emails", "Recipients are too long (maximum is 64 kB)"),
            DraftError::Store(error) => error.into(),
        }
    }
}

impl From<KeepError> for Problem {
    fn from(error: KeepError) -> Self {
        match error {
            KeepError::Forbidden => Self::forbidden(),
            KeepError::NotFound => Self::not_found(),
            KeepError::Invalid { field, words } => Self::invalid(field, words),
            KeepError::Taken { field } => Self::invalid(field, format!("{field} has already been taken")),
            KeepError::Full { what, limit } => {
                Self::unprocessable("limit_reached", format!("There are {limit} {what}, as many as there may be"))
            }
            KeepError::Store(error) => error.into(),
        }
    }
}
