//! The API's document: committed, the same as the code's, complete, and served with a page that needs nothing from elsewhere.

use crate::world::World;
use serde_json::Value;
use std::collections::BTreeSet;

#[test]
fn the_committed_document_is_the_codes() {
    let committed = include_str!("../../../../openapi/openapi.json");
    assert!(
        committed == api::openapi_json(),
        "openapi/openapi.json is not what the code says; run: cargo run -q -p api --example openapi > openapi/openapi.json"
    );
}

#[test]
fn the_document_is_the_same_every_time() {
    assert_eq!(api::openapi_json(), api::openapi_json());
}

#[test]
fn every_operation_has_a_stable_name_a_chapter_and_its_refusals() {
    let document: Value = serde_json::from_str(&api::openapi_json()).expect("JSON");
    assert_eq!(document["openapi"], "3.0.0");
    let mut names = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let name = operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path} has no name"));
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
            assert!(names.insert(name.to_owned()), "{name} twice");
            assert!(operation["tags"][0].is_string(), "{name} has no chapter");
            assert!(operation["summary"].is_string(), "{name} has no summary");
            let answers = operation["responses"].as_object().expect("responses");
            let has = |status: &str| answers.contains_key(status);
            assert!(has("429"), "{name}: every operation is limited");
            if path.contains("{account_id}") {
                assert!(["401", "403", "404", "500"].into_iter().all(has), "{name}");
                assert!(operation["security"].as_array().is_some_and(|s| s.len() == 4), "{name}");
            }
            if operation["requestBody"].is_object() {
                assert!(["400", "413", "415"].into_iter().all(has), "{name}");
            }
            for (status, answer) in answers {
                if status.starts_with(['4', '5']) {
                    let schema = &answer["content"]["application/json"]["schema"]["$ref"];
                    assert_eq!(schema, "#/components/schemas/ErrorBody", "{name} {status}");
                }
            }
        }
    }
}

#[tokio::test]
async fn the_document_and_its_page_are_served_without_anything_from_elsewhere() {
    let world = World::new().await;
    let document = world.send(poem::http::Method::GET, "/openapi.json", &[], ()).await;
    assert_eq!(document.text, api::openapi_json());
    for path in ["/docs", "/swagger"] {
        let page = world.send(poem::http::Method::GET, path, &[], ()).await;
        assert_eq!(page.status.as_u16(), 200);
        assert!(page.text.contains("SwaggerUIBundle") && page.text.contains("toggle_conversation_status"));
        let policy = page.header("content-security-policy");
        assert!(policy.contains("connect-src 'self'") && !policy.contains("http"), "{policy}");
        assert!(!page.text.contains("<script src=") && !page.text.contains("<link rel=\"stylesheet\""));
    }
}
