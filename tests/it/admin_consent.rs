//! Waiting for an administrator of the Microsoft tenant (C5): Microsoft's "Need admin approval" page leads nowhere, so a sign-in waits by a button,
//! and goes on as the same attempt. What the approval page says on its way back is believed in nothing.

use crate::connect_links::to_the_end;
use anyhow::{Context, Result};
use sandbox::{Answer, SignedIn, TokenFault};
use serde_json::{Value, json};
use testkit::browser::{Browser, Page};
use testkit::world::{SUPPORT, Setup, World};

/// Somebody whose organisation lets only administrators approve, and such an administrator.
const HELP: &str = "help@fabrikam.example";
const THEIR_ADMIN: &str = "admin@fabrikam.example";

async fn connection(w: &World, id: i64) -> Result<Value> {
    w.api.get(&w.path(&format!("/connections/{id}"))).await
}

async fn answered(w: &World, url: &str, user: &str, answer: Answer) -> Result<SignedIn> {
    w.sandbox.answer_sign_in(url, user, answer).await.map_err(|error| anyhow::anyhow!("{error}"))
}

async fn redirected(w: &World, url: &str, user: &str, answer: Answer) -> Result<String> {
    match answered(w, url, user, answer).await? {
        SignedIn::Redirect(url) => Ok(url),
        SignedIn::Page { title, text } => anyhow::bail!("{title}: {text}"),
    }
}

/// Presses the button that says that an administrator is wanted.
async fn approval_is_wanted(browser: &mut Browser, page: &Page) -> Result<Page> {
    let forms = page.forms();
    let form = forms.iter().find(|form| form.action.ends_with("/approval")).with_context(|| page.text())?;
    browser.submit(page, form, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_meets_microsofts_dead_end_waits_for_the_approval_and_goes_on_as_the_same_attempt() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let (url, link) = w.connect_link(&json!({})).await?;
        let mut browser = Browser::new();
        let page = browser.open(&url).await?;
        let authorize = w.on_to_microsoft(&mut browser, &page).await?;
        let SignedIn::Page { title, .. } = answered(w, &authorize, HELP, Answer::Accept).await? else {
            anyhow::bail!("nobody was asked for")
        };
        assert!(title.contains("admin approval"), "{title}");

        // Nobody comes back from there. The link's page knows this browser, and leads to its attempt.
        let page = browser.open(&url).await?;
        let own = page.links().into_iter().find(|to| to.starts_with("/microsoft/connections/")).context("a way")?;
        let page = browser.open(page.url.join(&own)?.as_str()).await?;
        let page = approval_is_wanted(&mut browser, &page).await?;
        assert!(page.text().contains("Waiting for an administrator's approval"), "{}", page.text());
        let kept = page.headers.get("set-cookie").context("the browser is known for as long")?;
        assert!(kept.contains("Max-Age=691200"), "{kept}");
        let shown = w.connect_link_shown(link).await?;
        assert_eq!(shown["status"], json!("awaiting_admin_consent"));
        let id = shown["connection_id"].as_i64().context("the attempt")?;
        let waiting = connection(w, id).await?;
        assert_eq!(waiting["status"], json!("awaiting_admin_consent"), "{waiting}");
        // A colleague finds it among those that wait, and nobody else's.
        let listed = |status: &str| w.path(&format!("/connections?status={status}"));
        let found = w.api.get(&listed("awaiting_admin_consent")).await?;
        assert_eq!((&found["meta"]["count"], &found["payload"][0]), (&json!(1), &waiting), "{found}");
        assert_eq!(w.api.get(&listed("awaiting_handover")).await?["meta"]["count"], json!(0));
        let days = (waiting["expires_at"].as_i64().context("a time")?
            - waiting["created_at"].as_i64().context("a time")?)
            / 86400;
        assert!((6..=7).contains(&days), "{waiting}");
        let consent = waiting["admin_consent_url"].as_str().context("the approval link")?.to_owned();
        assert!(page.links().contains(&consent), "{:?}", page.links());

        // Their administrator approves, in a browser of their own.
        let back = redirected(w, &consent, THEIR_ADMIN, Answer::AcceptForOrganization).await?;
        let thanks = Browser::new().open(&back).await?;
        assert!(thanks.text().contains("Thank you") && thanks.forms().is_empty(), "{}", thanks.text());
        let seen = connection(w, id).await?;
        assert_eq!(
            (&seen["status"], &seen["admin_consent_returned"]),
            (&json!("awaiting_admin_consent"), &json!(true))
        );

        let page = browser.open(page.url.join(&own)?.as_str()).await?;
        assert!(page.text().contains("Somebody came back from the approval page"), "{}", page.text());
        let authorize = w.on_to_microsoft(&mut browser, &page).await?;
        assert_eq!(connection(w, id).await?["status"], json!("pending"));
        let callback = redirected(w, &authorize, HELP, Answer::Accept).await?;
        let page = browser.open(&callback).await?;
        let page = to_the_end(&mut browser, page).await?;
        assert!(page.text().contains("Connected"), "what was agreed to still holds in this browser: {}", page.text());
        assert_eq!(connection(w, id).await?["status"], json!("connected"));
        assert_eq!(w.connect_link_shown(link).await?["status"], json!("connected"));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_that_somebody_made_up_proves_nothing_and_the_link_goes_on_where_the_person_was() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let (url, link) = w.connect_link(&json!({})).await?;
        let mut browser = Browser::new();
        let page = browser.open(&url).await?;
        let authorize = w.on_to_microsoft(&mut browser, &page).await?;
        let cancelled = redirected(w, &authorize, HELP, Answer::ReturnWithoutConsent).await?;
        let page = browser.open(&cancelled).await?;
        let page = approval_is_wanted(&mut browser, &page).await?;
        let id = w.connect_link_shown(link).await?["connection_id"].as_i64().context("the attempt")?;
        let consent = connection(w, id).await?["admin_consent_url"].as_str().context("a link")?.parse::<url::Url>()?;
        let state = consent.query_pairs().find(|(name, _)| name == "state").context("a state")?.1.into_owned();
        for forged in [
            format!(
                "{}/microsoft/callback?admin_consent=True&tenant=8f0b5c1e-2d64-4f0a-9c3b-7a5d1e6f4b20&state={state}",
                w.base
            ),
            format!("{}/microsoft/callback?code=x&state={state}", w.base),
            format!("{}/microsoft/callback?admin_consent=True&state=consent.made-up", w.base),
        ] {
            let page = Browser::new().open(&forged).await?;
            assert!(page.status == 200 && page.forms().is_empty(), "{forged}: {}", page.text());
            assert!(!page.text().contains("Contoso"), "{}", page.text());
        }
        assert_eq!(connection(w, id).await?["status"], json!("awaiting_admin_consent"));

        // Another browser of theirs, with the link alone: the same attempt is taken up again, and Microsoft still wants an administrator.
        let mut phone = Browser::new();
        let again = phone.open(&url).await?;
        assert!(again.text().contains("had to approve"), "{}", again.text());
        let authorize = w.on_to_microsoft(&mut phone, &again).await?;
        assert!(matches!(answered(w, &authorize, HELP, Answer::Accept).await?, SignedIn::Page { .. }));
        let cancelled = redirected(w, &authorize, HELP, Answer::ReturnWithoutConsent).await?;
        let page_there = phone.open(&cancelled).await?;
        assert!(page_there.text().contains("Waiting for an administrator's approval"), "{}", page_there.text());
        assert_eq!(w.connect_link_shown(link).await?["connection_id"], json!(id), "it is the same attempt");
        // What the first browser had is not good any more.
        let gone = browser.open(page.url.as_str()).await?;
        assert!(gone.forms().is_empty(), "{}", gone.text());
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_here_resumes_a_waiting_connection_and_a_new_browser_is_asked_first() -> Result<()> {
    World::run(Setup::default(), async |w| {
        w.sandbox.faults().once(TokenFault::consent_required());
        let mut browser = w.admin_browser().await?;
        let (page, id) = w.callback_page(&mut browser, SUPPORT).await?;
        assert!(page.text().contains("Waiting for an administrator's approval"), "{}", page.text());
        let waiting = connection(w, id).await?;
        assert_eq!(
            (&waiting["status"], &waiting["failure"]["code"]),
            (&json!("awaiting_admin_consent"), &json!("consent_required"))
        );
        assert!(waiting["admin_consent_url"].is_string(), "{waiting}");

        let path = w.path(&format!("/connections/{id}/resume"));
        let resumed = w.api.post(&path, &json!({})).await?;
        assert_eq!(resumed["connection_id"], json!(id));
        let url = resumed["url"].as_str().context("url")?.to_owned();
        let mut other = Browser::new();
        let callback = w.sign_in_at_microsoft(&mut other, &url, SUPPORT).await?;
        let asked = other.open(&callback).await?;
        assert!(asked.text().contains("Is this what you want?"), "{}", asked.text());
        assert_eq!(connection(w, id).await?["status"], json!("awaiting_confirmation"));
        let form = asked.forms().into_iter().next().context("a form")?;
        other.submit(&asked, &form, &[]).await?;
        w.connected(id).await?;
        let refused = w.api.call("POST", &path, Some(&json!({}))).await?;
        assert_eq!(
            (refused.status, &refused.body["code"]),
            (422, &json!("not_awaiting_admin_consent")),
            "{}",
            refused.text
        );
        Ok(())
    })
    .await
}
