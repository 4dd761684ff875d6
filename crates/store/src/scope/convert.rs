//! Rows to domain structs. What we never write is `Corrupt`, never a guess.

use crate::entity;
use crate::error::corrupt;
use crate::*;
use domain::account::{Account, AccountStatus, Availability, Role};
use domain::channel::{EmailChannel, Provider, SendTransport, Service};
use domain::contact::Contact;
use domain::conversation::{Conversation, ConversationStatus, Priority};
use domain::inbox::Inbox;
use domain::message::{Attachment, Delivery, DeliveryState, Recipients};
use domain::user::{Agent, Membership, User};
use domain::*;
use sea_orm::FromQueryResult;
use serde::de::DeserializeOwned;

pub(crate) fn json<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| corrupt(what, e))
}

pub(crate) fn to_json<T: serde::Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("our own structs are JSON")
}

pub(crate) fn code<T>(what: &'static str, text: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T> {
    parse(text).ok_or_else(|| corrupt(what, text))
}

pub(crate) fn number<T: TryFrom<i64>>(what: &'static str, value: i64) -> Result<T> {
    T::try_from(value).map_err(|_| corrupt(what, value))
}

fn time(micros: Option<i64>) -> Option<Timestamp> {
    micros.map(Timestamp)
}

pub(crate) fn account(row: entity::account::Model) -> Result<Account> {
    Ok(Account {
        id: AccountId(row.id),
        status: code("account status", &row.status, AccountStatus::parse)?,
        name: row.name,
        locale: row.locale,
        created_at: Timestamp(row.created_at),
    })
}

pub(crate) fn user(row: entity::user::Model) -> User {
    User {
        id: UserId(row.id),
        email: row.email,
        name: row.name,
        display_name: row.display_name,
        message_signature: row.message_signature,
        created_at: Timestamp(row.created_at),
    }
}

/// A user joined with their place in an account.
#[derive(Debug, FromQueryResult)]
pub(crate) struct AgentRow {
    pub(crate) user_id: i64,
    pub(crate) account_id: i64,
    pub(crate) email: String,
    pub(crate) name: String,
    pub(crate) display_name: Option<String>,
    pub(crate) message_signature: Option<String>,
    pub(crate) user_created_at: i64,
    pub(crate) role: String,
    pub(crate) availability: String,
    pub(crate) auto_offline: bool,
    pub(crate) confirmed: bool,
}

pub(crate) const AGENT_COLUMNS: &str = "au.user_id, au.account_id, u.email, u.name, u.display_name, u.message_signature, \
    u.created_at AS user_created_at, au.role, au.availability, au.auto_offline, \
    (u.password_hash IS NOT NULL AND NOT au.awaits_proof) AS confirmed";

impl AgentRow {
    pub(crate) fn agent(self) -> Result<Agent> {
        Ok(Agent {
            account_id: AccountId(self.account_id),
            user: User {
                id: UserId(self.user_id),
                email: self.email,
                name: self.name,
                display_name: self.display_name,
                message_signature: self.message_signature,
                created_at: Timestamp(self.user_created_at),
            },
            role: code("role", &self.role, Role::parse)?,
            availability: code("availability", &self.availability, Availability::parse)?,
            auto_offline: self.auto_offline,
            confirmed: self.confirmed,
        })
    }
}

pub(crate) fn membership(
    account_row: entity::account::Model,
    place: &entity::account_user::Model,
) -> Result<Membership> {
    Ok(Membership {
        account: account(account_row)?,
        role: code("role", &place.role, Role::parse)?,
        availability: code("availability", &place.availability, Availability::parse)?,
        auto_offline: place.auto_offline,
        active_at: time(place.active_at),
    })
}

pub(crate) fn address(text: &str) -> Result<EmailAddress> {
    EmailAddress::parse(text).ok_or_else(|| corrupt("address", "not an e-mail address"))
}

pub(crate) fn channel(row: entity::email_channel::Model) -> Result<EmailChannel> {
    Ok(EmailChannel {
        id: ChannelId(row.id),
        account_id: AccountId(row.account_id),
        inbox_id: InboxId(row.inbox_id),
        provider: code("provider", &row.provider, Provider::parse)?,
        service: code("service", &row.service, Service::parse)?,
        grant_id: row.grant_id.map(GrantId),
        principal: row.principal,
        mailbox_address: address(&row.mailbox_address)?,
        from_address: address(&row.from_address)?,
        from_accepted_at: row.from_accepted_at.map(Timestamp),
        smtp_user: row.smtp_user,
        send_transport: code("send transport", &row.send_transport, SendTransport::parse)?,
        fetch_health: json("fetch_health", &row.fetch_health)?,
        send_health: json("send_health", &row.send_health)?,
        sending_limits: json("sending limits", &row.sending_limits)?,
        import: json("import", &row.import)?,
        created_at: Timestamp(row.created_at),
    })
}

pub(crate) fn inbox(row: entity::inbox::Model, channel_row: entity::email_channel::Model) -> Result<Inbox> {
    Ok(Inbox {
        id: InboxId(row.id),
        account_id: AccountId(row.account_id),
        settings: json("inbox settings", &row.settings)?,
        name: row.name,
        channel: channel(channel_row)?,
        created_at: Timestamp(row.created_at),
    })
}

pub(crate) fn folder(row: entity::channel_folder::Model) -> Result<Folder> {
    let uid = |value: Option<i64>| value.map(|v| number("uid", v)).transpose();
    Ok(Folder {
        id: FolderId(row.id),
        channel_id: ChannelId(row.channel_id),
        role: code("folder role", &row.role, FolderRole::parse)?,
        name: row.name,
        uidvalidity: uid(row.uidvalidity)?,
        last_uid: number("last_uid", row.last_uid)?,
        import: FolderImport {
            uidvalidity: uid(row.import_uidvalidity)?,
            before_uid: uid(row.import_before_uid)?,
            reached_uid: uid(row.import_reached_uid)?,
        },
    })
}

pub(crate) fn contact(row: entity::contact::Model) -> Result<Contact> {
    Ok(Contact {
        id: ContactId(row.id),
        account_id: AccountId(row.account_id),
        name: row.name,
        email: row.email,
        phone_number: row.phone_number,
        identifier: row.identifier,
        blocked: row.blocked,
        additional_attributes: json("additional_attributes", &row.additional_attributes)?,
        custom_attributes: json("custom_attributes", &row.custom_attributes)?,
        last_activity_at: time(row.last_activity_at),
        created_at: Timestamp(row.created_at),
    })
}

pub(crate) const fn priority_number(priority: Priority) -> i64 {
    match priority {
        Priority::Low => 0,
        Priority::Medium => 1,
        Priority::High => 2,
        Priority::Urgent => 3,
    }
}

fn priority(stored: i64) -> Result<Priority> {
    [Priority::Low, Priority::Medium, Priority::High, Priority::Urgent]
        .into_iter()
        .find(|p| priority_number(*p) == stored)
        .ok_or_else(|| corrupt("priority", stored))
}

pub(crate) fn conversation(row: &entity::conversation::Model) -> Result<Conversation> {
    Ok(Conversation {
        id: ConversationId(row.id),
        account_id: AccountId(row.account_id),
        display_id: DisplayId(row.display_id),
        uuid: row.uuid.clone(),
        inbox_id: InboxId(row.inbox_id),
        contact_id: ContactId(row.contact_id),
        status: code("conversation status", &row.status, ConversationStatus::parse)?,
        priority: row.priority.map(priority).transpose()?,
        assignee_id: row.assignee_id.map(UserId),
        team_id: row.team_id.map(TeamId),
        subject: row.subject.clone(),
        muted: row.muted,
        additional_attributes: json("additional_attributes", &row.additional_attributes)?,
        custom_attributes: json("custom_attributes", &row.custom_attributes)?,
        snoozed_until: time(row.snoozed_until),
        waiting_since: time(row.waiting_since),
        first_reply_at: time(row.first_reply_at),
        last_activity_at: Timestamp(row.last_activity_at),
        agent_last_seen_at: time(row.agent_last_seen_at),
        assignee_last_seen_at: time(row.assignee_last_seen_at),
        contact_last_seen_at: time(row.contact_last_seen_at),
        created_at: Timestamp(row.created_at),
        updated_at: Timestamp(row.updated_at),
    })
}

pub(crate) fn attachment(row: entity::attachment::Model) -> Result<Attachment> {
    Ok(Attachment {
        id: AttachmentId(row.id),
        account_id: AccountId(row.account_id),
        message_id: MessageId(row.message_id),
        blob_id: BlobId(row.blob_id),
        file_name: row.file_name,
        content_type: row.content_type,
        size_bytes: number("size_bytes", row.size_bytes)?,
        content_id: row.content_id,
        inline: row.inline,
    })
}

pub(crate) fn delivery(row: &entity::delivery::Model) -> Result<Delivery> {
    let envelope: DeliveryEnvelope = json("envelope", &row.envelope)?;
    let recipients: Recipients = json("recipients", &row.recipients)?;
    Ok(Delivery {
        id: DeliveryId(row.id),
        message_id: MessageId(row.message_id),
        state: code("delivery state", &row.state, DeliveryState::parse)?,
        attempts: number("attempts", row.attempts)?,
        queued_at: Timestamp(row.queued_at),
        sent_at: time(row.sent_at),
        next_try_at: time(row.next_try_at),
        failure: row.failure.as_deref().map(|f| json("failure", f)).transpose()?,
        failing_since: time(row.failing_since),
        waits_alone: row.waits_alone != 0,
        recipients: Recipients { all: envelope.recipients(), ..recipients },
    })
}

pub(crate) fn delivery_record(row: entity::delivery::Model) -> Result<DeliveryRecord> {
    Ok(DeliveryRecord {
        delivery: delivery(&row)?,
        conversation_id: ConversationId(row.conversation_id),
        inbox_id: InboxId(row.inbox_id),
        channel_id: row.channel_id.map(ChannelId),
        envelope: json("envelope", &row.envelope)?,
        message_id_header: row.message_id_header,
        rewritten_message_id: row.rewritten_message_id,
        composed_blob_id: row.composed_blob_id.map(BlobId),
        handover: match row.graph_draft {
            None => Handover::Smtp,
            Some(draft) => Handover::Graph { draft: Some(draft).filter(|draft| !draft.is_empty()) },
        },
        looks: number("looks", row.looks)?,
        waited_since: time(row.waited_since),
    })
}

pub(crate) fn grant(row: entity::grant::Model) -> Result<Grant> {
    Ok(Grant {
        id: GrantId(row.id),
        account_id: AccountId(row.account_id),
        provider: code("provider", &row.provider, Provider::parse)?,
        oauth_app_id: row.oauth_app_id.map(OauthAppId),
        tid: row.tid,
        oid: row.oid,
        sub: row.sub,
        principal: row.principal,
        status: code("grant status", &row.status, GrantStatus::parse)?,
        failure: row.failure.map(|text| json("failure of a grant", &text)).transpose()?,
        scopes: row.scopes.split_whitespace().map(str::to_owned).collect(),
        version: row.version,
        refreshed_at: Timestamp(row.refreshed_at),
        created_at: Timestamp(row.created_at),
    })
}

pub(crate) fn connection(row: &entity::connection::Model) -> Result<Connection> {
    Ok(Connection {
        id: ConnectionId(row.id),
        account_id: AccountId(row.account_id),
        purpose: code("connection purpose", &row.purpose, ConnectionPurpose::parse)?,
        provider: code("provider", &row.provider, Provider::parse)?,
        oauth_app_id: row.oauth_app_id.map(OauthAppId),
        inbox_id: row.inbox_id.map(InboxId),
        created_by: UserId(row.created_by),
        email: row.email.clone(),
        mailbox: row.mailbox.clone(),
        connect_link_id: row.connect_link_id.map(ConnectLinkId),
        agreed: row.agreed,
        opened_at: time(row.opened_at),
        consent_state: row.consent_state.clone(),
        consent_until: time(row.consent_until),
        consent_seen_at: time(row.consent_seen_at),
        handover_by: row.handover_by.map(UserId),
        accepted_by: row.accepted_by.map(UserId),
        send_transport: row
            .send_transport
            .as_deref()
            .map(|transport| code("send transport", transport, SendTransport::parse))
            .transpose()?,
        status: code("connection status", &row.status, domain::channel::ConnectionStatus::parse)?,
        identity: row.identity.as_deref().map(|i| json("identity", i)).transpose()?,
        grant_id: row.grant_id.map(GrantId),
        result_inbox_id: row.result_inbox_id.map(InboxId),
        failure: row.failure.as_deref().map(|f| json("failure", f)).transpose()?,
        expires_at: Timestamp(row.expires_at),
        consumed_at: time(row.consumed_at),
        created_at: Timestamp(row.created_at),
        updated_at: Timestamp(row.updated_at),
    })
}

pub(crate) fn raw_email(row: entity::raw_email::Model) -> Result<RawEmail> {
    Ok(RawEmail {
        id: RawEmailId(row.id),
        account_id: AccountId(row.account_id),
        inbox_id: InboxId(row.inbox_id),
        channel_id: ChannelId(row.channel_id),
        folder_id: FolderId(row.folder_id),
        uidvalidity: number("uidvalidity", row.uidvalidity)?,
        uid: number("uid", row.uid)?,
        blob_id: BlobId(row.blob_id),
        size_bytes: number("size_bytes", row.size_bytes)?,
        truncated: row.truncated,
        internal_date: time(row.internal_date),
        message_id_header: row.message_id_header,
        fingerprint: row.fingerprint,
        source: code("raw email source", &row.source, RawEmailSource::parse)?,
        state: code("raw email state", &row.state, RawEmailState::parse)?,
        attempts: number("attempts", row.attempts)?,
        reason: row.reason,
        message_id: row.message_id.map(MessageId),
        received_at: Timestamp(row.received_at),
        dismissed_at: time(row.dismissed_at),
    })
}
