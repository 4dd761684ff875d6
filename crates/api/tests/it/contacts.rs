//! Contacts over the API: their shapes, their refusals, and what stands beside them.

use crate::desk::{Desk, desk};
use crate::searching::index;
use crate::world::{PASSWORD, World, assert_refusal};
use poem::http::{Method, StatusCode};
use serde_json::{Value, json};

async fn made(world: &World, body: &Value) -> i64 {
    let answer = world.json(Method::POST, "~/contacts", body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.json()["payload"]["contact"]["id"].as_i64().expect("an id")
}

#[tokio::test]
async fn a_contact_is_made_shown_changed_found_and_listed_in_chatwoots_shapes() {
    let Desk { world, inbox } = desk().await;
    let new = json!({
        "name": " Grace ", "email": "Grace@Customer.example", "phone_number": "+4917012345", "identifier": "crm-7",
        "custom_attributes": {"plan": "gold"}, "additional_attributes": {"city": "Paris"}, "inbox_id": inbox.0,
    });
    let made = world.json(Method::POST, "~/contacts", &new).await.json();
    let (contact, known) = (&made["payload"]["contact"], &made["payload"]["contact_inbox"]);
    assert_eq!((&contact["name"], &contact["email"]), (&json!("Grace"), &json!("Grace@Customer.example")));
    assert_eq!((&known["source_id"], &known["inbox"]["id"]), (&json!("Grace@Customer.example"), &json!(inbox.0)));
    assert_eq!(contact["contact_inboxes"], json!([known]));
    let path = format!("~/contacts/{}", contact["id"]);
    assert_eq!(world.get(&path).await.json()["payload"], *contact);

    let change = json!({"name": "Grace H.", "phone_number": null, "custom_attributes": {"size": 3}, "blocked": true});
    for method in [Method::PUT, Method::PATCH] {
        let changed = world.json(method, &path, &change).await.json();
        assert_eq!(
            (&changed["payload"]["name"], &changed["payload"]["phone_number"]),
            (&json!("Grace H."), &Value::Null)
        );
        assert_eq!(changed["payload"]["custom_attributes"], json!({"plan": "gold", "size": 3}));
        assert_eq!(
            (&changed["payload"]["blocked"], &changed["payload"]["identifier"]),
            (&json!(true), &json!("crm-7"))
        );
    }
    index(&world).await;
    let found = world.get("~/contacts/search?q=grace%20h&include_contact_inboxes=true").await.json();
    assert_eq!(found["meta"], json!({"count": 1, "current_page": 1, "has_more": false}));
    assert_eq!(found["payload"][0]["contact_inboxes"][0]["inbox"]["name"], "Support");
    assert_eq!(world.get("~/contacts/search?q=crm-7").await.json()["meta"]["count"], 1);
    let filter = json!({"payload": [{"attribute_key": "city", "filter_operator": "equal_to", "values": ["paris"]}]});
    let filtered = world.json(Method::POST, "~/contacts/filter", &filter).await.json();
    assert_eq!((&filtered["meta"]["count"], &filtered["payload"][0]["name"]), (&json!(1), &json!("Grace H.")));
    let labels = world.json(Method::POST, &format!("{path}/labels"), &json!({"labels": ["VIP", "vip", "new"]})).await;
    assert_eq!(labels.json(), json!({"payload": ["new", "vip"]}));
    assert_eq!(world.get(&format!("{path}/labels")).await.json(), labels.json());
    let listed = world.get("~/contacts?labels[]=vip").await.json();
    assert_eq!((&listed["meta"]["count"], listed["payload"][0].get("contact_inboxes")), (&json!(1), None));
    assert_eq!(world.get("~/contacts?labels[]=other").await.json()["meta"]["count"], 0);
    // A label that is called otherwise marks contacts as it marks conversations.
    let label = world.json(Method::POST, "~/labels", &json!({"title": "vip"})).await.json()["id"].clone();
    world.json(Method::PATCH, &format!("~/labels/{label}"), &json!({"title": "dear"})).await;
    assert_eq!(world.get(&format!("{path}/labels")).await.json(), json!({"payload": ["dear", "new"]}));
}

#[tokio::test]
async fn what_cannot_be_a_contact_is_refused_with_the_field_it_is_about() {
    let Desk { world, .. } = desk().await;
    let other = made(&world, &json!({"name": "Other", "phone_number": "+4917012345", "identifier": "taken"})).await;
    for (body, field) in [
        (json!({"email": "nobody"}), "email"),
        (json!({"email": "ADA@customer.example"}), "email"),
        (json!({"phone_number": "0170 12345"}), "phone_number"),
        (json!({"phone_number": "+4917012345"}), "phone_number"),
        (json!({"identifier": "taken"}), "identifier"),
        (json!({"custom_attributes": {"long": "x".repeat(70_000)}}), "custom_attributes"),
    ] {
        for (method, path) in [(Method::POST, "~/contacts"), (Method::PUT, "~/contacts/1")] {
            // Their own address is Ada's.
            if method == Method::PUT && body["email"] == "ADA@customer.example" {
                continue;
            }
            let answer = world.json(method, path, &body).await;
            assert_refusal(&answer, 422, "invalid");
            assert_eq!(answer.json()["attributes"], json!([field]), "{body}");
        }
    }
    for (body, status) in [
        (json!({"name": 5}), 400),
        (json!({"name": "x".repeat(256)}), 400),
        (json!({"name": "a\u{0}b"}), 400),
        (json!({"custom_attributes": []}), 400),
        (json!({"inbox_id": 99}), 404),
    ] {
        assert_eq!(world.json(Method::POST, "~/contacts", &body).await.status.as_u16(), status, "{body}");
    }
    assert_refusal(&world.get("~/contacts/search?q=%20").await, 400, "bad_request");
    assert_refusal(&world.json(Method::PUT, "~/contacts/99", &json!({"name": "x"})).await, 404, "not_found");
    let unknown = json!({"payload": [{"attribute_key": "secret", "filter_operator": "equal_to", "values": ["x"]}]});
    assert_refusal(&world.json(Method::POST, "~/contacts/filter", &unknown).await, 422, "invalid");
    assert_refusal(&world.json(Method::POST, "~/contacts/filter", &json!({"payload": []})).await, 400, "invalid_body");
    let itself = json!({"base_contact_id": other, "mergee_contact_id": other});
    assert_refusal(&world.json(Method::POST, "~/actions/contact_merge", &itself).await, 422, "invalid");
}

#[tokio::test]
async fn notes_conversations_files_and_inboxes_stand_beside_a_contact() {
    let Desk { world, inbox } = desk().await;
    let note = world.json(Method::POST, "~/contacts/1/notes", &json!({"content": "likes tea"})).await.json();
    assert_eq!((&note["content"], &note["contact_id"]), (&json!("likes tea"), &json!(1)));
    assert_eq!(note["user"]["email"], "admin@contoso.example");
    let path = format!("~/contacts/1/notes/{}", note["id"]);
    assert_eq!(world.get(&path).await.json(), note);
    let changed = world.json(Method::PATCH, &path, &json!({"content": "likes coffee"})).await.json();
    assert_eq!(world.get("~/contacts/1/notes").await.json(), json!([changed]));
    assert_refusal(&world.json(Method::POST, "~/contacts/1/notes", &json!({"content": " "})).await, 422, "invalid");
    let other = made(&world, &json!({"name": "Other"})).await;
    let elsewhere = format!("~/contacts/{other}/notes/{}", note["id"]);
    assert_refusal(&world.get(&elsewhere).await, 404, "not_found");
    assert_refusal(&world.json(Method::DELETE, &elsewhere, &json!({})).await, 404, "not_found");
    assert_eq!(world.json(Method::DELETE, &path, &json!({})).await.status, StatusCode::OK);
    assert_eq!(world.get("~/contacts/1/notes").await.json(), json!([]));

    assert_eq!(world.get("~/contacts/1/conversations").await.json()["payload"][0]["id"], 1);
    let files = world.get("~/contacts/1/attachments").await.json();
    assert_eq!((&files["meta"]["total_count"], &files["payload"][0]["file_name"]), (&json!(1), &json!("ünvoice.html")));
    let reachable = world.get("~/contacts/1/contactable_inboxes").await.json();
    assert_eq!(reachable["payload"][0]["source_id"], "ada@customer.example");
    assert_eq!(reachable["payload"][0]["inbox"]["id"], inbox.0);
    assert_eq!(world.get(&format!("~/contacts/{other}/contactable_inboxes")).await.json()["payload"], json!([]));
    let known = json!({"inbox_id": inbox.0, "source_id": "other@customer.example"});
    let known = world.json(Method::POST, &format!("~/contacts/{other}/contact_inboxes"), &known).await.json();
    assert_eq!((&known["source_id"], &known["inbox"]["name"]), (&json!("other@customer.example"), &json!("Support")));
}

#[tokio::test]
async fn contacts_are_merged_and_only_administrators_delete_one() {
    let Desk { world, .. } = desk().await;
    let other = made(&world, &json!({"name": "Other", "email": "other@customer.example", "identifier": "crm-1"})).await;
    let merged = json!({"base_contact_id": 1, "mergee_contact_id": other});
    let merged = world.json(Method::POST, "~/actions/contact_merge", &merged).await.json();
    assert_eq!((&merged["id"], &merged["identifier"], &merged["name"]), (&json!(1), &json!("crm-1"), &json!("Ada")));
    assert_refusal(&world.get(&format!("~/contacts/{other}")).await, 404, "not_found");
    let new = json!({"name": "Grace", "email": "grace@contoso.example", "password": PASSWORD});
    world.json(Method::POST, "~/agents", &new).await;
    let signed_in = world.sign_in("grace@contoso.example", &[]).await;
    let session = [
        ("access-token", signed_in.header("access-token")),
        ("client", signed_in.header("client")),
        ("uid", "grace@contoso.example"),
    ];
    assert_refusal(&world.send(Method::DELETE, "~/contacts/1", &session, ()).await, 403, "forbidden");
    assert_eq!(world.json(Method::DELETE, "~/contacts/1", &json!({})).await.status, StatusCode::OK);
    for path in ["~/contacts/1", "~/contacts/1/notes", "~/contacts/1/labels", "~/contacts/1/conversations"] {
        assert_refusal(&world.get(path).await, 404, "not_found");
    }
    assert_eq!(world.get("~/contacts").await.json()["meta"]["count"], 0);
}

#[tokio::test]
async fn an_account_defines_fields_of_its_own_and_agents_only_read_them() {
    let Desk { world, .. } = desk().await;
    let new = json!({
        "attribute_display_name": "Plan", "attribute_key": "plan", "attribute_model": "contact_attribute",
        "attribute_display_type": "list", "attribute_values": ["gold", "tin"],
    });
    let made = world.json(Method::POST, "~/custom_attribute_definitions", &new).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text);
    let made = made.json();
    assert_eq!((&made["attribute_key"], &made["attribute_values"]), (&json!("plan"), &json!(["gold", "tin"])));
    assert_refusal(&world.json(Method::POST, "~/custom_attribute_definitions", &new).await, 422, "invalid");
    let path = format!("~/custom_attribute_definitions/{}", made["id"]);
    let change = json!({"attribute_display_name": "Tariff", "attribute_description": "what they pay"});
    let changed = world.json(Method::PATCH, &path, &change).await.json();
    assert_eq!((&changed["attribute_display_name"], &changed["attribute_key"]), (&json!("Tariff"), &json!("plan")));
    assert_eq!(world.get("~/custom_attribute_definitions?attribute_model=1").await.json(), json!([changed]));
    assert_eq!(world.get("~/custom_attribute_definitions?attribute_model=0").await.json(), json!([]));
    assert_refusal(&world.get("~/custom_attribute_definitions?attribute_model=x").await, 400, "bad_request");
    let odd = json!({"attribute_display_name": "X", "attribute_key": "it's"});
    assert_refusal(&world.json(Method::POST, "~/custom_attribute_definitions", &odd).await, 422, "invalid");
    assert_eq!(world.json(Method::DELETE, &path, &json!({})).await.status, StatusCode::OK);
    assert_refusal(&world.get(&path).await, 404, "not_found");
}

#[tokio::test]
async fn a_list_of_contacts_with_their_inboxes_asks_the_database_no_more_often_for_many_than_for_few() {
    let Desk { world, inbox } = desk().await;
    world.get("~/contacts?include_contact_inboxes=true").await;
    let asked = async || {
        let before = world.app.store().statements().count();
        let listed = world.get("~/contacts?include_contact_inboxes=true").await.json();
        (listed["payload"].as_array().map_or(0, Vec::len), world.app.store().statements().count() - before)
    };
    let (few, of_few) = asked().await;
    for n in 0..20 {
        made(&world, &json!({"name": format!("C{n}"), "email": format!("c{n}@x.example"), "inbox_id": inbox.0})).await;
    }
    let (many, of_many) = asked().await;
    assert_eq!((few, many), (1, 15));
    assert_eq!(of_few, of_many);
}
