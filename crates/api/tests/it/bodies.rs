//! Wrong JSON types and sizes in every body of the document: always a clear 4xx, never a 5xx.

use crate::world::{World, assert_refusal};
use poem::http::Method;
use serde_json::{Map, Value, json};

struct Operation {
    method: Method,
    path: String,
    schema: Value,
}

fn operations(document: &Value) -> Vec<Operation> {
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            if schema.is_object() {
                found.push(Operation {
                    method: method.to_uppercase().parse().expect("a method"),
                    path: path.clone(),
                    schema: resolved(document, schema),
                });
            }
        }
    }
    assert!(found.len() >= 9, "{}", found.len());
    found
}

fn resolved(document: &Value, schema: &Value) -> Value {
    let target = schema["$ref"].as_str().or(schema["allOf"][0]["$ref"].as_str());
    match target {
        Some(target) => document.pointer(target.trim_start_matches('#')).cloned().expect("a schema"),
        None => schema.clone(),
    }
}

/// A value that the schema takes.
fn right(document: &Value, schema: &Value) -> Value {
    let schema = resolved(document, schema);
    if let Some(word) = schema["enum"][0].as_str() {
        return word.into();
    }
    if schema["oneOf"].is_array() {
        return "a@b.example".into();
    }
    match schema["type"].as_str() {
        Some("integer") => json!(1),
        Some("boolean") => json!(true),
        Some("array") => json!([1]),
        Some("object") => json!({}),
        _ => json!("text with enough letters"),
    }
}

/// Values of types that the schema does not take.
fn wrong(document: &Value, schema: &Value) -> Vec<Value> {
    let schema = resolved(document, schema);
    let all = [
        json!(5),
        json!(1.5),
        json!("text"),
        json!(true),
        json!([]),
        json!([null]),
        json!([{"a": 1}]),
        json!({"a": {"b": []}}),
        serde_json::from_str("1e300").expect("a number"),
        serde_json::from_str("99999999999999999999").expect("a number"),
    ];
    let takes = |value: &Value| {
        if schema["oneOf"].is_array() {
            return value.is_string() || value == &json!([]);
        }
        if schema["enum"].is_array() {
            return false;
        }
        match schema["type"].as_str() {
            Some("integer") => value.is_i64(),
            Some("boolean") => value.is_boolean(),
            Some("array") => value == &json!([]),
            Some("object") => value.is_object(),
            Some("string") => value.is_string(),
            other => panic!("a type that is not known here: {other:?}"),
        }
    };
    all.into_iter().filter(|value| !takes(value)).collect()
}

#[tokio::test]
async fn a_wrong_type_in_any_field_of_any_body_is_a_clear_refusal() {
    let world = World::new().await;
    let document: Value = serde_json::from_str(&api::openapi_json()).expect("the document");
    let mut tried = 0;
    for operation in operations(&document) {
        let path = operation.path.replace("{account_id}", &world.ours.account_id.to_string());
        let path =
            path.split('/').map(|part| if part.starts_with('{') { "1" } else { part }).collect::<Vec<_>>().join("/");
        let properties = operation.schema["properties"].as_object().expect("properties");
        let required: Vec<&str> =
            operation.schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let well_formed: Map<String, Value> = properties
            .iter()
            .filter(|(name, _)| required.contains(&name.as_str()))
            .map(|(name, schema)| (name.clone(), right(&document, schema)))
            .collect();
        for (name, schema) in properties {
            for value in wrong(&document, schema) {
                let mut body = well_formed.clone();
                body.insert(name.clone(), value.clone());
                let answer = world.json(operation.method.clone(), &path, &Value::Object(body)).await;
                assert_eq!(
                    answer.status.as_u16(),
                    400,
                    "{} {path} {name} = {value}: {}",
                    operation.method,
                    answer.text
                );
                assert_refusal(&answer, 400, "invalid_body");
                tried += 1;
            }
        }
        for name in &required {
            let mut body = well_formed.clone();
            body.remove(*name);
            let answer = world.json(operation.method.clone(), &path, &Value::Object(body)).await;
            assert_refusal(&answer, 400, "invalid_body");
        }
        for body in [json!(null), json!([]), json!("x"), json!(1)] {
            assert_refusal(&world.json(operation.method.clone(), &path, &body).await, 400, "invalid_body");
        }
    }
    assert!(tried > 150, "{tried}");
}

#[tokio::test]
async fn long_texts_and_long_lists_are_refused_and_never_an_error_of_ours() {
    let world = World::new().await;
    let document: Value = serde_json::from_str(&api::openapi_json()).expect("the document");
    for operation in operations(&document) {
        let path = operation.path.replace("{account_id}", &world.ours.account_id.to_string());
        let path =
            path.split('/').map(|part| if part.starts_with('{') { "1" } else { part }).collect::<Vec<_>>().join("/");
        for (name, schema) in operation.schema["properties"].as_object().expect("properties") {
            let schema = resolved(&document, schema);
            let huge = match schema["type"].as_str() {
                Some("string") if !schema["enum"].is_array() => json!("x".repeat(700_000)),
                Some("array") => json!(vec![1; 100_000]),
                Some("integer") => json!(i64::MAX),
                _ => continue,
            };
            let mut body: Map<String, Value> = operation.schema["properties"]
                .as_object()
                .expect("properties")
                .iter()
                .map(|(name, schema)| (name.clone(), right(&document, schema)))
                .collect();
            body.insert(name.clone(), huge);
            let answer = world.json(operation.method.clone(), &path, &Value::Object(body)).await;
            let status = answer.status.as_u16();
            assert!((400..500).contains(&status), "{} {path} {name}: {status} {}", operation.method, answer.text);
        }
    }
}

#[tokio::test]
async fn a_broken_or_overfull_form_is_a_clear_refusal() {
    let world = World::new().await;
    let token = world.ours.access_token.expose();
    let headers = [("api_access_token", token), ("content-type", "multipart/form-data; boundary=b")];
    let part = |name: &str, more: &str, value: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n\r\n{value}\r\n")
    };
    let files = part("attachments[]", "; filename=\"a.txt\"", "x").repeat(16) + "--b--\r\n";
    let cases = [
        "no boundary at all".to_owned(),
        part("content", "", "cut off"),
        part("private", "", "perhaps") + "--b--\r\n",
        part("content", "", "a") + &part("content", "", "b") + "--b--\r\n",
        part("message_type", "", "sideways") + "--b--\r\n",
        files,
    ];
    for body in cases {
        let answer = world.send(Method::POST, "~/conversations/1/messages", &headers, body.clone()).await;
        assert_refusal(&answer, 400, "invalid_body");
    }
    let attributes = part("content_attributes", "", "[1]") + "--b--\r\n";
    let answer = world.send(Method::POST, "~/conversations/1/messages", &headers, attributes).await;
    assert_refusal(&answer, 400, "bad_request");
}
