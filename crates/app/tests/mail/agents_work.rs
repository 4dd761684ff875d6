//! What agents do with a conversation, and who hears of it: lines, events with what changed, and what comes back by itself.

use crate::desk::{ADA, Desk, mail};
use crate::postgres::on_each;
use app::conversations::{self, ConversationFilter, ConversationKind};
use app::organising::{labels, teams};
use app::outbound::{Draft, reply};
use domain::DisplayId;
use domain::conversation::{ConversationStatus, Priority};
use domain::message::MessageType;
use serde_json::{Value, json};
use sqlx::{Connection as _, Row as _};
use std::time::Duration;

/// Kinds and payloads of events since the beginning, as the event stream and webhooks tell them.
async fn events(desk: &Desk) -> Vec<(String, Value)> {
    let parsed = |kind: String, payload: String| (kind, serde_json::from_str(&payload).expect("JSON"));
    let text = "SELECT kind, payload FROM events ORDER BY account_id, seq";
    let url = desk.database_url();
    if url.starts_with("sqlite") {
        let mut database = sqlx::SqliteConnection::connect(&url).await.expect("opens");
        let rows = sqlx::query(text).fetch_all(&mut database).await.expect("events");
        rows.into_iter().map(|row| parsed(row.get(0), row.get(1))).collect()
    } else {
        let mut database = sqlx::PgConnection::connect(&url).await.expect("opens");
        let rows = sqlx::query(text).fetch_all(&mut database).await.expect("events");
        rows.into_iter().map(|row| parsed(row.get(0), row.get(1))).collect()
    }
}

/// What was told since: kinds, and the names of what changed.
async fn told(desk: &Desk, before: usize) -> Vec<(String, Vec<String>)> {
    let names = |payload: &Value| -> Vec<String> {
        let changed = payload["changed_attributes"].as_array().cloned().unwrap_or_default();
        changed.iter().filter_map(Value::as_object).flat_map(|one| one.keys().cloned()).collect()
    };
    events(desk).await.split_off(before).iter().map(|(kind, payload)| (kind.clone(), names(payload))).collect()
}

async fn lines(desk: &Desk, id: DisplayId) -> Vec<String> {
    let activity = desk.messages(id).await.into_iter().filter(|m| m.message_type == MessageType::Activity);
    activity.filter_map(|message| message.content).collect()
}

async fn one(desk: &Desk) -> DisplayId {
    desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
    desk.conversation().await.conversation.display_id
}

fn pairs(expected: &[(&str, &[&str])]) -> Vec<(String, Vec<String>)> {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    expected.iter().map(|(kind, names)| ((*kind).to_owned(), owned(names))).collect()
}

#[tokio::test]
async fn what_agents_change_is_told_in_a_line_and_in_events_that_say_what_was() {
    on_each(async |desk| {
        let id = one(desk).await;
        let (app, member) = (&desk.app, &desk.member);
        let me = member.agent.user.available_name().to_owned();
        let before = events(desk).await.len();
        conversations::set_priority(app, member, id, Some(Priority::High)).await.expect("set");
        conversations::set_priority(app, member, id, Some(Priority::High)).await.expect("the same again");
        conversations::set_labels(app, member, id, &["VIP".to_owned(), "billing".to_owned()]).await.expect("set");
        conversations::set_labels(app, member, id, &["billing".to_owned()]).await.expect("set");
        conversations::set_priority(app, member, id, None).await.expect("taken away");
        assert_eq!(
            lines(desk, id).await,
            [
                format!("{me} set the priority to high"),
                format!("{me} added billing, vip"),
                format!("{me} removed vip"),
                format!("{me} removed the priority"),
            ]
        );
        assert_eq!(
            told(desk, before).await,
            pairs(&[
                ("message_created", &[]),
                ("conversation_updated", &["priority"]),
                ("message_created", &[]),
                ("conversation_updated", &["label_list"]),
                ("message_created", &[]),
                ("conversation_updated", &["label_list"]),
                ("message_created", &[]),
                ("conversation_updated", &["priority"]),
            ])
        );
        let (_, last) = events(desk).await.pop().expect("events");
        let change = json!([{ "priority": { "previous_value": "high", "current_value": null } }]);
        assert_eq!(last["changed_attributes"], change);
        assert_eq!(last["conversation"]["labels"], json!(["billing"]));
    })
    .await;
}

#[tokio::test]
async fn who_has_a_conversation_that_goes_to_a_team_they_are_not_in_has_it_no_longer() {
    on_each(async |desk| {
        let id = one(desk).await;
        let (app, member) = (&desk.app, &desk.member);
        let me = member.agent.user.id;
        let name = member.agent.user.available_name().to_owned();
        let new = teams::NewTeam {
            name: "Sales".to_owned(),
            description: None,
            allow_auto_assign: false,
            icon: String::new(),
            icon_color: String::new(),
        };
        let team = teams::create(app, member, new).await.expect("made");
        teams::change_members(app, member, team.id, &[me], teams::People::Add).await.expect("added");
        conversations::assign(app, member, id, Some(me)).await.expect("mine");
        conversations::assign_team(app, member, id, Some(team.id)).await.expect("given");
        assert_eq!(desk.conversation().await.conversation.assignee_id, Some(me), "they are in it");
        conversations::assign_team(app, member, id, None).await.expect("taken");
        teams::change_members(app, member, team.id, &[me], teams::People::Remove).await.expect("out");
        let before = events(desk).await.len();
        conversations::assign_team(app, member, id, Some(team.id)).await.expect("given");
        let view = desk.conversation().await;
        assert_eq!((view.conversation.assignee_id, view.team.map(|team| team.name)), (None, Some("sales".to_owned())));
        let changed: &[&str] = &["assignee_id", "team_id"];
        assert_eq!(
            told(desk, before).await,
            pairs(&[
                ("message_created", &[]),
                ("message_created", &[]),
                ("assignee_changed", changed),
                ("team_changed", changed),
                ("conversation_updated", changed),
            ])
        );
        let last = lines(desk, id).await.split_off(3);
        assert_eq!(last, [format!("Assigned to sales by {name}"), format!("Conversation unassigned by {name}")]);
        // Whoever was given it takes part, and does so afterwards.
        let people = conversations::participants(app, member, id).await.expect("a list");
        assert_eq!(people.iter().map(|agent| agent.user.id).collect::<Vec<_>>(), [me]);
        teams::delete(app, member, team.id).await.expect("gone");
        assert_eq!(desk.conversation().await.team, None);
    })
    .await;
}

#[tokio::test]
async fn a_snoozed_conversation_comes_back_by_itself_when_its_time_is_up_and_once() {
    on_each(async |desk| {
        let id = one(desk).await;
        let (app, member) = (&desk.app, &desk.member);
        let until = app.now().plus(Duration::from_secs(3600));
        let snoozed = Some(ConversationStatus::Snoozed);
        conversations::toggle_status(app, member, id, snoozed, Some(until)).await.expect("snoozed");
        assert_eq!(conversations::wake_snoozed(app).await.expect("looks"), 0, "not yet");
        desk.clock.forward(Duration::from_secs(3601));
        let before = events(desk).await.len();
        // Two processes at once.
        let (one, other) = tokio::join!(conversations::wake_snoozed(app), conversations::wake_snoozed(app));
        assert_eq!(one.expect("looks") + other.expect("looks"), 1);
        let view = desk.conversation().await.conversation;
        assert_eq!((view.status, view.snoozed_until), (ConversationStatus::Open, None));
        let changed: &[&str] = &["status", "snoozed_until"];
        assert_eq!(
            told(desk, before).await,
            pairs(&[
                ("message_created", &[]),
                ("conversation_status_changed", changed),
                ("conversation_updated", changed),
            ])
        );
        assert_eq!(lines(desk, id).await.pop().expect("a line"), "Conversation was reopened because its snooze ended");
        assert_eq!(conversations::wake_snoozed(app).await.expect("looks"), 0);

        // Without an end it stays asleep, and one that was woken by hand does not come again.
        conversations::toggle_status(app, member, id, snoozed, None).await.expect("snoozed");
        desk.clock.forward(Duration::from_secs(10_000_000));
        assert_eq!(conversations::wake_snoozed(app).await.expect("looks"), 0);
        assert_eq!(desk.conversation().await.conversation.status, ConversationStatus::Snoozed);
    })
    .await;
}

#[tokio::test]
async fn a_muted_conversation_is_resolved_and_its_contacts_mail_stays_quiet_until_it_is_unmuted() {
    on_each(async |desk| {
        let id = one(desk).await;
        let (app, member) = (&desk.app, &desk.member);
        let me = member.agent.user.available_name().to_owned();
        let before = events(desk).await.len();
        conversations::mute(app, member, id).await.expect("muted");
        conversations::mute(app, member, id).await.expect("the same again");
        let view = desk.conversation().await;
        assert!(view.contact.blocked && view.conversation.status == ConversationStatus::Resolved);
        let resolved = format!("Conversation was marked resolved by {me}");
        assert_eq!(lines(desk, id).await, [resolved, format!("{me} has muted the conversation")]);
        let changed: &[&str] = &["status", "waiting_since", "muted"];
        assert_eq!(
            told(desk, before).await,
            pairs(&[
                ("message_created", &[]),
                ("message_created", &[]),
                ("conversation_status_changed", changed),
                ("conversation_updated", changed),
                ("contact_updated", &[]),
            ])
        );
        let answer = |n: u32| mail(ADA, &format!("{n}@x.example"), "Re: One", "In-Reply-To: <1@x.example>\n", "again");
        desk.take_in(&answer(2)).await;
        assert_eq!(desk.conversation().await.conversation.status, ConversationStatus::Resolved);
        conversations::unmute(app, member, id).await.expect("unmuted");
        desk.take_in(&answer(3)).await;
        let view = desk.conversation().await;
        assert!(!view.contact.blocked && view.conversation.status == ConversationStatus::Open);
    })
    .await;
}

#[tokio::test]
async fn a_conversation_that_is_marked_unread_is_unread_by_its_last_mail() {
    on_each(async |desk| {
        let id = one(desk).await;
        let (app, member) = (&desk.app, &desk.member);
        desk.clock.forward(Duration::from_secs(1));
        desk.take_in(&mail(ADA, "2@x.example", "Re: One", "In-Reply-To: <1@x.example>\n", "again")).await;
        let untouched = conversations::mark_unread(app, member, id).await.expect("marked");
        assert_eq!(untouched.unread_count, 2, "it is unread already, all of it");
        desk.clock.forward(Duration::from_secs(1));
        assert_eq!(conversations::update_last_seen(app, member, id).await.expect("seen").unread_count, 0);
        let before = events(desk).await.len();
        assert_eq!(conversations::mark_unread(app, member, id).await.expect("marked").unread_count, 1);
        assert_eq!(told(desk, before).await, pairs(&[("conversation_updated", &["agent_last_seen_at"])]));
        assert_eq!(desk.conversation().await.unread_count, 1);
    })
    .await;
}

#[tokio::test]
async fn a_note_that_speaks_to_somebody_makes_them_take_part_and_a_reply_does_not() {
    on_each(async |desk| {
        let id = one(desk).await;
        let (app, member) = (&desk.app, &desk.member);
        let me = member.agent.user.id;
        let mentions = ConversationFilter { kind: Some(ConversationKind::Mention), ..ConversationFilter::default() };
        let say = async |private| {
            let content = format!("[@Me](mention://user/{me}/Me) and [@Nobody](mention://user/4242/Nobody)");
            reply(app, member, id, Draft { content, private, ..Draft::default() }).await.expect("said");
            conversations::list(app, member, &mentions).await.expect("a list").items.len()
        };
        assert_eq!(say(false).await, 0);
        assert_eq!(say(true).await, 1);
        let people = conversations::participants(app, member, id).await.expect("a list");
        assert_eq!(people.iter().map(|agent| agent.user.id).collect::<Vec<_>>(), [me]);
    })
    .await;
}

#[tokio::test]
async fn custom_attributes_are_replaced_merged_and_taken_away_and_have_an_end() {
    let desk = Desk::new().await;
    let id = one(&desk).await;
    let (app, member) = (&desk.app, &desk.member);
    let set = async |change| conversations::set_custom_attributes(app, member, id, change).await;
    use conversations::Attributes::{Merge, Remove, Replace};
    let object = |value: Value| value.as_object().cloned().expect("an object");
    assert_eq!(set(Replace(object(json!({"a": 1, "b": 2})))).await.expect("set"), json!({"a": 1, "b": 2}));
    assert_eq!(set(Merge(object(json!({"b": 3})))).await.expect("set"), json!({"a": 1, "b": 3}));
    assert_eq!(set(Remove(vec!["a".to_owned(), "z".to_owned()])).await.expect("set"), json!({"b": 3}));
    let long = object(json!({"c": "x".repeat(conversations::marks::MAX_ATTRIBUTES_BYTES)}));
    let refused = set(Merge(long)).await;
    assert!(matches!(refused, Err(conversations::MarkError::AttributesTooLong)), "{refused:?}");
    assert_eq!(desk.conversation().await.conversation.custom_attributes, json!({"b": 3}));
}

#[tokio::test]
async fn whoever_keeps_a_copy_of_labels_hears_that_it_is_old() {
    let desk = Desk::new().await;
    let before = events(&desk).await.len();
    let label = labels::create(&desk.app, &desk.member, "vip", None, None, true).await.expect("made");
    labels::delete(&desk.app, &desk.member, label.id).await.expect("gone");
    let told = events(&desk).await.split_off(before);
    assert_eq!(told.len(), 2);
    for (kind, payload) in told {
        assert!(kind == "account_cache_invalidated" && payload["cache_keys"]["label"].is_string(), "{kind} {payload}");
    }
}
