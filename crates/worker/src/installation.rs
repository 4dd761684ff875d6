//! Which installation this Redis carries hints and jobs for.
//!
//! The database says who it is, and Redis remembers it: so a process that is *started* on another database than before is told so, and two
//! installations on one Redis do not take each other's jobs. A hint like all else there: what was flushed is learnt anew.

use crate::queue::QueueError;
use crate::queue::redis_line::RedisLine;
use std::time::Duration;

pub const INSTALLATION_KEY: &str = "postroom:installation";
const PATIENCE: Duration = Duration::from_secs(2);

/// Who it carries for, as far as it knows.
pub async fn known_installation(redis_url: &str) -> Result<Option<String>, QueueError> {
    let line = RedisLine::new(redis_url, PATIENCE)?;
    let (known,) = line.ask::<(Option<String>,)>(redis::pipe().get(INSTALLATION_KEY)).await?;
    Ok(known)
}

/// Says that it carries for this one, unless it knows another. Answers whom it carries for now.
pub async fn remember_installation(redis_url: &str, installation: &str) -> Result<String, QueueError> {
    let line = RedisLine::new(redis_url, PATIENCE)?;
    let mut question = redis::pipe();
    question.atomic();
    question.cmd("SET").arg(INSTALLATION_KEY).arg(installation).arg("NX").ignore().get(INSTALLATION_KEY);
    let (known,) = line.ask::<(String,)>(&question).await?;
    Ok(known)
}
