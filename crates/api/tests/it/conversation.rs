//! A conversation as clients see and change it: lists, messages, replies, notes, files, assignment, and who may see it.

use crate::desk::{Desk, desk};
use crate::world::{PASSWORD, assert_refusal};
use poem::http::Method;
use serde_json::{Value, json};

const MESSAGES: &str = "~/conversations/1/messages";

#[tokio::test]
async fn the_list_has_chatwoots_wrapper_and_the_show_is_bare() {
    let Desk { world, inbox } = desk().await;
    let list = world.get("~/conversations?status=open&assignee_type=all&sort_by=latest").await;
    assert_eq!(list.status.as_u16(), 200, "{}", list.text);
    let body = list.json();
    assert_eq!(
        body["data"]["meta"],
        json!({"mine_count": 0, "assigned_count": 0, "unassigned_count": 1, "all_count": 1})
    );
    let shown = world.get("~/conversations/1").await.json();
    assert_eq!(shown, body["data"]["payload"][0]);
    assert_eq!((&shown["id"], &shown["inbox_id"], &shown["unread_count"]), (&json!(1), &json!(inbox.0), &json!(1)));
    assert_eq!(shown["messages"][0]["content"], "Where is my invoice?");
    assert_eq!(world.get("~/conversations/meta?status=all").await.json()["meta"]["all_count"], 1);
    let none = world.get("~/conversations?status=resolved&labels[]=x&q=nothing&page=2&inbox_id=99").await.json();
    assert_eq!((&none["data"]["payload"], &none["data"]["meta"]["all_count"]), (&json!([]), &json!(0)));
    let inboxes = world.get("~/inboxes").await.json();
    assert_eq!(inboxes["payload"][0]["imap_address"], "imap.example");
    assert_eq!(world.get(&format!("~/inboxes/{inbox}")).await.json(), inboxes["payload"][0]);
    let contacts = world.get("~/contacts?sort=-last_activity_at").await.json();
    assert_eq!(contacts["meta"], json!({"count": 1, "current_page": 1}));
    let contact = format!("~/contacts/{}", contacts["payload"][0]["id"]);
    assert_eq!(world.get(&contact).await.json()["payload"]["email"], "ada@customer.example");
}

#[tokio::test]
async fn a_reply_is_queued_with_its_delivery_and_a_note_never_leaves() {
    let Desk { world, .. } = desk().await;
    let reply = json!({
        "content": "It is **attached**.", "message_type": "outgoing", "private": false, "echo_id": "e-1",
        "cc_emails": "boss@customer.example, x@customer.example", "content_attributes": {},
    });
    let answer = world.json(Method::POST, MESSAGES, &reply).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    let message = answer.json();
    assert_eq!(
        (&message["echo_id"], &message["message_type"], &message["status"]),
        (&json!("e-1"), &json!(1), &json!("sent"))
    );
    assert_eq!((&message["delivery"]["state"], &message["delivery"]["attempts"]), (&json!("queued"), &json!(0)));
    assert_eq!(message["content_attributes"]["cc_emails"], json!(["boss@customer.example", "x@customer.example"]));
    assert_eq!((&message["sender"]["type"], &message["conversation_id"]), (&json!("user"), &json!(1)));
    let note = world.json(Method::POST, MESSAGES, &json!({"content": "psst", "private": true})).await.json();
    assert_eq!((&note["private"], note.get("delivery")), (&json!(true), None));
    let list = world.get(MESSAGES).await.json();
    assert_eq!(list["payload"].as_array().map(Vec::len), Some(3), "{list}");
    assert_eq!(list["payload"][0]["content"], "Where is my invoice?", "oldest first");
    assert_eq!(list["meta"]["contact"]["name"], "Ada");
    assert_eq!(list["meta"]["additional_attributes"]["mail_subject"], "Invoice");
    let public = world.get(&format!("{MESSAGES}?filter_internal_messages=true")).await.json();
    assert_eq!(public["payload"].as_array().map(Vec::len), Some(2));
    let first = &list["payload"][0]["id"];
    let after = world.get(&format!("{MESSAGES}?after={first}")).await.json();
    assert_eq!(after["payload"].as_array().map(Vec::len), Some(2));

    let retry = world.json(Method::POST, &format!("{MESSAGES}/{}/retry", note["id"]), &json!({})).await;
    assert_refusal(&retry, 422, "nothing_to_retry");
    let deleted = world.json(Method::DELETE, &format!("{MESSAGES}/{}", note["id"]), &json!({})).await;
    assert_eq!(deleted.json()["content_attributes"]["deleted"], true, "{}", deleted.text);
}

#[tokio::test]
async fn what_cannot_be_sent_is_422_and_names_the_field() {
    let Desk { world, .. } = desk().await;
    let cases = [
        (json!({"content": "x", "message_type": "incoming"}), "message_type"),
        (json!({"content": "x", "cc_emails": ["not an address"]}), "cc_emails"),
        (json!({"content": "x", "bcc_emails": "a@b@c"}), "bcc_emails"),
        (json!({"content": "   "}), "content"),
    ];
    for (body, field) in cases {
        let answer = world.json(Method::POST, MESSAGES, &body).await;
        assert_refusal(&answer, 422, "invalid");
        assert_eq!(answer.json()["attributes"], json!([field]));
    }
    assert_refusal(
        &world.json(Method::POST, "~/conversations/2/messages", &json!({"content": "x"})).await,
        404,
        "not_found",
    );
}

#[tokio::test]
async fn the_same_idempotency_key_gives_the_same_message_and_another_body_is_refused() {
    let Desk { world, .. } = desk().await;
    let token = world.ours.access_token.expose();
    let headers = [("api_access_token", token), ("content-type", "application/json"), ("idempotency-key", "key-1")];
    let send = async |content: &str| {
        world.send(Method::POST, MESSAGES, &headers, json!({"content": content}).to_string()).await
    };
    let (first, again) = (send("once").await.json(), send("once").await.json());
    assert_eq!(first, again, "the same answer, word for word");
    assert_refusal(&send("other").await, 422, "idempotency_key_reused");
    assert_eq!(world.get(MESSAGES).await.json()["payload"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_message_that_waits_is_tried_now_or_cancelled_and_what_cannot_be_decided_is_refused() {
    let Desk { world, .. } = desk().await;
    let reply = world.json(Method::POST, MESSAGES, &json!({"content": "a mistake"})).await.json();
    let path = |what: &str| format!("{MESSAGES}/{}/{what}", reply["id"]);
    let now = world.json(Method::POST, &path("retry?regardless=true"), &json!({})).await;
    assert_eq!((now.status.as_u16(), &now.json()["delivery"]["state"]), (200, &json!("queued")));
    assert_refusal(
        &world.json(Method::POST, &path("resolve"), &json!({"sent": true})).await,
        422,
        "nothing_to_resolve",
    );
    let cancelled = world.json(Method::POST, &path("cancel"), &json!({})).await;
    assert_eq!(cancelled.status.as_u16(), 200, "{}", cancelled.text);
    let message = cancelled.json();
    assert_eq!((&message["status"], &message["delivery"]["state"]), (&json!("failed"), &json!("failed")));
    assert_eq!(message["delivery"]["failure"]["code"], json!("cancelled"));
    assert_refusal(&world.json(Method::POST, &path("cancel"), &json!({})).await, 422, "nothing_to_cancel");
    // It is being sent.
    let id = domain::MessageId(reply["id"].as_i64().expect("an id"));
    let scope = world.app.store().operator().account(world.ours.account_id).await.expect("answers").expect("there");
    for (state, code) in [("sending", "being_sent"), ("outcome_unknown", "may_have_left")] {
        let record = scope.delivery_of_message(id).await.expect("answers").expect("a delivery");
        let mut tx = scope.begin().await.expect("a transaction");
        let mut record = tx.lock_delivery(record.delivery.id).await.expect("answers").expect("a delivery");
        record.delivery.state = domain::message::DeliveryState::parse(state).expect("a state");
        tx.update_delivery(&record).await.expect("written");
        tx.commit().await.expect("committed");
        assert_refusal(&world.json(Method::POST, &path("cancel"), &json!({})).await, 409, code);
    }
    let said = world.json(Method::POST, &path("resolve"), &json!({"sent": true})).await;
    assert_eq!((said.status.as_u16(), &said.json()["delivery"]["state"]), (200, &json!("sent")), "{}", said.text);
}

#[tokio::test]
async fn what_a_mailbox_may_send_is_shown_and_changed() {
    let Desk { world, inbox } = desk().await;
    let path = format!("~/inboxes/{inbox}");
    let shown = world.get(&path).await.json();
    assert_eq!(shown["sending_limits"], json!({"messages_per_minute": 30, "recipients_per_day": 10_000}));
    let agreed = json!({"sending_limits": {"recipients_per_day": 2_000}});
    let changed = world.json(Method::PATCH, &path, &agreed).await;
    assert_eq!(changed.json()["sending_limits"], json!({"messages_per_minute": 30, "recipients_per_day": 2_000}));
    assert_eq!(
        world.json(Method::PATCH, &path, &json!({"name": "Desk"})).await.json()["sending_limits"]["recipients_per_day"],
        2_000
    );
    let none = world.json(Method::PATCH, &path, &json!({"sending_limits": {"messages_per_minute": 0}})).await;
    assert_eq!(none.status.as_u16(), 400, "{}", none.text);
}

#[tokio::test]
async fn a_reply_with_a_delay_as_json_or_as_a_form_waits_for_it_and_may_be_taken_back() {
    let Desk { world, .. } = desk().await;
    let waiting = world.get("~/conversations/1").await.json()["waiting_since"].clone();
    assert!(waiting.as_i64().is_some_and(|since| since > 0), "{waiting}");
    let form = "--b\r\nContent-Disposition: form-data; name=\"content\"\r\n\r\nLater.\r\n\
                --b\r\nContent-Disposition: form-data; name=\"delay_seconds\"\r\n\r\n60\r\n--b--\r\n";
    let token = world.ours.access_token.expose();
    let headers = [("api_access_token", token), ("content-type", "multipart/form-data; boundary=b")];
    let by_form = world.send(Method::POST, MESSAGES, &headers, form).await;
    let by_json = world.json(Method::POST, MESSAGES, &json!({"content": "Later.", "delay_seconds": 60})).await;
    for answer in [by_form, by_json] {
        let message = answer.json();
        let delivery = &message["delivery"];
        assert_eq!((&delivery["state"], &delivery["failure"]), (&json!("queued"), &Value::Null), "{message}");
        let wait = delivery["next_try_at"].as_i64().expect("a time") - message["created_at"].as_i64().expect("a time");
        assert!((60..=61).contains(&wait), "{message}");
        let cancel = format!("{MESSAGES}/{}/cancel", message["id"]);
        let cancelled = world.json(Method::POST, &cancel, &json!({})).await.json();
        assert_eq!(cancelled["delivery"]["failure"]["code"], "cancelled", "{cancelled}");
    }
    assert_eq!(world.get("~/conversations/1").await.json()["waiting_since"], waiting);
    let never = world.json(Method::POST, MESSAGES, &json!({"content": "Later.", "delay_seconds": 31_536_001})).await;
    assert_eq!(never.status.as_u16(), 400, "{}", never.text);
    let note = json!({"content": "Later.", "private": true, "delay_seconds": 1});
    let note = world.json(Method::POST, MESSAGES, &note).await;
    assert_eq!((note.status.as_u16(), &note.json()["attributes"]), (422, &json!(["delay_seconds"])), "{}", note.text);
}

#[tokio::test]
async fn a_form_with_files_makes_a_message_whose_files_come_back_as_downloads() {
    let Desk { world, .. } = desk().await;
    let token = world.ours.access_token.expose();
    let part = |head: &str, value: &str| format!("--b\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n");
    let form = part("name=\"content\"", "See attached.")
        + &part("name=\"private\"", "false")
        + &part("name=\"echo_id\"", "e-2")
        + &part("name=\"to_emails\"", "other@customer.example")
        + &part("name=\"attachments[]\"; filename=\"../offer.pdf\"\r\nContent-Type: application/pdf", "%PDF-1.4")
        + &part("name=\"attachments[]\"; filename=\"b.txt\"\r\nContent-Type: text/plain", "two")
        + "--b--\r\n";
    let headers = [("api_access_token", token), ("content-type", "multipart/form-data; boundary=b")];
    let answer = world.send(Method::POST, MESSAGES, &headers, form).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    let message = answer.json();
    assert_eq!(
        (&message["echo_id"], &message["content_attributes"]["to_emails"]),
        (&json!("e-2"), &json!(["other@customer.example"]))
    );
    let files = message["attachments"].as_array().expect("files");
    assert_eq!((files.len(), &files[0]["file_name"], &files[1]["file_size"]), (2, &json!("offer.pdf"), &json!(3)));

    let path = |file: &Value| file["data_url"].as_str().expect("a link").replace("http://desk.example:3000", "");
    let pdf = world.send(Method::GET, &path(&files[0]), &[], ()).await;
    assert_eq!((pdf.status.as_u16(), pdf.text.as_str()), (200, "%PDF-1.4"));
    assert_eq!(pdf.header("content-type"), "application/pdf");
    assert!(pdf.header("content-disposition").starts_with("attachment; filename=\"offer.pdf\""));

    let list = world.get("~/conversations/1/attachments").await.json();
    assert_eq!(list["meta"]["total_count"], 3, "{list}");
    let evil =
        list["payload"].as_array().expect("a list").iter().find(|f| f["file_name"] == "ünvoice.html").expect("Ada's");
    let evil = world.send(Method::GET, &path(evil), &[], ()).await;
    assert_eq!(evil.header("content-type"), "application/octet-stream", "never a page of ours");
    assert!(evil.header("content-disposition").contains("filename*=UTF-8''%C3%BCnvoice.html"));
    assert_eq!(evil.header("x-content-type-options"), "nosniff");
    assert!(evil.header("content-security-policy").contains("sandbox"));
}

#[tokio::test]
async fn a_mails_html_is_shown_without_scripts_and_without_remote_images() {
    let Desk { world, .. } = desk().await;
    let id = world.get(MESSAGES).await.json()["payload"][0]["id"].clone();
    let html = world.get(&format!("{MESSAGES}/{id}/html")).await.json();
    let text = html["html"].as_str().expect("HTML");
    assert!(text.contains("Where?") && !text.contains("script") && !text.contains("onclick"), "{text}");
    assert!(!text.contains(" src=\"https://t.example") && html["blocked_remote_images"] == 1, "{html}");
    let with = world.get(&format!("{MESSAGES}/{id}/html?remote_images=true")).await.json();
    assert!(with["html"].as_str().is_some_and(|text| text.contains(" src=\"https://t.example/p.gif\"")), "{with}");
}

#[tokio::test]
async fn status_assignment_and_looking_at_it_answer_as_the_clients_read_them() {
    let Desk { world, .. } = desk().await;
    let me = world.ours.user_id.0;
    let token = world.ours.access_token.expose();
    let resolved = world.json(Method::POST, "~/conversations/1/toggle_status", &json!({"status": "resolved"})).await;
    assert_eq!(
        resolved.json(),
        json!({"meta": {}, "payload": {
            "success": true, "conversation_id": 1, "current_status": "resolved", "snoozed_until": null,
        }})
    );
    let toggled = world.send(Method::POST, "~/conversations/1/toggle_status", &[("api_access_token", token)], ()).await;
    assert_eq!(toggled.json()["payload"]["current_status"], "open", "without a body it toggles: {}", toggled.text);
    let past = json!({"status": "snoozed", "snoozed_until": 1});
    let answer = world.json(Method::POST, "~/conversations/1/toggle_status", &past).await;
    assert_refusal(&answer, 422, "invalid");
    let later = json!({"status": "snoozed", "snoozed_until": 4_102_444_800_i64});
    let snoozed = world.json(Method::POST, "~/conversations/1/toggle_status", &later).await;
    assert_eq!(snoozed.json()["payload"]["snoozed_until"], "2100-01-01T00:00:00.000Z", "{}", snoozed.text);

    let assigned = world.json(Method::POST, "~/conversations/1/assignments", &json!({"assignee_id": me})).await;
    assert_eq!(assigned.json()["id"], me, "{}", assigned.text);
    assert_eq!(world.get("~/conversations/1").await.json()["meta"]["assignee"]["id"], me);
    for (path, body) in [("", json!({"team_id": 3})), ("?team_id=3", json!({}))] {
        let team = world.json(Method::POST, &format!("~/conversations/1/assignments{path}"), &body).await;
        assert_refusal(&team, 422, "invalid");
    }
    let said_nothing = world.json(Method::POST, "~/conversations/1/assignments", &json!({})).await;
    assert_eq!((said_nothing.status.as_u16(), said_nothing.text.as_str()), (200, "null"));
    assert_eq!(world.get("~/conversations/1").await.json()["meta"]["assignee"]["id"], json!(me), "it is still theirs");
    let nobody = world.json(Method::POST, "~/conversations/1/assignments", &json!({"assignee_id": null})).await;
    assert_eq!((nobody.status.as_u16(), nobody.text.as_str()), (200, "null"));
    let stranger = json!({"assignee_id": world.theirs.user_id.0});
    let answer = world.json(Method::POST, "~/conversations/1/assignments", &stranger).await;
    assert_refusal(&answer, 422, "invalid");

    let seen = world.json(Method::POST, "~/conversations/1/update_last_seen", &json!({})).await.json();
    assert_eq!((&seen["id"], &seen["unread_count"]), (&json!(1), &json!(0)));
    assert!(seen["agent_last_seen_at"].as_i64().is_some_and(|at| at > 0));
}

#[tokio::test]
async fn an_agent_sees_what_their_inboxes_hold_and_nothing_of_the_mailbox() {
    let Desk { world, inbox } = desk().await;
    let new = json!({"name": "Agent", "email": "agent@contoso.example", "password": PASSWORD});
    let agent = world.json(Method::POST, "~/agents", &new).await.json()["id"].clone();
    let signed_in = world.sign_in("agent@contoso.example", &[]).await;
    let headers: Vec<(&str, String)> =
        ["access-token", "client", "uid"].into_iter().map(|name| (name, signed_in.header(name).to_owned())).collect();
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let get = async |path: &str| world.send(Method::GET, path, &headers, ()).await;

    assert_eq!(get("~/inboxes").await.json()["payload"], json!([]));
    for path in [
        format!("~/inboxes/{inbox}"),
        "~/conversations/1".into(),
        MESSAGES.into(),
        "~/conversations/1/attachments".into(),
    ] {
        assert_refusal(&get(&path).await, 404, "not_found");
    }
    let members = json!({"inbox_id": inbox.0, "user_ids": [agent]});
    let added = world.json(Method::POST, "~/inbox_members", &members).await;
    assert_eq!(added.json()["payload"][0]["email"], "agent@contoso.example", "{}", added.text);
    assert_eq!(world.get(&format!("~/inbox_members/{inbox}")).await.json(), added.json());
    let assignable = world.get(&format!("~/assignable_agents?inbox_ids[]={inbox}")).await.json();
    assert_eq!(assignable["payload"].as_array().map(Vec::len), Some(2), "{assignable}");

    let shown = get(&format!("~/inboxes/{inbox}")).await.json();
    assert_eq!((&shown["name"], shown.get("imap_login")), (&json!("Support"), None));
    assert_eq!(get("~/conversations/1").await.status.as_u16(), 200);
    assert_refusal(&get(&format!("~/inboxes/{inbox}/health")).await, 403, "forbidden");
    let none = json!({"inbox_id": inbox.0, "user_ids": []});
    assert_eq!(world.json(Method::PATCH, "~/inbox_members", &none).await.json()["payload"], json!([]));
    assert_refusal(&get("~/conversations/1").await, 404, "not_found");
}

#[tokio::test]
async fn an_inbox_is_changed_field_by_field_and_deleted_whole() {
    let Desk { world, inbox } = desk().await;
    let path = format!("~/inboxes/{inbox}");
    let change = json!({"name": "Help", "greeting_message": "Hello", "sender_name_type": "professional"});
    let changed = world.json(Method::PATCH, &path, &change).await.json();
    assert_eq!((&changed["name"], &changed["sender_name_type"]), (&json!("Help"), &json!("professional")));
    let cleared = world.json(Method::PATCH, &path, &json!({"greeting_message": null})).await.json();
    assert_eq!((&cleared["greeting_message"], &cleared["name"]), (&Value::Null, &json!("Help")));
    let health = world.get(&format!("{path}/health")).await.json();
    assert_eq!((&health["fetch"]["state"], &health["import"]["state"]), (&json!("connected"), &json!("waiting")));
    let gone = world.json(Method::DELETE, &path, &json!({})).await;
    assert!(gone.json()["message"].is_string(), "{}", gone.text);
    assert_refusal(&world.get(&path).await, 404, "not_found");
    assert_refusal(&world.get("~/conversations/1").await, 404, "not_found");
}
