//! The OpenAPI document (A1): committed, generated from the code, valid, served, and true.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::world::{Setup, World};

fn committed() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi/openapi.json"))
        .expect("openapi/openapi.json")
}

#[test]
fn the_committed_document_is_what_the_code_says() {
    assert_eq!(committed(), api::openapi_json(), "run: cargo run -- openapi --write");
}

/// Every `(method, path, operation)` of the document.
pub fn operations() -> Vec<(String, String, Value)> {
    let document: Value = serde_json::from_str(&committed()).expect("JSON");
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for method in ["get", "post", "put", "patch", "delete"] {
            if item[method].is_object() {
                found.push((method.to_uppercase(), path.clone(), item[method].clone()));
            }
        }
    }
    found
}

#[test]
fn every_operation_has_an_id_and_says_how_it_fails() {
    for (method, path, operation) in operations() {
        assert!(operation["operationId"].is_string(), "{method} {path} has no operationId");
        let answers = operation["responses"].as_object().expect("responses");
        assert!(answers.keys().any(|status| status.starts_with('2')), "{method} {path} has no success");
        assert!(
            path == "/api" || answers.keys().any(|status| status.starts_with('4')),
            "{method} {path} declares no error answer"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_and_its_reference_page_are_served_without_the_network() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let served = w.api.call("GET", "/openapi.json", None).await?;
        assert_eq!(served.body, serde_json::from_str::<Value>(&committed())?);
        let page = w.api.call("GET", "/docs", None).await?;
        assert_eq!(page.status, 200);
        for outside in ["src=\"http", "href=\"http", "//cdn", "fonts.googleapis"] {
            assert!(!page.text.contains(outside), "the reference page loads {outside}");
        }
        Ok(())
    })
    .await
}

/// A value of a type that no schema here takes at this place.
fn wrong(kind: &str) -> Value {
    match kind {
        "string" => json!({"not": ["a", "string"]}),
        "integer" | "number" => json!("twelve"),
        "boolean" => json!("perhaps"),
        "array" => json!("no list"),
        _ => json!(7),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_types_in_every_body_are_the_clients_error() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let document: Value = serde_json::from_str(&committed())?;
        let mut tried = 0;
        for (method, path, operation) in operations() {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let schema = match schema["$ref"].as_str() {
                Some(name) => &document["components"]["schemas"][name.rsplit('/').next().context("a name")?],
                None => schema,
            };
            let Some(properties) = schema["properties"].as_object() else { continue };
            let path = path.replace("{account_id}", &w.account_id.to_string());
            let path = path.split('/').map(|s| if s.starts_with('{') { "1" } else { s }).collect::<Vec<_>>().join("/");
            let mut bodies = vec![json!([]), json!("text"), json!(null), json!(1)];
            for (name, property) in properties {
                bodies.push(json!({ name: wrong(property["type"].as_str().unwrap_or("object")) }));
                bodies.push(json!({ name: "x".repeat(2_000_000) }));
            }
            for body in bodies {
                let answer = w.api.call(&method, &path, Some(&body)).await?;
                assert!((400..500).contains(&answer.status), "{method} {path}: {} {}", answer.status, answer.text);
                assert!(
                    answer.body["error"].is_string() || answer.body["message"].is_string(),
                    "{method} {path}: {}",
                    answer.text
                );
                tried += 1;
            }
            let text = w.api.request(&method, &path).header("content-type", "application/json").body("{\"cut\": ");
            let answer = w.api.send(text).await?;
            assert!((400..500).contains(&answer.status), "{method} {path}: {}", answer.status);
        }
        assert!(tried > 50, "only {tried} bodies were tried: the document's content type has another name?");
        Ok(())
    })
    .await
}
