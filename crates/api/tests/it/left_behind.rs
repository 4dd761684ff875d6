//! What did not leave and what did not become a message, as the API shows it.

use crate::desk::desk;
use crate::world::{PASSWORD, assert_refusal};
use poem::http::Method;
use serde_json::{Value, json};
use store::{Fence, FolderImport, FolderRole, NewRawEmail, RawBatch, RawEmailSource, RawOutcome};

/// A mail that could not be understood; its id.
async fn quarantined(desk: &crate::desk::Desk, bytes: &'static [u8]) -> i64 {
    let store = desk.world.app.store();
    let session = store.sync().start_session("test").await.expect("a session");
    let lease = store.sync().lease_channels(session, 1).await.expect("leases").remove(0);
    let scope = &lease.scope;
    let folder = scope.open_folder(lease.channel_id, FolderRole::Inbox, "INBOX").await.expect("a folder");
    let fence = Fence::Lease(&lease);
    scope.set_cursor(fence, folder.id, 7, 0, FolderImport::default()).await.expect("a cursor");
    let email = NewRawEmail { uid: 1, internal_date: None, message_id: None, bytes: bytes.into(), truncated: false };
    let batch = RawBatch {
        uidvalidity: 7,
        source: RawEmailSource::Live,
        emails: vec![email],
        missing: Vec::new(),
        last_uid: Some(1),
        import_reached_uid: None,
    };
    let id = scope.store_raw_emails(fence, folder.id, batch).await.expect("stored")[0].id;
    let mut tx = scope.begin().await.expect("a transaction");
    tx.lock_raw_email(id).await.expect("answers").expect("it waits");
    let outcome = RawOutcome::Quarantined { reason: "unreadable: The mail could not be read.".to_owned() };
    tx.mark_raw_email(id, &outcome, None).await.expect("marked");
    tx.commit().await.expect("committed");
    id.0
}

#[tokio::test]
async fn a_mail_that_could_not_be_understood_is_listed_shown_downloaded_and_tried_again() {
    let desk = desk().await;
    let world = &desk.world;
    let bytes = b"From: eve@x.example\r\nSubject: <script>x()</script>\r\nContent-Type: text/html\r\n\r\n<script>x()</script>hello\r\n";
    let id = quarantined(&desk, bytes).await;
    let list = world.get("~/quarantine").await.json();
    assert_eq!(list["meta"], json!({"count": 1, "current_page": 1}));
    let entry = &list["payload"][0];
    assert_eq!(
        (&entry["id"], &entry["state"], &entry["code"]),
        (&json!(id), &json!("quarantined"), &json!("unreadable"))
    );
    assert_eq!(entry["reason"], "The mail could not be read.");
    assert_eq!(entry["inbox_id"], desk.inbox.0);
    assert_eq!(world.get("~/quarantine?state=dropped").await.json()["meta"]["count"], 0);
    assert_eq!(world.get("~/quarantine?state=lost").await.status.as_u16(), 400);
    assert_eq!(world.get(&format!("~/quarantine?inbox_id={}", desk.inbox.0 + 1)).await.json()["meta"]["count"], 0);

    let shown = world.get(&format!("~/quarantine/{id}")).await.json();
    assert_eq!((&shown["email"], &shown["content"]["subject"]), (entry, &json!("<script>x()</script>")));
    let raw = world.get(&format!("~/quarantine/{id}/raw")).await;
    assert_eq!((raw.status.as_u16(), raw.text.as_bytes()), (200, &bytes[..]));
    assert_eq!(raw.header("content-type"), "application/octet-stream");
    assert!(raw.header("content-disposition").starts_with("attachment; filename=\"mail-"));
    assert_eq!(raw.header("x-content-type-options"), "nosniff");
    assert!(raw.header("content-security-policy").contains("sandbox"), "never shown as a page of ours");

    let again = world.json(Method::POST, &format!("~/quarantine/{id}/reprocess"), &Value::Null).await;
    assert_eq!((again.status.as_u16(), &again.json()["state"]), (200, &json!("waiting")));
    for path in ["", "/raw", "/reprocess", "/dismiss"] {
        let method = if path.len() > 4 { Method::POST } else { Method::GET };
        let unknown = format!("~/quarantine/{}{path}", id + 1);
        assert_refusal(&world.json(method.clone(), &unknown, &Value::Null).await, 404, "not_found");
        // Their administrator asks for it under their own account.
        let theirs = format!("/api/v1/accounts/{}/quarantine/{id}{path}", world.theirs.account_id);
        let token = world.theirs.access_token.expose();
        assert_refusal(&world.json_as(token, method, &theirs, &Value::Null).await, 404, "not_found");
    }
}

#[tokio::test]
async fn a_message_that_did_not_leave_is_listed_with_whom_it_was_for_and_why() {
    let desk = desk().await;
    let world = &desk.world;
    let reply = json!({"content": "Here it is", "cc_emails": "boss@customer.example"});
    let message = world.json(Method::POST, "~/conversations/1/messages", &reply).await.json();
    assert_eq!(world.get("~/deliveries").await.json()["meta"]["count"], 0);
    let path = format!("~/conversations/1/messages/{}/cancel", message["id"]);
    assert_eq!(world.json(Method::POST, &path, &Value::Null).await.status.as_u16(), 200);
    let list = world.get("~/deliveries?state=failed").await.json();
    assert_eq!(list["meta"], json!({"count": 1, "current_page": 1}));
    let entry = &list["payload"][0];
    assert_eq!((&entry["message_id"], &entry["conversation_id"]), (&message["id"], &json!(1)));
    assert_eq!(entry["to_emails"], json!(["ada@customer.example"]));
    assert_eq!(entry["cc_emails"], json!(["boss@customer.example"]));
    assert_eq!((&entry["excerpt"], &entry["subject"]), (&json!("Here it is"), &json!("Re: Invoice")));
    assert_eq!(
        (&entry["delivery"]["state"], &entry["delivery"]["failure"]["code"]),
        (&json!("failed"), &json!("cancelled"))
    );
    assert_eq!(world.get("~/deliveries?state=sent").await.status.as_u16(), 400);

    let agent = json!({"name": "Bob", "email": "bob@contoso.example", "password": PASSWORD});
    assert_eq!(world.json(Method::POST, "~/agents", &agent).await.status.as_u16(), 200);
    let signed_in = world.sign_in("bob@contoso.example", &[]).await;
    let headers = ["access-token", "client", "uid"].map(|name| (name, signed_in.header(name)));
    let bobs = world.send(Method::GET, "~/deliveries", &headers, ()).await;
    assert_eq!(bobs.json()["meta"]["count"], 0, "he is no member of the inbox");
    assert_refusal(&world.send(Method::GET, "~/quarantine", &headers, ()).await, 403, "forbidden");
}
