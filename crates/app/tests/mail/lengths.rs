//! Servers that lie about how long their mails are: everything comes all the same, with room that was asked for.

use crate::desk::{ADA, Desk, SUPPORT, mail};
use sandbox::{INBOX, ImapFault, SandboxConfig};

const MB: usize = 1024 * 1024;

fn long(n: u32, bytes: usize) -> String {
    let body = "words and words and words and words and words and words and words\n";
    mail(ADA, &format!("long-{n}@x.example"), "Long", "", &body.repeat(bytes / body.len()))
}

/// Pulls until it goes well and nothing is left to be asked for at once.
async fn pull_until_well(desk: &Desk) {
    for _ in 0..8 {
        if desk.pull().await.is_ok_and(|pulled| !pulled.more) {
            return;
        }
    }
    panic!("it never goes well");
}

#[tokio::test]
async fn mails_that_are_much_longer_than_announced_come_whole_and_once() {
    for (memory_mb, off_by) in [(256, -5_900_000), (16, -5_900_000), (16, -4_500_000)] {
        let tune = |settings: &mut app::Settings| settings.mail_memory_bytes = memory_mb * MB as u64;
        for imported in [false, true] {
            let desk = Desk::tuned(SandboxConfig::default(), None, tune).await;
            if !imported {
                desk.pull().await.expect("opens");
            }
            desk.arrives(&mail(ADA, "short@x.example", "Short", "", "short"));
            for n in 0..2 {
                desk.arrives(&long(n, 6 * MB));
            }
            desk.sandbox.faults().always(ImapFault::WrongSize { by: off_by });
            pull_until_well(&desk).await;
            if imported {
                desk.owe_import().await;
                for _ in 0..4 {
                    desk.work().await;
                    desk.make_import_due().await;
                    pull_until_well(&desk).await;
                }
            }
            let mut there: Vec<u64> = desk.raw_emails().await.iter().map(|row| row.size_bytes).collect();
            there.sort_unstable();
            let mut wanted: Vec<u64> =
                desk.sandbox.mailbox(SUPPORT).messages(INBOX).iter().map(|mail| mail.bytes.len() as u64).collect();
            wanted.sort_unstable();
            assert_eq!(there, wanted, "{memory_mb} MB, off by {off_by}, imported: {imported}");
            desk.work().await;
            assert_eq!(desk.conversations().await.len(), 3);
        }
    }
}

#[tokio::test]
async fn a_mail_that_is_announced_as_huge_and_is_not_comes_at_once() {
    let desk =
        Desk::tuned(SandboxConfig::default(), None, |settings| settings.mail_memory_bytes = 16 * MB as u64).await;
    desk.pull().await.expect("opens");
    desk.sandbox.faults().always(ImapFault::WrongSize { by: 4_000_000_000 });
    for n in 0..3 {
        desk.arrives(&mail(ADA, &format!("{n}@x.example"), "Short", "", "short"));
    }
    assert_eq!(desk.pull().await.expect("pulls").ingested, 3);
}
