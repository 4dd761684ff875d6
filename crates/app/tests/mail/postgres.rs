//! A PostgreSQL database of the test's own, and its bad moments. `POSTROOM_TEST_POSTGRES` names the server; scripts/test always starts one.

use crate::desk::Desk;
use app::Settings;
use sandbox::SandboxConfig;
use sqlx::{Connection as _, Executor as _, PgConnection};
use std::sync::atomic::{AtomicU32, Ordering};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// Runs the story on SQLite, and on PostgreSQL where there is one.
pub async fn on_each(story: impl AsyncFn(&Desk)) {
    let desk = Box::pin(Desk::new()).await;
    Box::pin(story(&desk)).await;
    on_postgres(story).await;
}

/// The same with other settings.
pub async fn on_each_tuned(tune: impl Fn(&mut Settings), story: impl AsyncFn(&Desk)) {
    let desk = Box::pin(Desk::tuned(SandboxConfig::default(), None, &tune)).await;
    Box::pin(story(&desk)).await;
    on_postgres_tuned(&tune, story).await;
}

pub async fn on_postgres(story: impl AsyncFn(&Desk)) {
    on_postgres_tuned(|_| {}, story).await;
}

#[expect(clippy::disallowed_methods, reason = "how scripts/test tells the tests where the server is")]
async fn on_postgres_tuned(tune: impl FnOnce(&mut Settings), story: impl AsyncFn(&Desk)) {
    let Ok(server) = std::env::var("POSTROOM_TEST_POSTGRES") else { return };
    let name = format!("app_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let mut admin = PgConnection::connect(&server).await.expect("the server answers");
    let made = admin.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).await;
    made.expect("a database");
    let mut url: url::Url = server.parse().expect("an address");
    url.set_path(&name);
    let desk = Box::pin(Desk::tuned(SandboxConfig::default(), Some(url.as_str()), tune)).await;
    Box::pin(story(&desk)).await;
    desk.app.store().close().await;
    let dropped = admin.execute(sqlx::AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).await;
    dropped.expect("removed");
}

/// The first `count` times that somebody does this (`INSERT ON messages`) to a row for which `condition` holds, the database takes their
/// transaction back, as when two are in each other's way (40001, serialization_failure).
pub async fn conflicts(desk: &Desk, count: u32, what: &str, condition: &str) {
    for statement in [
        "CREATE SEQUENCE tries".to_owned(),
        format!(
            "CREATE FUNCTION conflicts() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF nextval('tries') <= {count} \
             THEN RAISE EXCEPTION 'not now' USING ERRCODE = '40001'; END IF; RETURN NEW; END $$"
        ),
        format!("CREATE TRIGGER conflicts BEFORE {what} FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION conflicts()"),
    ] {
        desk.outside(&statement).await;
    }
}
