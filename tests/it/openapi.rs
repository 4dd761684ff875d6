//! The OpenAPI document (A1): committed, generated from the code, valid, served, and true.

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use testkit::builders::Mail;
use testkit::client::Answer;
use testkit::world::{SUPPORT, Setup, World};

pub fn committed() -> String {
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

/// Things that are there, so that a request which names them can be refused only for what else it holds.
pub struct Named {
    pub user: i64,
    pub inbox: i64,
    pub conversation: i64,
    pub message: i64,
    pub contact: i64,
    pub connection: i64,
    pub connect_link: i64,
}

impl Named {
    /// Connects a mailbox and has one mail come in.
    pub async fn in_world(w: &mut World, subject: &str, text: &str) -> Result<Self> {
        let inbox = w.connect(SUPPORT).await?;
        w.watched(inbox).await?;
        w.sandbox.deliver(SUPPORT, &Mail::new("ada@customer.example", subject, text).id("named@c").bytes());
        let list = w.conversations_are(1).await?;
        let conversation = list[0]["id"].as_i64().context("id")?;
        let contact = list[0]["meta"]["sender"]["id"].as_i64().context("contact")?;
        let message = w.said(conversation).await?[0]["id"].as_i64().context("message")?;
        let begun = w.api.post(&w.path("/microsoft/authorization"), &json!({"email": "sales@contoso.example"})).await?;
        let connection = begun["connection_id"].as_i64().context("connection_id")?;
        let (_, connect_link) = w.connect_link(&json!({})).await?;
        Ok(Self { user: w.user_id, inbox, conversation, message, contact, connection, connect_link })
    }

    /// The path with its parameters filled in.
    pub fn path(&self, path: &str, account: i64) -> String {
        let parameters = [
            ("account", account),
            ("conversation", self.conversation),
            ("message", self.message),
            ("contact", self.contact),
            ("inbox", self.inbox),
            ("agent", self.user),
            ("connection", self.connection),
            ("connect_link", self.connect_link),
            // There are none: nobody finds one under these.
            ("note", 1),
            ("definition", 1),
            ("label", 1),
            ("team", 1),
            ("canned_response", 1),
            ("custom_filter", 1),
            ("webhook", 1),
            ("oauth_app", 1),
            ("credential", 1),
            ("delivery", 1),
            ("raw_email", 1),
            ("session", 1),
            ("token", 1),
            // Nobody has one: whatever is wrong with a request is found before it is looked for.
            ("notification", 1),
        ];
        let filled = parameters
            .iter()
            .fold(path.to_owned(), |path, (name, id)| path.replace(&format!("{{{name}_id}}"), &id.to_string()));
        assert!(!filled.contains('{'), "{path} has a parameter that is not known here");
        filled
    }
}

fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let target = schema["$ref"].as_str().or(schema["allOf"][0]["$ref"].as_str());
    target.map_or(schema, |target| document.pointer(target.trim_start_matches('#')).expect("a schema"))
}

/// The names of everything that a body may hold, however deep.
pub fn fields(document: &Value, schema: &Value) -> Vec<String> {
    let properties = resolved(document, schema)["properties"].as_object().into_iter().flatten();
    properties.flat_map(|(name, field)| fields(document, field).into_iter().chain([name.clone()])).collect()
}

/// A value that the schema takes; of an object, what it requires.
fn right(document: &Value, schema: &Value) -> Value {
    let schema = resolved(document, schema);
    match schema["type"].as_str() {
        _ if schema["enum"].is_array() => schema["enum"][0].clone(),
        Some("object") => {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            required
                .map(|name| (name.to_owned(), right(document, &schema["properties"][name])))
                .collect::<Map<_, _>>()
                .into()
        }
        Some("array") => json!([1]),
        Some("integer") => json!(1),
        Some("boolean") => json!(true),
        _ => json!("text with enough letters"),
    }
}

/// Values that nothing of this schema takes: of another type, with a NUL, too long, too many.
fn wrong(schema: &Value) -> Vec<Value> {
    let size = |bound: &str| usize::try_from(schema[bound].as_u64().unwrap_or(100_000) + 1).expect("fits");
    let number = |text: &str| serde_json::from_str::<Value>(text).expect("a number");
    let mut values =
        vec![json!("a\u{0}b"), json!("x".repeat(2_000_000)), number("1e300"), number("99999999999999999999")];
    match schema["type"].as_str() {
        _ if schema["enum"].is_array() => values.extend([json!("perhaps"), json!(1), json!({"a": 1})]),
        Some("string") => {
            values.extend([json!({"not": ["a", "string"]}), json!(5), json!("x".repeat(size("maxLength")))]);
        }
        Some("integer") => values.extend([json!("twelve"), json!(1.5), json!([1])]),
        Some("boolean") => values.extend([json!("perhaps"), json!(2)]),
        Some("array") => values.extend([json!("no list"), json!(["a\u{0}b"]), json!(vec![1; size("maxItems")])]),
        Some("object") => values.extend([json!(7), json!([]), json!({"a\u{0}": 1, "b": "\u{0}"})]),
        // Recipients: one text, or a list of texts.
        _ => values.extend([json!(7), json!([1]), json!(["a\u{0}b"]), json!("x".repeat(100_000))]),
    }
    values
}

/// Bodies that differ from a right one in one field, however deep it lies.
fn wrong_bodies(document: &Value, schema: &Value) -> Vec<Value> {
    let schema = resolved(document, schema);
    let mut bodies = Vec::new();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let field = resolved(document, field);
        for value in wrong(field).into_iter().chain(wrong_bodies(document, field)) {
            let mut body = right(document, schema);
            body[name.as_str()] = value;
            bodies.push(body);
        }
    }
    bodies
}

/// Whatever is sent, there is a clear answer, and it is never that something which is there is not.
fn assert_refused(answer: &Answer, asked: &str) {
    let shown: String = asked.chars().take(300).collect();
    assert!([400, 413, 422].contains(&answer.status), "{shown}: {} {}", answer.status, answer.text);
    let words = answer.body["error"].as_str().or(answer.body["message"].as_str());
    assert!(words.is_some_and(|words| !words.is_empty()), "{shown}: {}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_types_in_every_body_are_the_clients_error() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let named = Named::in_world(w, "Order", "Where is it?").await?;
        let document: Value = serde_json::from_str(&committed())?;
        let mut tried = 0;
        for (method, path, operation) in operations() {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let is_message = path.ends_with("/messages");
            let path = named.path(&path, w.account_id);
            for (name, field) in
                resolved(&document, &operation["requestBody"]["content"]["multipart/form-data"]["schema"])["properties"]
                    .as_object()
                    .into_iter()
                    .flatten()
            {
                if field["type"] == "string" {
                    let part = format!("Content-Disposition: form-data; name=\"{name}\"\r\n\r\na\0b");
                    let request =
                        w.api.request(&method, &path).header("content-type", "multipart/form-data; boundary=b");
                    let answer = w.api.send(request.body(format!("--b\r\n{part}\r\n--b--\r\n"))).await?;
                    assert_refused(&answer, &format!("{method} {path} {part:?}"));
                    tried += 1;
                }
            }
            if schema.is_null() {
                continue;
            }
            for mut body in
                wrong_bodies(&document, schema).into_iter().chain([json!([]), json!("text"), json!(null), json!(1)])
            {
                // A reply has words, so that it is not refused for having none.
                if is_message && body.get("content").is_none() && body.is_object() {
                    body["content"] = json!("x");
                }
                // Words for which, as the document says, a number does as well.
                if ["attribute_display_type", "attribute_model"].iter().any(|field| body[field].is_i64()) {
                    continue;
                }
                let answer = w.api.call(&method, &path, Some(&body)).await?;
                assert_refused(&answer, &format!("{method} {path} {body}"));
                tried += 1;
            }
            for text in ["{\"cut\": ".to_owned(), format!("{}{}", "{\"a\":[".repeat(10_000), "]}".repeat(10_000))] {
                let request = w.api.request(&method, &path).header("content-type", "application/json");
                assert_refused(&w.api.send(request.body(text.clone())).await?, &format!("{method} {path} {text}"));
            }
        }
        assert!(tried > 300, "only {tried} bodies were tried: the document's content type has another name?");
        assert_eq!(w.said(named.conversation).await?.len(), 1, "a wrong body became a message");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_values_in_every_parameter_are_the_clients_error() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let named = Named::in_world(w, "Order", "Where is it?").await?;
        let mut tried = 0;
        for (method, path, operation) in operations() {
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let (name, schema) = (parameter["name"].as_str().context("a name")?, &parameter["schema"]);
                let long = |bound: u64| "x".repeat(usize::try_from(bound).expect("fits"));
                let mut values = vec!["a%00b".to_owned(), long(8_000)];
                let kind = schema["items"]["type"].as_str().or(schema["type"].as_str());
                match kind {
                    Some("integer") => values.extend(["twelve", "99999999999999999999", "1.5"].map(str::to_owned)),
                    Some("boolean") => values.push("perhaps".to_owned()),
                    // Any label may be asked for; there are no bounds but the address's.
                    _ if name == "labels[]" || name == "labels" => values.truncate(1),
                    _ => values.extend(schema["maxLength"].as_u64().map(|bound| long(bound + 1))),
                }
                if let Some(most) = schema["maximum"].as_f64() {
                    values.push(format!("{:.0}", most + 1.0));
                }
                match parameter["in"].as_str() {
                    Some("query") => {
                        for value in values {
                            let asked = format!("{}?{name}={value}", named.path(&path, w.account_id));
                            assert_refused(&w.api.call(&method, &asked, None).await?, &format!("{method} {asked}"));
                            tried += 1;
                        }
                    }
                    Some("path") => {
                        // What is no id names nothing.
                        for value in values {
                            let asked = named.path(&path.replace(&format!("{{{name}}}"), &value), w.account_id);
                            let answer = w.api.call(&method, &asked, None).await?;
                            assert_eq!(answer.status, 404, "{method} {asked}: {}", answer.text);
                            tried += 1;
                        }
                    }
                    _ => {}
                }
            }
        }
        assert!(tried > 150, "only {tried} values were tried");
        Ok(())
    })
    .await
}
