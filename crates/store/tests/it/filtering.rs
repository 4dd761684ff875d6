//! Conditions that somebody puts together themself, and the badges.

use crate::world::{START, each, new_conversation, new_message};
use domain::conversation::{ConversationStatus, Priority};
use domain::message::MessageType;
use domain::{InboxId, Timestamp};
use std::collections::BTreeMap;
use store::*;

fn after(seconds: i64) -> Timestamp {
    Timestamp(START.0 + seconds * 1_000_000)
}

fn term(of: FilterKey, test: FilterTest) -> FilterTerm {
    FilterTerm { of, test, or_next: false }
}

fn text(words: &str) -> Vec<FilterValue> {
    vec![FilterValue::Text(words.to_owned())]
}

fn number(n: i64) -> Vec<FilterValue> {
    vec![FilterValue::Number(n)]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_condition_finds_what_it_says_on_both_databases() {
    each(async |w| {
        let support = w.ours.inbox("support@ours.example").await;
        let sales = w.ours.inbox("sales@ours.example").await;
        let contact = w.ours.contact("cy@customer.example").await;
        let scope = &w.ours.scope;
        let me = w.ours.admin.id;
        let mut tx = scope.begin().await.unwrap();
        let mut ids = Vec::new();
        for (n, inbox) in [&support, &support, &sales].into_iter().enumerate() {
            let new = NewConversation {
                subject: Some(format!("Order 50%_{n} Größe{}", if n == 2 { ", Überweisung" } else { "" })),
                last_activity_at: after(i64::try_from(n).unwrap() * 100_000),
                ..new_conversation(inbox, contact)
            };
            ids.push(tx.create_conversation(&new).await.unwrap().id);
        }
        let mut first = tx.lock_conversation(ids[0]).await.unwrap().unwrap();
        (first.priority, first.assignee_id) = (Some(Priority::Urgent), Some(me));
        first.custom_attributes = serde_json::json!({"plan": "Gold", "seats": 5, "paid": true, "odd key": 1});
        tx.update_conversation(&first).await.unwrap();
        let mut second = tx.lock_conversation(ids[1]).await.unwrap().unwrap();
        (second.priority, second.status) = (Some(Priority::Low), ConversationStatus::Resolved);
        tx.update_conversation(&second).await.unwrap();
        tx.set_conversation_labels(ids[1], &["vip".to_owned(), "money".to_owned()]).await.unwrap();
        tx.commit().await.unwrap();
        let found = async |visibility: Visibility, terms: &[FilterTerm]| -> Vec<usize> {
            let filter = ConversationFilter { status: None, terms: terms.to_vec(), ..ConversationFilter::default() };
            let page = scope.conversations(&Viewer { visibility, user_id: me }, &filter).await.unwrap();
            assert_eq!(page.counts.all, page.items.len() as u64, "counted as listed: {terms:?}");
            let at = |view: &ConversationView| ids.iter().position(|id| *id == view.conversation.id).unwrap();
            let mut found: Vec<usize> = page.items.iter().map(at).collect();
            found.sort_unstable();
            found
        };
        let own = |key: &str| FilterKey::Attribute(key.to_owned());
        let words = |words: &str| vec![words.to_owned()];
        let urgent = vec![FilterValue::Priority(Priority::Urgent)];
        for (of, test, expected) in [
            (FilterKey::Status, FilterTest::Any(text("resolved")), vec![1]),
            (FilterKey::Status, FilterTest::NoneOf(text("resolved")), vec![0, 2]),
            (FilterKey::Assignee, FilterTest::Any(number(me.0)), vec![0]),
            (FilterKey::Assignee, FilterTest::NoneOf(number(me.0)), vec![1, 2]),
            (FilterKey::Assignee, FilterTest::Absent, vec![1, 2]),
            (FilterKey::Inbox, FilterTest::Any(number(sales.id.0)), vec![2]),
            (FilterKey::Team, FilterTest::Present, vec![]),
            (FilterKey::Contact, FilterTest::Any(number(contact.0)), vec![0, 1, 2]),
            (FilterKey::Priority, FilterTest::Any(urgent.clone()), vec![0]),
            (FilterKey::Priority, FilterTest::NoneOf(urgent), vec![1, 2]),
            (FilterKey::DisplayId, FilterTest::Any(number(2)), vec![1]),
            (FilterKey::DisplayId, FilterTest::Holds(words("3")), vec![2]),
            (FilterKey::Labels, FilterTest::Any(text("VIP")), vec![1]),
            (FilterKey::Labels, FilterTest::NoneOf(text("vip")), vec![0, 2]),
            (FilterKey::Labels, FilterTest::Present, vec![1]),
            (FilterKey::Labels, FilterTest::Absent, vec![0, 2]),
            (FilterKey::Subject, FilterTest::Holds(words("50%_1")), vec![1]),
            (FilterKey::Subject, FilterTest::Holds(words("50%1")), vec![]),
            (FilterKey::Subject, FilterTest::Lacks(vec!["%_1".to_owned(), "%_2".to_owned()]), vec![0]),
            (FilterKey::LastActivityAt, FilterTest::From(after(100_000)), vec![1, 2]),
            (FilterKey::LastActivityAt, FilterTest::Before(after(100_000)), vec![0]),
            (FilterKey::CreatedAt, FilterTest::Before(Timestamp(START.0 - 1)), vec![]),
            (own("plan"), FilterTest::Any(text("gold")), vec![0]),
            (own("plan"), FilterTest::NoneOf(text("gold")), vec![1, 2]),
            (own("plan"), FilterTest::Holds(words("OL")), vec![0]),
            (own("plan"), FilterTest::Lacks(words("ol")), vec![1, 2]),
            (own("plan"), FilterTest::Present, vec![0]),
            (own("seats"), FilterTest::Any(text("5")), vec![0]),
            (own("paid"), FilterTest::Any(text("true")), vec![0]),
            (own("paid"), FilterTest::NoneOf(text("true")), vec![1, 2]),
            (FilterKey::Subject, FilterTest::Holds(words("GRÖßE")), vec![0, 1, 2]),
            (FilterKey::Subject, FilterTest::Holds(words("Überweisung")), vec![2]),
            (FilterKey::Subject, FilterTest::Holds(words("überweisung")), vec![2]),
            (FilterKey::Subject, FilterTest::Any(text("Order 50%_2 Größe, Überweisung")), vec![2]),
            (own("nothing"), FilterTest::Absent, vec![0, 1, 2]),
        ] {
            let terms = [term(of, test)];
            assert_eq!(found(Visibility::All, &terms).await, expected, "{terms:?}");
        }
        // AND binds closer than OR, and what is put together never shows what one does not see.
        let vip = FilterTerm { or_next: true, ..term(FilterKey::Labels, FilterTest::Any(text("vip"))) };
        let here = term(FilterKey::Inbox, FilterTest::Any(number(support.id.0)));
        let mine = term(FilterKey::Assignee, FilterTest::Any(number(me.0)));
        let all = [vip, here, mine];
        assert_eq!(found(Visibility::All, &all).await, [0, 1]);
        assert!(found(Visibility::Inboxes(vec![sales.id]), &all).await.is_empty());
        assert!(found(Visibility::Inboxes(Vec::new()), &[]).await.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn badges_count_open_conversations_with_something_unread_that_one_sees() {
    each(async |w| {
        let support = w.ours.inbox("support@ours.example").await;
        let sales = w.ours.inbox("sales@ours.example").await;
        let contact = w.ours.contact("cy@customer.example").await;
        let scope = &w.ours.scope;
        let me = w.ours.admin.id;
        let mut tx = scope.begin().await.unwrap();
        let new =
            NewLabel { title: "vip".to_owned(), description: None, color: "#fff".to_owned(), show_on_sidebar: true };
        let label = tx.create_label(&new, 10).await.unwrap().id;
        let new = NewTeam {
            name: "sales".to_owned(),
            description: None,
            allow_auto_assign: true,
            icon: String::new(),
            icon_color: String::new(),
        };
        let team = tx.create_team(&new, 10).await.unwrap().id;
        for (n, (inbox, status, incoming)) in [
            (&support, ConversationStatus::Open, true),
            (&support, ConversationStatus::Open, true),
            (&sales, ConversationStatus::Open, true),
            (&sales, ConversationStatus::Open, false),
            (&sales, ConversationStatus::Resolved, true),
        ]
        .into_iter()
        .enumerate()
        {
            let new = NewConversation { status, ..new_conversation(inbox, contact) };
            let mut made = tx.create_conversation(&new).await.unwrap();
            if incoming {
                let from = NewSender::Contact(contact);
                tx.insert_message(&new_message(made.id, MessageType::Incoming, from, START)).await.unwrap();
            }
            if n == 0 {
                (made.assignee_id, made.team_id) = (Some(me), Some(team));
                tx.update_conversation(&made).await.unwrap();
            }
            tx.set_conversation_labels(made.id, &["vip".to_owned(), "no-label-of-ours".to_owned()]).await.unwrap();
        }
        tx.commit().await.unwrap();
        let counts = async |visibility| {
            let before = w.store.statements().count();
            let counts = scope.unread_counts(&Viewer { visibility, user_id: me }).await.unwrap();
            assert!(w.store.statements().count() - before <= 2);
            counts
        };
        let places = |list: &[(InboxId, u64)]| list.iter().copied().collect::<BTreeMap<_, _>>();
        let all = UnreadCounts {
            all: 3,
            mine: 1,
            unassigned: 2,
            inboxes: places(&[(support.id, 2), (sales.id, 1)]),
            teams: BTreeMap::from([(team, 1)]),
            labels: BTreeMap::from([(label, 3)]),
        };
        assert_eq!(counts(Visibility::All).await, all);
        let some = counts(Visibility::Inboxes(vec![sales.id])).await;
        assert_eq!((some.all, some.inboxes, some.labels[&label]), (1, places(&[(sales.id, 1)]), 1));
        assert_eq!(counts(Visibility::Inboxes(Vec::new())).await, UnreadCounts::default());
    })
    .await;
}
