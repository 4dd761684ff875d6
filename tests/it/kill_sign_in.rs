//! The API process that a person comes back to from their sign-in, in three ways: it dies, stands still while they ask another one, or finds its
//! connections to the database dead when it goes on (C1; the table is in docs/FAILURES.md).

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::browser::{Browser, Page};
use testkit::check::run_where_free;
use testkit::ways::Link::Database;
use testkit::ways::Way::{Dies, IsCut, Stalls};
use testkit::world::{self, Queue, SUPPORT, Setup, World};
use tokio::task::JoinHandle;
use url::Url;

type Opened = JoinHandle<(Browser, Result<Page>)>;

fn opens(mut browser: Browser, url: &str) -> Opened {
    let url = url.to_owned();
    tokio::spawn(async move {
        let page = browser.open(&url).await;
        (browser, page)
    })
}

/// The person loses patience while the first process stands still, and another one is asked: it takes nothing over, because a state works
/// once, and says that it is under way.
async fn opens_it_elsewhere(w: &World, mut browser: Browser, callback: &str, other: &str) -> Result<Opened> {
    let opening = opens(browser.clone(), &callback.replace(&w.base, other));
    let state =
        Url::parse(callback)?.query_pairs().find(|(name, _)| name == "state").context("a state")?.1.into_owned();
    let page = browser.open(&format!("{other}/microsoft/connections/{state}")).await?;
    assert!(
        page.status == 200 && page.text().contains("This page follows by itself"),
        "{}: {}",
        page.status,
        page.text()
    );
    Ok(opening)
}

/// What a dead process took in is not under way for ever: when its time is over, somebody writes down that it led nowhere.
/// Whether there was anything to end: where the process got further, it is ended already.
async fn ends_when_nobody_comes_back(w: &mut World, connection: i64) -> Result<bool> {
    let of = format!("SELECT COUNT(*) FROM connections WHERE id = {connection} AND status");
    if w.number(&format!("{of} = 'pending'")).await? == 0 {
        return Ok(false);
    }
    let hour = 3_600_000_000_i64;
    let later = format!(
        "UPDATE connections SET consumed_at = consumed_at - {hour}, expires_at = expires_at - {hour} WHERE id = {connection}"
    );
    run_where_free(w.database_url(), &[&later]).await?;
    w.eventually("it has ended", async |w| Ok(w.number(&format!("{of} = 'expired'")).await? == 1)).await?;
    Ok(true)
}

/// A sign-in whose API process meets `point` leads to one inbox, or to a page that says that it did not.
async fn somebody_signs_in(point: &str) -> Result<()> {
    let mut ended = 0;
    for way in [Dies, Stalls, IsCut(&[Database])] {
        let setup = Setup::on(world::Database::Postgres, Queue::Redis).through_proxies();
        let told = World::run(setup, async |w| {
            let (url, connection) = w.authorization(&json!({})).await?;
            let mut browser = w.admin_browser().await?;
            let callback = w.sign_in_at_microsoft(&mut browser, &url, SUPPORT).await?;
            w.stop_all("serve")?;
            let other = if way == Stalls { Some(w.start_another_api(&[]).await?) } else { None };
            w.start_towards("serve", point, way)?;
            w.start_processes().await?;
            let opening = opens(browser.clone(), &callback);
            w.meets_its_point("serve", way).await?;
            let elsewhere = match other {
                Some(other) => Some(opens_it_elsewhere(w, browser, &callback, other.base()).await?),
                None => None,
            };
            w.befalls("serve", way, async |_| Ok(())).await?;
            let (mut browser, first) = opening.await?;
            if let Some(elsewhere) = elsewhere {
                // What the first one comes to is shown there too.
                let page = elsewhere.await?.1?;
                assert_eq!(page.status, 200, "{}", page.text());
            }
            w.start_processes().await?;
            if let Ok(page) = first {
                assert!(page.status < 500 || page.status == 503, "{}: {}", page.status, page.text());
            }
            let shown = w.api.get(&w.path(&format!("/connections/{connection}"))).await?;
            if way == Stalls {
                // Nothing was lost but time.
                w.connected(connection).await?;
            } else {
                assert_ne!(shown["status"], json!("connected"), "{shown}");
                let page = browser.open(&callback).await?;
                assert!(!page.text().is_empty() && page.status < 500, "{}: {}", page.status, page.text());
                w.connect(SUPPORT).await?;
                ended += usize::from(ends_when_nobody_comes_back(w, connection).await?);
            }
            let inboxes: Value = w.api.get(&w.path("/inboxes")).await?;
            assert_eq!(inboxes["payload"].as_array().map(Vec::len), Some(1), "{inboxes}");
            Ok(())
        });
        told.await.with_context(|| format!("at {point}, where the process {way:?}"))?;
    }
    assert!(ended > 0, "at {point} nothing was left to end");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_whose_state_was_used_leads_to_one_inbox_or_is_begun_anew() -> Result<()> {
    somebody_signs_in("state_consumed").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_whose_code_was_redeemed_leads_to_one_inbox_or_is_begun_anew() -> Result<()> {
    somebody_signs_in("code_redeemed").await
}
