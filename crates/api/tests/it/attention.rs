//! Who types, who looks at what and who is there: told to those who may see it, and kept nowhere.

use crate::desk::desk;
use crate::events::{agent, everybody_is_told};
use crate::world::{World, assert_refusal};
use poem::http::Method;
use serde_json::json;

async fn typing(world: &World, token: &str, status: &str) -> u16 {
    let body = json!({"typing_status": status, "is_private": true});
    world.json_as(token, Method::POST, "~/conversations/1/toggle_typing_status", &body).await.status.as_u16()
}

async fn viewing(world: &World, token: &str, viewing: bool) -> u16 {
    let body = json!({"viewing": viewing});
    world.json_as(token, Method::POST, "~/conversations/1/viewing", &body).await.status.as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn that_somebody_types_is_told_to_others_who_see_the_conversation_and_not_to_themselves() {
    let desk = desk().await;
    let world = &desk.world;
    let (id, bea) = agent(world, "bea").await;
    let (_, cid) = agent(world, "cid").await;
    let admin = world.ours.access_token.expose();
    assert_eq!(typing(world, &bea, "on").await, 404, "an inbox that is not hers");
    let members = json!({"inbox_id": desk.inbox.0, "user_ids": [id]});
    assert_eq!(world.json(Method::POST, "~/inbox_members", &members).await.status.as_u16(), 200);
    let (mut ours, mut hers, mut his) =
        (world.follow("").await, world.follow_as(&bea, "").await, world.follow_as(&cid, "").await);
    for stream in [&mut ours, &mut hers, &mut his] {
        stream.next().await;
    }
    for status in ["on", "off"] {
        assert_eq!(typing(world, &bea, status).await, 200);
        let told = ours.named(&format!("conversation.typing_{status}")).await;
        assert_eq!(
            told.data,
            json!({"account_id": world.ours.account_id.0, "conversation": {"id": 1}, "is_private": true, "user": {"id": id, "name": "bea", "type": "user"}})
        );
        assert_eq!(told.id, None);
    }
    // One that is told to all comes first at those who were not told before.
    assert_eq!(typing(world, admin, "on").await, 200);
    assert_eq!(hers.named("conversation.typing_on").await.data["user"]["name"], "admin");
    everybody_is_told(world).await;
    loop {
        let told = his.try_next().await.expect("it goes on");
        assert!(!told.event.starts_with("conversation."), "{told:?}");
        if told.event == "contact.updated" {
            break;
        }
    }
    for wrong in [json!({}), json!({"typing_status": "perhaps"}), json!({"typing_status": "on", "is_private": "x"})] {
        let answer = world.json(Method::POST, "~/conversations/1/toggle_typing_status", &wrong).await;
        assert_refusal(&answer, 400, "invalid_body");
    }
    let none =
        world.json(Method::POST, "~/conversations/77/toggle_typing_status", &json!({"typing_status": "on"})).await;
    assert_refusal(&none, 404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_at_a_conversation_is_told_when_it_changes_and_to_whoever_comes_later() {
    let desk = desk().await;
    let world = &desk.world;
    let (id, bea) = agent(world, "bea").await;
    assert_eq!(viewing(world, &bea, true).await, 404, "an inbox that is not hers");
    let members = json!({"inbox_id": desk.inbox.0, "user_ids": [id]});
    assert_eq!(world.json(Method::POST, "~/inbox_members", &members).await.status.as_u16(), 200);
    let admin = world.ours.access_token.expose();
    let mut ours = world.follow("").await;
    ours.next().await;
    assert_eq!((viewing(world, admin, true).await, viewing(world, &bea, true).await), (200, 200));
    let admin_looks = json!({"id": 1, "name": "admin"});
    let first = ours.named("conversation.viewing").await.data;
    assert_eq!((&first["conversation"], &first["users"]), (&json!({"id": 1}), &json!([admin_looks])));
    let both = json!([admin_looks, {"id": id, "name": "bea"}]);
    assert_eq!(ours.named("conversation.viewing").await.data["users"], both);
    // Said again, it is nothing new; looking away is.
    assert_eq!((viewing(world, &bea, true).await, viewing(world, admin, false).await), (200, 200));
    let left = json!([{"id": id, "name": "bea"}]);
    assert_eq!(ours.named("conversation.viewing").await.data["users"], left);
    let mut later = world.follow_as(&bea, "").await;
    assert_eq!(later.named("conversation.viewing").await.data["users"], left);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_there_is_told_at_first_and_whenever_it_changes() {
    let desk = desk().await;
    let world = &desk.world;
    let (id, bea) = agent(world, "bea").await;
    let mut ours = world.follow("").await;
    let told = ours.named("presence.update").await;
    // She asked to be offline while she is away, as people are at first; the administrator is there.
    assert_eq!(told.data["users"], json!({"1": "online", id.to_string(): "offline"}), "{told:?}");
    let _hers = world.follow_as(&bea, "").await;
    assert_eq!(ours.named("presence.update").await.data["users"], json!({id.to_string(): "online"}));
    let busy = json!({"availability": "busy"});
    let answer = world.json_as(&bea, Method::PATCH, &format!("~/agents/{id}"), &busy).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    assert_eq!(ours.named("presence.update").await.data["users"], json!({id.to_string(): "busy"}));
    let mut later = world.follow("").await;
    assert_eq!(later.named("presence.update").await.data["users"], json!({"1": "online", id.to_string(): "busy"}));
}
