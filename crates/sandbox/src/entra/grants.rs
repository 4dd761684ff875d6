//! What was granted: codes waiting to be redeemed, refresh tokens, access tokens, and who consented to the app.
//!
//! Tokens are opaque strings of the length Microsoft's have; what they mean is only written here.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use super::errors::EntraError;
use crate::ambient::{random_base64, random_between, random_token};
use crate::state::lock;

/// Who a token speaks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Principal {
    User {
        tid: String,
        oid: String,
    },
    /// Client credentials: the app itself in one tenant.
    App {
        tid: String,
    },
}

/// An authorization code and what it was given for.
#[derive(Clone, Debug)]
pub(crate) struct CodeGrant {
    pub(crate) client_id: String,
    pub(crate) tid: String,
    pub(crate) oid: String,
    pub(crate) redirect_uri: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) nonce: Option<String>,
    pub(crate) code_challenge: Option<(String, String)>,
    pub(crate) client_info: bool,
    /// What the sign-in was asked for with.
    pub(crate) claims: Option<String>,
    pub(crate) expires_at: i64,
    pub(crate) redeemed: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct RefreshGrant {
    /// A refresh token is bound to the client that it was given to.
    pub(crate) client_id: String,
    pub(crate) tid: String,
    pub(crate) oid: String,
    pub(crate) issued_at: i64,
    pub(crate) used_at: i64,
    pub(crate) revoked: bool,
    /// What was granted with it, for a refresh that names no scope.
    pub(crate) scopes: Vec<String>,
    /// Of the sign-in that it comes from.
    pub(crate) claims: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct AccessGrant {
    pub(crate) principal: Principal,
    pub(crate) scopes: Vec<String>,
    pub(crate) expires_at: i64,
}

/// The app, the tenant, and the user in it unless the whole organisation consents.
type Consenting = (String, String, Option<String>);

#[derive(Default)]
pub(crate) struct Grants {
    codes: Mutex<HashMap<String, CodeGrant>>,
    refresh: Mutex<HashMap<String, RefreshGrant>>,
    access: Mutex<HashMap<String, AccessGrant>>,
    id_tokens: Mutex<Vec<String>>,
    consents: Mutex<HashMap<Consenting, HashSet<String>>>,
}

/// Why a code was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CodeRefusal {
    Unknown,
    AlreadyRedeemed,
    Expired,
}

impl Grants {
    pub(crate) fn knows_code(&self, code: &str) -> bool {
        lock(&self.codes).contains_key(code)
    }

    pub(crate) fn issue_code(&self, grant: CodeGrant) -> String {
        // Work codes begin `1.` and are some 700 characters long, which has caught more than one VARCHAR(255).
        let code = format!("1.{}", random_token(540));
        lock(&self.codes).insert(code.clone(), grant);
        code
    }

    /// Takes a code; the second time it is refused (AADSTS54005). A refusal for another reason does not use it up.
    pub(crate) fn redeem_code(
        &self,
        code: &str,
        now: i64,
        check: impl FnOnce(&CodeGrant) -> Result<(), EntraError>,
    ) -> Result<CodeGrant, Result<CodeRefusal, EntraError>> {
        let mut codes = lock(&self.codes);
        let grant = codes.get_mut(code).ok_or(Ok(CodeRefusal::Unknown))?;
        if grant.redeemed {
            return Err(Ok(CodeRefusal::AlreadyRedeemed));
        }
        if grant.expires_at <= now {
            return Err(Ok(CodeRefusal::Expired));
        }
        check(grant).map_err(Err)?;
        grant.redeemed = true;
        Ok(grant.clone())
    }

    pub(crate) fn issue_refresh_token(&self, grant: RefreshGrant) -> String {
        let personal = grant.tid == crate::directory::PERSONAL_TENANT;
        let prefix = if personal { "M.C5" } else { "1.AXkA" };
        let token = format!("{prefix}{}", random_token(usize_between(800, 1500)));
        lock(&self.refresh).insert(token.clone(), grant);
        token
    }

    pub(crate) fn refresh(&self, token: &str) -> Option<RefreshGrant> {
        lock(&self.refresh).get(token).cloned()
    }

    /// Its life begins anew. It stays valid after rotation: "replace and securely delete" is the client's part.
    pub(crate) fn used_refresh_token(&self, token: &str, now: i64) {
        if let Some(grant) = lock(&self.refresh).get_mut(token) {
            grant.used_at = now;
        }
    }

    pub(crate) fn issue_access_token(&self, principal: Principal, scopes: Vec<String>, expires_at: i64) -> String {
        // Outlook's access tokens are opaque, begin `EwB`, and are two to four thousand characters long.
        let token = format!("EwB{}", random_base64(usize_between(1500, 2900)));
        lock(&self.access).insert(token.clone(), AccessGrant { principal, scopes, expires_at });
        token
    }

    /// An access token whose text was made elsewhere, such as a JWT for mail servers that check signatures themselves.
    pub(crate) fn keep_access_token(&self, token: String, grant: AccessGrant) -> String {
        lock(&self.access).insert(token.clone(), grant);
        token
    }

    pub(crate) fn note_id_token(&self, token: &str) {
        lock(&self.id_tokens).push(token.to_owned());
    }

    /// Every code and token that was handed out, whether it still works or not.
    pub(crate) fn issued(&self) -> Vec<String> {
        let mut issued: Vec<String> = lock(&self.codes).keys().cloned().collect();
        issued.extend(lock(&self.refresh).keys().cloned());
        issued.extend(lock(&self.access).keys().cloned());
        issued.extend(lock(&self.id_tokens).iter().cloned());
        issued
    }

    pub(crate) fn access(&self, token: &str) -> Option<AccessGrant> {
        lock(&self.access).get(token).cloned()
    }

    pub(crate) fn expire_access_tokens(&self, oid: &str, now: i64) {
        for grant in lock(&self.access).values_mut() {
            if matches!(&grant.principal, Principal::User { oid: held, .. } if held == oid) {
                grant.expires_at = grant.expires_at.min(now);
            }
        }
    }

    pub(crate) fn revoke_refresh_tokens(&self, oid: &str) {
        for grant in lock(&self.refresh).values_mut().filter(|grant| grant.oid == oid) {
            grant.revoked = true;
        }
    }

    pub(crate) fn consent(&self, client_id: &str, tid: &str, oid: Option<&str>, scopes: &[String]) {
        let key = (client_id.to_owned(), tid.to_owned(), oid.map(str::to_owned));
        lock(&self.consents).entry(key).or_default().extend(scopes.iter().cloned());
    }

    /// What of `scopes` the user or his organisation has consented to. OpenID's own scopes need none.
    pub(crate) fn consented(&self, client_id: &str, tid: &str, oid: &str, scopes: &[String]) -> bool {
        let consents = lock(&self.consents);
        let of = |oid: Option<&str>| consents.get(&(client_id.to_owned(), tid.to_owned(), oid.map(str::to_owned)));
        let (user, organization) = (of(Some(oid)), of(None));
        scopes.iter().all(|scope| user.into_iter().chain(organization).any(|held| held.contains(scope)))
    }

    pub(crate) fn withdraw_consent(&self, tid: &str, oid: &str) {
        lock(&self.consents).retain(|(_, of_tenant, of_user), _| {
            of_tenant != tid || of_user.as_deref().is_some_and(|of_user| of_user != oid)
        });
    }
}

fn usize_between(low: u32, high: u32) -> usize {
    random_between(low, high) as usize
}
