//! Inboxes as administrators change them, several at once among them.

use crate::desk::{Desk, desk};
use poem::http::Method;
use serde_json::json;

#[tokio::test]
async fn two_who_change_different_things_of_an_inbox_at_once_both_have_their_way() {
    let Desk { world, inbox } = desk().await;
    let path = format!("~/inboxes/{inbox}");
    for round in 0..20 {
        let (greeting, business) = (format!("Hello {round}"), format!("Contoso {round}"));
        let (greeting_change, business_change) =
            (json!({"greeting_message": greeting}), json!({"business_name": business}));
        let (one, other) = tokio::join!(
            world.json(Method::PATCH, &path, &greeting_change),
            world.json(Method::PATCH, &path, &business_change)
        );
        assert_eq!((one.status.as_u16(), other.status.as_u16()), (200, 200), "{} {}", one.text, other.text);
        let shown = world.get(&path).await.json();
        assert_eq!(
            (&shown["greeting_message"], &shown["business_name"]),
            (&json!(greeting), &json!(business)),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn two_who_add_members_at_once_both_have_their_way() {
    let Desk { world, inbox } = desk().await;
    for round in 0..10 {
        let mut added = Vec::new();
        for name in ["bob", "eve"] {
            let body = json!({"name": name, "email": format!("{name}{round}@contoso.example"), "role": "agent"});
            added.push(world.json(Method::POST, "~/agents", &body).await.json()["id"].clone());
        }
        let add = |id| json!({"inbox_id": inbox.0, "user_ids": [id]});
        let (bob, eve) = (add(&added[0]), add(&added[1]));
        tokio::join!(
            world.json(Method::POST, "~/inbox_members", &bob),
            world.json(Method::POST, "~/inbox_members", &eve)
        );
        let members = world.get(&format!("~/inbox_members/{inbox}")).await.json();
        let ids: Vec<_> = members["payload"].as_array().expect("a list").iter().map(|m| m["id"].clone()).collect();
        assert!(added.iter().all(|id| ids.contains(id)), "{ids:?} without one of {added:?}");
    }
}
