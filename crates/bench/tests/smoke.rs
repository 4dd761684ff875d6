//! The bench works: a few of everything, on both databases, counted and never timed. Without this it would rot between two measurements.

use bench::database::Database;
use bench::measures::{self, NAMES, Servers, Sizes};
use bench::report::Section;
use std::path::Path;

/// One test, because a part of it listens to the whole process's log.
#[tokio::test(flavor = "multi_thread")]
async fn every_part_of_the_bench_does_its_work_on_a_few_of_everything() {
    let sizes = Sizes::tiny(3);
    let databases = [Database::Sqlite, Database::Postgres];
    let program = Path::new(env!("CARGO_BIN_EXE_bench"));
    let servers = Servers::start(program, &databases, sizes.seed).await.expect("the servers start");
    let mut sections: Vec<Section> = Vec::new();
    for name in NAMES {
        let measured = measures::run(name, &servers, &databases, &sizes).await;
        sections.extend(measured.unwrap_or_else(|error| panic!("{name}: {error:?}")));
    }
    let counted = |name: &str| {
        let found = sections.iter().flat_map(|section| &section.counts).filter(|(of, _)| of == name);
        found.map(|(_, count)| *count).next_back().unwrap_or_else(|| panic!("nobody counted {name}"))
    };
    assert_eq!(counted("mails read, Implicit"), sizes.intake);
    assert_eq!(counted("mails read, None"), sizes.intake);
    assert!(counted("blobs stored as rows and as files") > 0);
    for database in databases {
        let counted = |what: &str| counted(&format!("{what}, {}", database.as_str()));
        assert_eq!(counted("mails among them"), sizes.intake + sizes.intake / 10);
        assert!(counted("rows inserted alone") > 5 * sizes.intake);
        assert!(counted("batches") >= 2);
        // Two samples and what came between them, copied twice; then a warm-up and the third.
        let before_the_copies = sizes.growth + sizes.growth_sample;
        let third = sizes.growth_sample / 10 + sizes.growth_sample;
        assert_eq!(counted("mails stored"), 3 * before_the_copies + third);
        assert_eq!(counted("mails seen"), sizes.latency);
        assert_eq!(counted("replies taken by the server"), 2 * sizes.replies);
        assert_eq!(counted("messages"), 3 * sizes.read_mails);
        assert!(counted("open conversations") > 0 && counted("open conversations") < counted("conversations"));
        assert!(counted("requests answered") > 0);
        assert_eq!(counted("jobs run"), sizes.pushes);
        assert_eq!(counted("mailboxes idling"), 2);
        assert!(counted("mails read of the backlog") >= sizes.backlog_read);
    }
    for section in &sections {
        let as_wide = |row: &Vec<String>| row.len() == section.columns.len();
        assert!(!section.rows.is_empty() && section.rows.iter().all(as_wide), "{}", section.markdown());
    }
}
