//! Who takes part in a conversation, and what somebody has begun to write in it.

use crate::auth::Auth;
use crate::error::{Acting, Reading, Refusal, Writing};
use crate::tags::Tag;
use app::accounts::Member;
use app::conversations::drafts::{self, DraftRecipients};
use app::conversations::{self, People};
use domain::{DisplayId, UserId};
use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use wire::agent::Agent;
use wire::conversation_change::{Draft, DraftBody, ParticipantIds};

pub struct ConversationPeopleApi;

#[OpenApi(tag = "Tag::Conversations")]
impl ConversationPeopleApi {
    /// List who takes part
    #[oai(
        path = "/api/v1/accounts/:account_id/conversations/:conversation_id/participants",
        method = "get",
        operation_id = "list_participants"
    )]
    async fn participants(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        conversation_id: Path<i64>,
    ) -> Result<Json<Vec<Agent>>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let agents = conversations::participants(auth.app(), &member, DisplayId(conversation_id.0)).await?;
        Ok(Json(agents.iter().map(Agent::from).collect()))
    }

    /// Add people
    ///
    /// Those who see the inbox. Answers all who take part then.
    #[oai(
        path = "/api/v1/accounts/:account_id/conversations/:conversation_id/participants",
        method = "post",
        operation_id = "add_participants"
    )]
    async fn add_participants(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        conversation_id: Path<i64>,
        body: Json<ParticipantIds>,
    ) -> Result<Json<Vec<Agent>>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        change(&auth, &member, DisplayId(conversation_id.0), body.0, People::Add).await
    }

    /// Replace who takes part
    #[oai(
        path = "/api/v1/accounts/:account_id/conversations/:conversation_id/participants",
        method = "patch",
        operation_id = "set_participants"
    )]
    async fn set_participants(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        conversation_id: Path<i64>,
        body: Json<ParticipantIds>,
    ) -> Result<Json<Vec<Agent>>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        change(&auth, &member, DisplayId(conversation_id.0), body.0, People::Replace).await
    }

    /// Replace who takes part, as the mobile app asks for it
    #[oai(
        path = "/api/v1/accounts/:account_id/conversations/:conversation_id/participants",
        method = "put",
        operation_id = "put_participants"
    )]
    async fn put_participants(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        conversation_id: Path<i64>,
        body: Json<ParticipantIds>,
    ) -> Result<Json<Vec<Agent>>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        change(&auth, &member, DisplayId(conversation_id.0), body.0, People::Replace).await
    }

    /// Take people out
    ///
    /// Answers those who stay.
    #[oai(
        path = "/api/v1/accounts/:account_id/conversations/:conversation_id/participants",
        method = "delete",
        operation_id = "remove_participants"
    )]
    async fn remove_participants(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        conversation_id: Path<i64>,
        body: Json<ParticipantIds>,
    ) -> Result<Json<Vec<Agent>>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        change(&auth, &member, DisplayId(conversation_id.0), body.0, People::Remove).await
    }

    /// Show one's draft
    ///
    /// Each person has one in each conversation, and sees no other's.
    #[oai(
        path = "/api/v1/accounts/:account_id/conversations/:conversation_id/draft_messages",
        method = "get",
        operation_id = "get_draft"
    )]
    async fn draft(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        conversation_id: Path<i64>,
    ) -> Result<Json<Draft>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let draft = drafts::draft(auth.app(), &member, DisplayId(conversation_id.0)).await?;
        Ok(Json(match draft {
            None => Draft::none(),
            Some(drafts::SavedDraft { message, private, recipients, updated_at }) => {
                Draft::of(message, private, [recipients.to, recipients.cc, recipients.bcc], updated_at)
            }
        }))
    }

    /// Keep a draft
    ///
    /// In the place of the one that was. One with nothing in it is none.
    #[oai(
        path = "/api/v1/accounts/:account_id/conversations/:conversation_id/draft_messages",
        method = "patch",
        operation_id = "keep_draft"
    )]
    async fn keep_draft(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        conversation_id: Path<i64>,
        body: Json<DraftBody>,
    ) -> Result<(), Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let draft = body.0.draft_message;
        let recipients = DraftRecipients {
            to: draft.to_emails.unwrap_or_default(),
            cc: draft.cc_emails.unwrap_or_default(),
            bcc: draft.bcc_emails.unwrap_or_default(),
        };
        let (message, private) = (draft.message.unwrap_or_default(), draft.private.unwrap_or(false));
        let id = DisplayId(conversation_id.0);
        Ok(drafts::keep_draft(auth.app(), &member, id, message, private, recipients).await?)
    }

    /// Throw one's draft away
    #[oai(
        path = "/api/v1/accounts/:account_id/conversations/:conversation_id/draft_messages",
        method = "delete",
        operation_id = "forget_draft"
    )]
    async fn forget_draft(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        conversation_id: Path<i64>,
    ) -> Result<(), Refusal<Acting>> {
        let member = auth.enter(account_id.0).await?;
        Ok(drafts::forget_draft(auth.app(), &member, DisplayId(conversation_id.0)).await?)
    }
}

async fn change(
    auth: &Auth,
    member: &Member,
    conversation: DisplayId,
    body: ParticipantIds,
    how: People,
) -> Result<Json<Vec<Agent>>, Refusal<Writing>> {
    let users: Vec<UserId> = body.user_ids.into_iter().map(UserId).collect();
    let agents = conversations::change_participants(auth.app(), member, conversation, &users, how).await?;
    Ok(Json(agents.iter().map(Agent::from).collect()))
}
