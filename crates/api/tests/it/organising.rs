//! Labels, teams, canned responses and saved views, and what agents do with a conversation, as clients call them.

use crate::desk::{Desk, desk};
use crate::world::{Answer, PASSWORD, World, assert_refusal};
use poem::http::Method;
use serde_json::{Value, json};

/// An agent of our account, a member of no inbox: their id, and how they ask.
struct Agent {
    id: Value,
    headers: Vec<(&'static str, String)>,
}

impl Agent {
    async fn new(world: &World) -> Self {
        let new = json!({"name": "Agent", "email": "agent@contoso.example", "password": PASSWORD});
        let id = world.json(Method::POST, "~/agents", &new).await.json()["id"].clone();
        let signed_in = world.sign_in("agent@contoso.example", &[]).await;
        let mut headers: Vec<(&str, String)> = ["access-token", "client", "uid"]
            .into_iter()
            .map(|name| (name, signed_in.header(name).to_owned()))
            .collect();
        headers.push(("content-type", "application/json".to_owned()));
        Self { id, headers }
    }

    async fn ask(&self, world: &World, method: Method, path: &str, body: &Value) -> Answer {
        let headers: Vec<(&str, &str)> = self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        world.send(method, path, &headers, body.to_string()).await
    }
}

async fn ok(world: &World, method: Method, path: &str, body: Value) -> Value {
    let answer = world.json(method, path, &body).await;
    assert_eq!(answer.status.as_u16(), 200, "{path}: {}", answer.text);
    if answer.text.is_empty() { Value::Null } else { answer.json() }
}

#[tokio::test]
async fn administrators_keep_labels_and_agents_read_them() {
    let world = World::new().await;
    let agent = Agent::new(&world).await;
    let new = json!({"title": " Billing ", "description": "Money", "color": "#abc", "show_on_sidebar": true});
    let label = ok(&world, Method::POST, "~/labels", new.clone()).await;
    assert_eq!(
        label,
        json!({"id": label["id"], "title": "billing", "description": "Money", "color": "#abc", "show_on_sidebar": true})
    );
    assert_eq!(world.get("~/labels").await.json(), json!({"payload": [label]}));
    let path = format!("~/labels/{}", label["id"]);
    let changed = ok(&world, Method::PATCH, &path, json!({"title": "money", "description": null})).await;
    assert_eq!(
        (&changed["title"], &changed["description"], &changed["color"]),
        (&json!("money"), &Value::Null, &json!("#abc"))
    );
    assert_eq!(world.get(&path).await.json(), changed);
    assert_eq!(agent.ask(&world, Method::GET, "~/labels", &json!({})).await.json()["payload"][0]["title"], "money");
    for (method, path) in [(Method::POST, "~/labels"), (Method::PATCH, &path), (Method::DELETE, &path)] {
        assert_refusal(&agent.ask(&world, method, path, &new).await, 403, "forbidden");
    }
    for (body, field) in [
        (json!({"title": "two words"}), "title"),
        (json!({"title": "MONEY"}), "title"),
        (json!({"title": "x", "color": "red"}), "color"),
    ] {
        let refused = world.json(Method::POST, "~/labels", &body).await;
        assert_refusal(&refused, 422, "invalid");
        assert_eq!(refused.json()["attributes"], json!([field]));
    }
    ok(&world, Method::DELETE, &path, json!({})).await;
    assert_refusal(&world.get(&path).await, 404, "not_found");
    assert_refusal(&world.json(Method::DELETE, &path, &json!({})).await, 404, "not_found");
}

#[tokio::test]
async fn administrators_keep_teams_with_their_members_and_agents_read_them() {
    let world = World::new().await;
    let agent = Agent::new(&world).await;
    let team = ok(&world, Method::POST, "~/teams", json!({"name": "Sales", "description": ""})).await;
    assert_eq!(
        team,
        json!({"id": team["id"], "name": "sales", "description": null, "allow_auto_assign": true, "icon": "",
               "icon_color": "", "account_id": world.ours.account_id.0, "is_member": false})
    );
    let path = format!("~/teams/{}", team["id"]);
    let members = format!("{path}/team_members");
    let added = ok(&world, Method::POST, &members, json!({"user_ids": [agent.id, agent.id]})).await;
    assert_eq!((added.as_array().map(Vec::len), &added[0]["id"]), (Some(1), &agent.id), "a bare list: {added}");
    let seen = agent.ask(&world, Method::GET, "~/teams", &json!({})).await.json();
    assert_eq!((&seen[0]["name"], &seen[0]["is_member"]), (&json!("sales"), &json!(true)), "a bare list: {seen}");
    assert_eq!(world.get(&path).await.json()["is_member"], false, "the administrator is not in it");
    let me = world.ours.user_id.0;
    let set = ok(&world, Method::PATCH, &members, json!({"user_ids": [me]})).await;
    assert_eq!((set.as_array().map(Vec::len), &set[0]["id"]), (Some(1), &json!(me)));
    assert_eq!(ok(&world, Method::DELETE, &members, json!({"user_ids": [me, 4242]})).await, json!([]));
    assert_eq!(world.get(&members).await.json(), json!([]));
    let stranger = json!({"user_ids": [world.theirs.user_id.0]});
    assert_refusal(&world.json(Method::POST, &members, &stranger).await, 422, "invalid");
    let body = json!({"name": "x", "user_ids": []});
    for (method, path) in [
        (Method::POST, "~/teams"),
        (Method::PATCH, &path),
        (Method::DELETE, &path),
        (Method::POST, &members),
        (Method::PATCH, &members),
        (Method::DELETE, &members),
    ] {
        assert_refusal(&agent.ask(&world, method, path, &body).await, 403, "forbidden");
    }
    assert_refusal(&world.json(Method::POST, "~/teams", &json!({"name": "SALES"})).await, 422, "invalid");
    let renamed = ok(&world, Method::PATCH, &path, json!({"name": "Big sales", "icon": "i"})).await;
    assert_eq!((&renamed["name"], &renamed["icon"]), (&json!("big sales"), &json!("i")));
    ok(&world, Method::DELETE, &path, json!({})).await;
    assert_refusal(&world.get(&members).await, 404, "not_found");
}

#[tokio::test]
async fn everybody_keeps_canned_responses_and_finds_them_by_their_words() {
    let world = World::new().await;
    let agent = Agent::new(&world).await;
    let wrapped = json!({"canned_response": {"short_code": "thanks", "content": "Thank you 100%"}});
    let made = agent.ask(&world, Method::POST, "~/canned_responses", &wrapped).await.json();
    assert_eq!((&made["short_code"], &made["account_id"]), (&json!("thanks"), &json!(world.ours.account_id.0)));
    ok(&world, Method::POST, "~/canned_responses", json!({"short_code": "bye", "content": "thanks and bye"})).await;
    ok(&world, Method::POST, "~/canned_responses", json!({"short_code": "nothanks", "content": "No"})).await;
    let codes = async |search: &str| -> Vec<Value> {
        let list = world.get(&format!("~/canned_responses?search={search}")).await.json();
        list.as_array().expect("a bare list").iter().map(|one| one["short_code"].clone()).collect()
    };
    assert_eq!(codes("").await, ["bye", "nothanks", "thanks"]);
    assert_eq!(codes("THANKS").await, ["thanks", "nothanks", "bye"], "begins with it, holds it, speaks of it");
    assert_eq!(codes("100%25").await, ["thanks"]);
    let path = format!("~/canned_responses/{}", made["id"]);
    let taken = world.json(Method::PATCH, &path, &json!({"short_code": "bye"})).await;
    assert_refusal(&taken, 422, "invalid");
    assert_eq!(ok(&world, Method::PATCH, &path, json!({"content": "Thanks!"})).await["content"], "Thanks!");
    let blank = world.json(Method::POST, "~/canned_responses", &json!({"short_code": "x"})).await;
    assert_eq!((blank.status.as_u16(), &blank.json()["attributes"]), (422, &json!(["content"])));
    let stranger = world.theirs.access_token.expose();
    let theirs = format!("/api/v1/accounts/{}/canned_responses/{}", world.theirs.account_id, made["id"]);
    assert_refusal(&world.json_as(stranger, Method::DELETE, &theirs, &json!({})).await, 404, "not_found");
    assert_eq!(agent.ask(&world, Method::DELETE, &path, &json!({})).await.status.as_u16(), 200);
    assert_refusal(&world.json(Method::DELETE, &path, &json!({})).await, 404, "not_found");
}

#[tokio::test]
async fn a_saved_view_is_its_owners_alone() {
    let world = World::new().await;
    let agent = Agent::new(&world).await;
    let new =
        json!({"name": "Mine", "filter_type": "conversation", "query": {"payload": [{"attribute_key": "status"}]}});
    let made = ok(&world, Method::POST, "~/custom_filters", new.clone()).await;
    assert_eq!(
        (&made["name"], &made["query"], &made["filter_type"]),
        (&new["name"], &new["query"], &new["filter_type"])
    );
    let path = format!("~/custom_filters/{}", made["id"]);
    assert_eq!(world.get("~/custom_filters").await.json(), json!([made]));
    assert_eq!(world.get("~/custom_filters?filter_type=contact").await.json(), json!([]));
    assert_eq!(agent.ask(&world, Method::GET, "~/custom_filters", &json!({})).await.json(), json!([]));
    for method in [Method::GET, Method::PATCH, Method::DELETE] {
        assert_refusal(&agent.ask(&world, method, &path, &json!({"name": "Theirs"})).await, 404, "not_found");
    }
    let long = json!({"name": "x", "query": {"a": "x".repeat(17_000)}});
    assert_refusal(&world.json(Method::POST, "~/custom_filters", &long).await, 422, "invalid");
    let renamed = ok(&world, Method::PATCH, &path, json!({"name": "Renamed"})).await;
    assert_eq!((&renamed["name"], &renamed["query"]), (&json!("Renamed"), &new["query"]));
    ok(&world, Method::DELETE, &path, json!({})).await;
    assert_refusal(&world.get(&path).await, 404, "not_found");
}

#[tokio::test]
async fn a_conversation_is_marked_and_shows_it_as_the_clients_read_it() {
    let Desk { world, .. } = desk().await;
    let one = "~/conversations/1";
    assert_eq!(ok(&world, Method::PATCH, one, json!({"priority": "high"})).await["priority"], "high");
    assert_eq!(ok(&world, Method::PATCH, one, json!({})).await["priority"], "high", "what is absent stays");
    let toggle = format!("{one}/toggle_priority");
    assert_eq!(world.json(Method::POST, &toggle, &json!({"priority": "low"})).await.text, "");
    assert_eq!(world.get(one).await.json()["priority"], "low");
    ok(&world, Method::POST, &toggle, json!({"priority": null})).await;
    assert_eq!(world.get(one).await.json()["priority"], Value::Null);
    assert_eq!(world.json(Method::PATCH, one, &json!({"priority": "dire"})).await.status.as_u16(), 400);

    let labels = format!("{one}/labels");
    let set = ok(&world, Method::POST, &labels, json!({"labels": ["VIP", "billing", "vip"]})).await;
    assert_eq!(set, json!({"payload": ["billing", "vip"]}));
    assert_eq!(
        (world.get(&labels).await.json(), &world.get(one).await.json()["labels"]),
        (set, &json!(["billing", "vip"]))
    );
    assert_eq!(world.get("~/conversations?labels[]=vip").await.json()["data"]["meta"]["all_count"], 1);
    assert_refusal(&world.json(Method::POST, &labels, &json!({"labels": ["no way"]})).await, 422, "invalid");
    let many: Vec<String> = (0..51).map(|n| format!("l{n}")).collect();
    assert_eq!(world.json(Method::POST, &labels, &json!({"labels": many})).await.status.as_u16(), 400);
    assert_eq!(ok(&world, Method::POST, &labels, json!({"labels": []})).await, json!({"payload": []}));

    let attributes = format!("{one}/custom_attributes");
    let set = ok(&world, Method::POST, &attributes, json!({"custom_attributes": {"order": 7}})).await;
    assert_eq!(set, json!({"custom_attributes": {"order": 7}}));
    let more = json!({"custom_attributes": {"plan": "gold"}, "merge": true});
    assert_eq!(
        ok(&world, Method::POST, &attributes, more).await["custom_attributes"],
        json!({"order": 7, "plan": "gold"})
    );
    let less = json!({"custom_attributes": ["order"]});
    let left = ok(&world, Method::POST, &format!("{one}/destroy_custom_attributes"), less).await;
    assert_eq!(left, json!({"custom_attributes": {"plan": "gold"}}));

    ok(&world, Method::POST, &format!("{one}/update_last_seen"), json!({})).await;
    let unread = ok(&world, Method::POST, &format!("{one}/unread"), json!({})).await;
    assert_eq!((&unread["id"], &unread["unread_count"]), (&json!(1), &json!(1)));
    ok(&world, Method::POST, &format!("{one}/mute"), json!({})).await;
    let muted = world.get(one).await.json();
    assert_eq!(
        (&muted["muted"], &muted["status"], &muted["meta"]["sender"]["blocked"]),
        (&json!(true), &json!("resolved"), &json!(true))
    );
    ok(&world, Method::POST, &format!("{one}/unmute"), json!({})).await;
    assert_eq!(world.get(one).await.json()["muted"], false);
}

#[tokio::test]
async fn a_conversation_goes_to_a_team_as_the_clients_ask_for_it() {
    let Desk { world, .. } = desk().await;
    let me = world.ours.user_id.0;
    let team = ok(&world, Method::POST, "~/teams", json!({"name": "sales"})).await["id"].clone();
    ok(&world, Method::POST, &format!("~/teams/{team}/team_members"), json!({"user_ids": [me]})).await;
    let assignments = "~/conversations/1/assignments";
    let given = ok(&world, Method::POST, assignments, json!({"team_id": team})).await;
    assert_eq!((&given["id"], &given["name"]), (&team, &json!("sales")));
    let shown = world.get("~/conversations/1").await.json();
    assert_eq!((&shown["meta"]["team"]["id"], &shown["meta"]["team"]["is_member"]), (&team, &json!(true)));
    assert_eq!(world.get(&format!("~/conversations?team_id={team}")).await.json()["data"]["meta"]["all_count"], 1);
    assert_eq!(world.get("~/conversations?team_id=4242").await.json()["data"]["meta"]["all_count"], 0);
    assert_eq!(ok(&world, Method::POST, assignments, json!({"team_id": 0})).await, Value::Null);
    assert_eq!(world.get("~/conversations/1").await.json()["meta"].get("team"), None, "absent, not null");
    ok(&world, Method::POST, &format!("{assignments}?team_id={team}"), json!({})).await;
    assert_eq!(world.get("~/conversations/1").await.json()["meta"]["team"]["id"], team);
    assert_eq!(ok(&world, Method::POST, assignments, json!({"team_id": null})).await, Value::Null);
    assert_eq!(world.get("~/conversations/1").await.json()["meta"].get("team"), None);
    let theirs = format!("/api/v1/accounts/{}/teams", world.theirs.account_id);
    let stranger = world.theirs.access_token.expose();
    let strange = world.json_as(stranger, Method::POST, &theirs, &json!({"name": "sales"})).await.json()["id"].clone();
    let refused = world.json(Method::POST, assignments, &json!({"team_id": strange})).await;
    assert_refusal(&refused, 422, "invalid");
    assert_eq!(refused.json()["attributes"], json!(["team_id"]));
}

#[tokio::test]
async fn a_draft_waits_for_its_writer_and_is_nobody_elses() {
    let Desk { world, inbox } = desk().await;
    let agent = Agent::new(&world).await;
    let path = "~/conversations/1/draft_messages";
    assert_eq!(world.get(path).await.json(), json!({"has_draft": false}));
    let draft = json!({"draft_message": {"message": "Dear Ada", "private": true, "cc_emails": ["boss@", "x"]}});
    assert_eq!(world.json(Method::PATCH, path, &draft).await.text, "");
    let kept = world.get(path).await.json();
    assert_eq!(
        (&kept["has_draft"], &kept["message"], &kept["private"]),
        (&json!(true), &json!("Dear Ada"), &json!(true))
    );
    assert_eq!((&kept["cc_emails"], &kept["to_emails"]), (&json!(["boss@", "x"]), &json!([])));
    assert_refusal(&agent.ask(&world, Method::GET, path, &json!({})).await, 404, "not_found");
    let members = json!({"inbox_id": inbox.0, "user_ids": [agent.id]});
    ok(&world, Method::POST, "~/inbox_members", members).await;
    assert_eq!(agent.ask(&world, Method::GET, path, &json!({})).await.json(), json!({"has_draft": false}));
    ok(&world, Method::PATCH, path, json!({"draft_message": {"message": ""}})).await;
    assert_eq!(world.get(path).await.json(), json!({"has_draft": false}), "nothing in it is no draft");
    ok(&world, Method::PATCH, path, draft).await;
    ok(&world, Method::DELETE, path, json!({})).await;
    assert_eq!(world.get(path).await.json(), json!({"has_draft": false}));
    let long = json!({"draft_message": {"message": "x", "to_emails": ["x".repeat(70_000)]}});
    assert_refusal(&world.json(Method::PATCH, path, &long).await, 422, "invalid");
}

#[tokio::test]
async fn people_take_part_who_see_the_inbox_and_what_one_does_not_see_is_not_there() {
    let Desk { world, inbox } = desk().await;
    let agent = Agent::new(&world).await;
    let path = "~/conversations/1/participants";
    let me = world.ours.user_id.0;
    assert_eq!(world.get(path).await.json(), json!([]));
    let added = ok(&world, Method::POST, path, json!({"user_ids": [me]})).await;
    assert_eq!((added.as_array().map(Vec::len), &added[0]["id"]), (Some(1), &json!(me)), "a bare list");
    for stranger in [&agent.id, &json!(world.theirs.user_id.0), &json!(4242)] {
        let refused = world.json(Method::POST, path, &json!({"user_ids": [stranger]})).await;
        assert_refusal(&refused, 422, "invalid");
    }
    let body = json!({"user_ids": [], "labels": [], "priority": null, "custom_attributes": {}, "draft_message": {}});
    for (method, what) in [
        (Method::PATCH, ""),
        (Method::POST, "/toggle_priority"),
        (Method::POST, "/unread"),
        (Method::POST, "/mute"),
        (Method::POST, "/unmute"),
        (Method::GET, "/labels"),
        (Method::POST, "/labels"),
        (Method::POST, "/custom_attributes"),
        (Method::GET, "/participants"),
        (Method::POST, "/participants"),
        (Method::PUT, "/participants"),
        (Method::DELETE, "/participants"),
        (Method::PATCH, "/draft_messages"),
        (Method::DELETE, "/draft_messages"),
    ] {
        let answer = agent.ask(&world, method, &format!("~/conversations/1{what}"), &body).await;
        assert_refusal(&answer, 404, "not_found");
    }
    ok(&world, Method::POST, "~/inbox_members", json!({"inbox_id": inbox.0, "user_ids": [agent.id]})).await;
    let set = ok(&world, Method::PUT, path, json!({"user_ids": [agent.id]})).await;
    assert_eq!((set.as_array().map(Vec::len), &set[0]["id"]), (Some(1), &agent.id));
    let list = agent.ask(&world, Method::GET, "~/conversations?conversation_type=participating", &json!({})).await;
    assert_eq!(list.json()["data"]["meta"]["all_count"], 1, "{}", list.text);
    assert_eq!(
        world.get("~/conversations?conversation_type=participating").await.json()["data"]["meta"]["all_count"],
        0
    );
    assert_eq!(world.get("~/conversations?conversation_type=unattended").await.json()["data"]["meta"]["all_count"], 1);
    assert_eq!(ok(&world, Method::DELETE, path, json!({"user_ids": [agent.id]})).await, json!([]));
}
