//! Sending through Graph, against the sandbox's Graph: what leaves, what of it stays, and what is known when an answer is lost.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use domain::{EmailAddress, Failure, FailureClass, Mailbox, Secret, Timestamp};
use mail::compose::{self, OutgoingAttachment, compose};
use mail::graph::{Addressed, Client, DraftId, GraphLogin, Outgoing, Standing};
use mail::smtp::SendOutcome;
use net::{Connector, ConnectorConfig};
use sandbox::{Event, GraphFault, GraphPoint, INBOX, Sandbox, SandboxConfig};
use std::time::Duration;

const SUPPORT: &str = "support@contoso.example";
const SALES: &str = "sales@contoso.example";
const ADA: &str = "ada@customer.example";
const GRACE: &str = "grace@customer.example";
const SCOPES: [&str; 4] = [
    "https://graph.microsoft.com/Mail.ReadWrite",
    "https://graph.microsoft.com/Mail.Send",
    "https://graph.microsoft.com/Mail.ReadWrite.Shared",
    "https://graph.microsoft.com/Mail.Send.Shared",
];

async fn sandbox() -> Sandbox {
    Sandbox::start(SandboxConfig::default()).await.unwrap()
}

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

fn client_within(sandbox: &Sandbox, user: &str, mailbox: Option<&str>, limit: Duration) -> Client {
    let config = ConnectorConfig { plain_http: true, http_timeout: limit, ..ConnectorConfig::default() };
    let login = GraphLogin {
        base: sandbox.graph_url().parse().unwrap(),
        mailbox: mailbox.map(address),
        token: Secret::new(sandbox.mint_token_for(user, &SCOPES).unwrap()),
    };
    Client::new(&Connector::new(config).unwrap(), login)
}

fn client(sandbox: &Sandbox) -> Client {
    client_within(sandbox, SUPPORT, None, Duration::from_secs(30))
}

/// A mail to Ada, with files of these sizes.
fn mail(id: &str, from: &str, files: &[usize]) -> Vec<u8> {
    let file = |(n, size): (usize, &usize)| OutgoingAttachment {
        file_name: format!("file{n}.bin"),
        content_type: "application/octet-stream".to_owned(),
        content_id: None,
        bytes: (0..=250).cycle().skip(n).take(*size).collect(),
    };
    compose(&compose::Outgoing {
        from: Mailbox { name: Some("Desk".to_owned()), address: address(from) },
        reply_to: Vec::new(),
        to: vec![Mailbox::bare(address(ADA))],
        cc: Vec::new(),
        bcc: Vec::new(),
        subject: "Hello".to_owned(),
        message_id: id.to_owned(),
        in_reply_to: Some("theirs@customer.example".to_owned()),
        references: vec!["theirs@customer.example".to_owned()],
        date: Timestamp::from_seconds(1_760_000_000),
        markdown: "Hello Ada".to_owned(),
        html: None,
        attachments: files.iter().enumerate().map(file).collect(),
        auto_submitted: false,
    })
    .unwrap()
}

async fn draft_of(client: &Client, bytes: &[u8], from: &str, to: &Addressed) -> Result<DraftId, Failure> {
    client.draft(&Outgoing { bytes, from: &address(from), to }).await
}

async fn draft(client: &Client, id: &str) -> DraftId {
    draft_of(client, &mail(id, SUPPORT, &[]), SUPPORT, &Addressed::default()).await.unwrap()
}

fn got(sandbox: &Sandbox, whose: &str) -> Vec<String> {
    let mails = sandbox.mailbox(whose).messages(INBOX);
    mails.iter().map(|mail| String::from_utf8_lossy(&mail.bytes).into_owned()).collect()
}

#[tokio::test]
async fn a_mail_leaves_through_a_draft_under_our_message_id_with_its_thread_and_its_bcc() {
    let sandbox = sandbox().await;
    let client = client(&sandbox);
    client.probe().await.unwrap();
    let to = Addressed { only: None, bcc: vec![address(GRACE)] };
    let draft = draft_of(&client, &mail("one@contoso.example", SUPPORT, &[]), SUPPORT, &to).await.unwrap();
    assert_eq!(client.look(&draft).await.unwrap(), Standing::Draft);
    assert!(got(&sandbox, ADA).is_empty(), "a draft leaves when it is sent");
    let sent = client.send(&draft, "one@contoso.example").await;
    assert!(matches!(&sent, SendOutcome::Accepted { rewritten_message_id: None, .. }), "{sent:?}");
    let mail = &got(&sandbox, ADA)[0];
    for line in [
        "Message-ID: <one@contoso.example>",
        "In-Reply-To: <theirs@customer.example>",
        "References: <theirs@customer.example>",
    ] {
        assert!(mail.contains(line), "{line} in {mail}");
    }
    assert!(!mail.contains("Bcc") && got(&sandbox, GRACE).len() == 1);
    assert_eq!(
        client.look(&draft).await.unwrap(),
        Standing::Sent { message_id: Some("one@contoso.example".to_owned()) }
    );
    assert_eq!(sandbox.mailbox(SUPPORT).messages("Sent Items").len(), 1);
}

#[tokio::test]
async fn a_mail_for_some_of_its_people_reaches_no_others() {
    let sandbox = sandbox().await;
    let client = client(&sandbox);
    let to = Addressed { only: Some((Vec::new(), vec![address(GRACE)])), bcc: Vec::new() };
    let draft = draft_of(&client, &mail("some@contoso.example", SUPPORT, &[]), SUPPORT, &to).await.unwrap();
    client.send(&draft, "some@contoso.example").await;
    assert_eq!((got(&sandbox, ADA).len(), got(&sandbox, GRACE).len()), (0, 1));
}

#[tokio::test]
async fn files_of_any_size_arrive_whole() {
    let sandbox = sandbox().await;
    let client = client(&sandbox);
    let sizes = [20_000, 4_500_000, 2_000_000];
    let bytes = mail("files@contoso.example", SUPPORT, &sizes);
    let draft = draft_of(&client, &bytes, SUPPORT, &Addressed::default()).await.unwrap();
    let sent = client.send(&draft, "files@contoso.example").await;
    assert!(matches!(sent, SendOutcome::Accepted { .. }), "{sent:?}");
    let arrived = sandbox.mailbox(ADA).messages(INBOX)[0].bytes.clone();
    let read = mail::parse::parse(&arrived, arrived.len());
    let mut found: Vec<usize> = read.attachments.iter().map(|file| file.bytes.len()).collect();
    found.sort_unstable();
    assert_eq!(found, [20_000, 2_000_000, 4_500_000]);
    let calls = sandbox.events();
    let uploads = calls
        .iter()
        .filter(|event| matches!(event, Event::GraphCalled { call, .. } if call.starts_with("PUT ")))
        .count();
    assert_eq!(uploads, 2, "4.5 MB in two pieces");
}

#[tokio::test]
async fn another_from_address_is_set_on_the_draft_and_a_shared_mailbox_sends_as_itself() {
    let sandbox = sandbox().await;
    sandbox.update_user(SUPPORT, |user| {
        user.full_access.push(SALES.into());
        user.send_as.push(SALES.into());
    });
    let own = client(&sandbox);
    let draft = draft_of(&own, &mail("as@contoso.example", SALES, &[]), SALES, &Addressed::default()).await.unwrap();
    own.send(&draft, "as@contoso.example").await;
    let shared = client_within(&sandbox, SUPPORT, Some(SALES), Duration::from_secs(30));
    shared.probe().await.unwrap();
    let draft = draft_of(&shared, &mail("of@contoso.example", SALES, &[]), SALES, &Addressed::default()).await.unwrap();
    shared.send(&draft, "of@contoso.example").await;
    assert!(got(&sandbox, ADA).iter().all(|mail| mail.contains("<sales@contoso.example>")));
    let sent = |whose: &str| sandbox.mailbox(whose).messages("Sent Items").len();
    assert_eq!((sent(SUPPORT), sent(SALES)), (1, 1));
}

#[tokio::test]
async fn a_message_id_that_is_replaced_is_learnt_from_what_was_sent() {
    let sandbox = sandbox().await;
    sandbox.update_user(SUPPORT, |user| user.rewrites_message_id = true);
    let client = client(&sandbox);
    let draft = draft(&client, "ours@contoso.example").await;
    match client.send(&draft, "ours@contoso.example").await {
        SendOutcome::Accepted { rewritten_message_id: Some(id), .. } => assert!(id.ends_with(".prod.outlook.com")),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_lost_answer_leaves_the_outcome_unknown_and_the_draft_decides_it() {
    let sandbox = sandbox().await;
    let client = client(&sandbox);
    for (n, carried_out) in [true, false].into_iter().enumerate() {
        let id = format!("lost{n}@contoso.example");
        let draft = draft(&client, &id).await;
        sandbox.faults().once(GraphFault::AnswerLost { at: GraphPoint::Send, carried_out });
        let outcome = client.send(&draft, &id).await;
        assert!(
            matches!(&outcome, SendOutcome::Unknown { failure } if failure.class == FailureClass::OutcomeUnknown),
            "{outcome:?}"
        );
        let standing = client.look(&draft).await.unwrap();
        assert_eq!(matches!(standing, Standing::Sent { .. }), carried_out);
        // However often it is sent, it leaves once.
        client.send(&draft, &id).await;
        client.send(&draft, &id).await;
        assert_eq!(got(&sandbox, ADA).len(), n + 1);
    }
}

#[tokio::test]
async fn an_answer_that_says_neither_yes_nor_no_leaves_the_outcome_unknown() {
    let sandbox = sandbox().await;
    let client = client(&sandbox);
    let draft = draft(&client, "odd@contoso.example").await;
    for fault in [GraphFault::EmptyOk(GraphPoint::Send), GraphFault::Html { at: GraphPoint::Send, status: 502 }] {
        sandbox.faults().once(fault);
        let outcome = client.send(&draft, "odd@contoso.example").await;
        assert!(matches!(outcome, SendOutcome::Unknown { .. }), "{outcome:?}");
    }
    for fault in
        [GraphFault::unavailable(GraphPoint::Send, Some(9)), GraphFault::too_many_requests(GraphPoint::Send, Some(9))]
    {
        sandbox.faults().once(fault);
        let outcome = client.send(&draft, "odd@contoso.example").await;
        assert!(
            matches!(&outcome, SendOutcome::Rejected { failure } if failure.retry_after_seconds == Some(9)),
            "{outcome:?}"
        );
    }
    assert_eq!(client.look(&draft).await.unwrap(), Standing::Draft);
}

#[tokio::test]
async fn a_draft_that_was_left_behind_is_deleted_and_nothing_that_was_sent() {
    let sandbox = sandbox().await;
    let client = client(&sandbox);
    let sent = draft(&client, "same@contoso.example").await;
    client.send(&sent, "same@contoso.example").await;
    let left = draft(&client, "same@contoso.example").await;
    let other = draft(&client, "other@contoso.example").await;
    client.discard("same@contoso.example").await.unwrap();
    assert_eq!(client.look(&left).await.unwrap(), Standing::Gone);
    assert_eq!(client.look(&other).await.unwrap(), Standing::Draft);
    assert!(matches!(client.look(&sent).await.unwrap(), Standing::Sent { .. }));
}

#[tokio::test]
async fn refusals_on_the_way_to_a_draft_are_understood_and_repeat_no_token() {
    let sandbox = sandbox().await;
    let token = sandbox.mint_token_for(SUPPORT, &SCOPES).unwrap();
    let client = client(&sandbox);
    for (fault, class) in [
        (GraphFault::invalid_token(GraphPoint::CreateDraft), FailureClass::GraphTokenRefused),
        (GraphFault::access_denied(GraphPoint::CreateDraft), FailureClass::GraphAccessDenied),
        (GraphFault::mailbox_not_enabled(GraphPoint::CreateDraft), FailureClass::GraphMailboxMissing),
        (GraphFault::quota_exceeded(GraphPoint::CreateDraft), FailureClass::MailboxFull),
        (GraphFault::message_size_exceeded(GraphPoint::CreateDraft), FailureClass::MessageTooLarge),
        (GraphFault::EmptyOk(GraphPoint::CreateDraft), FailureClass::ProtocolError),
        (GraphFault::Html { at: GraphPoint::CreateDraft, status: 502 }, FailureClass::ServerUnavailable),
        (GraphFault::AnswerLost { at: GraphPoint::CreateDraft, carried_out: true }, FailureClass::ConnectionLost),
    ] {
        sandbox.faults().once(fault.clone());
        let bytes = mail("refused@contoso.example", SUPPORT, &[]);
        let refused = draft_of(&client, &bytes, SUPPORT, &Addressed::default()).await.unwrap_err();
        assert_eq!(refused.class, class, "{fault:?}");
        assert!(!format!("{refused:?} {client:?}").contains(&token));
    }
    sandbox.expire_access_tokens(SUPPORT);
    assert_eq!(client.probe().await.unwrap_err().class, FailureClass::GraphTokenRefused);
}
