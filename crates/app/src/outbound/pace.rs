//! How long a message waits for its turn in its mailbox's line, and for what. Pure: what was sent so far is counted by the store, over all
//! processes.

use domain::channel::Capabilities;
use domain::{Failure, FailureClass};
use std::time::Duration;
use store::{NoTurn, Spent};

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
    Minute,
    Day,
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
}

/// What a message to so many recipients waits for.
pub fn wait(may: &Capabilities, recipients: u32, no: &NoTurn) -> Wait {
    let minute = over(&no.minute, |spent| spent.messages, 1, u64::from(may.messages_per_minute.max(1)));
    let day = over(&no.day, |spent| spent.recipients, recipients.into(), may.recipients_per_day.into());
    let (first, step, why) = match (no.paused, day, minute) {
        (Some(paused), _, _) => (paused, UNTIL_FREE, Why::Paused),
        (None, Some(day), _) => (day, UNTIL_FREE, Why::Day),
        (None, None, Some(minute)) => (minute, MINUTE.div_f64(f64::from(may.messages_per_minute.max(1))), Why::Minute),
        (None, None, None) if no.busy => (UNTIL_FREE, UNTIL_FREE, Why::Busy),
        (None, None, None) => (UNTIL_FREE, UNTIL_FREE, Why::Line),
    };
    let behind = step.saturating_mul(u32::try_from(no.ahead).unwrap_or(u32::MAX));
    Wait { lasts: first.saturating_add(behind), why }
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
pub fn reached(may: &Capabilities, why: Why) -> Option<Failure> {
    match why {
        Why::Minute => {
            let detail = format!("the limit is {} messages a minute", may.messages_per_minute);
            Some(Failure::new(FailureClass::SendingPaced).detail(detail))
        }
        Why::Day => {
            let detail = format!("the limit is {} recipients in 24 hours", may.recipients_per_day);
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

    #[test]
    fn the_thirty_first_message_of_a_minute_waits_until_the_first_is_a_minute_old() {
        let minute = vec![spent(1, 1, 7), spent(28, 28, 20), spent(1, 1, 55)];
        let no = NoTurn { minute, ..NoTurn::default() };
        assert_eq!(wait(&exchange(), 1, &no), Wait { lasts: Duration::from_secs(7), why: Why::Minute });
        // The next ones two seconds apart: that is thirty a minute.
        let no = NoTurn { ahead: 3, ..no };
        assert_eq!(wait(&exchange(), 1, &no).lasts, Duration::from_secs(13));
        let few = NoTurn { minute: vec![spent(29, 29, 55)], busy: true, ..NoTurn::default() };
        assert_eq!(wait(&exchange(), 1, &few).why, Why::Busy);
    }

    #[test]
    fn a_day_takes_ten_thousand_recipients_and_one_message_that_has_more_by_itself() {
        let day = vec![spent(9, 4_000, 600), spent(9, 5_999, 4_000)];
        let no = NoTurn { day, ..NoTurn::default() };
        assert_eq!(wait(&exchange(), 1, &no).why, Why::Line);
        assert_eq!(wait(&exchange(), 2, &no), Wait { lasts: Duration::from_secs(600), why: Why::Day });
        assert_eq!(wait(&exchange(), 4_002, &no).lasts, Duration::from_secs(4_000));
        let agreed = domain::channel::SendingLimits { recipients_per_day: Some(3), ..Default::default() };
        assert_eq!(wait(&exchange().with(agreed), 5, &NoTurn::default()).why, Why::Line);
        assert_eq!(wait(&exchange().with(agreed), 5, &no).lasts, Duration::from_secs(4_000));
    }

    #[test]
    fn what_the_server_asked_for_is_waited_for_whatever_else_stands_in_the_way() {
        let no = NoTurn { paused: Some(Duration::from_secs(90)), busy: true, ahead: 2, ..NoTurn::default() };
        assert_eq!(wait(&exchange(), 1, &no), Wait { lasts: Duration::from_secs(92), why: Why::Paused });
    }
}
