//! What a reply asks of the database. Every statement is a round trip to PostgreSQL, or two switches of threads on SQLite: their number, not
//! their work, is what a reply costs.

use crate::desk::{ADA, mail};
use crate::postgres::on_each;
use domain::message::DeliveryState;

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
        let before = desk.app.store().statements();
        let sent = desk.reply(id, "hello").await;
        let accepted = desk.app.store().statements();
        desk.work().await;
        let delivered = desk.app.store().statements();
        assert_eq!(desk.state(id, sent.id).await, DeliveryState::Sent);
        let (reply, delivery) = (accepted - before, delivered - accepted);
        assert!(reply > 5 && delivery > 5, "statements are counted: {reply} and {delivery}");
        assert!(reply + delivery <= MOST, "{reply} statements to accept a reply, and {delivery} to deliver it");
    })
    .await;
}
