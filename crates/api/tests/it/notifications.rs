//! What people are told about: each their own, nobody of their own doing, and of nothing they may not see.

use crate::desk::{Desk, desk};
use crate::events::{agent, everybody_is_told, note};
use crate::world::{World, assert_refusal};
use poem::http::Method;
use serde_json::{Value, json};

/// A desk with an agent who is a member of its inbox.
async fn with_bea() -> (Desk, i64, String) {
    let desk = desk().await;
    let (id, bea) = agent(&desk.world, "bea").await;
    join(&desk, &[id]).await;
    (desk, id, bea)
}

async fn join(desk: &Desk, users: &[i64]) {
    let members = json!({"inbox_id": desk.inbox.0, "user_ids": users});
    assert_eq!(desk.world.json(Method::PATCH, "~/inbox_members", &members).await.status.as_u16(), 200);
}

async fn assign(world: &World, token: &str, user: i64) {
    let body = json!({"assignee_id": user});
    let answer = world.json_as(token, Method::POST, "~/conversations/1/assignments", &body).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
}

async fn list(world: &World, token: &str, query: &str) -> Value {
    let answer = world.send(Method::GET, &format!("~/notifications{query}"), &[("api_access_token", token)], ()).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    answer.json()["data"].clone()
}

async fn unread(world: &World, token: &str) -> Value {
    world.send(Method::GET, "~/notifications/unread_count", &[("api_access_token", token)], ()).await.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_given_a_conversation_is_told_at_once_and_whoever_takes_one_is_not() {
    let (desk, id, bea) = with_bea().await;
    let world = &desk.world;
    let admin = world.ours.access_token.expose().to_owned();
    let (mut hers, mut ours) = (world.follow_as(&bea, "").await, world.follow("").await);
    hers.next().await;
    ours.next().await;
    assign(world, &admin, id).await;
    let told = hers.named("notification.created").await;
    assert_eq!((&told.data["unread_count"], &told.data["count"]), (&json!(1), &json!(1)));
    let notification = &told.data["notification"];
    assert_eq!(notification["notification_type"], "conversation_assignment");
    assert_eq!(notification["push_message_title"], "A conversation (#1) has been assigned to you");
    assert_eq!(
        (&notification["primary_actor_type"], &notification["primary_actor"]["id"]),
        (&json!("Conversation"), &json!(1))
    );
    assert_eq!(notification["primary_actor"]["meta"]["assignee"]["id"], id);
    // Nobody else hears of it.
    everybody_is_told(world).await;
    let others = ours.until(|told| told.event == "contact.updated").await;
    assert!(others.iter().all(|told| !told.event.starts_with("notification.")), "{others:?}");

    let listed = list(world, &bea, "").await;
    assert_eq!(listed["meta"], json!({"unread_count": 1, "count": 1, "current_page": 1}));
    let mut first = listed["payload"][0].clone();
    assert_eq!(first["user"]["id"], id);
    first["user"] = Value::Null;
    assert_eq!(&first, notification, "lists and events show the same");
    assert_eq!((unread(world, &bea).await, unread(world, &admin).await), (json!(1), json!(0)));
    // She gives it to herself, having given it away.
    assign(world, &bea, 1).await;
    assert_eq!(list(world, &admin, "").await["payload"][0]["notification_type"], "conversation_assignment");
    world.json_as(&bea, Method::POST, "~/notifications/destroy_all", &json!({})).await;
    assign(world, &bea, id).await;
    assert_eq!(list(world, &bea, "?includes[]=read").await["payload"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_in_ones_conversation_and_being_named_in_a_note_are_told_once() {
    let (desk, id, bea) = with_bea().await;
    let world = &desk.world;
    let (cid, his) = agent(world, "cid").await;
    assign(world, &bea, id).await;
    note(world, "hello").await;
    let kind = |data: &Value| data["payload"][0]["notification_type"].clone();
    let listed = list(world, &bea, "").await;
    assert_eq!((kind(&listed), &listed["meta"]["count"]), (json!("assigned_conversation_new_message"), &json!(1)));
    assert_eq!(listed["payload"][0]["push_message_body"], "admin: hello");
    // Named in a note, that is what she is told; he is named and does not see the inbox, the author names themselves.
    note(
        world,
        &format!("[@Bea](mention://user/{id}/Bea) [@Cid](mention://user/{cid}/Cid) [@me](mention://user/1/admin)"),
    )
    .await;
    let listed = list(world, &bea, "").await;
    assert_eq!(
        (kind(&listed), &listed["meta"]["count"]),
        (json!("conversation_mention"), &json!(1)),
        "one for a conversation"
    );
    assert_eq!(list(world, &his, "").await["meta"]["count"], 0);
    assert_eq!(list(world, world.ours.access_token.expose(), "").await["meta"]["count"], 0);
    // Of one's own words one is not told.
    world.json_as(&bea, Method::POST, "~/notifications/destroy_all", &json!({"type": "all"})).await;
    let own = json!({"content": "my own", "private": true});
    assert_eq!(world.json_as(&bea, Method::POST, "~/conversations/1/messages", &own).await.status.as_u16(), 200);
    assert_eq!(list(world, &bea, "").await["meta"]["count"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_is_read_put_off_and_deleted_by_its_person_alone() {
    let (desk, id, bea) = with_bea().await;
    let world = &desk.world;
    let admin = world.ours.access_token.expose().to_owned();
    assign(world, &admin, id).await;
    let one = list(world, &bea, "").await["payload"][0].clone();
    let path = format!("~/notifications/{}", one["id"]);
    for (method, path) in
        [(Method::PATCH, path.clone()), (Method::POST, format!("{path}/unread")), (Method::DELETE, path.clone())]
    {
        let refused = world.json_as(&admin, method, &path, &json!({})).await;
        assert_refusal(&refused, 404, "not_found");
    }
    let mut hers = world.follow_as(&bea, "").await;
    hers.next().await;
    let read = world.json_as(&bea, Method::PATCH, &path, &json!({})).await;
    assert!(read.json()["read_at"].is_string(), "{}", read.text);
    let told = hers.named("notification.updated").await;
    assert_eq!((&told.data["unread_count"], &told.data["count"]), (&json!(0), &json!(1)));
    assert_eq!(list(world, &bea, "").await["meta"]["count"], 0);
    assert_eq!(list(world, &bea, "?includes[]=read").await["meta"]["count"], 1);
    let again = world.json_as(&bea, Method::POST, &format!("{path}/unread"), &json!({})).await;
    assert!(again.json()["read_at"].is_null(), "{}", again.text);

    let past = world.json_as(&bea, Method::POST, &format!("{path}/snooze"), &json!({"snoozed_until": 1})).await;
    assert_refusal(&past, 422, "invalid");
    let until = json!({"snoozed_until": 4_102_444_800_i64});
    let later = world.json_as(&bea, Method::POST, &format!("{path}/snooze"), &until).await;
    assert_eq!(later.json()["snoozed_until"], "2100-01-01T00:00:00.000Z", "{}", later.text);
    assert_eq!((list(world, &bea, "").await["meta"]["count"].clone(), unread(world, &bea).await), (json!(0), json!(0)));
    assert_eq!(list(world, &bea, "?includes[]=snoozed").await["meta"]["count"], 1);
    // What happens next is told all the same.
    note(world, "news").await;
    assert_eq!(unread(world, &bea).await, json!(1));

    let about = json!({"primary_actor_type": "Conversation", "primary_actor_id": 4_242});
    assert_eq!(world.json_as(&bea, Method::POST, "~/notifications/read_all", &about).await.status.as_u16(), 200);
    assert_eq!(unread(world, &bea).await, json!(1), "it is about another one");
    let about = json!({"primary_actor_type": "Conversation", "primary_actor_id": one["primary_actor_id"]});
    assert_eq!(world.json_as(&bea, Method::POST, "~/notifications/read_all", &about).await.status.as_u16(), 200);
    assert_eq!(unread(world, &bea).await, json!(0));
    let deleted = world.json_as(&bea, Method::DELETE, &path, &json!({})).await;
    assert_eq!((deleted.status.as_u16(), deleted.text.as_str()), (200, ""));
    assert_eq!(list(world, &bea, "?includes[]=read").await["meta"]["count"], 0);
    assert_refusal(&world.json_as(&bea, Method::DELETE, &path, &json!({})).await, 404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_inbox_that_one_does_not_see_any_more_one_is_shown_nothing() {
    let (desk, id, bea) = with_bea().await;
    let world = &desk.world;
    assign(world, world.ours.access_token.expose(), id).await;
    let one = list(world, &bea, "").await["payload"][0]["id"].clone();
    join(&desk, &[]).await;
    assert_eq!(
        list(world, &bea, "").await,
        json!({"meta": {"unread_count": 0, "count": 0, "current_page": 1}, "payload": []})
    );
    assert_eq!(unread(world, &bea).await, json!(0));
    let refused = world.json_as(&bea, Method::PATCH, &format!("~/notifications/{one}"), &json!({})).await;
    assert_refusal(&refused, 404, "not_found");
    // She is still the assignee, and is told of nothing more.
    note(world, "secret").await;
    join(&desk, &[id]).await;
    assert_eq!(list(world, &bea, "").await["payload"][0]["notification_type"], "conversation_assignment");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_ones_own_and_begin_as_chatwoots_do() {
    let (desk, id, bea) = with_bea().await;
    let world = &desk.world;
    let settings = world.send(Method::GET, "~/notification_settings", &[("api_access_token", &bea)], ()).await.json();
    assert_eq!(
        (&settings["user_id"], &settings["selected_email_flags"]),
        (&json!(id), &json!(["email_conversation_assignment"]))
    );
    assert_eq!(settings["all_push_flags"].as_array().map(Vec::len), Some(5));
    let change = json!({"notification_settings": {"selected_push_flags": ["push_conversation_creation", "push_conversation_creation"]}});
    let set = world.json_as(&bea, Method::PUT, "~/notification_settings", &change).await;
    assert_eq!(set.json()["selected_push_flags"], json!(["push_conversation_creation"]), "{}", set.text);
    assert_eq!(set.json()["selected_email_flags"], json!(["email_conversation_assignment"]), "{}", set.text);
    let others = world.get("~/notification_settings").await.json();
    assert_eq!(others["selected_push_flags"], json!(["push_conversation_assignment"]));
    let wrong = json!({"notification_settings": {"selected_push_flags": ["push_everything"]}});
    assert_refusal(&world.json_as(&bea, Method::PUT, "~/notification_settings", &wrong).await, 400, "invalid_body");
}
