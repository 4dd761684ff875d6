//! What went wrong, in one catalogue: cause, who must act, whether to try again, and words a person understands.
//!
//! Servers' answers are turned into a [`FailureClass`] by `mail` and `oauth`; everything after that point reads this table and never
//! a server's text. A new class makes the compiler ask for its words. Sources: Microsoft's reference of AADSTS codes and of SMTP
//! non-delivery codes, RFC 3463 (enhanced status codes), and docs/COMPATIBILITY.md.

use crate::claims_challenge::ClaimsChallenge;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Who can mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// It mends itself; we keep trying.
    Nobody,
    /// The person whose mailbox it is.
    Owner,
    /// An administrator of the customer's Microsoft tenant.
    TenantAdmin,
    /// Whoever runs this installation and its app registration.
    Operator,
    /// The agent who wrote the message.
    Agent,
}

impl Actor {
    const ALL: [Self; 5] = [Self::Nobody, Self::Owner, Self::TenantAdmin, Self::Operator, Self::Agent];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Owner => "owner",
            Self::TenantAdmin => "tenant_admin",
            Self::Operator => "operator",
            Self::Agent => "agent",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|actor| actor.as_str() == text)
    }
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// Trying again without a change cannot help.
    Never,
    /// Later, with our own backoff.
    Later,
    /// Once at once with a fresh token; if that fails too, later.
    FreshToken,
    /// It has already happened: the server says it has this message.
    Done,
}

macro_rules! failure_classes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $actor:ident, $retry:ident, $text:literal, $cure:literal;)*) => {
        /// The cause. Its [`code`](FailureClass::code) is stable: it stands in rows, API answers and docs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
        pub enum FailureClass {
            $($(#[$doc])* #[serde(rename = $code)] $name,)*
        }

        impl FailureClass {
            pub const ALL: &'static [FailureClass] = &[$(Self::$name),*];

            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            pub const fn actor(self) -> Actor {
                match self { $(Self::$name => Actor::$actor,)* }
            }

            pub const fn retry(self) -> Retry {
                match self { $(Self::$name => Retry::$retry,)* }
            }

            /// One sentence: what happened.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// One or two sentences: what to do about it.
            pub const fn cure(self) -> &'static str {
                match self { $(Self::$name => $cure,)* }
            }
        }
    };
}

failure_classes! {
    // The network and servers that are having a bad day.
    Unreachable = "unreachable", Nobody, Later, "The mail server could not be reached.", "Nothing to do: we keep trying.";
    TimedOut = "timed_out", Nobody, Later, "The server did not answer in time.", "Nothing to do: we keep trying.";
    TlsFailed = "tls_failed", Operator, Later, "The server's TLS certificate could not be verified.", "Check the host name and, for a private certificate authority, EXTRA_CA_FILE.";
    TlsUnavailable = "tls_unavailable", Operator, Later, "The mail server does not speak TLS where it must, and nothing is sent without.", "Check host and port, and whether something on the way, such as a firewall that reads along, keeps TLS out.";
    ConnectionLost = "connection_lost", Nobody, Later, "The connection was lost in the middle.", "Nothing to do: we keep trying.";
    ServerUnavailable = "server_unavailable", Nobody, Later, "The server says that it is unavailable at the moment.", "Nothing to do: we keep trying.";
    Throttled = "throttled", Nobody, Later, "The server asked us to slow down.", "Nothing to do: we wait as long as it asked.";
    TooManyConnections = "too_many_connections", Nobody, Later, "The mailbox has too many connections open.", "Nothing to do: we wait for a free place. If it stays, close other programs that read this mailbox.";
    HostBusy = "host_busy", Operator, Later, "All the connections that this installation allows itself to the mail server are in use.", "Nothing to do: it is tried again by itself. If it stays, raise MAIL_HOST_CONNECTIONS as far as the mail server allows, or read fewer mailboxes here.";
    ProtocolError = "protocol_error", Nobody, Later, "The server answered something that is not understood.", "Nothing to do: we start a new session. If it stays, send us the server's words below.";
    SessionExpired = "session_expired", Nobody, Later, "The session's access token ran out.", "Nothing to do: we sign in with a fresh one.";
    FolderMissing = "folder_missing", Owner, Later, "A folder that is watched does not exist on the server.", "Check in the mailbox that the folder is still there.";
    HostForbidden = "host_forbidden", Owner, Never, "The server's address is not one that may be contacted from here.", "Give the name of a mail server on the public internet.";
    // Getting into the mailbox.
    AuthenticationRefused = "authentication_refused", Owner, FreshToken, "The mail server refused the sign-in although the token is fresh.", "Check that IMAP is switched on for this mailbox and that the person who signed in may open it, then try again.";
    MailboxNotConnected = "mailbox_not_connected", TenantAdmin, FreshToken, "Microsoft accepted the sign-in but would not open the mailbox.", "Check that the mailbox exists and has an Exchange licence, that IMAP is switched on for it, and that the person who signed in has full access. If its name was changed, sign in with Microsoft again.";
    FullAccessMissing = "full_access_missing", TenantAdmin, FreshToken, "Microsoft accepted the sign-in, but the person who signed in may not open this shared mailbox.", "A Microsoft 365 administrator gives that person Full Access to the mailbox (Exchange admin centre, Mailboxes, the mailbox, Delegation; or Add-MailboxPermission -AccessRights FullAccess) and checks its address. It can take up to two hours until Microsoft acts on it; then try again.";
    PersonalAccessOff = "personal_access_off", Owner, FreshToken, "Outlook.com did not let us in: a personal mailbox is closed to other programs until its owner opens it to them.", "In Outlook.com open Settings, Mail, Forwarding and IMAP, let devices and apps use IMAP, and save; then try again.";
    SmtpAuthDisabled = "smtp_auth_disabled", TenantAdmin, Never, "Sending is switched off: authenticated SMTP is disabled for this mailbox or tenant.", "A Microsoft 365 administrator switches on \"Authenticated SMTP\" for the mailbox (admin centre, the user, Mail, Manage email apps; or Set-CASMailbox -SmtpClientAuthenticationDisabled $false), then press Try again. Where security defaults keep it off, or it is not wanted, let the inbox send through Microsoft Graph instead: choose it in the inbox's settings (send_transport in the API), and sign in with Microsoft again for it if you are asked to.";
    SendingRefused = "sending_refused", TenantAdmin, FreshToken, "The mail server refused the sign-in for sending.", "Check that authenticated SMTP is switched on for the mailbox and that the person who signed in may send from it, then press Try again.";
    GraphConsentMissing = "graph_consent_missing", Owner, Never, "Nobody has consented yet that this application may send through Microsoft Graph.", "Choose Microsoft Graph in the inbox's settings (send_transport graph in the API), sign in with Microsoft again for it, and accept; if Microsoft asks for an administrator, send them the consent link.";
    GraphAccessDenied = "graph_access_denied", TenantAdmin, Never, "Microsoft Graph does not let this sign-in send from the mailbox.", "A Microsoft 365 administrator checks that the person who signed in has full access to the mailbox, and that no policy keeps this application from Microsoft Graph, then press Try again.";
    GraphTokenRefused = "graph_token_refused", Owner, FreshToken, "Microsoft Graph refused the sign-in although its token is fresh.", "Sign in with Microsoft again from the inbox's settings. If it is refused again, a Microsoft 365 administrator looks in the sign-in logs whether a rule of the organisation keeps this application from Microsoft Graph.";
    GraphMailboxMissing = "graph_mailbox_missing", TenantAdmin, FreshToken, "Microsoft Graph finds no mailbox at Exchange Online: it has no licence, was deleted, or is kept on the organisation's own servers.", "A Microsoft 365 administrator gives the mailbox a licence with Exchange Online, or corrects its address, and then you press Try again. A mailbox on the organisation's own servers cannot send through Microsoft Graph: choose the other way of sending in the inbox's settings (send_transport in the API).";
    // The sign-in at Microsoft.
    SignInUnavailable = "sign_in_unavailable", Nobody, Later, "Microsoft's sign-in service is not answering properly at the moment.", "Nothing to do: we keep trying. While connecting, start again in a minute.";
    RefusalUnknown = "refusal_unknown", Nobody, Later, "Microsoft refuses to renew the permission to use the mailbox, for a reason that is not known here.", "Nothing to do: we keep trying for a day. If it stays, signing in again may help; give the correlation id below to Microsoft's support.";
    RefusalLasting = "refusal_lasting", Owner, Never, "Microsoft has refused for a day to renew the permission to use the mailbox, for a reason that is not known here.", "Sign in with Microsoft again. If it is refused again, give the correlation id below to Microsoft's support.";
    GrantExpired = "grant_expired", Owner, Never, "The permission to use the mailbox has expired.", "Sign in with Microsoft again.";
    SignInFrequency = "sign_in_frequency", Owner, Never, "A rule of the organisation asks people to sign in again every so often, and it is time.", "Sign in with Microsoft again. So that it need not be done over and over, a Microsoft 365 administrator can leave this account out of the rule (Conditional Access, sign-in frequency).";
    GrantRevoked = "grant_revoked", Owner, Never, "The permission to use the mailbox was withdrawn: the password was changed or the sessions were revoked.", "Sign in with Microsoft again.";
    InteractionRequired = "interaction_required", Owner, Never, "Microsoft wants the person to sign in again, with a second factor.", "Sign in with Microsoft again and complete the extra step.";
    ConsentRequired = "consent_required", Owner, Never, "Nobody has consented yet that this application may use the mailbox.", "Sign in with Microsoft again and accept; if Microsoft asks for an administrator, send them the consent link.";
    AdminConsentRequired = "admin_consent_required", TenantAdmin, Never, "An administrator of the Microsoft tenant must approve this application first.", "Send the consent link to a Microsoft 365 administrator; when they have approved, sign in again.";
    PolicyBlocked = "policy_blocked", TenantAdmin, Never, "A Conditional Access policy of the Microsoft tenant blocks this application.", "A Microsoft 365 administrator allows the application in Conditional Access, then sign in again.";
    AccountBlocked = "account_blocked", TenantAdmin, Never, "The Microsoft account is disabled, or not assigned to this application.", "A Microsoft 365 administrator enables the account or assigns the user to the application, then sign in again.";
    ServiceMissing = "service_missing", TenantAdmin, Never, "The Microsoft tenant has no subscription for Exchange Online.", "Sign in with an account of an organisation whose mailboxes are at Microsoft 365.";
    SignInCancelled = "sign_in_cancelled", Owner, Never, "The sign-in was cancelled at Microsoft.", "Start again when you like. If Microsoft asked for an administrator's approval, send an administrator the consent link.";
    WrongAccount = "wrong_account", Owner, Never, "The account that signed in cannot be used here.", "Sign in with an account of the organisation that owns the mailbox, or with a personal account where only those are taken.";
    AppCredentialRefused = "app_credential_refused", Operator, Later, "Microsoft refuses this installation's application secret.", "Put the secret's value (not its id) into AZURE_APP_SECRET, and check AZURE_APP_ID.";
    AppCredentialExpired = "app_credential_expired", Operator, Later, "This installation's application secret has expired.", "Make a new client secret in the app registration and set AZURE_APP_SECRET.";
    OwnAppCredentialRefused = "own_app_credential_refused", TenantAdmin, Later, "Microsoft refuses the secret or certificate of your account's own OAuth app.", "Give the OAuth app a credential that works: a client secret's value (not its id) or a certificate that stands in the app registration. Then verify the app; nobody needs to sign in again.";
    OwnAppCredentialExpired = "own_app_credential_expired", TenantAdmin, Later, "The secret or certificate of your account's own OAuth app has expired.", "Make a new client secret or certificate in the app registration and add it to the OAuth app; nobody needs to sign in again.";
    OwnAppMisconfigured = "own_app_misconfigured", TenantAdmin, Later, "The registration of your account's own OAuth app does not fit this request.", "Check the OAuth app's client id and authority, and redirect URI, account types and permissions of its registration at Microsoft.";
    AppBlockedByTenant = "app_blocked_by_tenant", TenantAdmin, Later, "The mailbox's organisation does not let this application in any more: it was switched off or removed there.", "A Microsoft 365 administrator of the organisation looks for the application under Enterprise applications in the Microsoft Entra admin centre, and lets users sign in to it again; if it is not there, they approve it anew with the consent link. Nobody else needs to do anything.";
    AppMisconfigured = "app_misconfigured", Operator, Later, "The application's registration at Microsoft does not fit this request.", "Check client id, redirect URI, account types and permissions of the app registration.";
    AppUnusable = "app_unusable", Operator, Later, "This installation's application cannot be used at Microsoft: it is not known there any more, it was switched off, or it is not configured here.", "Look for the application in the Microsoft Entra admin centre under App registrations, see whether AZURE_APP_ID and its credential are set, and run postroom doctor. Everything goes on by itself when it can be used again; nobody needs to sign in again.";
    OwnAppUnusable = "own_app_unusable", TenantAdmin, Later, "Your account's own OAuth app cannot be used at Microsoft: it is not known there any more, it was switched off, or what is stored of it cannot be read.", "Look for the application in the Microsoft Entra admin centre under App registrations, compare its client id, and verify the OAuth app. Everything goes on by itself when it can be used again; nobody needs to sign in again.";
    RequestMalformed = "request_malformed", Operator, Never, "Microsoft says that our request was malformed.", "Please report this with the correlation id below.";
    ClientLoop = "client_loop", Nobody, Later, "Microsoft says that we asked too often.", "Nothing to do: we pause for five minutes.";
    ScopesMissing = "scopes_missing", Owner, Never, "The sign-in did not grant the permissions for reading and sending mail.", "Sign in again and accept all permissions.";
    RefreshTokenMissing = "refresh_token_missing", Operator, Never, "Microsoft gave no refresh token, so the mailbox could not stay connected.", "Check that the app registration is of type Web and may use offline_access, then sign in again.";
    // The callback.
    StateUnknown = "state_unknown", Owner, Never, "This sign-in link is not known here.", "Open the link that you were sent once more, or start connecting again from the inbox settings.";
    StateExpired = "state_expired", Owner, Never, "This sign-in has expired: it took longer than 15 minutes, or it was finished before.", "Open the link that you were sent once more, or start connecting again from the inbox settings.";
    OtherBrowser = "other_browser", Owner, Never, "The sign-in was started in another browser.", "Finish in the browser that first went on from the link, or start connecting again.";
    IdTokenInvalid = "id_token_invalid", Operator, Never, "Microsoft's answer could not be trusted: the identity token is not valid.", "Start again. If it stays, give the operator the reason below.";
    OtherPrincipal = "other_principal", Owner, Never, "Another Microsoft account signed in than the one this inbox was connected with.", "Sign in with the account that connected the inbox before, or have an administrator of the account here hand the inbox over in its settings.";
    AddressUnvouched = "address_unvouched", Owner, Never, "Nobody vouches that this Microsoft account has the address that the link was made for.", "Tell whoever sent the link under which name you signed in. An administrator there accepts the account, for which the sign-in waits a week, or makes a link for that name.";
    UnexpectedAccount = "unexpected_account", Owner, Never, "Another Microsoft account signed in than the one this link was made for.", "Open the link again and sign in with the account that its page names, or ask whoever sent it for another link.";
    ConnectLinkOver = "connect_link_over", Owner, Never, "This link cannot be used any more: it has connected a mailbox, it was withdrawn, or it has expired.", "Ask whoever sent it for a new one.";
    AddressUnknown = "address_unknown", Owner, Never, "None of the sign-in names of this account is an e-mail address.", "Type the mailbox's address on the page that asks for it. The mail server then says whether it may be opened.";
    MailboxAlreadyConnected = "mailbox_already_connected", Owner, Never, "This mailbox is already connected in this account.", "Use the inbox that exists, or sign in again from its settings.";
    InboxLimitReached = "inbox_limit_reached", Operator, Never, "The account has as many inboxes as it may have.", "An administrator of the account deletes an inbox that is no longer needed, or the operator raises ACCOUNT_INBOXES_LIMIT; then connect the mailbox again.";
    // Sending.
    SenderNotAllowed = "sender_not_allowed", TenantAdmin, Never, "The mailbox may not send as this address.", "Where From is not the mailbox's own address, set the right one in the inbox's settings; for another mailbox's address, a Microsoft 365 administrator grants Send As, then press Try again.";
    SenderBlocked = "sender_blocked", TenantAdmin, Never, "The mailbox is blocked from sending.", "A Microsoft 365 administrator removes the mailbox from Restricted entities, then press Try again.";
    RecipientRefused = "recipient_refused", Agent, Never, "The mail server refused the recipient.", "Check the address, then retry the message.";
    SomeRecipientsRefused = "some_recipients_refused", Agent, Never, "The message was sent, but some recipients were refused.", "Check the addresses below; Retry sends it to these alone.";
    SomeRecipientsWait = "some_recipients_wait", Nobody, Later, "The message was sent, but the mail server put some recipients off.", "Nothing to do: we try those again for up to three days.";
    TooManyRecipients = "too_many_recipients", Agent, Never, "The message has more recipients than the mail server takes at once.", "Send it to fewer people at a time.";
    MessageTooLarge = "message_too_large", Agent, Never, "The message is larger than the mail server accepts.", "Send the attachments in smaller parts, or as links.";
    MessageRefused = "message_refused", Agent, Never, "The mail server refused the message.", "Read the server's words below; change the message and retry.";
    MailboxFull = "mailbox_full", Owner, Later, "The sending mailbox is full.", "Make room in the mailbox; we keep trying.";
    SendingQuotaExceeded = "sending_quota_exceeded", Nobody, Later, "The mailbox has used up its sending limit.", "Nothing to do: we try again when the limit's window has passed.";
    SendingPaced = "sending_paced", Nobody, Later, "The mailbox may send only so many messages a minute, and this one waits for its turn.", "Nothing to do: it goes out by itself, in its turn.";
    DailyRecipientsReached = "daily_recipients_reached", Nobody, Later, "The mailbox has written to as many recipients as it may within 24 hours, and this message waits for its turn.", "Nothing to do: it goes out by itself when the limit allows. Where the provider allows this mailbox more, an administrator sets that in the inbox's settings.";
    AlreadySent = "already_sent", Nobody, Done, "The mail server already has this message.", "Nothing to do.";
    OutcomeUnknown = "outcome_unknown", Agent, Never, "The connection was lost after the message was handed over, so it may or may not have been sent.", "Look into the mailbox's Sent folder; retry the message if it is not there.";
    NoRecipients = "no_recipients", Agent, Never, "The message has no recipient.", "Give the contact an e-mail address or fill in To, then retry.";
    MessageUnbuildable = "message_unbuildable", Operator, Never, "The message could not be put together as a mail.", "Please report this with the message's id.";
    // Ours.
    SecretUnreadable = "secret_unreadable", Operator, Later, "A stored secret could not be opened with the keys of this installation.", "Put the key that sealed it back into POSTROOM_SECRET_KEY.";
    Cancelled = "cancelled", Agent, Never, "Somebody cancelled the message before it was sent.", "Retry it if it should go out after all.";
    NotSent = "not_sent", Agent, Never, "Somebody looked, and says that the message was not sent.", "Retry it if it should go out after all.";
    MessageDeleted = "message_deleted", Agent, Never, "The message was deleted before it could be sent.", "Write it again if it should go out.";
    ChannelRemoved = "channel_removed", Agent, Never, "The inbox's mailbox is no longer connected.", "Connect the mailbox again, then retry the message.";
    AccountSuspended = "account_suspended", Operator, Later, "The account is suspended.", "Lift the suspension; waiting work goes on then.";
    Internal = "internal", Operator, Later, "Something failed inside Postroom.", "We keep trying. The operator finds the cause in the log by the correlation id.";
    GivenUp = "given_up", Operator, Never, "This failed inside Postroom again and again, and was given up.", "The operator finds the cause in the log and in the row of owed work; when it is mended, try again.";
}

/// What a newer version has written is read as trouble inside, not as a row that is broken: two versions run beside each other for a while.
impl<'de> Deserialize<'de> for FailureClass {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = String::deserialize(deserializer)?;
        Ok(Self::parse(&code).unwrap_or(Self::Internal))
    }
}

impl FailureClass {
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|c| c.code() == code)
    }

    /// Microsoft does not take what the application proves itself with: no mailbox's trouble, but the app's.
    pub const fn is_app_credential(self) -> bool {
        matches!(
            self,
            Self::AppCredentialRefused
                | Self::AppCredentialExpired
                | Self::OwnAppCredentialRefused
                | Self::OwnAppCredentialExpired
        )
    }

    /// The application's trouble in every mailbox alike, and no mailbox's: what it proves itself with, or that it is not there. Told once, as
    /// its alarm. A registration that does not fit a request may fit every other one, so that is the mailbox's that met it.
    pub const fn is_of_the_app(self) -> bool {
        self.is_app_credential() || matches!(self, Self::AppUnusable | Self::OwnAppUnusable)
    }

    /// The same of an app that an account has registered for itself: another person must act.
    #[must_use]
    pub const fn of_own_app(self) -> Self {
        match self {
            Self::AppCredentialRefused => Self::OwnAppCredentialRefused,
            Self::AppCredentialExpired => Self::OwnAppCredentialExpired,
            Self::AppMisconfigured => Self::OwnAppMisconfigured,
            Self::AppUnusable => Self::OwnAppUnusable,
            other => other,
        }
    }
}

/// The longest piece of a server's words that is kept.
pub const MAX_SERVER_TEXT_BYTES: usize = 500;

/// One thing that went wrong, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub class: FailureClass,
    /// The server's own words, cut to [`MAX_SERVER_TEXT_BYTES`]; shown to administrators, never a token or an address of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_said: Option<String>,
    /// What we know beyond the class, such as which check of an id_token failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Microsoft's or our own id under which support finds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// How long the server asked us to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
    /// What the next sign-in must bring along.
    #[serde(default, deserialize_with = "crate::claims_challenge::read", skip_serializing_if = "Option::is_none")]
    pub claims: Option<ClaimsChallenge>,
}

impl Failure {
    pub fn new(class: FailureClass) -> Self {
        Self { class, server_said: None, detail: None, correlation_id: None, retry_after_seconds: None, claims: None }
    }

    #[must_use]
    pub fn said(mut self, server: impl AsRef<str>) -> Self {
        self.server_said = Some(shortened(server.as_ref()));
        self
    }

    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    #[must_use]
    pub fn correlation(mut self, id: impl Into<String>) -> Self {
        self.correlation_id = Some(id.into());
        self
    }

    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        self.retry_after_seconds = Some(wait.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX));
        self
    }

    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after_seconds.map(Duration::from_secs)
    }
}

impl From<FailureClass> for Failure {
    fn from(class: FailureClass) -> Self {
        Self::new(class)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.class.code())?;
        if let Some(detail) = &self.detail {
            write!(f, " ({detail})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

fn shortened(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let clean = clean.trim();
    clean[..clean.floor_char_boundary(MAX_SERVER_TEXT_BYTES)].to_owned()
}

/// How long to wait before try number `attempts + 1`: doubling from `first`, at most `most`, with `jitter` (0.0 to 1.0, drawn by the
/// caller) spreading the wait over its upper half, so that many mailboxes that failed together do not come back together.
pub fn backoff(attempts: u32, first: Duration, most: Duration, jitter: f64) -> Duration {
    let doubled = first.saturating_mul(2u32.saturating_pow(attempts.saturating_sub(1).min(20))).min(most);
    doubled.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_is_found_by_its_code_and_has_words() {
        for class in FailureClass::ALL {
            assert_eq!(FailureClass::parse(class.code()), Some(*class));
            assert!(class.text().ends_with('.') && class.cure().ends_with('.'), "{}", class.code());
        }
    }

    #[test]
    fn a_class_that_a_newer_version_has_written_is_read_as_trouble_inside() {
        for class in FailureClass::ALL {
            let written = serde_json::to_string(class).expect("a word");
            assert_eq!(serde_json::from_str::<FailureClass>(&written).expect("a class"), *class);
        }
        let failure: Failure = serde_json::from_str(r#"{"class":"of_tomorrow","detail":"why"}"#).expect("a failure");
        assert_eq!((failure.class, failure.detail.as_deref()), (FailureClass::Internal, Some("why")));
    }

    #[test]
    fn a_servers_words_are_cut_at_a_character_and_lose_their_control_characters() {
        let failure = Failure::new(FailureClass::MessageRefused).said(format!("550\r\n{}", "é".repeat(400)));
        let said = failure.server_said.expect("kept");
        assert!(said.len() <= MAX_SERVER_TEXT_BYTES && !said.contains('\r'));
    }

    #[test]
    fn backoff_doubles_up_to_its_cap() {
        let wait = |n| backoff(n, Duration::from_secs(5), Duration::from_secs(900), 1.0).as_secs();
        assert_eq!([wait(1), wait(2), wait(3), wait(9), wait(60)], [5, 10, 20, 900, 900]);
        assert_eq!(backoff(1, Duration::from_secs(5), Duration::from_secs(900), 0.0), Duration::from_millis(2500));
    }
}
