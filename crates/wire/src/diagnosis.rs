//! A look at a mailbox step by step. An addition to Chatwoot.

use crate::failure::Failure;
use poem_openapi::{Enum, Object};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum DiagnosisOutcome {
    Ok,
    Failed,
    /// Nobody came so far, or there was nothing to do.
    Skipped,
}

/// Something that a step found.
#[derive(Clone, Debug, Object)]
pub struct DiagnosisFinding {
    /// A stable word: `addresses`, `address`, `port`, `tls_version`, `certificate_expires`, `messages`, `offered`.
    pub name: String,
    pub value: String,
}

#[derive(Clone, Debug, Object)]
pub struct DiagnosisStep {
    /// A stable word: `token`; `dns`, `tcp`, `tls`, `greeting`, `auth`, `capability`, `select`, `idle` of fetching; `dns`, `tcp`, `greeting`, `tls`, `auth`, `mail_from`, or `graph` alone, of
    /// sending; `connection` where no step could be begun.
    pub name: String,
    pub outcome: DiagnosisOutcome,
    pub duration_ms: i64,
    pub found: Vec<DiagnosisFinding>,
    #[oai(nullable)]
    pub failure: Option<Failure>,
    /// Where it is said what the failure is and what to do about it.
    #[oai(nullable)]
    pub help_url: Option<String>,
}

/// What was found, step by step. Nothing of it changes the mailbox's health.
#[derive(Clone, Debug, Object)]
pub struct Diagnosis {
    pub inbox_id: i64,
    /// Epoch seconds.
    pub began_at: i64,
    pub duration_ms: i64,
    /// Whether the provider gives a fresh access token. Without one nobody signs in to the mail servers, but they are looked at.
    pub token: DiagnosisStep,
    pub fetch: Vec<DiagnosisStep>,
    pub send: Vec<DiagnosisStep>,
}
