//! `docker/`: no machine here builds the image, so what can be held without one is held: names, paths, and the check of health itself.
//!
//! Never starts a container.

use crate::tidy::{names_in_the_example, root};
use anyhow::{Context, Result};
use serde_yaml::Value;
use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use testkit::chaos::Mode;
use testkit::world::{Database, Queue, Setup, World, binary};

/// What the compose file itself asks whoever runs it for, beside our own variables.
const COMPOSES_OWN: &[&str] = &["POSTGRES_PASSWORD"];

fn compose() -> Result<Value> {
    let text = std::fs::read_to_string(root().join("docker/compose.yml"))?;
    let mut compose: Value = serde_yaml::from_str(&text)?;
    compose.apply_merge()?;
    Ok(compose)
}

/// The services that run our program, by their names.
fn ours(compose: &Value) -> Result<Vec<(String, &Value)>> {
    let services = compose["services"].as_mapping().context("services")?;
    Ok(services
        .iter()
        .filter(|(_, service)| service["image"] == "postroom")
        .filter_map(|(name, service)| Some((name.as_str()?.to_owned(), service)))
        .collect())
}

/// The names in `${NAME}`, `${NAME:-default}` and `${NAME:?complaint}`.
fn interpolated(text: &str) -> BTreeSet<String> {
    text.split("${")
        .skip(1)
        .map(|rest| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect())
        .collect()
}

#[test]
fn compose_sets_only_variables_that_the_program_reads_and_runs_only_its_commands() -> Result<()> {
    let text = std::fs::read_to_string(root().join("docker/compose.yml"))?;
    let compose = compose()?;
    let known = names_in_the_example();
    let asked = interpolated(&text);
    assert!(asked.contains("POSTROOM_SECRET_KEY"), "{asked:?}");
    let strange: Vec<&String> =
        asked.iter().filter(|name| !known.contains(*name) && !COMPOSES_OWN.contains(&name.as_str())).collect();
    assert!(strange.is_empty(), "compose.yml asks for {strange:?}");

    // Who may call how often depends on what stands in front, and how much there may be on whom it is for.
    for limit in [
        "TRUSTED_PROXIES",
        "RACK_ATTACK_LIMIT",
        "ACCOUNT_INBOXES_LIMIT",
        "ACCOUNT_AGENTS_LIMIT",
        "MAIL_HOST_CONNECTIONS",
    ] {
        assert!(asked.contains(limit), "{limit} cannot be set");
    }
    let help = Command::new(binary()?).arg("--help").env_clear().output()?;
    let help = String::from_utf8(help.stdout)?;
    let services = compose["services"].as_mapping().context("services")?;
    let ours = ours(&compose)?;
    let names: Vec<&str> = ours.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["migrate", "serve", "work"]);
    for (name, service) in &ours {
        for (variable, _) in service["environment"].as_mapping().context("environment")? {
            let variable = variable.as_str().context("a name")?;
            assert!(known.contains(variable), "{name} is given {variable}");
        }
        let command = service["command"][0].as_str().context("a command")?;
        let offered = help.lines().any(|line| line.trim_start().split(' ').next() == Some(command));
        assert!(offered, "{name} runs {command}, which is no command:\n{help}");
        let dockerfile = service["build"]["dockerfile"].as_str().context("a Dockerfile")?;
        assert!(root().join(dockerfile).exists(), "{dockerfile}");
        for (on, wanted) in service["depends_on"].as_mapping().context("depends_on")? {
            let on = services.get(on).with_context(|| format!("{name} depends on {on:?}"))?;
            let checked = wanted["condition"] != "service_healthy" || on["healthcheck"]["test"].is_sequence();
            assert!(checked, "{name} waits for the health of what has no check of it");
        }
    }
    Ok(())
}

#[test]
fn the_dockerfile_copies_what_exists_and_sets_only_variables_that_the_program_reads() -> Result<()> {
    let text = std::fs::read_to_string(root().join("docker/Dockerfile"))?;
    let known = names_in_the_example();
    let (mut copies, mut sets) = (0, 0);
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["COPY", option, ..] if option.starts_with("--from=") => {}
            ["COPY", sources @ .., _to] => {
                copies += 1;
                for source in sources.iter().filter(|word| !word.starts_with("--")) {
                    assert!(root().join(source).exists(), "COPY {source}");
                }
            }
            ["ENV", pairs @ ..] => {
                for pair in pairs {
                    sets += 1;
                    let (name, _) = pair.split_once('=').context("NAME=VALUE")?;
                    assert!(known.contains(name), "ENV {name}");
                }
            }
            _ => {}
        }
    }
    assert!(copies > 0 && sets > 0, "the Dockerfile was not understood");
    Ok(())
}

/// The check of `serve` as compose gives it to the container, here with the port of this world's server.
fn check(w: &World) -> Result<Command> {
    let compose = compose()?;
    let test = compose["services"]["serve"]["healthcheck"]["test"].as_sequence().context("a check")?;
    let words: Vec<&str> = test.iter().filter_map(Value::as_str).collect();
    let ["CMD", program, arguments @ ..] = words.as_slice() else { anyhow::bail!("{words:?}") };
    let port = w.base.rsplit(':').next().context("a port")?;
    let mut command = Command::new(program);
    for argument in arguments {
        // Compose takes a dollar sign for a variable of its own.
        assert!(!argument.contains('$'), "{argument}");
        command.arg(argument.replace("/3000 ", &format!("/{port} ")));
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_containers_check_of_health_says_what_the_server_says() -> Result<()> {
    World::run(Setup::on(Database::Postgres, Queue::Memory).through_proxies(), async |w| {
        assert!(check(w)?.status()?.success(), "it is ready");
        let database = w.proxies.as_ref().and_then(|proxies| proxies.database.as_ref()).context("PostgreSQL")?;
        database.set(Mode::Cut);
        assert!(!check(w)?.status()?.success(), "its database is away");
        database.set(Mode::Pass);
        w.start_processes().await?;
        assert!(check(w)?.status()?.success(), "it is ready again");
        w.kill("run")?;
        assert!(!check(w)?.status()?.success(), "nothing answers");
        Ok(())
    })
    .await
}
