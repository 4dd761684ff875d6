//! One thing that went wrong on the way to a mail server or Microsoft, with who must act and how.

use crate::words::WhoMustAct;
use poem_openapi::Object;

#[derive(Clone, Debug, Object)]
pub struct Failure {
    /// A stable word, such as `smtp_auth_disabled`.
    pub code: String,
    /// One sentence: what happened.
    pub cause: String,
    pub who_must_act: WhoMustAct,
    /// What to do about it.
    pub cure: String,
    /// The server's own words.
    #[oai(nullable)]
    pub server_said: Option<String>,
    /// What is known beyond the code, such as which check failed.
    #[oai(nullable)]
    pub detail: Option<String>,
    /// The id under which the provider's support, or our log, finds it.
    #[oai(nullable)]
    pub correlation_id: Option<String>,
}

impl From<&domain::Failure> for Failure {
    fn from(failure: &domain::Failure) -> Self {
        Self {
            code: failure.class.code().to_owned(),
            cause: failure.class.text().to_owned(),
            who_must_act: failure.class.actor().into(),
            cure: failure.class.cure().to_owned(),
            server_said: failure.server_said.clone(),
            detail: failure.detail.clone(),
            correlation_id: failure.correlation_id.clone(),
        }
    }
}
