//! `postroom demo`: a local Microsoft, this server, and the whole story, on one machine with nothing installed.
//!
//! It first runs the tour by itself, so that what it then shows is known to work. It ignores DATABASE_URL and REDIS_URL, listens on
//! loopback only, and refuses an environment that says it is production.

mod browser;
mod client;
mod tour;

use super::run::serve_and_work;
use crate::config::{Config, Reader};
use crate::output::say;
use crate::parts::Parts;
use crate::{shutdown, telemetry};
use anyhow::{Context, Result, bail};
use app::system::SystemEntropy;
use sandbox::{CONTOSO, Sandbox, SandboxConfig, TenantUser, predefined_users};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;
use tour::Tour;

const PORT: u16 = 3000;
pub const ADMIN_EMAIL: &str = "admin@demo.example";
/// Not a secret: the demo listens on loopback only.
pub const ADMIN_PASSWORD: &str = "postroom-demo";
/// Who signs in with Microsoft, and whose mailbox becomes the inbox. One of the sandbox's predefined people.
pub const MAILBOX: &str = "support@contoso.example";
/// A shared mailbox, for trying one out.
const SHARED: &str = "info@contoso.example";
/// Who may open it and send as it.
const DELEGATE: &str = "sales@contoso.example";
pub const CUSTOMER: &str = "ada@customer.example";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Run the story, say what each step proved, and exit with 0, or with 1 at the step that failed
    #[arg(long)]
    tour: bool,
    /// The server's port; 3000, or any free one when that is taken
    #[arg(long)]
    port: Option<u16>,
    /// Keep the data in this folder; otherwise it is gone afterwards
    #[arg(long)]
    data: Option<PathBuf>,
}

pub async fn run(args: Args) -> Result<ExitCode> {
    let environment = Reader::from_environment();
    if environment.text("POSTROOM_ENV").as_deref() == Some("production") {
        bail!("POSTROOM_ENV says production, and a demo has no business there. Unset it, or use `postroom run`.");
    }
    let stop = shutdown::on_signal()?;
    let temporary = tempfile::tempdir().context("making a temporary folder")?;
    let data_dir = match &args.data {
        Some(folder) => {
            std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
            folder.clone()
        }
        None => temporary.path().join("data"),
    };
    let port = free_port(args.port)?;
    let address = format!("http://127.0.0.1:{port}");
    let sandbox = Sandbox::start(SandboxConfig {
        redirect_uris: vec![format!("{address}/microsoft/callback")],
        users: people(),
        ..SandboxConfig::default()
    })
    .await?;
    let config = configure(&environment, &sandbox, temporary.path(), &data_dir, port)?;
    telemetry::start(&config.logging);

    let parts = Parts::assemble(config, "demo").await?;
    let lock = parts.app.store().lock_for_serving()?;
    parts.app.store().migrate().await?;
    parts.app.store().succeed(&lock).await?;
    let listening = parts.listen().await?;
    parts.keep_time(&stop);
    let worker = parts.start_worker()?;
    let serving = tokio::spawn(serve_and_work(listening.serve(stop.clone()), worker, stop.clone()));

    let toured = tokio::select! {
        toured = Tour::new(&parts.app, &sandbox, &address).run() => Some(toured),
        () = stop.cancelled() => None,
    };
    let code = match toured {
        Some(Ok(story)) => {
            if !args.tour {
                introduce(&address, &sandbox, &story);
                stop.cancelled().await;
            }
            ExitCode::SUCCESS
        }
        Some(Err(error)) => {
            say(format!("The tour failed: {error:#}"));
            ExitCode::FAILURE
        }
        None => ExitCode::FAILURE,
    };
    finish(serving, &stop).await?;
    parts.app.store().close().await;
    sandbox.stop().await;
    Ok(code)
}

async fn finish(serving: tokio::task::JoinHandle<Result<()>>, stop: &CancellationToken) -> Result<()> {
    stop.cancel();
    serving.await?
}

fn introduce(address: &str, sandbox: &Sandbox, story: &tour::Story) {
    say("");
    say("It keeps running. Write as the customer on the sandbox's page, and answer on the agents' page.");
    say(format!("  server         {address}"));
    say(format!("  agents' page   {address}/app/"));
    say(format!("  sandbox        {}", sandbox.page_url()));
    say(format!("  administrator  {ADMIN_EMAIL}"));
    say(format!("  password       {ADMIN_PASSWORD}"));
    say(format!("  API token      {}", story.api_token));
    say(format!("  IMAP           {}", sandbox.imap_addr()));
    say(format!("  SMTP           {}", sandbox.smtp_addr()));
    say(format!("  account        {} (inbox {}, mailbox {MAILBOX})", story.account_id, story.inbox_id));
    say("Stop it with Ctrl-C.");
}

/// The sandbox's people, one of whom may open a mailbox that they share.
fn people() -> Vec<TenantUser> {
    let mut users = predefined_users();
    for delegate in users.iter_mut().filter(|user| user.address == DELEGATE) {
        delegate.full_access.push(SHARED.to_owned());
        delegate.send_as.push(SHARED.to_owned());
    }
    users.push(TenantUser::work(CONTOSO, SHARED, "Contoso"));
    users
}

/// The port asked for, or 3000, or when that is taken any.
fn free_port(asked: Option<u16>) -> Result<u16> {
    let take = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).and_then(|listener| listener.local_addr());
    match asked {
        Some(port) => Ok(take(port).with_context(|| format!("port {port} cannot be used"))?.port()),
        None => match take(PORT) {
            Ok(addr) => Ok(addr.port()),
            Err(_) => {
                let port = take(0).context("no port is free")?.port();
                say(format!("Port {PORT} is taken; using {port}."));
                Ok(port)
            }
        },
    }
}

/// Everything from the sandbox; of the environment only how to log.
fn configure(environment: &Reader, sandbox: &Sandbox, folder: &Path, data_dir: &Path, port: u16) -> Result<Config> {
    let ca_file = folder.join("sandbox-ca.pem");
    std::fs::write(&ca_file, sandbox.ca_pem()).context("writing the sandbox's certificate authority")?;
    let text = |path: &Path| path.to_str().map(str::to_owned).context("the folder's name is not text");
    let values = [
        ("POSTROOM_ENV", "development".to_owned()),
        ("LISTEN_ADDR", format!("127.0.0.1:{port}")),
        ("FRONTEND_URL", format!("http://127.0.0.1:{port}")),
        ("POSTROOM_DATA_DIR", text(data_dir)?),
        ("AZURE_APP_ID", sandbox.client_id().to_owned()),
        ("AZURE_APP_SECRET", sandbox.client_secret().to_owned()),
        ("MICROSOFT_LOGIN_URL", sandbox.login_url()),
        ("MICROSOFT_GRAPH_URL", sandbox.graph_url()),
        ("MICROSOFT_IMAP", sandbox.imap_addr().to_string()),
        ("MICROSOFT_SMTP", sandbox.smtp_addr().to_string()),
        ("EXTRA_CA_FILE", text(&ca_file)?),
        // Warnings would be about the demo's own makeshifts; who wants to see more asks for it.
        ("RUST_LOG", environment.text("RUST_LOG").unwrap_or_else(|| "error".to_owned())),
        ("LOG_FORMAT", environment.text("LOG_FORMAT").unwrap_or_default()),
    ];
    let values = values.iter().map(|(name, value)| (*name, value.as_str()));
    Ok(Config::read(Reader::from_values(values), &SystemEntropy::new())?)
}
