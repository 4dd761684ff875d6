//! What From says of an inbox's mail.

use crate::auth::Auth;
use crate::error::{Problem, Refusal, Writing};
use crate::inboxes::shown;
use crate::refusals::refused_with;
use crate::tags::Tag;
use app::channels::{FromAddressError, set_from_address};
use domain::InboxId;
use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use wire::inbox::{FromAddressChange, Inbox};

pub struct FromAddressApi;

#[OpenApi(tag = "Tag::Inboxes")]
impl FromAddressApi {
    /// Set the From address
    ///
    /// Administrators only. For mailboxes whose address is not the name that signs in, or that send under another address of theirs. By SMTP the
    /// mail server is asked first; what it refuses is refused with 422 and the failure's code (`sender_not_allowed`), and changes nothing. Some
    /// servers, and Microsoft Graph, judge it only with the first mail: `from_address_accepted_at` of the inbox says when one was taken.
    /// Messages that wait leave at once, under the new address.
    #[oai(
        path = "/api/v1/accounts/:account_id/inboxes/:inbox_id/from_address",
        method = "put",
        operation_id = "set_inbox_from_address"
    )]
    async fn set(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        inbox_id: Path<i64>,
        body: Json<FromAddressChange>,
    ) -> Result<Json<Inbox>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let inbox = set_from_address(auth.app(), &member, InboxId(inbox_id.0), &body.0.from_address).await?;
        Ok(Json(shown(&auth, &member, &inbox)))
    }
}

refused_with! { FromAddressError }

impl From<FromAddressError> for Problem {
    fn from(error: FromAddressError) -> Self {
        match error {
            FromAddressError::Forbidden => Self::forbidden(),
            FromAddressError::NotFound => Self::not_found(),
            FromAddressError::BadAddress => Self::invalid("from_address", "From address is not an e-mail address"),
            FromAddressError::Refused(failure) => Self::unprocessable(failure.class.code(), failure.class.text()),
            FromAddressError::Store(error) => error.into(),
        }
    }
}
