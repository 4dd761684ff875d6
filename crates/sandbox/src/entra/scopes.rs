//! Scopes and the resource each belongs to (Microsoft's documentation, "Scopes and permissions").
//!
//! A name without a resource is one of Graph, which is how tokens come about that IMAP refuses.

use super::errors::EntraError;

pub(crate) const OUTLOOK: &str = "https://outlook.office.com";
pub(crate) const OUTLOOK_365: &str = "https://outlook.office365.com";
pub(crate) const GRAPH: &str = "https://graph.microsoft.com";
pub(crate) const POWERSHELL: &str = "https://ps.outlook.com";

/// The scopes of OpenID Connect belong to no resource.
pub(crate) const OPENID: [&str; 4] = ["openid", "profile", "email", "offline_access"];

pub(crate) fn split(scope: &str) -> Vec<String> {
    scope.split_whitespace().map(str::to_owned).collect()
}

pub(crate) fn is_openid(scope: &str) -> bool {
    OPENID.contains(&scope)
}

/// The resource of a scope: `None` for OpenID's own, an error for a resource nobody has.
pub(crate) fn resource_of(scope: &str) -> Result<Option<&'static str>, EntraError> {
    if is_openid(scope) {
        return Ok(None);
    }
    let Some((resource, _)) = scope.rsplit_once('/') else { return Ok(Some(GRAPH)) };
    [OUTLOOK, OUTLOOK_365, GRAPH, POWERSHELL]
        .into_iter()
        .find(|known| *known == resource.trim_end_matches('/'))
        .map_or_else(
            || {
                let text = format!(
                    "The resource principal named {resource} was not found in the tenant. This can happen if the \
                 application has not been installed by the administrator of the tenant."
                );
                Err(EntraError::new("invalid_resource", 500_011, text))
            },
            |known| Ok(Some(known)),
        )
}

/// The one resource of the scopes of a token request. Two resources are refused, at redemption and at refresh: the
/// documentation says that a refresh answers for the first one only, but asking for two is a mistake either way.
pub(crate) fn one_resource(scopes: &[String]) -> Result<Option<&'static str>, EntraError> {
    let mut found = None;
    for scope in scopes {
        let Some(resource) = resource_of(scope)? else { continue };
        if found.is_some_and(|first| first != resource) {
            let text = format!(
                "Provided value for the input parameter scope is not valid because it contains more than one resource. \
                 Scope {} is not valid.",
                scopes.join(" ")
            );
            return Err(EntraError::new("invalid_request", 28_000, text));
        }
        found = Some(resource);
    }
    Ok(found)
}

/// The scopes that need somebody's consent, with Graph's spelled out.
pub(crate) fn needing_consent(scopes: &[String]) -> Vec<String> {
    scopes.iter().filter(|scope| !is_openid(scope)).map(|scope| full_name(scope)).collect()
}

/// `Mail.Send` is `https://graph.microsoft.com/Mail.Send`.
pub(crate) fn full_name(scope: &str) -> String {
    if is_openid(scope) || scope.contains('/') { scope.to_owned() } else { format!("{GRAPH}/{scope}") }
}
