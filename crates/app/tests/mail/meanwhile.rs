//! Somebody else commits between what was read and what is written. PostgreSQL alone: SQLite has one writer, who reads and writes alone.

use crate::desk::{ADA, Desk, mail};
use crate::passwords::{FIRST, GRACE, new_agent, place, tenant};
use crate::postgres::on_postgres;
use app::accounts;
use app::conversations::{self, AssignError, BulkChange, BulkError};
use app::organising::teams::{self, NewTeam};
use app::outbound::{Beginning, StartError, start};
use domain::organising::Team;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

/// What is done while somebody else has done this and not committed: they do when it waits for them.
async fn behind<T>(desk: &Desk, statements: &[String], mut done: impl Future<Output = T> + Unpin) -> T {
    let mut other = PgConnection::connect(&desk.database_url).await.expect("opens");
    let mut watch = PgConnection::connect(&desk.database_url).await.expect("opens");
    other.execute("BEGIN").await.expect("begins");
    for statement in statements {
        other.execute(AssertSqlSafe(statement.clone())).await.expect("done");
    }
    let waits = async {
        let text =
            "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while sqlx::query_scalar::<_, i64>(text).fetch_one(&mut watch).await.expect("a number") == 0 {}
    };
    let before = tokio::select! {
        biased;
        () = waits => None,
        done = &mut done => Some(done),
    };
    // Of what did not wait at all, the other's is done all the same.
    other.execute("COMMIT").await.expect("committed");
    match before {
        Some(done) => done,
        None => done.await,
    }
}

#[tokio::test]
async fn of_two_who_make_the_same_user_up_at_once_the_second_finds_somebody_elses() {
    on_postgres(async |desk| {
        let (evil, _) = tenant(desk, "evil").await;
        let user = format!(
            "INSERT INTO users (email, email_key, name, password_hash, created_at, updated_at) VALUES ('{GRACE}', '{GRACE}', 'Grace', 'eve', 1, 1)"
        );
        let place_of = format!(
            "INSERT INTO account_users (account_id, user_id, role, availability, auto_offline, created_at, updated_at) \
             SELECT {}, id, 'agent', 'online', TRUE, 1, 1 FROM users WHERE email_key = '{GRACE}'",
            evil.0
        );
        let invited = behind(
            desk,
            &[user, place_of],
            Box::pin(accounts::invite(&desk.app, &desk.member, new_agent(GRACE, Some(FIRST)))),
        )
        .await
        .expect("invited");
        assert!(!invited.agent.confirmed, "Eve's password opened our account");
        assert!(accounts::ask_for_reset(&desk.app, GRACE, place(1)).await.is_err(), "there is no mailer");
    })
    .await;
}

#[tokio::test]
async fn of_muting_and_unmuting_at_once_the_later_has_its_way() {
    on_postgres(async |desk| {
        desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
        let view = desk.conversation().await;
        let id = view.conversation.display_id;
        let muted = format!("UPDATE contacts SET blocked = TRUE WHERE id = {}", view.contact.id.0);
        behind(desk, &[muted], Box::pin(conversations::unmute(&desk.app, &desk.member, id))).await.expect("unmuted");
        assert!(!desk.conversation().await.contact.blocked);
    })
    .await;
}

fn beginning(desk: &Desk, contact: domain::ContactId) -> Beginning {
    Beginning { contact_id: Some(contact), ..desk.beginning() }
}

#[tokio::test]
async fn a_conversation_is_not_begun_with_somebody_who_is_deleted_meanwhile() {
    on_postgres(async |desk| {
        desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
        let contact = desk.conversation().await.contact.id;
        let deleted = format!("UPDATE contacts SET erased_at = 1 WHERE id = {}", contact.0);
        let begun = behind(desk, &[deleted], Box::pin(start(&desk.app, &desk.member, beginning(desk, contact)))).await;
        assert!(matches!(begun, Err(StartError::ContactNotFound)), "{begun:?}");
        desk.outside("UPDATE contacts SET erased_at = NULL").await;
        assert_eq!(desk.conversations().await.len(), 1);
    })
    .await;
}

async fn made_team(desk: &Desk, name: &str) -> Team {
    let new = NewTeam {
        name: name.to_owned(),
        description: None,
        allow_auto_assign: false,
        icon: String::new(),
        icon_color: String::new(),
    };
    teams::create(&desk.app, &desk.member, new).await.expect("made")
}

#[tokio::test]
async fn a_team_that_is_deleted_meanwhile_is_given_nothing() {
    on_postgres(async |desk| {
        desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
        let view = desk.conversation().await;
        let team: Team = made_team(desk, "Sales").await;
        let deleted = format!("DELETE FROM teams WHERE id = {}", team.id.0);
        let many = BulkChange { team: Some(Some(team.id)), ..BulkChange::default() };
        let ids = [view.conversation.display_id];
        let given = behind(
            desk,
            std::slice::from_ref(&deleted),
            Box::pin(conversations::change_many(&desk.app, &desk.member, &ids, &many)),
        )
        .await;
        assert!(matches!(given, Err(BulkError::Assign(AssignError::NoSuchTeam))), "{given:?}");

        let team = made_team(desk, "Support").await;
        let deleted = format!("DELETE FROM teams WHERE id = {}", team.id.0);
        let new = Beginning { team_id: Some(team.id), ..beginning(desk, view.contact.id) };
        let begun = behind(desk, &[deleted], Box::pin(start(&desk.app, &desk.member, new))).await;
        assert!(matches!(begun, Err(StartError::Assign(AssignError::NoSuchTeam))), "{begun:?}");
    })
    .await;
}
