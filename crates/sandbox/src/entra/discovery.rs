//! The OpenID Connect metadata, member for member what Microsoft's `common` publishes.
//!
//! For `common` and `organizations` the issuer is the literal template `…/{tenantid}/v2.0`, which is why generic
//! libraries fail there. PKCE is supported and not advertised.

use serde_json::{Value, json};

use crate::directory::{Audience, PERSONAL_TENANT};
use crate::state::State;

pub(crate) fn document(state: &State, segment: &str, audience: &Audience) -> Value {
    let base = format!("{}/{segment}", state.login_url);
    let issuer = match audience {
        Audience::Everybody | Audience::Work => state.issuer("{tenantid}"),
        Audience::Personal => state.issuer(PERSONAL_TENANT),
        Audience::One(tid) => state.issuer(tid),
    };
    let region = if matches!(audience, Audience::One(_)) { json!("NA") } else { Value::Null };
    json!({
        "token_endpoint": format!("{base}/oauth2/v2.0/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": format!("{base}/discovery/v2.0/keys"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": issuer,
        "request_uri_parameter_supported": false,
        "userinfo_endpoint": format!("{}/oidc/userinfo", state.login_url),
        "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
        "device_authorization_endpoint": format!("{base}/oauth2/v2.0/devicecode"),
        "http_logout_supported": true,
        "frontchannel_logout_supported": true,
        "end_session_endpoint": format!("{base}/oauth2/v2.0/logout"),
        "claims_supported": ["sub", "iss", "cloud_instance_name", "cloud_instance_host_name", "cloud_graph_host_name",
            "msgraph_host", "aud", "exp", "iat", "auth_time", "acr", "nonce", "preferred_username", "name", "tid", "ver",
            "at_hash", "c_hash", "email"],
        "kerberos_endpoint": format!("{base}/kerberos"),
        "tenant_region_scope": region,
        "cloud_instance_name": "microsoftonline.com",
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": "graph.microsoft.com",
        "rbac_url": "https://pas.windows.net",
    })
}
