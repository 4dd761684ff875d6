//! The types that Chatwoot's command-line client decodes (A2): one wrong JSON type in an answer, and its whole call fails.
//!
//! It is written in Go: a field that is absent or null becomes the zero value, an integer takes no fraction and no text, a list takes no
//! object. Never what the fields mean: that is told elsewhere.

use crate::clients::a_desk;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::world::{Setup, World};

/// What a field is decoded into.
#[derive(Clone, Copy, Debug)]
enum Is {
    Int,
    Text,
    Bool,
    Object,
    Texts,
    /// An object or a text, whichever came.
    ObjectOrText,
    /// Anything of these.
    Fields(&'static [Field]),
    List(&'static [Field]),
}

/// Name, what it is, and whether it must be there.
type Field = (&'static str, Is, bool);
const THERE: bool = true;
const MAY_BE: bool = false;

use Is::{Bool, Fields, Int, List, Object, ObjectOrText, Text, Texts};

const PROFILE: &[Field] = &[
    ("id", Int, THERE),
    ("name", Text, THERE),
    ("email", Text, THERE),
    ("availability_status", Text, MAY_BE),
    ("role", Text, THERE),
    ("thumbnail", Text, MAY_BE),
    ("account_id", Int, THERE),
    ("ui_settings", Object, THERE),
];
const SENDER: &[Field] = &[
    ("id", Int, THERE),
    ("name", Text, THERE),
    ("email", Text, THERE),
    ("phone_number", Text, THERE),
    ("thumbnail", Text, THERE),
    ("identifier", Text, THERE),
];
const AGENT: &[Field] = &[
    ("id", Int, THERE),
    ("name", Text, THERE),
    ("email", Text, THERE),
    ("availability_status", Text, THERE),
    ("role", Text, THERE),
    ("thumbnail", Text, THERE),
    ("account_id", Int, THERE),
];
const ASSIGNEE: &[Field] = &[
    ("id", Int, THERE),
    ("name", Text, THERE),
    ("email", Text, THERE),
    ("thumbnail", Text, THERE),
    ("availability_status", Text, THERE),
];
const TEAM: &[Field] =
    &[("id", Int, THERE), ("name", Text, THERE), ("description", Text, THERE), ("account_id", Int, THERE)];
const META: &[Field] = &[
    ("sender", Fields(SENDER), THERE),
    ("assignee", Fields(ASSIGNEE), MAY_BE),
    ("team", Fields(&[("id", Int, THERE), ("name", Text, THERE)]), MAY_BE),
    ("channel", Text, THERE),
];
const CONVERSATION: &[Field] = &[
    ("id", Int, THERE),
    ("account_id", Int, THERE),
    ("inbox_id", Int, THERE),
    ("status", Text, THERE),
    ("priority", Text, THERE),
    ("messages_count", Int, MAY_BE),
    ("unread_count", Int, THERE),
    ("created_at", Int, THERE),
    ("timestamp", Int, THERE),
    ("last_activity_at", Int, THERE),
    ("contact_last_seen_at", Int, THERE),
    ("agent_last_seen_at", Int, THERE),
    ("meta", Fields(META), THERE),
    ("labels", Texts, THERE),
    (
        "additional_attributes",
        Fields(&[
            ("browser", Object, MAY_BE),
            ("browser_language", Text, MAY_BE),
            ("initiated_at", ObjectOrText, MAY_BE),
        ]),
        THERE,
    ),
    ("messages", List(&[("content", Text, THERE)]), THERE),
];
const COUNTS: &[Field] = &[
    ("all_count", Int, THERE),
    ("assigned_count", Int, THERE),
    ("unassigned_count", Int, THERE),
    ("mine_count", Int, THERE),
];
const CONVERSATIONS: &[Field] =
    &[("data", Fields(&[("meta", Fields(COUNTS), THERE), ("payload", List(CONVERSATION), THERE)]), THERE)];
const ATTACHMENT: &[Field] = &[
    ("id", Int, THERE),
    ("file_type", Text, THERE),
    ("data_url", Text, THERE),
    ("thumb_url", Text, THERE),
    ("file_size", Int, THERE),
];
const MESSAGE: &[Field] = &[
    ("id", Int, THERE),
    ("content", Text, THERE),
    ("content_type", Text, THERE),
    ("content_attributes", Object, THERE),
    ("message_type", Int, THERE),
    ("status", Text, THERE),
    ("created_at", Int, THERE),
    ("private", Bool, THERE),
    ("source_id", Text, THERE),
    (
        "sender",
        Fields(&[
            ("id", Int, THERE),
            ("name", Text, THERE),
            ("email", Text, MAY_BE),
            ("type", Text, THERE),
            ("thumbnail", Text, THERE),
        ]),
        MAY_BE,
    ),
    ("attachments", List(ATTACHMENT), MAY_BE),
];
const MESSAGES: &[Field] = &[("payload", List(MESSAGE), THERE)];
const TOGGLED: &[Field] = &[("payload", Fields(&[("success", Bool, THERE), ("current_status", Text, THERE)]), THERE)];
const LABELS: &[Field] = &[("payload", Texts, THERE)];
const CONTACT: &[Field] = &[
    ("id", Int, THERE),
    ("name", Text, THERE),
    ("email", Text, THERE),
    ("phone_number", Text, THERE),
    ("thumbnail", Text, THERE),
    ("identifier", Text, THERE),
    ("last_activity_at", Int, MAY_BE),
    ("created_at", Int, MAY_BE),
    ("custom_attributes", Object, THERE),
    ("additional_attributes", Object, THERE),
];
const CONTACTS: &[Field] = &[("meta", Object, THERE), ("payload", List(CONTACT), THERE)];
const INBOX: &[Field] = &[
    ("id", Int, THERE),
    ("name", Text, THERE),
    ("channel_type", Text, THERE),
    ("avatar_url", Text, THERE),
    ("channel_id", Int, THERE),
    ("greeting_enabled", Bool, THERE),
    ("greeting_message", Text, THERE),
];

fn decodes(value: &Value, is: Is, at: &str) -> Result<()> {
    let fits = match is {
        // Go takes null for nothing. Lists are never null at Chatwoot.
        Int | Text | Bool | Object | ObjectOrText | Fields(_) if value.is_null() => true,
        Int => value.is_i64() || value.is_u64(),
        Text => value.is_string(),
        Bool => value.is_boolean(),
        Object | Fields(_) => value.is_object(),
        ObjectOrText => value.is_object() || value.is_string(),
        Texts => value.as_array().is_some_and(|list| list.iter().all(Value::is_string)),
        List(_) => value.as_array().is_some_and(|list| list.iter().all(Value::is_object)),
    };
    ensure!(fits, "{at} is no {is:?}: {value}");
    match is {
        Fields(fields) => all_decode(value, fields, at),
        List(fields) => value.as_array().into_iter().flatten().try_for_each(|one| all_decode(one, fields, at)),
        Int | Text | Bool | Object | Texts | ObjectOrText => Ok(()),
    }
}

fn all_decode(value: &Value, fields: &[Field], at: &str) -> Result<()> {
    if value.is_null() {
        return Ok(());
    }
    fields.iter().try_for_each(|(name, is, there)| match value.get(name) {
        Some(value) => decodes(value, *is, &format!("{at}.{name}")),
        None if *there => anyhow::bail!("{at} has no {name}: {value}"),
        None => Ok(()),
    })
}

async fn get(w: &World, path: &str, is: Is) -> Result<Value> {
    let answer = w.api.get(&w.path(path)).await?;
    decodes(&answer, is, path)?;
    Ok(answer)
}

async fn post(w: &World, path: &str, body: Value, is: Is) -> Result<Value> {
    let answer = w.api.post(&w.path(path), &body).await?;
    decodes(&answer, is, path)?;
    Ok(answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_that_the_command_line_client_reads_has_the_types_it_decodes() -> Result<()> {
    World::run(Setup::default(), async |w| {
        a_desk(w).await?;
        let profile = w.api.get("/api/v1/profile").await?;
        decodes(&profile, Fields(PROFILE), "profile")?;
        let me = profile["id"].clone();
        let listed = w.conversations().await?;
        let called = |subject: &str| {
            let named = |one: &&Value| one["additional_attributes"]["mail_subject"] == subject;
            listed.iter().find(named).and_then(|one| one["id"].as_i64()).context("a conversation")
        };
        let (order, invoice) = (called("Order")?, called("Invoice")?);
        let one = format!("/conversations/{order}");

        // A conversation that has everything, and one that has nothing.
        let team = w.api.post(&w.path("/teams"), &json!({"name": "sales"})).await?;
        decodes(&team, Fields(TEAM), "team")?;
        post(w, &format!("{one}/assignments"), json!({"assignee_id": me}), Fields(&[("id", Int, THERE)])).await?;
        w.api.call("PATCH", &w.path(&one), Some(&json!({"team_id": team["id"], "assignee_id": me}))).await?.ok()?;
        w.api.post(&w.path(&format!("{one}/toggle_priority")), &json!({"priority": "high"})).await.ok();
        post(w, &format!("{one}/labels"), json!({"labels": ["vip"]}), Fields(LABELS)).await?;
        get(w, &format!("{one}/labels"), Fields(LABELS)).await?;
        get(w, &format!("/conversations/{invoice}/labels"), Fields(LABELS)).await?;
        let note = json!({"content": "a note", "message_type": "outgoing", "private": true});
        let note = post(w, &format!("{one}/messages"), note, Fields(MESSAGE)).await?["id"].clone();
        let reply = json!({"content": "a reply", "message_type": "outgoing", "private": false});
        post(w, &format!("{one}/messages"), reply, Fields(MESSAGE)).await?;

        let all = get(
            w,
            "/conversations?status=all&assignee_type=all&page=1&sort_by=last_activity_at_desc",
            Fields(CONVERSATIONS),
        )
        .await?;
        ensure!(all["data"]["payload"].as_array().map(Vec::len) == Some(2), "{all}");
        let shown = get(w, &one, Fields(CONVERSATION)).await?;
        ensure!(shown["meta"]["assignee"]["id"] == me && shown["meta"]["team"]["id"] == team["id"], "{shown}");
        for query in
            ["status=open&assignee_type=me&labels[]=vip", "status=resolved&team_id=1", "status=open&page=4&inbox_id=1"]
        {
            get(w, &format!("/conversations?{query}"), Fields(CONVERSATIONS)).await?;
        }
        for conversation in [order, invoice] {
            let said = get(w, &format!("/conversations/{conversation}/messages"), Fields(MESSAGES)).await?;
            let last = said["payload"].as_array().and_then(|list| list.last()).context("a message")?["id"].clone();
            get(w, &format!("/conversations/{conversation}/messages?before={last}"), Fields(MESSAGES)).await?;
        }
        let said = w.said(invoice).await?;
        ensure!(said[0]["attachments"][0]["file_size"] == 8, "no file was looked at: {said:?}");

        // It sends what it snoozes until as epoch seconds, here in the year 2100.
        for body in [
            json!({"status": "snoozed", "snoozed_until": 4_102_444_800_i64}),
            json!({"status": "resolved"}),
            json!({"status": "open"}),
        ] {
            post(w, &format!("{one}/toggle_status"), body, Fields(TOGGLED)).await?;
            get(w, &one, Fields(CONVERSATION)).await?;
        }
        w.api.call("DELETE", &w.path(&format!("{one}/messages/{note}")), None).await?.ok().ok();
        get(w, &format!("{one}/messages"), Fields(MESSAGES)).await?;

        // A contact of whom only the name is known.
        let bare =
            w.api.post(&w.path("/contacts"), &json!({"name": "Nobody"})).await?["payload"]["contact"]["id"].clone();
        get(w, "/contacts?page=1", Fields(CONTACTS)).await?;
        get(w, "/contacts?page=9", Fields(CONTACTS)).await?;
        get(w, "/contacts/search?q=ada&page=1", Fields(CONTACTS)).await?;
        get(w, &format!("/contacts/{bare}"), Fields(&[("payload", Fields(CONTACT), THERE)])).await?;
        let inboxes = get(w, "/inboxes", Fields(&[("payload", List(INBOX), THERE)])).await?;
        get(w, &format!("/inboxes/{}", inboxes["payload"][0]["id"]), Fields(INBOX)).await?;
        get(w, "/agents", List(AGENT)).await?;
        get(w, "/teams", List(TEAM)).await?;
        Ok(())
    })
    .await
}
