//! Names that sign in (C2, M1): accounts whose sign-in name is not their address, or no address at all, guests, personal accounts, and
//! people who are renamed. Each through the real callback, and on to mail that arrives and answers that leave.

use anyhow::{Context, Result};
use sandbox::{CONTOSO, INBOX, IdTokenFault, TenantUser};
use serde_json::{Value, json};
use testkit::browser::{Browser, Page};
use testkit::builders::{Mail, header};
use testkit::world::{SUPPORT, Setup, World};

const ADA: &str = "ada@customer.example";

/// A mail to `to` becomes a conversation, and the answer to it reaches Ada; what its From says.
async fn mail_goes_both_ways(w: &mut World, inbox: i64, to: &str) -> Result<String> {
    w.watched(inbox).await?;
    let before = w.conversations().await?.len();
    let mut mail = Mail::new(ADA, &format!("To {to}"), "hello").id(&format!("{before}-{to}"));
    mail.to = to.to_owned();
    w.sandbox.deliver(to, &mail.bytes());
    let conversation = w.conversations_are(before + 1).await?[0]["id"].as_i64().context("id")?;
    let reply = w.reply(conversation, "and hello to you").await?["id"].as_i64().context("id")?;
    w.delivery_is(conversation, reply, "sent").await?;
    let answers = w.sandbox.mailbox(ADA).messages(INBOX);
    header(&answers.last().context("the answer")?.bytes, "From").context("From")
}

async fn shown(w: &World, inbox: i64) -> Result<Value> {
    w.api.get(&w.path(&format!("/inboxes/{inbox}"))).await
}

/// Follows the page of an attempt, as its refresh would, until it says something else than that the mailbox is being opened.
async fn to_the_end(browser: &mut Browser, mut page: Page) -> Result<Page> {
    for _ in 0..600 {
        let Some(next) = page.body.split("content=\"3;url=").nth(1).and_then(|rest| rest.split('"').next()) else {
            return Ok(page);
        };
        let next = page.url.join(next)?;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        page = browser.open(next.as_str()).await?;
    }
    anyhow::bail!("it does not come to an end: {}", page.text())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_name_that_is_not_the_address_opens_the_mailbox_and_mail_comes_from_the_address() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let mut user = TenantUser::work(CONTOSO, "u1234@contoso.example", "Frieda Contoso");
        user.email = Some("frieda@contoso.example".to_owned());
        user.aliases.push("frieda@contoso.example".to_owned());
        w.sandbox.add_user(user);
        let inbox = w.connect("u1234@contoso.example").await?;
        let from = mail_goes_both_ways(w, inbox, "frieda@contoso.example").await?;
        assert!(from.ends_with("<frieda@contoso.example>"), "{from}");
        let inbox = shown(w, inbox).await?;
        assert_eq!(
            (&inbox["imap_login"], &inbox["smtp_login"]),
            (&json!("u1234@contoso.example"), &json!("u1234@contoso.example"))
        );
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_personal_account_connects_and_answers() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let shop = "corner.shop@outlook.example";
        let inbox = w.connect(shop).await?;
        let from = mail_goes_both_ways(w, inbox, shop).await?;
        assert!(from.ends_with("<corner.shop@outlook.example>"), "{from}");
        assert_eq!(shown(w, inbox).await?["name"], json!("Corner Shop"));
        Ok(())
    })
    .await
}

/// Personal accounts hand their mail in elsewhere, at a server that writes its own Message-ID; answers to what left there are known all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_personal_account_sends_at_its_own_host_and_an_answer_to_its_rewritten_mail_joins() -> Result<()> {
    // Nobody listens where the mail of organisations is handed in.
    World::run(Setup::default().with("MICROSOFT_SMTP", "127.0.0.1:9"), async |w| {
        let shop = "corner.shop@outlook.example";
        let inbox = w.connect(shop).await?;
        let health = w.api.get(&w.path(&format!("/inboxes/{inbox}/health"))).await?;
        assert_eq!(health["send"]["state"], json!("connected"), "{health}");
        mail_goes_both_ways(w, inbox, shop).await?;
        let answer = w.sandbox.mailbox(ADA).messages(INBOX).last().context("the answer")?.bytes.clone();
        let known = header(&answer, "Message-ID").context("an id")?;
        let mut mail = Mail::new(ADA, "Re: To the shop", "thank you").id("thanks@c");
        mail.to = shop.to_owned();
        mail.extra.push(("In-Reply-To".to_owned(), known));
        w.sandbox.deliver(shop, &mail.bytes());
        let conversation = w.conversations().await?[0]["id"].as_i64().context("id")?;
        w.said_are(conversation, 3).await?;
        let work = w.connect(SUPPORT).await?;
        let health = w.api.get(&w.path(&format!("/inboxes/{work}/health"))).await?;
        assert_ne!(health["send"]["state"], json!("connected"), "it was to go elsewhere: {health}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_personal_mailbox_with_imap_off_is_told_where_its_owner_switches_it_on() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let shop = "corner.shop@outlook.example";
        w.sandbox.update_user(shop, |user| user.imap_enabled = false);
        let mut browser = w.admin_browser().await?;
        let (page, connection) = w.callback_page(&mut browser, shop).await?;
        let page = to_the_end(&mut browser, page).await?;
        assert!(
            page.text().contains("Forwarding and IMAP") && !page.text().contains("administrator"),
            "{}",
            page.text()
        );
        let state = w.api.get(&w.path(&format!("/connections/{connection}"))).await?;
        assert_eq!(
            (&state["failure"]["code"], &state["failure"]["who_must_act"]),
            (&json!("personal_access_off"), &json!("owner"))
        );
        w.sandbox.update_user(shop, |user| (user.imap_enabled, user.smtp_auth_enabled) = (true, false));
        let inbox = w.connect(shop).await?;
        let path = w.path(&format!("/inboxes/{inbox}/health"));
        assert_eq!(w.api.get(&path).await?["send"]["failure"]["code"], json!("personal_access_off"));
        let again = w.api.post(&format!("{path}/try_again"), &json!({"part": "send"})).await?;
        assert_eq!(again["send"]["failure"]["code"], json!("personal_access_off"), "{again}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_is_told_to_sign_in_with_an_account_of_the_mailboxs_own_organisation() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let mut guest = TenantUser::work(CONTOSO, "gina@home.example", "Gina Guest");
        (guest.guest, guest.has_mailbox) = (true, false);
        w.sandbox.add_user(guest);
        let mut browser = w.admin_browser().await?;
        let (page, connection) = w.callback_page(&mut browser, "gina@home.example").await?;
        let page = to_the_end(&mut browser, page).await?;
        assert_eq!(page.status, 403, "{}", page.text());
        assert!(page.text().contains("account of the organisation that owns the mailbox"), "{}", page.text());
        let state = w.api.get(&w.path(&format!("/connections/{connection}"))).await?;
        assert_eq!((&state["status"], &state["failure"]["code"]), (&json!("failed"), &json!("wrong_account")));
        assert_eq!(state["failure"]["detail"], json!("guest"));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guests_mangled_name_is_never_taken_for_an_address() -> Result<()> {
    World::run(Setup::default(), async |w| {
        w.sandbox.faults().once(IdTokenFault::Guest);
        let inbox = w.connect(SUPPORT).await?;
        assert_eq!(shown(w, inbox).await?["smtp_login"], json!(SUPPORT));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_any_address_is_asked_for_one_until_its_mailbox_opens() -> Result<()> {
    World::run(Setup::default(), async |w| {
        w.sandbox.faults().once(IdTokenFault::NoAddressAtAll);
        // Nobody's session is in this browser: the page that asks is the one that names the account, too.
        let mut browser = Browser::new();
        let (page, connection) = w.callback_page(&mut browser, SUPPORT).await?;
        assert!(page.text().contains("Which mailbox") && page.text().contains("Contoso"), "{}", page.text());
        let path = w.path(&format!("/connections/{connection}"));
        let state = w.api.get(&path).await?;
        assert_eq!(
            (&state["status"], &state["failure"]["code"]),
            (&json!("awaiting_address"), &json!("address_unknown"))
        );

        let tell = async |browser: &mut Browser, page: &Page, typed: &str| {
            let form = page.forms().into_iter().next().context("the form")?;
            let told = browser.submit(page, &form, &[("mailbox", typed)]).await?;
            to_the_end(browser, told).await
        };
        let page = tell(&mut browser, &page, "support").await?;
        assert!(page.text().contains("not an e-mail address"), "{}", page.text());
        let page = tell(&mut browser, &page, "sales@contoso.example").await?;
        assert!(page.text().contains("did not open that mailbox"), "{}", page.text());
        assert!(page.body.contains("value=\"sales@contoso.example\""), "what was typed is gone: {}", page.body);
        let page = tell(&mut browser, &page, SUPPORT).await?;
        assert!(page.text().contains("Connected") && page.text().contains("Contoso Support"), "{}", page.text());
        let inbox = w.connected(connection).await?;
        assert!(mail_goes_both_ways(w, inbox, SUPPORT).await?.ends_with("<support@contoso.example>"));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_person_signs_in_again_and_mail_goes_on_under_the_new_name() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let inbox = w.connect(SUPPORT).await?;
        mail_goes_both_ways(w, inbox, SUPPORT).await?;
        let renamed = "care@contoso.example";
        assert!(w.sandbox.rename_user(SUPPORT, renamed));
        let (url, connection) = w.authorization(&json!({"inbox_id": inbox})).await?;
        let mut browser = w.admin_browser().await?;
        let callback = w.sign_in_at_microsoft(&mut browser, &url, renamed).await?;
        browser.open(&callback).await?;
        assert_eq!(w.connected(connection).await?, inbox);
        let from = mail_goes_both_ways(w, inbox, renamed).await?;
        assert!(from.ends_with("<care@contoso.example>"), "{from}");
        // What is still sent to the old name arrives in the same mailbox.
        mail_goes_both_ways(w, inbox, SUPPORT).await?;
        assert_eq!(w.api.get(&w.path("/inboxes")).await?["payload"].as_array().map(Vec::len), Some(1));
        Ok(())
    })
    .await
}
