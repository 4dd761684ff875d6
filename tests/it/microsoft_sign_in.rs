//! Connecting with Microsoft (M1, C1–C3, C6, C7): every refusal ends on a page with a reason and a cure, and connects nothing.

use anyhow::{Context, Result};
use sandbox::{Answer, Fault, IdTokenFault, SignedIn, TokenFault};
use serde_json::{Value, json};
use testkit::browser::Browser;
use testkit::builders::{Mail, header};
use testkit::post::ADA;
use testkit::world::{SUPPORT, Setup, World};

const SALES: &str = "sales@contoso.example";

async fn inboxes(w: &World) -> Result<usize> {
    Ok(w.api.get(&w.path("/inboxes")).await?["payload"].as_array().context("payload")?.len())
}

async fn failed(w: &World, connection: i64) -> Result<Value> {
    let state = w.api.get(&w.path(&format!("/connections/{connection}"))).await?;
    assert_eq!(state["status"], json!("failed"), "{state}");
    Ok(state["failure"].clone())
}

/// Signs in with a token that is wrong in one way; the page must say so, and no inbox may exist.
async fn a_wrong_id_token_is_refused(fault: impl Into<Fault>, reason: &str) -> Result<()> {
    World::run(Setup::default(), async |w| {
        w.sandbox.faults().once(fault);
        let mut browser = w.admin_browser().await?;
        let (page, connection) = w.callback_page(&mut browser, SUPPORT).await?;
        assert!(page.status >= 400, "{}", page.status);
        let text = page.text();
        assert!(text.contains("the identity token is not valid") && text.contains(reason), "{text}");
        assert!(text.contains("Start again"), "the page has no cure: {text}");
        assert_eq!(failed(w, connection).await?["code"], json!("id_token_invalid"));
        assert_eq!(inboxes(w).await?, 0);
        assert_eq!(w.sandbox.faults().fired().len(), 1);
        Ok(())
    })
    .await
}

macro_rules! refused {
    ($($name:ident: $fault:ident => $reason:literal;)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() -> Result<()> {
            a_wrong_id_token_is_refused(IdTokenFault::$fault, $reason).await
        }
    )*};
}

refused! {
    an_unsigned_id_token_is_refused: AlgNone => "alg";
    an_id_token_signed_with_the_public_key_as_secret_is_refused: Hs256WithPublicKey => "alg";
    an_id_token_of_an_unknown_key_is_refused: UnknownKid => "kid";
    an_id_token_without_a_key_id_is_refused: NoKid => "kid";
    an_id_token_with_another_keys_signature_is_refused: BadSignature => "signature";
    an_id_token_of_another_issuers_key_is_refused: KeyOfAnotherIssuer => "key_issuer";
    an_id_token_of_another_tenants_issuer_is_refused: IssuerOfAnotherTenant => "issuer";
    an_id_token_of_the_v1_issuer_is_refused: V1Issuer => "issuer";
    an_id_token_whose_issuer_only_begins_right_is_refused: IssuerWithSuffix => "issuer";
    an_id_token_without_a_tenant_is_refused: TidMissing => "tid";
    an_id_token_whose_tenant_is_no_guid_is_refused: TidNotGuid => "tid";
    an_id_token_with_two_tenants_is_refused: TidTwice => "tid";
    an_id_token_for_another_application_is_refused: AudienceOfAnotherApp => "audience";
    an_id_token_with_another_nonce_is_refused: WrongNonce => "nonce";
    an_id_token_without_a_nonce_is_refused: NoNonce => "nonce";
    an_expired_id_token_is_refused: Expired => "expired";
    an_id_token_of_the_future_is_refused: NotYetValid => "not_yet_valid";
    an_id_token_of_version_1_is_refused: Version1 => "version";
    an_id_token_of_twenty_kilobytes_is_refused: Huge => "too_large";
    an_id_token_of_two_parts_is_refused: Malformed => "malformed";
    an_id_token_without_an_object_id_is_refused: OidMissing => "oid";
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_an_id_token_is_refused() -> Result<()> {
    a_wrong_id_token_is_refused(TokenFault::NoIdToken, "missing").await
}

/// Tokens that look odd and are sound connect, and lead to the mailbox of whoever signed in. Nobody said beforehand which that is.
async fn a_sound_id_token_connects(fault: IdTokenFault) -> Result<()> {
    World::run(Setup::default(), async |w| {
        w.sandbox.faults().once(fault);
        let mut browser = w.admin_browser().await?;
        let (page, connection) = w.callback_page(&mut browser, SUPPORT).await?;
        assert!(page.status < 400, "{}", page.text());
        assert_eq!(w.sandbox.faults().fired(), [Fault::from(fault)]);
        let inbox = w.connected(connection).await?;
        let shown = w.api.get(&w.path(&format!("/inboxes/{inbox}"))).await?;
        for name in ["email", "imap_login", "smtp_login"] {
            assert_eq!(shown[name], json!(SUPPORT), "{name}");
        }
        w.watched(inbox).await?;
        assert_eq!(inboxes(w).await?, 1);
        // And replies come from there.
        w.deliver(SUPPORT, &Mail::new(ADA, "Order", "one").id("one@c").bytes()).await?;
        let conversation = w.conversations_are(1).await?[0]["id"].as_i64().context("id")?;
        w.reply(conversation, "hello").await?;
        let from = header(&w.inbox_has(ADA, 1).await?[0], "From").context("From")?;
        assert!(from.contains(SUPPORT), "{from}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_token_without_an_email_claim_connects() -> Result<()> {
    a_sound_id_token_connects(IdTokenFault::NoEmail).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_email_of_another_tenant_does_not_become_the_mailbox() -> Result<()> {
    a_sound_id_token_connects(IdTokenFault::EmailOfAnotherTenant).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_with_all_the_inboxes_it_may_have_gets_no_other_and_signs_in_again_as_ever() -> Result<()> {
    World::run(Setup::default().with("ACCOUNT_INBOXES_LIMIT", "1"), async |w| {
        let inbox = w.connect_and_watch(SUPPORT).await?;
        let mut browser = w.admin_browser().await?;
        let (page, connection) = w.callback_page(&mut browser, SALES).await?;
        let path = w.path(&format!("/connections/{connection}"));
        w.eventually("the attempt has ended", async |w| Ok(w.api.get(&path).await?["status"] == json!("failed")))
            .await?;
        let failure = failed(w, connection).await?;
        assert_eq!((&failure["code"], &failure["who_must_act"]), (&json!("inbox_limit_reached"), &json!("operator")));
        assert!(failure["cure"].as_str().is_some_and(|cure| cure.contains("ACCOUNT_INBOXES_LIMIT")), "{failure}");
        let shown = browser.open(page.url.as_str()).await?;
        assert_eq!(shown.status, 409, "{}", shown.text());
        assert!(shown.text().contains("as many inboxes as it may have"), "{}", shown.text());
        assert_eq!(inboxes(w).await?, 1);

        // Whether or not it says which inbox it is for.
        assert_eq!(w.connect(SUPPORT).await?, inbox);
        let (url, connection) = w.authorization(&json!({"inbox_id": inbox})).await?;
        let callback = w.sign_in_at_microsoft(&mut browser, &url, SUPPORT).await?;
        assert!(browser.open(&callback).await?.status < 400);
        assert_eq!(w.connected(connection).await?, inbox);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_works_once_and_a_second_callback_shows_the_first_ones_result() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let (url, connection) = w.authorization(&json!({})).await?;
        let mut browser = w.admin_browser().await?;
        let callback = w.sign_in_at_microsoft(&mut browser, &url, SUPPORT).await?;
        assert!(browser.open(&callback).await?.status < 400);
        w.connected(connection).await?;
        let again = browser.open(&callback).await?;
        assert!(again.status < 400, "{}", again.text());
        assert_eq!(inboxes(w).await?, 1);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_state_is_refused_with_a_page() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let mut browser = w.admin_browser().await?;
        let page = browser.open(&format!("{}/microsoft/callback?code=abc&state=made-up-by-somebody", w.base)).await?;
        assert!((400..500).contains(&page.status));
        assert!(page.text().contains("not known here"), "{}", page.text());
        assert_eq!(inboxes(w).await?, 0);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_in_another_browser_than_the_one_that_opened_the_link_is_refused() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let (url, connection) = w.authorization(&json!({})).await?;
        let mut victim = Browser::new();
        let callback = w.sign_in_at_microsoft(&mut victim, &url, SUPPORT).await?;
        let mut attacker = w.admin_browser().await?;
        let page = attacker.open(&callback).await?;
        assert!((400..500).contains(&page.status) && page.text().contains("another browser"), "{}", page.text());
        assert_eq!(inboxes(w).await?, 0);
        let state = w.api.get(&w.path(&format!("/connections/{connection}"))).await?;
        assert_ne!(state["status"], json!("connected"));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_without_a_members_session_is_asked_to_confirm_by_one_form() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let (url, connection) = w.authorization(&json!({})).await?;
        let mut browser = Browser::new();
        let callback = w.sign_in_at_microsoft(&mut browser, &url, SUPPORT).await?;
        let page = browser.open(&callback).await?;
        assert_eq!(page.status, 200, "{}", page.text());
        assert!(page.text().contains("Contoso"), "the page does not name the account: {}", page.text());
        let forms = page.forms();
        assert_eq!(forms.len(), 1, "exactly one form");
        assert_eq!(forms[0].method.to_lowercase(), "post");
        assert!(forms[0].fields.iter().all(|(_, kind, _)| kind == "hidden" || kind == "submit"), "{:?}", forms[0]);
        assert_eq!(inboxes(w).await?, 0, "nothing is connected before the confirmation");
        let state = w.api.get(&w.path(&format!("/connections/{connection}"))).await?;
        assert_eq!(state["status"], json!("awaiting_confirmation"));
        let done = browser.submit(&page, &forms[0], &[]).await?;
        assert!(done.status < 400, "{}", done.text());
        w.connected(connection).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_sign_in_says_so_and_connects_nothing() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let (url, connection) = w.authorization(&json!({})).await?;
        let mut browser = w.admin_browser().await?;
        let authorize = w.microsoft_from(&mut browser, &url).await?;
        let answer =
            w.sandbox.answer_sign_in(&authorize, SUPPORT, Answer::Cancel).await.map_err(|e| anyhow::anyhow!("{e}"))?;
        let SignedIn::Redirect(callback) = answer else { anyhow::bail!("{answer:?}") };
        let page = browser.open(&callback).await?;
        assert!(page.text().contains("cancelled"), "{}", page.text());
        assert_eq!(failed(w, connection).await?["code"], json!("sign_in_cancelled"));
        assert_eq!(inboxes(w).await?, 0);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_app_secret_is_the_operators_to_mend() -> Result<()> {
    World::run(Setup::default(), async |w| {
        w.sandbox.faults().once(TokenFault::client_secret_expired());
        let mut browser = w.admin_browser().await?;
        let (page, connection) = w.callback_page(&mut browser, SUPPORT).await?;
        assert!(page.text().contains("AZURE_APP_SECRET"), "{}", page.text());
        let failure = failed(w, connection).await?;
        assert_eq!(
            (&failure["code"], &failure["who_must_act"]),
            (&json!("app_credential_expired"), &json!("operator"))
        );
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_without_the_mail_permissions_or_refresh_token_is_refused() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let mut browser = w.admin_browser().await?;
        w.sandbox
            .faults()
            .once(TokenFault::MissingScope("https://outlook.office.com/IMAP.AccessAsUser.All".to_owned()));
        let (_, first) = w.callback_page(&mut browser, SUPPORT).await?;
        assert_eq!(failed(w, first).await?["code"], json!("scopes_missing"));
        w.sandbox.faults().once(TokenFault::NoRefreshToken);
        let (_, second) = w.callback_page(&mut browser, SUPPORT).await?;
        assert_eq!(failed(w, second).await?["code"], json!("refresh_token_missing"));
        assert_eq!(inboxes(w).await?, 0);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_again_keeps_the_inbox_and_another_principal_is_refused() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let inbox = w.connect(SUPPORT).await?;
        let (url, connection) = w.authorization(&json!({"inbox_id": inbox})).await?;
        let mut browser = w.admin_browser().await?;
        let callback = w.sign_in_at_microsoft(&mut browser, &url, "sales@contoso.example").await?;
        let page = browser.open(&callback).await?;
        assert!(page.text().contains("Another Microsoft account"), "{}", page.text());
        let state = w.api.get(&w.path(&format!("/connections/{connection}"))).await?;
        assert_eq!(
            (&state["status"], &state["failure"]["code"]),
            (&json!("awaiting_handover"), &json!("other_principal"))
        );

        let (url, connection) = w.authorization(&json!({"inbox_id": inbox})).await?;
        let callback = w.sign_in_at_microsoft(&mut browser, &url, SUPPORT).await?;
        browser.open(&callback).await?;
        assert_eq!(w.connected(connection).await?, inbox);
        assert_eq!(inboxes(w).await?, 1);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_address_with_another_object_id_is_another_principal() -> Result<()> {
    is_another_principal(IdTokenFault::SameEmailOtherOid).await
}

/// An object id is unique in its own tenant only, and whoever administers another one can choose it.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_object_id_of_another_tenant_is_another_principal() -> Result<()> {
    is_another_principal(IdTokenFault::SameOidOtherTid).await
}

async fn is_another_principal(fault: IdTokenFault) -> Result<()> {
    World::run(Setup::default(), async |w| {
        let inbox = w.connect(SUPPORT).await?;
        w.sandbox.faults().once(fault);
        let (url, connection) = w.authorization(&json!({"inbox_id": inbox})).await?;
        let mut browser = w.admin_browser().await?;
        let callback = w.sign_in_at_microsoft(&mut browser, &url, SUPPORT).await?;
        browser.open(&callback).await?;
        let state = w.api.get(&w.path(&format!("/connections/{connection}"))).await?;
        assert_eq!(
            (&state["status"], &state["failure"]["code"]),
            (&json!("awaiting_handover"), &json!("other_principal"))
        );
        let theirs = "SELECT COUNT(*) FROM email_channels WHERE grant_id = (SELECT MIN(id) FROM grants)";
        assert_eq!(
            (w.number("SELECT COUNT(*) FROM grants").await?, w.number(theirs).await?),
            (2, 1),
            "the inbox keeps its own"
        );
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_mailbox_may_be_connected_in_two_tenants() -> Result<()> {
    World::run(Setup::default(), async |w| {
        w.connect(SUPPORT).await?;
        let other = w.create_account("Fabrikam", "admin@fabrikam.example")?;
        let mine = (w.api.clone(), w.account_id);
        w.api = w.api.with_token(other["access_token"].as_str());
        w.account_id = other["account_id"].as_i64().context("account_id")?;
        let (url, connection) = w.authorization(&json!({})).await?;
        let mut browser = Browser::new();
        let callback = w.sign_in_at_microsoft(&mut browser, &url, SUPPORT).await?;
        let page = browser.open(&callback).await?;
        let form = page.forms().into_iter().next().context("the confirmation")?;
        browser.submit(&page, &form, &[]).await?;
        w.connected(connection).await?;
        assert_eq!(inboxes(w).await?, 1);
        (w.api, w.account_id) = mine;
        assert_eq!(inboxes(w).await?, 1);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_administrator_may_ask_for_a_connection() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let body = json!({"name": "Bob", "email": "bob@contoso.example", "role": "agent", "password": "another long phrase 2"});
        w.api.post(&w.path("/agents"), &body).await?;
        let signed = w.api.with_token(None).request("POST", "/auth/sign_in");
        let signed = signed.json(&json!({"email": "bob@contoso.example", "password": "another long phrase 2"})).send().await?;
        assert!(signed.status().is_success(), "{}", signed.status());
        let header = |name: &str| signed.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        let path = w.path("/microsoft/authorization");
        let mut request = w.api.with_token(None).request("POST", &path).json(&json!({}));
        for name in ["access-token", "client", "uid"] {
            request = request.header(name, header(name));
        }
        let refused = w.api.send(request).await?;
        assert_eq!(refused.status, 403, "{}", refused.text);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn where_sending_is_refused_the_page_says_who_must_act_and_its_button_tries_again() -> Result<()> {
    World::run(Setup::default(), async |w| {
        w.sandbox.update_user(SUPPORT, |user| user.smtp_auth_enabled = false);
        let mut browser = w.admin_browser().await?;
        let (page, connection) = w.callback_page(&mut browser, SUPPORT).await?;
        let text = page.text();
        for told in
            ["Connected for reading", "Contoso Support", SUPPORT, "An administrator of your Microsoft 365", "5.7.139"]
        {
            assert!(text.contains(told), "{told}: {text}");
        }
        let inbox = w.connected(connection).await?;
        let button = page.forms().into_iter().next().context("a button")?;
        let still = browser.submit(&page, &button, &[]).await?;
        assert!(still.text().contains("Connected for reading"), "{}", still.text());
        // Somebody else's browser has no part in it.
        let stranger = Browser::new().submit(&page, &button, &[]).await?;
        assert!(stranger.status == 403 && !stranger.text().contains(SUPPORT), "{}", stranger.text());

        w.sandbox.update_user(SUPPORT, |user| user.smtp_auth_enabled = true);
        let mended = browser.submit(&still, &button, &[]).await?;
        assert!(mended.text().contains("Connected") && !mended.text().contains("refused"), "{}", mended.text());
        let health = w.api.get(&w.path(&format!("/inboxes/{inbox}/health"))).await?;
        assert_eq!(health["send"]["state"], json!("connected"));
        Ok(())
    })
    .await
}
