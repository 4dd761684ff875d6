//! What clients written for Chatwoot do that none of its documents says.

use crate::desk::{Desk, desk};
use crate::world::{World, assert_refusal};
use poem::http::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_slash_at_the_end_of_an_operations_path_means_nothing() {
    let Desk { world, inbox } = desk().await;
    let shown = world.get(&format!("~/inboxes/{inbox}/")).await;
    assert_eq!(shown.json()["id"], inbox.0, "{}", shown.text);
    assert_eq!(world.get("~/conversations/?status=resolved").await.json()["data"]["meta"]["all_count"], 0);
    let refused = world.json(Method::PUT, "~/inboxes/", &json!({})).await;
    assert_refusal(&refused, 405, "method_not_allowed");
    assert_eq!(refused.header("allow"), "GET, HEAD");
    assert_refusal(&world.get("/api/v1/nowhere/").await, 404, "not_found");
}

#[tokio::test]
async fn a_refusal_lists_its_words_for_people_and_not_for_programs() {
    let world = World::new().await;
    let token = world.ours.access_token.expose();
    for (name, value) in [("api_access_token", token.to_owned()), ("authorization", format!("Bearer {token}"))] {
        let refused = world.send(Method::GET, "~/inboxes/999", &[(name, &value)], ()).await;
        assert_refusal(&refused, 404, "not_found");
        assert_eq!(refused.json().get("errors"), None, "{name}");
    }
    let stranger = world.send(Method::GET, "~/inboxes/999", &[("api_access_token", "wrong")], ()).await;
    assert_eq!((stranger.status.as_u16(), stranger.json().get("errors")), (401, None));
    let signed_in = world.sign_in("admin@contoso.example", &[]).await;
    let headers: Vec<(&str, &str)> =
        ["access-token", "client", "uid"].map(|name| (name, signed_in.header(name))).into();
    let mobile = world.send(Method::GET, "~/inboxes/999", &headers, ()).await.json();
    assert_eq!(mobile["errors"], json!(["Resource could not be found"]));
    assert_eq!(
        world.send(Method::GET, "/api/v1/profile", &[], ()).await.json()["errors"][0].as_str().map(str::is_empty),
        Some(false)
    );
}

#[tokio::test]
async fn labels_are_asked_for_with_brackets_or_without() {
    let Desk { world, .. } = desk().await;
    world.json(Method::POST, "~/conversations/1/labels", &json!({"labels": ["vip"]})).await;
    for (query, count) in [
        ("labels=vip", 1),
        ("labels=other", 0),
        ("labels=other&labels=vip", 1),
        ("labels[]=other&labels=vip", 1),
        ("", 1),
    ] {
        let listed = world.get(&format!("~/conversations?{query}")).await.json();
        assert_eq!(listed["data"]["payload"].as_array().map(Vec::len), Some(count), "{query}");
        assert_eq!(
            world.get(&format!("~/conversations/meta?{query}")).await.json()["meta"]["all_count"],
            count,
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_conversation_is_given_away_and_closed_by_a_patch() {
    let Desk { world, .. } = desk().await;
    let one = "~/conversations/1";
    let me = world.ours.user_id.0;
    let team = world.json(Method::POST, "~/teams", &json!({"name": "sales"})).await.json()["id"].clone();
    world.json(Method::POST, &format!("~/teams/{team}/team_members"), &json!({"user_ids": [me]})).await;
    let change = json!({"assignee_id": me, "team_id": team, "status": "pending", "priority": "high"});
    let changed = world.json(Method::PATCH, one, &change).await.json();
    assert_eq!((&changed["meta"]["assignee"]["id"], &changed["meta"]["team"]["id"]), (&json!(me), &team));
    assert_eq!((&changed["status"], &changed["priority"]), (&json!("pending"), &json!("high")));
    assert_eq!(world.get(one).await.json()["status"], "pending");
    let changed =
        world.json(Method::PATCH, one, &json!({"assignee_id": null, "team_id": 0, "priority": null})).await.json();
    assert_eq!((changed["meta"].get("assignee"), changed["meta"].get("team")), (None, None));
    assert_eq!((&changed["status"], &changed["priority"]), (&json!("pending"), &Value::Null));
    // What cannot be done whole is not done in part.
    let refused = world.json(Method::PATCH, one, &json!({"assignee_id": 4242, "status": "resolved"})).await;
    assert_refusal(&refused, 422, "invalid");
    assert_eq!(world.get(one).await.json()["status"], "pending");
    let past = json!({"status": "snoozed", "snoozed_until": 1});
    assert_eq!(world.json(Method::PATCH, one, &past).await.status.as_u16(), 422);
    assert_refusal(
        &world.json(Method::PATCH, "~/conversations/77", &json!({"status": "open"})).await,
        404,
        "not_found",
    );
}

#[tokio::test]
async fn the_words_of_a_field_are_taken_as_the_numbers_of_chatwoots_document() {
    let world = World::new().await;
    let fields = "~/custom_attribute_definitions";
    let new = json!({"attribute_display_name": "Plan", "attribute_key": "plan", "attribute_display_type": 6, "attribute_model": 1});
    let made = world.json(Method::POST, fields, &new).await.json();
    assert_eq!(
        (&made["attribute_display_type"], &made["attribute_model"]),
        (&json!("list"), &json!("contact_attribute"))
    );
    let path = format!("{fields}/{}", made["id"]);
    let changed = world.json(Method::PATCH, &path, &json!({"attribute_display_type": 0})).await.json();
    assert_eq!(changed["attribute_display_type"], "text");
    for wrong in [json!(8), json!(-1), json!(0.5), json!("6")] {
        let refused = world.json(Method::PATCH, &path, &json!({"attribute_display_type": wrong})).await;
        assert_eq!(refused.status.as_u16(), 400, "{wrong}");
    }
}

#[tokio::test]
async fn a_view_is_kept_for_what_the_query_says_it_is_for() {
    let world = World::new().await;
    let view = json!({"name": "Mine", "type": "contact", "query": {"payload": []}});
    let made = world.json(Method::POST, "~/custom_filters?filter_type=contact", &view).await.json();
    assert_eq!(made["filter_type"], "contact");
    let listed = world.get("~/custom_filters?filter_type=contact").await.json();
    assert_eq!(listed[0]["id"], made["id"]);
}

#[tokio::test]
async fn a_form_that_is_refused_unread_says_that_its_connection_ends() {
    let world = World::new().await;
    let token = ("api_access_token", world.ours.access_token.expose());
    let form = ("content-type", "multipart/form-data; boundary=b");
    let refused = world.send(Method::PATCH, "~/conversations/1/messages/1", &[token, form], "--b--").await;
    assert_eq!((refused.status.as_u16(), refused.header("connection")), (405, "close"));
    let json = world.json(Method::PATCH, "~/conversations/1/messages/1", &json!({})).await;
    assert_eq!((json.status.as_u16(), json.header("connection")), (405, ""));
}
