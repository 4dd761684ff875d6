//! What is said in a conversation: reading, replying, retrying, deleting.

use crate::auth::Auth;
use crate::error::{Acting, Deciding, Problem, Reading, Refusal, Writing};
use crate::message_body::MessageBody;
use crate::shape;
use crate::tags::Tag;
use app::App;
use app::accounts::Member;
use app::conversations;
use app::outbound::{self, IdempotencyKey};
use domain::{DisplayId, MessageId};
use poem_openapi::OpenApi;
use poem_openapi::param::{Header, Path, Query};
use poem_openapi::payload::Json;
use wire::message::{Message, MessageHtml, MessageList, MessageListMeta, ResolveMessage};

pub struct MessagesApi;

#[OpenApi(tag = "Tag::Messages")]
impl MessagesApi {
    /// List messages, oldest first
    ///
    /// The latest 20; with `before` the 20 before a message, with `after` up to 100 after it, with both what lies between.
    #[oai(
        path = "/api/v1/accounts/:account_id/conversations/:conversation_id/messages",
        method = "get",
        operation_id = "list_messages"
    )]
    async fn list(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        conversation_id: Path<i64>,
        before: Query<Option<i64>>,
        after: Query<Option<i64>>,
        /// Leave out private notes and activity.
        filter_internal_messages: Query<Option<bool>>,
    ) -> Result<Json<MessageList>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let found = conversations::messages(
            auth.app(),
            &member,
            DisplayId(conversation_id.0),
            before.0.map(MessageId),
            after.0.map(MessageId),
            filter_internal_messages.0.unwrap_or(false),
        )
        .await?;
        let links = shape::links(auth.app(), &member).await?;
        Ok(Json(MessageList {
            meta: MessageListMeta::new(&shape::parts(&found.conversation)),
            payload: found.messages.iter().map(|message| Message::new(message, &links)).collect(),
        }))
    }

    /// Reply, or leave a private note
    ///
    /// The answer comes when the message and its delivery are committed; `delivery` says how it is doing on its way. With an
    /// `Idempotency-Key` the same request, sent again within 24 hours, gives the same message.
    #[oai(
        path = "/api/v1/accounts/:account_id/conversations/:conversation_id/messages",
        method = "post",
        operation_id = "create_message"
    )]
    async fn create(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        conversation_id: Path<i64>,
        #[oai(name = "Idempotency-Key", validator(min_length = 1, max_length = 255))] idempotency_key: Header<
            Option<String>,
        >,
        body: MessageBody,
    ) -> Result<Json<Message>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let idempotency = idempotency_key.0.map(|key| IdempotencyKey { token_id: auth.caller.token_id, key });
        let asked = body.asked(idempotency)?;
        let message = outbound::reply(auth.app(), &member, DisplayId(conversation_id.0), asked.draft).await?;
        Ok(Json(shown(&auth, &member, &message).await?.with_echo_id(asked.echo_id)))
    }

    /// Send a message once more, or now
    ///
    /// One that waits is tried now, in its turn. One that failed, bounced, or may not have left is sent once more; one that was sent, to the
    /// recipients who were refused. Whoever has it does not get it again.
    #[oai(
        path = "/api/v1/accounts/:account_id/conversations/:conversation_id/messages/:message_id/retry",
        method = "post",
        operation_id = "retry_message"
    )]
    async fn retry(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        conversation_id: Path<i64>,
        message_id: Path<i64>,
        /// Also before the time has come that the mail server asked us to wait for.
        regardless: Query<Option<bool>>,
    ) -> Result<Json<Message>, Refusal<Deciding>> {
        let regardless = regardless.0.unwrap_or(false);
        let retry = async |app: &App, member: &Member, conversation, message| {
            outbound::retry(app, member, conversation, message, regardless).await
        };
        acted(&auth, [account_id, conversation_id, message_id], retry).await
    }

    /// Cancel a message that waits
    ///
    /// It does not leave, and has `failed` as `cancelled`; whoever has it already keeps it. It can be retried. One that is being sent at this
    /// moment, or may have left, is 409.
    #[oai(
        path = "/api/v1/accounts/:account_id/conversations/:conversation_id/messages/:message_id/cancel",
        method = "post",
        operation_id = "cancel_message"
    )]
    async fn cancel(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        conversation_id: Path<i64>,
        message_id: Path<i64>,
    ) -> Result<Json<Message>, Refusal<Deciding>> {
        acted(&auth, [account_id, conversation_id, message_id], outbound::cancel).await
    }

    /// Say whether a message was sent
    ///
    /// For one whose outcome is unknown, by somebody who has looked. It is `sent` then, or has `failed` as `not_sent`. To send it again, retry it.
    #[oai(
        path = "/api/v1/accounts/:account_id/conversations/:conversation_id/messages/:message_id/resolve",
        method = "post",
        operation_id = "resolve_message"
    )]
    async fn resolve(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        conversation_id: Path<i64>,
        message_id: Path<i64>,
        body: Json<ResolveMessage>,
    ) -> Result<Json<Message>, Refusal<Writing>> {
        let sent = body.0.sent;
        let resolve = async |app: &App, member: &Member, conversation, message| {
            outbound::resolve(app, member, conversation, message, sent).await
        };
        acted(&auth, [account_id, conversation_id, message_id], resolve).await
    }

    /// Delete a message
    ///
    /// Its words and files go; that there was one stays. A mail that has not begun to leave does not leave.
    #[oai(
        path = "/api/v1/accounts/:account_id/conversations/:conversation_id/messages/:message_id",
        method = "delete",
        operation_id = "delete_message"
    )]
    async fn delete(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        conversation_id: Path<i64>,
        message_id: Path<i64>,
    ) -> Result<Json<Message>, Refusal<Acting>> {
        acted(&auth, [account_id, conversation_id, message_id], outbound::delete_message).await
    }

    /// Show a mail's HTML, made safe
    ///
    /// Scripts, forms and styles that reach out are gone. Remote images are blocked until asked for. Show it in a sandboxed frame all
    /// the same.
    #[oai(
        path = "/api/v1/accounts/:account_id/conversations/:conversation_id/messages/:message_id/html",
        method = "get",
        operation_id = "get_message_html"
    )]
    async fn html(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        conversation_id: Path<i64>,
        message_id: Path<i64>,
        /// Load images from the sender's servers, which tells them that the mail is being read.
        remote_images: Query<Option<bool>>,
    ) -> Result<Json<MessageHtml>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let html = conversations::message_html(
            auth.app(),
            &member,
            DisplayId(conversation_id.0),
            MessageId(message_id.0),
            !remote_images.0.unwrap_or(false),
        )
        .await?
        .ok_or_else(Problem::not_found)?;
        Ok(Json(MessageHtml { html: html.html, blocked_remote_images: html.blocked_remote_images.into() }))
    }
}

/// Does something to one message, and shows it as it is then. `path`: account, conversation, message.
async fn acted<E, A>(
    auth: &Auth,
    path: [Path<i64>; 3],
    act: impl AsyncFnOnce(&App, &Member, DisplayId, MessageId) -> Result<domain::message::Message, E>,
) -> Result<Json<Message>, Refusal<A>>
where
    Problem: From<E>,
{
    let [account, conversation, message] = path.map(|id| id.0);
    let member = auth.enter(account).await?;
    let message = act(auth.app(), &member, DisplayId(conversation), MessageId(message)).await.map_err(Problem::from)?;
    Ok(Json(shown(auth, &member, &message).await?))
}

async fn shown(auth: &Auth, member: &Member, message: &domain::message::Message) -> Result<Message, Problem> {
    Ok(Message::new(message, &shape::links(auth.app(), member).await?))
}
