//! The main job, step by step, through the public API and the sandbox's doors only: each step says what it proved and how long it took.

use super::browser::{Browser, Visited};
use super::client::ApiClient;
use super::{ADMIN_EMAIL, ADMIN_PASSWORD, CUSTOMER, MAILBOX};
use crate::output::say;
use anyhow::{Context, Result, bail, ensure};
use app::App;
use app::accounts::{NewAccount, create_account};
use app::system::SystemClock;
use domain::{Clock, Secret};
use sandbox::{INBOX, Sandbox};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How long a step may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the API is asked whether something has happened.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What the tour leaves behind.
pub struct Story {
    pub account_id: i64,
    pub api_token: String,
    pub inbox_id: i64,
}

pub struct Tour<'a> {
    app: &'a App,
    sandbox: &'a Sandbox,
    address: &'a str,
    step: u32,
}

impl<'a> Tour<'a> {
    pub fn new(app: &'a App, sandbox: &'a Sandbox, address: &'a str) -> Self {
        Self { app, sandbox, address, step: 0 }
    }

    /// Prints one line for the step: what it proved and how long it took, or that it failed.
    async fn step<T>(&mut self, name: &str, doing: impl Future<Output = Result<(T, String)>>) -> Result<T> {
        self.step += 1;
        let (number, begun) = (self.step, Instant::now());
        let done = match tokio::time::timeout(PATIENCE, doing).await {
            Ok(done) => done,
            Err(_) => Err(anyhow::anyhow!("it was not done within {} s", PATIENCE.as_secs())),
        };
        let took = begun.elapsed().as_millis();
        match done {
            Ok((value, proved)) => {
                say(format!("ok    {number}  {name:<34} {took:>6} ms  {proved}"));
                Ok(value)
            }
            Err(error) => {
                say(format!("FAIL  {number}  {name:<34} {took:>6} ms  {error:#}"));
                Err(error.context(format!("step {number}, {name}")))
            }
        }
    }

    pub async fn run(mut self) -> Result<Story> {
        say("The main job, from a mailbox nobody knows to a customer's answer:");
        let (app, sandbox, address) = (self.app, self.sandbox, self.address);
        let mut api = ApiClient::new(address)?;

        self.step("the server is ready", healthy(&api)).await?;
        let (account_id, api_token) = self.step("a tenant with its administrator", account(app)).await?;
        self.step("the administrator signs in", async {
            let profile = api.sign_in(ADMIN_EMAIL, ADMIN_PASSWORD).await?;
            let role = text(&profile, "/data/role")?.to_owned();
            Ok(((), format!("as {role}, with a password")))
        })
        .await?;
        let account = format!("/api/v1/accounts/{account_id}");
        let inbox_id = self.step("Sign in with Microsoft", connect(&api, &account, sandbox, address)).await?;
        let health = self.step("the mailbox is read", reading(&api, &account, inbox_id)).await;
        health?;

        // From here with the API token, as a program would.
        let api = api.with_token(&api_token)?;
        let question = Mail::new(
            CUSTOMER,
            MAILBOX,
            "My parcel has not arrived",
            "Order 1042 should have been here on Monday.\r\nWhere is it?",
        );
        let conversation = self
            .step("a customer's mail is a conversation", arrive(&api, &account, sandbox, &question, inbox_id))
            .await?;
        let answer_id = self
            .step("the agent's reply reaches them", answer(&api, &account, sandbox, conversation, &question))
            .await?;
        let thanks = Mail::new(CUSTOMER, MAILBOX, "Re: My parcel has not arrived", "Thank you, it is here now!")
            .answering(&answer_id);
        self.step("their answer joins it", return_mail(&api, &account, sandbox, conversation, &thanks)).await?;
        self.step("nothing is doubled or left over", clean(&api, &account, inbox_id, conversation)).await?;
        say("All of it works.");
        Ok(Story { account_id, api_token, inbox_id })
    }
}

async fn healthy(api: &ApiClient) -> Result<((), String)> {
    for path in ["/health/live", "/health/ready"] {
        api.get(path).await?;
    }
    Ok(((), "it answers, and its database does".to_owned()))
}

async fn account(app: &App) -> Result<((i64, String), String)> {
    let created = create_account(
        app,
        NewAccount {
            name: "Contoso".to_owned(),
            admin_email: ADMIN_EMAIL.to_owned(),
            admin_name: Some("Demo Administrator".to_owned()),
            admin_password: Secret::new(ADMIN_PASSWORD),
        },
    )
    .await?;
    let token = created.access_token.expose().to_owned();
    Ok(((created.account_id.0, token), format!("account {} and an API token", created.account_id)))
}

async fn connect(api: &ApiClient, account: &str, sandbox: &Sandbox, address: &str) -> Result<(i64, String)> {
    let begun = api.post(&format!("{account}/microsoft/authorization"), json!({"email": MAILBOX})).await?;
    let (url, connection) = (text(&begun, "/url")?, number(&begun, "/connection_id")?);
    let mut browser = Browser::new(address)?;
    let microsoft = match browser.open(url).await? {
        Visited::Elsewhere(microsoft) => microsoft,
        Visited::Page(page) => browser.go_on(page).await?,
    };
    ensure!(microsoft.starts_with(&sandbox.login_url()), "our link leads to {microsoft}");
    let back = sandbox.sign_in(&microsoft, MAILBOX).await?;
    let Visited::Page(page) = browser.open(&back).await? else { bail!("the callback leads elsewhere") };
    let page = browser.press_button(page).await?;
    ensure!(page.status == 200, "the last page is {} ({})", page.title(), page.status);
    let shown = page.title().to_owned();
    let connected = until(async || {
        let connection = api.get(&format!("{account}/connections/{connection}")).await?;
        match text(&connection, "/status")? {
            "connected" => Ok(Some(connection)),
            "failed" | "expired" => bail!("the connection ended: {connection} (the page said {shown:?})"),
            _ => Ok(None),
        }
    })
    .await?;
    let inbox = number(&connected, "/inbox_id")?;
    Ok((inbox, format!("{} is inbox {inbox}; the page says {shown:?}", text(&connected, "/email")?)))
}

async fn reading(api: &ApiClient, account: &str, inbox: i64) -> Result<((), String)> {
    until(async || {
        let health = api.get(&format!("{account}/inboxes/{inbox}/health")).await?;
        let (fetch, send) = (text(&health, "/fetch/state")?, text(&health, "/send/state")?);
        match (fetch, send) {
            ("connected", "connected") => Ok(Some(())),
            ("blocked" | "needs_reauth", _) | (_, "blocked" | "needs_reauth") => {
                bail!("the mailbox does not work: {health}")
            }
            _ => Ok(None),
        }
    })
    .await?;
    Ok(((), "IMAP and SMTP both signed in".to_owned()))
}

async fn arrive(api: &ApiClient, account: &str, sandbox: &Sandbox, mail: &Mail, inbox: i64) -> Result<(i64, String)> {
    let sent = Instant::now();
    sandbox.deliver(MAILBOX, mail.raw().as_bytes());
    let (conversation, latency) = until(async || {
        let list = api.get(&format!("{account}/conversations?status=open&inbox_id={inbox}")).await?;
        let found = items(&list, "/data/payload")?
            .iter()
            .find(|item| item.pointer("/meta/sender/email").and_then(Value::as_str) == Some(CUSTOMER));
        found.map(|item| Ok((number(item, "/id")?, sent.elapsed()))).transpose()
    })
    .await?;
    let messages = messages(api, account, conversation).await?;
    ensure!(messages.len() == 1, "the conversation has {} messages: {messages:?}", messages.len());
    ensure!(text(&messages[0], "/content")?.contains("Order 1042"), "the message is {}", messages[0]);
    Ok((conversation, format!("conversation {conversation}, {} ms after it was delivered", latency.as_millis())))
}

async fn answer(
    api: &ApiClient,
    account: &str,
    sandbox: &Sandbox,
    conversation: i64,
    question: &Mail,
) -> Result<(String, String)> {
    let content = "It left our house this morning and is with you **tomorrow**.";
    let created =
        api.post(&format!("{account}/conversations/{conversation}/messages"), json!({"content": content})).await?;
    let message = number(&created, "/id")?;
    until(async || {
        let messages = messages(api, account, conversation).await?;
        let ours = messages
            .iter()
            .find(|m| m.pointer("/id").and_then(Value::as_i64) == Some(message))
            .context("the reply is not in the conversation")?;
        match ours.pointer("/delivery/state").and_then(Value::as_str) {
            Some("sent") => Ok(Some(())),
            Some("failed" | "bounced" | "outcome_unknown") => bail!("the reply was not delivered: {ours}"),
            _ => Ok(None),
        }
    })
    .await?;
    let received = sandbox
        .mailbox(CUSTOMER)
        .wait_until(INBOX, |mails| mails.iter().any(|mail| header(&mail.bytes, "in-reply-to").is_some()))
        .await;
    let mail = received
        .iter()
        .find(|mail| header(&mail.bytes, "in-reply-to").as_deref() == Some(&question.message_id))
        .context("nothing in the customer's mailbox answers their mail")?;
    let from = header(&mail.bytes, "from").unwrap_or_default();
    ensure!(from.contains(MAILBOX), "the reply comes from {from}");
    let references = header(&mail.bytes, "references").unwrap_or_default();
    ensure!(references.contains(&question.message_id), "the reply's References are {references:?}");
    let id = header(&mail.bytes, "message-id").context("the reply has no Message-ID")?;
    Ok((id, format!("sent as {MAILBOX}, threaded under their mail")))
}

async fn return_mail(
    api: &ApiClient,
    account: &str,
    sandbox: &Sandbox,
    conversation: i64,
    mail: &Mail,
) -> Result<((), String)> {
    let sent = Instant::now();
    sandbox.deliver(MAILBOX, mail.raw().as_bytes());
    let latency = until(async || {
        let messages = messages(api, account, conversation).await?;
        let arrived = messages
            .iter()
            .any(|m| m.pointer("/content").and_then(Value::as_str).is_some_and(|c| c.contains("it is here now")));
        Ok(arrived.then(|| sent.elapsed()))
    })
    .await?;
    Ok(((), format!("conversation {conversation} again, {} ms after it was delivered", latency.as_millis())))
}

async fn clean(api: &ApiClient, account: &str, inbox: i64, conversation: i64) -> Result<((), String)> {
    let list = api.get(&format!("{account}/conversations?status=all&inbox_id={inbox}")).await?;
    let conversations = items(&list, "/data/payload")?;
    ensure!(conversations.len() == 1, "there are {} conversations", conversations.len());
    // 0 and 1: incoming and outgoing; 2 is an activity such as "assigned to …". Not in which order: a mail's Date has whole seconds, and
    // this customer answers within one.
    let mut said: Vec<i64> = messages(api, account, conversation)
        .await?
        .iter()
        .map(|message| number(message, "/message_type"))
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .filter(|kind| *kind != 2)
        .collect();
    said.sort_unstable();
    ensure!(said == [0, 0, 1], "the conversation's messages are {said:?}");
    let health = api.get(&format!("{account}/inboxes/{inbox}/health")).await?;
    ensure!(text(&health, "/fetch/state")? == "connected" && text(&health, "/send/state")? == "connected", "{health}");
    Ok(((), "one conversation, three messages, a healthy inbox".to_owned()))
}

async fn messages(api: &ApiClient, account: &str, conversation: i64) -> Result<Vec<Value>> {
    let page = api.get(&format!("{account}/conversations/{conversation}/messages")).await?;
    Ok(items(&page, "/payload")?.clone())
}

/// Looks until there is an answer. The step's own limit ends it.
async fn until<T>(mut look: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> Result<&'a str> {
    value.pointer(pointer).and_then(Value::as_str).with_context(|| format!("no text at {pointer} in {value}"))
}

fn number(value: &Value, pointer: &str) -> Result<i64> {
    value.pointer(pointer).and_then(Value::as_i64).with_context(|| format!("no number at {pointer} in {value}"))
}

fn items<'a>(value: &'a Value, pointer: &str) -> Result<&'a Vec<Value>> {
    value.pointer(pointer).and_then(Value::as_array).with_context(|| format!("no list at {pointer} in {value}"))
}

/// A mail as a customer's mail program writes it.
struct Mail {
    from: String,
    to: String,
    subject: String,
    body: String,
    message_id: String,
    in_reply_to: Option<String>,
}

impl Mail {
    fn new(from: &str, to: &str, subject: &str, body: &str) -> Self {
        let message_id = format!("<{}.demo@customer.example>", SystemClock.now().micros());
        Self {
            from: from.into(),
            to: to.into(),
            subject: subject.into(),
            body: body.into(),
            message_id,
            in_reply_to: None,
        }
    }

    fn answering(mut self, message_id: &str) -> Self {
        self.in_reply_to = Some(message_id.to_owned());
        self
    }

    fn raw(&self) -> String {
        let date = chrono::DateTime::from_timestamp_micros(SystemClock.now().micros()).unwrap_or_default().to_rfc2822();
        let thread = self
            .in_reply_to
            .as_ref()
            .map(|id| format!("In-Reply-To: {id}\r\nReferences: {id}\r\n"))
            .unwrap_or_default();
        format!(
            "Message-ID: {}\r\nDate: {date}\r\nFrom: Ada Lovelace <{}>\r\nTo: {}\r\nSubject: {}\r\n{thread}MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{}\r\n",
            self.message_id, self.from, self.to, self.subject, self.body
        )
    }
}

/// A header's value, unfolded.
fn header(mail: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(mail);
    let head = text.split("\r\n\r\n").next()?.replace("\r\n ", " ").replace("\r\n\t", " ");
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}
