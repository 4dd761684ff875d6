//! What taking in a mail and answering it ask of the database. Every statement is a round trip to PostgreSQL, or two switches of threads on SQLite: their number, not
//! their work, is what a reply costs.

use crate::desk::{ADA, Desk, SUPPORT, mail};
use crate::postgres::on_each;
use domain::message::DeliveryState;
use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};

/// From the agent's words to `sent`, with the relay's looks, for a short text in a conversation. Loose: a statement more is nobody's fault, ten are.
const MOST: u64 = 36;

#[tokio::test]
async fn a_reply_from_the_agents_words_to_sent_asks_the_database_little() {
    on_each(async |desk| {
        desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
        let id = desk.conversation().await.conversation.display_id;
        // What is asked once in a while is asked now.
        desk.reply(id, "first of all").await;
        desk.work().await;
        let before = desk.app.store().statements().count();
        let sent = desk.reply(id, "hello").await;
        let accepted = desk.app.store().statements().count();
        desk.work().await;
        let delivered = desk.app.store().statements().count();
        assert_eq!(desk.state(id, sent.id).await, DeliveryState::Sent);
        let (reply, delivery) = (accepted - before, delivered - accepted);
        assert!(reply > 5 && delivery > 5, "statements are counted: {reply} and {delivery}");
        assert!(reply + delivery <= MOST, "{reply} statements to accept a reply, and {delivery} to deliver it");
    })
    .await;
}

/// Tables that grow with every mail and reply, of which a statement looks at as many rows as it is about.
const GROWING: [&str; 12] = [
    "attachments",
    "blob_chunks",
    "blobs",
    "contact_addresses",
    "contacts",
    "conversations",
    "deliveries",
    "events",
    "message_ids",
    "messages",
    "raw_emails",
    "tombstones",
];

/// Statements that look at many rows by right, or seem to, by a part of their text.
const MAY: [&str; 4] = [
    // Whatever refers to a new account or inbox: nothing does.
    "INSERT INTO \"accounts\"",
    "INSERT INTO \"inboxes\"",
    // The list of conversations, which the test asks for, and the numbers above it.
    "AS mine, COUNT(c.assignee_id) AS assigned",
    "WHERE c.account_id = ? ORDER BY c.last_activity_at DESC, c.id DESC LIMIT",
];

/// SQLite's planner goes by the indexes alone, so that a few mails tell how a million are looked at.
#[tokio::test]
async fn no_statement_of_the_main_job_walks_through_all_that_an_account_holds() {
    let desk = Desk::new().await;
    desk.pull().await.expect("opens");
    for n in 0..3 {
        let raw = mail(ADA, &format!("{n}@x.example"), "One", "", "first").replace('\n', "\r\n");
        desk.sandbox.deliver(SUPPORT, raw.as_bytes());
    }
    desk.pull().await.expect("the server answers");
    desk.work().await;
    for view in desk.conversations().await {
        let id = view.conversation.display_id;
        let reply = desk.reply(id, "hello").await;
        desk.work().await;
        assert_eq!(desk.state(id, reply.id).await, DeliveryState::Sent);
        let answer = format!("In-Reply-To: <{}>\n", reply.source_id.as_deref().unwrap_or_default());
        let raw = mail(ADA, &format!("again-{}@x.example", id.0), "One", &answer, "second").replace('\n', "\r\n");
        desk.sandbox.deliver(SUPPORT, raw.as_bytes());
    }
    desk.pull().await.expect("the server answers");
    desk.work().await;
    let mut database = SqliteConnection::connect(&desk.database_url).await.expect("opens");
    let (mut looked_at, mut walks) = (0, Vec::new());
    for text in desk.app.store().statements().texts() {
        let explained = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}"))).fetch_all(&mut database).await;
        // What changes the schema or the session has no plan.
        for step in explained.unwrap_or_default() {
            let step: String = step.get("detail");
            let of = GROWING.iter().find(|table| is_about(&text, &step, table));
            looked_at += usize::from(of.is_some());
            let all = step.starts_with("SCAN") || step.ends_with("(account_id=?)") || step.ends_with("inbox_id=?)");
            if of.is_some() && all && !MAY.iter().any(|part| text.contains(part)) {
                walks.push(format!("{step}\n  of: {text}"));
            }
        }
    }
    assert!(walks.is_empty(), "{}", walks.join("\n"));
    assert!(looked_at > 50, "statements were explained: {looked_at} steps");
}

/// A step names the table, or the name that the statement gave it.
fn is_about(text: &str, step: &str, table: &str) -> bool {
    let Some(name) = step.split(' ').nth(1) else { return false };
    name == table || text.contains(&format!("{table} {name} ")) || text.contains(&format!("{table} AS {name} "))
}
