//! Who is meant: by an address, by a number, and by what an account says of its contacts; and that a deletion which stumbles goes on.

use crate::contacts::{all, called, email, line, number};
use crate::desk::{ADA, Desk, mail};
use crate::postgres::on_each;
use app::contacts::change::{self, Known, Sent};
use app::contacts::{self, AttributeDefinition, AttributeModel, AttributeType, ContactError, ContactFilter};
use app::contacts::{ContactSortField, attributes, details, erase, filter, merge};
use app::outbound::{Beginning, StartError, start};
use app::tending;
use domain::{ContactId, Timestamp};
use serde_json::{Value, json};
use std::time::Duration;

const GRACE: &str = "grace@elsewhere.example";

/// To whom a conversation is begun that names them by this.
async fn named(desk: &Desk, source: &str) -> Option<ContactId> {
    let beginning = Beginning { source_id: Some(source.to_owned()), ..desk.beginning() };
    match start(&desk.app, &desk.member, beginning).await {
        Ok(view) => Some(view.contact.id),
        Err(StartError::ContactNotFound) => None,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn an_address_names_whoever_has_it_now() {
    on_each(async |desk| {
        desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
        let first = called(desk, ADA).await.id;
        change::update(&desk.app, &desk.member, first, email(GRACE)).await.expect("changed");
        let known = details::inboxes(&desk.app, &desk.member, &[first]).await.expect("a list").0;
        assert_eq!(known[0].source_id, GRACE, "known by the address that they have");
        assert_eq!(named(desk, ADA).await, None, "nobody has it");
        // A row as it stood before addresses were followed.
        desk.outside(&format!("UPDATE contact_inboxes SET source_id = '{ADA}'")).await;
        desk.take_in(&mail(ADA, "2@x.example", "Two", "", "second")).await;
        let second = called(desk, ADA).await.id;
        assert_ne!(first, second);
        assert_eq!(named(desk, &ADA.to_uppercase()).await, Some(second), "the mail went to somebody else");
        assert_eq!(named(desk, GRACE).await, Some(first));

        // One person with both: either names them.
        merge::merge(&desk.app, &desk.member, first, second).await.expect("merged");
        assert_eq!((named(desk, ADA).await, named(desk, GRACE).await), (Some(first), Some(first)));
        // A name of another kind is what somebody said it is.
        let sent = Sent { name: Some("Nobody".to_owned()), ..Sent::default() };
        let crm = Known { inbox: desk.inbox.id, source_id: Some("crm-4711".to_owned()) };
        let nobody = change::create(&desk.app, &desk.member, sent, Some(crm)).await.expect("made").0.id;
        assert_eq!(named(desk, "crm-4711").await, Some(nobody));
        change::update(&desk.app, &desk.member, nobody, email("n@x.example")).await.expect("changed");
        assert_eq!(named(desk, "crm-4711").await, Some(nobody), "that name stays");
        assert_eq!(named(desk, "n@x.example").await, Some(nobody));
    })
    .await;
}

#[tokio::test]
async fn of_two_who_are_given_one_phone_number_at_once_one_has_it_and_the_other_is_told() {
    on_each(async |desk| {
        let with = |name: &str, identifier: Option<&str>, phone: Option<&str>| Sent {
            name: Some(name.to_owned()),
            identifier: Some(identifier.map(str::to_owned)),
            phone_number: Some(phone.map(str::to_owned)),
            ..Sent::default()
        };
        let make = async |sent: Sent| change::create(&desk.app, &desk.member, sent, None).await;
        for round in 0..10 {
            let phone = format!("+49170{:05}", round + 1);
            let id = format!("id-{round}");
            let phones = tokio::join!(make(with("A", None, Some(&phone))), make(with("B", None, Some(&phone))));
            let ids = tokio::join!(make(with("C", Some(&id), None)), make(with("D", Some(&id), None)));
            for ((one, other), field) in [(phones, "phone_number"), (ids, "identifier")] {
                let refused: Vec<ContactError> = [one.err(), other.err()].into_iter().flatten().collect();
                assert!(
                    matches!(&refused[..], [ContactError::Invalid { field: named, .. }] if *named == field),
                    "{field}: {refused:?}"
                );
            }
        }
        // Past the look before it: what the database itself says names the field.
        let mut tx = desk.scope.begin().await.expect("a transaction");
        let new = store::NewContact {
            phone_number: Some("+4917000001".to_owned()),
            ..store::NewContact::with_address("X", domain::EmailAddress::parse("x@x.example").expect("an address"))
        };
        match tx.create_contact(&new).await {
            Err(store::StoreError::Conflict(conflict)) => {
                assert_eq!(store::Taken::of(&conflict), store::Taken::PhoneNumber, "{conflict}");
            }
            other => panic!("{other:?}"),
        }
    })
    .await;
}

async fn define(desk: &Desk, key: &str, display_type: AttributeType) {
    let definition = AttributeDefinition {
        id: 0,
        model: AttributeModel::Contact,
        key: key.to_owned(),
        display_name: key.to_owned(),
        display_type,
        description: None,
        values: Vec::new(),
        regex_pattern: None,
        regex_cue: None,
        created_at: Timestamp::EPOCH,
        updated_at: Timestamp::EPOCH,
    };
    attributes::create(&desk.app, &desk.member, &definition).await.expect("defined");
}

#[tokio::test]
async fn numbers_of_contacts_are_compared_as_numbers() {
    on_each(async |desk| {
        define(desk, "seats", AttributeType::Number).await;
        define(desk, "since", AttributeType::Date).await;
        let made = async |name: &str, seats: Value| {
            let custom = json!({"seats": seats, "since": format!("20{:02}-01-01", name.len())});
            let sent = Sent { name: Some(name.to_owned()), custom_attributes: Some(custom), ..Sent::default() };
            change::create(&desk.app, &desk.member, sent, None).await.expect("made").0.id
        };
        let nine = made("n", json!(9)).await;
        let ten = made("te", json!(10)).await;
        let text = made("tex", json!("100.50")).await;
        let below = made("belo", json!(-3.5)).await;
        let none = made("words", json!("many? 10")).await;
        let dots = made("dotted", json!("1.2.3")).await;
        let lists = made("listing", json!([12])).await;
        let found = async |key: &str, operator: &str, value: Value| {
            let lines = [line(key, operator, &[value], false)];
            let found = filter::filter(&desk.app, &desk.member, &lines, 1).await.expect("a list").0;
            let mut ids: Vec<ContactId> = found.into_iter().map(|contact| contact.id).collect();
            ids.sort_unstable();
            ids
        };
        assert_eq!(found("seats", "is_greater_than", json!(9)).await, [ten, text], "10 comes after 9");
        assert_eq!(found("seats", "is_less_than", json!("9.5")).await, [nine, below]);
        assert_eq!(found("seats", "is_less_than", json!(-3)).await, [below]);
        assert_eq!(found("seats", "equal_to", json!("10.0")).await, [ten]);
        assert_eq!(found("seats", "equal_to", json!(100.5)).await, [text]);
        assert_eq!(found("seats", "not_equal_to", json!(9)).await, [ten, text, below, none, dots, lists]);
        assert_eq!(found("seats", "contains", json!("many")).await, [none]);
        assert_eq!(
            found("since", "is_greater_than", json!("2005-06-01")).await,
            [dots, lists],
            "others as they are written"
        );
        for wrong in [json!("nine"), json!(""), json!("1e3"), json!("--1"), json!(true)] {
            let lines = [line("seats", "is_greater_than", &[wrong], false)];
            let refused = filter::filter(&desk.app, &desk.member, &lines, 1).await;
            assert!(matches!(refused, Err(ContactError::Invalid { field: "values", .. })), "{refused:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn contacts_without_what_they_are_sorted_by_come_last_either_way() {
    on_each(async |desk| {
        desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
        desk.take_in(&mail(GRACE, "2@x.example", "Two", "", "second")).await;
        let silent = Sent { name: Some("Silent".to_owned()), ..Sent::default() };
        change::create(&desk.app, &desk.member, silent, None).await.expect("made");
        for sort in [ContactSortField::LastActivityAt, ContactSortField::Email] {
            for descending in [false, true] {
                let sorted = ContactFilter { sort, descending, ..ContactFilter::default() };
                let found = contacts::list(&desk.app, &desk.member, &sorted).await.expect("a list").0;
                let emails: Vec<_> = found.iter().map(|contact| contact.email.as_deref()).collect();
                assert_eq!(emails.iter().position(Option::is_none), Some(2), "{sort:?} {descending}: {emails:?}");
                assert_eq!(emails[0] == Some(ADA), !descending, "{sort:?} {descending}: {emails:?}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_deletion_that_was_given_up_is_begun_again_a_day_later() {
    on_each(async |desk| {
        desk.take_in(&mail(ADA, "1@x.example", "Unspeakable", "", "unspeakable words")).await;
        let ada = called(desk, ADA).await.id;
        erase::delete(&desk.app, &desk.member, ada).await.expect("deleted");
        desk.outside("UPDATE owed_work SET state = 'failed' WHERE kind = 'erase_contact'").await;
        let left = async || number(desk, "SELECT COUNT(*) FROM messages").await;
        let sweep = async || tending::sweep(&desk.app).await.expect("swept");
        sweep().await;
        desk.work().await;
        assert!(left().await > 0 && all(desk).await.is_empty(), "hidden, and there");
        desk.clock.forward(Duration::from_secs(25 * 3600));
        desk.outside("UPDATE chores SET begun_at = 0").await;
        sweep().await;
        desk.work().await;
        assert_eq!(left().await, 0);
        assert_eq!(number(desk, "SELECT COUNT(*) FROM contacts").await, 0);
        // Its row may be forgotten, or never have been.
        desk.take_in(&mail(GRACE, "2@x.example", "Unspeakable", "", "unspeakable words")).await;
        erase::delete(&desk.app, &desk.member, called(desk, GRACE).await.id).await.expect("deleted");
        desk.outside("DELETE FROM owed_work").await;
        desk.clock.forward(Duration::from_secs(25 * 3600));
        desk.outside("UPDATE chores SET begun_at = 0").await;
        sweep().await;
        sweep().await;
        assert_eq!(number(desk, "SELECT COUNT(*) FROM owed_work").await, 1, "once");
        desk.work().await;
        assert_eq!(left().await, 0);
    })
    .await;
}

#[tokio::test]
async fn with_somebody_everybody_who_was_merged_into_them_is_erased() {
    on_each(async |desk| {
        desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
        desk.take_in(&mail(GRACE, "2@x.example", "Two", "", "second")).await;
        let (ada, grace) = (called(desk, ADA).await.id, called(desk, GRACE).await.id);
        let third = "third@elsewhere.example";
        desk.take_in(&mail(third, "3@x.example", "Three", "", "third")).await;
        merge::merge(&desk.app, &desk.member, grace, called(desk, third).await.id).await.expect("merged");
        merge::merge(&desk.app, &desk.member, ada, grace).await.expect("merged");
        let told =
            async |of: &str| number(desk, &format!("SELECT COUNT(*) FROM events WHERE payload LIKE '%{of}%'")).await;
        assert!(told("grace@elsewhere").await > 0 && told("third@elsewhere").await > 0);
        erase::delete(&desk.app, &desk.member, ada).await.expect("deleted");
        desk.work().await;
        assert_eq!(
            (told("grace@elsewhere").await, told("third@elsewhere").await, told("ada@customer").await),
            (0, 0, 0)
        );
    })
    .await;
}
