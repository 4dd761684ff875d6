//! Webhooks: which events somebody may ask to be told of, how long one is tried, and when telling ends. Pure.

use crate::failure::backoff;
use crate::{InboxId, Timestamp, WebhookId};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What may be subscribed to: Chatwoot's names, and ours. Of Chatwoot's, `webwidget_triggered` and the two of typing can be named and
/// never come: there is no widget here, and typing is not kept.
pub const SUBSCRIPTIONS: &[&str] = &[
    "conversation_created",
    "conversation_updated",
    "conversation_status_changed",
    "message_created",
    "message_updated",
    "contact_created",
    "contact_updated",
    "webwidget_triggered",
    "conversation_typing_on",
    "conversation_typing_off",
    "inbox_created",
    "inbox_updated",
    "inbox_deleted",
    "inbox_health_changed",
    "oauth_app_health_changed",
    "oauth_app_credential_ending",
    "inbox_health_notice",
    "delivery_updated",
    "connection_updated",
    "connect_link_updated",
    "contact_merged",
    "contact_deleted",
];

/// What one is told who names nothing: Chatwoot's default.
pub const DEFAULT_SUBSCRIPTIONS: &[&str] = &[
    "conversation_status_changed",
    "conversation_updated",
    "conversation_created",
    "contact_created",
    "contact_updated",
    "message_created",
    "message_updated",
    "webwidget_triggered",
];

pub const MAX_URL_CHARS: usize = 2048;
/// Webhooks of one account at most.
pub const MAX_WEBHOOKS: u32 = 50;
/// How long both secrets are signed with after a new one was made.
pub const ROTATION: Duration = Duration::from_secs(24 * 3600);
/// How long one event is tried, from its first try on. Events are kept for as long (EVENTS_KEPT_HOURS).
pub const TRIED_FOR: Duration = Duration::from_secs(24 * 3600);
/// An address that took nothing for so long is told nothing any more.
pub const DISABLED_AFTER: Duration = Duration::from_secs(3 * 24 * 3600);
const FIRST_WAIT: Duration = Duration::from_secs(10);
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// Failures in a row from which on the address is left alone for a while, and its events with it.
const PAUSED_FROM: u32 = 3;
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// Whom an account tells. Its secrets are not in here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    pub id: WebhookId,
    /// `None`: of all inboxes.
    pub inbox_id: Option<InboxId>,
    pub name: Option<String>,
    pub url: String,
    pub subscriptions: Vec<String>,
    pub disabled: Option<Disabled>,
    pub failing_since: Option<Timestamp>,
    pub failures_in_a_row: u32,
    pub delivered_at: Option<Timestamp>,
    /// The secret before the last one is signed with until then.
    pub previous_until: Option<Timestamp>,
    pub created_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disabled {
    pub at: Timestamp,
    pub reason: DisabledReason,
}

/// Why nothing is told any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisabledReason {
    /// An administrator said so.
    ByPerson,
    /// Nothing was taken for [`DISABLED_AFTER`].
    Failing,
    /// The address answered 410 (RFC 9110 §15.5.11): nobody is there any more.
    Gone,
}

impl DisabledReason {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ByPerson => "by_person",
            Self::Failing => "failing",
            Self::Gone => "gone",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::ByPerson, Self::Failing, Self::Gone].into_iter().find(|reason| reason.as_str() == text)
    }
}

impl Webhook {
    /// Whether it is told of this event. `inbox`: the event's.
    pub fn hears(&self, event: &str, inbox: Option<InboxId>) -> bool {
        self.disabled.is_none()
            && self.inbox_id.is_none_or(|own| inbox == Some(own))
            && self.subscriptions.iter().any(|name| name == event)
    }
}

/// What comes after a try that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AfterFailure {
    /// `None`: this event is not tried any more.
    pub again_in: Option<Duration>,
    /// The address is left alone for so long.
    pub pause: Duration,
    pub disable: Option<DisabledReason>,
}

/// `attempts`: of this event, this one included. `tried_since`: when the first was. `failures`: of the address in a row, this one included.
/// `failing_since`: when its first failure was. `jitter`: 0.0 to 1.0.
pub fn after_failure(
    status: Option<u16>,
    attempts: u32,
    tried_since: Timestamp,
    (failures, failing_since): (u32, Timestamp),
    now: Timestamp,
    jitter: f64,
) -> AfterFailure {
    let disable = match status {
        Some(410) => Some(DisabledReason::Gone),
        _ if now.since(failing_since) >= DISABLED_AFTER => Some(DisabledReason::Failing),
        _ => None,
    };
    let wait = backoff(attempts.max(1), FIRST_WAIT, LONGEST_WAIT, jitter);
    let again_in = (disable.is_none() && now.plus(wait).since(tried_since) <= TRIED_FOR).then_some(wait);
    let pause = match failures.checked_sub(PAUSED_FROM) {
        Some(more) => backoff(more + 1, FIRST_WAIT, LONGEST_PAUSE, jitter),
        None => Duration::ZERO,
    };
    AfterFailure { again_in, pause, disable }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

    fn webhook() -> Webhook {
        Webhook {
            id: WebhookId(1),
            inbox_id: None,
            name: None,
            url: "https://a.example/".to_owned(),
            subscriptions: vec!["message_created".to_owned()],
            disabled: None,
            failing_since: None,
            failures_in_a_row: 0,
            delivered_at: None,
            previous_until: None,
            created_at: NOW,
        }
    }

    #[test]
    fn a_webhook_hears_what_it_subscribed_to_of_its_inbox_as_long_as_it_is_enabled() {
        let all = webhook();
        assert!(all.hears("message_created", None) && all.hears("message_created", Some(InboxId(7))));
        assert!(!all.hears("message_updated", None));
        let one = Webhook { inbox_id: Some(InboxId(7)), ..webhook() };
        assert!(one.hears("message_created", Some(InboxId(7))));
        assert!(!one.hears("message_created", Some(InboxId(8))) && !one.hears("message_created", None));
        let disabled = Some(Disabled { at: NOW, reason: DisabledReason::Gone });
        assert!(!Webhook { disabled, ..webhook() }.hears("message_created", None));
    }

    #[test]
    fn an_event_is_tried_for_a_day_and_an_address_that_is_gone_or_fails_for_three_days_is_told_nothing_more() {
        let first = after_failure(Some(500), 1, NOW, (1, NOW), NOW, 0.5);
        assert!(first.again_in.is_some_and(|wait| wait <= FIRST_WAIT * 2) && first.pause.is_zero());
        let late = after_failure(None, 20, NOW, (2, NOW), NOW.plus(TRIED_FOR), 0.5);
        assert_eq!((late.again_in, late.disable), (None, None));
        let gone = after_failure(Some(410), 1, NOW, (1, NOW), NOW, 0.5);
        assert_eq!((gone.again_in, gone.disable), (None, Some(DisabledReason::Gone)));
        let failing = after_failure(Some(500), 1, NOW.plus(DISABLED_AFTER), (9, NOW), NOW.plus(DISABLED_AFTER), 0.5);
        assert_eq!((failing.again_in, failing.disable), (None, Some(DisabledReason::Failing)));
    }

    #[test]
    fn an_address_that_fails_again_and_again_is_left_alone_for_ever_longer_up_to_ten_minutes() {
        let pause = |failures| after_failure(None, 1, NOW, (failures, NOW), NOW, 0.5).pause;
        assert_eq!((pause(1), pause(2)), (Duration::ZERO, Duration::ZERO));
        assert!(!pause(3).is_zero() && pause(3) < pause(6) && pause(1000) <= LONGEST_PAUSE * 2);
    }
}
