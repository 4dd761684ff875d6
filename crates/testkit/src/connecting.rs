//! How an administrator connects a mailbox to a world: signing in to Postroom, our link, Microsoft's sign-in, the callback, the proof.
//!
//! In a browser and over the API, as anybody outside would; nothing is put into the database.

use crate::browser::{Browser, Page};
use crate::given_out;
use crate::world::{ADMIN_EMAIL, ADMIN_PASSWORD, World};
use anyhow::{Context, Result};
use serde_json::{Value, json};

impl World {
    /// A browser in which the administrator is signed in.
    pub async fn admin_browser(&self) -> Result<Browser> {
        self.browser_of(ADMIN_EMAIL).await
    }

    /// A browser in which this person, whose password is the administrator's, is signed in.
    pub async fn browser_of(&self, email: &str) -> Result<Browser> {
        let mut browser = Browser::new();
        let answer = self
            .api
            .with_token(None)
            .request("POST", "/auth/sign_in")
            .header("origin", &self.base)
            .json(&json!({"email": email, "password": ADMIN_PASSWORD}))
            .send()
            .await?;
        anyhow::ensure!(answer.status().is_success(), "sign-in: {}", answer.status());
        given_out::note_headers(&self.base, answer.headers());
        for cookie in answer.headers().get_all("set-cookie") {
            let pair = cookie.to_str()?.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').context("a cookie")?;
            browser.set_cookie("127.0.0.1", name, value);
        }
        anyhow::ensure!(!browser.cookie_names().is_empty(), "signing in from our own page gives a session cookie");
        Ok(browser)
    }

    /// Asks for a connection; answers `(url, connection_id)`.
    pub async fn authorization(&self, body: &Value) -> Result<(String, i64)> {
        let answer = self.api.post(&self.path("/microsoft/authorization"), body).await?;
        anyhow::ensure!(answer["success"] == json!(true), "{answer}");
        let url = answer["url"].as_str().context("url")?.to_owned();
        Ok((url, answer["connection_id"].as_i64().context("connection_id")?))
    }

    /// Goes from our link through Microsoft's sign-in as `user`; answers the address of our callback, not yet opened.
    pub async fn sign_in_at_microsoft(&self, browser: &mut Browser, url: &str, user: &str) -> Result<String> {
        let authorize = self.microsoft_from(browser, url).await?;
        self.sandbox.sign_in(&authorize, user).await.map_err(|error| anyhow::anyhow!("{error}"))
    }

    /// Opens our link, presses its button in a browser in which nobody is signed in here, and answers Microsoft's sign-in page.
    pub async fn microsoft_from(&self, browser: &mut Browser, url: &str) -> Result<String> {
        let page = browser.request("GET", &url.parse()?, None).await?;
        match page.redirect()? {
            Some(authorize) => Ok(authorize.into()),
            None => self.on_to_microsoft(browser, &page).await,
        }
    }

    /// The whole way of one mailbox: link, sign-in, callback, confirmation where one is asked, and the wait for the proof.
    pub async fn connect(&mut self, user: &str) -> Result<i64> {
        self.connect_as(ADMIN_EMAIL, user, &json!({"email": user})).await
    }

    /// The same for the account that the world works in now, in the browser of one of its administrators, with a request of their own.
    pub async fn connect_as(&mut self, administrator: &str, user: &str, body: &Value) -> Result<i64> {
        let connection = self.signed_in_as(administrator, user, body).await?;
        self.connected(connection).await
    }

    /// As far as the page that is shown after the sign-in; answers the connection's id.
    pub async fn signed_in_as(&self, administrator: &str, user: &str, body: &Value) -> Result<i64> {
        let (url, connection) = self.authorization(body).await?;
        let mut browser = self.browser_of(administrator).await?;
        let callback = self.sign_in_at_microsoft(&mut browser, &url, user).await?;
        let page = browser.open(&callback).await?;
        anyhow::ensure!(page.status < 400, "{}: {}", page.status, page.text());
        Ok(connection)
    }

    /// Waits until a connection has led to an inbox; answers the inbox's id.
    pub async fn connected(&mut self, connection: i64) -> Result<i64> {
        let path = self.path(&format!("/connections/{connection}"));
        self.eventually("the mailbox is connected", async |w| {
            let state = w.api.get(&path).await?;
            anyhow::ensure!(state["status"] != json!("failed"), "the connection failed: {state}");
            Ok(state["status"] == json!("connected"))
        })
        .await?;
        self.api.get(&path).await?["inbox_id"].as_i64().context("inbox_id")
    }

    pub async fn callback_page(&self, browser: &mut Browser, user: &str) -> Result<(Page, i64)> {
        let (url, connection) = self.authorization(&json!({})).await?;
        let callback = self.sign_in_at_microsoft(browser, &url, user).await?;
        Ok((browser.open(&callback).await?, connection))
    }

    /// Makes a link for somebody without an account here; answers `(url, id)`.
    pub async fn connect_link(&self, body: &Value) -> Result<(String, i64)> {
        let made = self.api.post(&self.path("/connect_links"), body).await?;
        Ok((made["url"].as_str().context("url")?.to_owned(), made["id"].as_i64().context("id")?))
    }

    pub async fn connect_link_shown(&self, id: i64) -> Result<Value> {
        self.api.get(&self.path(&format!("/connect_links/{id}"))).await
    }

    /// Presses the button of a page that goes on to Microsoft; answers Microsoft's sign-in page.
    pub async fn on_to_microsoft(&self, browser: &mut Browser, page: &Page) -> Result<String> {
        let forms = page.forms();
        let form = forms.iter().find(|form| form.action.ends_with("/agree") || form.action.ends_with("/go_on"));
        let going = browser.submit_once(page, form.with_context(|| page.text())?, &[]).await?;
        let path = going.refreshes_to().with_context(|| format!("{}: {}", going.status, going.text()))?;
        let login = self.sandbox.login_url();
        Ok(browser.open_until(going.url.join(&path)?.as_str(), |url| url.as_str().starts_with(&login)).await?.into())
    }

    /// Opens a connect link, agrees, and signs in as `user`; answers the address of our callback, not yet opened.
    pub async fn agree_and_sign_in(&self, browser: &mut Browser, link: &str, user: &str) -> Result<String> {
        let page = browser.open(link).await?;
        let authorize = self.on_to_microsoft(browser, &page).await?;
        self.sandbox.sign_in(&authorize, user).await.map_err(|error| anyhow::anyhow!("{error}"))
    }

    /// The inbox's mailbox is read, and it is known where new mail begins: what is delivered now is new mail, and the import has nothing of it.
    pub async fn watched(&mut self, inbox: i64) -> Result<()> {
        let path = self.path(&format!("/inboxes/{inbox}/health"));
        self.eventually("the mailbox is being watched", async |w| {
            Ok(w.api.get(&path).await?["fetch"]["state"] == json!("connected"))
        })
        .await?;
        // Connecting has seen that the mailbox can be read, before its folder was opened.
        let opened = format!(
            "SELECT COUNT(*) FROM channel_folders f JOIN email_channels c ON c.account_id = f.account_id AND c.id = f.channel_id \
             WHERE c.inbox_id = {inbox} AND f.role = 'inbox' AND f.uidvalidity IS NOT NULL"
        );
        self.eventually("it is known where new mail begins", async |w| Ok(w.number(&opened).await? == 1)).await
    }

    /// Connects a mailbox and waits until it is watched; answers the inbox's id.
    pub async fn connect_and_watch(&mut self, user: &str) -> Result<i64> {
        let inbox = self.connect(user).await?;
        self.watched(inbox).await?;
        Ok(inbox)
    }
}
