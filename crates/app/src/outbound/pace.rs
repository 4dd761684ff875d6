//! How long a message waits for its turn in its sender's line, and for what. Pure: what was sent so far is counted by the store, over all
//! processes, for the mailbox and for all mailboxes of the same sender.

use domain::channel::{Capabilities, EmailChannel};
use domain::{Failure, FailureClass};
use std::time::Duration;
use store::{NoTurn, Spending, Spent};

const MINUTE: Duration = Duration::from_secs(60);
/// How long one message takes, about.
const UNTIL_FREE: Duration = Duration::from_secs(1);
/// However long the line is, nobody waits longer than this without asking: what stood in the way may be gone.
pub const ASKS_EVERY: Duration = Duration::from_secs(600);

/// What a message waits for that could go otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The mailbox is left alone for a while, after a refusal that every message would meet.
    Paused,
    /// So many messages a minute.
    Minute(u32),
    /// So many recipients a day.
    Day(u32),
    /// Another message is sent at this moment.
    Busy,
    /// The mailbox is free, and others stand before this one.
    Line,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Until it is this one's turn, about.
    pub lasts: Duration,
    pub why: Why,
    /// So long this mailbox alone must wait, and the sender's others need not.
    pub aside: Option<Duration>,
}

/// What all mailboxes of a sender may do together: what the provider says of everybody, and more where more was agreed for one of them. It is the
/// same whichever of them asks, so what was agreed for one is not undone by another that stands before it in line; that one still has its own
/// limit.
pub fn together(channel: &EmailChannel, others: &[EmailChannel]) -> Capabilities {
    others.iter().map(EmailChannel::sender_capabilities).fold(channel.sender_capabilities(), |all, one| Capabilities {
        messages_per_minute: all.messages_per_minute.max(one.messages_per_minute),
        recipients_per_day: all.recipients_per_day.max(one.recipients_per_day),
        ..all
    })
}

/// What a message to so many recipients waits for, where the mailbox may do so much, and all mailboxes of its sender so much together.
pub fn wait(own: &Capabilities, sender: &Capabilities, recipients: u32, no: &NoTurn) -> Wait {
    let minute = |may: &Capabilities, spending: &Spending| {
        let most = may.messages_per_minute.max(1);
        over(&spending.minute, |spent| spent.messages, 1, u64::from(most)).map(|wait| (wait, most))
    };
    let day = |may: &Capabilities, spending: &Spending| {
        let most = may.recipients_per_day;
        over(&spending.day, |spent| spent.recipients, recipients.into(), most.into()).map(|wait| (wait, most))
    };
    let (own_minute, own_day) = (minute(own, &no.own), day(own, &no.own));
    let (sender_minute, sender_day) = (minute(sender, &no.sender), day(sender, &no.sender));
    let longer = |minute: Option<(Duration, u32)>, day: Option<(Duration, u32)>| minute.max(day).map(|(wait, _)| wait);
    let of_its_own = longer(own_minute, own_day);
    let aside = of_its_own.filter(|_| of_its_own > longer(sender_minute, sender_day));
    let (first, step, why) = match (no.paused, own_day.max(sender_day), own_minute.max(sender_minute)) {
        (Some(paused), _, _) => (paused, UNTIL_FREE, Why::Paused),
        (None, Some((day, most)), _) => (day, UNTIL_FREE, Why::Day(most)),
        (None, None, Some((minute, most))) => (minute, MINUTE.div_f64(f64::from(most)), Why::Minute(most)),
        (None, None, None) if no.busy => (UNTIL_FREE, UNTIL_FREE, Why::Busy),
        (None, None, None) => (UNTIL_FREE, UNTIL_FREE, Why::Line),
    };
    let behind = step.saturating_mul(u32::try_from(no.ahead).unwrap_or(u32::MAX));
    Wait { lasts: first.saturating_add(behind), why, aside }
}

/// When `more` fits under the limit beside what was spent; `None`: now. What is larger than the limit fits when nothing was spent.
fn over(spent: &[Spent], what: impl Fn(&Spent) -> u64, more: u64, limit: u64) -> Option<Duration> {
    let used: u64 = spent.iter().map(&what).sum();
    let excess = (used + more).saturating_sub(limit);
    if excess == 0 || used == 0 {
        return None;
    }
    let mut freed = 0;
    let enough = spent.iter().find(|spent| {
        freed += what(spent);
        freed >= excess
    });
    enough.or(spent.last()).map(|spent| spent.counts_for)
}

/// What people are told of a limit that is reached.
pub fn reached(why: Why) -> Option<Failure> {
    match why {
        Why::Minute(most) => {
            let detail = format!("the limit is {most} messages a minute");
            Some(Failure::new(FailureClass::SendingPaced).detail(detail))
        }
        Why::Day(most) => {
            let detail = format!("the limit is {most} recipients in 24 hours");
            Some(Failure::new(FailureClass::DailyRecipientsReached).detail(detail))
        }
        Why::Paused | Why::Busy | Why::Line => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::channel::Provider;

    fn exchange() -> Capabilities {
        Provider::Microsoft.capabilities()
    }

    fn spent(messages: u64, recipients: u64, seconds: u64) -> Spent {
        Spent { messages, recipients, counts_for: Duration::from_secs(seconds) }
    }

    /// The mailbox is its sender's only one.
    fn alone(spending: Spending) -> NoTurn {
        NoTurn { own: spending.clone(), sender: spending, ..NoTurn::default() }
    }

    fn of(may: &Capabilities, recipients: u32, no: &NoTurn) -> (Duration, Why) {
        let wait = wait(may, &exchange(), recipients, no);
        (wait.lasts, wait.why)
    }

    #[test]
    fn the_thirty_first_message_of_a_minute_waits_until_the_first_is_a_minute_old() {
        let minute = vec![spent(1, 1, 7), spent(28, 28, 20), spent(1, 1, 55)];
        let no = alone(Spending { minute, ..Spending::default() });
        assert_eq!(of(&exchange(), 1, &no), (Duration::from_secs(7), Why::Minute(30)));
        // The next ones two seconds apart: that is thirty a minute.
        let no = NoTurn { ahead: 3, ..no };
        assert_eq!(of(&exchange(), 1, &no).0, Duration::from_secs(13));
        let few = alone(Spending { minute: vec![spent(29, 29, 55)], ..Spending::default() });
        assert_eq!(of(&exchange(), 1, &NoTurn { busy: true, ..few }).1, Why::Busy);
    }

    #[test]
    fn what_the_sender_sent_for_other_mailboxes_counts_and_a_limit_of_the_mailbox_alone_lets_the_others_pass() {
        let minute = |spent| Spending { minute: vec![spent], ..Spending::default() };
        let no = NoTurn { own: minute(spent(2, 2, 9)), sender: minute(spent(30, 30, 20)), ..NoTurn::default() };
        let of_the_sender = wait(&exchange(), &exchange(), 1, &no);
        assert_eq!(
            (of_the_sender.lasts.as_secs(), of_the_sender.why, of_the_sender.aside),
            (20, Why::Minute(30), None)
        );
        let agreed = domain::channel::SendingLimits { messages_per_minute: Some(2), ..Default::default() };
        let no = NoTurn { sender: minute(spent(29, 29, 20)), ..no };
        let by_itself = wait(&exchange().with(agreed), &exchange(), 1, &no);
        let nine = Duration::from_secs(9);
        assert_eq!((by_itself.lasts, by_itself.why, by_itself.aside), (nine, Why::Minute(2), Some(nine)));
    }

    #[test]
    fn a_mailbox_that_may_do_less_than_its_sender_waits_for_its_own_limit_and_lets_the_others_pass() {
        let agreed = domain::channel::SendingLimits { recipients_per_day: Some(50_000), ..Default::default() };
        let raised = exchange().with(agreed);
        let day = |recipients| Spending { day: vec![spent(1, recipients, 600)], ..Spending::default() };
        let no = NoTurn { own: day(10), sender: day(20_010), ..NoTurn::default() };
        assert_eq!(wait(&exchange(), &raised, 1, &no).why, Why::Line);
        let used_up = wait(&exchange(), &raised, 1, &NoTurn { own: day(10_000), sender: day(30_000), ..no });
        let ten_minutes = Duration::from_secs(600);
        assert_eq!((used_up.why, used_up.aside), (Why::Day(10_000), Some(ten_minutes)));
    }

    #[test]
    fn a_day_takes_ten_thousand_recipients_and_one_message_that_has_more_by_itself() {
        let day = vec![spent(9, 4_000, 600), spent(9, 5_999, 4_000)];
        let no = alone(Spending { day, ..Spending::default() });
        assert_eq!(of(&exchange(), 1, &no).1, Why::Line);
        assert_eq!(of(&exchange(), 2, &no), (Duration::from_secs(600), Why::Day(10_000)));
        assert_eq!(of(&exchange(), 4_002, &no).0, Duration::from_secs(4_000));
        let agreed = domain::channel::SendingLimits { recipients_per_day: Some(3), ..Default::default() };
        assert_eq!(of(&exchange().with(agreed), 5, &NoTurn::default()).1, Why::Line);
        assert_eq!(of(&exchange().with(agreed), 5, &no).0, Duration::from_secs(4_000));
    }

    #[test]
    fn what_the_server_asked_for_is_waited_for_whatever_else_stands_in_the_way() {
        let no = NoTurn { paused: Some(Duration::from_secs(90)), busy: true, ahead: 2, ..NoTurn::default() };
        assert_eq!(of(&exchange(), 1, &no), (Duration::from_secs(92), Why::Paused));
    }
}
