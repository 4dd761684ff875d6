//! What is asked of many conversations at once, beginning one and deleting one, as clients call it.

use crate::desk::{Desk, desk};
use crate::world::{PASSWORD, World, assert_refusal};
use poem::http::Method;
use serde_json::{Value, json};

async fn ok(world: &World, method: Method, path: &str, body: Value) -> Value {
    let answer = world.json(method, path, &body).await;
    assert_eq!(answer.status.as_u16(), 200, "{path}: {}", answer.text);
    if answer.text.is_empty() { Value::Null } else { answer.json() }
}

/// Ids of an agent who is no member of any inbox, and how they ask.
async fn agent(world: &World) -> (Value, Vec<(&'static str, String)>) {
    let new = json!({"name": "Agent", "email": "agent@contoso.example", "password": PASSWORD});
    let id = world.json(Method::POST, "~/agents", &new).await.json()["id"].clone();
    let signed_in = world.sign_in("agent@contoso.example", &[]).await;
    let mut headers: Vec<(&str, String)> =
        ["access-token", "client", "uid"].into_iter().map(|name| (name, signed_in.header(name).to_owned())).collect();
    headers.push(("content-type", "application/json".to_owned()));
    (id, headers)
}

#[tokio::test]
async fn conversations_are_filtered_by_chatwoots_conditions_and_nonsense_is_named() {
    let Desk { world, inbox } = desk().await;
    let filter =
        async |payload: Value| world.json(Method::POST, "~/conversations/filter", &json!({"payload": payload})).await;
    let open = json!({"attribute_key": "status", "filter_operator": "equal_to", "values": ["open"], "query_operator": "AND",
        "attribute_model": "standard", "custom_attribute_type": ""});
    let here = json!({"attribute_key": "inbox_id", "filter_operator": "equal_to", "values": [inbox.0], "query_operator": null});
    let answer = filter(json!([open, here])).await;
    let found = answer.json();
    assert_eq!((&found["meta"]["all_count"], &found["payload"][0]["id"]), (&json!(1), &json!(1)), "{}", answer.text);
    let none =
        json!({"attribute_key": "labels", "filter_operator": "is_present", "values": [], "query_operator": null});
    assert_eq!(filter(json!([open, none])).await.json()["payload"], json!([]));
    let subject = json!({"attribute_key": "mail_subject", "filter_operator": "contains", "values": ["VOICE"]});
    assert_eq!(filter(json!([subject])).await.json()["meta"]["all_count"], 1);
    assert_eq!(filter(json!([])).await.json()["meta"]["all_count"], 1);
    for (key, operator, values) in [
        ("referer", "is_present", json!([])),
        ("c.id; DROP", "is_present", json!([])),
        ("status", "contains", json!(["open"])),
        ("status", "equal_to", json!(["opne"])),
        ("created_at", "is_less_than", json!(["yesterday"])),
        ("inbox_id", "equal_to", json!([{"id": 1}])),
    ] {
        let refused = filter(json!([{"attribute_key": key, "filter_operator": operator, "values": values}])).await;
        assert_refusal(&refused, 422, "invalid");
        assert!(refused.json()["message"].as_str().is_some_and(|words| words.contains(key)), "{}", refused.text);
    }
    let unknown = filter(json!([{"attribute_key": "status", "filter_operator": "is", "values": []}])).await;
    assert_eq!(unknown.status.as_u16(), 400);
    let many: Vec<Value> = vec![open; 31];
    assert_eq!(filter(json!(many)).await.status.as_u16(), 400);
}

#[tokio::test]
async fn the_same_is_done_to_many_and_badges_and_lists_follow() {
    let Desk { world, inbox } = desk().await;
    let label = ok(&world, Method::POST, "~/labels", json!({"title": "vip"})).await["id"].clone();
    let me = world.ours.user_id.0;
    let many =
        json!({"type": "Conversation", "ids": [1, 77], "fields": {"assignee_id": me}, "labels": {"add": ["vip"]}});
    assert_eq!(world.json(Method::POST, "~/bulk_actions", &many).await.text, "");
    let shown = world.get("~/conversations/1").await.json();
    assert_eq!((&shown["labels"], &shown["meta"]["assignee"]["id"]), (&json!(["vip"]), &json!(me)));
    let counts = world.get("~/conversations/unread_counts").await.json()["payload"].clone();
    let of = |id: &Value| json!({id.to_string(): 1});
    assert_eq!(
        counts,
        json!({"all_count": 1, "mine_count": 1, "unassigned_count": 0, "inboxes": of(&json!(inbox.0)), "teams": {}, "labels": of(&label)})
    );
    ok(
        &world,
        Method::POST,
        "~/bulk_actions",
        json!({"type": "Conversation", "ids": [1], "fields": {"status": "resolved"}}),
    )
    .await;
    assert_eq!(world.get("~/conversations/unread_counts").await.json()["payload"]["all_count"], 0);
    for body in [
        json!({"type": "Conversation", "ids": [1], "fields": {"team_id": 4242}}),
        json!({"type": "Conversation", "ids": [1], "fields": {"assignee_id": world.theirs.user_id.0}}),
        json!({"type": "Conversation", "ids": [1], "labels": {"add": ["no way"]}}),
        json!({"type": "Conversation", "ids": [1], "fields": {"status": "snoozed"}, "snoozed_until": 1}),
    ] {
        assert_refusal(&world.json(Method::POST, "~/bulk_actions", &body).await, 422, "invalid");
    }
    let (_, headers) = agent(&world).await;
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let open = json!({"type": "Conversation", "ids": [1], "fields": {"status": "open"}}).to_string();
    let passed_by = world.send(Method::POST, "~/bulk_actions", &headers, open).await;
    assert_eq!(passed_by.status.as_u16(), 200, "{}", passed_by.text);
    assert_eq!(
        world.get("~/conversations/1").await.json()["status"],
        "resolved",
        "nobody changes what they do not see"
    );
}

#[tokio::test]
async fn an_agent_begins_a_conversation_where_they_are_a_member() {
    let Desk { world, inbox } = desk().await;
    let contact = world.get("~/contacts").await.json()["payload"][0]["id"].clone();
    let new = json!({"inbox_id": inbox.0, "contact_id": contact, "additional_attributes": {"mail_subject": "Hello"},
        "custom_attributes": {"plan": "gold"}, "message": {"content": "Good **day**"}});
    let begun = ok(&world, Method::POST, "~/conversations", new.clone()).await;
    assert_eq!(
        (&begun["id"], &begun["inbox_id"], &begun["status"]),
        (&json!(2), &json!(inbox.0), &json!("open")),
        "bare: {begun}"
    );
    assert_eq!(begun["additional_attributes"]["mail_subject"], "Hello");
    assert_eq!(begun["custom_attributes"], json!({"plan": "gold"}));
    assert_eq!(begun["messages"][0]["delivery"]["state"], "queued", "{begun}");
    let by_address = json!({"inbox_id": inbox.0, "source_id": "ada@customer.example"});
    let silent = ok(&world, Method::POST, "~/conversations", by_address).await;
    assert_eq!(
        (&silent["id"], &silent["messages"], &silent["meta"]["sender"]["id"]),
        (&json!(3), &json!([]), &contact)
    );
    for (body, field) in [
        (json!({"inbox_id": 4242, "contact_id": contact}), "inbox_id"),
        (json!({"inbox_id": inbox.0, "contact_id": 4242}), "contact_id"),
        (json!({"inbox_id": inbox.0}), "contact_id"),
        (json!({"inbox_id": inbox.0, "contact_id": contact, "message": {"content": " "}}), "content"),
        (json!({"inbox_id": inbox.0, "contact_id": contact, "team_id": 4242}), "team_id"),
        (json!({"inbox_id": inbox.0, "contact_id": contact, "assignee_id": world.theirs.user_id.0}), "assignee_id"),
        (
            json!({"inbox_id": inbox.0, "contact_id": contact, "additional_attributes": {"mail_subject": 5}}),
            "mail_subject",
        ),
    ] {
        let refused = world.json(Method::POST, "~/conversations", &body).await;
        assert_refusal(&refused, 422, "invalid");
        assert_eq!(refused.json()["attributes"], json!([field]));
    }
    assert_eq!(
        world.get("~/conversations/meta?status=all").await.json()["meta"]["all_count"],
        3,
        "what is refused leaves nothing"
    );
    let (_, headers) = agent(&world).await;
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let outside = world.send(Method::POST, "~/conversations", &headers, new.to_string()).await;
    assert_refusal(&outside, 422, "invalid");
}

#[tokio::test]
async fn administrators_delete_conversations_and_take_members_out_and_agents_do_not() {
    let Desk { world, inbox } = desk().await;
    let (id, headers) = agent(&world).await;
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let members = json!({"inbox_id": inbox.0, "user_ids": [id]});
    let ask = async |method: Method, path: &str| world.send(method, path, &headers, members.to_string()).await;
    assert_refusal(&ask(Method::DELETE, "~/conversations/1").await, 404, "not_found");
    ok(&world, Method::POST, "~/inbox_members", members.clone()).await;
    assert_refusal(&ask(Method::DELETE, "~/conversations/1").await, 403, "forbidden");
    assert_refusal(&ask(Method::DELETE, "~/inbox_members").await, 403, "forbidden");
    ok(&world, Method::DELETE, "~/inbox_members", members.clone()).await;
    assert_eq!(world.get(&format!("~/inbox_members/{inbox}")).await.json()["payload"], json!([]));
    ok(&world, Method::DELETE, "~/inbox_members", members.clone()).await;
    assert_refusal(&ask(Method::GET, "~/conversations/1").await, 404, "not_found");
    let nowhere = json!({"inbox_id": 4242, "user_ids": []});
    assert_refusal(&world.json(Method::DELETE, "~/inbox_members", &nowhere).await, 404, "not_found");
    ok(&world, Method::DELETE, "~/conversations/1", json!({})).await;
    assert_refusal(&world.get("~/conversations/1").await, 404, "not_found");
    assert_refusal(&world.json(Method::DELETE, "~/conversations/1", &json!({})).await, 404, "not_found");
}
