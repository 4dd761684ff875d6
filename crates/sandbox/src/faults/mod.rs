//! Faults on demand: what Microsoft does on a bad day, switched on by a test or a demonstration.
//!
//! A fault is a value. It is armed for a number of times or until cleared, for everybody or for one user, and is used
//! up at the moment it shows; [`Faults::fired`] tells a test that its fault was really met.

mod graph;
mod identity;
mod imap;
mod smtp;

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

pub use graph::{GraphFault, GraphPoint};
pub use identity::{Endpoint, EndpointFault, IdTokenFault, KeysFault, SignInFault, TokenFault};
pub use imap::ImapFault;
pub use smtp::{SmtpFault, SmtpPoint};

/// Any of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    Endpoint(EndpointFault),
    SignIn(SignInFault),
    Token(TokenFault),
    IdToken(IdTokenFault),
    Keys(KeysFault),
    Imap(ImapFault),
    Smtp(SmtpFault),
    Graph(GraphFault),
}

macro_rules! into_fault {
    ($($kind:ident from $name:ident),*) => {
        $(impl From<$name> for Fault {
            fn from(fault: $name) -> Self {
                Self::$kind(fault)
            }
        })*
    };
}
into_fault!(
    Endpoint from EndpointFault, SignIn from SignInFault, Token from TokenFault, IdToken from IdTokenFault,
    Keys from KeysFault, Imap from ImapFault, Smtp from SmtpFault, Graph from GraphFault
);

/// A fault that waits for its moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Armed {
    pub fault: Fault,
    /// `None`: until cleared.
    pub times_left: Option<u32>,
    /// `None`: whoever comes.
    pub user: Option<String>,
}

/// The faults of one sandbox.
#[derive(Default)]
pub struct Faults {
    armed: Mutex<Vec<Armed>>,
    fired: Mutex<Vec<Fault>>,
    changes: watch::Sender<u64>,
}

impl Faults {
    /// Shows once.
    pub fn once(&self, fault: impl Into<Fault>) {
        self.times(1, fault);
    }

    pub fn times(&self, times: u32, fault: impl Into<Fault>) {
        self.arm(Armed { fault: fault.into(), times_left: Some(times), user: None });
    }

    /// Until [`Faults::clear`].
    pub fn always(&self, fault: impl Into<Fault>) {
        self.arm(Armed { fault: fault.into(), times_left: None, user: None });
    }

    /// Once, and only when this user (by sign-in name) is concerned.
    pub fn once_for(&self, user: &str, fault: impl Into<Fault>) {
        self.arm(Armed { fault: fault.into(), times_left: Some(1), user: Some(user.into()) });
    }

    pub fn always_for(&self, user: &str, fault: impl Into<Fault>) {
        self.arm(Armed { fault: fault.into(), times_left: None, user: Some(user.into()) });
    }

    pub fn arm(&self, armed: Armed) {
        lock(&self.armed).push(armed);
        self.changes.send_modify(|version| *version += 1);
    }

    /// Everything is well again. What already happened stays in [`Faults::fired`].
    pub fn clear(&self) {
        lock(&self.armed).clear();
        self.changes.send_modify(|version| *version += 1);
    }

    /// What still waits.
    pub fn armed(&self) -> Vec<Armed> {
        lock(&self.armed).clone()
    }

    /// What was met, in order.
    pub fn fired(&self) -> Vec<Fault> {
        lock(&self.fired).clone()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Uses up the first armed fault that concerns `user` and that `pick` recognises.
    pub(crate) fn take<T>(&self, user: Option<&str>, pick: impl Fn(&Fault) -> Option<T>) -> Option<T> {
        let mut armed = lock(&self.armed);
        let concerns = |only: &Option<String>| match (only, user) {
            (None, _) => true,
            (Some(only), Some(user)) => only.eq_ignore_ascii_case(user),
            (Some(_), None) => false,
        };
        let (at, picked) = armed
            .iter()
            .enumerate()
            .find_map(|(at, entry)| if concerns(&entry.user) { pick(&entry.fault).map(|it| (at, it)) } else { None })?;
        lock(&self.fired).push(armed[at].fault.clone());
        if let Some(left) = &mut armed[at].times_left {
            *left -= 1;
            if *left == 0 {
                armed.remove(at);
            }
        }
        Some(picked)
    }

    pub(crate) fn take_imap<T>(&self, user: Option<&str>, pick: impl Fn(&ImapFault) -> Option<T>) -> Option<T> {
        self.take(user, |fault| if let Fault::Imap(fault) = fault { pick(fault) } else { None })
    }

    pub(crate) fn take_smtp<T>(&self, user: Option<&str>, pick: impl Fn(&SmtpFault) -> Option<T>) -> Option<T> {
        self.take(user, |fault| if let Fault::Smtp(fault) = fault { pick(fault) } else { None })
    }

    pub(crate) fn take_graph<T>(&self, user: Option<&str>, pick: impl Fn(&GraphFault) -> Option<T>) -> Option<T> {
        self.take(user, |fault| if let Fault::Graph(fault) = fault { pick(fault) } else { None })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
