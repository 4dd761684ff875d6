//! A mail server without IDLE (M2): what is new is found by looking, within the poll interval.

use anyhow::Result;
use sandbox::Event;
use std::time::{Duration, Instant};
use testkit::builders::numbered;
use testkit::world::{SUPPORT, Setup, World};

/// Far more than the second that is asked for, because machines stand still at times; far less than the 54 seconds that a mailbox would be
/// left alone by default.
const BEFORE_THE_DEFAULT: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn without_idle_mail_is_there_within_the_poll_interval() -> Result<()> {
    let mut setup = Setup::default().with("POLL_INTERVAL_SECONDS", "1");
    setup.sandbox.imap_idle = false;
    World::run(setup, async |w| {
        w.connect_and_watch(SUPPORT).await?;
        for n in 1..=3 {
            let delivered = Instant::now();
            w.deliver(SUPPORT, &numbered(n)).await?;
            w.conversations_are(n).await?;
            let took = delivered.elapsed();
            assert!(took < BEFORE_THE_DEFAULT, "mail {n} was seen after {took:?}");
        }
        let commands: Vec<String> = w
            .sandbox
            .events()
            .into_iter()
            .filter_map(|event| match event {
                Event::ImapCommand { command, .. } => Some(command),
                _ => None,
            })
            .collect();
        assert!(!commands.iter().any(|command| command == "IDLE"), "{commands:?}");
        // One session looks again and again: polling is no reason to sign in anew.
        let sign_ins = commands.iter().filter(|command| *command == "AUTHENTICATE").count();
        assert!(sign_ins <= 3, "{commands:?}");
        Ok(())
    })
    .await
}
