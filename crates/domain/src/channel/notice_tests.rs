//! Stories of one mailbox, minute by minute: its two healths, and a notebook that does what it is told.

use super::*;
use FailureClass::*;

const START: Timestamp = Timestamp::from_seconds(1_760_000_000);

#[derive(Default)]
struct Story {
    minute: u64,
    fetch: Health,
    send: Health,
    open: Vec<Standing>,
    told: Vec<(Actor, FailureClass)>,
    ended: usize,
}

impl Story {
    fn well() -> Self {
        let well = Health::default().worked(START);
        Self { fetch: well.clone(), send: well, ..Self::default() }
    }

    fn now(&self) -> Timestamp {
        START.plus(Duration::from_secs(self.minute * 60))
    }

    /// So many minutes, in each of which somebody looks.
    fn pass(&mut self, minutes: u64) -> &mut Self {
        for _ in 0..minutes {
            self.minute += 1;
            for step in look(&self.fetch, &self.send, &self.open, self.now()) {
                match step {
                    Step::Tell { actor, parts, failure, .. } => {
                        self.told.push((actor, failure.class));
                        let id = HealthNoticeId(self.told.len() as i64);
                        self.open.push(Standing { id, actor, parts, is_current: true, failure });
                    }
                    Step::Change(changed) => {
                        let place = self.open.iter_mut().find(|standing| standing.id == changed.id);
                        *place.expect("a standing notice") = changed;
                    }
                    Step::End(id) => {
                        self.open.retain(|standing| standing.id != id);
                        self.ended += 1;
                    }
                }
            }
        }
        self
    }

    fn fetch_fails(&mut self, class: FailureClass) -> &mut Self {
        self.fetch = self.fetch.failed(class.into(), self.now(), None);
        self
    }

    fn send_fails(&mut self, class: FailureClass) -> &mut Self {
        self.send = self.send.failed(class.into(), self.now(), None);
        self
    }

    fn fetch_works(&mut self) -> &mut Self {
        self.fetch = self.fetch.worked(self.now());
        self
    }
}

#[test]
fn the_owner_is_told_after_ten_minutes_and_once_however_long_it_lasts() {
    let mut story = Story::well();
    story.fetch_fails(GrantRevoked).send_fails(GrantRevoked).pass(9);
    assert_eq!(story.told, []);
    story.pass(2000);
    assert_eq!(story.told, [(Actor::Owner, GrantRevoked)], "fetching and sending stand still for one reason");
    assert_eq!(story.open[0].parts, Parts { fetch: true, send: true });
}

#[test]
fn what_mends_itself_is_told_after_an_hour_of_several_failures_and_not_for_one() {
    let mut story = Story::well();
    story.send_fails(TimedOut).pass(3000);
    assert_eq!(story.told, [], "nobody has tried since");
    let mut story = Story::well();
    for _ in 0..7 {
        story.fetch_fails(TimedOut).pass(8);
    }
    assert_eq!(story.told, []);
    story.fetch_fails(ServerUnavailable).pass(8).fetch_fails(TimedOut).pass(500);
    assert_eq!(story.told, [(Actor::Nobody, ServerUnavailable)], "another cause with nobody to act is no other notice");
}

#[test]
fn what_comes_and_goes_is_told_to_nobody() {
    let mut story = Story::well();
    for _ in 0..100 {
        story.fetch_fails(GrantRevoked).pass(9).fetch_works().pass(1);
        story.fetch_fails(TimedOut).pass(25).fetch_fails(TimedOut).pass(25).fetch_works().pass(1);
    }
    assert_eq!((story.told.len(), story.ended), (0, 0));
}

#[test]
fn it_works_again_when_it_has_for_ten_minutes_and_what_flaps_meanwhile_is_the_same_notice() {
    let mut story = Story::well();
    story.fetch_fails(SmtpAuthDisabled).pass(11);
    for _ in 0..50 {
        story.fetch_works().pass(8).fetch_fails(SmtpAuthDisabled).pass(20);
    }
    assert_eq!((story.told.len(), story.ended), (1, 0));
    story.fetch_works().pass(9);
    assert_eq!(story.ended, 0);
    story.pass(1);
    assert_eq!((story.told.len(), story.ended, story.open.len()), (1, 1, 0));
    story.fetch_fails(SmtpAuthDisabled).pass(11);
    assert_eq!(story.told.len(), 2, "after it was well, it is another one");
}

#[test]
fn somebody_else_who_must_act_is_told_and_the_first_one_is_not_told_again() {
    let mut story = Story::well();
    story.fetch_fails(GrantExpired).pass(30).fetch_fails(PolicyBlocked).pass(30);
    assert_eq!(story.told, [(Actor::Owner, GrantExpired), (Actor::TenantAdmin, PolicyBlocked)]);
    assert_eq!(story.open.iter().map(|standing| standing.is_current).collect::<Vec<_>>(), [false, true]);
    story.fetch_fails(GrantRevoked).pass(30).fetch_fails(PolicyBlocked).pass(30);
    assert_eq!(story.told.len(), 2, "both know");
    story.fetch_works().pass(10);
    assert_eq!((story.open.len(), story.ended), (0, 2));
}

#[test]
fn fetching_that_is_well_again_ends_its_notice_while_sending_waits_for_somebody_else() {
    let mut story = Story::well();
    story.fetch_fails(GrantExpired).send_fails(SmtpAuthDisabled).pass(11);
    assert_eq!(story.told, [(Actor::Owner, GrantExpired), (Actor::TenantAdmin, SmtpAuthDisabled)]);
    story.fetch_works().pass(10);
    assert_eq!((story.ended, story.open[0].actor), (1, Actor::TenantAdmin));
}

#[test]
fn what_concerns_the_application_is_never_a_mailboxs_notice() {
    for class in [
        AppCredentialExpired,
        AppCredentialRefused,
        AppUnusable,
        OwnAppCredentialExpired,
        OwnAppCredentialRefused,
        OwnAppUnusable,
    ] {
        let mut story = Story::well();
        for _ in 0..30 {
            story.fetch_fails(class).send_fails(class).pass(10);
        }
        assert_eq!(story.told, [], "{class:?}");
    }
    let mut story = Story::well();
    for _ in 0..30 {
        story.fetch_fails(TlsFailed).pass(10);
    }
    assert_eq!(story.told, [(Actor::Operator, TlsFailed)]);
    let mut story = Story::well();
    for _ in 0..30 {
        story.fetch_fails(AppBlockedByTenant).pass(10);
    }
    assert_eq!(story.told, [(Actor::TenantAdmin, AppBlockedByTenant)], "that one organisation's");
}

#[test]
fn a_person_who_asks_to_try_again_ends_nothing_before_it_works() {
    let mut story = Story::well();
    story.send_fails(SmtpAuthDisabled).pass(11);
    story.send = story.send.asked_again(story.now());
    story.pass(60);
    assert_eq!((story.told.len(), story.ended), (1, 0));
    story.send_fails(SmtpAuthDisabled).pass(60);
    assert_eq!((story.told.len(), story.ended), (1, 0));
}
