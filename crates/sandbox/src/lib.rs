//! A local Microsoft: sign-in, tokens, keys, IMAP, SMTP submission, the mail half of Graph, and a page on which one plays the customer.
//!
//! An independent oracle. It shares no code with what it is used to try out: its parsers, its signer and its mailboxes
//! are its own, and each behaviour cites Microsoft's documentation, an RFC, or what users of the servers have posted.
//! It listens on loopback only, keeps everything in memory, and refuses nothing it was not told to refuse ([`Faults`]).

mod accept;
mod ambient;
mod apps;
mod browser;
mod config;
mod customer_page;
mod directory;
mod entra;
mod faults;
mod graph;
mod html;
mod imap;
mod journal;
mod mailbox;
mod mime;
mod smtp;
mod state;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

pub use ambient::ClockFn;
pub use apps::{AppRegistration, TestCertificate};
pub use browser::{Answer, SignInError, SignedIn};
pub use config::{NdrLanguage, SandboxConfig, UnknownRecipients};
pub use directory::{CONTOSO, FABRIKAM, PERSONAL_TENANT, Tenant, TenantUser, predefined_tenants, predefined_users};
pub use faults::{
    Armed, Endpoint, EndpointFault, Fault, Faults, GraphFault, GraphPoint, IdTokenFault, ImapFault, KeysFault,
    SignInFault, SmtpFault, SmtpPoint, TokenFault,
};
pub use journal::Event;
pub use mailbox::{FolderInfo, INBOX, Mailbox, StoredMail};

pub use tls::TlsFault;

use state::{Server, State};

/// Why a sandbox did not start.
#[derive(Debug)]
pub enum SandboxError {
    /// It was to listen on something else than loopback.
    NotLoopback,
    /// A port could not be taken.
    Bind(std::io::Error),
}

impl std::fmt::Display for SandboxError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotLoopback => write!(f, "the sandbox listens on loopback addresses only"),
            Self::Bind(error) => write!(f, "the sandbox could not take a port: {error}"),
        }
    }
}

impl std::error::Error for SandboxError {}

/// A running sandbox. Dropping it ends its servers.
pub struct Sandbox {
    state: Arc<State>,
    login: SocketAddr,
    page: SocketAddr,
    imap: SocketAddr,
    smtp: SocketAddr,
}

impl Sandbox {
    /// Starts the four servers and answers when all of them listen.
    pub async fn start(config: SandboxConfig) -> Result<Self, SandboxError> {
        if !config.bind.is_loopback() {
            return Err(SandboxError::NotLoopback);
        }
        let bind = config.bind;
        let listen = |port: u16| TcpListener::bind(SocketAddr::new(bind, port));
        let login = listen(config.login_port).await.map_err(SandboxError::Bind)?;
        let page = listen(config.page_port).await.map_err(SandboxError::Bind)?;
        let imap = listen(config.imap_port).await.map_err(SandboxError::Bind)?;
        let smtp = listen(config.smtp_port).await.map_err(SandboxError::Bind)?;
        let address = |listener: &TcpListener| listener.local_addr().map_err(SandboxError::Bind);
        let (login_at, page_at, imap_at, smtp_at) =
            (address(&login)?, address(&page)?, address(&imap)?, address(&smtp)?);

        // Making RSA keys is the one slow thing here; it happens once in a process and away from the runtime's threads.
        tokio::task::spawn_blocking(|| {
            entra::keys::prepare();
            tls::prepare();
        })
        .await
        .expect("making keys does not panic");
        let state = State::new(config, format!("http://{login_at}"));
        state.tasks.spawn(entra::serve(Arc::clone(&state), login));
        state.tasks.spawn(customer_page::serve(Arc::clone(&state), page));
        state.tasks.spawn(accept::serve(Arc::clone(&state), imap, imap::connection));
        state.tasks.spawn(accept::serve(Arc::clone(&state), smtp, smtp::connection));
        Ok(Self { state, login: login_at, page: page_at, imap: imap_at, smtp: smtp_at })
    }

    /// Ends the servers and every connection, and waits until they are gone.
    pub async fn stop(self) {
        self.state.ended.cancel();
        self.state.tasks.close();
        self.state.tasks.wait().await;
    }

    /// What stands for `https://login.microsoftonline.com`, without a slash at the end.
    pub fn login_url(&self) -> String {
        format!("http://{}", self.login)
    }

    /// What stands for `https://graph.microsoft.com`, without a slash at the end. The sign-in service's listener serves it too.
    pub fn graph_url(&self) -> String {
        self.login_url()
    }

    /// The page on which one writes as a customer and reads what came back.
    pub fn page_url(&self) -> String {
        format!("http://{}/", self.page)
    }

    /// IMAP with TLS from the first byte.
    pub fn imap_addr(&self) -> SocketAddr {
        self.imap
    }

    /// Submission with STARTTLS.
    pub fn smtp_addr(&self) -> SocketAddr {
        self.smtp
    }

    /// The authority that signed the certificates of the mail servers, for `localhost`, `127.0.0.1` and `::1`.
    pub fn ca_pem(&self) -> String {
        tls::ca_pem().to_owned()
    }

    pub fn client_id(&self) -> &str {
        &self.state.config.client_id
    }

    pub fn client_secret(&self) -> &str {
        &self.state.config.client_secret
    }

    /// Replaces the registered redirect URIs.
    pub fn set_redirect_uris(&self, uris: Vec<String>) {
        self.state.set_redirect_uris(uris);
    }

    /// Registers one more app, or replaces the one with its client id. All apps have the same redirect URIs.
    pub fn register_app(&self, app: AppRegistration) {
        let mut apps = self.state.apps();
        apps.retain(|held| held.client_id != app.client_id);
        apps.push(app);
    }

    /// Changes an app's registration; false when there is none of this client id.
    pub fn update_app(&self, client_id: &str, change: impl FnOnce(&mut AppRegistration)) -> bool {
        self.state.apps().iter_mut().find(|app| app.client_id == client_id).map(change).is_some()
    }

    /// What the apps prove themselves with, which nobody but they may know.
    pub fn app_secrets(&self) -> Vec<String> {
        self.state.apps().iter().flat_map(|app| app.secrets.iter().map(|secret| secret.value.clone())).collect()
    }

    pub fn add_tenant(&self, tenant: Tenant) {
        self.state.directory().tenants.push(tenant);
    }

    /// Adds somebody who can sign in, or replaces the one with this address, and makes his mailbox if he has one.
    pub fn add_user(&self, user: TenantUser) {
        self.state.add_user(user);
    }

    /// Changes somebody; false when there is nobody of this name.
    pub fn update_user(&self, address: &str, change: impl FnOnce(&mut TenantUser)) -> bool {
        let mut directory = self.state.directory();
        directory.users.iter_mut().find(|user| user.is_called(address)).map(change).is_some()
    }

    /// Somebody's sign-in name is changed: the same person (`oid`) and mailbox under a new name. Mail to the old one still arrives, as it
    /// does at Exchange, which keeps it as a proxy address; signing in with it does not work any more.
    pub fn rename_user(&self, address: &str, to: &str) -> bool {
        let mut directory = self.state.directory();
        let Some(user) = directory.users.iter_mut().find(|user| user.is_called(address)) else { return false };
        let old = std::mem::replace(&mut user.address, to.to_owned());
        if user.email.as_deref() == Some(old.as_str()) {
            user.email = Some(to.to_owned());
        }
        self.state.mailboxes.rename(&old, to);
        user.aliases.push(old);
        true
    }

    pub fn update_tenant(&self, tid: &str, change: impl FnOnce(&mut Tenant)) -> bool {
        let mut directory = self.state.directory();
        directory.tenants.iter_mut().find(|tenant| tenant.tid == tid).map(change).is_some()
    }

    /// Somebody leaves; his mailbox stays but nobody can open it.
    pub fn remove_user(&self, address: &str) {
        self.state.directory().users.retain(|user| !user.is_called(address));
    }

    pub fn user(&self, address: &str) -> Option<TenantUser> {
        self.state.directory().user(address).cloned()
    }

    /// Puts a mail, as it is, into the INBOX of an address, making the mailbox when there is none. Answers the UID.
    pub fn deliver(&self, to: &str, raw: &[u8]) -> u32 {
        self.mailbox(to).append(INBOX, raw)
    }

    /// The mailbox of an address or alias, a tenant's or a customer's; made when there is none.
    pub fn mailbox(&self, address: &str) -> Mailbox {
        self.state.mailbox_of(address)
    }

    /// The addresses of all mailboxes.
    pub fn mailbox_addresses(&self) -> Vec<String> {
        self.state.mailboxes.addresses()
    }

    pub fn faults(&self) -> &Faults {
        &self.state.faults
    }

    /// What was asked of the sandbox so far, in order.
    pub fn events(&self) -> Vec<Event> {
        self.state.journal.events()
    }

    /// How often new tokens were asked for with a refresh token, whatever was answered.
    pub fn refreshes(&self) -> usize {
        self.refreshes_that(|_| true)
    }

    /// How often a refresh token bought new tokens.
    pub fn refreshed(&self) -> usize {
        self.refreshes_that(|event| matches!(event, Event::TokenRequested { answered: Ok(()), .. }))
    }

    fn refreshes_that(&self, matches: impl Fn(&Event) -> bool) -> usize {
        let is_refresh =
            |event: &Event| matches!(event, Event::TokenRequested { grant_type, .. } if grant_type == "refresh_token");
        self.events().iter().filter(|event| is_refresh(event) && matches(event)).count()
    }

    /// The Message-IDs of the mails that were handed in once more by somebody whose first mail under them had been taken, whether the second
    /// one was refused or swallowed: one entry for each. What Exchange's duplicate detection hides from the recipients.
    pub fn handed_in_again(&self) -> Vec<String> {
        self.state.submissions.again()
    }

    /// Moves the sandbox's clock; tokens and codes grow older.
    pub fn advance(&self, by: Duration) {
        self.state.clock.advance(i64::try_from(by.as_secs()).unwrap_or(i64::MAX));
        self.state.kick_idlers();
    }

    /// The user's access tokens end now; sessions that use them are told so.
    pub fn expire_access_tokens(&self, user: &str) {
        self.state.expire_access_tokens(user);
        self.state.kick_idlers();
    }

    /// An administrator revokes the user's sessions: his refresh tokens answer AADSTS50173 from now on.
    pub fn revoke_refresh_tokens(&self, user: &str) {
        self.state.revoke_refresh_tokens(user);
    }

    /// The consent of a user (or of his whole organisation) is taken back: refresh answers AADSTS65001.
    pub fn withdraw_consent(&self, user: &str) {
        self.state.withdraw_consent(user);
    }

    /// An access token for a mailbox without any sign-in, for tests that only need the mail servers.
    pub fn mint_access_token(&self, user: &str) -> Option<String> {
        self.state.mint_access_token(user)
    }

    /// As [`Sandbox::mint_access_token`], for these scopes, in full (`https://graph.microsoft.com/Mail.Send`).
    pub fn mint_token_for(&self, user: &str, scopes: &[&str]) -> Option<String> {
        self.state.mint_token_for(user, scopes)
    }

    /// Every authorization code and every access, refresh and id token that was handed out so far, so that a test can look for them
    /// where none of them should stand.
    pub fn issued_secrets(&self) -> Vec<String> {
        self.state.grants.issued()
    }

    /// Key id and public key (PEM) of the keys that sign for organisations now.
    pub fn signing_keys(&self) -> Vec<(String, String)> {
        self.state.keys.public_keys()
    }

    /// Publishes one more signing key and signs with it from now on.
    pub fn rotate_keys(&self) {
        self.state.keys.rotate();
    }

    /// Stops publishing the keys that were there before the last rotation.
    pub fn retire_old_keys(&self) {
        self.state.keys.retire_old();
    }

    /// How many IMAP connections are signed in as this user at the moment.
    pub fn imap_connections(&self, user: &str) -> usize {
        self.state.connections_of(Server::Imap, user)
    }

    /// How many SMTP connections were signed in as this user at once, at the most that there ever were.
    pub fn most_smtp_connections(&self, user: &str) -> usize {
        self.state.most_connections_of(Server::Smtp, user)
    }

    /// How many IMAP and SMTP connections were signed in at once, as anybody, at the most that there ever were.
    pub fn most_connections(&self) -> (usize, usize) {
        (self.state.most_connections(Server::Imap), self.state.most_connections(Server::Smtp))
    }

    /// How many of them had a mail under way at once, at the most that there ever were.
    pub fn most_mails_at_once(&self, user: &str) -> usize {
        self.state.most_connections_of(Server::Handing, user)
    }

    /// Cuts every IMAP and SMTP connection without a word.
    pub fn cut_mail_connections(&self) {
        self.state.cut_mail_connections();
    }

    /// Does what a person does in a browser at the address `authorize_url`: chooses the account, accepts, and stops at
    /// the redirect to the app. Answers where Microsoft sends the browser, without going there.
    pub async fn sign_in(&self, authorize_url: &str, user: &str) -> Result<String, SignInError> {
        match self.answer_sign_in(authorize_url, user, Answer::Accept).await? {
            SignedIn::Redirect(url) => Ok(url),
            SignedIn::Page { title, text } => Err(SignInError::Stopped { title, text }),
        }
    }

    /// As [`Sandbox::sign_in`], with another answer, and with pages that do not redirect as a result.
    pub async fn answer_sign_in(&self, url: &str, user: &str, answer: Answer) -> Result<SignedIn, SignInError> {
        browser::answer_sign_in(url, user, answer).await
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.state.ended.cancel();
    }
}
