//! What one is told about: a list of one's own, and what one wants to be told.

use crate::auth::Auth;
use crate::error::{Acting, Problem, Reading, Refusal, Writing};
use crate::optional_json::OptionalJson;
use crate::shape::{self, SignedLinks};
use crate::tags::Tag;
use app::accounts::Member;
use app::conversations::{ConversationView, snapshot};
use app::notifications::{self, NotificationChange, NotificationError, NotificationFilter};
use domain::notification::NotificationKind;
use domain::{ConversationId, NotificationId, Timestamp};
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Enum, OpenApi};
use wire::notification::{
    DestroyAll, DestroyWhich, Notification, NotificationList, NotificationMeta, NotificationPage, NotificationSettings,
    NotificationSettingsChange, ReadAll, Snooze,
};
use wire::sender::UserSender;

pub struct NotificationsApi;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
enum SortOrder {
    Asc,
    Desc,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
enum Include {
    Read,
    Snoozed,
}

#[derive(ApiResponse)]
enum Changed {
    /// Done. No body.
    #[oai(status = 200)]
    Done,
}

impl From<NotificationError> for Problem {
    fn from(error: NotificationError) -> Self {
        match error {
            NotificationError::NotFound => Self::not_found(),
            NotificationError::SnoozeOver => Self::invalid("snoozed_until", "snoozed_until must be in the future"),
            NotificationError::Store(error) => error.into(),
        }
    }
}

impl<A> From<NotificationError> for Refusal<A> {
    fn from(error: NotificationError) -> Self {
        Problem::from(error).into()
    }
}

fn shown(
    member: &Member,
    one: &domain::notification::Notification,
    view: &ConversationView,
    links: &SignedLinks,
) -> Notification {
    let about = snapshot::conversation(view);
    let one = notifications::snapshot_of(one);
    let shown = wire::push::notification(&one, about.get("conversation"), member.scope.account_id(), links);
    Notification { user: Some(UserSender::from(&member.agent)), ..shown }
}

async fn change(
    auth: &Auth,
    account_id: i64,
    id: i64,
    change: NotificationChange,
) -> Result<Json<Notification>, Problem> {
    let member = auth.enter(account_id).await?;
    let (one, view) = notifications::change(auth.app(), &member, NotificationId(id), change).await?;
    let links = shape::links(auth.app(), &member).await?;
    Ok(Json(shown(&member, &one, &view, &links)))
}

#[OpenApi(tag = "Tag::Notifications")]
impl NotificationsApi {
    /// List what one is told about
    ///
    /// One's own, 15 a page, newest first; of conversations that one sees. There is one for each conversation, the latest.
    #[oai(path = "/api/v1/accounts/:account_id/notifications", method = "get", operation_id = "list_notifications")]
    async fn list(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        /// Those that were read, or put off, as well.
        #[oai(name = "includes[]", validator(max_items = 2))]
        includes: Query<Option<Vec<Include>>>,
        sort_order: Query<Option<SortOrder>>,
        /// From 1.
        #[oai(validator(maximum(value = "100000")))]
        page: Query<Option<u32>>,
    ) -> Result<Json<NotificationList>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let includes = includes.0.unwrap_or_default();
        let page = page.0.unwrap_or(1).max(1);
        let filter = NotificationFilter {
            with_read: includes.contains(&Include::Read),
            with_snoozed: includes.contains(&Include::Snoozed),
            oldest_first: sort_order.0 == Some(SortOrder::Asc),
            page,
        };
        let found = notifications::list(auth.app(), &member, filter).await?;
        let links = shape::links(auth.app(), &member).await?;
        let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        Ok(Json(NotificationList {
            data: NotificationPage {
                meta: NotificationMeta {
                    unread_count: whole(found.counts.unread),
                    count: whole(found.counts.all),
                    current_page: page.into(),
                },
                payload: found.items.iter().map(|(one, view)| shown(&member, one, view, &links)).collect(),
            },
        }))
    }

    /// Count what is unread
    #[oai(
        path = "/api/v1/accounts/:account_id/notifications/unread_count",
        method = "get",
        operation_id = "count_unread_notifications"
    )]
    async fn unread_count(&self, auth: Auth, account_id: Path<i64>) -> Result<Json<i64>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let count = notifications::unread_count(auth.app(), &member).await?;
        Ok(Json(i64::try_from(count).unwrap_or(i64::MAX)))
    }

    /// Mark all as read, or what is about one conversation
    #[oai(
        path = "/api/v1/accounts/:account_id/notifications/read_all",
        method = "post",
        operation_id = "read_all_notifications"
    )]
    async fn read_all(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        body: OptionalJson<ReadAll>,
    ) -> Result<Changed, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let about = body.0.primary_actor_id.map(ConversationId);
        notifications::read_all(auth.app(), &member, about).await?;
        Ok(Changed::Done)
    }

    /// Delete all, or those that were read
    #[oai(
        path = "/api/v1/accounts/:account_id/notifications/destroy_all",
        method = "post",
        operation_id = "delete_all_notifications"
    )]
    async fn destroy_all(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        body: OptionalJson<DestroyAll>,
    ) -> Result<Changed, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        notifications::delete_all(auth.app(), &member, body.0.which == Some(DestroyWhich::Read)).await?;
        Ok(Changed::Done)
    }

    /// Mark as read
    #[oai(
        path = "/api/v1/accounts/:account_id/notifications/:notification_id",
        method = "patch",
        operation_id = "read_notification"
    )]
    async fn read(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        notification_id: Path<i64>,
    ) -> Result<Json<Notification>, Refusal<Acting>> {
        Ok(change(&auth, account_id.0, notification_id.0, NotificationChange::Read).await?)
    }

    /// Mark as unread
    #[oai(
        path = "/api/v1/accounts/:account_id/notifications/:notification_id/unread",
        method = "post",
        operation_id = "unread_notification"
    )]
    async fn unread(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        notification_id: Path<i64>,
    ) -> Result<Json<Notification>, Refusal<Acting>> {
        Ok(change(&auth, account_id.0, notification_id.0, NotificationChange::Unread).await?)
    }

    /// Put off until later
    ///
    /// It is not shown before, and unread then.
    #[oai(
        path = "/api/v1/accounts/:account_id/notifications/:notification_id/snooze",
        method = "post",
        operation_id = "snooze_notification"
    )]
    async fn snooze(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        notification_id: Path<i64>,
        body: Json<Snooze>,
    ) -> Result<Json<Notification>, Refusal<Writing>> {
        let until = Timestamp::from_seconds(body.0.snoozed_until);
        Ok(change(&auth, account_id.0, notification_id.0, NotificationChange::Snooze(until)).await?)
    }

    /// Delete
    #[oai(
        path = "/api/v1/accounts/:account_id/notifications/:notification_id",
        method = "delete",
        operation_id = "delete_notification"
    )]
    async fn delete(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        notification_id: Path<i64>,
    ) -> Result<Changed, Refusal<Acting>> {
        let member = auth.enter(account_id.0).await?;
        notifications::delete(auth.app(), &member, NotificationId(notification_id.0)).await?;
        Ok(Changed::Done)
    }

    /// Show what one wants to be told
    #[oai(
        path = "/api/v1/accounts/:account_id/notification_settings",
        method = "get",
        operation_id = "get_notification_settings"
    )]
    async fn settings(
        &self,
        auth: Auth,
        account_id: Path<i64>,
    ) -> Result<Json<NotificationSettings>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let settings = notifications::settings(auth.app(), &member).await?;
        Ok(Json(NotificationSettings::new(member.scope.account_id(), member.agent.user.id, &settings)))
    }

    /// Choose what one wants to be told
    ///
    /// New conversations are told only to members of the inbox who chose it, for mail or devices. A mail is sent two minutes
    /// later to whoever has not read it by then and has shown that their address is theirs, at most 30 an hour; devices are told by an open page.
    #[oai(
        path = "/api/v1/accounts/:account_id/notification_settings",
        method = "put",
        operation_id = "set_notification_settings"
    )]
    async fn set_settings(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        body: Json<NotificationSettingsChange>,
    ) -> Result<Json<NotificationSettings>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let chosen = body.0.notification_settings;
        let mut settings = notifications::settings(auth.app(), &member).await?;
        if let Some(flags) = chosen.selected_email_flags {
            settings.email = once(flags.into_iter().map(NotificationKind::from));
        }
        if let Some(flags) = chosen.selected_push_flags {
            settings.push = once(flags.into_iter().map(NotificationKind::from));
        }
        notifications::set_settings(auth.app(), &member, &settings).await?;
        Ok(Json(NotificationSettings::new(member.scope.account_id(), member.agent.user.id, &settings)))
    }
}

fn once(kinds: impl Iterator<Item = NotificationKind>) -> Vec<NotificationKind> {
    kinds.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}
