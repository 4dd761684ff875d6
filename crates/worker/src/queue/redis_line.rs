//! One connection to Redis that is made when it is needed and forgotten after any trouble, so that the next question makes a new one.
//!
//! It never waits and tries again by itself: how long to wait is known by the caller.

use super::QueueError;
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, IntoConnectionInfo, Pipeline};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection for one purpose. A command that blocks must have a line of its own, or everything behind it waits.
pub(crate) struct RedisLine {
    client: Client,
    patience: Duration,
    connection: Mutex<Option<MultiplexedConnection>>,
    /// What Redis calls the present connection, where somebody may want to interrupt it; zero when there is none.
    named: Option<AtomicI64>,
}

impl RedisLine {
    /// `patience` is how long an answer may take, the time a command blocks included.
    pub(crate) fn new(url: &str, patience: Duration) -> Result<Self, QueueError> {
        let address = url.into_connection_info().map_err(|error| QueueError::BadUrl(error.to_string()))?;
        // A job is one small packet: waiting for more before sending it (Nagle) would cost 40 ms.
        let address = address.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let client = Client::open(address).map_err(|error| QueueError::BadUrl(error.to_string()))?;
        Ok(Self { client, patience, connection: Mutex::new(None), named: None })
    }

    /// Learns what Redis calls it, so that another line can end a command that blocks on this one (CLIENT UNBLOCK).
    pub(crate) fn that_may_be_interrupted(mut self) -> Self {
        self.named = Some(AtomicI64::new(0));
        self
    }

    /// What Redis calls the present connection.
    pub(crate) fn client_id(&self) -> Option<i64> {
        self.named.as_ref().map(|id| id.load(Ordering::SeqCst)).filter(|id| *id != 0)
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) async fn ask<T: FromRedisValue>(&self, question: &Pipeline) -> Result<T, QueueError> {
        let mut connection = self.connection().await?;
        match tokio::time::timeout(self.patience, question.query_async::<T>(&mut connection)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                self.forget().await;
                Err(QueueError::Redis(error.to_string()))
            }
            Err(_) => {
                self.forget().await;
                Err(QueueError::TimedOut)
            }
        }
    }

    /// As [`ask`](Self::ask), but no longer than `patience` with everything: waiting for others who connect, connecting, and the answer.
    pub(crate) async fn ask_in_time<T: FromRedisValue>(&self, question: &Pipeline) -> Result<T, QueueError> {
        let Ok(answered) = tokio::time::timeout(self.patience, self.ask(question)).await else {
            // Whoever holds it is making a new one.
            if let Ok(mut held) = self.connection.try_lock() {
                self.let_go(&mut held);
            }
            return Err(QueueError::TimedOut);
        };
        answered
    }

    async fn connection(&self) -> Result<MultiplexedConnection, QueueError> {
        let mut held = self.connection.lock().await;
        if let Some(connection) = &*held {
            return Ok(connection.clone());
        }
        // The library's own limit of half a second per answer would end every blocking command; ours is `patience`.
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT_TIMEOUT)).set_response_timeout(None);
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let connecting = async {
            let mut connection = connecting.await?;
            if let Some(named) = &self.named {
                let id: i64 = redis::cmd("CLIENT").arg("ID").query_async(&mut connection).await?;
                named.store(id, Ordering::SeqCst);
            }
            Ok::<_, redis::RedisError>(connection)
        };
        let connection = tokio::time::timeout(CONNECT_TIMEOUT, connecting)
            .await
            .map_err(|_| QueueError::TimedOut)?
            .map_err(|error| QueueError::Redis(error.to_string()))?;
        *held = Some(connection.clone());
        Ok(connection)
    }

    async fn forget(&self) {
        self.let_go(&mut *self.connection.lock().await);
    }

    fn let_go(&self, held: &mut Option<MultiplexedConnection>) {
        *held = None;
        if let Some(named) = &self.named {
            named.store(0, Ordering::SeqCst);
        }
    }
}

impl std::fmt::Debug for RedisLine {
    /// Says nothing of the URL, which may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RedisLine(…)")
    }
}

/// Asks whether Redis is there and answers. For `postroom doctor`.
pub async fn ping(url: &str) -> Result<(), QueueError> {
    let line = RedisLine::new(url, CONNECT_TIMEOUT)?;
    line.ask::<()>(redis::pipe().cmd("PING").ignore()).await
}
