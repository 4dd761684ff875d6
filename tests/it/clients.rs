//! Real clients (A1, A2): what others wrote for Chatwoot works here, what is made of the document works, and the document says all that is answered.
//!
//! The programs are in `tests/clients`; `scripts/clients` installs what they stand on. Nothing is skipped where it is missing.

use crate::openapi::committed;
use crate::tidy::root;
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use testkit::builders::{Mail, message_id};
use testkit::post::ADA;
use testkit::world::{ADMIN_PASSWORD, SUPPORT, Setup, World, binary};
use tokio::process::Command;

const INVOICE: &str = "From: Grace <grace@navy.example>\r\nTo: support@contoso.example\r\nSubject: Invoice\r\n\
    Date: Fri, 20 Nov 2026 11:00:00 +0000\r\nMessage-ID: <invoice@navy.example>\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nIt is wrong.\r\n\
    --b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename=invoice.txt\r\n\
    Content-Transfer-Encoding: base64\r\n\r\nUGF5IDkwDQo=\r\n--b--\r\n";

fn programs() -> PathBuf {
    root().join("tests/clients")
}

/// Where `scripts/clients` has installed what the programs stand on; fails where it has not, or other versions.
pub fn installed() -> Result<PathBuf> {
    let target = binary()?.parent().and_then(Path::parent).context("the program lies in target/debug")?.join("clients");
    for list in ["requirements.txt", "package-lock.json"] {
        let wanted = std::fs::read(programs().join(list))?;
        let there = std::fs::read(target.join(list)).unwrap_or_default();
        ensure!(wanted == there, "what tests/clients/{list} names is not installed: run ./scripts/clients");
    }
    Ok(target)
}

/// Ada and Grace have written, an agent without an inbox exists; answers what the programs want to know.
pub async fn a_desk(w: &mut World) -> Result<Vec<(&'static str, String)>> {
    w.first_conversation().await?;
    w.deliver(SUPPORT, INVOICE.as_bytes()).await?;
    w.conversations_are(2).await?;
    let cleo = json!({"name": "Cleo", "email": "cleo@contoso.example", "role": "agent", "password": ADMIN_PASSWORD});
    w.api.post(&w.path("/agents"), &cleo).await?;
    let credentials = json!({"email": "cleo@contoso.example", "password": ADMIN_PASSWORD});
    let signed_in = w.api.with_token(None).request("POST", "/auth/sign_in").json(&credentials).send().await?;
    let mut request = w.api.with_token(None).request("POST", "/api/v1/profile/access_tokens").json(&json!({}));
    for name in ["access-token", "client", "uid"] {
        request = request.header(name, signed_in.headers().get(name).context("a session's header")?);
    }
    let made = w.api.send(request).await?.ok()?;
    let token = made["access_token"].as_str().context("token")?;
    Ok(vec![
        ("POSTROOM_URL", w.base.clone()),
        ("POSTROOM_ACCOUNT", w.account_id.to_string()),
        ("POSTROOM_TOKEN", w.api.token().context("a token")?.to_owned()),
        ("POSTROOM_AGENT_TOKEN", token.to_owned()),
    ])
}

/// Runs a program to its end, which must be a good one; what it said.
pub async fn run(command: &mut Command, told: &[(&'static str, String)]) -> Result<String> {
    let shown = format!("{:?}", command.as_std());
    let output = command
        .envs(told.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("{shown} does not start: run ./scripts/install and ./scripts/clients"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{shown}:\n{said}");
    Ok(said)
}

/// Ada gets a reply, with her boss in copy, and answers it. What she got.
async fn ada_answers(w: &mut World) -> Result<Vec<u8>> {
    let mails = w.inbox_has(ADA, 1).await?;
    let id = message_id(&mails[0]).context("a Message-ID")?;
    let answer =
        Mail::new("Ada <ada@customer.example>", "Re: Order", "Thank you, it is here.").id("two@c").answering(&id);
    w.deliver(SUPPORT, &answer.bytes()).await?;
    Ok(mails[0].clone())
}

/// While the program goes through its day, Ada answers; afterwards she has the reply once, and no note.
async fn a_day(w: &mut World, command: &mut Command, told: &[(&'static str, String)]) -> Result<Vec<u8>> {
    let (said, got) = tokio::try_join!(run(command, told), ada_answers(w))?;
    ensure!(said.trim_end().ends_with("done"), "it did not come to its end:\n{said}");
    ensure!(w.inbox_of(ADA)?.len() == 1 && w.inbox_of("boss@customer.example")?.len() == 1, "mails more or fewer");
    let text = String::from_utf8_lossy(&got);
    ensure!(text.contains("<strong>yesterday</strong>") && !text.contains("She is right"), "{text}");
    Ok(got)
}

/// A folder in which JavaScript finds what was installed, with these of our programs.
fn javascript(w: &World, files: &[&str]) -> Result<PathBuf> {
    let folder = w.dir.path().join("javascript");
    std::fs::create_dir(&folder)?;
    std::os::unix::fs::symlink(installed()?.join("npm/node_modules"), folder.join("node_modules"))?;
    std::fs::write(folder.join("package.json"), r#"{"type": "module"}"#)?;
    for file in files {
        let from = programs().join(file);
        std::fs::copy(&from, folder.join(from.file_name().context("a name")?))?;
    }
    Ok(folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agents_day_passes_with_the_python_sdk() -> Result<()> {
    let python = installed()?.join("venv/bin/python");
    World::run(Setup::default(), async |w| {
        let told = a_desk(w).await?;
        let mut program = Command::new(&python);
        a_day(w, program.arg("-B").arg(programs().join("agents_day.py")), &told).await?;
        w.inbox_has("alan@bletchley.example", 1).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agents_day_passes_with_the_javascript_sdk() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let folder = javascript(w, &["agents_day.mjs"])?;
        let told = a_desk(w).await?;
        let got = a_day(w, Command::new("node").arg("agents_day.mjs").current_dir(&folder), &told).await?;
        ensure!(String::from_utf8_lossy(&got).contains("credit.txt"), "the file did not go with the reply");
        w.inbox_has("alan@bletchley.example", 1).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_typescript_client_made_of_the_document_compiles_and_works() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let folder = javascript(w, &["typed/day.ts", "typed/tsconfig.json"])?;
        std::fs::write(folder.join("openapi.json"), committed())?;
        let tool = |name: &str| {
            let mut command = Command::new(folder.join("node_modules/.bin").join(name));
            command.current_dir(&folder);
            command
        };
        run(tool("openapi-typescript").args(["openapi.json", "-o", "schema.d.ts"]), &[]).await?;
        run(tool("tsc").args(["--project", "."]), &[]).await?;
        let told = a_desk(w).await?;
        a_day(w, Command::new("node").arg("built/day.js").current_dir(&folder), &told).await?;
        Ok(())
    })
    .await
}
