//! What administrators did, and how two states of a thing differ in words that may be kept.
//!
//! Never a secret, never what a person outside wrote or is called: an entry about a contact or a conversation names its number alone.

use crate::{AccountId, AuditEventId, Timestamp, UserId};
use serde_json::{Map, Value, json};

/// What was done, in the words of Chatwoot's audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuditAction {
    Create,
    Update,
    Destroy,
}

impl AuditAction {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Destroy => "destroy",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Create, Self::Update, Self::Destroy].into_iter().find(|action| action.as_str() == text)
    }
}

/// What it was done to, by the names of Chatwoot's tables where it has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuditSubject {
    Account,
    /// A person's place in the account; its id is the user's.
    AccountUser,
    Inbox,
    /// Who answers in an inbox; its id is the inbox's.
    InboxMember,
    /// The mailbox behind an inbox: signed in again, handed over; its id is the inbox's.
    Channel,
    Webhook,
    Label,
    Team,
    /// Who is in a team; its id is the team's.
    TeamMember,
    CustomAttributeDefinition,
    /// Its id is the number that people see.
    Conversation,
    Contact,
    OauthApp,
    ConnectLink,
}

impl AuditSubject {
    const ALL: [Self; 14] = [
        Self::Account,
        Self::AccountUser,
        Self::Inbox,
        Self::InboxMember,
        Self::Channel,
        Self::Webhook,
        Self::Label,
        Self::Team,
        Self::TeamMember,
        Self::CustomAttributeDefinition,
        Self::Conversation,
        Self::Contact,
        Self::OauthApp,
        Self::ConnectLink,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "Account",
            Self::AccountUser => "AccountUser",
            Self::Inbox => "Inbox",
            Self::InboxMember => "InboxMember",
            Self::Channel => "Channel::Email",
            Self::Webhook => "Webhook",
            Self::Label => "Label",
            Self::Team => "Team",
            Self::TeamMember => "TeamMember",
            Self::CustomAttributeDefinition => "CustomAttributeDefinition",
            Self::Conversation => "Conversation",
            Self::Contact => "Contact",
            Self::OauthApp => "OauthApp",
            Self::ConnectLink => "ConnectLink",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|subject| subject.as_str() == text)
    }
}

/// One entry, as it is read.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEvent {
    pub id: AuditEventId,
    pub account_id: AccountId,
    /// `None`: whoever runs the installation, from its command line.
    pub user_id: Option<UserId>,
    /// Their address for signing in, as it is now.
    pub username: Option<String>,
    pub action: AuditAction,
    pub subject: AuditSubject,
    pub subject_id: i64,
    /// Of an update `{"name": ["before", "after"]}`, else `{"name": "value"}`.
    pub changes: Map<String, Value>,
    /// Where the request came from, as the call limits count it; of IPv6 the network.
    pub remote_address: Option<String>,
    /// The request's id, under which the log has it.
    pub request_id: Option<String>,
    pub created_at: Timestamp,
}

/// Entries are kept this long.
pub const KEPT_DAYS: u64 = 400;

/// What of a thing is another in `after` than in `before`, each as `[before, after]`. Of objects inside, their members are compared.
pub fn differences(before: &Map<String, Value>, after: &Map<String, Value>) -> Map<String, Value> {
    let (before, after) = (flattened(before), flattened(after));
    let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
    let pair = |name: &String| {
        let (old, new) = (before.get(name).unwrap_or(&Value::Null), after.get(name).unwrap_or(&Value::Null));
        (old != new).then(|| (name.clone(), json!([old, new])))
    };
    names.filter_map(pair).collect()
}

/// `{"settings": {"a": 1}}` as `{"settings.a": 1}`: a small change of a big object is a small entry.
fn flattened(map: &Map<String, Value>) -> Map<String, Value> {
    let mut flat = Map::new();
    for (name, value) in map {
        match value {
            Value::Object(inner) => {
                flat.extend(inner.iter().map(|(part, value)| (format!("{name}.{part}"), value.clone())));
            }
            value => {
                flat.insert(name.clone(), value.clone());
            }
        }
    }
    flat
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().expect("an object")
    }

    #[test]
    fn only_what_is_another_is_told_and_with_what_it_was() {
        let before = map(&json!({"name": "Support", "color": "red", "settings": {"greeting": true, "signature": "a"}}));
        let after =
            map(&json!({"name": "Help", "color": "red", "settings": {"greeting": true, "signature": "b"}, "new": 1}));
        let expected = json!({"name": ["Support", "Help"], "settings.signature": ["a", "b"], "new": [null, 1]});
        assert_eq!(Value::Object(differences(&before, &after)), expected);
        assert!(differences(&before, &before).is_empty());
    }

    #[test]
    fn every_subject_and_action_is_found_by_its_name() {
        for subject in AuditSubject::ALL {
            assert_eq!(AuditSubject::parse(subject.as_str()), Some(subject));
        }
        for action in [AuditAction::Create, AuditAction::Update, AuditAction::Destroy] {
            assert_eq!(AuditAction::parse(action.as_str()), Some(action));
        }
    }
}
