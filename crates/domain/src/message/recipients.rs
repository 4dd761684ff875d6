//! Who has a message, who was refused it, and who still waits for it. Pure.
//!
//! A server answers for each recipient by itself, so one message may need several sendings: whoever has it is never sent it again, and
//! whoever was put off is tried later. A provider that remembers Message-IDs swallows a second mail under one that it has taken, whoever it
//! is for. So people are only added to a sending while its Message-ID is certainly unused, and the next sending gets another.

use crate::EmailAddress;
use crate::failure::{Failure, FailureClass, Retry};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Recipients {
    /// Everybody the message is for: To, Cc and Bcc, each once. Follows from the envelope.
    #[serde(skip)]
    pub all: Vec<EmailAddress>,
    pub accepted: Vec<AcceptedRecipient>,
    /// Not tried again unless a person asks.
    pub refused: Vec<RefusedRecipient>,
    /// Put off by the server: they wait, and are no part of the sending under the present Message-ID.
    pub deferred: Vec<RefusedRecipient>,
    pub id_use: IdUse,
}

/// Whether the server took a mail under the present Message-ID.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdUse {
    #[default]
    Unused,
    /// A sending ended without an answer.
    Unknown,
    Taken,
}

/// The server took the message for this recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedRecipient {
    pub address: EmailAddress,
    /// The Message-IDs it left under: ours, and the provider's where it made another of it. A report of failure names one of them.
    pub ids: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedRecipient {
    pub address: String,
    /// The server's own words.
    pub server_said: String,
    /// What they mean.
    #[serde(default = "refused")]
    pub class: FailureClass,
    /// The server had taken it; a report came back.
    #[serde(default)]
    pub bounced: bool,
}

const fn refused() -> FailureClass {
    FailureClass::RecipientRefused
}

impl RefusedRecipient {
    pub fn new(address: &EmailAddress, failure: &Failure) -> Self {
        Self {
            address: address.to_string(),
            server_said: failure.server_said.clone().unwrap_or_default(),
            class: failure.class,
            bounced: false,
        }
    }

    /// Trying again cannot help.
    pub fn is_final(&self) -> bool {
        match self.class.retry() {
            Retry::Never | Retry::Done => true,
            Retry::Later | Retry::FreshToken => false,
        }
    }

    fn is(&self, address: &EmailAddress) -> bool {
        address.is_written(&self.address)
    }
}

impl Recipients {
    pub fn new(all: Vec<EmailAddress>) -> Self {
        Self { all, ..Self::default() }
    }

    /// They do not have it, and were not refused it for good.
    pub fn waiting(&self) -> Vec<EmailAddress> {
        let done = |address: &EmailAddress| self.has(address) || self.refused.iter().any(|r| r.is(address));
        self.all.iter().filter(|address| !done(address)).cloned().collect()
    }

    /// Whom the sending under the present Message-ID is for.
    pub fn round(&self) -> Vec<EmailAddress> {
        let mut round = self.waiting();
        round.retain(|address| !self.deferred.iter().any(|r| r.is(address)));
        round
    }

    fn has(&self, address: &EmailAddress) -> bool {
        self.accepted.iter().any(|a| a.address.same_as(address))
    }

    /// A sending begins. Everybody who waits joins it, unless one under the same Message-ID may have been taken: then it is for the same
    /// people as that one.
    pub fn begin(&mut self) {
        if self.id_use == IdUse::Unused {
            self.deferred.clear();
        }
    }

    /// The next sending has a Message-ID of its own, and is for everybody who waits.
    pub fn renew(&mut self) {
        self.id_use = IdUse::Unused;
        self.deferred.clear();
    }

    /// The server refused these, for good or for now.
    pub fn hear(&mut self, refusals: &[RefusedRecipient]) {
        for refusal in refusals {
            let list = if refusal.is_final() { &mut self.refused } else { &mut self.deferred };
            list.retain(|known| known.address != refusal.address);
            list.push(refusal.clone());
        }
    }

    /// The server took the mail under these ids (the first is ours) for these people.
    pub fn accept(&mut self, whom: &[EmailAddress], ids: &[String]) {
        let taken = |r: &RefusedRecipient| whom.iter().any(|address| r.is(address));
        self.deferred.retain(|r| !taken(r));
        // A report may have been quicker than the server's answer.
        self.refused.retain(|r| r.bounced || !taken(r));
        for address in whom {
            if !self.has(address) && !self.refused.iter().any(|r| r.is(address)) {
                self.accepted.push(AcceptedRecipient { address: address.clone(), ids: ids.to_vec() });
            }
        }
        self.id_use = IdUse::Taken;
    }

    /// It is not known whether the server took the mail.
    pub fn wonder(&mut self) {
        if self.id_use == IdUse::Unused {
            self.id_use = IdUse::Unknown;
        }
    }

    /// Whoever waits does not wait any longer.
    pub fn give_up(&mut self, failure: &Failure) {
        for address in self.waiting() {
            let heard = self.deferred.iter().find(|r| r.is(&address)).cloned();
            self.refused.push(heard.unwrap_or_else(|| RefusedRecipient::new(&address, failure)));
        }
        self.deferred.clear();
    }

    /// A report says that what left under `id` did not reach these. `false`: nothing of it is known here, or it is known already.
    pub fn bounce(&mut self, id: &str, reported: &[RefusedRecipient]) -> bool {
        let under = |a: &AcceptedRecipient| a.ids.iter().any(|known| known == id);
        let alone = self.accepted.iter().filter(|a| under(a)).count() == 1 && !self.refused.iter().any(|r| r.bounced);
        let mut changed = false;
        for report in reported {
            // The only one who got it under this id is meant, whatever address it was forwarded to.
            let at = self.accepted.iter().position(|a| under(a) && (alone || report.is(&a.address)));
            let address = match at {
                Some(at) => self.accepted.remove(at).address.to_string(),
                None if self.accepted.iter().any(under) => report.address.clone(),
                None => continue,
            };
            let known = |r: &RefusedRecipient| r.bounced && r.address.eq_ignore_ascii_case(&address);
            if !self.refused.iter().any(known) {
                self.refused.push(RefusedRecipient { address, bounced: true, ..report.clone() });
                changed = true;
            }
        }
        changed
    }

    /// A person asks for another try: for those who were refused. Where a report named nobody that we wrote to, it was for somebody behind
    /// one of them, and all are tried.
    pub fn try_again(&mut self) {
        let refused = std::mem::take(&mut self.refused);
        if !refused.is_empty() && self.waiting().is_empty() {
            self.accepted.clear();
        }
        if self.id_use == IdUse::Unknown {
            self.deferred.extend(refused);
        }
    }

    /// A sending that is over may have been taken under the present Message-ID.
    pub fn may_be_had(&self) -> bool {
        self.id_use != IdUse::Unused
    }

    /// The next sending must have a Message-ID of its own.
    pub fn need_another_id(&self) -> bool {
        match self.id_use {
            IdUse::Unused => false,
            IdUse::Unknown => self.round().is_empty(),
            IdUse::Taken => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> EmailAddress {
        EmailAddress::parse(text).expect("an address")
    }

    fn three() -> Recipients {
        Recipients::new(["a@x.example", "b@x.example", "c@x.example"].map(address).to_vec())
    }

    fn refusal(whom: &str, class: FailureClass) -> RefusedRecipient {
        RefusedRecipient::new(&address(whom), &Failure::new(class).said("no"))
    }

    fn names(list: &[EmailAddress]) -> Vec<&str> {
        list.iter().map(|address| &address.as_str()[..1]).collect()
    }

    #[test]
    fn whoever_has_it_or_was_refused_for_good_is_not_tried_again() {
        let mut people = three();
        people.begin();
        people.hear(&[
            refusal("B@x.example", FailureClass::RecipientRefused),
            refusal("c@x.example", FailureClass::Throttled),
        ]);
        assert_eq!((names(&people.waiting()), names(&people.round())), (vec!["a", "c"], vec!["a"]));
        people.accept(&people.round(), &["1@us".to_owned()]);
        assert_eq!((names(&people.waiting()), people.id_use), (vec!["c"], IdUse::Taken));
        people.renew();
        assert_eq!((names(&people.round()), people.id_use), (vec!["c"], IdUse::Unused));
    }

    #[test]
    fn nobody_joins_a_sending_whose_id_may_have_been_taken() {
        let mut people = three();
        people.hear(&[refusal("c@x.example", FailureClass::Throttled)]);
        people.wonder();
        people.begin();
        assert_eq!(names(&people.round()), ["a", "b"]);
        let mut certain = three();
        certain.hear(&[refusal("c@x.example", FailureClass::Throttled)]);
        certain.begin();
        assert_eq!(names(&certain.round()), ["a", "b", "c"]);
    }

    #[test]
    fn a_report_is_about_those_who_were_sent_to_under_its_id() {
        let mut people = three();
        people.accept(&[address("a@x.example"), address("b@x.example")], &["1@us".to_owned(), "r@outlook".to_owned()]);
        people.accept(&[address("c@x.example")], &["2@us".to_owned()]);
        let report = |whom: &str| [refusal(whom, FailureClass::RecipientRefused)];
        assert!(!people.bounce("3@us", &report("a@x.example")), "an id that nobody was sent to under");
        assert!(people.bounce("r@outlook", &report("A@x.example")));
        assert!(!people.bounce("1@us", &report("a@x.example")), "the same report again says nothing about b");
        assert_eq!(people.refused.iter().map(|r| (&r.address[..1], r.bounced)).collect::<Vec<_>>(), [("a", true)]);
        people.try_again();
        assert_eq!(names(&people.waiting()), ["a"]);
        // Forwarded: the report names somebody else, and only one was sent to under that id.
        assert!(people.bounce("2@us", &report("elsewhere@y.example")));
        assert_eq!(people.refused[0].address, "c@x.example");
    }

    #[test]
    fn a_report_about_somebody_unknown_makes_a_retry_go_to_all() {
        let mut people = three();
        people.accept(&people.round(), &["1@us".to_owned()]);
        assert!(people.bounce("1@us", &[refusal("elsewhere@y.example", FailureClass::RecipientRefused)]));
        assert_eq!(people.accepted.len(), 3);
        people.try_again();
        assert_eq!(people.waiting().len(), 3);
    }

    #[test]
    fn a_report_that_is_quicker_than_the_servers_answer_stays_true() {
        let mut people = three();
        people.accept(&people.round(), &["1@us".to_owned()]);
        people.bounce("1@us", &[refusal("a@x.example", FailureClass::RecipientRefused)]);
        people.accept(&three().all, &["1@us".to_owned()]);
        assert_eq!((people.accepted.len(), people.refused.len()), (2, 1));
    }

    #[test]
    fn who_is_given_up_keeps_the_servers_last_words() {
        let mut people = three();
        people.accept(&[address("a@x.example")], &["1@us".to_owned()]);
        people.hear(&[refusal("b@x.example", FailureClass::Throttled)]);
        people.give_up(&FailureClass::TimedOut.into());
        let classes: Vec<_> = people.refused.iter().map(|r| r.class).collect();
        assert_eq!(classes, [FailureClass::Throttled, FailureClass::TimedOut]);
        assert!(people.waiting().is_empty());
    }

    #[test]
    fn rows_of_an_older_version_are_read() {
        let old: RefusedRecipient = serde_json::from_str(r#"{"address":"a@x","server_said":"550"}"#).expect("reads");
        assert_eq!((old.class, old.bounced), (FailureClass::RecipientRefused, false));
        assert_eq!(serde_json::from_str::<Recipients>("{}").expect("reads"), Recipients::default());
    }
}
