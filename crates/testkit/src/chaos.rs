//! A proxy between us and any server, which can cut, stall and refuse connections on demand.

use anyhow::Result;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
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
}

pub struct ChaosProxy {
    pub port: u16,
    mode: Arc<AtomicU8>,
    changed: watch::Sender<u64>,
    connections: Arc<AtomicU32>,
    _accepting: AbortOnDropHandle<()>,
}

impl ChaosProxy {
    pub async fn start(to: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let mode = Arc::new(AtomicU8::new(0));
        let connections = Arc::new(AtomicU32::new(0));
        let (changed, watch) = watch::channel(0u64);
        let (m, c) = (mode.clone(), connections.clone());
        let accepting = AbortOnDropHandle::new(tokio::spawn(async move {
            let mut tasks = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                c.fetch_add(1, Ordering::SeqCst);
                if m.load(Ordering::SeqCst) != 1 {
                    tasks.spawn(serve(client, to, m.clone(), watch.clone()));
                }
                while tasks.try_join_next().is_some() {}
            }
        }));
        Ok(Self { port, mode, changed, connections, _accepting: accepting })
    }

    pub fn set(&self, mode: Mode) {
        self.mode.store(mode as u8, Ordering::SeqCst);
        self.changed.send_modify(|n| *n += 1);
    }

    /// Connections accepted since the start.
    pub fn connections(&self) -> u32 {
        self.connections.load(Ordering::SeqCst)
    }
}

#[expect(clippy::disallowed_methods, reason = "the proxy's own socket")]
async fn serve(client: TcpStream, to: SocketAddr, mode: Arc<AtomicU8>, mut changed: watch::Receiver<u64>) {
    let Ok(server) = TcpStream::connect(to).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let cut = async {
        while changed.changed().await.is_ok() {
            if mode.load(Ordering::SeqCst) == Mode::Cut as u8 {
                return;
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = cut => {}
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
            Ok(n) if to.write_all(&buffer[..n]).await.is_err() => return,
            Ok(_) => {}
        }
    }
}
