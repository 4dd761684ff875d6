//! What becomes of each kind of work, and of what it was about.

use crate::subjects::Subjects;
use anyhow::{Context, Result};
use app::channels::{Part, health};
use app::job::JobEnd;
use app::jobs::MOST_BREAKDOWNS;
use domain::channel::{ConnectionStatus, ImportState};
use domain::message::{Delivery, DeliveryState};
use domain::{FailureClass, MessageId};
use store::{OwedKind, RawEmailState};

impl Subjects {
    /// It panics, or meets a bug, as often as is borne; then it is given up.
    async fn breaks_down_until_it_is_given_up(&self, kind: OwedKind) -> Result<()> {
        for n in 0..MOST_BREAKDOWNS {
            self.clock.breaks(true);
            let end = self.run(kind).await;
            self.clock.breaks(false);
            let end = end?;
            assert!(matches!(end, JobEnd::BrokeDown(_)), "{kind:?}, time {n}: {end:?}");
        }
        let end = self.run(kind).await?;
        assert!(matches!(end, JobEnd::GivenUp(_)), "{kind:?}: {end:?}");
        // It does not go round any more.
        assert_eq!(self.run(kind).await?, JobEnd::NothingToDo);
        Ok(())
    }

    async fn delivery(&self, message: MessageId) -> Result<Delivery> {
        let found = self.installation.scope.message_by_id(message).await?.context("the message")?;
        found.delivery.context("a delivery")
    }
}

#[tokio::test]
async fn a_message_that_always_breaks_down_has_failed_and_may_be_retried() -> Result<()> {
    let subjects = Subjects::new().await?;
    subjects.breaks_down_until_it_is_given_up(OwedKind::DeliverMessage).await?;
    let delivery = subjects.delivery(subjects.message.id).await?;
    assert_eq!(delivery.state, DeliveryState::Failed);
    assert_eq!(delivery.failure.as_ref().context("a failure")?.class, FailureClass::GivenUp);
    assert!(delivery.may_be_retried());
    let (state, error) = subjects.row(OwedKind::DeliverMessage).await?;
    assert!(state == "failed" && error.contains("broke down 5 times"), "{state} {error}");
    Ok(())
}

#[tokio::test]
async fn a_look_for_a_message_that_always_breaks_down_leaves_the_question_to_a_person() -> Result<()> {
    let subjects = Subjects::new().await?;
    subjects.outcome_is_unknown().await?;
    subjects.breaks_down_until_it_is_given_up(OwedKind::ReconcileDelivery).await?;
    let delivery = subjects.delivery(subjects.message.id).await?;
    assert_eq!(
        (delivery.state, delivery.next_try_at),
        (DeliveryState::OutcomeUnknown, None),
        "it is not said to have failed"
    );
    assert_eq!(subjects.row(OwedKind::ReconcileDelivery).await?.0, "failed");
    Ok(())
}

#[tokio::test]
async fn a_proof_that_always_breaks_down_ends_the_attempt_to_connect() -> Result<()> {
    let subjects = Subjects::new().await?;
    subjects.breaks_down_until_it_is_given_up(OwedKind::ProveConnection).await?;
    let connection = subjects.installation.scope.connection(subjects.connection).await?.context("the connection")?;
    assert_eq!(connection.status, ConnectionStatus::Failed);
    assert_eq!(connection.failure.context("a failure")?.class, FailureClass::GivenUp);
    assert_eq!(subjects.row(OwedKind::ProveConnection).await?.0, "failed");
    Ok(())
}

#[tokio::test]
async fn an_import_that_always_breaks_down_has_failed() -> Result<()> {
    let subjects = Subjects::new().await?;
    subjects.breaks_down_until_it_is_given_up(OwedKind::ImportWindow).await?;
    let channel = subjects.installation.scope.channel(subjects.inbox.channel.id).await?.context("the channel")?;
    assert_eq!(channel.import.state, ImportState::Failed);
    assert_eq!(subjects.row(OwedKind::ImportWindow).await?.0, "failed");
    Ok(())
}

#[tokio::test]
async fn an_import_that_was_given_up_is_taken_up_again_when_a_person_asks_once() -> Result<()> {
    let subjects = Subjects::new().await?;
    subjects.breaks_down_until_it_is_given_up(OwedKind::ImportWindow).await?;
    let (member, inbox) = (&subjects.installation.member, subjects.inbox.id);
    health::try_again(&subjects.app, member, inbox, Part::Send).await?;
    let channel = subjects.installation.scope.channel(subjects.inbox.channel.id).await?.context("the channel")?;
    assert_eq!(channel.import.state, ImportState::Failed, "that was about sending");
    // Pressed twice at once, it is owed once.
    let press = || health::try_again(&subjects.app, member, inbox, Part::Fetch);
    let (first, second) = tokio::join!(press(), press());
    let states = [first?.channel.import.state, second?.channel.import.state];
    assert!(states.iter().all(|state| *state == ImportState::Waiting), "{states:?}");
    let owed = "SELECT COUNT(*) FROM owed_work WHERE kind = 'import_window' AND state = 'waiting'";
    assert_eq!(subjects.installation.number(owed).await?, 1);
    assert_eq!(subjects.run(OwedKind::ImportWindow).await?, JobEnd::Ran);
    let channel = subjects.installation.scope.channel(subjects.inbox.channel.id).await?.context("the channel")?;
    assert_eq!(channel.import.state, ImportState::Done);
    health::try_again(&subjects.app, member, inbox, Part::Fetch).await?;
    assert_eq!(subjects.installation.number(owed).await?, 0, "what is done is not owed again");
    Ok(())
}

#[tokio::test]
async fn a_mail_that_always_breaks_down_goes_to_the_quarantine() -> Result<()> {
    let subjects = Subjects::new().await?;
    subjects.breaks_down_until_it_is_given_up(OwedKind::IngestRawEmail).await?;
    let mails = subjects.installation.raw_emails().await?;
    let mail = mails.iter().find(|mail| mail.uid == 2).context("the mail")?;
    assert_eq!(mail.state, RawEmailState::Quarantined);
    assert!(mail.reason.as_deref().is_some_and(|reason| reason.contains("given_up")), "{:?}", mail.reason);
    Ok(())
}

#[tokio::test]
async fn even_work_whose_end_breaks_down_ends() -> Result<()> {
    let subjects = Subjects::new().await?;
    subjects.clock.breaks(true);
    for _ in 0..MOST_BREAKDOWNS {
        assert!(matches!(subjects.run(OwedKind::DeliverMessage).await?, JobEnd::BrokeDown(_)));
    }
    assert!(matches!(subjects.run(OwedKind::DeliverMessage).await?, JobEnd::GivenUp(_)));
    assert_eq!(subjects.row(OwedKind::DeliverMessage).await?.0, "failed");
    Ok(())
}

#[tokio::test]
async fn work_whose_payload_cannot_be_read_fails_at_once_with_its_text() -> Result<()> {
    for (kind, unreadable) in [
        (OwedKind::DeliverMessage, "{\"half"),
        (OwedKind::ProveConnection, "{\"since\":\"yesterday\"}"),
        (OwedKind::ImportWindow, "null"),
        (OwedKind::ReconcileDelivery, "not json at all"),
    ] {
        let subjects = Subjects::new().await?;
        if kind == OwedKind::ReconcileDelivery {
            subjects.outcome_is_unknown().await?;
        }
        let spoil = format!("UPDATE owed_work SET payload = '{unreadable}' WHERE kind = '{}'", kind.as_str());
        assert_eq!(subjects.installation.sql(&spoil).await?, 1);
        let end = subjects.run(kind).await?;
        assert!(matches!(&end, JobEnd::GivenUp(why) if why.contains(unreadable)), "{kind:?}: {end:?}");
        let (state, error) = subjects.row(kind).await?;
        let kept = error.replace("\\\"", "\"");
        assert!(state == "failed" && kept.contains(unreadable), "{kind:?}: {state} {error}");
        assert_eq!(subjects.run(kind).await?, JobEnd::NothingToDo);
    }
    Ok(())
}

#[tokio::test]
async fn a_long_payload_that_cannot_be_read_is_kept_in_the_row_and_cut_in_the_error() -> Result<()> {
    let subjects = Subjects::new().await?;
    let long = "é".repeat(5_000);
    subjects.installation.sql(&format!("UPDATE owed_work SET payload = '{long}' WHERE kind = 'import_window'")).await?;
    assert!(matches!(subjects.run(OwedKind::ImportWindow).await?, JobEnd::GivenUp(_)));
    let (_, error) = subjects.row(OwedKind::ImportWindow).await?;
    assert!(error.contains("éé") && error.len() < 2_000, "{}", error.len());
    let kept = "SELECT LENGTH(payload) FROM owed_work WHERE kind = 'import_window'";
    assert_eq!(subjects.installation.number(kept).await?, 5_000);
    Ok(())
}
