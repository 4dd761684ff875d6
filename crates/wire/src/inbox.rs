//! Inboxes, as members see them and, with the mailbox's settings and health, as administrators do.
//!
//! Passwords are never shown: `imap_password` and `smtp_password` are there for clients that expect them, and are always null.

use crate::health::{Health, ImportProgress, needs_reauthorization};
use crate::words::{HealthState, SendTransport, SenderNameType};
use crate::{JsonObject, conversation::CHANNEL_TYPE};
use poem_openapi::Object;
use poem_openapi::types::MaybeUndefined;

/// How the provider's servers are reached, as the installation is set up.
#[derive(Clone, Debug)]
pub struct MailServers {
    pub imap_address: String,
    pub imap_port: u16,
    pub imap_implicit_tls: bool,
    pub smtp_address: String,
    pub smtp_port: u16,
    pub smtp_implicit_tls: bool,
}

#[derive(Clone, Debug, Object)]
pub struct Inbox {
    pub id: i64,
    pub avatar_url: String,
    pub channel_id: i64,
    pub name: String,
    pub channel_type: String,
    pub greeting_enabled: bool,
    #[oai(nullable)]
    pub greeting_message: Option<String>,
    pub working_hours_enabled: bool,
    pub enable_email_collect: bool,
    pub csat_survey_enabled: bool,
    pub csat_config: JsonObject,
    pub enable_auto_assignment: bool,
    pub auto_assignment_config: JsonObject,
    #[oai(nullable)]
    pub out_of_office_message: Option<String>,
    pub working_hours: Vec<JsonObject>,
    pub timezone: String,
    #[oai(nullable)]
    pub callback_webhook_url: Option<String>,
    pub allow_messages_after_resolved: bool,
    pub lock_to_single_conversation: bool,
    pub sender_name_type: SenderNameType,
    #[oai(nullable)]
    pub business_name: Option<String>,
    #[oai(nullable)]
    pub messaging_service_sid: Option<String>,
    #[oai(nullable)]
    pub phone_number: Option<String>,
    #[oai(nullable)]
    pub provider: Option<String>,
    /// What From says of mail that leaves: where customers write to.
    pub email: String,
    pub forwarding_enabled: bool,

    /// The rest is shown to administrators only.
    #[oai(skip_serializing_if_is_none)]
    pub imap_enabled: Option<bool>,
    #[oai(skip_serializing_if_is_none)]
    pub imap_login: Option<String>,
    /// Always null.
    #[oai(skip_serializing_if_is_none, nullable)]
    pub imap_password: Option<AlwaysNull>,
    #[oai(skip_serializing_if_is_none)]
    pub imap_address: Option<String>,
    #[oai(skip_serializing_if_is_none)]
    pub imap_port: Option<i32>,
    #[oai(skip_serializing_if_is_none)]
    pub imap_enable_ssl: Option<bool>,
    #[oai(skip_serializing_if_is_none)]
    pub imap_authentication: Option<String>,
    #[oai(skip_serializing_if_is_none)]
    pub smtp_enabled: Option<bool>,
    #[oai(skip_serializing_if_is_none)]
    pub smtp_login: Option<String>,
    /// Always null.
    #[oai(skip_serializing_if_is_none, nullable)]
    pub smtp_password: Option<AlwaysNull>,
    #[oai(skip_serializing_if_is_none)]
    pub smtp_address: Option<String>,
    #[oai(skip_serializing_if_is_none)]
    pub smtp_port: Option<i32>,
    #[oai(skip_serializing_if_is_none)]
    pub smtp_domain: Option<String>,
    #[oai(skip_serializing_if_is_none)]
    pub smtp_enable_ssl_tls: Option<bool>,
    #[oai(skip_serializing_if_is_none)]
    pub smtp_enable_starttls_auto: Option<bool>,
    #[oai(skip_serializing_if_is_none)]
    pub smtp_openssl_verify_mode: Option<String>,
    #[oai(skip_serializing_if_is_none)]
    pub smtp_authentication: Option<String>,
    /// The owner must sign in again.
    #[oai(skip_serializing_if_is_none)]
    pub reauthorization_required: Option<bool>,
    /// How reading the mailbox is doing; why, administrators are told. Our addition, as the next three.
    pub fetch_state: HealthState,
    /// Epoch seconds.
    pub fetch_state_since: i64,
    pub send_state: HealthState,
    pub send_state_since: i64,
    /// How reading the mailbox is doing. Our addition.
    #[oai(skip_serializing_if_is_none)]
    pub fetch_health: Option<Health>,
    /// How sending from the mailbox is doing. Our addition.
    #[oai(skip_serializing_if_is_none)]
    pub send_health: Option<Health>,
    /// How fast the mailbox may send. Our addition.
    #[oai(skip_serializing_if_is_none)]
    pub sending_limits: Option<SendingLimits>,
    /// Through what mail leaves. Our addition.
    #[oai(skip_serializing_if_is_none)]
    pub send_transport: Option<SendTransport>,
    /// What From says, as the administrator or the sign-in has settled it. Our addition.
    #[oai(skip_serializing_if_is_none)]
    pub from_address: Option<String>,
    /// When the mail server took a mail with this From, in epoch seconds. Absent: none yet, so it may still be refused. Our addition.
    #[oai(skip_serializing_if_is_none)]
    pub from_address_accepted_at: Option<i64>,
    /// How far the import of the past has come. Our addition.
    #[oai(skip_serializing_if_is_none)]
    pub import: Option<ImportProgress>,
}

impl Inbox {
    /// As every member of the inbox sees it.
    pub fn for_member(inbox: &domain::inbox::Inbox) -> Self {
        let settings = &inbox.settings;
        Self {
            id: inbox.id.0,
            avatar_url: String::new(),
            channel_id: inbox.channel.id.0,
            name: inbox.name.clone(),
            channel_type: CHANNEL_TYPE.to_owned(),
            greeting_enabled: settings.greeting_enabled,
            greeting_message: settings.greeting_message.clone(),
            working_hours_enabled: settings.working_hours_enabled,
            enable_email_collect: false,
            csat_survey_enabled: false,
            csat_config: JsonObject::default(),
            enable_auto_assignment: settings.enable_auto_assignment,
            auto_assignment_config: JsonObject::default(),
            out_of_office_message: settings.out_of_office_message.clone(),
            working_hours: Vec::new(),
            timezone: settings.timezone.clone(),
            callback_webhook_url: None,
            allow_messages_after_resolved: settings.allow_messages_after_resolved,
            lock_to_single_conversation: settings.lock_to_single_conversation,
            sender_name_type: settings.sender_name_type.into(),
            business_name: settings.business_name.clone(),
            messaging_service_sid: None,
            phone_number: None,
            provider: Some(inbox.channel.provider.as_str().to_owned()),
            email: inbox.channel.from_address.as_str().to_owned(),
            forwarding_enabled: false,
            imap_enabled: None,
            imap_login: None,
            imap_password: None,
            imap_address: None,
            imap_port: None,
            imap_enable_ssl: None,
            imap_authentication: None,
            smtp_enabled: None,
            smtp_login: None,
            smtp_password: None,
            smtp_address: None,
            smtp_port: None,
            smtp_domain: None,
            smtp_enable_ssl_tls: None,
            smtp_enable_starttls_auto: None,
            smtp_openssl_verify_mode: None,
            smtp_authentication: None,
            reauthorization_required: None,
            fetch_state: inbox.channel.fetch_health.state.into(),
            fetch_state_since: inbox.channel.fetch_health.since.seconds(),
            send_state: inbox.channel.send_health.state.into(),
            send_state_since: inbox.channel.send_health.since.seconds(),
            fetch_health: None,
            send_health: None,
            sending_limits: None,
            send_transport: None,
            from_address: None,
            from_address_accepted_at: None,
            import: None,
        }
    }

    /// With the mailbox's settings and health.
    pub fn for_administrator(inbox: &domain::inbox::Inbox, servers: &MailServers) -> Self {
        let channel = &inbox.channel;
        Self {
            imap_enabled: Some(true),
            imap_login: Some(channel.mailbox_address.as_str().to_owned()),
            imap_password: Some(AlwaysNull),
            imap_address: Some(servers.imap_address.clone()),
            imap_port: Some(servers.imap_port.into()),
            imap_enable_ssl: Some(servers.imap_implicit_tls),
            imap_authentication: Some("xoauth2".to_owned()),
            smtp_enabled: Some(true),
            smtp_login: Some(channel.smtp_user.clone()),
            smtp_password: Some(AlwaysNull),
            smtp_address: Some(servers.smtp_address.clone()),
            smtp_port: Some(servers.smtp_port.into()),
            smtp_domain: Some(channel.from_address.domain().to_owned()),
            smtp_enable_ssl_tls: Some(servers.smtp_implicit_tls),
            smtp_enable_starttls_auto: Some(!servers.smtp_implicit_tls),
            smtp_openssl_verify_mode: Some("peer".to_owned()),
            smtp_authentication: Some("xoauth2".to_owned()),
            reauthorization_required: Some(needs_reauthorization(channel)),
            fetch_health: Some((&channel.fetch_health).into()),
            send_health: Some((&channel.send_health).into()),
            sending_limits: Some(SendingLimits::of(channel)),
            send_transport: Some(channel.send_transport.into()),
            from_address: Some(channel.from_address.as_str().to_owned()),
            from_address_accepted_at: channel.from_accepted_at.map(domain::Timestamp::seconds),
            import: Some((&channel.import).into()),
            ..Self::for_member(inbox)
        }
    }
}

pub use crate::json::AlwaysNull;

#[derive(Clone, Debug, Object)]
pub struct InboxList {
    pub payload: Vec<Inbox>,
}

/// What one mailbox may send.
#[derive(Clone, Debug, Object)]
pub struct SendingLimits {
    pub messages_per_minute: i64,
    /// Within any 24 hours.
    pub recipients_per_day: i64,
}

impl SendingLimits {
    fn of(channel: &domain::channel::EmailChannel) -> Self {
        let may = channel.capabilities();
        Self { messages_per_minute: may.messages_per_minute.into(), recipients_per_day: may.recipients_per_day.into() }
    }
}

/// What was agreed with the provider for one mailbox. What is absent is as the provider says of every mailbox.
#[derive(Clone, Debug, Object)]
pub struct AgreedSendingLimits {
    #[oai(validator(minimum(value = "1"), maximum(value = "100000")))]
    pub messages_per_minute: Option<i64>,
    #[oai(validator(minimum(value = "1"), maximum(value = "10000000")))]
    pub recipients_per_day: Option<i64>,
}

impl From<AgreedSendingLimits> for domain::channel::SendingLimits {
    fn from(agreed: AgreedSendingLimits) -> Self {
        let number = |value: Option<i64>| value.and_then(|value| u32::try_from(value).ok());
        Self {
            messages_per_minute: number(agreed.messages_per_minute),
            recipients_per_day: number(agreed.recipients_per_day),
        }
    }
}

/// Through what the mailbox is to send.
#[derive(Clone, Debug, Object)]
pub struct SendTransportChange {
    pub send_transport: SendTransport,
}

/// Under which From the mailbox is to send.
#[derive(Clone, Debug, Object)]
pub struct FromAddressChange {
    /// An address that the mail server lets the mailbox send as: one of its own, or one that it has Send As for.
    #[oai(deserialize_with = "crate::json::text", validator(min_length = 3, max_length = 320))]
    pub from_address: String,
}

/// What an administrator may change. Absent leaves as it is; null clears where that makes sense.
#[derive(Clone, Debug, Object)]
pub struct InboxUpdate {
    #[oai(deserialize_with = "crate::json::optional_text", validator(min_length = 1, max_length = 255))]
    pub name: Option<String>,
    pub greeting_enabled: Option<bool>,
    #[oai(deserialize_with = "crate::json::changed_text", nullable, validator(max_length = 10_000))]
    pub greeting_message: MaybeUndefined<String>,
    pub enable_auto_assignment: Option<bool>,
    pub working_hours_enabled: Option<bool>,
    #[oai(deserialize_with = "crate::json::changed_text", nullable, validator(max_length = 10_000))]
    pub out_of_office_message: MaybeUndefined<String>,
    #[oai(deserialize_with = "crate::json::optional_text", validator(min_length = 1, max_length = 64))]
    pub timezone: Option<String>,
    pub allow_messages_after_resolved: Option<bool>,
    pub lock_to_single_conversation: Option<bool>,
    pub sender_name_type: Option<SenderNameType>,
    #[oai(deserialize_with = "crate::json::changed_text", nullable, validator(max_length = 255))]
    pub business_name: MaybeUndefined<String>,
    /// How fast the mailbox may send, where that was agreed with its provider; replaces what was agreed before.
    pub sending_limits: Option<AgreedSendingLimits>,
}
