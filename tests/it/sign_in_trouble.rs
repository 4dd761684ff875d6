//! Sign-ins that come back from Microsoft the wrong way: with a code that is over, without our state, with somebody else's. The person is told what
//! it was and how to go on, and going on works.

use anyhow::{Context, Result};
use sandbox::{SignInFault, TokenFault};
use serde_json::{Value, json};
use testkit::browser::Page;
use testkit::world::{SUPPORT, Setup, World};
use url::Url;

const SALES: &str = "sales@contoso.example";

async fn attempt(w: &World, connection: i64) -> Result<Value> {
    w.api.get(&w.path(&format!("/connections/{connection}"))).await
}

async fn inboxes(w: &World) -> Result<usize> {
    Ok(w.api.get(&w.path("/inboxes")).await?["payload"].as_array().context("payload")?.len())
}

fn is_refused(page: &Page, words: &str) {
    assert!((400..500).contains(&page.status), "{}: {}", page.status, page.text());
    assert!(page.text().contains(words), "{}", page.text());
}

/// AADSTS70008 for a code that lay about too long, AADSTS54005 for one that was redeemed before: of neither is anybody told that a permission is over.
#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_has_expired_or_was_redeemed_before_is_a_sign_in_to_begin_again() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let redeemed = TokenFault::Error {
            status: 400,
            error: "invalid_grant".to_owned(),
            suberror: None,
            code: 54_005,
            text: "OAuth2 Authorization code was already redeemed.".to_owned(),
            claims: None,
        };
        let mut browser = w.admin_browser().await?;
        for (stale, number) in [(true, "AADSTS70008"), (false, "AADSTS54005")] {
            if stale {
                w.sandbox.faults().once(SignInFault::StaleCode);
            } else {
                w.sandbox.faults().once(redeemed.clone());
            }
            let (page, connection) = w.callback_page(&mut browser, SUPPORT).await?;
            is_refused(&page, "This sign-in has expired");
            assert!(!page.text().contains("permission to use the mailbox has expired"), "{}", page.text());
            let failure = attempt(w, connection).await?["failure"].clone();
            assert_eq!((&failure["code"], &failure["who_must_act"]), (&json!("state_expired"), &json!("owner")));
            assert!(failure["detail"].as_str().is_some_and(|detail| detail.contains(number)), "{failure}");
            assert!(failure["correlation_id"].is_string(), "{failure}");
            assert_eq!(w.sandbox.faults().armed(), []);
        }
        assert_eq!(inboxes(w).await?, 0);
        w.connect_and_watch(SUPPORT).await?;
        Ok(())
    })
    .await
}

/// The state that a browser takes along to Microsoft.
fn state_of(authorize: &str) -> Result<String> {
    let url = Url::parse(authorize)?;
    Ok(url.query_pairs().find(|(name, _)| name == "state").context("a state")?.1.into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_without_our_state_uses_nothing_up_and_the_same_link_connects_the_mailbox() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let (url, connection) = w.authorization(&json!({})).await?;
        let mut browser = w.admin_browser().await?;
        for fault in [SignInFault::NoState, SignInFault::ForeignState("never-seen".to_owned())] {
            w.sandbox.faults().once(fault);
            let callback = w.sign_in_at_microsoft(&mut browser, &url, SUPPORT).await?;
            is_refused(&browser.open(&callback).await?, "not known here");
            assert_eq!(w.sandbox.faults().armed(), []);
            assert_eq!((attempt(w, connection).await?["status"].clone(), inboxes(w).await?), (json!("pending"), 0));
        }
        let callback = w.sign_in_at_microsoft(&mut browser, &url, SUPPORT).await?;
        assert!(browser.open(&callback).await?.status < 400);
        w.connected(connection).await?;
        Ok(())
    })
    .await
}

/// Somebody else's state with one's own code would connect one's own mailbox to what they are about to connect.
#[tokio::test(flavor = "multi_thread")]
async fn a_callback_with_the_state_of_anothers_sign_in_ends_neither() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let (theirs, their_connection) = w.authorization(&json!({})).await?;
        let mut their_browser = w.admin_browser().await?;
        let authorize = w.microsoft_from(&mut their_browser, &theirs).await?;
        let (ours, our_connection) = w.authorization(&json!({})).await?;
        let mut our_browser = w.admin_browser().await?;

        w.sandbox.faults().once(SignInFault::ForeignState(state_of(&authorize)?));
        let callback = w.sign_in_at_microsoft(&mut our_browser, &ours, SALES).await?;
        is_refused(&our_browser.open(&callback).await?, "another browser");
        for connection in [their_connection, our_connection] {
            assert_eq!(attempt(w, connection).await?["status"], json!("pending"));
        }
        assert_eq!(inboxes(w).await?, 0);

        let callback = w.sandbox.sign_in(&authorize, SUPPORT).await.map_err(|error| anyhow::anyhow!("{error}"))?;
        assert!(their_browser.open(&callback).await?.status < 400);
        let inbox = w.connected(their_connection).await?;
        let shown = w.api.get(&w.path(&format!("/inboxes/{inbox}"))).await?;
        assert_eq!(shown["email"], json!(SUPPORT), "theirs is what they signed in to");
        let callback = w.sign_in_at_microsoft(&mut our_browser, &ours, SALES).await?;
        assert!(our_browser.open(&callback).await?.status < 400);
        w.connected(our_connection).await?;
        Ok(())
    })
    .await
}
