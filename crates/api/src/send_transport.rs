//! Through what an inbox's mail leaves.

use crate::auth::Auth;
use crate::error::{Problem, Refusal, Writing};
use crate::inboxes::shown;
use crate::refusals::refused_with;
use crate::tags::Tag;
use app::channels::{SwitchError, switch_send_transport};
use domain::InboxId;
use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use wire::inbox::{Inbox, SendTransportChange};

pub struct SendTransportApi;

#[OpenApi(tag = "Tag::Inboxes")]
impl SendTransportApi {
    /// Send by SMTP, or through Microsoft Graph
    ///
    /// Administrators only. For mailboxes for which authenticated SMTP is switched off. The new way is proved first; what cannot be proved is
    /// refused with 422 and the failure's code, and changes nothing. `graph_consent_missing`: nobody has consented to it; sign in with
    /// `POST …/microsoft/authorization`, this inbox's id and `send_transport` `graph`. Messages that wait leave at once.
    #[oai(
        path = "/api/v1/accounts/:account_id/inboxes/:inbox_id/send_transport",
        method = "put",
        operation_id = "set_inbox_send_transport"
    )]
    async fn set(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        inbox_id: Path<i64>,
        body: Json<SendTransportChange>,
    ) -> Result<Json<Inbox>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let to = body.0.send_transport.into();
        let inbox = switch_send_transport(auth.app(), &member, InboxId(inbox_id.0), to).await?;
        Ok(Json(shown(&auth, &member, &inbox)))
    }
}

refused_with! { SwitchError }

impl From<SwitchError> for Problem {
    fn from(error: SwitchError) -> Self {
        match error {
            SwitchError::Forbidden => Self::forbidden(),
            SwitchError::NotFound => Self::not_found(),
            SwitchError::NotOffered => {
                Self::unprocessable("send_transport_not_offered", "This mailbox's provider does not offer it")
            }
            SwitchError::Refused(failure) => Self::unprocessable(failure.class.code(), failure.class.cure()),
            SwitchError::Store(error) => error.into(),
        }
    }
}
