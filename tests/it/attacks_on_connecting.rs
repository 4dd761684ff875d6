//! Attacks on connecting a mailbox (C1–C5, S5), each through the public doors. Those on the id_token and on the state are in `microsoft_sign_in`.

use anyhow::{Context, Result};
use sandbox::{Fault, IdTokenFault, SignInFault};
use serde_json::json;
use testkit::browser::Browser;
use testkit::receiver::Receiver;
use testkit::world::{SUPPORT, Setup, World};

async fn inboxes(w: &World) -> Result<usize> {
    Ok(w.api.get(&w.path("/inboxes")).await?["payload"].as_array().context("payload")?.len())
}

async fn attempts(w: &World) -> Result<i64> {
    w.number("SELECT COUNT(*) FROM connections").await
}

/// Chat programs and mail filters open links before people do, with GET and HEAD, and some keep cookies.
#[tokio::test(flavor = "multi_thread")]
async fn programs_that_preview_links_bind_nothing_and_use_nothing_up() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let (link, id) = w.connect_link(&json!({})).await?;
        let (direct, connection) = w.authorization(&json!({})).await?;
        let mut bot = Browser::new();
        for url in [&link, &direct] {
            let page = bot.request("HEAD", &url.parse()?, None).await?;
            assert!(page.status == 200 && !page.headers.contains_key("set-cookie"), "{url}: {:?}", page.headers);
        }
        assert_eq!(w.connect_link_shown(id).await?["status"], json!("open"), "a HEAD does nothing at all");
        for _ in 0..3 {
            let page = bot.request("GET", &link.parse()?, None).await?;
            assert!(page.status == 200 && !page.headers.contains_key("set-cookie"), "{:?}", page.headers);
            assert!(
                !page.links().iter().any(|to| to.contains("/agree")),
                "a program follows links: {:?}",
                page.links()
            );
            let agree = bot.request("GET", &format!("{link}/agree").parse()?, None).await?;
            assert_eq!(agree.status, 405, "{}", agree.text());
        }
        for _ in 0..3 {
            let page = bot.request("GET", &direct.parse()?, None).await?;
            assert!(page.status == 200 && !page.headers.contains_key("set-cookie"), "{:?}", page.headers);
            assert!(!page.links().iter().any(|to| to.contains("/go_on")), "{:?}", page.links());
            let elsewhere = [("origin", "https://elsewhere.example"), ("sec-fetch-site", "cross-site")];
            for (name, value) in elsewhere {
                let pressed = w.api.with_token(None).request("POST", &format!("{}/go_on", direct.replace(&w.base, "")));
                let answer = pressed.header(name, value).send().await?;
                assert!(answer.status() == 403 && !answer.headers().contains_key("set-cookie"), "{answer:?}");
            }
        }
        assert_eq!(attempts(w).await?, 1, "only the one that was asked for by the API");

        let mut person = Browser::new();
        let callback = w.agree_and_sign_in(&mut person, &link, SUPPORT).await?;
        person.open(&callback).await?;
        w.eventually("the person connects", async |w| {
            Ok(w.connect_link_shown(id).await?["status"] == json!("connected"))
        })
        .await?;
        // The other link is still anybody's who goes on from it: here of somebody who is asked again when it is known who they are.
        let mut other = Browser::new();
        let callback = w.sign_in_at_microsoft(&mut other, &direct, SUPPORT).await?;
        let asked = other.open(&callback).await?;
        assert!(asked.text().contains("Is this what you want?"), "{}", asked.text());
        let form = asked.forms().into_iter().next().context("a form")?;
        other.submit(&asked, &form, &[]).await?;
        w.connected(connection).await?;
        let late = Browser::new().open(&direct).await?;
        assert!(late.status == 403 && late.forms().is_empty(), "{}: {}", late.status, late.text());
        Ok(())
    })
    .await
}

/// A page elsewhere makes a browser that is signed in at Microsoft press our button.
#[tokio::test(flavor = "multi_thread")]
async fn a_button_that_is_pressed_from_another_site_does_nothing() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let (link, _) = w.connect_link(&json!({})).await?;
        let path = format!("{}/agree", link.strip_prefix(&w.base).context("ours")?);
        for (name, value) in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "none"),
            ("x-nothing", "at all"),
        ] {
            let request = w.api.with_token(None).request("POST", &path).header(name, value);
            let answer = request.send().await?;
            assert_eq!(answer.status(), 403, "{name}: {value}");
            assert!(answer.headers().get("set-cookie").is_none(), "{name}: {value}");
        }
        assert_eq!(attempts(w).await?, 0);
        let page = Browser::new().open(&link).await?;
        let policy = page.headers.get("content-security-policy").context("a policy")?;
        for told in ["frame-ancestors 'none'", "form-action 'self'", "default-src 'none'"] {
            assert!(policy.contains(told), "{policy}");
        }
        assert_eq!(
            page.headers.get("referrer-policy").map(String::as_str),
            Some("no-referrer"),
            "the token is in the address"
        );
        assert_eq!(page.headers.get("cache-control").map(String::as_str), Some("no-store"));
        Ok(())
    })
    .await
}

/// Consent phishing: Mallory sends her own link to a person of Contoso, who may even be signed in here, to their own account.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_of_a_strangers_account_names_the_stranger_and_waits_for_a_yes_whoever_opens_it() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let victim = w.admin_browser().await?;
        let mallory = w.create_account("Mallory & Sons", "mallory@elsewhere.example")?;
        let contoso = (w.api.clone(), w.account_id);
        w.api = w.api.with_token(mallory["access_token"].as_str());
        w.account_id = mallory["account_id"].as_i64().context("account_id")?;
        let (link, _) = w.connect_link(&json!({"expected_email": SUPPORT})).await?;
        for mut browser in [victim.clone(), Browser::new()] {
            let page = browser.open(&link).await?;
            assert!(page.text().contains("Mallory & Sons"), "{}", page.text());
            assert!(page.refreshes_to().is_none(), "it goes on by itself");
            assert_eq!(page.forms().len(), 1);
        }
        assert_eq!(attempts(w).await?, 0);
        // Her direct link asks as well: a session of another account says nothing.
        let (direct, connection) = w.authorization(&json!({})).await?;
        let mut browser = victim;
        let callback = w.sign_in_at_microsoft(&mut browser, &direct, SUPPORT).await?;
        let page = browser.open(&callback).await?;
        assert!(page.text().contains("Mallory & Sons") && page.forms().len() == 1, "{}", page.text());
        let state = w.api.get(&w.path(&format!("/connections/{connection}"))).await?;
        assert_eq!(state["status"], json!("awaiting_confirmation"));
        assert_eq!(inboxes(w).await?, 0);
        (w.api, w.account_id) = contoso;
        Ok(())
    })
    .await
}

/// Their person was sent the link by somebody else, signs in out of habit, and closes the page that asks.
#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_nobody_confirmed_gives_back_no_permission_that_was_taken_away() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let inbox = w.connect_and_watch(SUPPORT).await?;
        let health = w.path(&format!("/inboxes/{inbox}/health"));
        w.sandbox.revoke_refresh_tokens(SUPPORT);
        w.sandbox.expire_access_tokens(SUPPORT);
        w.sandbox.cut_mail_connections();
        w.minutes_pass().await?;
        w.eventually("somebody must sign in again", async |w| {
            Ok(w.api.get(&health).await?["fetch"]["state"] == json!("needs_reauth"))
        })
        .await?;
        let mut browser = Browser::new();
        let (page, connection) = w.callback_page(&mut browser, SUPPORT).await?;
        assert_eq!(page.forms().len(), 1, "{}", page.text());
        let attempt = w.path(&format!("/connections/{connection}"));
        assert_eq!(w.api.get(&attempt).await?["status"], json!("awaiting_confirmation"));
        let again = w.api.call("POST", &format!("{health}/try_again"), Some(&json!({"part": "fetch"}))).await?;
        assert_eq!(again.status, 422, "{}", again.text);
        assert_eq!(w.api.get(&health).await?["fetch"]["state"], json!("needs_reauth"));
        // When they say yes, it is theirs again.
        browser.submit(&page, &page.forms()[0], &[]).await?;
        assert_eq!(w.connected(connection).await?, inbox);
        w.watched(inbox).await?;
        Ok(())
    })
    .await
}

/// Mallory agrees on the page herself, and sends Microsoft's page, or our own address on the way there, to the victim.
#[tokio::test(flavor = "multi_thread")]
async fn what_one_browser_agreed_to_is_finished_by_no_other() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let (link, id) = w.connect_link(&json!({})).await?;
        let mut mallory = Browser::new();
        let page = mallory.open(&link).await?;
        let going = mallory.submit_once(&page, &page.forms()[0], &[]).await?;
        let on_the_way = going.url.join(&going.refreshes_to().context("a way")?)?;
        let login = w.sandbox.login_url();
        let authorize = mallory.open_until(on_the_way.as_str(), |url| url.as_str().starts_with(&login)).await?;

        let mut victim = Browser::new();
        let refused = victim.open(on_the_way.as_str()).await?;
        assert_eq!(refused.status, 403, "{}", refused.text());
        let callback = w.sandbox.sign_in(authorize.as_str(), SUPPORT).await.map_err(|e| anyhow::anyhow!("{e}"))?;
        let page = victim.open(&callback).await?;
        assert!(page.status == 403 && page.text().contains("another browser"), "{}", page.text());
        assert_eq!(inboxes(w).await?, 0);
        assert_eq!(w.connect_link_shown(id).await?["status"], json!("signing_in"));
        assert_eq!(w.number("SELECT COUNT(*) FROM grants").await?, 0);
        Ok(())
    })
    .await
}

/// nOAuth: an administrator of another tenant writes the expected address into the `email` claim of somebody of theirs.
#[tokio::test(flavor = "multi_thread")]
async fn an_e_mail_claim_of_another_tenant_is_not_who_a_link_was_made_for() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let (link, id) = w.connect_link(&json!({"expected_email": "ceo@another-tenant.example"})).await?;
        w.sandbox.faults().once(IdTokenFault::EmailOfAnotherTenant);
        let mut browser = Browser::new();
        let callback = w.agree_and_sign_in(&mut browser, &link, SUPPORT).await?;
        let page = browser.open(&callback).await?;
        assert!(page.text().contains("Waiting for an administrator"), "{}", page.text());
        assert_eq!(w.sandbox.faults().fired(), [Fault::from(IdTokenFault::EmailOfAnotherTenant)]);
        // It is what they say of themselves, and an administrator of the account sees it beside the name that Microsoft knows them by.
        let attempt = w.connect_link_shown(id).await?["connection_id"].as_i64().context("the attempt")?;
        let waits = w.api.get(&w.path(&format!("/connections/{attempt}"))).await?;
        assert_eq!(
            (&waits["status"], &waits["failure"]["code"], &waits["email"], &waits["claimed_email"]),
            (
                &json!("awaiting_acceptance"),
                &json!("address_unvouched"),
                &json!(SUPPORT),
                &json!("ceo@another-tenant.example")
            )
        );
        assert_eq!(inboxes(w).await?, 0);
        let accepted = w.path(&format!("/connections/{attempt}/accept"));
        w.api.post(&accepted, &json!({})).await?;
        let inbox = w.connected(attempt).await?;
        let shown = w.api.get(&w.path(&format!("/inboxes/{inbox}"))).await?;
        assert_eq!(
            (&shown["email"], &shown["imap_login"], &shown["smtp_login"]),
            (&json!(SUPPORT), &json!(SUPPORT), &json!(SUPPORT)),
            "also who is accepted has no more than the mailbox that opens for them"
        );
        Ok(())
    })
    .await
}

/// Whatever the query says beside code and state is written by whoever made the URL.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_callback_says_beside_its_code_changes_nothing() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let (url, connection) = w.authorization(&json!({})).await?;
        let mut browser = w.admin_browser().await?;
        let callback = w.sign_in_at_microsoft(&mut browser, &url, SUPPORT).await?;
        // base64url of {"uid":"somebody-else","utid":"8f0b5c1e-2d64-4f0a-9c3b-7a5d1e6f4b20","preferred_username":"ceo@victim.example"}
        let client_info = "eyJ1aWQiOiJzb21lYm9keS1lbHNlIiwidXRpZCI6IjhmMGI1YzFlLTJkNjQtNGYwYS05YzNiLTdhNWQxZTZmNGIyMCIsInByZWZlcnJlZF91c2VybmFtZSI6ImNlb0B2aWN0aW0uZXhhbXBsZSJ9";
        let more = format!("{callback}&tenant=8f0b5c1e-2d64-4f0a-9c3b-7a5d1e6f4b20&client_info={client_info}&session_state=x&id_token=a.b.c&iss=https://evil.example&code=second&state=second");
        let page = browser.open(&more).await?;
        assert!(page.status < 400, "{}", page.text());
        let inbox = w.connected(connection).await?;
        let shown = w.api.get(&w.path(&format!("/inboxes/{inbox}"))).await?;
        assert_eq!((&shown["imap_login"], &shown["smtp_login"]), (&json!(SUPPORT), &json!(SUPPORT)));
        assert_eq!(w.number("SELECT COUNT(*) FROM grants WHERE tid = '8f0b5c1e-2d64-4f0a-9c3b-7a5d1e6f4b20'").await?, 0);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_with_markup_is_shown_as_text() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let evil = "AADSTS50034: <script>alert(document.cookie)</script><img src=x onerror=alert(1)>\" onload=\"x\r\nTrace ID: 1";
        w.sandbox.faults().once(SignInFault::Error {
            error: "<b>server_error</b>".to_owned(),
            description: evil.to_owned(),
        });
        let (link, id) = w.connect_link(&json!({})).await?;
        let mut browser = Browser::new();
        let callback = w.agree_and_sign_in(&mut browser, &link, SUPPORT).await?;
        let page = browser.open(&callback).await?;
        let again = browser.open(&link).await?;
        for page in [page, again] {
            for markup in ["<script", "<img", "<b>", "onload=\""] {
                assert!(!page.body.contains(markup), "{markup}: {}", page.body);
            }
        }
        assert_eq!(w.connect_link_shown(id).await?["status"], json!("failed"));
        Ok(())
    })
    .await
}

/// What a tenant can set here (addresses, a way back) is never asked over the network.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_tenant_sets_for_connecting_is_contacted() -> Result<()> {
    let receiver = Receiver::start().await?;
    let address = receiver.url().parse::<url::Url>()?;
    let setup = Setup::default().with("CONNECT_RETURN_URLS", address.as_str());
    World::run(setup, async |w| {
        let port = address.port().context("a port")?;
        let (link, id) = w.connect_link(&json!({"return_url": address.as_str()})).await?;
        for host in [format!("127.0.0.1:{port}"), "[127.0.0.1]".to_owned(), "localhost".to_owned()] {
            let ask = json!({"mailbox": format!("x@{host}"), "expected_email": format!("x@{host}")});
            let answer = w.api.call("POST", &w.path("/connect_links"), Some(&ask)).await?;
            assert!(answer.status == 422 || answer.status == 200, "{host}: {}", answer.text);
        }
        let mut browser = Browser::new();
        let callback = w.agree_and_sign_in(&mut browser, &link, SUPPORT).await?;
        browser.open(&callback).await?;
        w.eventually("it is connected", async |w| Ok(w.connect_link_shown(id).await?["status"] == json!("connected")))
            .await?;
        assert!(receiver.told().is_empty(), "the way back is the browser's");
        Ok(())
    })
    .await
}

/// Somebody guesses at links, or presses the button of one without end.
#[tokio::test(flavor = "multi_thread")]
async fn made_up_links_open_nothing_and_one_link_leaves_few_attempts_open() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let mut browser = Browser::new();
        let long = "x".repeat(4000);
        for made_up in ["x", "..%2f..", "%00", "a'--", long.as_str()] {
            let page = browser.request("GET", &format!("{}/connect/{made_up}", w.base).parse()?, None).await?;
            assert!((400..500).contains(&page.status), "{made_up}: {}", page.status);
            assert!(page.forms().is_empty());
        }
        let (link, _) = w.connect_link(&json!({})).await?;
        for _ in 0..8 {
            let page = browser.open(&link).await?;
            let form = page.forms().into_iter().next().context("a form")?;
            assert_eq!(browser.submit_once(&page, &form, &[]).await?.status, 200);
        }
        assert_eq!(w.number("SELECT COUNT(*) FROM connections WHERE status = 'pending'").await?, 5);
        // The account itself connects on.
        w.connect(SUPPORT).await?;
        Ok(())
    })
    .await
}
