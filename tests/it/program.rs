//! The program itself (R1–R3): demo, commands, configuration.

use anyhow::{Context, Result};
use std::process::{Command, Stdio};
use testkit::chaos::Mode;
use testkit::world::{Database, Queue, Setup, World, binary};

#[test]
fn demo_tour_runs_the_main_job_with_no_server_installed_and_exits_0() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let output = Command::new(binary()?)
        .args(["demo", "--tour"])
        .current_dir(dir.path())
        .env_clear()
        .env("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none")
        .env("REDIS_URL", "redis://127.0.0.1:1/")
        .stdin(Stdio::null())
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    for step in ["connect", "conversation", "reply"] {
        assert!(said.to_lowercase().contains(step), "the tour does not mention {step}:\n{said}");
    }
    Ok(())
}

#[test]
fn demo_refuses_production() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let output = Command::new(binary()?)
        .args(["demo", "--tour"])
        .current_dir(dir.path())
        .env_clear()
        .env("POSTROOM_ENV", "production")
        .output()?;
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("production"));
    Ok(())
}

#[test]
fn every_mistake_in_the_environment_is_named_at_once() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let output = Command::new(binary()?)
        .arg("run")
        .current_dir(dir.path())
        .env_clear()
        .env("POSTROOM_ENV", "production")
        .env("LISTEN_ADDR", "nowhere")
        .env("DATABASE_URL", "mysql://x")
        .env("MICROSOFT_LOGIN_URL", "https://login.microsoftonline.com.evil.example")
        .env("POSTROOM_SECRET_KEY", "short")
        // Below what a webhook is tried for, and more than its answer is waited for.
        .env("EVENTS_KEPT_HOURS", "23")
        .env("WEBHOOK_TIMEOUT", "31")
        .output()?;
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let names = [
        "LISTEN_ADDR",
        "DATABASE_URL",
        "MICROSOFT_LOGIN_URL",
        "POSTROOM_SECRET_KEY",
        "FRONTEND_URL",
        "EVENTS_KEPT_HOURS",
        "WEBHOOK_TIMEOUT",
    ];
    for name in names {
        assert!(said.contains(name), "{name} is not named:\n{said}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn health_tells_live_and_ready_apart_and_doctor_finds_nothing_wrong() -> Result<()> {
    World::run(Setup::on(Database::Postgres, Queue::Memory).through_proxies(), async |w| {
        assert_eq!(w.api.call("GET", "/health/live", None).await?.status, 200);
        assert_eq!(w.api.call("GET", "/health/ready", None).await?.status, 200);
        let said = w.postroom(&["doctor"]).context("doctor")?;
        assert!(said.contains("Nothing is wrong."), "{said}");

        let database = |w: &World, mode| {
            let database = w.proxies.as_ref().and_then(|proxies| proxies.database.as_ref()).context("PostgreSQL")?;
            database.set(mode);
            anyhow::Ok(())
        };
        database(w, Mode::Cut)?;
        assert_eq!(w.api.call("GET", "/health/live", None).await?.status, 200);
        assert_eq!(w.api.call("GET", "/health/ready", None).await?.status, 503);
        let error = w.postroom(&["doctor"]).err().context("doctor found nothing wrong")?;
        let said = format!("{error:#}");
        assert!(said.contains("FAIL  database") && said.contains("One thing is wrong."), "{said}");
        database(w, Mode::Pass)
    })
    .await
}
