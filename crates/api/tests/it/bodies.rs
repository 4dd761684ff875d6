//! Wrong JSON types and sizes in every body of the document: always a clear 4xx, never a 5xx.

use crate::desk::{Desk, desk};
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
        if let Some(words) = schema["enum"].as_array() {
            return words.contains(value);
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

/// A path whose account, conversation, message, contact, inbox and person are all there, so that only what is sent can be refused.
fn there(desk: &Desk, path: &str) -> String {
    let ours = &desk.world.ours;
    let path = path
        .replace("{account_id}", &ours.account_id.to_string())
        .replace("{inbox_id}", &desk.inbox.to_string())
        .replace("{agent_id}", &ours.user_id.to_string());
    // The first of each kind, in a database in which nothing else was made.
    [
        "{conversation_id}",
        "{message_id}",
        "{contact_id}",
        "{connection_id}",
        "{label_id}",
        "{team_id}",
        "{canned_response_id}",
        "{custom_filter_id}",
        "{note_id}",
        "{definition_id}",
        "{webhook_id}",
        "{delivery_id}",
        "{oauth_app_id}",
        "{credential_id}",
        "{connect_link_id}",
        "{notification_id}",
    ]
    .iter()
    .fold(path, |path, name| path.replace(name, "1"))
}

type Fields = Map<String, Value>;

/// A body that holds what the schema requires and nothing else.
fn well_formed(document: &Value, schema: &Value) -> Fields {
    let schema = resolved(document, schema);
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties
        .filter(|(name, _)| required.contains(&name.as_str()))
        .map(|(name, schema)| {
            let nested = well_formed(document, schema);
            (name.clone(), if nested.is_empty() { right(document, schema) } else { nested.into() })
        })
        .collect()
}

/// Every body that differs from a well-formed one in one field, however deep: `bad` says what that field holds, by its schema.
fn each_field(document: &Value, schema: &Value, bad: &dyn Fn(&Value) -> Vec<Value>) -> Vec<(String, Value)> {
    let schema = resolved(document, schema);
    let mut bodies = Vec::new();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let field = resolved(document, field);
        let deeper =
            each_field(document, &field, bad).into_iter().map(|(below, value)| (format!("{name}.{below}"), value));
        let here = bad(&field).into_iter().map(|value| (name.clone(), value));
        for (at, value) in deeper.chain(here) {
            let mut body = well_formed(document, &schema);
            body.insert(name.clone(), value);
            bodies.push((at, body.into()));
        }
    }
    bodies
}

fn document() -> Value {
    serde_json::from_str(&api::openapi_json()).expect("the document")
}

/// Words for which, as the document says, a number does as well.
const NUMBERS_DO: [&str; 2] = ["attribute_display_type", "attribute_model"];

fn is_text(schema: &Value) -> bool {
    schema["type"] == "string" || schema["oneOf"].is_array()
}

#[tokio::test]
async fn a_wrong_type_in_any_field_of_any_body_is_a_clear_refusal() {
    let desk = desk().await;
    let document = document();
    let mut tried = 0;
    for operation in operations(&document) {
        let path = there(&desk, &operation.path);
        let send = async |body: &Value| desk.world.json(operation.method.clone(), &path, body).await;
        for (field, body) in each_field(&document, &operation.schema, &|schema| wrong(&document, schema)) {
            if NUMBERS_DO.contains(&field.as_str()) && body[&field].is_i64() {
                continue;
            }
            let answer = send(&body).await;
            let status = answer.status.as_u16();
            assert_eq!(status, 400, "{} {path} {field} in {body}: {}", operation.method, answer.text);
            assert_refusal(&answer, 400, "invalid_body");
            tried += 1;
        }
        let well_formed = well_formed(&document, &operation.schema);
        for name in well_formed.keys() {
            let mut body = well_formed.clone();
            body.remove(name);
            assert_refusal(&send(&body.into()).await, 400, "invalid_body");
        }
        for body in [json!(null), json!([]), json!("x"), json!(1)] {
            assert_refusal(&send(&body).await, 400, "invalid_body");
        }
    }
    assert!(tried > 250, "{tried}");
}

#[tokio::test]
async fn what_is_too_long_too_many_or_too_deep_is_refused_and_never_an_error_of_ours() {
    let desk = desk().await;
    let document = document();
    let too_much = |schema: &Value| match schema["type"].as_str() {
        _ if schema["enum"].is_array() => vec![json!("x".repeat(700_000))],
        Some("string") => {
            let bound = schema["maxLength"].as_u64().expect("every text has a bound");
            // A letter is a character, whatever its bytes.
            vec![json!("ü".repeat(usize::try_from(bound + 1).expect("fits"))), json!("x".repeat(700_000))]
        }
        Some("array") => {
            let bound = schema["maxItems"].as_u64().expect("every list has a bound");
            vec![json!(vec![1; usize::try_from(bound + 1).expect("fits")]), json!(vec![1; 100_000])]
        }
        None if is_text(schema) => vec![json!("x".repeat(700_000)), json!(vec!["x"; 100_000])],
        _ => Vec::new(),
    };
    let mut tried = 0;
    for operation in operations(&document) {
        let path = there(&desk, &operation.path);
        for (field, body) in each_field(&document, &operation.schema, &too_much) {
            // An address alone is no reply.
            let body = with_content(&operation, body);
            let answer = desk.world.json(operation.method.clone(), &path, &body).await;
            let status = answer.status.as_u16();
            assert!([400, 413, 422].contains(&status), "{} {path} {field}: {status} {}", operation.method, answer.text);
            tried += 1;
        }
        let deep = format!("{}1{}", "{\"a\":[".repeat(5_000), "]}".repeat(5_000));
        for (name, _) in operation.schema["properties"].as_object().expect("properties") {
            let headers =
                [("api_access_token", desk.world.ours.access_token.expose()), ("content-type", "application/json")];
            let body = format!("{{\"{name}\":{deep}}}");
            let answer = desk.world.send(operation.method.clone(), &path, &headers, body).await;
            assert_refusal(&answer, 400, "invalid_body");
        }
    }
    assert!(tried > 40, "{tried}");
}

/// A reply needs words; without them it would be refused for that.
fn with_content(operation: &Operation, mut body: Value) -> Value {
    if operation.path.ends_with("/messages") && body.get("content").is_none() {
        body["content"] = json!("Here it is.");
    }
    body
}

#[tokio::test]
async fn a_number_that_no_id_and_no_time_has_is_never_an_error_of_ours() {
    let desk = desk().await;
    let document = document();
    let extreme = |schema: &Value| match schema["type"].as_str() {
        Some("integer") => vec![json!(i64::MAX), json!(i64::MIN), json!(0), json!(-1)],
        Some("array") => vec![json!([i64::MAX]), json!([i64::MIN])],
        _ => Vec::new(),
    };
    for operation in operations(&document) {
        let path = there(&desk, &operation.path);
        for (field, body) in each_field(&document, &operation.schema, &extreme) {
            let answer = desk.world.json(operation.method.clone(), &path, &body).await;
            assert!(answer.status.as_u16() < 500, "{} {path} {field} in {body}: {}", operation.method, answer.text);
        }
    }
}

/// PostgreSQL keeps no NUL, so nobody may send one, whichever database there is.
#[tokio::test]
async fn a_nul_in_any_text_of_any_body_or_form_is_refused_and_its_field_named() {
    let desk = desk().await;
    let document = document();
    let mut tried = 0;
    let nul = |schema: &Value| if is_text(schema) { vec![json!("a\u{0}b")] } else { Vec::new() };
    for operation in operations(&document) {
        let path = there(&desk, &operation.path);
        let mut bodies = each_field(&document, &operation.schema, &nul);
        if operation.schema["properties"]["content_attributes"].is_object() {
            bodies.push(("content_attributes.a".to_owned(), json!({"content_attributes": {"a": "\u{0}"}})));
            bodies.push(("content_attributes".to_owned(), json!({"content_attributes": {"a\u{0}": 1}})));
            bodies.push(("cc_emails".to_owned(), json!({"content": "x", "cc_emails": ["a@b.example", "\u{0}"]})));
        }
        for (field, body) in bodies {
            let answer = desk.world.json(operation.method.clone(), &path, &body).await;
            assert_refusal(&answer, 400, "invalid_body");
            assert_eq!(answer.json()["attributes"], json!([field]), "{} {path}: {}", operation.method, answer.text);
            tried += 1;
        }
    }
    assert!(tried > 30, "{tried}");
    let headers = [
        ("api_access_token", desk.world.ours.access_token.expose()),
        ("content-type", "multipart/form-data; boundary=b"),
    ];
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let schema = &operation["requestBody"]["content"]["multipart/form-data"]["schema"];
            for (name, field) in resolved(&document, schema)["properties"].as_object().into_iter().flatten() {
                if resolved(&document, field)["type"] != "string" {
                    continue;
                }
                let form = format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\na\0b\r\n--b--\r\n");
                let method = method.to_uppercase().parse().expect("a method");
                let answer = desk.world.send(method, &there(&desk, path), &headers, form).await;
                assert_refusal(&answer, 400, "invalid_body");
                assert!(answer.text.contains(name.as_str()), "{path} {name}: {}", answer.text);
                tried += 1;
            }
        }
    }
    assert!(tried > 45, "{tried}");
    let escaped =
        "--b\r\nContent-Disposition: form-data; name=\"content_attributes\"\r\n\r\n{\"a\":\"\\u0000\"}\r\n--b--\r\n";
    let answer = desk.world.send(Method::POST, "~/conversations/1/messages", &headers, escaped).await;
    assert_refusal(&answer, 400, "invalid_body");
}

#[tokio::test]
async fn a_nul_in_any_parameter_is_refused() {
    let desk = desk().await;
    let mut tried = 0;
    for (path, methods) in document()["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let method: Method = method.to_uppercase().parse().expect("a method");
            let headers = [("api_access_token", desk.world.ours.access_token.expose())];
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let name = parameter["name"].as_str().expect("a name");
                match parameter["in"].as_str() {
                    Some("query") => {
                        let asked = format!("{}?{name}=a%00b", there(&desk, path));
                        let answer = desk.world.send(method.clone(), &asked, &headers, ()).await;
                        assert_refusal(&answer, 400, "bad_request");
                        assert_eq!(answer.json()["attributes"], json!([name]), "{method} {asked}");
                    }
                    Some("path") => {
                        let asked = there(&desk, &path.replace(&format!("{{{name}}}"), "1%00"));
                        assert_refusal(&desk.world.send(method.clone(), &asked, &headers, ()).await, 404, "not_found");
                    }
                    // A header cannot hold one.
                    Some("header") => continue,
                    other => panic!("{other:?}"),
                }
                tried += 1;
            }
        }
    }
    assert!(tried > 50, "{tried}");
    for path in ["/attachments/a%00b", "/attachments/a/%00", "/microsoft/connect/%00", "/microsoft/connections/%00"] {
        assert_refusal(&desk.world.send(Method::GET, path, &[], ()).await, 404, "not_found");
    }
    let callback = desk.world.send(Method::GET, "/microsoft/callback?code=c&state=%00", &[], ()).await;
    assert_refusal(&callback, 400, "bad_request");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let confirmed = desk.world.send(Method::POST, "/microsoft/callback/confirm", &form, "token=%00").await;
    assert_refusal(&confirmed, 400, "invalid_body");
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
