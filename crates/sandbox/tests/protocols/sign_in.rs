//! Discovery, keys, the sign-in pages, consent.

use sandbox::{
    Answer, CONTOSO, Endpoint, EndpointFault, FABRIKAM, KeysFault, PERSONAL_TENANT, SignInError, SignInFault, SignedIn,
    TenantUser,
};

use crate::support::*;

#[tokio::test]
async fn discovery_of_common_has_the_template_as_issuer_and_that_of_a_tenant_a_concrete_one() {
    let sandbox = start().await;
    let base = sandbox.login_url();
    for (segment, issuer) in [
        ("common", "{tenantid}"),
        ("organizations", "{tenantid}"),
        ("consumers", PERSONAL_TENANT),
        (CONTOSO, CONTOSO),
        ("fabrikam.example", FABRIKAM),
    ] {
        let answer = get(&format!("{base}/{segment}/v2.0/.well-known/openid-configuration")).await;
        assert_eq!(answer.status, 200);
        let document = answer.json();
        assert_eq!(text(&document, "issuer"), format!("{base}/{issuer}/v2.0"));
        assert_eq!(text(&document, "token_endpoint"), format!("{base}/{segment}/oauth2/v2.0/token"));
        assert_eq!(text(&document, "jwks_uri"), format!("{base}/{segment}/discovery/v2.0/keys"));
        assert!(document.get("code_challenge_methods_supported").is_none(), "PKCE is supported and not advertised");
    }
    let unknown = get(&format!("{base}/nobody.example/v2.0/.well-known/openid-configuration")).await;
    assert_eq!(unknown.status, 400);
    assert_eq!(unknown.json()["error_codes"][0], 90_002);
}

#[tokio::test]
async fn the_key_set_has_templated_keys_the_personal_one_and_one_of_another_tenant() {
    let sandbox = start().await;
    let url = format!("{}/common/discovery/v2.0/keys", sandbox.login_url());
    let keys = get(&url).await.json()["keys"].as_array().unwrap().clone();
    let issuers: Vec<&str> = keys.iter().map(|key| text(key, "issuer")).collect();
    assert_eq!(issuers.iter().filter(|issuer| issuer.contains("{tenantid}")).count(), 2);
    assert_eq!(issuers.iter().filter(|issuer| issuer.contains(PERSONAL_TENANT)).count(), 1);
    assert_eq!(keys.len(), 4);
    for key in &keys {
        assert_eq!(key["kty"], "RSA");
        assert_eq!(key["use"], "sig");
        assert_eq!(key["kid"], key["x5t"]);
        assert!(key.get("alg").is_none(), "Microsoft sends no alg");
    }
    sandbox.rotate_keys();
    assert_eq!(get(&url).await.json()["keys"].as_array().unwrap().len(), 5);
    sandbox.retire_old_keys();
    let left = get(&url).await.json()["keys"].as_array().unwrap().clone();
    assert_eq!(left.len(), 3);
    assert!(left.iter().all(|key| key["kid"] != keys[0]["kid"] && key["kid"] != keys[1]["kid"]));
    sandbox.faults().once(KeysFault::Empty);
    assert_eq!(get(&url).await.json()["keys"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn a_redirect_uri_that_differs_by_a_slash_gets_a_page_and_no_redirect() {
    let sandbox = start().await;
    let url = authorize_url(&sandbox, "common", &[("redirect_uri", "http://127.0.0.1:3000/microsoft/callback/")]);
    let answer = get(&url).await;
    assert_eq!(answer.status, 400);
    assert!(answer.header("location").is_none());
    assert!(answer.body.contains("AADSTS50011"));
    let other = get(&authorize_url(&sandbox, "common", &[("client_id", "someone-else")])).await;
    assert!(other.body.contains("AADSTS700016") && other.header("location").is_none());
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_to_the_app_with_its_state() {
    let sandbox = start().await;
    for (replaced, error, code) in [
        ([("response_type", "token")], "unsupported_response_type", "AADSTS700051"),
        ([("scope", "")], "invalid_request", "AADSTS900144"),
        ([("code_challenge", "short")], "invalid_request", "AADSTS501491"),
        ([("prompt", "none")], "login_required", "AADSTS50058"),
        ([("scope", "https://nowhere.example/Mail")], "invalid_resource", "AADSTS500011"),
    ] {
        let answer = get(&authorize_url(&sandbox, "common", &replaced)).await;
        let back = answer.header("location").unwrap_or_else(|| panic!("{replaced:?} redirects: {}", answer.body));
        assert!(back.starts_with(REDIRECT));
        assert_eq!(parameter(back, "error").as_deref(), Some(error));
        assert_eq!(parameter(back, "state").as_deref(), Some("the-state"));
        let description = parameter(back, "error_description").unwrap();
        assert!(description.starts_with(code), "{description}");
        assert!(description.contains("\r\nTrace ID: ") && description.contains("\r\nTimestamp: "));
    }
}

#[tokio::test]
async fn accepting_sends_a_code_the_state_and_a_session_state_back() {
    let sandbox = start().await;
    let back =
        soon(sandbox.sign_in(&authorize_url(&sandbox, "common", &[("client_info", "1")]), SUPPORT)).await.unwrap();
    assert!(back.starts_with(&format!("{REDIRECT}?")));
    assert_eq!(parameter(&back, "state").as_deref(), Some("the-state"));
    assert_eq!(parameter(&back, "session_state").unwrap().len(), 36);
    assert!(parameter(&back, "client_info").is_some());
    assert!(parameter(&back, "code").unwrap().len() > 255);
}

#[tokio::test]
async fn the_page_offers_the_accounts_that_the_tenant_of_the_url_admits() {
    let sandbox = start().await;
    let page = |tenant| get_page(authorize_url(&sandbox, tenant, &[("login_hint", SUPPORT)]));
    let everybody = page("common").await;
    assert!(everybody.contains(SUPPORT) && everybody.contains(PERSONAL) && everybody.contains("sandbox"));
    assert!(everybody.contains("account hinted"), "the hinted account is marked");
    let work = page("organizations").await;
    assert!(work.contains(SUPPORT) && !work.contains(PERSONAL));
    let personal = page("consumers").await;
    assert!(!personal.contains("fabrikam") && personal.contains(PERSONAL));
    assert!(!page(FABRIKAM).await.contains("value=\"sales@contoso.example\""));
    let of_contoso = authorize_url(&sandbox, "contoso.example", &[]);
    let stranger = soon(sandbox.answer_sign_in(&of_contoso, PERSONAL, Answer::Accept));
    let SignedIn::Page { text, .. } = stranger.await.unwrap() else { panic!("a page, no redirect") };
    assert!(text.contains("AADSTS50020"), "{text}");
    let common = authorize_url(&sandbox, "common", &[]);
    let unknown = soon(sandbox.answer_sign_in(&common, "nobody@contoso.example", Answer::Accept));
    assert!(matches!(unknown.await, Err(SignInError::Confused(_))), "the page asks again");
}

async fn get_page(url: String) -> String {
    get(&url).await.body
}

#[tokio::test]
async fn cancelling_and_declining_are_told_apart_and_personal_accounts_have_other_words() {
    let sandbox = start().await;
    let url = authorize_url(&sandbox, "common", &[]);
    let redirect = |user: &'static str, answer| {
        let (sandbox, url) = (&sandbox, url.clone());
        async move {
            match soon(sandbox.answer_sign_in(&url, user, answer)).await.unwrap() {
                SignedIn::Redirect(back) => back,
                SignedIn::Page { title, .. } => panic!("stopped at {title}"),
            }
        }
    };
    let cancelled = redirect(SUPPORT, Answer::Cancel).await;
    assert_eq!(parameter(&cancelled, "error").as_deref(), Some("access_denied"));
    assert_eq!(parameter(&cancelled, "error_subcode").as_deref(), Some("cancel"));
    assert_eq!(parameter(&cancelled, "error_description"), None);
    let declined = redirect(SUPPORT, Answer::Decline).await;
    assert_eq!(parameter(&declined, "error").as_deref(), Some("consent_required"));
    assert!(parameter(&declined, "error_description").unwrap().starts_with("AADSTS65004"));
    assert!(parameter(&declined, "error_uri").unwrap().ends_with("code=65004"));
    let personal = redirect(PERSONAL, Answer::Decline).await;
    assert_eq!(parameter(&personal, "error").as_deref(), Some("access_denied"));
    assert_eq!(parameter(&personal, "state").as_deref(), Some("the-state"));
}

#[tokio::test]
async fn people_of_a_careful_tenant_need_their_administrator_once() {
    let sandbox = start().await;
    let url = authorize_url(&sandbox, "common", &[]);
    let helper = "help@fabrikam.example";
    let SignedIn::Page { title, text } = soon(sandbox.answer_sign_in(&url, helper, Answer::Accept)).await.unwrap()
    else {
        panic!("Need admin approval does not redirect")
    };
    assert_eq!(title, "Need admin approval");
    assert!(text.contains("AADSTS90094"));
    let back = soon(sandbox.answer_sign_in(&url, helper, Answer::ReturnWithoutConsent)).await.unwrap();
    assert!(matches!(back, SignedIn::Redirect(url) if parameter(&url, "error_subcode").as_deref() == Some("cancel")));

    let consent = format!(
        "{}/organizations/v2.0/adminconsent?{}",
        sandbox.login_url(),
        encoded(&[
            ("client_id", sandbox.client_id()),
            ("redirect_uri", REDIRECT),
            ("state", "admin-state"),
            ("scope", "https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/SMTP.Send"),
        ])
    );
    let refused = soon(sandbox.answer_sign_in(&consent, "admin@fabrikam.example", Answer::Decline)).await.unwrap();
    assert!(
        matches!(refused, SignedIn::Redirect(url) if parameter(&url, "error").as_deref() == Some("consent_required"))
    );
    let back = soon(sandbox.sign_in(&consent, "admin@fabrikam.example")).await.unwrap();
    assert_eq!(parameter(&back, "admin_consent").as_deref(), Some("True"));
    assert_eq!(parameter(&back, "tenant").as_deref(), Some(FABRIKAM));
    assert_eq!(parameter(&back, "state").as_deref(), Some("admin-state"));

    let back = soon(sandbox.sign_in(&url, helper)).await.unwrap();
    assert!(parameter(&back, "code").is_some(), "after the administrator's consent nobody is asked");
}

#[tokio::test]
async fn the_other_response_modes_carry_the_same_parameters() {
    let sandbox = start().await;
    for mode in ["fragment", "form_post"] {
        let back = soon(sandbox.sign_in(&authorize_url(&sandbox, "common", &[("response_mode", mode)]), SUPPORT)).await;
        let back = back.unwrap();
        let (address, fragment) = back.split_once('#').unwrap();
        assert_eq!(address, REDIRECT);
        assert!(fragment.contains("code=1.") && fragment.contains("state=the-state"));
    }
}

#[tokio::test]
async fn faults_of_the_front_channel_reach_the_app() {
    let sandbox = start().await;
    let url = authorize_url(&sandbox, "common", &[]);
    sandbox
        .faults()
        .once(SignInFault::Error { error: "server_error".into(), description: "AADSTS90033: later".into() });
    let answer = get(&url).await;
    assert_eq!(parameter(answer.header("location").unwrap(), "error").as_deref(), Some("server_error"));
    sandbox.faults().once(SignInFault::ForeignState("of somebody else".into()));
    let back = soon(sandbox.sign_in(&url, SUPPORT)).await.unwrap();
    assert_eq!(parameter(&back, "state").as_deref(), Some("of somebody else"));
    sandbox.faults().once(EndpointFault::TooManyRequests { at: Endpoint::Keys, retry_after_seconds: 7 });
    let limited = get(&format!("{}/common/discovery/v2.0/keys", sandbox.login_url())).await;
    assert_eq!((limited.status, limited.header("retry-after")), (429, Some("7")));
    assert!(sandbox.faults().armed().is_empty());
    assert_eq!(sandbox.faults().fired().len(), 3);
}

#[tokio::test]
async fn a_user_of_ones_own_can_sign_in_and_a_disabled_one_cannot() {
    let sandbox = start().await;
    sandbox.add_user(TenantUser::work(CONTOSO, "new@contoso.example", "New"));
    let url = authorize_url(&sandbox, "common", &[]);
    assert!(soon(sandbox.sign_in(&url, "new@contoso.example")).await.is_ok());
    assert!(sandbox.update_user("new@contoso.example", |user| user.disabled = true));
    let Err(SignInError::Stopped { text, .. }) = soon(sandbox.sign_in(&url, "new@contoso.example")).await else {
        panic!("a disabled account does not come to a redirect")
    };
    assert!(text.contains("AADSTS50057"));
}
