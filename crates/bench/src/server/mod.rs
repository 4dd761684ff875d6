//! A mail server of the bench's own, as a process of its own, so that none of its CPU is counted as ours: IMAP with IDLE for any number of
//! mailboxes, an SMTP server that takes everything and keeps nothing, and a line on which the bench fills mailboxes and asks what came.
//!
//! It speaks what the product says to a server and no more, signs anybody in, and never refuses anything: how refusals are met is the
//! stories' matter, and Dovecot's and Postfix's.

mod control;
mod fetch;
mod imap;
mod mailboxes;
mod smtp;

use crate::corpus::Kind;
use anyhow::{Context, Result};
use mailboxes::Mailboxes;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use tempfile::TempDir;
use testkit::process::Process;
use testkit::tls::TestTls;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What a session runs over.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// What its sessions share.
struct Shared {
    seed: u64,
    mailboxes: Mailboxes,
    tls: TlsAcceptor,
}

/// Runs the server until its process is ended. Leaves the authority's certificate and, last, the ports in `folder`.
pub async fn serve(folder: &Path, seed: u64) -> Result<()> {
    let tls = TestTls::new()?;
    let shared = Arc::new(Shared { seed, mailboxes: Mailboxes::default(), tls: acceptor(&tls)? });
    let mut listeners = Vec::new();
    for _ in 0..4 {
        listeners.push(TcpListener::bind(("127.0.0.1", 0)).await?);
    }
    let ports: Vec<String> =
        listeners.iter().map(|l| l.local_addr().map(|a| a.port().to_string())).collect::<std::io::Result<_>>()?;
    std::fs::write(folder.join("ca.pem"), &tls.ca_pem)?;
    std::fs::write(folder.join("ports.part"), ports.join(" "))?;
    std::fs::rename(folder.join("ports.part"), folder.join("ports"))?;
    let [imaps, imap, smtp, control] = <[TcpListener; 4]>::try_from(listeners).ok().context("four listeners")?;
    tokio::try_join!(
        accept(imaps, shared.clone(), async |stream, shared| {
            let stream = shared.tls.accept(stream).await?;
            imap::session(stream, &shared).await
        }),
        accept(imap, shared.clone(), async |stream, shared| imap::session(stream, &shared).await),
        accept(smtp, shared.clone(), async |stream, shared| smtp::session(stream, &shared).await),
        accept(control, shared.clone(), async |stream, shared| control::session(stream, &shared).await),
    )?;
    Ok(())
}

fn acceptor(tls: &TestTls) -> Result<TlsAcceptor> {
    let chain = CertificateDer::pem_slice_iter(tls.cert_pem.as_bytes()).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(tls.key_pem.as_bytes())?;
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// A session a connection; what ends one is nobody else's matter.
async fn accept<F>(listener: TcpListener, shared: Arc<Shared>, session: F) -> Result<()>
where
    F: AsyncFn(TcpStream, Arc<Shared>) -> Result<()> + Clone + 'static,
{
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (shared, session) = (shared.clone(), session.clone());
        tokio::task::spawn_local(async move {
            let _ = session(stream, shared).await;
        });
    }
}

/// The server's process, and the line to it.
pub struct MailServer {
    pub imaps_port: u16,
    pub imap_port: u16,
    pub smtp_port: u16,
    pub ca: PathBuf,
    control: tokio::sync::Mutex<BufStream<TcpStream>>,
    _process: Process,
    _folder: TempDir,
}

impl MailServer {
    /// Starts it: `program` is the bench itself.
    #[expect(clippy::disallowed_methods, reason = "the bench's own line to a server it started")]
    pub async fn start(program: &Path, seed: u64) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("postroom-bench-mail").tempdir()?;
        let ports = folder.path().join("ports");
        let mut command = Command::new(program);
        command.arg("mail-server").arg("--folder").arg(folder.path()).args(["--seed", &seed.to_string()]);
        let mut process = Process::start("mail-server", &mut command, &folder.path().join("log"))?;
        process.wait_until(|| ports.exists())?;
        let ports = std::fs::read_to_string(ports)?;
        let ports = ports.split(' ').map(str::parse).collect::<Result<Vec<u16>, _>>()?;
        let [imaps_port, imap_port, smtp_port, control_port] = ports[..] else {
            anyhow::bail!("four ports: {ports:?}")
        };
        let control = TcpStream::connect(("127.0.0.1", control_port)).await?;
        control.set_nodelay(true)?;
        Ok(Self {
            imaps_port,
            imap_port,
            smtp_port,
            ca: folder.path().join("ca.pem"),
            control: tokio::sync::Mutex::new(BufStream::new(control)),
            _process: process,
            _folder: folder,
        })
    }

    /// Puts so many mails of the corpus into a mailbox, all at once; answers its last UID.
    pub async fn fill(&self, mailbox: &str, kind: Kind, from: u64, count: u64) -> Result<u64> {
        self.ask(&format!("fill {mailbox} {} {from} {count}", kind.as_str())).await
    }

    /// Puts one mail of that size into a mailbox.
    pub async fn huge(&self, mailbox: &str, bytes: usize) -> Result<u64> {
        self.ask(&format!("huge {mailbox} {bytes}")).await
    }

    /// Sessions that wait in IDLE now.
    pub async fn idling(&self) -> Result<u64> {
        self.ask("idling").await
    }

    /// Mails that the SMTP server took so far.
    pub async fn taken(&self) -> Result<u64> {
        self.ask("taken").await
    }

    async fn ask(&self, line: &str) -> Result<u64> {
        let mut control = self.control.lock().await;
        control.write_all(format!("{line}\n").as_bytes()).await?;
        control.flush().await?;
        let mut answer = String::new();
        control.read_line(&mut answer).await?;
        answer.trim().parse().with_context(|| format!("the mail server answered {answer:?} to {line}"))
    }
}
