//! `postroom demo` (R1) after its tour: what it prints works, it can be started again on the same data, and a step that fails is named.

use anyhow::{Context, Result};
use serde_json::json;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use testkit::client::ApiClient;
use testkit::process::{Process, Signal, accepts, free_port, run};
use testkit::world::binary;

/// As a person types it, in a folder of its own and with no variable but these.
fn postroom(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Result<Command> {
    let mut command = Command::new(binary()?);
    command.args(arguments).current_dir(folder).env_clear().envs(variables.iter().copied()).stdin(Stdio::null());
    Ok(command)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A demo that has run its tour and waits for Ctrl-C.
struct Demo(Process);

impl Demo {
    fn start(folder: &Path, arguments: &[&str]) -> Result<Self> {
        let mut command = postroom(folder, &[&["demo"], arguments].concat(), &[])?;
        let mut process = Process::start("demo", &mut command, &folder.join("demo.log"))?;
        let log = folder.join("demo.log");
        let printed = || std::fs::read_to_string(&log).is_ok_and(|text| text.contains("Stop it with Ctrl-C."));
        process.wait_until(printed)?;
        Ok(Self(process))
    }

    /// What stands behind a name in the lines after the tour.
    fn told(&self, name: &str) -> Result<String> {
        let log = self.0.log();
        let line = log.lines().find_map(|line| line.strip_prefix("  ")?.strip_prefix(name)?.strip_prefix(' '));
        Ok(line.with_context(|| format!("{name} is not printed:\n{log}"))?.trim().to_owned())
    }

    fn stop(mut self) -> Result<()> {
        self.0.signal(Signal::Term);
        let status = self.0.wait_for_end(Duration::from_secs(40))?;
        anyhow::ensure!(status.success(), "{status}:\n{}", self.0.log());
        Ok(())
    }
}

/// Everything that the demo prints is tried out.
async fn what_it_prints_works(demo: &Demo, port: u16) -> Result<()> {
    let server = demo.told("server")?;
    assert_eq!(server, format!("http://127.0.0.1:{port}"));
    let nobody = ApiClient::new(&server, None);
    assert_eq!(nobody.call("GET", "/health/ready", None).await?.status, 200);
    let person = json!({"email": demo.told("administrator")?, "password": demo.told("password")?});
    assert_eq!(nobody.call("POST", "/auth/sign_in", Some(&person)).await?.status, 200);

    let account = demo.told("account")?;
    let (account, rest) = account.split_once(' ').context("the account's number")?;
    assert!(rest.contains("support@contoso.example"), "{rest}");
    let list = format!("/api/v1/accounts/{account}/conversations?status=all");
    assert_eq!(nobody.call("GET", &list, None).await?.status, 401);
    let program = nobody.with_token(Some(&demo.told("API token")?));
    let conversations = program.get(&list).await?;
    let conversations = conversations["data"]["payload"].as_array().context("payload")?;
    assert_eq!(conversations.len(), 1, "the tour's conversation: {conversations:?}");

    let page = nobody.call("GET", &demo.told("sandbox")?, None).await?;
    assert!(page.status == 200 && page.text.contains("ada@customer.example"), "{}", page.text);
    for server in ["IMAP", "SMTP"] {
        let address: std::net::SocketAddr = demo.told(server)?.parse()?;
        assert!(address.ip().is_loopback() && accepts(address.port()), "{server} at {address}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_demo_prints_works_and_it_starts_again_on_the_same_data() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let port = free_port()?;
    let data = folder.path().join("kept");
    let port_said = port.to_string();
    let arguments = ["--port", port_said.as_str(), "--data", data.to_str().context("a name")?];

    let first = Demo::start(folder.path(), &arguments)?;
    what_it_prints_works(&first, port).await?;
    let first_account = first.told("account")?;
    let first_token = first.told("API token")?;
    first.stop()?;
    assert!(data.join("postroom.sqlite3").exists(), "the data was to be kept");

    let second = Demo::start(folder.path(), &arguments)?;
    what_it_prints_works(&second, port).await?;
    assert_ne!(second.told("account")?, first_account, "each start is an account of its own");
    let first_account = first_account.split(' ').next().context("the account's number")?;
    let of_old = ApiClient::new(second.told("server")?, Some(&first_token));
    let list = of_old.get(&format!("/api/v1/accounts/{first_account}/conversations?status=all")).await?;
    assert_eq!(
        list["data"]["payload"].as_array().context("payload")?.len(),
        1,
        "the first start's mail is still there"
    );
    second.stop()
}

#[test]
fn a_step_of_the_tour_that_fails_is_named_and_the_demo_exits_1() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("kept");
    let data_said = data.to_str().context("a name")?;
    // Somebody of the demo's name is there already, with a password of their own, which the demo must not change: it cannot sign in as them.
    let variables = [("POSTROOM_ENV", "development"), ("POSTROOM_DATA_DIR", data_said)];
    run(&mut postroom(folder.path(), &["migrate"], &variables)?)?;
    let create = ["account", "create", "--name", "Theirs", "--admin-email", "admin@demo.example"];
    let create = [&create[..], &["--admin-password", "a password of their own"]].concat();
    run(&mut postroom(folder.path(), &create, &variables)?)?;

    let port = free_port()?.to_string();
    let tour = ["demo", "--tour", "--port", &port, "--data", data_said];
    let output = postroom(folder.path(), &tour, &[])?.output()?;
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let line = said.lines().find(|line| line.starts_with("FAIL")).unwrap_or_default();
    assert!(line.contains("3  the administrator signs in") && line.contains("401"), "{said}");
    assert!(said.contains("The tour failed: step 3, the administrator signs in: "), "{said}");
    assert!(!said.contains("All of it works."), "{said}");
    Ok(())
}

#[test]
fn a_port_that_was_asked_for_and_is_taken_is_refused_by_its_number() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    let port = taken.local_addr()?.port().to_string();
    let output = postroom(folder.path(), &["demo", "--tour", "--port", &port], &[])?.output()?;
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("port {port} cannot be used")), "{said}");
    Ok(())
}
