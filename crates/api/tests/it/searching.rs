//! Search over the API: what is found, in which shapes, and by whom.

use crate::desk::{Desk, desk};
use crate::world::{World, assert_refusal};
use poem::http::{Method, StatusCode};
use serde_json::json;

/// As the worker does, to the end.
pub async fn index(world: &World) {
    while app::search::index_some(&world.app).await.expect("indexes") {}
}

#[tokio::test]
async fn a_search_finds_the_conversation_the_message_with_an_excerpt_and_the_contact() {
    let Desk { world, inbox } = desk().await;
    index(&world).await;
    let all = world.get("~/search?q=invoice").await;
    assert_eq!(all.status, StatusCode::OK, "{}", all.text);
    let payload = &all.json()["payload"];
    assert_eq!(payload["articles"], json!([]));
    assert_eq!(payload["contacts"], json!([]), "no contact is called so");
    let (conversation, message) = (&payload["conversations"][0], &payload["messages"][0]);
    assert_eq!((&conversation["id"], &conversation["contact"]["name"]), (&json!(1), &json!("Ada")));
    assert_eq!(conversation["message"]["content"], "Where is my invoice?");
    assert_eq!((&message["conversation_id"], &message["excerpt"]), (&json!(1), &json!("Where is my invoice?")));
    assert_eq!(
        message["inbox"],
        json!({"id": inbox.0, "name": "Support", "channel_id": 1, "channel_type": "Channel::Email"})
    );
    assert_eq!(message["sender"]["type"], "contact");
    assert_eq!(
        world.get("~/search/messages?q=invoice").await.json()["payload"],
        json!({"messages": payload["messages"]})
    );
    let only = world.get("~/search/conversations?q=invoice").await.json();
    assert_eq!(only["payload"], json!({"conversations": payload["conversations"]}));
    let ada = world.get("~/search/contacts?q=customer.exam").await.json();
    assert_eq!(ada["payload"]["contacts"][0]["email"], "ada@customer.example");
    let counted = world.get("~/conversations/search?q=ada%20inv").await.json();
    assert_eq!((&counted["meta"]["all_count"], &counted["payload"][0]["id"]), (&json!(1), &json!(1)));
    let listed = world.get("~/conversations?q=invoice").await.json();
    assert_eq!(listed["data"]["payload"][0]["id"], 1);
    // The file's name, the number, and the second page, on which there is nothing.
    assert_eq!(world.get("~/search/messages?q=%C3%BCnvoice.html").await.json()["payload"]["messages"][0]["id"], 1);
    assert_eq!(world.get("~/search/conversations?q=%231").await.json()["payload"]["conversations"][0]["id"], 1);
    assert_eq!(world.get("~/search/messages?q=invoice&page=2").await.json()["payload"]["messages"], json!([]));
}

#[tokio::test]
async fn who_is_no_member_of_the_inbox_finds_nothing_in_it_and_another_account_nothing_at_all() {
    let Desk { world, inbox } = desk().await;
    index(&world).await;
    let new = json!({"name": "Grace", "email": "grace@contoso.example", "password": crate::world::PASSWORD});
    let grace = world.json(Method::POST, "~/agents", &new).await.json()["id"].as_i64().expect("an id");
    let signed_in = world.sign_in("grace@contoso.example", &[]).await;
    let session = [
        ("access-token", signed_in.header("access-token")),
        ("client", signed_in.header("client")),
        ("uid", "grace@contoso.example"),
    ];
    let as_grace = async |path: &str| world.send(Method::GET, path, &session, ()).await.json();
    let nothing = json!({"payload": {"conversations": [], "messages": [], "contacts": [], "articles": []}});
    assert_eq!(as_grace("~/search?q=invoice").await, nothing);
    assert_eq!(as_grace("~/conversations/search?q=invoice").await["meta"]["all_count"], 0);
    assert_eq!(as_grace("~/search?q=ada").await["payload"]["conversations"], json!([]));
    let member = json!({"inbox_id": inbox.0, "user_ids": [grace]});
    assert_eq!(world.json(Method::POST, "~/inbox_members", &member).await.status, StatusCode::OK);
    assert_eq!(as_grace("~/search?q=invoice").await["payload"]["messages"][0]["id"], 1);

    let theirs = [("api_access_token", world.theirs.access_token.expose())];
    let foreign = world.send(Method::GET, "~/search?q=invoice", &theirs, ()).await;
    assert_refusal(&foreign, 404, "not_found");
    let own = format!("/api/v1/accounts/{}/search?q=invoice", world.theirs.account_id);
    assert_eq!(world.send(Method::GET, &own, &theirs, ()).await.json(), nothing);
}

#[tokio::test]
async fn a_search_takes_any_text_that_is_not_too_long() {
    let Desk { world, .. } = desk().await;
    index(&world).await;
    for q in ["", "%20", "%22", "*", "a:b", "'", "%28%29", "%F0%9F%98%80", "NOT", "%2B%2B"] {
        let found = world.get(&format!("~/search?q={q}")).await;
        assert_eq!(found.status, StatusCode::OK, "{q}: {}", found.text);
        assert_eq!(found.json()["payload"]["messages"], json!([]), "{q}");
    }
    assert_refusal(&world.get(&format!("~/search?q={}", "x".repeat(201))).await, 400, "bad_request");
    assert_eq!(world.get("~/search").await.json()["payload"]["messages"], json!([]));
    assert_eq!(world.get("~/conversations/search").await.json()["meta"]["all_count"], 0);
    assert_refusal(&world.get("~/search?q=a%00b").await, 400, "bad_request");
    assert_refusal(&world.get("~/search?q=a&page=10001").await, 400, "bad_request");
}

#[tokio::test]
async fn what_an_agent_writes_is_found_and_what_they_delete_is_not() {
    let Desk { world, .. } = desk().await;
    index(&world).await;
    let note = json!({"content": "A **peculiar** note", "private": true});
    let note =
        world.json(Method::POST, "~/conversations/1/messages", &note).await.json()["id"].as_i64().expect("an id");
    index(&world).await;
    let found = world.get("~/search/messages?q=peculiar").await.json();
    assert_eq!(found["payload"]["messages"][0]["id"], note);
    let gone = world.json(Method::DELETE, &format!("~/conversations/1/messages/{note}"), &json!({})).await;
    assert_eq!(gone.status, StatusCode::OK, "{}", gone.text);
    assert_eq!(world.get("~/search/messages?q=peculiar").await.json()["payload"]["messages"], json!([]));
    index(&world).await;
    assert_eq!(world.get("~/search/messages?q=peculiar").await.json()["payload"]["messages"], json!([]));
}
