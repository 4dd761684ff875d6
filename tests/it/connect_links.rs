//! Connect links (C4): somebody without an account here connects a mailbox, and whoever made the link follows it.

use anyhow::{Context, Result};
use sandbox::{Answer as Answered, AppRegistration, SignedIn};
use serde_json::{Value, json};
use testkit::browser::{Browser, Page};
use testkit::client::Answer;
use testkit::follower::Follower;
use testkit::receiver::Receiver;
use testkit::world::{SUPPORT, Setup, World};

const SALES: &str = "sales@contoso.example";
const DONE: &str = "https://app.example.com/mailboxes";

fn setup() -> Setup {
    Setup::default().with("CONNECT_RETURN_URLS", DONE).with("SAFE_FETCH_ALLOW_PRIVATE_NETWORK", "true")
}

async fn status(w: &World, link: i64) -> Result<Value> {
    Ok(w.connect_link_shown(link).await?["status"].clone())
}

async fn inboxes(w: &World) -> Result<usize> {
    Ok(w.api.get(&w.path("/inboxes")).await?["payload"].as_array().context("payload")?.len())
}

/// Follows the page of an attempt, as its refresh would, until nothing goes on by itself.
pub async fn to_the_end(browser: &mut Browser, mut page: Page) -> Result<Page> {
    for _ in 0..600 {
        let Some(next) = page.refreshes_to().filter(|_| page.text().contains("mailbox is being opened")) else {
            return Ok(page);
        };
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        page = browser.open(page.url.join(&next)?.as_str()).await?;
    }
    anyhow::bail!("it does not come to an end: {}", page.text())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_without_an_account_here_connects_a_mailbox_by_a_link_that_works_once() -> Result<()> {
    World::run(setup(), async |w| {
        let ask = json!({"expected_email": SUPPORT, "return_url": format!("{DONE}/7?plan=x&status=mine")});
        let made = w.api.post(&w.path("/connect_links"), &ask).await?;
        let (url, id) = (made["url"].as_str().context("url")?.to_owned(), made["id"].as_i64().context("id")?);
        assert_eq!((&made["status"], &made["connection_id"]), (&json!("open"), &json!(null)));
        let lasts = made["expires_at"].as_i64().context("expires")? - made["created_at"].as_i64().context("created")?;
        assert!((72 * 3600 - 5..=72 * 3600).contains(&lasts), "three days unless something else is asked for: {lasts}");
        assert!(w.connect_link_shown(id).await?.get("url").is_none(), "the address is shown once");

        let mut browser = Browser::new();
        let page = browser.open(&url).await?;
        for told in ["Contoso", SUPPORT, "can read the mail of that mailbox and answer from it"] {
            assert!(page.text().contains(told), "{told}: {}", page.text());
        }
        assert_eq!(status(w, id).await?, json!("opened"));
        let authorize = w.on_to_microsoft(&mut browser, &page).await?;
        assert!(authorize.contains("login_hint=support%40contoso.example"), "{authorize}");
        assert_eq!(status(w, id).await?, json!("signing_in"));
        let callback = w.sandbox.sign_in(&authorize, SUPPORT).await.map_err(|e| anyhow::anyhow!("{e}"))?;
        let page = browser.open(&callback).await?;
        let page = to_the_end(&mut browser, page).await?;
        assert!(page.text().contains("Connected") && page.text().contains(SUPPORT), "asked again: {}", page.text());
        let back = format!("{DONE}/7?plan=x&status=connected&connect_link_id={id}");
        assert!(page.links().contains(&back), "{:?}", page.links());

        let link = w.connect_link_shown(id).await?;
        assert_eq!((&link["status"], &link["failure"]), (&json!("connected"), &json!(null)));
        let inbox = link["inbox_id"].as_i64().context("the inbox")?;
        let connection = w.api.get(&w.path(&format!("/connections/{}", link["connection_id"]))).await?;
        assert_eq!((&connection["inbox_id"], &connection["connect_link_id"]), (&json!(inbox), &json!(id)));
        w.watched(inbox).await?;
        for mut whoever in [browser, Browser::new()] {
            let used = whoever.open(&url).await?;
            assert_eq!(used.status, 410, "{}", used.text());
            assert!(!used.text().contains(SUPPORT) && used.forms().is_empty(), "{}", used.text());
        }
        let agreed = Browser::new().request("POST", &format!("{url}/agree").parse()?, Some(&[])).await?;
        assert_eq!(agreed.status, 410, "{}", agreed.text());
        assert_eq!(inboxes(w).await?, 1);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_try_that_led_nowhere_leaves_the_link_usable_and_nobody_but_the_expected_one_connects() -> Result<()> {
    World::run(setup(), async |w| {
        let (url, id) =
            w.connect_link(&json!({"expected_email": "Support@Contoso.example", "return_url": DONE})).await?;
        let mut browser = Browser::new();
        let page = browser.open(&url).await?;
        let authorize = w.on_to_microsoft(&mut browser, &page).await?;
        let answer = w
            .sandbox
            .answer_sign_in(&authorize, SUPPORT, Answered::Cancel)
            .await
            .map_err(|e| anyhow::anyhow!("{e}"))?;
        let SignedIn::Redirect(callback) = answer else { anyhow::bail!("{answer:?}") };
        let page = browser.open(&callback).await?;
        assert!(page.text().contains("cancelled"), "{}", page.text());
        assert!(page.links().contains(&format!("{DONE}?status=failed&connect_link_id={id}")), "{:?}", page.links());
        let link = w.connect_link_shown(id).await?;
        assert_eq!((&link["status"], &link["failure"]["code"]), (&json!("failed"), &json!("sign_in_cancelled")));

        let callback = w.agree_and_sign_in(&mut browser, &url, SALES).await?;
        let page = browser.open(&callback).await?;
        assert_eq!(page.status, 403, "{}", page.text());
        assert!(
            page.text().contains("Another Microsoft account signed in than the one this link was made for"),
            "{}",
            page.text()
        );
        let link = w.connect_link_shown(id).await?;
        assert_eq!((&link["status"], &link["failure"]["code"]), (&json!("failed"), &json!("unexpected_account")));
        assert_eq!(w.number("SELECT COUNT(*) FROM grants").await?, 0, "the wrong person's permission was kept");
        assert!(browser.open(&url).await?.text().contains("Another Microsoft account"), "the page tells how it went");

        let callback = w.agree_and_sign_in(&mut browser, &url, SUPPORT).await?;
        browser.open(&callback).await?;
        w.eventually("it is connected", async |w| Ok(status(w, id).await? == json!("connected"))).await?;
        assert_eq!(inboxes(w).await?, 1);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_are_on_the_way_with_one_link_connect_one_mailbox() -> Result<()> {
    World::run(setup(), async |w| {
        let (url, id) = w.connect_link(&json!({})).await?;
        let (mut first, mut second) = (Browser::new(), Browser::new());
        let one = w.agree_and_sign_in(&mut first, &url, SUPPORT).await?;
        let other = w.agree_and_sign_in(&mut second, &url, SALES).await?;
        let page = first.open(&one).await?;
        let page = to_the_end(&mut first, page).await?;
        assert!(page.text().contains("Connected"), "{}", page.text());
        let page = second.open(&other).await?;
        let page = to_the_end(&mut second, page).await?;
        assert_eq!(page.status, 410, "{}", page.text());
        assert_eq!(inboxes(w).await?, 1);
        assert_eq!(w.number("SELECT COUNT(*) FROM grants").await?, 1);
        assert_eq!(status(w, id).await?, json!("connected"));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_link_stops_also_whoever_is_on_the_way_with_it() -> Result<()> {
    World::run(setup(), async |w| {
        let (url, id) = w.connect_link(&json!({})).await?;
        let mut browser = Browser::new();
        let callback = w.agree_and_sign_in(&mut browser, &url, SUPPORT).await?;
        let path = w.path(&format!("/connect_links/{id}"));
        for _ in 0..2 {
            let revoked = w.api.call("DELETE", &path, None).await?;
            assert_eq!((revoked.status, &revoked.body["status"]), (200, &json!("revoked")), "{}", revoked.text);
        }
        let page = browser.open(&callback).await?;
        assert_eq!(page.status, 410, "{}", page.text());
        assert_eq!(browser.open(&url).await?.status, 410);
        assert_eq!(inboxes(w).await?, 0);
        assert_eq!(status(w, id).await?, json!("revoked"));

        // One that has connected a mailbox cannot be taken back; the inbox can be deleted.
        let (url, id) = w.connect_link(&json!({})).await?;
        let callback = w.agree_and_sign_in(&mut browser, &url, SUPPORT).await?;
        browser.open(&callback).await?;
        w.eventually("it is connected", async |w| Ok(status(w, id).await? == json!("connected"))).await?;
        let refused = w.api.call("DELETE", &w.path(&format!("/connect_links/{id}")), None).await?;
        assert_eq!((refused.status, &refused.body["code"]), (422, &json!("connect_link_ended")), "{}", refused.text);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_signs_in_again_by_a_link() -> Result<()> {
    World::run(setup(), async |w| {
        let inbox = w.connect_and_watch(SUPPORT).await?;
        w.sandbox.revoke_refresh_tokens(SUPPORT);
        let (url, id) = w.connect_link(&json!({"inbox_id": inbox})).await?;
        let mut browser = Browser::new();
        assert!(browser.open(&url).await?.text().contains("Contoso Support"), "it names the inbox");
        // Somebody else brings no mailbox of theirs by it: an administrator here is asked.
        let mut other = Browser::new();
        let callback = w.agree_and_sign_in(&mut other, &url, SALES).await?;
        let page = other.open(&callback).await?;
        assert!(page.text().contains("Waiting for an administrator"), "{}", page.text());
        let waits = w.api.get(&w.path("/connections?status=awaiting_handover")).await?;
        assert_eq!(
            (&waits["meta"]["count"], &waits["payload"][0]["connect_link_id"]),
            (&json!(1), &json!(id)),
            "{waits}"
        );
        let callback = w.agree_and_sign_in(&mut browser, &url, SUPPORT).await?;
        browser.open(&callback).await?;
        w.eventually("it is connected", async |w| Ok(status(w, id).await? == json!("connected"))).await?;
        assert_eq!(w.connect_link_shown(id).await?["inbox_id"], json!(inbox));
        assert_eq!(inboxes(w).await?, 1);
        Ok(())
    })
    .await
}

/// A webhook and a stream tell the same, and neither tells an address, a link or a server's words.
#[tokio::test(flavor = "multi_thread")]
async fn each_step_of_a_link_and_of_its_attempt_is_told_to_webhooks_and_streams() -> Result<()> {
    World::run(setup(), async |w| {
        let receiver = Receiver::start().await?;
        let hook = json!({"url": receiver.url(), "subscriptions": ["connection_updated", "connect_link_updated"]});
        w.api.post(&w.path("/webhooks"), &hook).await?;
        let mut follower = Follower::new(std::slice::from_ref(&w.api), w.account_id);
        follower.named("ready", |_| true).await?;
        let (url, id) = w.connect_link(&json!({"expected_email": SUPPORT})).await?;
        let mut browser = Browser::new();
        let callback = w.agree_and_sign_in(&mut browser, &url, SUPPORT).await?;
        browser.open(&callback).await?;
        w.eventually("it is connected", async |w| Ok(status(w, id).await? == json!("connected"))).await?;

        let told = follower.named("connect.link_updated", |data| data["status"] == "connected").await?;
        let inbox = w.connect_link_shown(id).await?["inbox_id"].clone();
        assert_eq!((&told.data["id"], &told.data["inbox_id"]), (&json!(id), &inbox), "{:?}", told.data);
        w.eventually("the webhook is told all of it", async |_| {
            Ok(receiver.told_of("connect_link_updated").iter().any(|body| body["status"] == "connected")
                && receiver.told_of("connection_updated").iter().any(|body| body["status"] == "connected"))
        })
        .await?;
        let steps = |event: &str| -> Vec<Value> {
            let mut told = receiver.told_of(event);
            told.sort_by_key(|body| body["seq"].as_i64());
            told.iter().map(|body| body["status"].clone()).collect()
        };
        // Of steps in between the link says the same.
        let mut links = steps("connect_link_updated");
        links.dedup();
        assert_eq!(links, ["open", "opened", "signing_in", "connected"]);
        assert_eq!(steps("connection_updated"), ["pending", "proving", "connected"]);
        let everything: String =
            receiver.told().iter().map(|told| String::from_utf8_lossy(&told.body).into_owned()).collect();
        for secret in [SUPPORT, url.rsplit('/').next().context("a token")?, "login.microsoft", "/connect/"] {
            assert!(!everything.contains(secret), "{secret} is told: {everything}");
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_link_is_asked_for_is_checked_when_it_is_made() -> Result<()> {
    World::run(setup(), async |w| {
        let inbox = w.connect(SUPPORT).await?;
        let path = w.path("/connect_links");
        for (body, field) in [
            (json!({"expected_email": "nobody"}), "expected_email"),
            (json!({"mailbox": "not an address"}), "mailbox"),
            (json!({"inbox_id": inbox, "mailbox": SALES}), "mailbox"),
            (json!({"return_url": "https://evil.example/mailboxes"}), "return_url"),
            (json!({"return_url": "https://app.example.com@evil.example/mailboxes"}), "return_url"),
        ] {
            let refused = w.api.call("POST", &path, Some(&body)).await?;
            assert_eq!((refused.status, &refused.body["attributes"]), (422, &json!([field])), "{body}: {}", refused.text);
        }
        for hours in [0, -1, 337] {
            let refused = w.api.call("POST", &path, Some(&json!({"expires_in_hours": hours}))).await?;
            assert!((400..500).contains(&refused.status), "{hours}: {}", refused.text);
        }
        assert_eq!(w.api.get(&path).await?["meta"]["count"], json!(0), "something was kept");
        let fine = json!({"expires_in_hours": 336, "return_url": format!("{DONE}/x"), "mailbox": SALES, "expected_email": " "});
        w.api.post(&path, &fine).await?;
        w.connect_link(&json!({"expires_in_hours": 1})).await?;
        let listed = w.api.get(&path).await?;
        assert_eq!((&listed["meta"]["count"], &listed["payload"][1]["mailbox"]), (&json!(2), &json!(SALES)), "{listed}");
        Ok(())
    })
    .await
}

/// What somebody with the role of an agent sends with every request.
pub async fn agent_headers(w: &World) -> Result<Vec<(String, String)>> {
    let phrase = "another long phrase 2";
    let body = json!({"name": "Bob", "email": "bob@contoso.example", "role": "agent", "password": phrase});
    w.api.post(&w.path("/agents"), &body).await?;
    let signed = w.api.with_token(None).request("POST", "/auth/sign_in");
    let signed = signed.json(&json!({"email": "bob@contoso.example", "password": phrase})).send().await?;
    let header = |name: &str| {
        let value = signed.headers().get(name).context("a header")?.to_str()?;
        anyhow::Ok((name.to_owned(), value.to_owned()))
    };
    Ok(vec![header("access-token")?, header("client")?, header("uid")?])
}

pub async fn as_agent(w: &World, headers: &[(String, String)], method: &str, path: &str) -> Result<Answer> {
    let mut request = w.api.with_token(None).request(method, path);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    if method == "POST" {
        request = request.json(&json!({}));
    }
    w.api.send(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_administrators_make_see_and_withdraw_links() -> Result<()> {
    World::run(setup(), async |w| {
        let (_, id) = w.connect_link(&json!({})).await?;
        let bob = agent_headers(w).await?;
        let one = w.path(&format!("/connect_links/{id}"));
        for (method, path) in [
            ("POST", w.path("/connect_links")),
            ("GET", w.path("/connect_links")),
            ("GET", one.clone()),
            ("DELETE", one),
        ] {
            let refused = as_agent(w, &bob, method, &path).await?;
            assert_eq!(refused.status, 403, "{method} {path}: {}", refused.text);
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_names_the_app_that_people_sign_in_through_and_what_the_mailbox_sends_through() -> Result<()> {
    World::run(setup(), async |w| {
        let registration = AppRegistration::any().secret("a-secret-of-contosos-own-app");
        w.sandbox.register_app(registration.clone());
        let apps = w.path("/oauth_apps");
        let client_id = &registration.client_id;
        let app = w.api.post(&apps, &json!({"name": "Contoso's own", "client_id": client_id})).await?;
        let id = app["id"].as_i64().context("an id")?;
        let ask = json!({"oauth_app_id": id, "send_transport": "graph"});
        // Nobody could sign in through it yet, which is said to whoever makes the link and not to whoever opens it.
        let early = w.api.call("POST", &w.path("/connect_links"), Some(&ask)).await?;
        assert_eq!((early.status, &early.body["code"]), (422, &json!("oauth_app_unusable")), "{}", early.text);
        let credential = json!({"client_secret": "a-secret-of-contosos-own-app"});
        w.api.post(&format!("{apps}/{id}/credentials"), &credential).await?;
        let (url, link) = w.connect_link(&ask).await?;
        let shown = w.connect_link_shown(link).await?;
        assert_eq!((&shown["oauth_app_id"], &shown["send_transport"]), (&json!(id), &json!("graph")), "{shown}");
        let used = w.api.call("DELETE", &format!("{apps}/{id}"), None).await?;
        assert_eq!((used.status, &used.body["code"]), (409, &json!("oauth_app_in_use")), "{}", used.text);

        let mut browser = Browser::new();
        let page = browser.open(&url).await?;
        let authorize = w.on_to_microsoft(&mut browser, &page).await?;
        assert!(authorize.contains(client_id.as_str()) && authorize.contains("Mail.Send"), "{authorize}");
        let callback = w.sandbox.sign_in(&authorize, SALES).await.map_err(|e| anyhow::anyhow!("{e}"))?;
        let page = browser.open(&callback).await?;
        assert!(to_the_end(&mut browser, page).await?.text().contains("Connected"));
        let inbox = w.connect_link_shown(link).await?["inbox_id"].as_i64().context("an inbox")?;
        assert_eq!(w.api.get(&w.path(&format!("/inboxes/{inbox}"))).await?["send_transport"], json!("graph"));
        assert_eq!(w.api.get(&format!("{apps}/{id}")).await?["in_use_by"], json!(1));

        // The installation's, although the account has one of its own as its default; and one that was withdrawn holds no app.
        w.api.call("PATCH", &format!("{apps}/{id}"), Some(&json!({"is_default": true}))).await?;
        let (url, _) = w.connect_link(&json!({"oauth_app_id": null})).await?;
        let page = browser.open(&url).await?;
        assert!(!w.on_to_microsoft(&mut browser, &page).await?.contains(client_id.as_str()));
        Ok(())
    })
    .await
}
