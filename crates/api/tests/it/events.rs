//! Following an account's events: in order, without a gap, and nothing that one may not see.

use crate::desk::desk;
use crate::stream::Told;
use crate::world::{PASSWORD, World, assert_refusal};
use poem::http::Method;
use serde_json::{Value, json};
use std::time::Duration;
use store::AccountScope;

pub async fn scope(world: &World) -> AccountScope {
    world.app.store().operator().account(world.ours.account_id).await.expect("ok").expect("the account")
}

pub async fn note(world: &World, text: &str) -> Value {
    let body = json!({"content": text, "private": true, "echo_id": "echo"});
    let answer = world.json(Method::POST, "~/conversations/1/messages", &body).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    answer.json()
}

/// An agent who is a member of no inbox yet, and a token of theirs.
pub async fn agent(world: &World, name: &str) -> (i64, String) {
    let email = format!("{name}@contoso.example");
    let new = json!({"name": name, "email": email, "role": "agent", "password": PASSWORD});
    let id = world.json(Method::POST, "~/agents", &new).await.json()["id"].as_i64().expect("an id");
    let scope = scope(world).await;
    let agent = scope.agent(domain::UserId(id)).await.expect("ok").expect("an agent");
    let caller = app::accounts::Caller {
        user: agent.user,
        token_id: domain::TokenId(0),
        kind: store::TokenKind::Api,
        account_id: Some(world.ours.account_id),
    };
    let (_, token) = app::accounts::create_api_token(&world.app, &caller, Default::default()).await.expect("a token");
    (id, token.expose().to_owned())
}

/// Something that everybody in the account is told. Who was told of it was told of everything before.
pub async fn everybody_is_told(world: &World) {
    let mut tx = scope(world).await.begin().await.expect("a transaction");
    tx.append_event(domain::event::EventKind::ContactUpdated, None, None, json!({"v": 2, "contact": {"id": 7}}));
    tx.commit().await.expect("committed");
    app::live::look(&world.app, world.ours.account_id);
}

fn names(told: &[Told]) -> Vec<&str> {
    told.iter().map(|told| told.event.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_begins_with_ready_and_tells_what_happens_in_chatwoots_shapes() {
    let desk = desk().await;
    let world = &desk.world;
    let mut stream = world.follow("").await;
    assert_eq!(stream.headers["content-type"], "text/event-stream");
    assert_eq!(stream.headers["cache-control"], "no-store, no-transform");
    let ready = stream.next().await;
    assert_eq!((ready.event.as_str(), ready.id, &ready.data), ("ready", Some(0), &json!({"seq": 0})));
    assert!(ready.retry.is_some_and(|wait| (1000..=2000).contains(&wait)), "{ready:?}");

    let sent = note(world, "a note").await;
    let message = stream.next().await;
    assert_eq!((message.event.as_str(), message.id), ("message.created", Some(1)));
    let data = &message.data;
    assert_eq!(data["id"], sent["id"]);
    assert_eq!(data["account_id"], world.ours.account_id.0);
    assert_eq!(
        (&data["conversation_id"], &data["message_type"], &data["private"]),
        (&json!(1), &json!(1), &json!(true))
    );
    assert_eq!(
        (&data["content"], &data["echo_id"], &data["shortened"]),
        (&json!("a note"), &json!("echo"), &json!(false))
    );
    assert_eq!((&data["sender"]["type"], &data["sender_type"]), (&json!("user"), &json!("User")));
    assert!(data.get("v").is_none() && data.get("message").is_none(), "{data}");

    let conversation = stream.next().await;
    assert_eq!((conversation.event.as_str(), conversation.id), ("conversation.updated", Some(2)));
    let data = &conversation.data;
    let shown = world.get("~/conversations/1").await.json();
    for field in [
        "id",
        "uuid",
        "status",
        "labels",
        "inbox_id",
        "unread_count",
        "last_activity_at",
        "timestamp",
        "created_at",
        "updated_at",
        "priority",
        "waiting_since",
        "agent_last_seen_at",
        "additional_attributes",
        "custom_attributes",
        "muted",
        "can_reply",
    ] {
        assert_eq!(data[field], shown[field], "{field}: {data}");
    }
    assert_eq!(data["meta"]["sender"]["id"], shown["meta"]["sender"]["id"]);
    assert_eq!(data["meta"]["sender"]["type"], "contact");
    assert!(data["meta"]["assignee"].is_null() && data["meta"].get("assignee").is_some(), "{data}");
    assert_eq!(data["messages"][0]["content"], "a note");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_of_a_long_message_says_that_there_is_more_to_read() {
    let desk = desk().await;
    let mut stream = desk.world.follow("").await;
    stream.next().await;
    note(&desk.world, &"long ".repeat(1000)).await;
    let told = stream.next().await;
    assert_eq!(told.data["shortened"], true);
    assert_eq!(told.data["content"].as_str().map(str::len), Some(1024));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_back_is_told_everything_since_the_last_event_they_saw() {
    let desk = desk().await;
    let world = &desk.world;
    let mut stream = world.follow("").await;
    stream.next().await;
    note(world, "one").await;
    let seen = stream.next().await.id.expect("an id");
    drop(stream);
    // More than the feed remembers, and more than a page.
    for n in 0..80 {
        note(world, &format!("missed {n}")).await;
    }
    let token = world.ours.access_token.expose();
    let header = seen.to_string();
    // The header goes before the parameter, which stays what it was when a browser comes back by itself.
    let headers = [("api_access_token", token), ("last-event-id", header.as_str())];
    let Ok(mut by_header) = world.try_follow(&headers, "?last_event_id=0").await else { panic!("refused") };
    let mut by_query = world.follow(&format!("?last_event_id={seen}")).await;
    for stream in [&mut by_header, &mut by_query] {
        assert_eq!((stream.next().await.event.as_str(), seen), ("ready", 1));
        let told = stream.until(|told| told.data["content"] == "missed 79").await;
        let ids: Vec<_> = told.iter().map(|told| told.id.expect("an id")).collect();
        assert_eq!(ids, (seen + 1..=seen + 1 + 159).collect::<Vec<_>>(), "each once, in order");
    }
    note(world, "live").await;
    for stream in [&mut by_header, &mut by_query] {
        stream.until(|told| told.data["content"] == "live").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_away_for_too_long_is_told_to_read_everything_anew() {
    let desk = desk().await;
    let world = &desk.world;
    for text in ["one", "two"] {
        note(world, text).await;
    }
    assert_eq!(world.app.store().purge().sweep_events(Duration::ZERO).await.expect("swept"), 4);
    note(world, "three").await;
    let mut stream = world.follow("?last_event_id=3").await;
    let reset = stream.next().await;
    assert_eq!((reset.event.as_str(), reset.id, &reset.data), ("reset", Some(6), &json!({"seq": 6})));
    note(world, "live").await;
    assert_eq!(stream.next().await.data["content"], "live");
    // The last that was pruned is the one before the oldest that is there: nothing is missed.
    let mut stream = world.follow("?last_event_id=4").await;
    assert_eq!(stream.next().await.event, "ready");
    assert_eq!(stream.next().await.data["content"], "three");
    // Who is at the end of it misses nothing, even if nothing is kept.
    assert_eq!(world.app.store().purge().sweep_events(Duration::ZERO).await.expect("swept"), 4);
    let mut stream = world.follow("?last_event_id=8").await;
    assert_eq!(stream.next().await.event, "ready");
    note(world, "more").await;
    assert_eq!(stream.next().await.data["content"], "more");
    // A number that was never given comes from another state of the database.
    let mut stream = world.follow("?last_event_id=4000").await;
    assert_eq!(stream.next().await.event, "reset");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_behind_by_ten_thousand_events_is_told_to_read_everything_anew() {
    let desk = desk().await;
    let world = &desk.world;
    let scope = scope(world).await;
    for _ in 0..11 {
        let mut tx = scope.begin().await.expect("a transaction");
        for n in 0..1000 {
            tx.append_event(
                domain::event::EventKind::ContactUpdated,
                None,
                None,
                json!({"v": 2, "contact": {"id": n}}),
            );
        }
        tx.commit().await.expect("committed");
    }
    let mut stream = world.follow("?last_event_id=999").await;
    assert_eq!(stream.next().await.event, "reset");
    let mut stream = world.follow("?last_event_id=1000").await;
    assert_eq!(stream.next().await.event, "ready");
    let told = stream.until(|told| told.id == Some(11_000)).await;
    assert_eq!(told.len(), 10_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_told_of_their_inboxes_alone_and_from_the_moment_they_are_theirs() {
    let desk = desk().await;
    let world = &desk.world;
    let (id, token) = agent(world, "bea").await;
    let mut hers = world.follow_as(&token, "").await;
    hers.next().await;
    note(world, "not for her").await;
    everybody_is_told(world).await;
    assert_eq!(hers.next().await.event, "contact.updated");
    let members = json!({"inbox_id": desk.inbox.0, "user_ids": [id]});
    assert_eq!(world.json(Method::POST, "~/inbox_members", &members).await.status.as_u16(), 200);
    note(world, "for her").await;
    let told = hers.next().await;
    assert_eq!((told.data["content"].as_str(), told.id), (Some("for her"), Some(4)), "{told:?}");
    hers.next().await;
    // Taken away while the stream is open.
    let nobody = json!({"inbox_id": desk.inbox.0, "user_ids": []});
    assert_eq!(world.json(Method::PATCH, "~/inbox_members", &nobody).await.status.as_u16(), 200);
    note(world, "not for her any more").await;
    everybody_is_told(world).await;
    assert_eq!(hers.next().await.event, "contact.updated");
    // What she may not see is not told when she comes back either.
    let mut again = world.follow_as(&token, "?last_event_id=0").await;
    note(world, "nor this").await;
    everybody_is_told(world).await;
    let told = again.until(|told| told.id == Some(11)).await;
    assert_eq!(names(&told), ["ready", "contact.updated", "contact.updated", "contact.updated"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_for_whoever_is_removed_signs_out_or_whose_account_is_suspended() {
    let desk = desk().await;
    let world = &desk.world;
    let (id, token) = agent(world, "bea").await;
    let mut hers = world.follow_as(&token, "").await;
    hers.next().await;
    assert_eq!(
        world
            .send(
                Method::DELETE,
                &format!("~/agents/{id}"),
                &[("api_access_token", world.ours.access_token.expose())],
                ()
            )
            .await
            .status
            .as_u16(),
        200
    );
    hers.ends().await;
    let refused = world.try_follow(&[("api_access_token", &token)], "").await.err().expect("refused");
    // Their tokens for the account end with their place in it.
    assert_refusal(&refused, 401, "invalid_access_token");

    let signed_in = world.sign_in("admin@contoso.example", &[]).await;
    let session: Vec<(&str, &str)> =
        ["access-token", "client", "uid"].into_iter().map(|name| (name, signed_in.header(name))).collect();
    let Ok(mut session_stream) = world.try_follow(&session, "").await else { panic!("refused") };
    session_stream.next().await;
    assert_eq!(world.send(Method::DELETE, "/auth/sign_out", &session, ()).await.status.as_u16(), 200);
    let mut ours = world.follow("").await;
    ours.next().await;
    // Each event is looked at anew.
    note(world, "after signing out").await;
    session_stream.ends().await;
    let told = ours.until(|told| told.event == "conversation.updated").await;
    assert_eq!(told[0].data["content"], "after signing out");

    let operator = world.app.store().operator();
    operator
        .set_account_status(world.ours.account_id, domain::account::AccountStatus::Suspended)
        .await
        .expect("suspended");
    app::live::look(&world.app, world.ours.account_id);
    ours.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_for_one_person_is_told_to_nobody_else() {
    let desk = desk().await;
    let world = &desk.world;
    let (id, token) = agent(world, "bea").await;
    let (mut hers, mut ours) = (world.follow_as(&token, "").await, world.follow("").await);
    hers.next().await;
    ours.next().await;
    let mut tx = scope(world).await.begin().await.expect("a transaction");
    let kind = domain::event::EventKind::ContactUpdated;
    tx.append_event_for(domain::UserId(id), None, kind, json!({"v": 1, "for": "her"}));
    tx.append_event(kind, None, None, json!({"v": 1, "for": "all"}));
    tx.commit().await.expect("committed");
    app::live::look(&world.app, world.ours.account_id);
    assert_eq!(hers.next().await.data["for"], "her");
    assert_eq!(hers.next().await.data["for"], "all");
    assert_eq!(ours.next().await.data["for"], "all");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_concerns_one_person_is_told_only_while_they_see_its_inbox() {
    let desk = desk().await;
    let world = &desk.world;
    let (id, token) = agent(world, "bea").await;
    let inbox = world.get("~/inboxes").await.json()["payload"][0]["id"].as_i64().expect("an inbox");
    let mut hers = world.follow_as(&token, "").await;
    hers.next().await;
    let kind = domain::event::EventKind::NotificationCreated;
    let tell = async |text: &str| {
        let mut tx = scope(world).await.begin().await.expect("a transaction");
        let payload = json!({"v": 1, "unread_count": 1, "count": 1, "notification": null, "text": text});
        tx.append_event_for(domain::UserId(id), Some(domain::InboxId(inbox)), kind, payload);
        tx.commit().await.expect("committed");
        everybody_is_told(world).await;
    };
    tell("she is no member").await;
    assert_eq!(hers.next().await.event, "contact.updated");
    let members = json!({"inbox_id": inbox, "user_ids": [id]});
    assert_eq!(world.json(Method::POST, "~/inbox_members", &members).await.status.as_u16(), 200);
    tell("she is one").await;
    assert_eq!(hers.next().await.event, "notification.created");
    assert_eq!(hers.next().await.event, "contact.updated");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_told_of_is_found_by_looking() {
    let desk = desk().await;
    let world = &desk.world;
    let mut stream = world.follow("").await;
    stream.next().await;
    // As another process commits it, without a hint.
    let mut tx = scope(world).await.begin().await.expect("a transaction");
    tx.append_event(domain::event::EventKind::ContactUpdated, None, None, json!({"v": 2, "contact": {"id": 7}}));
    tx.commit().await.expect("committed");
    let told = stream.next().await;
    assert_eq!(
        (told.event.as_str(), &told.data["id"], &told.data["type"]),
        ("contact.updated", &json!(7), &json!("contact"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_streams_cost_the_database_as_much_as_two() {
    let desk = desk().await;
    let world = &desk.world;
    let (_, token) = agent(world, "bea").await;
    let mut streams = Vec::new();
    for n in 0..60 {
        let token = if n % 2 == 0 { world.ours.access_token.expose() } else { token.as_str() };
        streams.push(world.follow_as(token, "").await);
    }
    for stream in &mut streams {
        stream.next().await;
    }
    let mut cost = Vec::new();
    while !streams.is_empty() {
        // Everybody waits, and the feed has come to rest.
        note(world, "before").await;
        for stream in streams.iter_mut().step_by(2) {
            stream
                .until(|told| told.event == "conversation.updated" && told.data["messages"][0]["content"] == "before")
                .await;
        }
        let before = world.app.store().statements().count();
        everybody_is_told(world).await;
        for stream in &mut streams {
            stream.until(|told| told.event == "contact.updated").await;
        }
        cost.push((streams.len(), world.app.store().statements().count() - before));
        streams.truncate(if streams.len() > 2 { 2 } else { 0 });
    }
    // The slow look may have come in between: one statement, and what it found to do.
    assert!(cost.iter().all(|(_, statements)| *statements <= 12), "{cost:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_may_follow_so_often_and_a_process_ends_its_streams_when_it_stops() {
    let desk = desk().await;
    let world = &desk.world;
    let mut streams = Vec::new();
    for _ in 0..app::live::STREAMS_OF_A_PERSON {
        streams.push(world.follow("").await);
    }
    let token = world.ours.access_token.expose();
    let refused = world.try_follow(&[("api_access_token", token)], "").await.err().expect("refused");
    assert_refusal(&refused, 429, "too_many_streams");
    assert_eq!(refused.header("retry-after"), "60");
    streams.pop();
    streams.push(world.follow("").await);
    for stream in &mut streams {
        stream.next().await;
    }
    app::live::close(&world.app);
    for stream in &mut streams {
        stream.ends().await;
    }
    let refused = world.try_follow(&[("api_access_token", token)], "").await.err().expect("refused");
    assert_refusal(&refused, 503, "unavailable");
}

#[tokio::test]
async fn a_place_in_the_events_is_a_number_and_not_below_nothing() {
    let world = World::new().await;
    let token = world.ours.access_token.expose();
    for (headers, query) in [
        (vec![("api_access_token", token)], "?last_event_id=x"),
        (vec![("api_access_token", token)], "?last_event_id=-1"),
        (vec![("api_access_token", token), ("last-event-id", "x")], ""),
    ] {
        let refused = world.try_follow(&headers, query).await.err().expect("refused");
        assert_refusal(&refused, 400, "bad_request");
    }
}
