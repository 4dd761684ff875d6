//! The closed sets of words that stand in answers and requests, so that the API's document lists them. Each mirrors one domain enum.

use poem_openapi::Enum;

macro_rules! mirror {
    ($($(#[$doc:meta])* $name:ident = $domain:path { $($variant:ident),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
        #[oai(rename_all = "snake_case")]
        pub enum $name { $($variant),* }

        impl From<$domain> for $name {
            fn from(value: $domain) -> Self {
                match value { $(<$domain>::$variant => Self::$variant),* }
            }
        }

        impl From<$name> for $domain {
            fn from(value: $name) -> Self {
                match value { $($name::$variant => Self::$variant),* }
            }
        }
    )*};
}

mirror! {
    /// What a user may do in an account.
    Role = domain::account::Role { Agent, Administrator }
    /// How available an agent says they are.
    Availability = domain::account::Availability { Online, Offline, Busy }
    AccountStatus = domain::account::AccountStatus { Active, Suspended }
    ConversationStatus = domain::conversation::ConversationStatus { Open, Resolved, Pending, Snoozed }
    Priority = domain::conversation::Priority { Low, Medium, High, Urgent }
    /// How the From header names us: "Ada from Contoso" or "Contoso".
    SenderNameType = domain::inbox::SenderNameType { Friendly, Professional }
    /// Through what a mailbox's mail leaves: `smtp`, or `graph` (Microsoft Graph) where authenticated SMTP is switched off.
    SendTransport = domain::channel::SendTransport { Smtp, Graph }
    FileType = domain::message::FileType { Image, Audio, Video, File }
    /// `outcome_unknown`: the connection was lost after the message was handed over.
    DeliveryState = domain::message::DeliveryState { Queued, Sending, Sent, OutcomeUnknown, Failed, Bounced }
    HealthState = domain::channel::HealthState { Unknown, Connected, Failing, NeedsReauth, Blocked }
    ImportState = domain::channel::ImportState { Waiting, Running, Done, Failed }
    ConnectionStatus = domain::channel::ConnectionStatus {
        Pending, AwaitingConfirmation, AwaitingAddress, AwaitingAdminConsent, AwaitingHandover, AwaitingAcceptance, Proving, Connected, Failed, Expired,
    }
    /// How far a connect link has come. `failed`: the last try failed, and the link may be used again.
    ConnectLinkStatus = domain::channel::ConnectLinkStatus {
        Open, Opened, SigningIn, AwaitingAdminConsent, Connected, Failed, Expired, Revoked,
    }
    /// Who can mend it.
    WhoMustAct = domain::Actor { Nobody, Owner, TenantAdmin, Operator, Agent }
    /// Why one is told.
    NotificationType = domain::notification::NotificationKind {
        ConversationMention, ConversationAssignment, AssignedConversationNewMessage, ParticipatingConversationNewMessage, ConversationCreation,
    }
    MessageContentType = domain::message::ContentType { Text, IncomingEmail }
}

/// Chatwoot's word for how far a message has come; `delivery` says it in full for outgoing mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum MessageStatus {
    Sent,
    Delivered,
    Read,
    Failed,
}

impl From<domain::message::DeliveryState> for MessageStatus {
    fn from(state: domain::message::DeliveryState) -> Self {
        match state.chatwoot_status() {
            "failed" => Self::Failed,
            _ => Self::Sent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use poem_openapi::types::ToJSON;

    #[test]
    fn the_words_are_the_domains_words() {
        for state in [domain::message::DeliveryState::OutcomeUnknown, domain::message::DeliveryState::Bounced] {
            assert_eq!(DeliveryState::from(state).to_json(), Some(state.as_str().into()));
        }
        let waiting = domain::channel::ConnectionStatus::AwaitingAdminConsent;
        assert_eq!(ConnectionStatus::from(waiting).to_json(), Some(waiting.as_str().into()));
        assert_eq!(HealthState::NeedsReauth.to_json(), Some("needs_reauth".into()));
        assert_eq!(MessageContentType::IncomingEmail.to_json(), Some("incoming_email".into()));
    }
}
