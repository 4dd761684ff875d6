//! What the servers of one sandbox share.
//!
//! It holds; it speaks no protocol.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ambient::Clock;
use crate::apps::AppRegistration;
use crate::config::SandboxConfig;
use crate::directory::{Directory, TenantUser};
use crate::entra::flow::Flows;
use crate::entra::grants::Grants;
use crate::entra::id_token;
use crate::entra::keys::Keys;
use crate::faults::Faults;
use crate::graph::Items;
use crate::journal::Journal;
use crate::mailbox::{Mailbox, Mailboxes};
use crate::smtp::Submissions;

pub(crate) struct State {
    pub(crate) config: SandboxConfig,
    pub(crate) login_url: String,
    pub(crate) clock: Clock,
    pub(crate) faults: Faults,
    pub(crate) journal: Journal,
    pub(crate) keys: Keys,
    pub(crate) grants: Grants,
    /// Sign-ins whose pages are open.
    pub(crate) flows: Flows,
    pub(crate) mailboxes: Mailboxes,
    pub(crate) submissions: Submissions,
    /// What Graph knows by an id.
    pub(crate) items: Items,
    pub(crate) tasks: TaskTracker,
    /// The whole sandbox ends.
    pub(crate) ended: CancellationToken,
    directory: Mutex<Directory>,
    redirect_uris: Mutex<Vec<String>>,
    apps: Mutex<Vec<AppRegistration>>,
    /// The `jti` of every assertion that was taken.
    assertions: Mutex<HashSet<String>>,
    /// Open connections by server and user, against the limits.
    connections: Mutex<HashMap<(Server, String), usize>>,
    /// The most that each of them ever was, and that all users of a server together were.
    peaks: Mutex<HashMap<(Server, Option<String>), usize>>,
    /// Changes when something about tokens did, so that IDLE looks again.
    kicks: watch::Sender<u64>,
    /// Cancelled and replaced to cut the mail connections.
    mail_connections: Mutex<CancellationToken>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Server {
    Imap,
    Smtp,
    /// Of the connections of SMTP, those over which a mail is being handed over: from MAIL FROM to the answer to its end.
    Handing,
    /// Requests of Graph, by mailbox.
    Graph,
}

impl State {
    pub(crate) fn new(config: SandboxConfig, login_url: String) -> Arc<Self> {
        let clock = Clock::new(config.clock.clone());
        let ended = CancellationToken::new();
        let state = Self {
            login_url,
            faults: Faults::default(),
            journal: Journal::default(),
            keys: Keys::new(),
            grants: Grants::default(),
            flows: Flows::default(),
            mailboxes: Mailboxes::new(clock.clone()),
            submissions: Submissions::default(),
            items: Items::default(),
            tasks: TaskTracker::new(),
            directory: Mutex::new(Directory { tenants: config.tenants.clone(), users: Vec::new() }),
            redirect_uris: Mutex::new(config.redirect_uris.clone()),
            apps: Mutex::new(vec![AppRegistration::new(&config.client_id).secret(&config.client_secret)]),
            assertions: Mutex::default(),
            connections: Mutex::default(),
            peaks: Mutex::default(),
            kicks: watch::Sender::new(0),
            mail_connections: Mutex::new(ended.child_token()),
            ended,
            clock,
            config,
        };
        for user in &state.config.users {
            state.add_user(user.clone());
        }
        for customer in &state.config.customers {
            state.mailboxes.get_or_make(customer, "Sent");
        }
        Arc::new(state)
    }

    pub(crate) fn directory(&self) -> MutexGuard<'_, Directory> {
        lock(&self.directory)
    }

    pub(crate) fn add_user(&self, user: TenantUser) {
        if user.has_mailbox {
            self.mailboxes.get_or_make(&user.address, &user.sent_folder);
        }
        let mut directory = self.directory();
        directory.users.retain(|held| !held.is_called(&user.address));
        directory.users.push(user);
    }

    pub(crate) fn apps(&self) -> MutexGuard<'_, Vec<AppRegistration>> {
        lock(&self.apps)
    }

    /// The registration of a client id.
    pub(crate) fn app(&self, client_id: &str) -> Option<AppRegistration> {
        self.apps().iter().find(|app| app.client_id.eq_ignore_ascii_case(client_id)).cloned()
    }

    /// `false`: an assertion of this `jti` was taken before.
    pub(crate) fn takes_assertion(&self, jti: &str) -> bool {
        lock(&self.assertions).insert(jti.to_owned())
    }

    pub(crate) fn set_redirect_uris(&self, uris: Vec<String>) {
        *lock(&self.redirect_uris) = uris;
    }

    pub(crate) fn is_redirect_uri(&self, uri: &str) -> bool {
        lock(&self.redirect_uris).iter().any(|registered| registered == uri)
    }

    /// The issuer of a tenant's tokens.
    pub(crate) fn issuer(&self, tid: &str) -> String {
        let base = self.config.issuer_base.as_deref().unwrap_or(&self.login_url);
        format!("{base}/{tid}/v2.0")
    }

    /// The mailbox behind an address or alias; made when there is none.
    pub(crate) fn mailbox_of(&self, address: &str) -> Mailbox {
        // Tests and reports of failure name a mailbox by its owner's sign-in name, which need not be an address of it.
        let directory = self.directory();
        let owner = directory.recipient(address).or_else(|| directory.user(address).filter(|user| user.has_mailbox));
        let owner = owner.map(|user| (user.address.clone(), user.sent_folder.clone()));
        drop(directory);
        match owner {
            Some((address, sent_folder)) => self.mailboxes.get_or_make(&address, &sent_folder),
            None => self.mailboxes.get_or_make(address, "Sent"),
        }
    }

    /// Whether an address has a mailbox already, a user's or a customer's.
    pub(crate) fn is_known(&self, address: &str) -> bool {
        self.directory().recipient(address).is_some() || self.mailboxes.get(address).is_some()
    }

    pub(crate) fn expire_access_tokens(&self, user: &str) {
        let Some(user) = self.directory().user(user).cloned() else { return };
        self.grants.expire_access_tokens(&user.oid, self.clock.now());
    }

    pub(crate) fn revoke_refresh_tokens(&self, user: &str) {
        let Some(user) = self.directory().user(user).cloned() else { return };
        self.grants.revoke_refresh_tokens(&user.oid);
    }

    pub(crate) fn withdraw_consent(&self, user: &str) {
        let Some(user) = self.directory().user(user).cloned() else { return };
        self.grants.withdraw_consent(&user.tid, &user.oid);
    }

    pub(crate) fn mint_access_token(&self, user: &str) -> Option<String> {
        self.mint_token_for(
            user,
            &["https://outlook.office.com/IMAP.AccessAsUser.All", "https://outlook.office.com/SMTP.Send"],
        )
    }

    pub(crate) fn mint_token_for(&self, user: &str, scopes: &[&str]) -> Option<String> {
        let user = self.directory().user(user).cloned()?;
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let expires_at = self.clock.now() + i64::from(self.config.token_lifetime_seconds.unwrap_or(3600));
        Some(id_token::access_token_for(self, &user, scopes, expires_at))
    }

    pub(crate) fn kick_idlers(&self) {
        self.kicks.send_modify(|version| *version += 1);
    }

    pub(crate) fn watch_kicks(&self) -> watch::Receiver<u64> {
        self.kicks.subscribe()
    }

    /// Ends when the mail connections are cut or the sandbox ends.
    pub(crate) fn mail_connection_token(&self) -> CancellationToken {
        lock(&self.mail_connections).clone()
    }

    pub(crate) fn cut_mail_connections(&self) {
        let mut token = lock(&self.mail_connections);
        token.cancel();
        *token = self.ended.child_token();
    }

    pub(crate) fn connections_of(&self, server: Server, user: &str) -> usize {
        lock(&self.connections).get(&(server, user.to_ascii_lowercase())).copied().unwrap_or(0)
    }

    pub(crate) fn most_connections_of(&self, server: Server, user: &str) -> usize {
        lock(&self.peaks).get(&(server, Some(user.to_ascii_lowercase()))).copied().unwrap_or(0)
    }

    pub(crate) fn most_connections(&self, server: Server) -> usize {
        lock(&self.peaks).get(&(server, None)).copied().unwrap_or(0)
    }

    /// Counts one more connection of a user, unless the limit is reached. Dropping the place gives it back.
    pub(crate) fn take_place(self: &Arc<Self>, server: Server, user: &str, limit: usize) -> Option<Place> {
        let key = (server, user.to_ascii_lowercase());
        let mut connections = lock(&self.connections);
        let count = connections.entry(key.clone()).or_default();
        if *count >= limit {
            return None;
        }
        *count += 1;
        let of_user = *count;
        let of_all = connections.iter().filter(|((of, _), _)| *of == server).map(|(_, count)| count).sum();
        let mut peaks = lock(&self.peaks);
        for (whose, count) in [(Some(key.1.clone()), of_user), (None, of_all)] {
            let peak = peaks.entry((server, whose)).or_default();
            *peak = (*peak).max(count);
        }
        Some(Place { state: Arc::clone(self), key })
    }
}

/// A connection that counts against a user's limit.
pub(crate) struct Place {
    state: Arc<State>,
    key: (Server, String),
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(count) = lock(&self.state.connections).get_mut(&self.key) {
            *count -= 1;
        }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
