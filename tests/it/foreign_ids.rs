//! Ids that are sent outside the path (S1, A4): in a body or a query, another tenant's id answers like an id that does not exist.

use crate::openapi::{Named, committed, fields, operations};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use testkit::builders::Mail;
use testkit::world::{Setup, World};

const SALES: &str = "sales@contoso.example";

/// The places outside the path where an id is sent. A new one must be told apart here, so that it is tried below.
const IDS_IN_BODIES: &[(&str, &str)] = &[
    ("set_active_account", "account_id"),
    ("set_auto_offline", "account_id"),
    ("set_availability", "account_id"),
    ("add_inbox_members", "inbox_id"),
    ("add_inbox_members", "user_ids"),
    ("set_inbox_members", "inbox_id"),
    ("set_inbox_members", "user_ids"),
    ("list_assignable_agents", "inbox_ids[]"),
    ("start_microsoft_authorization", "inbox_id"),
    ("start_microsoft_authorization", "oauth_app_id"),
    // Microsoft's number of a registration, which anybody may name who has its secret.
    ("create_oauth_app", "client_id"),
    ("update_oauth_app", "client_id"),
    ("list_conversations", "inbox_id"),
    // Only one's own are looked through.
    ("read_all_notifications", "primary_actor_id"),
    ("count_conversations", "inbox_id"),
    ("create_connect_link", "inbox_id"),
    ("create_connect_link", "oauth_app_id"),
    ("create_contact", "inbox_id"),
    // What a contact is called in an inbox: a text.
    ("create_contact", "source_id"),
    ("create_contact_inbox", "inbox_id"),
    ("create_contact_inbox", "source_id"),
    ("merge_contacts", "base_contact_id"),
    ("merge_contacts", "mergee_contact_id"),
    ("assign_conversation", "team_id"),
    ("assign_conversation", "assignee_id"),
    // A number of the account's own events, which only says where to begin.
    ("follow_events", "last_event_id"),
    // Numbers of messages of the conversation in the path, which only say where a page begins.
    ("list_messages", "before"),
    ("list_messages", "after"),
    ("remove_inbox_members", "inbox_id"),
    ("remove_inbox_members", "user_ids"),
    ("add_participants", "user_ids"),
    ("set_participants", "user_ids"),
    ("put_participants", "user_ids"),
    ("remove_participants", "user_ids"),
    ("add_team_members", "user_ids"),
    ("set_team_members", "user_ids"),
    ("remove_team_members", "user_ids"),
    ("change_conversations", "assignee_id"),
    ("change_conversations", "team_id"),
    ("update_conversation", "assignee_id"),
    ("update_conversation", "team_id"),
    ("create_access_token", "account_id"),
    ("create_conversation", "assignee_id"),
    ("create_conversation", "contact_id"),
    ("create_conversation", "inbox_id"),
    ("create_conversation", "source_id"),
    ("create_conversation", "team_id"),
    ("create_webhook", "inbox_id"),
    ("update_webhook", "inbox_id"),
    ("count_conversations", "team_id"),
    ("list_conversations", "team_id"),
    // What a contact is called in an inbox: a text.
    ("list_conversations", "source_id"),
    ("list_deliveries", "inbox_id"),
    ("list_quarantine", "inbox_id"),
];

#[test]
fn every_id_that_is_sent_outside_the_path_is_known_to_the_story_below() {
    let document: Value = serde_json::from_str(&committed()).expect("JSON");
    let mut found = BTreeSet::new();
    for (_, _, operation) in operations() {
        let id = operation["operationId"].as_str().expect("an operationId").to_owned();
        for parameter in operation["parameters"].as_array().into_iter().flatten().filter(|p| p["in"] == "query") {
            let name = parameter["name"].as_str().expect("a name");
            if name.contains("id") || ["before", "after"].contains(&name) {
                found.insert((id.clone(), name.to_owned()));
            }
        }
        let content = operation["requestBody"]["content"].as_object().into_iter().flatten();
        for (_, media) in content {
            for name in fields(&document, &media["schema"]) {
                if name.ends_with("_id") || name.ends_with("_ids") {
                    found.insert((id.clone(), name));
                }
            }
        }
    }
    found.retain(|(_, name)| !["echo_id", "updated_within"].contains(&name.as_str()));
    let known: BTreeSet<_> = IDS_IN_BODIES.iter().map(|(id, name)| ((*id).to_owned(), (*name).to_owned())).collect();
    assert_eq!(found, known);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_ids_in_bodies_and_queries_name_nothing() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let theirs = Named::in_world(w, "Secret", "nobody else's business").await?;
        // Mallory's account has an inbox and a conversation of its own, so that nothing but the foreign id is wrong.
        let other = w.create_account("Mallory", "mallory@elsewhere.example")?;
        let her_account = other["account_id"].as_i64().context("account_id")?;
        let her_id = other["user_id"].as_i64().context("user_id")?;
        let as_mallory = w.api.with_token(other["access_token"].as_str());
        let admin = std::mem::replace(&mut w.api, as_mallory);
        let account = std::mem::replace(&mut w.account_id, her_account);
        let her_inbox = w.connect_as("mallory@elsewhere.example", SALES, &json!({"email": SALES})).await?;
        w.watched(her_inbox).await?;
        w.sandbox
            .deliver("sales@contoso.example", &Mail::new("eve@customer.example", "Hers", "her own").id("h@c").bytes());
        let hers = w.conversations_are(1).await?[0]["id"].as_i64().context("id")?;
        let (mallory, path) = (w.api.clone(), |rest: &str| format!("/api/v1/accounts/{her_account}{rest}"));
        let refused = async |method: &str, rest: &str, body: Option<Value>, status: u16| -> Result<()> {
            let answer = mallory.call(method, &path(rest), body.as_ref()).await?;
            assert_eq!(answer.status, status, "{method} {rest} {body:?}: {}", answer.text);
            assert!(
                !answer.text.contains("nobody else") && !answer.text.contains("contoso.example"),
                "{}",
                answer.text
            );
            Ok(())
        };
        for method in ["POST", "PATCH"] {
            let foreign_inbox = json!({"inbox_id": theirs.inbox, "user_ids": [her_id]});
            refused(method, "/inbox_members", Some(foreign_inbox), 404).await?;
            let stranger = json!({"inbox_id": her_inbox, "user_ids": [her_id, theirs.user]});
            refused(method, "/inbox_members", Some(stranger), 422).await?;
        }
        refused("POST", "/microsoft/authorization", Some(json!({"inbox_id": theirs.inbox})), 404).await?;
        refused("POST", "/connect_links", Some(json!({"inbox_id": theirs.inbox})), 404).await?;
        let by_graph = json!({"inbox_id": theirs.inbox, "send_transport": "graph"});
        refused("POST", "/microsoft/authorization", Some(by_graph), 404).await?;
        let switch = format!("/inboxes/{}/send_transport", theirs.inbox);
        refused("PUT", &switch, Some(json!({"send_transport": "graph"})), 404).await?;
        let from = format!("/inboxes/{}/from_address", theirs.inbox);
        refused("PUT", &from, Some(json!({"from_address": "mallory@contoso.example"})), 404).await?;
        refused("GET", &format!("/assignable_agents?inbox_ids[]={}", theirs.inbox), None, 404).await?;
        let both = format!("/assignable_agents?inbox_ids[]={her_inbox}&inbox_ids[]={}", theirs.inbox);
        refused("GET", &both, None, 404).await?;
        let assignments = format!("/conversations/{hers}/assignments");
        refused("POST", &assignments, Some(json!({"assignee_id": theirs.user})), 422).await?;
        refused("POST", &assignments, Some(json!({"team_id": 1})), 422).await?;
        refused("POST", &format!("{assignments}?team_id=1"), None, 422).await?;
        let her_contact = mallory.get(&path("/contacts")).await?["payload"][0]["id"].as_i64().context("a contact")?;
        refused("POST", "/contacts", Some(json!({"name": "x", "inbox_id": theirs.inbox})), 404).await?;
        let known = Some(json!({"inbox_id": theirs.inbox}));
        refused("POST", &format!("/contacts/{her_contact}/contact_inboxes"), known, 404).await?;
        for (base, mergee) in [(her_contact, theirs.contact), (theirs.contact, her_contact)] {
            let both = json!({"base_contact_id": base, "mergee_contact_id": mergee});
            refused("POST", "/actions/contact_merge", Some(both), 404).await?;
        }
        for name in ["availability", "auto_offline", "set_active_account"] {
            let profile = json!({"profile": {"account_id": account, "availability": "busy", "auto_offline": true}});
            let method = if name == "set_active_account" { "PUT" } else { "POST" };
            let answer = mallory.call(method, &format!("/api/v1/profile/{name}"), Some(&profile)).await?;
            assert_eq!(answer.status, 404, "{name}: {}", answer.text);
        }
        // A filter by what is not there finds nothing, and does not say why.
        let listed = mallory.get(&path(&format!("/conversations?status=all&inbox_id={}", theirs.inbox))).await?;
        assert_eq!((&listed["data"]["payload"], &listed["data"]["meta"]["all_count"]), (&json!([]), &json!(0)));
        let counted = mallory.get(&path(&format!("/conversations/meta?status=all&inbox_id={}", theirs.inbox))).await?;
        assert_eq!(counted["meta"]["all_count"], json!(0));
        for end in ["before", "after"] {
            let messages =
                mallory.get(&path(&format!("/conversations/{hers}/messages?{end}={}", theirs.message))).await?;
            assert!(!messages.to_string().contains("nobody else"), "{messages}");
        }
        // Nothing of it was kept.
        let members = mallory.get(&path(&format!("/inbox_members/{her_inbox}"))).await?;
        assert!(
            members["payload"].as_array().is_some_and(|list| list.iter().all(|m| m["id"] != json!(theirs.user))),
            "{members}"
        );
        assert_eq!(mallory.get(&path(&format!("/conversations/{hers}"))).await?["meta"]["assignee"], json!(null));
        w.api = admin;
        w.account_id = account;
        let members = w.api.get(&w.path(&format!("/inbox_members/{}", theirs.inbox))).await?;
        assert!(
            members["payload"].as_array().is_some_and(|list| list.iter().all(|m| m["id"] != json!(her_id))),
            "{members}"
        );
        Ok(())
    })
    .await
}

/// Nobody has a thing with this number.
const NOBODYS: i64 = 987_654_321;

type Request = (&'static str, String, i64, Box<dyn Fn(i64) -> Value>);

/// Two accounts that have the same kinds of things, and what they are called.
struct Both {
    theirs: Named,
    their_team: i64,
    their_app: i64,
    her_account: i64,
    her_id: i64,
    her_inbox: i64,
    her_contact: i64,
    hers: i64,
    her_team: i64,
    her_webhook: i64,
}

impl Both {
    /// Leaves the world working as Mallory, an administrator of an account of her own.
    async fn in_world(w: &mut World) -> Result<Self> {
        let theirs = Named::in_world(w, "Secret", "nobody else's business").await?;
        let member = json!({"inbox_id": theirs.inbox, "user_ids": [theirs.user]});
        w.api.post(&w.path("/inbox_members"), &member).await?;
        let team = |name: &str| json!({"name": name});
        let their_team = w.api.post(&w.path("/teams"), &team("Secrets")).await?["id"].as_i64().context("a team")?;
        let registered = json!({"name": "Secret", "client_id": "6cb04018-a3f5-46a7-b995-940c78f5aef3"});
        let their_app = w.api.post(&w.path("/oauth_apps"), &registered).await?["id"].as_i64().context("an app")?;
        let other = w.create_account("Mallory", "mallory@elsewhere.example")?;
        let her_account = other["account_id"].as_i64().context("account_id")?;
        let her_id = other["user_id"].as_i64().context("user_id")?;
        w.api = w.api.with_token(other["access_token"].as_str());
        w.account_id = her_account;
        let her_inbox = w.connect_as("mallory@elsewhere.example", SALES, &json!({"email": SALES})).await?;
        w.watched(her_inbox).await?;
        w.sandbox
            .deliver("sales@contoso.example", &Mail::new("eve@customer.example", "Hers", "her own").id("h@c").bytes());
        let conversation = w.conversations_are(1).await?[0].clone();
        let her_team = w.api.post(&w.path("/teams"), &team("Hers")).await?["id"].as_i64().context("a team")?;
        let hook = json!({"url": "https://hooks.example/x", "subscriptions": ["message_created"]});
        let webhook = w.api.post(&w.path("/webhooks"), &hook).await?;
        Ok(Self {
            theirs,
            their_team,
            their_app,
            her_account,
            her_id,
            her_inbox,
            her_contact: conversation["meta"]["sender"]["id"].as_i64().context("a contact")?,
            hers: conversation["id"].as_i64().context("id")?,
            her_team,
            her_webhook: webhook["payload"]["webhook"]["id"].as_i64().context("a webhook")?,
        })
    }

    /// Requests in Mallory's account in which nothing but one id, that of somebody else, is wrong: method, path, the id, the body with an id.
    fn requests(&self) -> Vec<Request> {
        let (her_inbox, her_contact, hers, her_id) = (self.her_inbox, self.her_contact, self.hers, self.her_id);
        let mut requests: Vec<Request> = Vec::new();
        let mut add =
            |method, path: String, id, body: Box<dyn Fn(i64) -> Value>| requests.push((method, path, id, body));
        for method in ["POST", "PATCH", "PUT", "DELETE"] {
            let body = move |id| json!({"user_ids": [her_id, id]});
            add(method, format!("/conversations/{hers}/participants"), self.theirs.user, Box::new(body));
        }
        for method in ["POST", "PATCH", "DELETE"] {
            let body = move |id| json!({"user_ids": [her_id, id]});
            add(method, format!("/teams/{}/team_members", self.her_team), self.theirs.user, Box::new(body));
        }
        let their_user = self.theirs.user;
        let from_theirs = move |id| json!({"inbox_id": id, "user_ids": [their_user]});
        add("DELETE", "/inbox_members".into(), self.theirs.inbox, Box::new(from_theirs));
        let from_hers = move |id| json!({"inbox_id": her_inbox, "user_ids": [id]});
        add("DELETE", "/inbox_members".into(), self.theirs.user, Box::new(from_hers));
        for (name, id) in [("assignee_id", self.theirs.user), ("team_id", self.their_team)] {
            let body = move |id| json!({"type": "Conversation", "ids": [hers], "fields": {name: id}});
            add("POST", "/bulk_actions".into(), id, Box::new(body));
        }
        for (name, id) in [("assignee_id", self.theirs.user), ("team_id", self.their_team)] {
            add("PATCH", format!("/conversations/{hers}"), id, Box::new(move |id| json!({name: id})));
        }
        let begun = move |name: &'static str| {
            move |id: i64| {
                let mut body = json!({"inbox_id": her_inbox, "contact_id": her_contact, "message": {"content": "x"}});
                body[name] = json!(id);
                body
            }
        };
        for (name, id) in [
            ("inbox_id", self.theirs.inbox),
            ("contact_id", self.theirs.contact),
            ("assignee_id", self.theirs.user),
            ("team_id", self.their_team),
        ] {
            add("POST", "/conversations".into(), id, Box::new(begun(name)));
        }
        let through = |id| json!({"oauth_app_id": id});
        add("POST", "/microsoft/authorization".into(), self.their_app, Box::new(through));
        add("POST", "/connect_links".into(), self.their_app, Box::new(through));
        let hook = |id| json!({"url": "https://hooks.example/y", "inbox_id": id, "subscriptions": ["message_created"]});
        add("POST", "/connect_links".into(), self.theirs.inbox, Box::new(|id| json!({"inbox_id": id})));
        add("POST", "/webhooks".into(), self.theirs.inbox, Box::new(hook));
        add("PATCH", format!("/webhooks/{}", self.her_webhook), self.theirs.inbox, Box::new(hook));
        for (path, id) in [
            ("/conversations?status=all&team_id=", self.their_team),
            ("/conversations/meta?status=all&team_id=", self.their_team),
            ("/deliveries?inbox_id=", self.theirs.inbox),
            ("/quarantine?inbox_id=", self.theirs.inbox),
        ] {
            add("GET", path.into(), id, Box::new(|_| Value::Null));
        }
        requests
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_ids_answer_as_ids_that_do_not_exist_and_change_nothing() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let (admin, account) = (w.api.clone(), w.account_id);
        let both = Both::in_world(w).await?;
        let root = format!("/api/v1/accounts/{}", both.her_account);
        for (method, path, foreign, body) in both.requests() {
            let mut answers = Vec::new();
            for id in [foreign, NOBODYS] {
                let path = if path.ends_with('=') { format!("{root}{path}{id}") } else { format!("{root}{path}") };
                let body = body(id);
                let mut answer = w.api.call(method, &path, (!body.is_null()).then_some(&body)).await?;
                if let Some(answer) = answer.body.as_object_mut() {
                    answer.remove("request_id");
                }
                answers
                    .push((answer.status, answer.body.to_string().replace(&NOBODYS.to_string(), &foreign.to_string())));
            }
            assert_eq!(answers[0], answers[1], "{method} {path} tells another tenant's id from one that nobody has");
            // Removing who is not there is done already; a list of what is not there is empty.
            let fine = method == "DELETE" || method == "GET";
            assert!(fine || (400..500).contains(&answers[0].0), "{method} {path} was accepted: {answers:?}");
        }
        for id in [account, NOBODYS] {
            let token = json!({"name": "x", "account_id": id});
            let answer = w.api.call("POST", "/api/v1/profile/access_tokens", Some(&token)).await?;
            assert_eq!((answer.status, &answer.body["code"]), (422, &json!("invalid")), "{}", answer.text);
        }
        let by_address = json!({"inbox_id": both.her_inbox, "source_id": "ada@customer.example"});
        let begun = w.api.call("POST", &w.path("/conversations"), Some(&by_address)).await?;
        assert_eq!(begun.status, 422, "the other tenant's customer was found by address: {}", begun.text);
        let listed = w.api.get(&w.path("/conversations?status=all&source_id=ada@customer.example")).await?;
        assert_eq!(listed["data"]["payload"], json!([]));
        // Nothing of it was kept.
        assert_eq!(w.conversations_are(1).await?[0]["meta"]["assignee"], json!(null));
        for path in
            [format!("/conversations/{}/participants", both.hers), format!("/teams/{}/team_members", both.her_team)]
        {
            let people = w.api.get(&w.path(&path)).await?;
            let strangers = people.as_array().context("a list")?.iter().filter(|one| one["id"] != json!(both.her_id));
            assert_eq!(strangers.count(), 0, "{path}: {people}");
        }
        let webhooks = w.api.get(&w.path("/webhooks")).await?;
        assert_eq!(webhooks["payload"]["webhooks"].as_array().map(Vec::len), Some(1), "{webhooks}");
        (w.api, w.account_id) = (admin, account);
        let members = w.api.get(&w.path(&format!("/inbox_members/{}", both.theirs.inbox))).await?;
        assert!(members["payload"].as_array().is_some_and(|list| list.iter().any(|m| m["id"] == json!(w.user_id))));
        Ok(())
    })
    .await
}
