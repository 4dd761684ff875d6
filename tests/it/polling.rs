//! A mail server without IDLE (M2): what is new is found by looking, within the poll interval.

use anyhow::Result;
use sandbox::Event;
use testkit::builders::numbered;
use testkit::world::{SUPPORT, Setup, World};

/// By default a mailbox is left alone for 54 seconds, so so many looks would take longer than any story waits.
const LOOKS: usize = 3;

/// What was said to the server by whoever is signed in.
fn commands(w: &World) -> Vec<String> {
    let command = |event| match event {
        Event::ImapCommand { command, .. } => Some(command),
        _ => None,
    };
    w.sandbox.events().into_iter().filter_map(command).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_idle_mail_is_there_within_the_poll_interval() -> Result<()> {
    let mut setup = Setup::default().with("POLL_INTERVAL_SECONDS", "1");
    setup.sandbox.imap_idle = false;
    World::run(setup, async |w| {
        w.connect_and_watch(SUPPORT).await?;
        for n in 1..=3 {
            w.deliver(SUPPORT, &numbered(n)).await?;
            w.conversations_are(n).await?;
        }
        // A look at a mailbox without news is one command at least, and a few at most.
        let before = commands(w).len();
        w.eventually("it looks again and again", async |w| Ok(commands(w).len() >= before + 4 * LOOKS)).await?;
        let commands = commands(w);
        assert!(!commands.iter().any(|command| command == "IDLE"), "{commands:?}");
        // One session looks again and again: polling is no reason to sign in anew.
        let sign_ins = commands.iter().filter(|command| *command == "AUTHENTICATE").count();
        assert!(sign_ins <= 3, "{commands:?}");
        Ok(())
    })
    .await
}
