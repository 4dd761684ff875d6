//! Tenants and the people in them: who may sign in, what his tokens say of him, and what his mailbox allows.
//!
//! It never holds mail; the mailboxes are in `mailbox.rs`.

use crate::ambient::stable_guid;

/// The tenant of all personal accounts (Microsoft's documentation, id token claims reference: `tid`).
pub const PERSONAL_TENANT: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
/// Contoso: its people may consent for themselves.
pub const CONTOSO: &str = "3338040d-6c67-4c5b-b112-36a304b66dad";
/// Fabrikam: only an administrator may consent, as Microsoft's default policy has it since November 2025.
pub const FABRIKAM: &str = "8f0b5c1e-2d64-4f0a-9c3b-7a5d1e6f4b20";

/// An organisation at Microsoft, or the one tenant of all personal accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// The directory (tenant) id, a GUID.
    pub tid: String,
    pub name: String,
    /// Verified domains, the first one is the primary one.
    pub domains: Vec<String>,
    /// People cannot consent for themselves: they see "Need admin approval".
    pub admin_approval: bool,
}

impl Tenant {
    pub fn new(tid: &str, name: &str, domain: &str) -> Self {
        Self { tid: tid.into(), name: name.into(), domains: vec![domain.into()], admin_approval: false }
    }

    pub fn is_personal(&self) -> bool {
        self.tid == PERSONAL_TENANT
    }
}

/// Somebody who can sign in, and his mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantUser {
    pub tid: String,
    /// Immutable in the tenant, the same for every app.
    pub oid: String,
    /// The sign-in name (UPN), `preferred_username`, and the address of the mailbox unless it has another one.
    pub address: String,
    /// The mailbox's primary SMTP address where it is not the sign-in name, which is then no address of the mailbox at all.
    pub primary_address: Option<String>,
    pub display_name: String,
    /// The directory's Mail attribute, which anybody may set to anything: the `email` claim. `None` leaves the claim out.
    pub email: Option<String>,
    /// `xms_edov`; `None` leaves the claim out.
    pub email_domain_owner_verified: Option<bool>,
    /// Further addresses that deliver into this mailbox. SMTP AUTH refuses them as `user=`.
    pub aliases: Vec<String>,
    /// May consent for the whole organisation.
    pub admin: bool,
    /// Signed in from another organisation (`acct` 1 and an `idp` claim).
    pub guest: bool,
    /// The account is disabled (AADSTS50057).
    pub disabled: bool,
    /// A policy of the organisation gives tokens only for a sign-in that was asked for with exactly these `claims`, and says so with every refusal
    /// (AADSTS50076; Microsoft's documentation, "Claims challenges, claims requests and client capabilities").
    pub wanted_claims: Option<String>,
    /// Without a licence there is no mailbox: sign-in works, IMAP does not.
    pub has_mailbox: bool,
    /// `Set-CASMailbox -ImapEnabled`; off by default for personal accounts at Microsoft, on here.
    pub imap_enabled: bool,
    /// `Set-CASMailbox -SmtpClientAuthenticationDisabled`, inverted.
    pub smtp_auth_enabled: bool,
    /// Other mailboxes this user may open (FullAccess).
    pub full_access: Vec<String>,
    /// Other addresses this user may send as (SendAs).
    pub send_as: Vec<String>,
    /// Who may stand in From is said after DATA (5.2.252) and not at MAIL FROM (5.7.60). Exchange was seen doing either.
    pub judges_sender_after_data: bool,
    /// smtp-mail.outlook.com replaces the Message-ID; business tenants mostly keep it.
    pub rewrites_message_id: bool,
    /// `Set-Mailbox -MessageCopyForSMTPClientSubmissionEnabled`.
    pub keeps_sent_copy: bool,
    /// `Set-Mailbox -MessageCopyForSentAsEnabled`, of the mailbox that others send as: it gets a copy, too, of what they hand in. Off by default.
    pub keeps_sent_as_copy: bool,
    /// Exchange names the folder in the mailbox's language: `Sent Items`, `Gesendete Elemente`, `Éléments envoyés` …
    pub sent_folder: String,
}

impl TenantUser {
    /// A member of an organisation, with a mailbox and everything switched on.
    pub fn work(tid: &str, address: &str, display_name: &str) -> Self {
        Self {
            tid: tid.into(),
            oid: stable_guid(&format!("{tid}/{address}")),
            address: address.into(),
            primary_address: None,
            display_name: display_name.into(),
            email: Some(address.into()),
            email_domain_owner_verified: Some(true),
            aliases: Vec::new(),
            admin: false,
            guest: false,
            disabled: false,
            wanted_claims: None,
            has_mailbox: true,
            imap_enabled: true,
            smtp_auth_enabled: true,
            full_access: Vec::new(),
            send_as: Vec::new(),
            judges_sender_after_data: false,
            rewrites_message_id: false,
            keeps_sent_copy: true,
            keeps_sent_as_copy: false,
            sent_folder: "Sent Items".into(),
        }
    }

    /// A personal account. Its `oid` begins with zeros and its Message-IDs are replaced on submission.
    pub fn personal(address: &str, display_name: &str) -> Self {
        let mut user = Self::work(PERSONAL_TENANT, address, display_name);
        let tail = user.oid[user.oid.len() - 17..].to_owned();
        user.oid = format!("00000000-0000-0000-{}-{}", &tail[..4], &tail[5..]);
        user.rewrites_message_id = true;
        user.sent_folder = "Sent".into();
        user
    }

    /// May consent for the whole organisation.
    #[must_use]
    pub fn administrator(mut self) -> Self {
        self.admin = true;
        self
    }

    /// Signs in under one name and has mail under another, which is the directory's Mail attribute, too.
    #[must_use]
    pub fn with_primary_address(mut self, address: &str) -> Self {
        self.primary_address = Some(address.into());
        self.email = Some(address.into());
        self
    }

    pub fn is_personal(&self) -> bool {
        self.tid == PERSONAL_TENANT
    }

    /// The mailbox's own address.
    pub fn primary_address(&self) -> &str {
        self.primary_address.as_deref().unwrap_or(&self.address)
    }

    pub(crate) fn is_called(&self, address: &str) -> bool {
        self.address.eq_ignore_ascii_case(address)
    }

    pub(crate) fn receives(&self, address: &str) -> bool {
        let primary = self.primary_address().eq_ignore_ascii_case(address);
        primary || self.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(address))
    }

    pub(crate) fn may_open(&self, mailbox: &str) -> bool {
        self.is_called(mailbox) || self.full_access.iter().any(|address| address.eq_ignore_ascii_case(mailbox))
    }

    pub(crate) fn may_send_as(&self, address: &str) -> bool {
        self.receives(address) || self.send_as.iter().any(|other| other.eq_ignore_ascii_case(address))
    }

    /// Pairwise per client (Microsoft's documentation): another app sees another `sub`.
    pub(crate) fn subject_for(&self, client_id: &str) -> String {
        use base64::Engine as _;
        let digest =
            ring::digest::digest(&ring::digest::SHA256, format!("{}/{}/{client_id}", self.tid, self.oid).as_bytes());
        let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest.as_ref());
        if self.is_personal() { format!("AAAAAAAAAAAAAAAAAAAAA{}", &text[..22]) } else { text }
    }
}

/// The tenants a sandbox knows unless told otherwise.
pub fn predefined_tenants() -> Vec<Tenant> {
    let mut fabrikam = Tenant::new(FABRIKAM, "Fabrikam", "fabrikam.example");
    fabrikam.admin_approval = true;
    vec![
        Tenant::new(CONTOSO, "Contoso", "contoso.example"),
        fabrikam,
        Tenant::new(PERSONAL_TENANT, "Personal accounts", "outlook.example"),
    ]
}

/// The people a sandbox knows unless told otherwise.
pub fn predefined_users() -> Vec<TenantUser> {
    let mut support = TenantUser::work(CONTOSO, "support@contoso.example", "Contoso Support");
    support.aliases.push("hello@contoso.example".into());
    // Her sign-in name is another than the address that people write to, for which Microsoft does not vouch.
    let mut paula = TenantUser::work(CONTOSO, "paula@contoso.onmicrosoft.example", "Paula Contoso");
    paula.email = Some("paula@contoso.example".into());
    paula.email_domain_owner_verified = None;
    paula.aliases.push("paula@contoso.example".into());
    vec![
        support,
        paula,
        TenantUser::work(CONTOSO, "sales@contoso.example", "Contoso Sales"),
        TenantUser::work(CONTOSO, "admin@contoso.example", "Contoso Administrator").administrator(),
        TenantUser::work(FABRIKAM, "help@fabrikam.example", "Fabrikam Help"),
        TenantUser::work(FABRIKAM, "admin@fabrikam.example", "Fabrikam Administrator").administrator(),
        TenantUser::personal("corner.shop@outlook.example", "Corner Shop"),
    ]
}

/// Everybody and every organisation of one sandbox.
#[derive(Default)]
pub(crate) struct Directory {
    pub(crate) tenants: Vec<Tenant>,
    pub(crate) users: Vec<TenantUser>,
}

impl Directory {
    pub(crate) fn tenant(&self, tid: &str) -> Option<&Tenant> {
        self.tenants.iter().find(|tenant| tenant.tid.eq_ignore_ascii_case(tid))
    }

    /// A user by sign-in name.
    pub(crate) fn user(&self, address: &str) -> Option<&TenantUser> {
        self.users.iter().find(|user| user.is_called(address))
    }

    pub(crate) fn user_by_id(&self, tid: &str, oid: &str) -> Option<&TenantUser> {
        self.users.iter().find(|user| user.tid == tid && user.oid == oid)
    }

    /// The user whose mailbox takes mail for an address, by name or alias.
    pub(crate) fn recipient(&self, address: &str) -> Option<&TenantUser> {
        self.users.iter().find(|user| user.has_mailbox && user.receives(address))
    }

    /// Whether a domain belongs to an organisation here, so that an unknown address in it does not exist.
    pub(crate) fn owns_domain(&self, domain: &str) -> bool {
        self.tenants.iter().any(|tenant| tenant.domains.iter().any(|owned| owned.eq_ignore_ascii_case(domain)))
    }

    /// What the `{tenant}` of a URL stands for.
    pub(crate) fn audience(&self, segment: &str) -> Option<Audience> {
        match segment.to_ascii_lowercase().as_str() {
            "common" => Some(Audience::Everybody),
            "organizations" => Some(Audience::Work),
            "consumers" => Some(Audience::Personal),
            other => self
                .tenants
                .iter()
                .find(|tenant| tenant.tid == other || tenant.domains.iter().any(|domain| domain == other))
                .map(
                    |tenant| if tenant.is_personal() { Audience::Personal } else { Audience::One(tenant.tid.clone()) },
                ),
        }
    }
}

/// The accounts that a `{tenant}` in a URL admits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    Everybody,
    Work,
    Personal,
    One(String),
}

impl Audience {
    pub(crate) fn admits(&self, user: &TenantUser) -> bool {
        match self {
            Self::Everybody => true,
            Self::Work => !user.is_personal(),
            Self::Personal => user.is_personal(),
            Self::One(tid) => user.tid == *tid,
        }
    }
}
