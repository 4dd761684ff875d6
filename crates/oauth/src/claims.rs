//! What a trusted id_token says about the person: who it is, and what merely describes them.
//!
//! Identity is `(tid, oid)` and nothing else. Every address in here can be changed, re-assigned or made up by an administrator of any
//! tenant ("Migrate away from using email claims", Microsoft identity platform), so none of them finds an account, an inbox or a grant.

use domain::EmailAddress;
use serde_json::{Map, Value};

/// Who signed in.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The tenant's id, in lower case.
    pub tid: String,
    /// The person's id in that tenant, in lower case.
    pub oid: String,
    /// The person's id for this application.
    pub sub: String,
    pub claims: Claims,
}

/// The ids alone: claims name a person.
impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("tid", &self.tid).field("oid", &self.oid).finish_non_exhaustive()
    }
}

/// What describes the person. Optional claims are there when the app registration asks for them and the account has them; a claim of
/// an unexpected type counts as absent.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Claims {
    pub email: Option<String>,
    pub preferred_username: Option<String>,
    pub upn: Option<String>,
    pub name: Option<String>,
    pub given_name: Option<String>,
    pub family_name: Option<String>,
    pub verified_primary_email: Vec<String>,
    pub verified_secondary_email: Vec<String>,
    /// `xms_edov`: whether the domain of `email` belongs to the person's tenant. `None` when Microsoft did not say.
    pub email_domain_owner_verified: Option<bool>,
    /// Opaque; to be given back to Microsoft as `login_hint`.
    pub login_hint: Option<String>,
    /// Set for guests: where their account really is.
    pub idp: Option<String>,
    /// `acct` = 1.
    pub is_guest: bool,
}

impl std::fmt::Debug for Claims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Claims").field("is_guest", &self.is_guest).finish_non_exhaustive()
    }
}

impl Claims {
    pub(crate) fn read(members: &Map<String, Value>) -> Self {
        let text = |name: &str| members.get(name).and_then(text_of);
        Self {
            email: text("email"),
            preferred_username: text("preferred_username"),
            upn: text("upn"),
            name: text("name"),
            given_name: text("given_name"),
            family_name: text("family_name"),
            verified_primary_email: members.get("verified_primary_email").map(texts_of).unwrap_or_default(),
            verified_secondary_email: members.get("verified_secondary_email").map(texts_of).unwrap_or_default(),
            email_domain_owner_verified: members.get("xms_edov").and_then(truth_of),
            login_hint: text("login_hint"),
            idp: text("idp"),
            is_guest: members.get("acct").and_then(truth_of).unwrap_or(false),
        }
    }
}

fn text_of(value: &Value) -> Option<String> {
    value.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// An array in Microsoft's documents, a plain string in some tokens.
fn texts_of(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().filter_map(text_of).collect(),
        one => text_of(one).into_iter().collect(),
    }
}

/// `true`, `"true"`, `1` and `"1"` have all been seen for the same claim.
fn truth_of(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::Number(number) => match number.as_i64() {
            Some(1) => Some(true),
            Some(0) => Some(false),
            _ => None,
        },
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

impl Identity {
    /// Who IMAP and SMTP are told is signing in: the sign-in name. Never `email`, which may be an alias that both refuse.
    pub fn xoauth2_user(&self) -> Option<&str> {
        [&self.claims.preferred_username, &self.claims.upn]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .find(|name| sign_in_address(name).is_some())
    }

    /// The mailbox's address, as a proposal: opening the mailbox is what proves it. `None` when nothing here is an address, and then
    /// the person is asked.
    ///
    /// `email` comes first because the sign-in name may be in a domain that no customer ever sees; but one whose domain Microsoft says
    /// is not the tenant's own would only be somebody else's address.
    pub fn proposed_address(&self) -> Option<EmailAddress> {
        let claims = &self.claims;
        let sign_in = self.xoauth2_user().and_then(EmailAddress::parse);
        let vouched = |email: &EmailAddress| {
            claims.email_domain_owner_verified != Some(false)
                || sign_in.as_ref().is_some_and(|name| name.domain().eq_ignore_ascii_case(email.domain()))
        };
        let email = claims.email.as_deref().and_then(EmailAddress::parse).filter(vouched);
        let primary = || claims.verified_primary_email.iter().find_map(|text| EmailAddress::parse(text));
        email.or_else(primary).or_else(|| sign_in.clone())
    }

    pub fn is_personal(&self) -> bool {
        self.tid == crate::CONSUMERS_TENANT
    }
}

/// A guest's name in the tenant that invited them (`ada_home.example#EXT#@…`) looks like an address and is none.
fn sign_in_address(name: &str) -> Option<EmailAddress> {
    EmailAddress::parse(name).filter(|address| !address.as_str().to_ascii_uppercase().contains("#EXT#"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn identity(claims: &Value) -> Identity {
        Identity {
            tid: "3338040d-6c67-4c5b-b112-36a304b66dad".to_owned(),
            oid: "690222be-ff1a-4d56-abd1-7e4f7d38e474".to_owned(),
            sub: "s".to_owned(),
            claims: Claims::read(claims.as_object().expect("an object")),
        }
    }

    fn proposed(claims: &Value) -> Option<String> {
        identity(claims).proposed_address().map(|address| address.to_string())
    }

    #[test]
    fn the_verified_domain_is_read_in_every_encoding_seen() {
        for yes in [json!(true), json!("true"), json!("True"), json!("1"), json!(1)] {
            let claims = identity(&json!({ "xms_edov": yes })).claims;
            assert_eq!(claims.email_domain_owner_verified, Some(true), "{yes}");
        }
        for no in [json!(false), json!("false"), json!("0"), json!(0)] {
            let claims = identity(&json!({ "xms_edov": no })).claims;
            assert_eq!(claims.email_domain_owner_verified, Some(false), "{no}");
        }
        for unsaid in [json!(null), json!([]), json!("yes"), json!(2)] {
            let claims = identity(&json!({ "xms_edov": unsaid })).claims;
            assert_eq!(claims.email_domain_owner_verified, None, "{unsaid}");
        }
        assert_eq!(identity(&json!({})).claims.email_domain_owner_verified, None);
    }

    #[test]
    fn verified_addresses_are_read_as_an_array_or_as_a_string() {
        let array = identity(&json!({ "verified_primary_email": ["a@x.org", "b@x.org"] })).claims;
        assert_eq!(array.verified_primary_email, ["a@x.org", "b@x.org"]);
        let string = identity(&json!({ "verified_primary_email": "a@x.org" })).claims;
        assert_eq!(string.verified_primary_email, ["a@x.org"]);
    }

    #[test]
    fn the_user_for_imap_is_the_sign_in_name_and_never_the_email() {
        let both = json!({ "email": "info@x.org", "preferred_username": "ada@x.org", "upn": "ada@corp.x.org" });
        assert_eq!(identity(&both).xoauth2_user(), Some("ada@x.org"));
        let phone = json!({ "email": "info@x.org", "preferred_username": "+49 170 1234567", "upn": "ada@x.org" });
        assert_eq!(identity(&phone).xoauth2_user(), Some("ada@x.org"));
        let guest = json!({ "email": "info@x.org", "upn": "ada_home.org#EXT#@x.onmicrosoft.com" });
        assert_eq!(identity(&guest).xoauth2_user(), None);
        assert_eq!(identity(&json!({ "email": "info@x.org" })).xoauth2_user(), None);
    }

    #[test]
    fn the_email_claim_proposes_the_address_and_the_sign_in_name_stands_in() {
        assert_eq!(
            proposed(&json!({ "email": "info@x.org", "preferred_username": "ada@x.onmicrosoft.com" })).as_deref(),
            Some("info@x.org")
        );
        assert_eq!(proposed(&json!({ "preferred_username": "ada@x.org" })).as_deref(), Some("ada@x.org"));
        assert_eq!(proposed(&json!({ "email": "no address", "upn": "ada@x.org" })).as_deref(), Some("ada@x.org"));
        assert_eq!(proposed(&json!({ "preferred_username": "+49 170 1234567" })), None);
        assert_eq!(proposed(&json!({})), None);
    }

    #[test]
    fn an_email_that_microsoft_does_not_vouch_for_does_not_propose_itself() {
        let taken =
            json!({ "email": "victim@corp.example", "preferred_username": "m@evil.example", "xms_edov": false });
        assert_eq!(proposed(&taken).as_deref(), Some("m@evil.example"));
        let own = json!({ "email": "info@x.org", "preferred_username": "ada@x.org", "xms_edov": "0" });
        assert_eq!(proposed(&own).as_deref(), Some("info@x.org"));
    }

    #[test]
    fn debug_names_nobody() {
        let shown = format!("{:?}", identity(&json!({ "email": "ada@x.org", "name": "Ada" })));
        assert!(!shown.contains("ada@x.org") && !shown.contains("Ada"), "{shown}");
    }
}
