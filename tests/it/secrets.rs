//! What no log may hold (S2): tokens, passwords, keys, addresses, and the words of mails, however much is logged.
//!
//! The story is told with everything that goes wrong in it too, because it is errors that quote what they were about.

use anyhow::{Context, Result};
use sandbox::{AppRegistration, ImapFault, SmtpFault, TestCertificate, TokenFault};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};
use testkit::browser::Browser;
use testkit::builders::Mail;
use testkit::post::ADA;
use testkit::world::{ADMIN_EMAIL, ADMIN_PASSWORD, SUPPORT, Setup, World};
use url::Url;

const OWN_SECRET: &str = "own~secret-that-stands-nowhere-0001";
const WRONG_PASSWORD: &str = "a wrong password 9";
/// Words that stand in mails and nowhere else.
const WORDS: [&str; 4] = ["zanzibar", "quokka", "wombat", "numbat"];

/// Everything that must not be found, with what it is.
#[derive(Default)]
struct Secrets(BTreeSet<(String, &'static str)>);

impl Secrets {
    fn keep(&mut self, what: &'static str, secret: &str) {
        self.0.insert((secret.to_owned(), what));
    }

    /// What some of the parameters of a URL hold.
    fn keep_parts_of(&mut self, url: &str, names: &[&'static str]) -> Result<()> {
        for (name, value) in Url::parse(url)?.query_pairs() {
            if let Some(name) = names.iter().find(|known| **known == name) {
                self.keep(name, &value);
            }
        }
        Ok(())
    }
}

/// Signs in and lets it fail at Microsoft, whose words name the person.
async fn a_sign_in_that_fails(w: &World, secrets: &mut Secrets) -> Result<()> {
    w.sandbox.faults().once(TokenFault::Error {
        status: 400,
        error: "invalid_grant".to_owned(),
        suberror: None,
        code: 50_020,
        text: format!("User account '{SUPPORT}' from identity provider 'live.com' does not exist in this tenant."),
        claims: None,
    });
    let mut browser = w.admin_browser().await?;
    let (url, connection) = w.authorization(&json!({})).await?;
    secrets.keep("the link", Url::parse(&url)?.path_segments().and_then(Iterator::last).context("a path")?);
    let callback = w.sign_in_at_microsoft(&mut browser, &url, SUPPORT).await?;
    secrets.keep_parts_of(&callback, &["code", "state"])?;
    assert!(browser.open(&callback).await?.status >= 400);
    let state = w.api.get(&w.path(&format!("/connections/{connection}"))).await?;
    assert_eq!(state["status"], json!("failed"));
    Ok(())
}

/// The main job, with every step's secrets kept.
async fn the_main_job(w: &mut World, secrets: &mut Secrets) -> Result<i64> {
    let mut browser = w.admin_browser().await?;
    let (url, connection) = w.authorization(&json!({"email": SUPPORT})).await?;
    let callback = w.sign_in_at_microsoft(&mut browser, &url, SUPPORT).await?;
    secrets.keep_parts_of(&callback, &["code", "state"])?;
    assert!(browser.open(&callback).await?.status < 400);
    let inbox = w.connected(connection).await?;
    w.watched(inbox).await?;
    let mail = Mail::new(&format!("Ada <{ADA}>"), "A zanzibar", "Where is my quokka?").id("one@c");
    w.deliver(SUPPORT, &mail.bytes()).await?;
    let conversation = w.conversations_are(1).await?[0]["id"].as_i64().context("id")?;
    let reply = w.reply(conversation, "Here is your wombat.").await?;
    w.delivery_is(conversation, reply["id"].as_i64().context("id")?, "sent").await?;
    w.inbox_has(ADA, 1).await?;
    Ok(conversation)
}

/// The server refuses the recipient and then the mail, and names people in both.
async fn replies_that_fail(w: &mut World, conversation: i64) -> Result<()> {
    let unknown = format!("550 5.1.1 <{ADA}>: Recipient address rejected: User unknown");
    let faults = [
        SmtpFault::RefuseRecipient { address: ADA.to_owned(), reply: unknown },
        SmtpFault::Answer {
            at: sandbox::SmtpPoint::MailFrom,
            reply: format!("550 5.7.60 SMTP; Client does not have permissions to send as {SUPPORT}"),
        },
    ];
    for fault in faults {
        w.sandbox.faults().once(fault);
        let reply = w.reply(conversation, "Here is your numbat.").await?;
        let id = reply["id"].as_i64().context("id")?;
        w.eventually("the reply says why it did not leave", async |w| {
            Ok(w.message(conversation, id).await?["delivery"]["failure"]["code"].is_string())
        })
        .await?;
    }
    Ok(())
}

/// The server refuses to open the mailbox, and names it.
fn a_mailbox_that_cannot_be_read(w: &World) {
    let text = format!("NO [UNAVAILABLE] The mailbox {SUPPORT} is being moved.");
    for verb in ["EXAMINE", "SELECT"] {
        w.sandbox.faults().once(ImapFault::Answer { verb: verb.to_owned(), text: text.clone() });
    }
    w.sandbox.expire_access_tokens(SUPPORT);
    // Whoever waits for news in an open mailbox would not meet it.
    w.sandbox.cut_mail_connections();
}

/// An own app with a secret and one with a certificate, which are tried; a link to connect with, which is opened; a webhook, which is told something.
/// What the testkit notes of it by itself is here kept by hand as well.
async fn what_is_given_out_over_the_api(w: &World, secrets: &mut Secrets) -> Result<()> {
    let registration = AppRegistration::any().secret(OWN_SECRET);
    let now = i64::try_from(UNIX_EPOCH.elapsed()?.as_secs())?;
    let made = TestCertificate::make(2048, now, (1, 100));
    for credential in [
        json!({"client_secret": OWN_SECRET}),
        json!({"certificate": made.certificate.clone(), "private_key": made.private_key.clone()}),
    ] {
        let body = json!({"name": "Own", "client_id": registration.client_id.clone(), "credential": credential});
        let own = w.api.post(&w.path("/oauth_apps"), &body).await?["id"].as_i64().context("an id")?;
        // Nobody knows it yet, so that there is an error to be told of.
        w.api.post(&w.path(&format!("/oauth_apps/{own}/verify")), &json!({})).await?;
        w.api.delete(&w.path(&format!("/oauth_apps/{own}"))).await?;
    }
    secrets.keep("an own app's secret", OWN_SECRET);
    for line in made.private_key.lines().filter(|line| !line.starts_with('-') && line.len() >= 24) {
        secrets.keep("a private key", line);
    }
    let (link, _) = w.connect_link(&json!({"email": SUPPORT})).await?;
    assert_eq!(Browser::new().open(&link).await?.status, 200);
    secrets.keep("a connect link", Url::parse(&link)?.path_segments().and_then(Iterator::last).context("a path")?);
    let hook = json!({"url": "https://hook.invalid/told", "subscriptions": ["message_created"]});
    let webhook = w.api.post(&w.path("/webhooks"), &hook).await?["payload"]["webhook"].clone();
    secrets.keep("a webhook's secret", webhook["secret"].as_str().context("a secret")?);
    Ok(())
}

async fn signs_in(w: &World, password: &str) -> Result<(u16, Vec<String>)> {
    let body: Value = json!({"email": ADMIN_EMAIL, "password": password});
    let answer = w.api.with_token(None).request("POST", "/auth/sign_in").json(&body).send().await?;
    let tokens = answer.headers().get_all("access-token").iter();
    let tokens = tokens.map(|token| token.to_str().map(str::to_owned)).collect::<Result<_, _>>()?;
    Ok((answer.status().as_u16(), tokens))
}

/// The whole of every log that a process of this world has written.
fn logs(w: &World) -> Result<String> {
    let mut logs = String::new();
    for entry in std::fs::read_dir(w.dir.path())? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "log") {
            logs.push_str(&String::from_utf8_lossy(&std::fs::read(&path)?));
        }
    }
    Ok(logs)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_of_the_story_stands_in_a_log() -> Result<()> {
    let mut setup = Setup::default().with("RUST_LOG", "trace");
    // So short that every use of one fetches the next: more of them to be found.
    setup.sandbox.token_lifetime_seconds = Some(300);
    World::run(setup, async |w| {
        let mut secrets = Secrets::default();
        let made = w.create_account("Fabrikam", "root@fabrikam.example")?;
        secrets.keep("an API token", made["access_token"].as_str().context("a token")?);
        assert_eq!(signs_in(w, WRONG_PASSWORD).await?.0, 401);
        let (status, tokens) = signs_in(w, ADMIN_PASSWORD).await?;
        assert_eq!((status, tokens.len()), (200, 1));
        secrets.keep("a session's token", &tokens[0]);
        let with_token = w.api.with_token(made["access_token"].as_str());
        assert_eq!(with_token.call("GET", "/api/v1/profile", None).await?.status, 200);

        what_is_given_out_over_the_api(w, &mut secrets).await?;
        a_sign_in_that_fails(w, &mut secrets).await?;
        let conversation = the_main_job(w, &mut secrets).await?;
        replies_that_fail(w, conversation).await?;
        a_mailbox_that_cannot_be_read(w);
        let worker = w.worker_name();
        w.eventually("the mailbox cannot be read", async |w| {
            Ok(w.said_by(worker)?.contains("a mailbox cannot be read"))
        })
        .await?;
        w.deliver(SUPPORT, &Mail::new(ADA, "Another zanzibar", "And a quokka.").id("two@c").bytes()).await?;
        w.conversations_are(2).await?;
        let names: BTreeSet<&str> = [w.api_name(), w.worker_name()].into();
        for name in names {
            assert!(w.stop(name, Duration::from_secs(40))?.success(), "{name} did not end well");
        }

        let issued = w.sandbox.issued_secrets();
        assert!(issued.len() >= 7, "codes, access, refresh and id tokens of two sign-ins: {}", issued.len());
        issued.iter().for_each(|token| secrets.keep("a code or token of Microsoft's", token));
        secrets.keep("the app's secret", w.sandbox.client_secret());
        secrets.keep("the sealing key", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
        secrets.keep("a password", ADMIN_PASSWORD);
        secrets.keep("a wrong password", WRONG_PASSWORD);
        for address in [SUPPORT, ADA, ADMIN_EMAIL, "root@fabrikam.example"] {
            secrets.keep("an address", address);
        }
        for word in WORDS {
            secrets.keep("a mail's words", word);
        }
        let logs = logs(w)?.to_lowercase();
        for told in ["a job ran", "looked into a mailbox", "a mailbox cannot be read"] {
            assert!(logs.contains(told), "the log does not even say {told:?}");
        }
        let found: Vec<String> = secrets
            .0
            .iter()
            .filter_map(|(secret, what)| {
                let at = logs.find(&secret.to_lowercase())?;
                let line = logs[..at].rfind('\n').map_or(0, |end| end + 1);
                Some(format!("{what} ({secret}): {}", logs[line..].lines().next().unwrap_or_default()))
            })
            .collect();
        assert!(found.is_empty(), "{found:#?}");
        Ok(())
    })
    .await
}
