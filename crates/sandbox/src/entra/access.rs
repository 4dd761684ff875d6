//! What an access token allows at the mail servers (Microsoft's documentation of IMAP and SMTP with OAuth).

use super::grants::{AccessGrant, Principal};
use super::scopes::{GRAPH, OUTLOOK, OUTLOOK_365};
use crate::directory::TenantUser;
use crate::state::State;

/// A sign-in at a mail server that succeeded.
#[derive(Clone, Debug)]
pub(crate) struct MailAccess {
    /// Who the token speaks for; for an app's own token, whose mailbox it is.
    pub(crate) user: TenantUser,
    /// The mailbox to be opened; `None` when the token is fine but the mailbox does not open.
    pub(crate) mailbox: Option<String>,
    pub(crate) token: String,
}

/// Why a mail server refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Expired, unknown, for another audience, without the scope: the servers say the same to all of them.
    Failed,
    /// SMTP AUTH is switched off for the mailbox (5.7.139).
    SmtpAuthDisabled,
}

/// The two halves of `user=…\x01auth=Bearer …\x01\x01`.
pub(crate) fn read_xoauth2(blob: &[u8]) -> Option<(String, String)> {
    let text = std::str::from_utf8(blob).ok()?;
    let mut fields = text.strip_suffix("\u{1}\u{1}")?.split('\u{1}');
    let user = fields.next()?.strip_prefix("user=")?;
    let token = fields.next()?.strip_prefix("auth=Bearer ")?;
    (fields.next().is_none() && !token.is_empty()).then(|| (user.to_owned(), token.to_owned()))
}

impl State {
    pub(crate) fn imap_access(&self, user: &str, token: &str) -> Result<MailAccess, Refusal> {
        let (grant, owner) = self.mail_grant(token, "IMAP.AccessAsUser.All", "IMAP.AccessAsApp")?;
        let token = token.to_owned();
        let directory = self.directory();
        let Some(owner) = owner else {
            // The app's own token opens any mailbox of its tenant that it was given FullAccess to; here, all of them.
            let Principal::App { tid } = &grant.principal else { return Err(Refusal::Failed) };
            let target = directory.user(user).filter(|target| target.tid == *tid).ok_or(Refusal::Failed)?.clone();
            let mailbox = target.has_mailbox.then(|| target.address.clone());
            return Ok(MailAccess { user: target, mailbox, token });
        };
        if owner.is_called(user) && !owner.imap_enabled {
            return Err(Refusal::Failed);
        }
        // A wrong `user=` or an alias of it signs in, and the mailbox does not open: "authenticated but not connected".
        let target = directory.user(user).filter(|target| target.has_mailbox && owner.may_open(&target.address));
        let mailbox = target.map(|target| target.address.clone());
        Ok(MailAccess { user: owner, mailbox, token })
    }

    pub(crate) fn smtp_access(&self, user: &str, token: &str) -> Result<MailAccess, Refusal> {
        let (grant, owner) = self.mail_grant(token, "SMTP.Send", "SMTP.SendAsApp")?;
        let owner = match (owner, &grant.principal) {
            (Some(owner), _) => owner,
            (None, Principal::App { tid }) => {
                let directory = self.directory();
                directory.user(user).filter(|target| target.tid == *tid).ok_or(Refusal::Failed)?.clone()
            }
            (None, Principal::User { .. }) => return Err(Refusal::Failed),
        };
        // SMTP AUTH takes the UPN and no other address of the user.
        if !owner.is_called(user) || !owner.has_mailbox {
            return Err(Refusal::Failed);
        }
        if !owner.smtp_auth_enabled {
            return Err(Refusal::SmtpAuthDisabled);
        }
        let mailbox = Some(owner.address.clone());
        Ok(MailAccess { user: owner, mailbox, token: token.to_owned() })
    }

    /// Whom a live token for Graph speaks for, and its rights without their prefix. A token for another resource is none.
    pub(crate) fn graph_user(&self, token: &str) -> Option<(TenantUser, Vec<String>)> {
        let grant = self.grants.access(token).filter(|grant| grant.expires_at > self.clock.now())?;
        let rights: Option<Vec<String>> = grant
            .scopes
            .iter()
            .map(|scope| scope.strip_prefix(GRAPH).and_then(|name| name.strip_prefix('/')).map(str::to_owned))
            .collect();
        let Principal::User { tid, oid } = grant.principal else { return None };
        let user = self.directory().user_by_id(&tid, &oid).filter(|user| !user.disabled).cloned()?;
        Some((user, rights?))
    }

    /// A live grant for the mail servers, and the user it speaks for.
    fn mail_grant(&self, token: &str, right: &str, role: &str) -> Result<(AccessGrant, Option<TenantUser>), Refusal> {
        let grant = self.grants.access(token).ok_or(Refusal::Failed)?;
        if grant.expires_at <= self.clock.now() {
            return Err(Refusal::Failed);
        }
        let holds = |wanted: &str| {
            grant
                .scopes
                .iter()
                .any(|scope| [OUTLOOK, OUTLOOK_365].iter().any(|resource| *scope == format!("{resource}/{wanted}")))
        };
        match &grant.principal {
            Principal::App { .. } if holds(role) => Ok((grant, None)),
            Principal::User { tid, oid } if holds(right) => {
                let owner = self.directory().user_by_id(tid, oid).cloned().ok_or(Refusal::Failed)?;
                if owner.disabled { Err(Refusal::Failed) } else { Ok((grant, Some(owner))) }
            }
            Principal::App { .. } | Principal::User { .. } => Err(Refusal::Failed),
        }
    }

    /// Seconds until the token ends; zero and less when it has.
    pub(crate) fn seconds_left(&self, token: &str) -> i64 {
        self.grants.access(token).map_or(0, |grant| grant.expires_at - self.clock.now())
    }
}
