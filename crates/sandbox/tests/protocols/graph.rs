//! The mail half of Graph as Microsoft documents it: tokens, drafts, attachments, sending, and ids that stay or change.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sandbox::{Event, INBOX, Sandbox};
use serde_json::{Value, json};

use crate::support::*;

const ADA: &str = "ada@customer.example";
const SALES: &str = "sales@contoso.example";
pub const GRAPH: [&str; 2] = ["https://graph.microsoft.com/Mail.ReadWrite", "https://graph.microsoft.com/Mail.Send"];
const SHARED: [&str; 4] = [
    "https://graph.microsoft.com/Mail.ReadWrite",
    "https://graph.microsoft.com/Mail.Send",
    "https://graph.microsoft.com/Mail.ReadWrite.Shared",
    "https://graph.microsoft.com/Mail.Send.Shared",
];

/// A program with a token for Graph.
pub struct Graph<'s> {
    sandbox: &'s Sandbox,
    token: String,
    pub immutable: bool,
}

impl<'s> Graph<'s> {
    pub fn of(sandbox: &'s Sandbox, user: &str, scopes: &[&str]) -> Self {
        Self { sandbox, token: sandbox.mint_token_for(user, scopes).unwrap(), immutable: true }
    }

    pub async fn call(&self, method: &str, path: &str, kind: &str, body: &str) -> Http {
        let bearer = format!("Bearer {}", self.token);
        let mut headers = vec![("Authorization", bearer.as_str()), ("Content-Type", kind)];
        if self.immutable {
            headers.push(("Prefer", "IdType=\"ImmutableId\""));
        }
        http(method, &format!("{}/v1.0{path}", self.sandbox.graph_url()), &headers, body).await
    }

    pub async fn json(&self, method: &str, path: &str, body: &Value) -> Http {
        self.call(method, path, "application/json", &body.to_string()).await
    }

    pub async fn get(&self, path: &str) -> Http {
        self.call("GET", path, "application/json", "").await
    }

    pub async fn draft(&self, whose: &str, mime: &str) -> Value {
        let answer = self.call("POST", &format!("/{whose}/messages"), "text/plain", &STANDARD.encode(mime)).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.json()
    }

    pub async fn send(&self, whose: &str, id: &str) -> Http {
        self.call("POST", &format!("/{whose}/messages/{id}/send"), "text/plain", "").await
    }
}

pub fn code(answer: &Http) -> String {
    answer.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
}

fn in_folder(sandbox: &Sandbox, whose: &str, folder: &str) -> Vec<String> {
    let mails = sandbox.mailbox(whose).messages(folder);
    mails.iter().map(|mail| String::from_utf8_lossy(&mail.bytes).into_owned()).collect()
}

#[tokio::test]
async fn graph_takes_tokens_for_graph_alone_and_the_mail_servers_take_none_of_them() {
    let sandbox = start().await;
    let outlook = sandbox.mint_access_token(SUPPORT).unwrap();
    for token in [outlook.as_str(), "garbage"] {
        let bearer = format!("Bearer {token}");
        let refused = http("GET", &format!("{}/v1.0/me", sandbox.graph_url()), &[("Authorization", &bearer)], "").await;
        assert_eq!((refused.status, code(&refused)), (401, "InvalidAuthenticationToken".to_owned()));
    }
    let graph = Graph::of(&sandbox, SUPPORT, &GRAPH);
    let me = graph.get("/me").await;
    assert_eq!((me.status, text(&me.json(), "userPrincipalName")), (200, SUPPORT));
    assert!(me.header("request-id").is_some());
    let mut smtp = Smtp::encrypted(&sandbox).await;
    assert!(smtp.run(&format!("AUTH XOAUTH2 {}", xoauth2(SUPPORT, &graph.token))).await.starts_with("535 5.7.3"));
    sandbox.expire_access_tokens(SUPPORT);
    assert_eq!(graph.get("/me").await.status, 401);
}

#[tokio::test]
async fn a_refresh_token_of_outlook_buys_a_token_for_graph_where_that_was_consented_to_and_else_65001() {
    let sandbox = start().await;
    let scope = format!("offline_access {}", GRAPH.join(" "));
    let first = tokens_for(&sandbox, SUPPORT).await;
    let ask = [("grant_type", "refresh_token"), ("code", ""), ("scope", scope.as_str())];
    let with = |token: &str| -> Vec<(&str, String)> {
        ask.iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .chain([("refresh_token", token.to_owned())])
            .collect()
    };
    let asked = with(text(&first, "refresh_token"));
    let pairs: Vec<(&str, &str)> = asked.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let refused = token(&sandbox, &pairs).await;
    assert_eq!(refused.json()["error_codes"], json!([65001]), "{}", refused.body);

    let both = format!("{MAIL_SCOPE} {}", GRAPH.join(" "));
    let url = authorize_url(&sandbox, "common", &[("scope", &both)]);
    let back = soon(sandbox.sign_in(&url, SUPPORT)).await.unwrap();
    let code = parameter(&back, "code").unwrap();
    let redeemed = token(&sandbox, &[("code", &code)]).await.json();
    let asked = with(text(&redeemed, "refresh_token"));
    let pairs: Vec<(&str, &str)> = asked.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let granted = token(&sandbox, &pairs).await.json();
    let scopes = text(&granted, "scope");
    assert!(scopes.contains(GRAPH[0]) && scopes.contains(GRAPH[1]) && !scopes.contains("IMAP"), "{scopes}");
    let bearer = format!("Bearer {}", text(&granted, "access_token"));
    let me = http("GET", &format!("{}/v1.0/me", sandbox.graph_url()), &[("Authorization", &bearer)], "").await;
    assert_eq!(me.status, 200);
}

#[tokio::test]
async fn a_draft_of_mime_leaves_once_and_keeps_its_immutable_id() {
    let sandbox = start().await;
    let mut graph = Graph::of(&sandbox, SUPPORT, &GRAPH);
    let mime = mail("Somebody Else <ceo@victim.example>", ADA, "Hello", "ours@contoso.example").replace(
        "Subject:",
        "Auto-Submitted: auto-replied\r\nX-Auto-Response-Suppress: All\r\nBcc: grace@customer.example\r\nSubject:",
    );
    let draft = graph.draft("me", &mime).await;
    let id = text(&draft, "id").to_owned();
    assert_eq!((&draft["isDraft"], text(&draft, "internetMessageId")), (&json!(true), "<ours@contoso.example>"));
    assert_eq!(in_folder(&sandbox, SUPPORT, "Drafts").len(), 1);
    graph.immutable = false;
    let select = "$select=isDraft,parentFolderId,internetMessageId";
    let read = graph.get(&format!("/me/messages/{id}?{select}")).await.json();
    let ordinary = text(&read, "id").to_owned();
    assert!(ordinary != id && read.get("subject").is_none() && read["isDraft"] == json!(true), "{read}");

    let unsized_body = graph.call("POST", &format!("/me/messages/{id}/send"), "text/plain", "{}").await;
    assert_eq!(unsized_body.status, 411, "the body must be empty");
    let sent = graph.send("me", &id).await;
    assert_eq!((sent.status, sent.body.as_str()), (202, ""));
    for whose in [ADA, "grace@customer.example"] {
        let got = in_folder(&sandbox, whose, INBOX);
        assert_eq!(got.len(), 1);
        assert!(got[0].contains("ours@contoso.example") && !got[0].contains("Bcc:"), "{}", got[0]);
        assert!(
            got[0].contains(&format!("<{SUPPORT}>")) && !got[0].contains("victim"),
            "From is the mailbox: {}",
            got[0]
        );
        assert!(!got[0].contains("Auto-Submitted") && got[0].contains("X-Auto-Response-Suppress: All"));
    }
    assert_eq!(
        (in_folder(&sandbox, SUPPORT, "Sent Items").len(), in_folder(&sandbox, SUPPORT, "Drafts").len()),
        (1, 0)
    );
    // It moved: the ordinary id is another one, the immutable one is not.
    assert_eq!(code(&graph.get(&format!("/me/messages/{ordinary}")).await), "ErrorItemNotFound");
    graph.immutable = true;
    let read = graph.get(&format!("/me/messages/{id}?{select}")).await.json();
    assert_eq!((text(&read, "id"), &read["isDraft"]), (id.as_str(), &json!(false)));
    assert_eq!(graph.send("me", &id).await.status, 400, "it cannot be sent again");
    let filter = "$filter=internetMessageId%20eq%20'%3Cours%40contoso.example%3E'";
    let found = graph.get(&format!("/me/mailFolders/sentitems/messages?{filter}")).await.json();
    assert_eq!(found["value"][0]["id"], json!(id));
    assert_eq!(graph.get(&format!("/me/mailFolders/drafts/messages?{filter}")).await.json()["value"], json!([]));
    assert!(
        sandbox
            .events()
            .iter()
            .any(|event| matches!(event, Event::GraphAccepted { mailbox, .. } if mailbox == SUPPORT))
    );
}

#[tokio::test]
async fn a_mailbox_whose_ids_are_replaced_says_so_of_what_was_sent() {
    let sandbox = start().await;
    let graph = Graph::of(&sandbox, PERSONAL, &GRAPH);
    let draft = graph.draft("me", &mail(PERSONAL, ADA, "Hello", "ours@outlook.example")).await;
    let id = text(&draft, "id");
    assert_eq!(graph.send("me", id).await.status, 202);
    let read = graph.get(&format!("/me/messages/{id}")).await.json();
    assert!(text(&read, "internetMessageId").ends_with(".prod.outlook.com>"), "{read}");
    assert!(in_folder(&sandbox, ADA, INBOX)[0].contains("X-Microsoft-Original-Message-ID: <ours@outlook.example>"));
}

#[tokio::test]
async fn files_are_added_as_json_or_in_pieces_to_an_address_that_takes_no_token() {
    let sandbox = start().await;
    let graph = Graph::of(&sandbox, SUPPORT, &GRAPH);
    let id = text(&graph.draft("me", &mail(SUPPORT, ADA, "Files", "files@contoso.example")).await, "id").to_owned();
    let small = json!({"@odata.type": "#microsoft.graph.fileAttachment", "name": "a.txt", "contentType": "text/plain",
        "contentBytes": STANDARD.encode("small file")});
    assert_eq!(graph.json("POST", &format!("/me/messages/{id}/attachments"), &small).await.status, 201);
    let big: String = "0123456789".repeat(70_000);
    let item = json!({"AttachmentItem": {"attachmentType": "file", "name": "b.bin", "size": big.len()}});
    let session = graph.json("POST", &format!("/me/messages/{id}/attachments/createUploadSession"), &item).await;
    assert_eq!(session.status, 201, "{}", session.body);
    let url = text(&session.json(), "uploadUrl").to_owned();
    let range = |from: usize, to: usize| format!("bytes {from}-{}/{}", to - 1, big.len());
    let with_token =
        http("PUT", &url, &[("Authorization", "Bearer x"), ("Content-Range", &range(0, 327_680))], &big[..327_680])
            .await;
    assert_eq!(with_token.status, 401);
    let first = http("PUT", &url, &[("Content-Range", &range(0, 327_680))], &big[..327_680]).await;
    assert_eq!((first.status, &first.json()["nextExpectedRanges"]), (200, &json!(["327680-"])));
    let again = http("PUT", &url, &[("Content-Range", &range(0, 327_680))], &big[..327_680]).await;
    assert_eq!(again.status, 416, "each piece once, in its order");
    let last = http("PUT", &url, &[("Content-Range", &range(327_680, big.len()))], &big[327_680..]).await;
    assert_eq!(last.status, 201);
    assert_eq!(graph.send("me", &id).await.status, 202);
    let got = &in_folder(&sandbox, ADA, INBOX)[0];
    assert!(got.contains("filename=\"a.txt\"") && got.contains("filename=\"b.bin\"") && got.contains("Hello."));
    assert!(got.replace("\r\n", "").contains(&STANDARD.encode(&big)));
}

#[tokio::test]
async fn a_request_of_more_than_four_megabytes_and_base64_that_is_none_are_refused() {
    let sandbox = start().await;
    let graph = Graph::of(&sandbox, SUPPORT, &GRAPH);
    let huge = "a".repeat(4 * 1024 * 1024 + 1);
    assert_eq!(graph.call("POST", "/me/messages", "text/plain", &huge).await.status, 413);
    let wrong = graph.call("POST", "/me/messages", "text/plain", "this is *not* base64").await;
    assert_eq!((wrong.status, code(&wrong)), (400, "ErrorMimeContentInvalidBase64String".to_owned()));
    let nobody = graph.draft("me", "Subject: x\r\n\r\nx\r\n").await;
    let refused = graph.send("me", text(&nobody, "id")).await;
    assert_eq!((refused.status, code(&refused)), (400, "ErrorInvalidRecipients".to_owned()));
    let raw = STANDARD.encode(mail(SUPPORT, ADA, "At once", "once@contoso.example"));
    assert_eq!(graph.call("POST", "/me/sendMail", "text/plain", &raw).await.status, 202);
    assert_eq!(in_folder(&sandbox, ADA, INBOX).len(), 1);
}

#[tokio::test]
async fn somebody_elses_mailbox_needs_the_shared_rights_full_access_and_send_as() {
    let sandbox = start().await;
    let whose = "users/sales%40contoso.example";
    let mime = STANDARD.encode(mail(SALES, ADA, "Offer", "offer@contoso.example"));
    let own = Graph::of(&sandbox, SUPPORT, &GRAPH);
    let shared = Graph::of(&sandbox, SUPPORT, &SHARED);
    let path = format!("/{whose}/messages");
    assert_eq!(code(&shared.call("POST", &path, "text/plain", &mime).await), "ErrorAccessDenied", "no FullAccess");
    sandbox.update_user(SUPPORT, |user| user.full_access.push(SALES.into()));
    assert_eq!(code(&own.call("POST", &path, "text/plain", &mime).await), "ErrorAccessDenied", "no .Shared rights");
    let draft = shared.call("POST", &path, "text/plain", &mime).await.json();
    let id = text(&draft, "id");
    assert_eq!(code(&shared.get(&format!("/me/messages/{id}")).await), "ErrorItemNotFound", "ids are of their mailbox");
    assert_eq!(code(&shared.send(whose, id).await), "ErrorSendAsDenied");
    sandbox.update_user(SUPPORT, |user| user.send_as.push(SALES.into()));
    assert_eq!(shared.send(whose, id).await.status, 202);
    let sent = |whose: &str| in_folder(&sandbox, whose, "Sent Items").len();
    assert_eq!((sent(SALES), sent(SUPPORT), in_folder(&sandbox, ADA, INBOX).len()), (1, 0, 1));
    // From of one's own mail may be another address one may send as, when it is set.
    let draft = own.draft("me", &mail(SUPPORT, ADA, "Hi", "hi@contoso.example")).await;
    let id = text(&draft, "id");
    let from = json!({"from": {"emailAddress": {"name": "Sales", "address": SALES}}});
    assert_eq!(own.json("PATCH", &format!("/me/messages/{id}"), &from).await.status, 200);
    assert_eq!(own.send("me", id).await.status, 202);
    assert!(in_folder(&sandbox, ADA, INBOX)[1].contains(&format!("<{SALES}>")));
    assert_eq!((sent(SALES), sent(SUPPORT)), (1, 1), "the copy is the one's whose mailbox it left");
}

#[tokio::test]
async fn what_is_handed_in_by_smtp_as_somebody_else_is_filed_with_the_one_who_signed_in_unless_both_are_asked_for() {
    let sandbox = start().await;
    sandbox.update_user(SUPPORT, |user| user.send_as.push(SALES.into()));
    let mut smtp = Smtp::signed_in(&sandbox, SUPPORT).await;
    assert!(smtp.mail(SALES, ADA, &mail(SALES, ADA, "One", "one@contoso.example")).await.starts_with("250 "));
    let sent = |whose: &str| in_folder(&sandbox, whose, "Sent Items").len();
    assert_eq!((sent(SUPPORT), sent(SALES)), (1, 0));
    sandbox.update_user(SALES, |user| user.keeps_sent_as_copy = true);
    assert!(smtp.mail(SALES, ADA, &mail(SALES, ADA, "Two", "two@contoso.example")).await.starts_with("250 "));
    assert_eq!((sent(SUPPORT), sent(SALES)), (2, 1));
}
