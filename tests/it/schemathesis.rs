//! Whatever fits the document, or nearly does, is answered as the document says (A1, A4): told by schemathesis, which makes requests of it.
//!
//! The requests are the same each time. Nothing that is found is passed over here: it is mended, in the product or in the document.

use crate::clients::{a_desk, installed, run};
use crate::openapi::committed;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use testkit::world::{Setup, World};
use tokio::process::Command;

/// What is not called, and why.
const NOT_CALLED: [&str; 1] = [
    // It answers for as long as somebody follows; stream.rs and live_updates.rs tell it.
    "follow_events",
];
/// What ends the token that asks: each has a token of its own.
const ENDS_ITS_TOKEN: [&str; 1] = ["reset_access_token"];
/// Makes one of what it names; answers its id.
async fn made(w: &World, path: &str, body: &Value, id: &str) -> Result<Value> {
    let answer = w.api.post(&w.path(path), body).await?;
    Ok(answer.pointer(id).with_context(|| format!("{path} answered without {id}: {answer}"))?.clone())
}

/// One of everything, so that what is asked for is there, and a second one for whoever deletes it.
async fn things(w: &mut World) -> Result<String> {
    let inbox = w.api.get(&w.path("/inboxes")).await?["payload"][0]["id"].clone();
    let conversations = w.conversations().await?;
    let first = &conversations[0];
    let message = w.said(first["id"].as_i64().context("id")?).await?[0]["id"].clone();
    let contact = &first["meta"]["sender"]["id"];
    let connection = made(w, "/microsoft/authorization", &json!({}), "/connection_id").await?;
    let mut config = String::from("[parameters]\n");
    let mut fixed = |name: &str, id: &Value| writeln!(config, "\"path.{name}_id\" = {id}");
    fixed("account", &json!(w.account_id))?;
    fixed("inbox", &inbox)?;
    fixed("conversation", &first["id"])?;
    fixed("message", &message)?;
    fixed("contact", contact)?;
    fixed("connection", &connection)?;
    let field = |key: &str| json!({"attribute_display_name": key, "attribute_key": key, "attribute_model": "contact_attribute"});
    let person = |name: &str| json!({"name": name, "email": format!("{name}@contoso.example"), "role": "agent", "password": "a long password 1"});
    let hook = |n: u8| json!({"webhook": {"url": format!("https://hooks.contoso.example/{n}"), "subscriptions": ["message_created"]}});
    let view = json!({"name": "Open", "query": {"payload": []}});
    let notes = format!("/contacts/{contact}/notes");
    let of_each = [
        ("label", "/labels", json!({"title": "one"}), json!({"title": "two"}), "/id"),
        ("team", "/teams", json!({"name": "one"}), json!({"name": "two"}), "/id"),
        (
            "canned_response",
            "/canned_responses",
            json!({"short_code": "one", "content": "1"}),
            json!({"short_code": "two", "content": "2"}),
            "/id",
        ),
        ("custom_filter", "/custom_filters", view.clone(), view, "/id"),
        ("definition", "/custom_attribute_definitions", field("one"), field("two"), "/id"),
        ("webhook", "/webhooks", hook(1), hook(2), "/payload/webhook/id"),
        ("agent", "/agents", person("one"), person("two"), "/id"),
        ("note", notes.as_str(), json!({"content": "one"}), json!({"content": "two"}), "/id"),
    ];
    let nobody = json!({"name": "Nobody"});
    let mut deleted = vec![
        // What is told after every story knows no conversation that was deleted: that it is not there is an answer, too.
        ("delete_conversation".to_owned(), "conversation", json!(4711)),
        ("delete_contact".to_owned(), "contact", made(w, "/contacts", &nobody, "/payload/contact/id").await?),
        ("delete_inbox".to_owned(), "inbox", json!(4711)),
    ];
    for (name, path, kept, doomed, id) in of_each {
        writeln!(config, "\"path.{name}_id\" = {}", made(w, path, &kept, id).await?)?;
        let operation = match name {
            "note" => "delete_contact_note".to_owned(),
            "definition" => "delete_custom_attribute_definition".to_owned(),
            name => format!("delete_{name}"),
        };
        deleted.push((operation, name, made(w, path, &doomed, id).await?));
    }
    for (operation, name, id) in deleted {
        write!(
            config,
            "\n[[operations]]\ninclude-operation-id = \"{operation}\"\nparameters = {{ \"path.{name}_id\" = {id} }}\n"
        )?;
    }
    for operation in ENDS_ITS_TOKEN {
        let token = w.api.post("/api/v1/profile/access_tokens", &json!({})).await?["access_token"].clone();
        write!(
            config,
            "\n[[operations]]\ninclude-operation-id = \"{operation}\"\nheaders = {{ api_access_token = {token} }}\n"
        )?;
    }
    Ok(config)
}

/// The operations that were answered with a 2xx at least once.
fn granted(report: &str) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for line in report.lines() {
        let event: Value = serde_json::from_str(line)?;
        let told = &event["ScenarioFinished"]["recorder"];
        let answers = told["interactions"].as_object().into_iter().flatten();
        let statuses = answers.filter_map(|(_, one)| one["response"]["status_code"].as_u64());
        if let (Some(label), true) =
            (told["label"].as_str(), statuses.into_iter().any(|status| (200..300).contains(&status)))
        {
            found.insert(label.to_owned());
        }
    }
    Ok(found)
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_made_of_the_document_is_answered_as_the_document_says() -> Result<()> {
    let schemathesis = installed()?.join("venv/bin/schemathesis");
    World::run(Setup::default(), async |w| {
        a_desk(w).await?;
        let folder = w.dir.path().join("schemathesis");
        std::fs::create_dir(&folder)?;
        // Who asks for a list too long, or for too much at once, is answered as everybody.
        let config = things(w).await?;
        std::fs::write(folder.join("schemathesis.toml"), config)?;
        std::fs::write(folder.join("openapi.json"), committed())?;
        let token = w.api.token().context("a token")?.to_owned();
        let mut command = Command::new(&schemathesis);
        command.current_dir(&folder).args(["run", "openapi.json", "--url", &w.base]);
        command.args(["-H", &format!("api_access_token: {token}")]);
        command.args(["--phases", "coverage,fuzzing", "--mode", "all", "--max-examples", "5"]);
        command.args(["--generation-deterministic", "--no-shrink", "--no-color"]);
        command.args(["--generation-with-security-parameters", "false", "--continue-on-failure", "--warnings", "off"]);
        command.args([
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        ]);
        for operation in NOT_CALLED {
            command.args(["--exclude-operation-id", operation]);
        }
        command.args(["--report", "ndjson", "--report-ndjson-path", "answers.ndjson"]);
        let said = run(&mut command, &[]).await?;
        // It asked as somebody who is known, to the end, and most of what it asked for was there.
        w.api.get("/api/v1/profile").await?;
        let granted = granted(&std::fs::read_to_string(folder.join("answers.ndjson"))?)?;
        ensure!(granted.len() > 100, "only {} operations were seen to work: {granted:?}\n{said}", granted.len());
        // Conversations that were begun without a word: a story ends with none.
        for begun in w.conversations().await? {
            if begun["messages"] == json!([]) {
                let path = w.path(&format!("/conversations/{}/messages", begun["id"]));
                w.api.post(&path, &json!({"content": "begun", "private": true})).await?;
            }
        }
        Ok(())
    })
    .await
}
