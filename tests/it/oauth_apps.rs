//! Accounts' own OAuth apps (C9, C7): through the real program, its API and its worker, at a Microsoft that binds what it grants to the app.

use anyhow::{Context, Result};
use domain::Timestamp;
use sandbox::AppRegistration;
use serde_json::{Value, json};
use testkit::builders::Mail;
use testkit::post_office::PostOffice;
use testkit::receiver::Receiver;
use testkit::world::{ADMIN_EMAIL, SUPPORT, Setup, World};

const SALES: &str = "sales@contoso.example";
const FIRST: &str = "first~secret-of-an-own-app-0001";
const SECOND: &str = "second~secret-of-an-own-app-0002";

/// Every use of a token begins with a refresh: they have less than five minutes to live.
fn setup() -> Setup {
    let mut setup = Setup::default();
    setup.sandbox.token_lifetime_seconds = Some(299);
    setup
}

/// Registered at Microsoft and with us; its id here, and its client id.
async fn own_app(w: &World, name: &str) -> Result<(i64, String)> {
    let registration = AppRegistration::any().secret(FIRST);
    let client_id = registration.client_id.clone();
    w.sandbox.register_app(registration);
    let body = json!({"name": name, "client_id": client_id, "credential": {"client_secret": FIRST}});
    let made = w.api.post(&w.path("/oauth_apps"), &body).await?;
    assert!(!made.to_string().contains(FIRST), "{made}");
    Ok((made["id"].as_i64().context("an id")?, client_id))
}

async fn app(w: &World, id: i64) -> Result<Value> {
    let shown = w.api.get(&w.path(&format!("/oauth_apps/{id}"))).await?;
    assert!(!shown.to_string().contains("~secret"), "{shown}");
    Ok(shown)
}

async fn connect_through(w: &mut World, administrator: &str, mailbox: &str, app: i64) -> Result<i64> {
    let inbox = w.connect_as(administrator, mailbox, &json!({"email": mailbox, "oauth_app_id": app})).await?;
    w.watched(inbox).await?;
    Ok(inbox)
}

async fn health(w: &World, inbox: i64) -> Result<Value> {
    w.api.get(&w.path(&format!("/inboxes/{inbox}/health"))).await
}

fn mail(n: u32) -> Vec<u8> {
    Mail::new("ada@customer.example", &format!("Order {n}"), "Where is it?").id(&format!("order-{n}@c")).bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tenants_each_sign_in_through_an_app_of_their_own_and_cannot_see_or_use_the_others() -> Result<()> {
    World::run(setup(), async |w| {
        let (ours, our_client) = own_app(w, "Contoso's own").await?;
        let inbox = connect_through(w, ADMIN_EMAIL, SUPPORT, ours).await?;
        w.sandbox.deliver(SUPPORT, &mail(1));
        w.conversations_are(1).await?;
        assert_eq!(app(w, ours).await?["in_use_by"], json!(1));
        let verified = w.api.post(&w.path(&format!("/oauth_apps/{ours}/verify")), &json!({})).await?;
        assert_eq!((&verified["ok"], &verified["steps"][3]["inbox_id"]), (&json!(true), &json!(inbox)), "{verified}");
        assert_eq!(health(w, inbox).await?["oauth_app_id"], json!(ours));

        let other = w.create_account("Mallory", "mallory@elsewhere.example")?;
        let (admin, account) = (w.api.clone(), w.account_id);
        w.api = w.api.with_token(other["access_token"].as_str());
        w.account_id = other["account_id"].as_i64().context("account_id")?;
        let (hers, her_client) = own_app(w, "Hers").await?;
        connect_through(w, "mallory@elsewhere.example", SALES, hers).await?;
        w.sandbox.deliver(SALES, &mail(2));
        w.conversations_are(1).await?;
        assert_ne!(our_client, her_client);
        // Ours is to her what nobody has.
        for (method, rest, body) in [
            ("GET", format!("/oauth_apps/{ours}"), None),
            ("PATCH", format!("/oauth_apps/{ours}"), Some(json!({"name": "hers now"}))),
            ("DELETE", format!("/oauth_apps/{ours}"), None),
            ("POST", format!("/oauth_apps/{ours}/verify"), None),
            ("POST", format!("/oauth_apps/{ours}/credentials"), Some(json!({"client_secret": SECOND}))),
            ("DELETE", format!("/oauth_apps/{ours}/credentials/1"), None),
            ("POST", "/microsoft/authorization".to_owned(), Some(json!({"oauth_app_id": ours}))),
        ] {
            let answer = w.api.call(method, &w.path(&rest), body.as_ref()).await?;
            assert_eq!(answer.status, 404, "{method} {rest}: {}", answer.text);
            assert!(!answer.text.contains(&our_client) && !answer.text.contains("Contoso"), "{}", answer.text);
        }
        let listed = w.api.get(&w.path("/oauth_apps")).await?;
        assert_eq!(listed["payload"].as_array().map(Vec::len), Some(1), "{listed}");
        (w.api, w.account_id) = (admin, account);
        assert_eq!(app(w, ours).await?["name"], json!("Contoso's own"));
        let in_use = w.api.call("DELETE", &w.path(&format!("/oauth_apps/{ours}")), None).await?;
        assert_eq!((in_use.status, &in_use.body["code"]), (409, &json!("oauth_app_in_use")), "{}", in_use.text);
        let logs = w.logs();
        assert!(!logs.contains(FIRST) && !logs.contains(SECOND));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_is_replaced_while_mail_comes_and_no_inbox_fails() -> Result<()> {
    World::run(setup(), async |w| {
        let (id, client_id) = own_app(w, "Contoso's own").await?;
        let inbox = connect_through(w, ADMIN_EMAIL, SUPPORT, id).await?;
        let credentials = w.path(&format!("/oauth_apps/{id}/credentials"));
        w.sandbox.update_app(&client_id, |app| *app = app.clone().secret(SECOND));
        let two = w.api.post(&credentials, &json!({"client_secret": SECOND})).await?;
        assert_eq!(two["credentials"].as_array().map(Vec::len), Some(2), "{two}");
        let third = w.api.call("POST", &credentials, Some(&json!({"client_secret": "one-more-secret"}))).await?;
        assert_eq!((third.status, &third.body["code"]), (409, &json!("credentials_limit_reached")), "{}", third.text);

        // The first ends at Microsoft, and the mailbox must be signed in to anew.
        w.sandbox.update_app(&client_id, |app| app.secrets[0].expires_at = Some(0));
        w.sandbox.cut_mail_connections();
        w.sandbox.deliver(SUPPORT, &mail(1));
        let conversation = w.conversations_are(1).await?[0]["id"].as_i64().context("id")?;
        let reply = w.reply(conversation, "On its way").await?["id"].as_i64().context("id")?;
        w.delivery_is(conversation, reply, "sent").await?;
        let now = app(w, id).await?;
        assert_eq!(now["credentials"][0]["refusal"]["code"], json!("app_credential_expired"), "{now}");
        assert_eq!((&now["credentials"][1]["refusal"], &now["failing_since"]), (&Value::Null, &Value::Null), "{now}");
        let state = health(w, inbox).await?;
        assert_eq!((&state["fetch"]["state"], &state["send"]["state"]), (&json!("connected"), &json!("connected")));

        let old = now["credentials"][0]["id"].as_i64().context("an id")?;
        assert_eq!(w.api.call("DELETE", &format!("{credentials}/{old}"), None).await?.status, 200);
        w.sandbox.cut_mail_connections();
        w.sandbox.deliver(SUPPORT, &mail(2));
        w.conversations_are(2).await?;
        assert_eq!(app(w, id).await?["credentials"][0]["hint"], json!("sec"));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_secret_is_one_alarm_however_many_inboxes_it_stops_and_nobody_signs_in_again() -> Result<()> {
    let office = PostOffice::open().await?;
    let setup = setup()
        .with("SMTP_ADDRESS", "127.0.0.1")
        .with("SMTP_PORT", &office.addr.port().to_string())
        .with("SMTP_ENABLE_STARTTLS_AUTO", "false")
        .with("MAILER_SENDER_EMAIL", "Our Desk <desk@contoso.example>")
        .with("SAFE_FETCH_ALLOW_PRIVATE_NETWORK", "true");
    World::run(setup, async |w| {
        let receiver = Receiver::start().await?;
        let hook = json!({"url": receiver.url(), "subscriptions": ["oauth_app_health_changed"]});
        w.api.post(&w.path("/webhooks"), &hook).await?;
        let (id, client_id) = own_app(w, "Contoso's own").await?;
        let mut inboxes = Vec::new();
        for mailbox in [SUPPORT, SALES, "admin@contoso.example"] {
            inboxes.push(connect_through(w, ADMIN_EMAIL, mailbox, id).await?);
        }
        w.sandbox.update_app(&client_id, |app| app.secrets[0].expires_at = Some(0));
        w.sandbox.cut_mail_connections();
        for inbox in &inboxes {
            w.eventually("the inbox says that it fails", async |w| {
                Ok(health(w, *inbox).await?["fetch"]["failure"]["code"] == json!("own_app_credential_expired"))
            })
            .await?;
            let fetch = health(w, *inbox).await?["fetch"].clone();
            assert_eq!(
                (&fetch["state"], &fetch["failure"]["who_must_act"]),
                (&json!("failing"), &json!("tenant_admin"))
            );
            assert!(
                fetch["failure"]["detail"].as_str().is_some_and(|detail| detail.contains("Contoso's own")),
                "{fetch}"
            );
        }
        let failing = app(w, id).await?;
        assert_eq!(failing["failure"]["code"], json!("own_app_credential_expired"), "{failing}");
        assert!(failing["failure"]["correlation_id"].is_string() && failing["failing_since"].is_i64(), "{failing}");
        w.eventually("the webhook is told", async |_| Ok(!receiver.told().is_empty())).await?;
        let mail = office.mail(0).await?;
        assert_eq!(mail.to, [ADMIN_EMAIL.to_owned()]);
        assert!(mail.subject().contains("does not work") && mail.words().contains("Contoso's own"), "{}", mail.words());

        w.sandbox.update_app(&client_id, |app| *app = app.clone().secret(SECOND));
        let credentials = w.path(&format!("/oauth_apps/{id}/credentials"));
        w.api.post(&credentials, &json!({"client_secret": SECOND})).await?;
        for inbox in &inboxes {
            w.watched(*inbox).await?;
        }
        w.eventually("the webhook is told", async |_| Ok(receiver.told().len() >= 2)).await?;
        let told: Vec<Value> = receiver.told().iter().map(|told| told.json()["state"].clone()).collect();
        assert_eq!(told, [json!("failing"), json!("working")], "one alarm, not one for each inbox");
        assert_eq!(office.taken().len(), 1);
        assert_eq!(app(w, id).await?["failing_since"], Value::Null);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn microsoft_finds_whose_domain_this_is_and_whoever_watches_finds_that_the_app_is_refused() -> Result<()> {
    World::run(setup(), async |w| {
        let inbox = w.connect_and_watch(SUPPORT).await?;
        let nobody = w.api.with_token(None);
        let request = nobody.request("GET", "/.well-known/microsoft-identity-association.json").send().await?;
        let kind = request.headers().get("content-type").and_then(|value| value.to_str().ok()).map(str::to_owned);
        assert_eq!((request.status().as_u16(), kind.as_deref()), (200, Some("application/json")));
        let said: Value = serde_json::from_str(&request.text().await?)?;
        assert_eq!(said, json!({"associatedApplications": [{"applicationId": w.sandbox.client_id()}]}));

        let ready = async |w: &World| w.api.with_token(None).get("/health/ready").await;
        assert_eq!(ready(w).await?, json!({"status": "ready"}));
        let client_id = w.sandbox.client_id().to_owned();
        let registered = w.sandbox.client_secret().to_owned();
        w.sandbox.update_app(&client_id, |app| app.secrets[0].value = "another".to_owned());
        w.sandbox.cut_mail_connections();
        w.eventually("the app is said to be refused", async |w| {
            Ok(ready(w).await?["alarms"][0]["code"] == json!("app_credential_refused"))
        })
        .await?;
        let fetch = health(w, inbox).await?["fetch"].clone();
        assert_ne!(fetch["state"], json!("needs_reauth"));
        w.sandbox.update_app(&client_id, |app| app.secrets[0].value = registered.clone());
        w.watched(inbox).await?;
        w.eventually("the alarm is over", async |w| Ok(ready(w).await? == json!({"status": "ready"}))).await?;
        Ok(())
    })
    .await
}

/// So many days from now, as the configuration writes one.
fn day_in(days: u64) -> String {
    let seconds = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs()) + days * 24 * 3600;
    Timestamp::from_seconds(i64::try_from(seconds).unwrap_or_default()).to_iso().chars().take(10).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_watches_the_installation_finds_that_its_secret_ends_soon_and_nothing_before() -> Result<()> {
    let ready = async |w: &World| w.api.with_token(None).get("/health/ready").await;
    World::run(setup().with("AZURE_APP_SECRET_EXPIRES_AT", &day_in(40)), async |w| {
        assert_eq!(ready(w).await?, json!({"status": "ready"}));
        Ok(())
    })
    .await?;
    let soon = day_in(20);
    World::run(setup().with("AZURE_APP_SECRET_EXPIRES_AT", &soon), async |w| {
        let ends_at = Timestamp::from_iso_day(&soon).context("a day")?.seconds();
        let ending = json!({
            "part": "microsoft_app_credential", "code": "credential_ending", "variable": "AZURE_APP_SECRET",
            "ends_at": ends_at,
        });
        assert_eq!(ready(w).await?, json!({"status": "ready", "alarms": [ending]}));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_microsoft_has_switched_off_is_one_alarm_and_no_mailboxs_notice() -> Result<()> {
    World::run(setup(), async |w| {
        let inboxes = [w.connect_and_watch(SUPPORT).await?, w.connect_and_watch(SALES).await?];
        let ready = async |w: &World| w.api.with_token(None).get("/health/ready").await;
        let client_id = w.sandbox.client_id().to_owned();
        w.sandbox.update_app(&client_id, |app| app.disabled = true);
        w.sandbox.cut_mail_connections();
        for inbox in inboxes {
            w.eventually("the inbox says why it fails", async |w| {
                Ok(health(w, inbox).await?["fetch"]["failure"]["code"] == json!("app_unusable"))
            })
            .await?;
            let fetch = health(w, inbox).await?["fetch"].clone();
            assert_eq!((&fetch["state"], &fetch["failure"]["who_must_act"]), (&json!("failing"), &json!("operator")));
        }
        let alarms = ready(w).await?["alarms"].clone();
        assert_eq!((alarms.as_array().map(Vec::len), &alarms[0]["code"]), (Some(1), &json!("app_unusable")));
        let worker = w.worker_name();
        let said = w.said_by(worker)?;
        assert_eq!(said.matches("this installation's application cannot be used").count(), 1, "{said}");
        let error = w.postroom(&["doctor"]).err().context("doctor found nothing wrong")?;
        let found = format!("{error:#}");
        assert!(found.contains("FAIL  microsoft app") && found.contains("AADSTS7000112"), "{found}");
        assert!(found.contains("cannot be used at Microsoft since"), "{found}");

        w.sandbox.update_app(&client_id, |app| app.disabled = false);
        for inbox in inboxes {
            w.watched(inbox).await?;
        }
        w.eventually("the alarm is over", async |w| Ok(ready(w).await? == json!({"status": "ready"}))).await?;
        let told = w.api.get(&w.path("/health_notices")).await?;
        assert_eq!(told["payload"], json!([]), "{told}");
        Ok(())
    })
    .await
}
