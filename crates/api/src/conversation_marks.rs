//! What agents mark a conversation with: priority, labels, attributes, unread, muted.

use crate::auth::Auth;
use crate::error::{Acting, Reading, Refusal, Writing};
use crate::optional_json::OptionalJson;
use crate::shape;
use crate::tags::Tag;
use app::conversations::{self, Attributes};
use domain::DisplayId;
use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::types::MaybeUndefined;
use wire::conversation::Conversation;
use wire::conversation_change::{
    CustomAttributes, CustomAttributesChange, CustomAttributesRemoval, LabelTitles, NewLabelTitles, PriorityChange,
};

pub struct ConversationMarksApi;

#[OpenApi(tag = "Tag::Conversations")]
impl ConversationMarksApi {
    /// Set or take away the priority
    #[oai(
        path = "/api/v1/accounts/:account_id/conversations/:conversation_id/toggle_priority",
        method = "post",
        operation_id = "toggle_conversation_priority"
    )]
    async fn toggle_priority(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        conversation_id: Path<i64>,
        body: OptionalJson<PriorityChange>,
    ) -> Result<(), Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let priority = match body.0.priority {
            MaybeUndefined::Value(priority) => Some(priority.into()),
            MaybeUndefined::Null | MaybeUndefined::Undefined => None,
        };
        conversations::set_priority(auth.app(), &member, DisplayId(conversation_id.0), priority).await?;
        Ok(())
    }

    /// Say that the conversation is to be looked at again
    ///
    /// The last of what came in is unread then.
    #[oai(
        path = "/api/v1/accounts/:account_id/conversations/:conversation_id/unread",
        method = "post",
        operation_id = "mark_conversation_unread"
    )]
    async fn unread(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        conversation_id: Path<i64>,
    ) -> Result<Json<Conversation>, Refusal<Acting>> {
        let member = auth.enter(account_id.0).await?;
        let view = conversations::mark_unread(auth.app(), &member, DisplayId(conversation_id.0)).await?;
        Ok(Json(shape::conversation(&view, &shape::links(auth.app(), &member).await?)))
    }

    /// Mute a conversation
    ///
    /// Blocks its contact, whose mail stays quiet from then on, and resolves it.
    #[oai(
        path = "/api/v1/accounts/:account_id/conversations/:conversation_id/mute",
        method = "post",
        operation_id = "mute_conversation"
    )]
    async fn mute(&self, auth: Auth, account_id: Path<i64>, conversation_id: Path<i64>) -> Result<(), Refusal<Acting>> {
        let member = auth.enter(account_id.0).await?;
        Ok(conversations::mute(auth.app(), &member, DisplayId(conversation_id.0)).await?)
    }

    /// Unmute a conversation
    ///
    /// Its contact is blocked no longer.
    #[oai(
        path = "/api/v1/accounts/:account_id/conversations/:conversation_id/unmute",
        method = "post",
        operation_id = "unmute_conversation"
    )]
    async fn unmute(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        conversation_id: Path<i64>,
    ) -> Result<(), Refusal<Acting>> {
        let member = auth.enter(account_id.0).await?;
        Ok(conversations::unmute(auth.app(), &member, DisplayId(conversation_id.0)).await?)
    }

    /// List a conversation's labels
    #[oai(
        path = "/api/v1/accounts/:account_id/conversations/:conversation_id/labels",
        method = "get",
        operation_id = "list_conversation_labels"
    )]
    async fn labels(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        conversation_id: Path<i64>,
    ) -> Result<Json<LabelTitles>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let payload = conversations::labels(auth.app(), &member, DisplayId(conversation_id.0)).await?;
        Ok(Json(LabelTitles { payload }))
    }

    /// Replace a conversation's labels
    ///
    /// A title needs no label of the account.
    #[oai(
        path = "/api/v1/accounts/:account_id/conversations/:conversation_id/labels",
        method = "post",
        operation_id = "set_conversation_labels"
    )]
    async fn set_labels(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        conversation_id: Path<i64>,
        body: Json<NewLabelTitles>,
    ) -> Result<Json<LabelTitles>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let id = DisplayId(conversation_id.0);
        let payload = conversations::set_labels(auth.app(), &member, id, &body.0.labels).await?;
        Ok(Json(LabelTitles { payload }))
    }

    /// Set a conversation's custom attributes
    ///
    /// At most 64 kB of JSON.
    #[oai(
        path = "/api/v1/accounts/:account_id/conversations/:conversation_id/custom_attributes",
        method = "post",
        operation_id = "set_conversation_custom_attributes"
    )]
    async fn set_custom_attributes(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        conversation_id: Path<i64>,
        body: Json<CustomAttributesChange>,
    ) -> Result<Json<CustomAttributes>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let new = body.0.custom_attributes.0;
        let change = if body.0.merge == Some(true) { Attributes::Merge(new) } else { Attributes::Replace(new) };
        let id = DisplayId(conversation_id.0);
        let kept = conversations::set_custom_attributes(auth.app(), &member, id, change).await?;
        Ok(Json(CustomAttributes { custom_attributes: kept.into() }))
    }

    /// Take custom attributes away
    #[oai(
        path = "/api/v1/accounts/:account_id/conversations/:conversation_id/destroy_custom_attributes",
        method = "post",
        operation_id = "remove_conversation_custom_attributes"
    )]
    async fn remove_custom_attributes(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        conversation_id: Path<i64>,
        body: Json<CustomAttributesRemoval>,
    ) -> Result<Json<CustomAttributes>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let change = Attributes::Remove(body.0.custom_attributes);
        let id = DisplayId(conversation_id.0);
        let kept = conversations::set_custom_attributes(auth.app(), &member, id, change).await?;
        Ok(Json(CustomAttributes { custom_attributes: kept.into() }))
    }
}
