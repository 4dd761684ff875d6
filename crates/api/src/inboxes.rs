//! Where conversations land: settings, members, and the health of the mailbox behind.

use crate::auth::Auth;
use crate::error::{Acting, Reading, Refusal, Writing};
use crate::tags::Tag;
use app::accounts::Member;
use app::channels::inboxes;
use app::channels::{Part, health};
use app::{App, TlsMode};
use domain::channel::Service;
use domain::inbox::InboxSettings;
use domain::{FailureClass, InboxId, UserId};
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::MaybeUndefined;
use wire::agent::{Agent, AgentList, InboxMembers};
use wire::health::{InboxHealth, MailboxPart, TryAgain};
use wire::inbox::{self, Inbox, InboxList, MailServers};
use wire::service::Done;

pub struct InboxesApi;

#[OpenApi(tag = "Tag::Inboxes")]
impl InboxesApi {
    /// List inboxes
    ///
    /// Agents see the inboxes they are a member of. Administrators see all, with the mailbox's settings and health.
    #[oai(path = "/api/v1/accounts/:account_id/inboxes", method = "get", operation_id = "list_inboxes")]
    async fn list(&self, auth: Auth, account_id: Path<i64>) -> Result<Json<InboxList>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let found = inboxes::list(auth.app(), &member).await?;
        let payload = found.iter().map(|inbox| shown(&auth, &member, inbox)).collect();
        Ok(Json(InboxList { payload }))
    }

    /// Show an inbox
    #[oai(path = "/api/v1/accounts/:account_id/inboxes/:inbox_id", method = "get", operation_id = "get_inbox")]
    async fn show(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        inbox_id: Path<i64>,
    ) -> Result<Json<Inbox>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let inbox = inboxes::show(auth.app(), &member, InboxId(inbox_id.0)).await?;
        Ok(Json(shown(&auth, &member, &inbox)))
    }

    /// Change an inbox's settings
    ///
    /// Administrators only. What is absent stays as it is.
    #[oai(path = "/api/v1/accounts/:account_id/inboxes/:inbox_id", method = "patch", operation_id = "update_inbox")]
    async fn update(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        inbox_id: Path<i64>,
        body: Json<inbox::InboxUpdate>,
    ) -> Result<Json<Inbox>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let name = body.0.name.clone();
        let limits = body.0.sending_limits.clone().map(Into::into);
        let settings = |now| changed(now, body.0);
        let inbox = inboxes::update(auth.app(), &member, InboxId(inbox_id.0), name, settings, limits).await?;
        Ok(Json(shown(&auth, &member, &inbox)))
    }

    /// Delete an inbox with its conversations
    ///
    /// Administrators only. The mailbox itself is not touched.
    #[oai(path = "/api/v1/accounts/:account_id/inboxes/:inbox_id", method = "delete", operation_id = "delete_inbox")]
    async fn delete(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        inbox_id: Path<i64>,
    ) -> Result<Json<Done>, Refusal<Acting>> {
        let member = auth.enter(account_id.0).await?;
        inboxes::delete(auth.app(), &member, InboxId(inbox_id.0)).await?;
        Ok(Json(Done { message: "The inbox has been deleted.".to_owned() }))
    }

    /// Show how the mailbox is doing
    ///
    /// Administrators only: it holds the servers' own words.
    #[oai(
        path = "/api/v1/accounts/:account_id/inboxes/:inbox_id/health",
        method = "get",
        operation_id = "get_inbox_health"
    )]
    async fn health(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        inbox_id: Path<i64>,
    ) -> Result<Json<InboxHealth>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let health = inboxes::health(auth.app(), &member, InboxId(inbox_id.0)).await?;
        Ok(Json(health_shown(auth.app(), &health)))
    }

    /// Try fetching or sending again, now
    ///
    /// For when somebody has done what the failure asked for. Administrators only.
    #[oai(
        path = "/api/v1/accounts/:account_id/inboxes/:inbox_id/health/try_again",
        method = "post",
        operation_id = "try_inbox_again"
    )]
    async fn try_again(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        inbox_id: Path<i64>,
        body: Json<TryAgain>,
    ) -> Result<Json<InboxHealth>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let part = match body.0.part {
            MailboxPart::Fetch => Part::Fetch,
            MailboxPart::Send => Part::Send,
        };
        let inbox = health::try_again(auth.app(), &member, InboxId(inbox_id.0), part).await?;
        let health = inboxes::health(auth.app(), &member, inbox.id).await?;
        Ok(Json(health_shown(auth.app(), &health)))
    }

    /// List an inbox's members
    #[oai(
        path = "/api/v1/accounts/:account_id/inbox_members/:inbox_id",
        method = "get",
        operation_id = "list_inbox_members"
    )]
    async fn members(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        inbox_id: Path<i64>,
    ) -> Result<Json<AgentList>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let agents = inboxes::members(auth.app(), &member, InboxId(inbox_id.0)).await?;
        Ok(Json(list(&agents)))
    }

    /// Add members to an inbox
    #[oai(path = "/api/v1/accounts/:account_id/inbox_members", method = "post", operation_id = "add_inbox_members")]
    async fn add_members(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        body: Json<InboxMembers>,
    ) -> Result<Json<AgentList>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let inbox = InboxId(body.0.inbox_id);
        let users: Vec<UserId> = body.0.user_ids.into_iter().map(UserId).collect();
        let agents = inboxes::add_members(auth.app(), &member, inbox, &users).await?;
        Ok(Json(list(&agents)))
    }

    /// Replace an inbox's members
    #[oai(path = "/api/v1/accounts/:account_id/inbox_members", method = "patch", operation_id = "set_inbox_members")]
    async fn set_members(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        body: Json<InboxMembers>,
    ) -> Result<Json<AgentList>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let users: Vec<UserId> = body.0.user_ids.into_iter().map(UserId).collect();
        let agents = inboxes::set_members(auth.app(), &member, InboxId(body.0.inbox_id), &users).await?;
        Ok(Json(list(&agents)))
    }

    /// Take members out of an inbox
    ///
    /// Administrators only.
    #[oai(
        path = "/api/v1/accounts/:account_id/inbox_members",
        method = "delete",
        operation_id = "remove_inbox_members"
    )]
    async fn remove_members(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        body: Json<InboxMembers>,
    ) -> Result<(), Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let users: Vec<UserId> = body.0.user_ids.into_iter().map(UserId).collect();
        Ok(inboxes::remove_members(auth.app(), &member, InboxId(body.0.inbox_id), &users).await?)
    }

    /// List who can be assigned in all of these inboxes
    #[oai(
        path = "/api/v1/accounts/:account_id/assignable_agents",
        method = "get",
        operation_id = "list_assignable_agents"
    )]
    async fn assignable(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        #[oai(name = "inbox_ids[]", validator(max_items = 100))] inbox_ids: Query<Option<Vec<i64>>>,
    ) -> Result<Json<AgentList>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let inbox_ids: Vec<InboxId> = inbox_ids.0.unwrap_or_default().into_iter().map(InboxId).collect();
        let agents = inboxes::assignable_agents(auth.app(), &member, &inbox_ids).await?;
        Ok(Json(list(&agents)))
    }
}

fn list(agents: &[domain::user::Agent]) -> AgentList {
    AgentList { payload: agents.iter().map(Agent::from).collect() }
}

pub(crate) fn shown(auth: &Auth, member: &Member, inbox: &domain::inbox::Inbox) -> Inbox {
    if member.may_manage_inboxes() {
        Inbox::for_administrator(inbox, &mail_servers(auth.app(), inbox.channel.service))
    } else {
        Inbox::for_member(inbox)
    }
}

fn health_shown(app: &App, health: &inboxes::InboxHealth) -> InboxHealth {
    let help = |class: FailureClass| app.settings().help(class);
    let oauth_app = health.grant.as_ref().and_then(|grant| grant.oauth_app_id);
    InboxHealth::new(health.inbox_id, &health.channel, oauth_app, (health.lag.fetch, health.lag.send), &help)
}

fn mail_servers(app: &App, service: Service) -> MailServers {
    let (imap, smtp) = (&app.settings().imap, app.settings().smtp_of(service));
    MailServers {
        imap_address: imap.host.clone(),
        imap_port: imap.port,
        imap_implicit_tls: imap.tls == TlsMode::Implicit,
        smtp_address: smtp.host.clone(),
        smtp_port: smtp.port,
        smtp_implicit_tls: smtp.tls == TlsMode::Implicit,
    }
}

/// Absent leaves a text, null clears it, and so does the word "null", which Chatwoot's forms send.
fn text(now: Option<String>, change: MaybeUndefined<String>) -> Option<String> {
    match change {
        MaybeUndefined::Undefined => now,
        MaybeUndefined::Null => None,
        MaybeUndefined::Value(text) if text == "null" => None,
        MaybeUndefined::Value(text) => Some(text),
    }
}

fn changed(now: InboxSettings, body: inbox::InboxUpdate) -> InboxSettings {
    InboxSettings {
        greeting_enabled: body.greeting_enabled.unwrap_or(now.greeting_enabled),
        greeting_message: text(now.greeting_message, body.greeting_message),
        enable_auto_assignment: body.enable_auto_assignment.unwrap_or(now.enable_auto_assignment),
        working_hours_enabled: body.working_hours_enabled.unwrap_or(now.working_hours_enabled),
        out_of_office_message: text(now.out_of_office_message, body.out_of_office_message),
        timezone: body.timezone.unwrap_or(now.timezone),
        allow_messages_after_resolved: body.allow_messages_after_resolved.unwrap_or(now.allow_messages_after_resolved),
        lock_to_single_conversation: body.lock_to_single_conversation.unwrap_or(now.lock_to_single_conversation),
        sender_name_type: body.sender_name_type.map_or(now.sender_name_type, Into::into),
        business_name: text(now.business_name, body.business_name),
    }
}
