//! How fetching, or sending, of a channel is doing. The two are separate: a mailbox that cannot send is still read.
//!
//! Transitions are pure. A timeout, a throttle or a server's bad day never asks anybody to sign in again: only a class whose
//! [`Actor`] is a person outside moves a channel beyond `failing`.

use crate::Timestamp;
use crate::failure::{Actor, Failure, FailureClass, Retry};
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthState {
    /// Not tried yet.
    #[default]
    Unknown,
    Connected,
    /// It does not work at the moment, and mends itself.
    Failing,
    /// The owner must sign in again.
    NeedsReauth,
    /// Somebody outside must change something first.
    Blocked,
}

impl HealthState {
    const ALL: [Self; 5] = [Self::Unknown, Self::Connected, Self::Failing, Self::NeedsReauth, Self::Blocked];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Connected => "connected",
            Self::Failing => "failing",
            Self::NeedsReauth => "needs_reauth",
            Self::Blocked => "blocked",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }

    /// Work on the channel goes on by itself; in the other states it waits for a person.
    pub const fn is_tried(self) -> bool {
        match self {
            Self::Unknown | Self::Connected | Self::Failing => true,
            Self::NeedsReauth | Self::Blocked => false,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    pub state: HealthState,
    pub since: Timestamp,
    /// The last time it worked.
    pub last_ok_at: Option<Timestamp>,
    pub next_try_at: Option<Timestamp>,
    pub failures_in_a_row: u32,
    /// The first failure of the present run of failures.
    pub failing_since: Option<Timestamp>,
    pub failure: Option<Failure>,
    /// Of those failures, the sign-ins that were refused although the token was fresh. Only they may end in asking a person: what else
    /// fails between them neither counts nor takes anything back.
    #[serde(default)]
    pub refusals: u32,
    /// The first of these refusals.
    #[serde(default)]
    pub refused_since: Option<Timestamp>,
    /// Refusals by the sign-in service that nobody here understands: they pass, or end in asking a person when they have lasted for a day.
    #[serde(default)]
    pub unknowns: u32,
    #[serde(default)]
    pub unknown_since: Option<Timestamp>,
}

/// Refused sign-ins with fresh tokens that are borne before a person is asked: five over an hour (Exchange refuses now and then by itself).
pub const REFUSALS_BEFORE_ASKING: u32 = 5;
pub const REFUSALS_WINDOW_SECONDS: u64 = 3600;

/// What nobody understands is borne for so long, and at least so often.
pub const UNKNOWN_FOR: Duration = Duration::from_secs(24 * 3600);
pub const UNKNOWNS_BEFORE_ASKING: u32 = 3;

impl Health {
    /// One more refusal that nobody understands, and they have lasted: a person is to be asked.
    pub fn outlasts(&self, now: Timestamp) -> bool {
        self.unknowns.saturating_add(1) >= UNKNOWNS_BEFORE_ASKING
            && self.unknown_since.is_some_and(|first| now.since(first) >= UNKNOWN_FOR)
    }

    #[must_use]
    pub fn worked(&self, now: Timestamp) -> Self {
        let since = if self.state == HealthState::Connected { self.since } else { now };
        Self { state: HealthState::Connected, since, last_ok_at: Some(now), ..Self::default() }
    }

    /// The state after a failure. `next_try_at` is when the caller will try again by itself.
    #[must_use]
    pub fn failed(&self, failure: Failure, now: Timestamp, next_try_at: Option<Timestamp>) -> Self {
        let (refusals, refused_since) = match failure.class.retry() {
            Retry::FreshToken => (self.refusals.saturating_add(1), Some(self.refused_since.unwrap_or(now))),
            Retry::Never | Retry::Later | Retry::Done => (self.refusals, self.refused_since),
        };
        let lasting = refusals >= REFUSALS_BEFORE_ASKING
            && refused_since.is_some_and(|first| now.since(first).as_secs() >= REFUSALS_WINDOW_SECONDS);
        let unknown = failure.class == FailureClass::RefusalUnknown;
        let state = state_for(&failure, lasting);
        Self {
            state,
            since: if state == self.state { self.since } else { now },
            last_ok_at: self.last_ok_at,
            next_try_at: if state.is_tried() { next_try_at } else { None },
            failures_in_a_row: self.failures_in_a_row.saturating_add(1),
            failing_since: Some(self.failing_since.unwrap_or(now)),
            failure: Some(failure),
            refusals,
            refused_since,
            unknowns: self.unknowns.saturating_add(u32::from(unknown)),
            unknown_since: if unknown { Some(self.unknown_since.unwrap_or(now)) } else { self.unknown_since },
        }
    }

    /// A person pressed "try again", or signed in again.
    #[must_use]
    pub fn asked_again(&self, now: Timestamp) -> Self {
        Self { state: HealthState::Unknown, since: now, last_ok_at: self.last_ok_at, ..Self::default() }
    }
}

fn state_for(failure: &Failure, lasting: bool) -> HealthState {
    match (failure.class.retry(), failure.class.actor()) {
        // Refused with a fresh token: Exchange does that in passing too, so only when it lasts.
        (Retry::FreshToken, Actor::TenantAdmin) if lasting => HealthState::Blocked,
        (Retry::FreshToken, _) if lasting => HealthState::NeedsReauth,
        (Retry::FreshToken | Retry::Later | Retry::Done, _) => HealthState::Failing,
        (Retry::Never, Actor::Owner) => HealthState::NeedsReauth,
        (Retry::Never, Actor::TenantAdmin) => match failure.class {
            FailureClass::AdminConsentRequired => HealthState::NeedsReauth,
            _ => HealthState::Blocked,
        },
        // A bug of ours, or one message's trouble, says nothing about the mailbox.
        (Retry::Never, Actor::Nobody | Actor::Operator | Actor::Agent) => HealthState::Failing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_760_000_000);

    #[test]
    fn a_timeout_never_asks_anybody_to_sign_in_again() {
        let mut health = Health::default();
        for hour in 0..100u64 {
            health = health.failed(FailureClass::TimedOut.into(), NOW.plus(Duration::from_secs(hour * 3600)), None);
            assert_eq!(health.state, HealthState::Failing);
        }
    }

    /// Whatever their order, and however long it lasts.
    #[test]
    fn what_nobody_outside_can_mend_never_asks_anybody_outside() {
        let passing: Vec<FailureClass> = FailureClass::ALL
            .iter()
            .copied()
            .filter(|class| matches!(class.actor(), Actor::Nobody | Actor::Operator | Actor::Agent))
            .collect();
        let mut seed = 1u64;
        let mut dice = |most: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % most
        };
        let (mut health, mut now) = (Health::default(), NOW);
        for _ in 0..20_000 {
            now = now.plus(Duration::from_secs(dice(7200)));
            let class = passing[usize::try_from(dice(passing.len() as u64)).expect("a small number")];
            health = if dice(50) == 0 { health.worked(now) } else { health.failed(class.into(), now, None) };
            assert!(matches!(health.state, HealthState::Failing | HealthState::Connected), "{class:?}: {health:?}");
        }
    }

    #[test]
    fn a_refusal_that_nobody_understands_lasts_when_it_came_three_times_over_a_day_without_a_success() {
        let unknown = |health: Health, hour: u64| {
            health.failed(FailureClass::RefusalUnknown.into(), NOW.plus(Duration::from_secs(hour * 3600)), None)
        };
        let at = |hour: u64| NOW.plus(Duration::from_secs(hour * 3600));
        let two = unknown(unknown(Health::default(), 0), 1);
        assert!(!two.outlasts(at(23)) && two.outlasts(at(24)));
        assert!(!unknown(Health::default(), 0).outlasts(at(48)), "twice may be chance");
        assert!(!two.worked(at(2)).outlasts(at(48)));
        assert!(
            two.failed(FailureClass::TimedOut.into(), at(2), None).outlasts(at(24)),
            "a timeout takes nothing back"
        );
    }

    #[test]
    fn a_refused_sign_in_asks_the_owner_only_after_five_refusals_over_an_hour() {
        let mut health = Health::default().worked(NOW);
        for minute in [1u64, 6, 21, 40] {
            health = health.failed(
                FailureClass::AuthenticationRefused.into(),
                NOW.plus(Duration::from_secs(minute * 60)),
                None,
            );
            assert_eq!(health.state, HealthState::Failing);
        }
        let later = NOW.plus(Duration::from_secs(62 * 60));
        assert_eq!(
            health.failed(FailureClass::AuthenticationRefused.into(), later, None).state,
            HealthState::NeedsReauth
        );
    }

    /// The healths after each of these, a class and the minute in which it came.
    fn run_of(failures: &[(FailureClass, u64)]) -> Vec<HealthState> {
        let mut health = Health::default().worked(NOW);
        let mut after = |(class, minute): &(FailureClass, u64)| {
            health = health.failed((*class).into(), NOW.plus(Duration::from_secs(minute * 60)), None);
            health.state
        };
        failures.iter().map(&mut after).collect()
    }

    #[test]
    fn what_passes_by_itself_is_no_refusal_and_does_not_start_the_hour() {
        use FailureClass::{
            AppCredentialExpired, AuthenticationRefused, MailboxNotConnected, SendingRefused, ServerUnavailable,
            SignInUnavailable, Throttled, TimedOut,
        };
        let passing = [TimedOut, Throttled, ServerUnavailable, SignInUnavailable, AppCredentialExpired];
        for refused in [AuthenticationRefused, MailboxNotConnected, SendingRefused] {
            // More than an hour of a bad day; then the server is back, and refuses once, as it does now and then.
            let mut failures: Vec<_> = (0..13).map(|n| (passing[n % passing.len()], n as u64 * 5 + 2)).collect();
            failures.push((refused, 64));
            assert!(run_of(&failures).iter().all(|state| *state == HealthState::Failing), "{refused:?}");
            // Four more within its own hour are borne as well.
            failures.extend([70, 80, 90, 100].map(|minute| (refused, minute)));
            assert!(run_of(&failures).iter().all(|state| *state == HealthState::Failing), "{refused:?}");
            failures.push((refused, 125));
            assert!(!run_of(&failures).last().expect("a state").is_tried(), "{refused:?}");
        }
    }

    #[test]
    fn a_timeout_between_refusals_takes_nothing_back_and_a_success_does() {
        use FailureClass::{AuthenticationRefused as Refused, TimedOut};
        let failures = [(Refused, 1), (TimedOut, 5), (Refused, 20), (Refused, 30), (TimedOut, 40), (Refused, 50)];
        let mut failures = failures.to_vec();
        failures.extend([(TimedOut, 70), (Refused, 75)]);
        let (last, before) = run_of(&failures).split_last().map(|(last, rest)| (*last, rest.to_vec())).expect("states");
        assert_eq!(last, HealthState::NeedsReauth);
        assert!(before.iter().all(|state| *state == HealthState::Failing));

        let refused = |health: Health, minute: u64| {
            health.failed(Refused.into(), NOW.plus(Duration::from_secs(minute * 60)), None)
        };
        let four = [1, 20, 30, 50].into_iter().fold(Health::default(), refused);
        let well = four.worked(NOW.plus(Duration::from_secs(60 * 60)));
        assert_eq!((well.refusals, well.refused_since), (0, None));
        assert_eq!(refused(well, 75).state, HealthState::Failing);
        let asked = four.asked_again(NOW.plus(Duration::from_secs(60 * 60)));
        assert_eq!(refused(asked, 75).state, HealthState::Failing);
    }

    #[test]
    fn a_health_that_was_stored_before_refusals_were_counted_is_read() {
        let stored = r#"{"state":"failing","since":1,"last_ok_at":null,"next_try_at":null,"failures_in_a_row":7,"failing_since":1,"failure":null}"#;
        let health: Health = serde_json::from_str(stored).expect("a health");
        assert_eq!((health.failures_in_a_row, health.refusals, health.refused_since), (7, 0, None));
        assert_eq!((health.unknowns, health.unknown_since), (0, None));
    }

    #[test]
    fn disabled_smtp_blocks_at_once_and_success_forgets_it() {
        let blocked = Health::default().failed(FailureClass::SmtpAuthDisabled.into(), NOW, Some(NOW));
        assert_eq!((blocked.state, blocked.next_try_at), (HealthState::Blocked, None));
        let well = blocked.worked(NOW.plus(Duration::from_secs(1)));
        assert_eq!((well.state, well.failures_in_a_row, well.failure), (HealthState::Connected, 0, None));
    }

    #[test]
    fn an_expired_app_secret_is_nobodys_mailbox_problem() {
        let health = Health::default().failed(FailureClass::AppCredentialExpired.into(), NOW, None);
        assert_eq!(health.state, HealthState::Failing);
    }
}
