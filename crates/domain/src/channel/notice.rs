//! When people are told that a mailbox does not work, and when that it works again. Pure.
//!
//! One notice per mailbox and person who must act, from the end of a dwell time until the mailbox has been well for a while: what comes and
//! goes within that time is told to nobody, and what changes its cause without changing who must act is the same notice. What concerns the
//! application's registration at the provider is no mailbox's trouble, and never a notice of one.

use super::health::{Health, HealthState};
use crate::failure::{Actor, Failure, FailureClass};
use crate::{HealthNoticeId, Timestamp};
use std::time::Duration;

/// A person must act: told after this.
pub const PERSON_DWELL: Duration = Duration::from_secs(10 * 60);
/// It is still being tried: told after this.
pub const FAILING_DWELL: Duration = Duration::from_secs(60 * 60);
/// And not for one or two tries that happen to be an hour apart.
pub const FEWEST_FAILURES: u32 = 3;
/// Well for so long, it is well again.
pub const WELL_AGAIN: Duration = Duration::from_secs(10 * 60);

/// Which half of a mailbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    pub fetch: bool,
    pub send: bool,
}

impl Parts {
    const FETCH: Self = Self { fetch: true, send: false };
    const SEND: Self = Self { fetch: false, send: true };

    fn and(self, other: Self) -> Self {
        Self { fetch: self.fetch || other.fetch, send: self.send || other.send }
    }
}

/// A notice that has not ended, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub id: HealthNoticeId,
    pub actor: Actor,
    /// What it has been about since it began.
    pub parts: Parts,
    /// It is this actor who must act now; else it has become somebody else's.
    pub is_current: bool,
    pub failure: Failure,
}

/// What is to be done about one mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Tell {
        actor: Actor,
        parts: Parts,
        failure: Failure,
        since: Timestamp,
    },
    /// Nobody is told.
    Change(Standing),
    /// It works again.
    End(HealthNoticeId),
}

/// `open`: the mailbox's notices that have not ended.
pub fn look(fetch: &Health, send: &Health, open: &[Standing], now: Timestamp) -> Vec<Step> {
    let halves = [(Parts::FETCH, fetch), (Parts::SEND, send)];
    let mut steps = Vec::new();
    for standing in open {
        let covers = |parts: Parts| parts.and(standing.parts) == standing.parts;
        if halves.iter().all(|(parts, health)| !covers(*parts) || is_well(health, now)) {
            steps.push(Step::End(standing.id));
            continue;
        }
        let of_theirs =
            |health: &Health| ailment(health).is_some_and(|failure| failure.class.actor() == standing.actor);
        let mut changed = standing.clone();
        changed.is_current = false;
        for (parts, health) in halves {
            let told_now = covers(parts) || to_tell(health, now);
            if let (true, true, Some(failure)) = (of_theirs(health), told_now, &health.failure) {
                if !changed.is_current && failure.class != standing.failure.class {
                    changed.failure = failure.clone();
                }
                changed.is_current = true;
                changed.parts = changed.parts.and(parts);
            }
        }
        if changed != *standing {
            steps.push(Step::Change(changed));
        }
    }
    let mut told: Vec<(Actor, Parts, &Failure, Timestamp)> = Vec::new();
    for (parts, health) in halves {
        let Some(failure) = ailment(health).filter(|_| to_tell(health, now)) else { continue };
        let actor = failure.class.actor();
        if open.iter().any(|standing| standing.actor == actor) {
            continue;
        }
        match told.iter_mut().find(|(known, ..)| *known == actor) {
            Some((_, known, _, since)) => {
                *known = known.and(parts);
                *since = (*since).min(begun(health));
            }
            None => told.push((actor, parts, failure, begun(health))),
        }
    }
    steps.extend(told.into_iter().map(|(actor, parts, failure, since)| Step::Tell {
        actor,
        parts,
        failure: failure.clone(),
        since,
    }));
    steps
}

/// Why this half does not work, where that is somebody's to hear of.
fn ailment(health: &Health) -> Option<&Failure> {
    match health.state {
        HealthState::Unknown | HealthState::Connected => None,
        HealthState::Failing | HealthState::NeedsReauth | HealthState::Blocked => {
            health.failure.as_ref().filter(|failure| is_a_mailboxs(failure.class))
        }
    }
}

/// What the provider has against the application is met in every mailbox alike: that is one alarm of the application's, not one of each
/// mailbox. And what an agent must mend is one message's trouble. An application that one organisation does not let in is that mailbox's trouble.
fn is_a_mailboxs(class: FailureClass) -> bool {
    !class.is_of_the_app() && class.actor() != Actor::Agent
}

fn begun(health: &Health) -> Timestamp {
    match health.state {
        HealthState::Failing => health.failing_since.unwrap_or(health.since),
        HealthState::NeedsReauth | HealthState::Blocked | HealthState::Unknown | HealthState::Connected => health.since,
    }
}

fn to_tell(health: &Health, now: Timestamp) -> bool {
    let lasts = now.since(begun(health));
    match health.state {
        HealthState::NeedsReauth | HealthState::Blocked => lasts >= PERSON_DWELL,
        HealthState::Failing => lasts >= FAILING_DWELL && health.failures_in_a_row >= FEWEST_FAILURES,
        HealthState::Unknown | HealthState::Connected => false,
    }
}

fn is_well(health: &Health, now: Timestamp) -> bool {
    health.state == HealthState::Connected && now.since(health.since) >= WELL_AGAIN
}

#[cfg(test)]
#[path = "notice_tests.rs"]
mod tests;
