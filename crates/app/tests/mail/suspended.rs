//! A computer that is suspended: the clock goes on, and the timers of its processes do not.

use crate::claims::{LEASE, begun, claim, received};
use crate::desk::Desk;
use crate::postgres::{on_each, on_postgres};
use app::outbound::deliver;
use app::owed;
use app::shared_clock::{self, SharedClock};
use domain::message::DeliveryState;
use std::time::Duration;
use store::{Rooms, StoreError};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn a_sender_whose_computer_was_suspended_asks_whose_the_mail_is_before_it_says_its_end() {
    on_each(async |desk| {
        let id = begun(desk).await;
        let sent = desk.reply(id, "hello").await;
        // Somebody takes over in the moment in which `sending` is written; timers have seen nothing of the time that passed.
        for statement in taken_over_when_counted(desk) {
            desk.outside(statement).await;
        }
        let owed = owed::due(&desk.app, Rooms::of_each(1), &[]).await.expect("due")[0].1.owed_id;
        let work = claim(desk, owed, LEASE).await.expect("is due");
        desk.clock.forward_with_each_look(Duration::from_secs(60));
        let ended = deliver::deliver(&desk.app, &work, "suspended", &CancellationToken::new()).await;
        assert!(matches!(ended, Err(StoreError::LeaseLost)), "{ended:?}");
        assert_eq!((desk.state(id, sent.id).await, received(desk)), (DeliveryState::Sending, 0));
    })
    .await;
}

fn taken_over_when_counted(desk: &Desk) -> Vec<&'static str> {
    if desk.database_url().starts_with("sqlite") {
        return vec![
            "CREATE TRIGGER taken_over AFTER INSERT ON channel_submissions \
             BEGIN UPDATE owed_work SET lease_token = 'another'; END",
        ];
    }
    vec![
        "CREATE FUNCTION taken_over() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         UPDATE owed_work SET lease_token = 'another'; RETURN NEW; END $$",
        "CREATE TRIGGER taken_over AFTER INSERT ON channel_submissions FOR EACH ROW EXECUTE FUNCTION taken_over()",
    ]
}

#[tokio::test]
async fn a_computer_that_is_suspended_while_it_asks_for_the_time_learns_nothing_from_the_answer() {
    on_postgres(async |desk| {
        let clock = SharedClock::over(desk.clock.clone());
        desk.clock.forward_with_each_look(Duration::from_secs(3600));
        shared_clock::compare(desk.app.store(), &clock).await;
        assert_eq!(clock.ahead_micros(), 0, "what was an hour ago when it was answered is now");
        // Awake again, it finds out that its clock is ahead.
        desk.clock.forward_with_each_look(Duration::ZERO);
        shared_clock::compare(desk.app.store(), &clock).await;
        let hours = Duration::from_micros(u64::try_from(clock.ahead_micros()).expect("ahead")).as_secs_f64() / 3600.0;
        assert!((1.9..2.1).contains(&hours), "{hours}");
    })
    .await;
}
