//! Contacts as agents keep them: merged, blocked, deleted, filtered; and what the next mail makes of it.

use crate::desk::{ADA, Desk, mail};
use crate::postgres::on_each;
use app::contacts::change::{self, Sent};
use app::contacts::filter::{self, Line};
use app::contacts::{self, AttributeDefinition, AttributeModel, AttributeType, ContactError, ContactFilter};
use app::contacts::{attributes, details, erase, merge};
use app::inbound::quarantine::{self, LeftOutFilter, RawEmailState};
use app::{conversations, search, tending};
use domain::contact::Contact;
use domain::conversation::ConversationStatus;
use domain::{ContactId, Timestamp};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _};
use std::time::Duration;

const GRACE: &str = "grace@elsewhere.example";

pub async fn number(desk: &Desk, query: &str) -> i64 {
    let query = AssertSqlSafe(query.to_owned());
    if desk.database_url.starts_with("sqlite") {
        let mut outside = sqlx::SqliteConnection::connect(&desk.database_url).await.expect("opens");
        sqlx::query_scalar(query).fetch_one(&mut outside).await.expect("a number")
    } else {
        let mut outside = sqlx::PgConnection::connect(&desk.database_url).await.expect("opens");
        sqlx::query_scalar(query).fetch_one(&mut outside).await.expect("a number")
    }
}

async fn index(desk: &Desk) {
    while search::index_some(&desk.app).await.expect("indexes") {}
}

pub async fn all(desk: &Desk) -> Vec<Contact> {
    contacts::list(&desk.app, &desk.member, &ContactFilter::default()).await.expect("a list").0
}

pub async fn called(desk: &Desk, email: &str) -> Contact {
    all(desk).await.into_iter().find(|contact| contact.email.as_deref() == Some(email)).expect("the contact is there")
}

pub fn email(address: &str) -> Sent {
    Sent { name: Some("New".to_owned()), email: Some(Some(address.to_owned())), ..Sent::default() }
}

#[tokio::test]
async fn of_two_contacts_that_are_merged_one_has_everything_and_the_next_mail_of_either() {
    on_each(async |desk| {
        desk.take_in(&mail(ADA, "1@x.example", "One", "", "from work")).await;
        desk.take_in(&mail(GRACE, "2@x.example", "Two", "", "from home")).await;
        let (ada, grace) = (called(desk, ADA).await, called(desk, GRACE).await);
        for (contact, note) in [(&ada, "likes tea"), (&grace, "moved house")] {
            details::add_note(&desk.app, &desk.member, contact.id, note).await.expect("noted");
            let labels = [note.to_owned(), "both".to_owned()];
            details::set_labels(&desk.app, &desk.member, contact.id, &labels).await.expect("labelled");
        }
        let phone = Sent {
            phone_number: Some(Some("+4917012345".to_owned())),
            custom_attributes: Some(json!({"plan": "small", "size": 3})),
            ..Sent::default()
        };
        change::update(&desk.app, &desk.member, grace.id, phone).await.expect("changed");
        let own = Sent { custom_attributes: Some(json!({"plan": "large"})), ..Sent::default() };
        change::update(&desk.app, &desk.member, ada.id, own).await.expect("changed");

        let merged = merge::merge(&desk.app, &desk.member, ada.id, grace.id).await.expect("merged");
        assert_eq!(
            (merged.id, merged.email.as_deref(), merged.phone_number.as_deref()),
            (ada.id, Some(ADA), Some("+4917012345"))
        );
        assert_eq!(merged.custom_attributes, json!({"plan": "large", "size": 3}));
        assert_eq!(all(desk).await.len(), 1);
        let notes = details::notes(&desk.app, &desk.member, ada.id).await.expect("notes");
        assert_eq!(notes.len(), 2);
        assert_eq!(
            details::labels(&desk.app, &desk.member, ada.id).await.expect("labels"),
            ["both", "likes tea", "moved house"]
        );
        assert_eq!(details::conversations(&desk.app, &desk.member, ada.id).await.expect("conversations").len(), 2);

        desk.take_in(&mail(GRACE, "3@x.example", "Three", "", "from home again")).await;
        desk.take_in(&mail(ADA, "4@x.example", "Four", "", "from work again")).await;
        assert_eq!(all(desk).await.len(), 1);
        assert!(desk.conversations().await.iter().all(|view| view.contact.id == ada.id));
        index(desk).await;
        let found = ContactFilter { q: Some("elsewhere".to_owned()), ..ContactFilter::default() };
        assert_eq!(
            contacts::list(&desk.app, &desk.member, &found).await.expect("a list").1,
            1,
            "by the address it took over"
        );
        assert_eq!(number(desk, "SELECT COUNT(*) FROM events WHERE kind = 'contact_merged'").await, 1);

        let gone = merge::merge(&desk.app, &desk.member, ada.id, grace.id).await;
        assert!(matches!(gone, Err(ContactError::NotFound)), "{gone:?}");
        let itself = merge::merge(&desk.app, &desk.member, ada.id, ada.id).await;
        assert!(matches!(itself, Err(ContactError::Invalid { .. })), "{itself:?}");
    })
    .await;
}

#[tokio::test]
async fn merges_that_meet_from_both_sides_end_with_one_contact() {
    on_each(async |desk| {
        desk.take_in(&mail(ADA, "1@x.example", "One", "", "one")).await;
        desk.take_in(&mail(GRACE, "2@x.example", "Two", "", "two")).await;
        let (ada, grace) = (called(desk, ADA).await.id, called(desk, GRACE).await.id);
        let (one, other) = tokio::join!(
            merge::merge(&desk.app, &desk.member, ada, grace),
            merge::merge(&desk.app, &desk.member, grace, ada)
        );
        assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
        assert_eq!((all(desk).await.len(), desk.conversations().await.len()), (1, 2));
    })
    .await;
}

#[tokio::test]
async fn a_deleted_contact_is_gone_with_every_word_and_their_mail_stays_away() {
    on_each(async |desk| {
        let first = mail(ADA, "1@x.example", "Unspeakable subject", "", "unspeakable words");
        desk.take_in(&first).await;
        for n in 2..25 {
            desk.take_in(&mail(ADA, &format!("{n}@x.example"), "Unspeakable", "", "unspeakable")).await;
        }
        desk.take_in(&mail(GRACE, "g@x.example", "Hers", "", "hers")).await;
        let hers = desk.conversations().await.pop().expect("hers").conversation;
        let copied = mail(ADA, "c@x.example", "Re: Hers", "In-Reply-To: <g@x.example>\n", "unspeakable in hers");
        desk.take_in(&copied).await;
        let ada = called(desk, ADA).await.id;
        details::add_note(&desk.app, &desk.member, ada, "unspeakable note").await.expect("noted");
        index(desk).await;

        let mut agent = desk.member.clone();
        agent.agent.role = domain::account::Role::Agent;
        assert!(matches!(erase::delete(&desk.app, &agent, ada).await, Err(ContactError::Forbidden)));
        erase::delete(&desk.app, &desk.member, ada).await.expect("deleted");
        assert_eq!(all(desk).await.len(), 1, "hidden at once");
        assert!(matches!(erase::delete(&desk.app, &desk.member, ada).await, Err(ContactError::NotFound)));
        // What they write before everything is gone is a stranger's, and stays.
        desk.take_in(&mail(ADA, "new@x.example", "New", "", "a new beginning")).await;
        desk.work().await;
        index(desk).await;

        let left = desk.conversations().await;
        let subjects: Vec<_> = left.iter().map(|view| view.conversation.subject.clone().unwrap_or_default()).collect();
        assert_eq!(subjects, ["Hers", "New"]);
        let said = desk.messages(hers.display_id).await;
        assert_eq!(said.iter().filter(|message| message.deleted && message.content.is_none()).count(), 1);
        for (table, column) in [
            ("messages", "content"),
            ("messages", "content_attributes"),
            ("conversations", "subject"),
            ("events", "payload"),
            ("contact_notes", "content"),
        ] {
            let query = format!("SELECT COUNT(*) FROM {table} WHERE LOWER({column}) LIKE '%unspeakable%'");
            assert_eq!(number(desk, &query).await, 0, "{table}.{column}");
        }
        assert_eq!(number(desk, &format!("SELECT COUNT(*) FROM contacts WHERE id = {}", ada.0)).await, 0);
        assert_eq!(number(desk, "SELECT COUNT(*) FROM owed_work").await, 0);
        assert_eq!(number(desk, "SELECT MAX(seq) - COUNT(*) FROM events").await, 0, "events keep their count");
        let asked = search::Asked { q: "unspeakable", page: 1 };
        assert!(search::messages(&desk.app, &desk.member, asked).await.expect("found").is_empty());
        // Another reading of the mailbox brings nothing back.
        assert_eq!(desk.take_in(&first).await.left_out, 1);
        assert_eq!(desk.take_in(&copied).await.left_out, 1);
        assert_eq!(desk.conversations().await.len(), 2);
        // Not even as bytes: neither in the list of what was left out, nor for whoever knows its number.
        let listed = quarantine::list(&desk.app, &desk.member, &LeftOutFilter::default()).await.expect("a list");
        assert!(listed.0.is_empty(), "{:?}", listed.0);
        for row in desk.raw_emails().await.into_iter().filter(|row| row.state == RawEmailState::Dropped) {
            let raw = quarantine::raw(&desk.app, &desk.member, row.id).await.expect("the row");
            assert!(raw.is_empty(), "{}", String::from_utf8_lossy(&raw));
            let again = quarantine::reprocess(&desk.app, &desk.member, row.id).await.expect("the row");
            assert_eq!((again.state, again.size_bytes), (RawEmailState::Dropped, 0), "there is nothing to try");
        }
        desk.clock.forward(Duration::from_secs(25 * 3600));
        tending::sweep(&desk.app).await.expect("swept");
        for table in ["blobs", "blob_chunks"] {
            let kept = format!("SELECT COUNT(*) FROM {table}");
            assert!(number(desk, &kept).await <= 4, "hers, the new one and nothing: {table}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_contact_that_is_blocked_stays_quiet_and_one_that_is_freed_is_heard() {
    on_each(async |desk| {
        desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
        let ada = called(desk, ADA).await.id;
        let block = |blocked| Sent { blocked: Some(blocked), ..Sent::default() };
        assert!(change::update(&desk.app, &desk.member, ada, block(true)).await.expect("blocked").blocked);
        desk.take_in(&mail(ADA, "2@x.example", "Two", "", "second")).await;
        change::update(&desk.app, &desk.member, ada, block(false)).await.expect("freed");
        desk.take_in(&mail(ADA, "3@x.example", "Three", "", "third")).await;
        let states: Vec<_> = desk.conversations().await.iter().map(|view| view.conversation.status).collect();
        assert_eq!(states, [ConversationStatus::Open, ConversationStatus::Resolved, ConversationStatus::Open]);
    })
    .await;
}

#[tokio::test]
async fn an_address_that_is_changed_takes_the_next_mail_and_the_old_one_is_a_strangers() {
    on_each(async |desk| {
        desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
        let ada = called(desk, ADA).await.id;
        change::update(&desk.app, &desk.member, ada, email(GRACE)).await.expect("changed");
        desk.take_in(&mail(GRACE, "2@x.example", "Two", "", "second")).await;
        desk.take_in(&mail(ADA, "3@x.example", "Three", "", "third")).await;
        let of: Vec<ContactId> = desk.conversations().await.iter().map(|view| view.contact.id).collect();
        assert!(of[0] == ada && of[1] == ada && of[2] != ada, "{of:?}");
        let taken = change::create(&desk.app, &desk.member, email(&GRACE.to_uppercase()), None).await;
        assert!(matches!(taken, Err(ContactError::Invalid { field: "email", .. })), "{taken:?}");
    })
    .await;
}

pub fn line(key: &str, operator: &str, values: &[Value], or_next: bool) -> Line {
    Line { key: key.to_owned(), operator: operator.to_owned(), values: values.to_vec(), or_next }
}

#[tokio::test]
async fn filters_find_contacts_by_their_fields_attributes_and_labels() {
    on_each(async |desk| {
        let definition = AttributeDefinition {
            id: 0,
            model: AttributeModel::Contact,
            key: "plan.name".to_owned(),
            display_name: "Plan".to_owned(),
            display_type: AttributeType::Text,
            description: None,
            values: Vec::new(),
            regex_pattern: None,
            regex_cue: None,
            created_at: Timestamp::EPOCH,
            updated_at: Timestamp::EPOCH,
        };
        attributes::create(&desk.app, &desk.member, &definition).await.expect("defined");
        let made = async |name: &str, plan: Option<&str>, city: &str| {
            let sent = Sent {
                name: Some(name.to_owned()),
                email: Some(Some(format!("{}@x.example", name.to_lowercase().replace('%', "p")))),
                custom_attributes: plan.map(|plan| json!({ "plan.name": plan })),
                additional_attributes: Some(json!({ "city": city })),
                ..Sent::default()
            };
            change::create(&desk.app, &desk.member, sent, None).await.expect("made").0.id
        };
        let (ada, bob, cy) = (
            made("Ada", Some("Gold"), "Paris").await,
            made("Bob", None, "Rome").await,
            made("100%", Some("Tin"), "Oslo").await,
        );
        details::set_labels(&desk.app, &desk.member, bob, &["VIP".to_owned()]).await.expect("labelled");
        let block = Sent { blocked: Some(true), ..Sent::default() };
        change::update(&desk.app, &desk.member, cy, block).await.expect("blocked");
        let found = async |lines: &[Line]| {
            let (found, count) = filter::filter(&desk.app, &desk.member, lines, 1).await.expect("a list");
            assert_eq!(found.len() as u64, count);
            let mut ids: Vec<ContactId> = found.into_iter().map(|contact| contact.id).collect();
            ids.sort_unstable();
            ids
        };
        let one =
            async |key: &str, operator: &str, values: &[Value]| found(&[line(key, operator, values, false)]).await;
        assert_eq!(one("name", "equal_to", &[json!("ADA"), json!("bob")]).await, [ada, bob]);
        assert_eq!(one("name", "not_equal_to", &[json!("ada")]).await, [bob, cy]);
        assert_eq!(one("name", "contains", &[json!("%")]).await, [cy], "a sign is itself");
        assert_eq!(one("email", "does_not_contain", &[json!("ada@"), json!("bob@")]).await, [cy]);
        assert_eq!(one("plan.name", "equal_to", &[json!("gold")]).await, [ada]);
        assert_eq!(one("plan.name", "not_equal_to", &[json!("gold")]).await, [bob, cy], "nothing is not gold");
        assert_eq!(one("plan.name", "is_present", &[]).await, [ada, cy]);
        assert_eq!(one("plan.name", "is_not_present", &[]).await, [bob]);
        assert_eq!(one("city", "equal_to", &[json!("rome"), json!("oslo")]).await, [bob, cy]);
        assert_eq!(one("labels", "equal_to", &[json!("vip")]).await, [bob]);
        assert_eq!(one("labels", "is_not_present", &[]).await, [ada, cy]);
        assert_eq!(one("blocked", "equal_to", &[json!(true)]).await, [cy]);
        assert_eq!(one("phone_number", "is_present", &[]).await, []);
        assert_eq!(one("created_at", "is_greater_than", &[json!("2001-01-01")]).await, [ada, bob, cy]);
        assert_eq!(one("created_at", "is_less_than", &[json!(1_000_000_000)]).await, []);
        assert_eq!(one("created_at", "days_before", &[json!(3)]).await, []);
        let both = [line("name", "equal_to", &[json!("ada")], true), line("city", "equal_to", &[json!("Rome")], false)];
        assert_eq!(found(&both).await, [ada, bob]);
        let and = [line("name", "is_present", &[], false), line("blocked", "equal_to", &[json!("true")], false)];
        assert_eq!(found(&and).await, [cy]);
        let list = ContactFilter { labels: vec!["vip".to_owned()], ..ContactFilter::default() };
        assert_eq!(contacts::list(&desk.app, &desk.member, &list).await.expect("a list").1, 1);
        for refused in [
            line("password", "equal_to", &[json!("x")], false),
            line("name'", "equal_to", &[json!("x")], false),
            line("name", "likes", &[json!("x")], false),
            line("name", "equal_to", &[], false),
            line("name", "equal_to", &[json!({})], false),
            line("name", "days_before", &[json!(3)], false),
            line("created_at", "is_less_than", &[json!("yesterday")], false),
            line("created_at", "days_before", &[json!(999_999_999_999_u64)], false),
        ] {
            let answer = filter::filter(&desk.app, &desk.member, std::slice::from_ref(&refused), 1).await;
            assert!(matches!(answer, Err(ContactError::Invalid { .. })), "{refused:?}: {answer:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_contacts_conversations_and_files_are_those_that_one_sees() {
    on_each(async |desk| {
        desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
        let ada = called(desk, ADA).await.id;
        let mut stranger = desk.member.clone();
        stranger.visibility = store::Visibility::Inboxes(Vec::new());
        assert_eq!(details::conversations(&desk.app, &desk.member, ada).await.expect("a list").len(), 1);
        assert!(details::conversations(&desk.app, &stranger, ada).await.expect("a list").is_empty());
        assert!(details::contactable(&desk.app, &stranger, ada).await.expect("a list").is_empty());
        assert_eq!(details::contactable(&desk.app, &desk.member, ada).await.expect("a list")[0].0, ADA);
        assert_eq!(details::attachments(&desk.app, &stranger, ada, 1).await.expect("a list").1, 0);
        let known = change::Known { inbox: desk.inbox.id, source_id: None };
        assert!(matches!(change::add_inbox(&stranger, ada, known).await, Err(ContactError::NotFound)));
        let found =
            conversations::list(&desk.app, &stranger, &store::ConversationFilter::default()).await.expect("a list");
        assert!(found.items.is_empty());
    })
    .await;
}
