//! A mail server that asks to be left alone is, by imports too.

use crate::desk::{ADA, Desk, mail};
use app::{job, owed, tending};
use domain::channel::ImportState;
use domain::{Failure, FailureClass};
use std::time::Duration;
use store::Rooms;
use tokio_util::sync::CancellationToken;

/// Runs the import that is owed, which must be due.
async fn run_import(desk: &Desk) {
    let due = owed::due(&desk.app, Rooms::of_each(10), &[]).await.expect("the store works");
    assert_eq!(due.len(), 1, "the import is due");
    assert_eq!(job::run(&desk.app, &due[0].1, "test", &CancellationToken::new()).await, job::JobEnd::Ran);
}

#[tokio::test]
async fn an_import_for_which_no_connection_to_the_server_is_free_comes_again_and_again_and_blames_nobody() {
    let desk = Desk::new().await;
    desk.arrives(&mail(ADA, "1@x.example", "Number 1", "", "of the past"));
    desk.open().await.expect("opens").close().await;
    desk.owe_import().await;
    let taken = desk.all_slots(&desk.app.settings().imap).await;
    let import = async || desk.scope.channel(desk.inbox.channel.id).await.expect("answers").expect("there").import;
    for _ in 0..20 {
        run_import(&desk).await;
        assert_eq!(import().await.state, ImportState::Waiting);
        let next = owed::next_due_in(&desk.app, Duration::from_secs(3600)).await.expect("the store works");
        assert!(
            next <= Duration::from_secs(5),
            "it is no failure, after which it would wait longer each time: {next:?}"
        );
        desk.outside("UPDATE owed_work SET due_at = 0, ready_at = 0").await;
    }
    drop(taken);
    run_import(&desk).await;
    assert_eq!(import().await.state, ImportState::Done);
    assert_eq!(desk.conversations().await.len(), 1);
}

#[tokio::test]
async fn an_import_obeys_the_time_that_the_server_told_the_mailboxs_reader_and_then_goes_on() {
    let desk = Desk::new().await;
    desk.arrives(&mail(ADA, "1@x.example", "Number 1", "", "of the past"));
    desk.open().await.expect("opens").close().await;
    desk.owe_import().await;
    let asked = Duration::from_secs(300);
    let throttled = Failure::new(FailureClass::Throttled).after(asked);
    assert!(tending::fetching_failed(&desk.app, &desk.lease, &throttled, asked).await.expect("the store works"));
    let before = desk.sandbox.events().len();
    run_import(&desk).await;
    assert_eq!(desk.sandbox.events().len(), before, "nobody said a word to the server");
    let next = owed::next_due_in(&desk.app, asked * 2).await.expect("the store works");
    assert!(next > asked / 2 && next <= asked, "{next:?}");
    // It was obeyed, and the mailbox is read again.
    assert!(tending::fetching_works(&desk.app, &desk.lease).await.expect("the store works"));
    desk.outside("UPDATE owed_work SET due_at = 0, ready_at = 0").await;
    run_import(&desk).await;
    let channel = desk.scope.channel(desk.inbox.channel.id).await.expect("answers").expect("there");
    assert_eq!(channel.import.state, ImportState::Done);
    assert_eq!(desk.conversations().await.len(), 1);
}
