//! Looking for conversations, messages and contacts.

use crate::auth::Auth;
use crate::error::{Problem, Reading, Refusal};
use crate::shape::{self, SignedLinks};
use crate::tags::Tag;
use app::App;
use app::accounts::Member;
use app::conversations::{
    self, AssigneeFilter, ConversationCounts, ConversationFilter, ConversationPage, ConversationView,
};
use app::search::{self, Asked};
use domain::inbox::Inbox;
use domain::search::{Query as Words, excerpt};
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use wire::search::{
    ConversationSearch, Found, FoundAnswer, FoundContact, FoundContacts, FoundContactsAnswer, FoundConversation,
    FoundConversations, FoundConversationsAnswer, FoundInbox, FoundMessage, FoundMessages, FoundMessagesAnswer,
};

pub struct SearchApi;

#[OpenApi(tag = "Tag::Search")]
impl SearchApi {
    /// Search everything
    ///
    /// A page of conversations, of messages and of contacts each. All words must stand in one message (with its subject, sender and files), or in
    /// one contact; of the last word the beginning is enough.
    #[oai(path = "/api/v1/accounts/:account_id/search", method = "get", operation_id = "search")]
    async fn all(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        #[oai(validator(max_length = 200))] q: Query<Option<String>>,
        /// From 1.
        #[oai(validator(maximum(value = "10000")))]
        page: Query<Option<u32>>,
    ) -> Result<Json<FoundAnswer>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let (app, asked) = (auth.app(), asked(q.0.as_deref(), page.0));
        let inboxes = search::inboxes(app, &member).await?;
        let links = shape::links(app, &member).await?;
        Ok(Json(FoundAnswer {
            payload: Found {
                conversations: found_conversations(
                    &search::conversations(app, &member, asked).await?,
                    &inboxes,
                    &links,
                ),
                contacts: search::contacts(app, &member, asked).await?.iter().map(FoundContact::from).collect(),
                messages: found_messages(app, &member, asked, &inboxes, &links).await?,
                articles: Vec::new(),
            },
        }))
    }

    /// Search conversations
    ///
    /// 15 a page, the one where something happened last first. A number finds the conversation that has it, too.
    #[oai(
        path = "/api/v1/accounts/:account_id/search/conversations",
        method = "get",
        operation_id = "search_conversations"
    )]
    async fn conversations(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        #[oai(validator(max_length = 200))] q: Query<Option<String>>,
        /// From 1.
        #[oai(validator(maximum(value = "10000")))]
        page: Query<Option<u32>>,
    ) -> Result<Json<FoundConversationsAnswer>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let app = auth.app();
        let inboxes = search::inboxes(app, &member).await?;
        let views = search::conversations(app, &member, asked(q.0.as_deref(), page.0)).await?;
        let conversations = found_conversations(&views, &inboxes, &shape::links(app, &member).await?);
        Ok(Json(FoundConversationsAnswer { payload: FoundConversations { conversations } }))
    }

    /// Search messages
    ///
    /// 15 a page, the newest first.
    #[oai(path = "/api/v1/accounts/:account_id/search/messages", method = "get", operation_id = "search_messages")]
    async fn messages(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        #[oai(validator(max_length = 200))] q: Query<Option<String>>,
        /// From 1.
        #[oai(validator(maximum(value = "10000")))]
        page: Query<Option<u32>>,
    ) -> Result<Json<FoundMessagesAnswer>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let app = auth.app();
        let inboxes = search::inboxes(app, &member).await?;
        let links = shape::links(app, &member).await?;
        let messages = found_messages(app, &member, asked(q.0.as_deref(), page.0), &inboxes, &links).await?;
        Ok(Json(FoundMessagesAnswer { payload: FoundMessages { messages } }))
    }

    /// Search contacts
    ///
    /// 15 a page, whoever wrote last first.
    #[oai(path = "/api/v1/accounts/:account_id/search/contacts", method = "get", operation_id = "search_for_contacts")]
    async fn contacts(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        #[oai(validator(max_length = 200))] q: Query<Option<String>>,
        /// From 1.
        #[oai(validator(maximum(value = "10000")))]
        page: Query<Option<u32>>,
    ) -> Result<Json<FoundContactsAnswer>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let found = search::contacts(auth.app(), &member, asked(q.0.as_deref(), page.0)).await?;
        Ok(Json(FoundContactsAnswer {
            payload: FoundContacts { contacts: found.iter().map(FoundContact::from).collect() },
        }))
    }

    /// Search conversations, with how many there are
    ///
    /// 25 a page, of every status.
    #[oai(
        path = "/api/v1/accounts/:account_id/conversations/search",
        method = "get",
        operation_id = "search_conversation_list"
    )]
    async fn conversation_list(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        #[oai(validator(max_length = 200))] q: Query<Option<String>>,
        /// From 1.
        #[oai(validator(maximum(value = "10000")))]
        page: Query<Option<u32>>,
    ) -> Result<Json<ConversationSearch>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let app = auth.app();
        let inboxes = search::inboxes(app, &member).await?;
        let asked = asked(q.0.as_deref(), page.0);
        let filter = ConversationFilter {
            status: None,
            assignee: AssigneeFilter::All,
            q: Some(asked.q.to_owned()),
            page: asked.page,
            ..ConversationFilter::default()
        };
        let found = match asked.is_empty() {
            true => ConversationPage { counts: ConversationCounts::default(), items: Vec::new() },
            false => conversations::list(app, &member, &filter).await?,
        };
        let payload = found_conversations(&found.items, &inboxes, &shape::links(app, &member).await?);
        Ok(Json(ConversationSearch { meta: shape::counts(found.counts), payload }))
    }
}

fn asked(q: Option<&str>, page: Option<u32>) -> Asked<'_> {
    Asked { q: q.unwrap_or_default(), page: page.unwrap_or(1).max(1) }
}

fn inbox_of(inboxes: &[Inbox], id: domain::InboxId) -> Option<FoundInbox> {
    inboxes.iter().find(|inbox| inbox.id == id).map(FoundInbox::from)
}

fn found_conversations(views: &[ConversationView], inboxes: &[Inbox], links: &SignedLinks) -> Vec<FoundConversation> {
    let found = |view: &ConversationView| {
        FoundConversation::new(&shape::parts(view), inbox_of(inboxes, view.conversation.inbox_id), links)
    };
    views.iter().map(found).collect()
}

async fn found_messages(
    app: &App,
    member: &Member,
    asked: Asked<'_>,
    inboxes: &[Inbox],
    links: &SignedLinks,
) -> Result<Vec<FoundMessage>, Problem> {
    let words = Words::parse(asked.q);
    let found = search::messages(app, member, asked).await?;
    Ok(found
        .iter()
        .map(|message| {
            let excerpt = excerpt(message.content.as_deref().unwrap_or_default(), &words);
            FoundMessage::new(message, excerpt, inbox_of(inboxes, message.inbox_id), links)
        })
        .collect())
}
