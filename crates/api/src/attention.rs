//! Who writes and who looks at what, said by clients and told to those who follow the account. Nothing of it is kept.

use crate::auth::Auth;
use crate::error::{Refusal, Writing};
use crate::tags::Tag;
use app::live;
use domain::DisplayId;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, OpenApi};
use wire::push::{ToggleTyping, TypingStatus, Viewing};

pub struct AttentionApi;

#[derive(ApiResponse)]
enum Told {
    /// Told to whoever follows the account. No body.
    #[oai(status = 200)]
    Told,
}

#[OpenApi(tag = "Tag::Events")]
impl AttentionApi {
    /// Say that one writes, or has stopped
    ///
    /// Others who follow the account and see the conversation are told `conversation.typing_on` or `conversation.typing_off`.
    #[oai(
        path = "/api/v1/accounts/:account_id/conversations/:conversation_id/toggle_typing_status",
        method = "post",
        operation_id = "toggle_typing_status"
    )]
    async fn typing(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        conversation_id: Path<i64>,
        body: Json<ToggleTyping>,
    ) -> Result<Told, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let (on, is_private) = (body.0.typing_status == TypingStatus::On, body.0.is_private.unwrap_or(false));
        live::typing(auth.app(), &member, DisplayId(conversation_id.0), on, is_private).await?;
        Ok(Told::Told)
    }

    /// Say that one looks at a conversation, or looks away
    ///
    /// Say it again every 20 seconds: it is over after 45. Who follows the account and sees the conversation is told
    /// `conversation.viewing` with everybody who looks at it, when that changes.
    #[oai(
        path = "/api/v1/accounts/:account_id/conversations/:conversation_id/viewing",
        method = "post",
        operation_id = "set_viewing"
    )]
    async fn viewing(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        conversation_id: Path<i64>,
        body: Json<Viewing>,
    ) -> Result<Told, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        live::viewing(auth.app(), &member, DisplayId(conversation_id.0), body.0.viewing).await?;
        Ok(Told::Told)
    }
}
