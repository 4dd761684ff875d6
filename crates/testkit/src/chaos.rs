//! A proxy between us and any server, which can cut, stall and refuse connections on demand.

use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Pass,
    /// New connections are closed at once, present ones are cut.
    Cut,
    /// Bytes are swallowed both ways; nothing is closed: a half-open connection.
    Stall,
    /// Everything arrives, each time [`SLOWNESS`] later, both ways.
    Slow,
}

/// Of a server that is far away or has much to do.
const SLOWNESS: Duration = Duration::from_millis(300);

pub struct ChaosProxy {
    pub port: u16,
    mode: Arc<AtomicU8>,
    /// How often everything was cut. A connection ends at the first time after it began, whatever came after that.
    cuts: watch::Sender<u64>,
    connections: Arc<AtomicU32>,
    to: Arc<Mutex<SocketAddr>>,
    _accepting: AbortOnDropHandle<()>,
}

impl ChaosProxy {
    pub async fn start(to: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let mode = Arc::new(AtomicU8::new(0));
        let connections = Arc::new(AtomicU32::new(0));
        let (cuts, watch) = watch::channel(0u64);
        let to = Arc::new(Mutex::new(to));
        let (m, c, target) = (mode.clone(), connections.clone(), to.clone());
        let accepting = AbortOnDropHandle::new(tokio::spawn(async move {
            let mut tasks = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                c.fetch_add(1, Ordering::SeqCst);
                if m.load(Ordering::SeqCst) != Mode::Cut as u8 {
                    let mut cuts = watch.clone();
                    cuts.mark_unchanged();
                    let to = *target.lock().expect("nothing panics with it");
                    tasks.spawn(serve(client, to, m.clone(), cuts));
                }
                while tasks.try_join_next().is_some() {}
            }
        }));
        Ok(Self { port, mode, cuts, connections, to, _accepting: accepting })
    }

    pub fn set(&self, mode: Mode) {
        self.mode.store(mode as u8, Ordering::SeqCst);
        if mode == Mode::Cut {
            self.cuts.send_modify(|n| *n += 1);
        }
    }

    /// From now on another server stands behind it; present connections are cut.
    pub fn lead_to(&self, port: u16) {
        self.to.lock().expect("nothing panics with it").set_port(port);
        self.cuts.send_modify(|n| *n += 1);
    }

    /// Connections accepted since the start.
    pub fn connections(&self) -> u32 {
        self.connections.load(Ordering::SeqCst)
    }

    /// The server's URL, with the proxy where the server was.
    pub async fn before(url: &str) -> Result<(Self, String)> {
        let mut url = url::Url::parse(url)?;
        let host = url.host_str().context("a host")?;
        let port = url.port().context("a port")?;
        let proxy = Self::start(format!("{host}:{port}").parse()?).await?;
        url.set_host(Some("127.0.0.1"))?;
        url.set_port(Some(proxy.port)).map_err(|()| anyhow::anyhow!("the URL takes no port"))?;
        Ok((proxy, url.into()))
    }
}

/// A proxy before each server of a world.
pub struct Proxies {
    /// `None` on SQLite.
    pub database: Option<ChaosProxy>,
    pub redis: Option<ChaosProxy>,
    pub imap: ChaosProxy,
    pub smtp: ChaosProxy,
}

impl Proxies {
    /// Starts them, and puts them into the variables that name the servers.
    pub async fn start(environment: &mut [(String, String)]) -> Result<Self> {
        let (mut database, mut redis) = (None, None);
        for (name, value) in environment.iter_mut() {
            let place = match name.as_str() {
                "DATABASE_URL" if value.starts_with("postgres") => &mut database,
                "REDIS_URL" => &mut redis,
                _ => continue,
            };
            let (proxy, url) = ChaosProxy::before(value).await?;
            *place = Some(proxy);
            *value = url;
        }
        let imap = mail_proxy(environment, "MICROSOFT_IMAP").await?;
        let smtp = mail_proxy(environment, "MICROSOFT_SMTP").await?;
        Ok(Self { database, redis, imap, smtp })
    }
}

async fn mail_proxy(environment: &mut [(String, String)], name: &str) -> Result<ChaosProxy> {
    let (_, value) = environment.iter_mut().find(|(known, _)| known == name).context("a mail server")?;
    let proxy = ChaosProxy::start(value.parse()?).await?;
    *value = format!("127.0.0.1:{}", proxy.port);
    Ok(proxy)
}

#[expect(clippy::disallowed_methods, reason = "the proxy's own socket")]
async fn serve(client: TcpStream, to: SocketAddr, mode: Arc<AtomicU8>, mut cuts: watch::Receiver<u64>) {
    let Ok(server) = TcpStream::connect(to).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    tokio::select! {
        _ = cuts.changed() => {}
        () = copy(client_read, server_write, &mode) => {}
        () = copy(server_read, client_write, &mode) => {}
    }
}

async fn copy(mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin, mode: &AtomicU8) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match from.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(_) if mode.load(Ordering::SeqCst) == Mode::Stall as u8 => {}
            Ok(n) => {
                if mode.load(Ordering::SeqCst) == Mode::Slow as u8 {
                    tokio::time::sleep(SLOWNESS).await;
                }
                if to.write_all(&buffer[..n]).await.is_err() {
                    return;
                }
            }
        }
    }
}
