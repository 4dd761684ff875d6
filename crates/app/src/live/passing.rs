//! What passes: who types, who looks at which conversation, who is there. Told to those who follow now, kept nowhere, and lost without harm.
//!
//! Processes tell each other ([`crate::Wake::tell`]); each keeps for the accounts that are followed in it what it has heard lately. Whoever
//! looks or is there says so again and again, so a process that heard nothing knows within twenty seconds, and what was not said again is over.

use domain::account::Availability;
use domain::user::Agent;
use domain::{AccountId, DisplayId, InboxId, UserId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use store::{Visibility, Watcher};
use tokio::time::Instant;

/// Who is there or looks is said again within this.
pub(super) const SAID_AGAIN: Duration = Duration::from_secs(20);
/// What was not said again for so long is over.
const OVER_AFTER: Duration = Duration::from_secs(45);
/// Conversations that one person looks at, at most.
const LOOKED_AT: usize = 8;

/// As processes tell each other. One of a newer version that is not understood here is passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passing {
    pub account: AccountId,
    #[serde(flatten)]
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum What {
    Typing {
        inbox: InboxId,
        conversation: DisplayId,
        user: UserId,
        name: String,
        on: bool,
        is_private: bool,
    },
    Viewing {
        inbox: InboxId,
        conversation: DisplayId,
        user: UserId,
        name: String,
        viewing: bool,
    },
    /// They follow the account in the process that says so.
    Here {
        users: Vec<UserId>,
    },
    /// Somebody has said how available they are, or has come or gone for good.
    Availability,
}

/// As it is told to those who follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passed {
    Typing {
        inbox: InboxId,
        conversation: DisplayId,
        user: UserId,
        name: String,
        on: bool,
        is_private: bool,
    },
    /// Everybody who looks at it now.
    Viewing {
        inbox: InboxId,
        conversation: DisplayId,
        people: Vec<(UserId, String)>,
    },
    /// Those who are otherwise available than was told last.
    Presence(Vec<(UserId, Availability)>),
}

impl Passed {
    /// Nobody is told that they type themselves.
    pub(super) fn is_for(&self, watcher: &Watcher, sees: &Visibility) -> bool {
        match self {
            Self::Typing { inbox, user, .. } => *user != watcher.user && sees.sees(*inbox),
            Self::Viewing { inbox, .. } => sees.sees(*inbox),
            Self::Presence(_) => true,
        }
    }
}

#[derive(Debug)]
struct Viewed {
    inbox: InboxId,
    people: BTreeMap<UserId, (String, Instant)>,
}

/// What was heard lately of one account.
#[derive(Debug, Default)]
pub(super) struct Room {
    viewed: HashMap<DisplayId, Viewed>,
    here: HashMap<UserId, Instant>,
    /// As it was told.
    available: BTreeMap<UserId, Availability>,
}

/// What follows from something that was heard.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Nothing,
    Tell(Passed),
    /// It must be looked who is available.
    LookWhoIsThere,
}

impl Room {
    pub fn hear(&mut self, what: What, now: Instant) -> Heard {
        match what {
            What::Typing { inbox, conversation, user, name, on, is_private } => {
                Heard::Tell(Passed::Typing { inbox, conversation, user, name, on, is_private })
            }
            What::Viewing { inbox, conversation, user, name, viewing: true } => {
                self.look_at_few(user, conversation);
                let viewed = self.viewed.entry(conversation).or_insert(Viewed { inbox, people: BTreeMap::new() });
                viewed.inbox = inbox;
                let is_new = viewed.people.insert(user, (name, now + OVER_AFTER)).is_none();
                if is_new { Heard::Tell(self.viewers(conversation, inbox)) } else { Heard::Nothing }
            }
            What::Viewing { inbox, conversation, user, viewing: false, .. } => {
                let was = self.viewed.get_mut(&conversation).and_then(|viewed| viewed.people.remove(&user));
                self.viewed.retain(|_, viewed| !viewed.people.is_empty());
                if was.is_some() { Heard::Tell(self.viewers(conversation, inbox)) } else { Heard::Nothing }
            }
            What::Here { users } => {
                let mut is_new = false;
                for user in users {
                    is_new |= self.here.insert(user, now + OVER_AFTER).is_none();
                }
                if is_new { Heard::LookWhoIsThere } else { Heard::Nothing }
            }
            What::Availability => Heard::LookWhoIsThere,
        }
    }

    /// Makes room for one more that `user` looks at; the one they looked at longest ago goes.
    fn look_at_few(&mut self, user: UserId, conversation: DisplayId) {
        let mut theirs: Vec<_> = self
            .viewed
            .iter()
            .filter(|(id, _)| **id != conversation)
            .filter_map(|(id, viewed)| viewed.people.get(&user).map(|(_, until)| (*until, *id)))
            .collect();
        theirs.sort_unstable_by_key(|(until, id)| (*until, id.0));
        let too_many = (theirs.len() + 1).saturating_sub(LOOKED_AT);
        for (_, id) in theirs.into_iter().take(too_many) {
            if let Some(viewed) = self.viewed.get_mut(&id) {
                viewed.people.remove(&user);
            }
        }
        self.viewed.retain(|_, viewed| !viewed.people.is_empty());
    }

    fn viewers(&self, conversation: DisplayId, inbox: InboxId) -> Passed {
        let people = self.viewed.get(&conversation).into_iter().flat_map(|viewed| &viewed.people);
        Passed::Viewing { inbox, conversation, people: people.map(|(user, (name, _))| (*user, name.clone())).collect() }
    }

    /// What is over: who looks no more, and whether it must be looked who is available.
    pub fn forget_old(&mut self, now: Instant) -> (Vec<Passed>, bool) {
        let mut changed = Vec::new();
        for (conversation, viewed) in &mut self.viewed {
            let before = viewed.people.len();
            viewed.people.retain(|_, (_, until)| *until > now);
            if viewed.people.len() < before {
                changed.push((*conversation, viewed.inbox));
            }
        }
        let here = self.here.len();
        self.here.retain(|_, until| *until > now);
        let told = changed.into_iter().map(|(conversation, inbox)| self.viewers(conversation, inbox)).collect();
        self.viewed.retain(|_, viewed| !viewed.people.is_empty());
        (told, self.here.len() < here)
    }

    /// Who is otherwise available than was told last. Chatwoot's rule: who asked for it is offline while they are not there.
    pub fn look_who_is_there(&mut self, agents: &[Agent]) -> Option<Passed> {
        let now: BTreeMap<UserId, Availability> = agents
            .iter()
            .map(|agent| {
                let is_away = agent.auto_offline && !self.here.contains_key(&agent.user.id);
                (agent.user.id, if is_away { Availability::Offline } else { agent.availability })
            })
            .collect();
        let gone =
            self.available.keys().filter(|user| !now.contains_key(user)).map(|user| (*user, Availability::Offline));
        let others = now.iter().filter(|(user, is)| self.available.get(user) != Some(is));
        let changed: Vec<_> = gone.chain(others.map(|(user, is)| (*user, *is))).collect();
        self.available = now;
        (!changed.is_empty()).then_some(Passed::Presence(changed))
    }

    /// What somebody who has just come must know.
    pub fn all(&self) -> Vec<Passed> {
        let mut all: Vec<Passed> =
            self.viewed.iter().map(|(conversation, viewed)| self.viewers(*conversation, viewed.inbox)).collect();
        if !self.available.is_empty() {
            all.push(Passed::Presence(self.available.iter().map(|(user, is)| (*user, *is)).collect()));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Timestamp;
    use domain::account::Role;
    use domain::user::User;

    fn viewing(user: i64, conversation: i64, viewing: bool) -> What {
        let name = format!("user {user}");
        What::Viewing { inbox: InboxId(1), conversation: DisplayId(conversation), user: UserId(user), name, viewing }
    }

    fn looked_at_by(conversation: i64, users: &[i64]) -> Passed {
        let people = users.iter().map(|user| (UserId(*user), format!("user {user}"))).collect();
        Passed::Viewing { inbox: InboxId(1), conversation: DisplayId(conversation), people }
    }

    fn agent(id: i64, availability: Availability, auto_offline: bool) -> Agent {
        Agent {
            account_id: AccountId(1),
            user: User {
                id: UserId(id),
                email: String::new(),
                name: String::new(),
                display_name: None,
                message_signature: None,
                created_at: Timestamp(0),
            },
            role: Role::Agent,
            availability,
            auto_offline,
            confirmed: true,
        }
    }

    #[tokio::test]
    async fn who_looks_is_told_when_it_changes_and_is_over_when_it_was_not_said_again() {
        let (mut room, now) = (Room::default(), Instant::now());
        assert_eq!(room.hear(viewing(1, 5, true), now), Heard::Tell(looked_at_by(5, &[1])));
        assert_eq!(room.hear(viewing(2, 5, true), now), Heard::Tell(looked_at_by(5, &[1, 2])));
        let later = now + Duration::from_secs(40);
        assert_eq!(room.hear(viewing(2, 5, true), later), Heard::Nothing);
        assert_eq!(room.forget_old(now + Duration::from_secs(44)), (vec![], false));
        assert_eq!(room.forget_old(now + Duration::from_secs(46)), (vec![looked_at_by(5, &[2])], false));
        assert_eq!(room.all(), [looked_at_by(5, &[2])]);
        assert_eq!(room.hear(viewing(2, 5, false), later), Heard::Tell(looked_at_by(5, &[])));
        assert_eq!(room.hear(viewing(2, 5, false), later), Heard::Nothing);
        assert!(room.all().is_empty() && room.viewed.is_empty());
    }

    #[tokio::test]
    async fn one_person_looks_at_few_conversations_however_many_they_name() {
        let (mut room, now) = (Room::default(), Instant::now());
        for conversation in 0..1000 {
            room.hear(viewing(1, conversation, true), now + Duration::from_millis(conversation.unsigned_abs()));
        }
        let mut kept: Vec<i64> = room.viewed.keys().map(|id| id.0).collect();
        kept.sort_unstable();
        assert_eq!(kept, (992..1000).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn who_is_not_there_is_offline_if_they_asked_for_it_and_only_changes_are_told() {
        use Availability::{Busy, Offline, Online};
        let (mut room, now) = (Room::default(), Instant::now());
        let agents = [agent(1, Online, true), agent(2, Busy, false), agent(3, Online, true)];
        let told = |list: &[(i64, Availability)]| {
            Some(Passed::Presence(list.iter().map(|(user, is)| (UserId(*user), *is)).collect()))
        };
        assert_eq!(room.hear(What::Here { users: vec![UserId(1)] }, now), Heard::LookWhoIsThere);
        assert_eq!(room.look_who_is_there(&agents), told(&[(1, Online), (2, Busy), (3, Offline)]));
        assert_eq!(room.hear(What::Here { users: vec![UserId(1)] }, now), Heard::Nothing);
        assert_eq!(room.look_who_is_there(&agents), None);
        assert_eq!(room.hear(What::Here { users: vec![UserId(1), UserId(3)] }, now), Heard::LookWhoIsThere);
        assert_eq!(room.look_who_is_there(&agents), told(&[(3, Online)]));
        assert_eq!(room.forget_old(now + Duration::from_secs(46)), (vec![], true));
        assert_eq!(room.look_who_is_there(&agents[..2]), told(&[(3, Offline), (1, Offline)]));
    }

    #[test]
    fn what_processes_tell_each_other_reads_back_and_what_is_not_known_is_refused() {
        let users = vec![UserId(7)];
        for what in [viewing(1, 2, true), What::Here { users }, What::Availability] {
            let passing = Passing { account: AccountId(3), what };
            let text = serde_json::to_string(&passing).expect("JSON");
            assert_eq!(serde_json::from_str::<Passing>(&text).expect("reads back"), passing);
        }
        assert!(serde_json::from_str::<Passing>(r#"{"account":1,"what":"dancing"}"#).is_err());
    }
}
