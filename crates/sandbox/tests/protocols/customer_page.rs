//! The customer's page, and the sandbox as a whole.

use std::time::{Duration, Instant};

use sandbox::{INBOX, Sandbox, SandboxConfig, SandboxError};

use crate::support::*;

const ADA: &str = "ada@customer.example";

async fn send(sandbox: &Sandbox, fields: &[(&str, &str)], file: Option<(&str, &str)>) -> Http {
    let mut body = String::new();
    for (name, value) in fields {
        body.push_str(&format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"));
    }
    let (name, content) = file.unwrap_or(("", ""));
    body.push_str(&format!(
        "--b\r\nContent-Disposition: form-data; name=\"attachment\"; filename=\"{name}\"\r\nContent-Type: text/csv\r\n\r\n{content}\r\n--b--\r\n"
    ));
    let url = format!("{}send", sandbox.page_url());
    http("POST", &url, &[("Content-Type", "multipart/form-data; boundary=b")], &body).await
}

#[tokio::test]
async fn a_customer_writes_and_the_mail_is_in_the_support_mailbox() {
    let sandbox = start().await;
    let front = get(&sandbox.page_url()).await;
    assert!(
        front.body.contains("Write as a customer") && front.body.contains(SUPPORT) && !front.body.contains("<script")
    );
    let fields =
        [("from", ADA), ("to", SUPPORT), ("subject", "Grüße\r\nBcc: x@y"), ("text", "Where is my order?\r\n.\r\nAda")];
    let sent = send(&sandbox, &fields, Some(("order.csv", "a,b\n1,2\n"))).await;
    assert_eq!(sent.status, 303);
    let mails = sandbox.mailbox(SUPPORT).messages(INBOX);
    let raw = String::from_utf8_lossy(&mails[0].bytes).into_owned();
    assert!(raw.contains("From: Ada <ada@customer.example>\r\n") && raw.contains("Subject: =?utf-8?B?"));
    assert!(!raw.contains("\r\nBcc:"), "a line break in the subject starts no field");
    assert!(raw.contains("Content-Disposition: attachment; filename=\"order.csv\""));
    assert_eq!(sandbox.mailbox(ADA).messages("Sent").len(), 1);
    let bad = send(&sandbox, &[("from", "nobody"), ("to", SUPPORT)], None).await;
    assert_eq!(bad.status, 400);
}

#[tokio::test]
async fn what_came_back_can_be_read_with_its_thread_and_answered_in_it() {
    let sandbox = start().await;
    let reply = format!(
        "From: Contoso Support <{SUPPORT}>\r\nTo: {ADA}\r\nSubject: =?utf-8?Q?Re:_Gr=C3=BC=C3=9Fe?=\r\nMessage-ID:\r\n <reply@contoso.example>\r\n\
         References: <first@customer.example>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=\"x\"\r\n\r\n\
         --x\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nIt left =\r\ntoday & <soon>.\r\n\
         --x\r\nContent-Type: text/html\r\n\r\n<p>It left today</p>\r\n--x--\r\n"
    );
    let uid = sandbox.deliver(ADA, reply.as_bytes());
    let inbox = get(&format!("{}inbox?who={ADA}", sandbox.page_url())).await;
    assert!(inbox.body.contains("Re: Grüße") && inbox.body.contains("http-equiv=\"refresh\""));
    let page = get(&format!("{}mail?who={ADA}&uid={uid}", sandbox.page_url())).await;
    assert!(page.body.contains("It left today &amp; &lt;soon&gt;."));
    assert!(page.body.contains("name=\"in_reply_to\" value=\"&lt;reply@contoso.example&gt;\""));
    let fields = [
        ("from", ADA),
        ("to", SUPPORT),
        ("subject", "Re: Grüße"),
        ("text", "Thanks"),
        ("in_reply_to", "<reply@contoso.example>"),
        ("references", "<first@customer.example>"),
        ("quote", "> It left today"),
    ];
    send(&sandbox, &fields, None).await;
    let mails = sandbox.mailbox(SUPPORT).messages(INBOX);
    let raw = String::from_utf8_lossy(&mails[0].bytes).into_owned();
    assert!(raw.contains("In-Reply-To: <reply@contoso.example>\r\n"));
    assert!(raw.contains("References: <first@customer.example>\r\n <reply@contoso.example>\r\n"), "{raw}");
    assert_eq!(get(&format!("{}mail?who={ADA}&uid=99", sandbox.page_url())).await.status, 404);
}

#[tokio::test]
async fn a_bad_day_begins_and_ends_at_the_press_of_a_button() {
    let sandbox = start().await;
    let at = |what: &str| format!("{}bad-day?what={what}", sandbox.page_url());
    assert!(get(&format!("{}bad-day", sandbox.page_url())).await.body.contains("Everything is well."));
    assert_eq!(http("POST", &at("busy"), &[], "").await.status, 302);
    assert_eq!(sandbox.faults().armed()[0].fault, sandbox::SmtpFault::server_busy().into());
    assert!(get(&format!("{}bad-day", sandbox.page_url())).await.body.contains("Something is wrong now."));
    assert_eq!(http("POST", &at("of-another-kind"), &[], "").await.status, 404);
    assert_eq!(http("POST", &at("none"), &[], "").await.status, 302);
    assert!(sandbox.faults().armed().is_empty());
}

#[tokio::test]
async fn an_app_is_registered_on_the_page_and_its_secrets_expire_there() {
    let sandbox = start().await;
    let at = |what: &str| format!("{}app-registrations{what}", sandbox.page_url());
    assert_eq!(http("POST", &at(""), &[], "").await.status, 303);
    let page = get(&at("")).await.body;
    let after = |text: &str, mark: &str| {
        let rest = text.rsplit_once(mark).expect("it is shown").1;
        rest.split_once('<').expect("it ends").0.to_owned()
    };
    let (client_id, secret) = (after(&page, "class=\"client-id\">"), after(&page, "class=\"secret\">"));
    assert!(client_id != sandbox.client_id() && secret != sandbox.client_secret());
    let one = format!("?client_id={client_id}");
    assert_eq!(http("POST", &at(&format!("/expire{one}")), &[], "").await.status, 303);
    assert_eq!(after(&get(&at("")).await.body, "class=\"secret expired\">"), secret);
    assert_eq!(http("POST", &at(&format!("/secret{one}")), &[], "").await.status, 303);
    assert_ne!(after(&get(&at("")).await.body, "class=\"secret\">"), secret);
    assert_eq!(http("POST", &at("/expire?client_id=nobodys"), &[], "").await.status, 404);
}

#[tokio::test]
async fn the_sandbox_listens_on_loopback_only() {
    let config = SandboxConfig { bind: "0.0.0.0".parse().unwrap(), ..SandboxConfig::default() };
    assert!(matches!(Sandbox::start(config).await, Err(SandboxError::NotLoopback)));
}

#[tokio::test]
async fn a_sandbox_starts_quickly_once_the_keys_are_made_and_ends_when_stopped() {
    let first = start().await;
    let before = Instant::now();
    let second = start().await;
    assert!(before.elapsed() < Duration::from_millis(500), "{:?}", before.elapsed());
    let mut imap = Imap::with_inbox(&second, SUPPORT).await;
    soon(second.stop()).await;
    assert_eq!(imap.line().await, "", "its connections ended with it");
    assert_eq!(get(&first.page_url()).await.status, 200, "the other one goes on");
}

#[tokio::test]
async fn a_test_can_wait_for_mail() {
    let sandbox = start().await;
    let mailbox = sandbox.mailbox(ADA);
    let waiting = tokio::spawn(async move { mailbox.wait_until(INBOX, |mails| mails.len() == 2).await });
    sandbox.deliver(ADA, b"Subject: 1\r\n\r\n");
    sandbox.deliver(ADA, b"Subject: 2\r\n\r\n");
    assert_eq!(soon(waiting).await.unwrap().len(), 2);
}
