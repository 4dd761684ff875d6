//! Batches that are ingested at the same time and touch the same contacts and conversations: none waits for another in a circle.

use crate::desk::{ADA, Desk, SUPPORT, mail};
use crate::postgres::{conflicts, on_each, on_postgres};
use app::inbound::ingest::ingest_batch;
use domain::RawEmailId;

const ROUNDS: u32 = 12;
/// Of each round: as many are known from the round before, and as many new.
const SENDERS: u32 = 4;

async fn stored(desk: &Desk, mails: impl Iterator<Item = String>) -> Vec<RawEmailId> {
    let mut ids = Vec::new();
    for raw in mails {
        ids.extend(desk.store_raw(raw.replace('\n', "\r\n").as_bytes()).await);
    }
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn batches_with_the_same_senders_in_opposite_order_never_wait_for_each_other() {
    on_postgres(async |desk| {
        let (mut errors, mut first_mails) = (Vec::new(), 0);
        for round in 0..ROUNDS {
            let senders = || (round * SENDERS)..((round + 2) * SENDERS);
            let written = |batch: &str, n: u32| {
                let from = format!("c{n}@customer.example");
                // Half of them answer what their sender wrote in the round before, so that conversations are touched in both orders, too.
                let answers = format!("In-Reply-To: <{}-a-{n}@x.example>\n", round.wrapping_sub(1));
                mail(&from, &format!("{round}-{batch}-{n}@x.example"), "s", &answers, &format!("{round} {batch}"))
            };
            let there = stored(desk, senders().map(|n| written("a", n))).await;
            let back = stored(desk, senders().rev().map(|n| written("b", n))).await;
            let ingest = |ids: Vec<RawEmailId>| {
                let (app, scope) = (desk.app.clone(), desk.scope.clone());
                tokio::spawn(async move { ingest_batch(&app, &scope, &ids).await })
            };
            let (there, back) = (ingest(there), ingest(back));
            for ended in [there.await, back.await] {
                match ended.expect("nothing panics") {
                    Ok(ingested) if ingested.failed == 0 => first_mails += ingested.messages,
                    other => errors.push(format!("round {round}: {other:?}")),
                }
            }
        }
        assert!(errors.is_empty(), "{} of {} batches failed: {errors:#?}", errors.len(), ROUNDS * 2);
        assert_eq!(first_mails, ROUNDS * SENDERS * 4);
        let filter = store::ContactFilter::default();
        let (_, contacts) = desk.scope.contacts(&filter).await.expect("answers");
        assert_eq!(contacts, u64::from((ROUNDS + 1) * SENDERS), "nobody is there twice");
    })
    .await;
}

#[tokio::test]
async fn mails_whose_transaction_the_database_takes_back_are_filed_again_at_once_and_each_once() {
    on_postgres(async |desk| {
        desk.pull().await.expect("opens");
        // In the middle of the batch, when contacts, conversations and messages of others are written.
        conflicts(desk, 1, "INSERT ON messages", "NEW.content = 'mail 2'").await;
        for n in 1..=4 {
            desk.arrives(&mail(
                &format!("c{n}@customer.example"),
                &format!("{n}@x.example"),
                "s",
                "",
                &format!("mail {n}"),
            ));
        }
        let pulled = desk.pull().await.expect("pulls");
        assert_eq!((pulled.stored, pulled.ingested), (4, 4), "at once");
        let conversations = desk.conversations().await;
        assert_eq!(conversations.len(), 4);
        for view in conversations {
            assert_eq!(desk.messages(view.conversation.display_id).await.len(), 1);
        }
        let (_, contacts) = desk.scope.contacts(&store::ContactFilter::default()).await.expect("answers");
        assert_eq!(contacts, 4);
        for row in desk.raw_emails().await {
            assert_eq!(row.state, store::RawEmailState::Ingested);
        }
    })
    .await;
}

#[tokio::test]
async fn mails_whose_transaction_is_taken_back_again_and_again_wait_for_the_queue() {
    on_postgres(async |desk| {
        desk.pull().await.expect("opens");
        conflicts(desk, 2, "INSERT ON messages", "NEW.content = 'mail 2'").await;
        for n in 1..=2 {
            desk.arrives(&mail(ADA, &format!("{n}@x.example"), "s", "", &format!("mail {n}")));
        }
        let pulled = desk.pull().await.expect("what was stored is stored");
        assert_eq!((pulled.stored, pulled.ingested, desk.conversations().await.len()), (2, 0, 0), "none by half");
        // The queue has them when they have lain for a minute.
        desk.outside("UPDATE raw_emails SET ready_at = 0").await;
        desk.work().await;
        assert_eq!(desk.conversations().await.len(), 2);
        for row in desk.raw_emails().await {
            assert_eq!((row.state, row.attempts), (store::RawEmailState::Ingested, 1), "no mail is to blame");
        }
    })
    .await;
}

#[tokio::test]
async fn a_mail_that_becomes_no_message_makes_nobody_a_contact() {
    on_each(async |desk| {
        desk.take_in(&mail("Ada <ada@customer.example>", "1@x.example", "One", "", "first")).await;
        let conversation = desk.conversation().await.conversation.display_id;
        let ours = desk.reply(conversation, "hello").await.source_id.expect("an id");
        // Our own answer comes back, beside the mail of somebody new.
        let echo = mail(SUPPORT, &ours, "Re: One", "", "hello");
        let new = mail("b@x.example", "2@x.example", "Two", "", "second");
        let ids = stored(desk, [echo, new].into_iter()).await;
        let ingested = ingest_batch(&desk.app, &desk.scope, &ids).await.expect("the store works");
        assert_eq!((ingested.messages, ingested.left_out), (1, 1));
        let (contacts, _) = desk.scope.contacts(&store::ContactFilter::default()).await.expect("answers");
        let addresses: Vec<_> = contacts.iter().map(|contact| contact.email.as_deref()).collect();
        assert_eq!(addresses, [Some("ada@customer.example"), Some("b@x.example")]);
    })
    .await;
}
