//! IMAP as Exchange speaks it on a good day.

use std::time::Duration;

use sandbox::{INBOX, Sandbox, SandboxConfig};

use crate::support::*;

const ADA: &str = "ada@customer.example";

fn fill(sandbox: &Sandbox, count: u32) {
    for number in 1..=count {
        let id = format!("m{number}@customer.example");
        sandbox.deliver(SUPPORT, mail(ADA, SUPPORT, &format!("Mail {number}"), &id).as_bytes());
    }
}

fn last(lines: &[String]) -> &str {
    lines.last().map(String::as_str).unwrap_or_default()
}

#[tokio::test]
async fn the_greeting_and_the_capabilities_are_exchanges() {
    let sandbox = start().await;
    let (mut imap, greeting) = Imap::open(&sandbox).await;
    assert!(greeting.starts_with("* OK The Microsoft Exchange IMAP4 service is ready. ["), "{greeting}");
    let before = imap.run("CAPABILITY").await;
    assert_eq!(
        before[0],
        "* CAPABILITY IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+"
    );
    assert_eq!(last(&imap.run("SELECT INBOX").await), "a2 BAD Command received in Invalid state.");
    let mut imap = Imap::signed_in(&sandbox, SUPPORT).await;
    let after = &imap.run("CAPABILITY").await[0];
    assert!(after.contains(" MOVE CLIENTACCESSRULES CLIENTNETWORKPRESENCELOCATION BACKENDAUTHENTICATE"));
    for missing in ["CONDSTORE", "SPECIAL-USE", "ENABLE", "QRESYNC", "ESEARCH", "COMPRESS"] {
        assert!(!after.contains(missing));
    }
    assert_eq!(imap.run("NAMESPACE").await[0], "* NAMESPACE ((\"\" \"/\")) NIL NIL");
    assert!(imap.run("ID NIL").await[0].starts_with("* ID ("));
}

#[tokio::test]
async fn without_idle_it_is_neither_offered_nor_understood() {
    let config = SandboxConfig { imap_idle: false, ..SandboxConfig::default() };
    let sandbox = Sandbox::start(config).await.expect("the sandbox starts");
    let mut imap = Imap::signed_in(&sandbox, SUPPORT).await;
    assert!(!imap.run("CAPABILITY").await[0].contains("IDLE"));
    imap.run("EXAMINE INBOX").await;
    assert!(last(&imap.run("IDLE").await).ends_with("BAD Command Error. 12"));
}

#[tokio::test]
async fn xoauth2_works_with_and_without_an_initial_response() {
    let sandbox = start().await;
    let token = sandbox.mint_access_token(SUPPORT).unwrap();
    let (mut imap, _) = Imap::open(&sandbox).await;
    imap.send("a1 AUTHENTICATE XOAUTH2\r\n").await;
    assert_eq!(imap.line().await, "+ ");
    imap.send(&format!("{}\r\n", xoauth2(SUPPORT, &token))).await;
    assert_eq!(imap.line().await, "a1 OK AUTHENTICATE completed.");
    assert!(last(&imap.run("SELECT INBOX").await).contains("OK [READ-WRITE] SELECT completed."));
}

#[tokio::test]
async fn a_bad_token_is_refused_at_once_without_a_challenge() {
    let sandbox = start().await;
    let graph = "openid offline_access IMAP.AccessAsUser.All";
    let back = soon(sandbox.sign_in(&authorize_url(&sandbox, "common", &[("scope", graph)]), SUPPORT)).await.unwrap();
    let code = parameter(&back, "code").unwrap();
    let tokens = token(&sandbox, &[("code", &code), ("scope", graph)]).await.json();
    let bare = text(&tokens, "access_token").to_owned();
    let (mut imap, _) = Imap::open(&sandbox).await;
    let expired = sandbox.mint_access_token(SUPPORT).unwrap();
    sandbox.expire_access_tokens(SUPPORT);
    for token in ["garbage", &bare, &expired] {
        let answer = imap.run(&format!("AUTHENTICATE XOAUTH2 {}", xoauth2(SUPPORT, token))).await;
        assert_eq!(answer.len(), 1);
        assert!(answer[0].ends_with(" NO AUTHENTICATE failed."), "{answer:?}");
    }
    sandbox.update_user(SUPPORT, |user| user.imap_enabled = false);
    let good = sandbox.mint_access_token(SUPPORT).unwrap();
    assert!(
        imap.run(&format!("AUTHENTICATE XOAUTH2 {}", xoauth2(SUPPORT, &good))).await[0].contains("NO AUTHENTICATE")
    );
}

#[tokio::test]
async fn a_wrong_user_signs_in_and_is_not_connected_unless_he_has_full_access() {
    let sandbox = start().await;
    let token = sandbox.mint_access_token("sales@contoso.example").unwrap();
    let blob = xoauth2(SUPPORT, &token);
    let (mut imap, _) = Imap::open(&sandbox).await;
    assert!(imap.run(&format!("AUTHENTICATE XOAUTH2 {blob}")).await[0].contains("OK AUTHENTICATE"));
    assert_eq!(imap.run("LIST \"\" *").await, ["a2 BAD User is authenticated but not connected."]);
    assert_eq!(imap.line().await, "* BYE Connection closed. 14");
    assert_eq!(imap.line().await, "");
    sandbox.update_user("sales@contoso.example", |user| user.full_access.push(SUPPORT.into()));
    fill(&sandbox, 1);
    let (mut imap, _) = Imap::open(&sandbox).await;
    imap.run(&format!("AUTHENTICATE XOAUTH2 {blob}")).await;
    assert_eq!(imap.run("EXAMINE INBOX").await[0], "* 1 EXISTS", "the shared mailbox is open");
}

#[tokio::test]
async fn select_tells_flags_uidvalidity_and_uidnext_and_no_user_keywords() {
    let sandbox = start().await;
    fill(&sandbox, 2);
    let mut imap = Imap::signed_in(&sandbox, SUPPORT).await;
    let lines = imap.run("SELECT inbox").await;
    for expected in [
        "* 2 EXISTS",
        "* OK [PERMANENTFLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $MDNSent)] Permanent flags",
        "* OK [UNSEEN 1] Is the first unseen message",
        "* OK [UIDVALIDITY 14] UIDVALIDITY value",
        "* OK [UIDNEXT 3] The next unique identifier value",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected} in {lines:?}");
    }
    assert!(
        imap.run("STATUS INBOX (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)").await[0]
            .contains("(MESSAGES 2 UIDNEXT 3 UIDVALIDITY 14 UNSEEN 2)")
    );
    assert!(last(&imap.run("SELECT Nowhere").await).contains(" NO Nowhere doesn't exist."));
}

#[tokio::test]
async fn folders_are_listed_in_modified_utf_7_and_found_by_it() {
    let sandbox = start().await;
    sandbox.mailbox(SUPPORT).create_folder("Éléments envoyés & mehr");
    let mut imap = Imap::signed_in(&sandbox, SUPPORT).await;
    let lines = imap.run("LIST \"\" *").await;
    let encoded = "\"&AMk-l&AOk-ments envoy&AOk-s &- mehr\"";
    assert!(lines.iter().any(|line| line == &format!("* LIST (\\HasNoChildren) \"/\" {encoded}")), "{lines:?}");
    assert!(
        lines.iter().any(|line| line.ends_with(" INBOX")) && lines.iter().any(|line| line.ends_with("\"Sent Items\""))
    );
    assert!(last(&imap.run(&format!("SELECT {encoded}")).await).contains("OK [READ-WRITE]"));
    assert_eq!(imap.run("LIST \"\" I%").await.len(), 2);
}

#[tokio::test]
async fn fetch_by_uid_answers_what_was_asked_and_peek_leaves_the_mail_unread() {
    let sandbox = start().await;
    fill(&sandbox, 3);
    let mut imap = Imap::signed_in(&sandbox, SUPPORT).await;
    imap.run("SELECT INBOX").await;
    let raw = mail(ADA, SUPPORT, "Mail 2", "m2@customer.example");
    let lines = imap.run("UID FETCH 2 (BODY.PEEK[] RFC822.SIZE FLAGS INTERNALDATE)").await;
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("* 2 FETCH (FLAGS () INTERNALDATE \""), "the server's order: {}", lines[0]);
    assert!(lines[0].contains(&format!("RFC822.SIZE {} UID 2 BODY[] {{{}}}", raw.len(), raw.len())));
    assert!(lines[0].ends_with(&format!("{raw})")));
    assert_eq!(last(&lines), "a3 OK FETCH completed.");
    assert!(!sandbox.mailbox(SUPPORT).messages(INBOX)[1].has_flag("\\Seen"));
    let lines = imap.run("UID FETCH 2 BODY.PEEK[]<6.8>").await;
    assert!(lines[0].ends_with(&format!("BODY[]<6> {{8}}{})", &raw[6..14])), "{}", lines[0]);
    let lines = imap.run("UID FETCH 1:* BODY.PEEK[HEADER.FIELDS (Subject)]").await;
    assert!(lines[2].contains("BODY[HEADER.FIELDS (SUBJECT)]") && lines[2].contains("Subject: Mail 3\r\n\r\n"));
    let lines = imap.run("UID FETCH 3 BODY[]").await;
    assert!(lines[0].contains("FLAGS (\\Seen)"), "reading without PEEK marks and tells: {}", lines[0]);
    assert!(sandbox.mailbox(SUPPORT).messages(INBOX)[2].has_flag("\\Seen"));
    assert_eq!(imap.run("UID FETCH 77 FLAGS").await.len(), 1, "an unknown UID is no error");
    let lines = imap.run("UID FETCH 9:* UID").await;
    assert_eq!(lines[0], "* 3 FETCH (UID 3)", "n:* always means at least the last one");
    assert!(imap.run("UID FETCH 1 ENVELOPE").await[0].contains("\"<m1@customer.example>\")"));
    assert!(imap.run("UID FETCH 1 BODYSTRUCTURE").await[0].contains("(\"text\" \"plain\" NIL NIL NIL \"7BIT\" 8 1)"));
    assert!(last(&imap.run("UID FETCH 1 NONSENSE").await).contains("BAD Command Argument Error."));
}

#[tokio::test]
async fn search_knows_sets_dates_headers_and_refuses_charsets() {
    let sandbox = start().await;
    fill(&sandbox, 3);
    let old = 1_700_000_000; // 14 November 2023
    sandbox.mailbox(SUPPORT).append_with(
        INBOX,
        b"Message-ID:\r\n <folded@customer.example>\r\n\r\nold\r\n",
        &["\\Seen"],
        Some(old),
    );
    let mut imap = Imap::with_inbox(&sandbox, SUPPORT).await;
    for (criteria, found) in [
        ("ALL", "* SEARCH 1 2 3 4"),
        ("UID 2:*", "* SEARCH 2 3 4"),
        ("UID 9:*", "* SEARCH 4"),
        ("SINCE 15-Nov-2023", "* SEARCH 1 2 3"),
        ("SINCE 14-Nov-2023", "* SEARCH 1 2 3 4"),
        ("BEFORE 15-Nov-2023", "* SEARCH 4"),
        ("HEADER Message-ID <m2@customer.example>", "* SEARCH 2"),
        ("HEADER Message-ID \"<folded@customer.example>\"", "* SEARCH 4"),
        ("NOT SEEN", "* SEARCH 1 2 3"),
        ("OR SUBJECT \"Mail 1\" UID 4", "* SEARCH 1 4"),
        ("(UNSEEN UID 1:2) FROM ada", "* SEARCH 1 2"),
        ("SUBJECT nothing", "* SEARCH"),
    ] {
        assert_eq!(imap.run(&format!("UID SEARCH {criteria}")).await[0], found, "{criteria}");
    }
    let refused = imap.run("UID SEARCH CHARSET UTF-8 ALL").await;
    assert!(last(&refused).contains("NO [BADCHARSET (US-ASCII)]"));
    assert!(last(&imap.run("UID SEARCH SINCE yesterday").await).contains("BAD"));
}

#[tokio::test]
async fn append_takes_literals_of_both_kinds_and_answers_the_uid() {
    let sandbox = start().await;
    let mut imap = Imap::signed_in(&sandbox, SUPPORT).await;
    let raw = "Subject: kept\r\n\r\nbody\r\n";
    imap.send(&format!("b1 APPEND \"Sent Items\" (\\Seen) \"01-Feb-2026 10:00:00 +0100\" {{{}}}\r\n", raw.len())).await;
    assert!(imap.line().await.starts_with("+ "));
    imap.send(&format!("{raw}\r\n")).await;
    let answer = imap.line().await;
    assert!(answer.starts_with("b1 OK [APPENDUID ") && answer.ends_with(" 1] APPEND completed."), "{answer}");
    imap.send(&format!("b2 APPEND Drafts {{{}+}}\r\n{raw}\r\n", raw.len())).await;
    assert!(imap.line().await.starts_with("b2 OK [APPENDUID "));
    let kept = &sandbox.mailbox(SUPPORT).messages("Sent Items")[0];
    assert_eq!((&*kept.bytes, kept.flags.as_slice()), (raw.as_bytes(), ["\\Seen".to_owned()].as_slice()));
    assert_eq!(kept.internal_date, 1_769_936_400);
    imap.send(&format!("b3 APPEND Nowhere {{{}+}}\r\n{raw}\r\n", raw.len())).await;
    assert!(imap.line().await.contains("b3 NO [TRYCREATE]"));
}

#[tokio::test]
async fn store_expunge_copy_and_move_change_the_folder() {
    let sandbox = start().await;
    fill(&sandbox, 4);
    let mut imap = Imap::signed_in(&sandbox, SUPPORT).await;
    imap.run("SELECT INBOX").await;
    assert_eq!(imap.run("UID STORE 2 +FLAGS (\\Deleted Keyword)").await[0], "* 2 FETCH (FLAGS (\\Deleted) UID 2)");
    assert_eq!(imap.run("UID STORE 3 +FLAGS.SILENT (\\Deleted)").await.len(), 1);
    assert_eq!(imap.run("UID EXPUNGE 2").await[0], "* 2 EXPUNGE");
    assert_eq!(imap.run("EXPUNGE").await[0], "* 2 EXPUNGE", "numbers moved up");
    assert!(last(&imap.run("UID COPY 1 Archive").await).contains("[COPYUID "));
    let moved = imap.run("UID MOVE 4 Archive").await;
    assert!(moved[0].contains("[COPYUID ") && moved[1] == "* 2 EXPUNGE", "{moved:?}");
    let uids =
        |folder: &str| -> Vec<u32> { sandbox.mailbox(SUPPORT).messages(folder).iter().map(|mail| mail.uid).collect() };
    assert_eq!((uids(INBOX), uids("Archive")), (vec![1], vec![1, 2]));
    imap.run("EXAMINE INBOX").await;
    assert!(last(&imap.run("UID STORE 1 +FLAGS (\\Seen)").await).contains(" NO "));
}

#[tokio::test]
async fn idle_announces_mail_expunges_and_ends_with_done() {
    let sandbox = start().await;
    fill(&sandbox, 1);
    let mut imap = Imap::with_inbox(&sandbox, SUPPORT).await;
    imap.send("i1 IDLE\r\n").await;
    assert_eq!(imap.line().await, "+ IDLE accepted, awaiting DONE command.");
    fill(&sandbox, 1);
    assert_eq!(imap.line().await, "* 2 EXISTS");
    assert_eq!(imap.line().await, "* 1 RECENT");
    sandbox.mailbox(SUPPORT).expunge(INBOX, 1);
    assert_eq!(imap.line().await, "* 1 EXPUNGE");
    imap.send("DONE\r\n").await;
    assert_eq!(imap.line().await, "i1 OK IDLE completed.");
}

#[tokio::test]
async fn new_mail_is_seen_by_noop_and_by_a_search_without_it() {
    let sandbox = start().await;
    let mut imap = Imap::with_inbox(&sandbox, SUPPORT).await;
    fill(&sandbox, 1);
    assert_eq!(imap.run("NOOP").await[0], "* 1 EXISTS");
    fill(&sandbox, 1);
    let lines = imap.run("UID SEARCH 2:*").await;
    assert!(lines.iter().any(|line| line == "* SEARCH 2"), "{lines:?}");
}

#[tokio::test]
async fn a_mail_that_vanished_under_the_session_is_left_out_with_exchanges_no() {
    let sandbox = start().await;
    fill(&sandbox, 3);
    let mut imap = Imap::with_inbox(&sandbox, SUPPORT).await;
    sandbox.mailbox(SUPPORT).expunge(INBOX, 2);
    let lines = imap.run("UID FETCH 1:3 FLAGS").await;
    assert!(lines.iter().filter(|line| line.contains("FETCH (FLAGS () UID")).count() == 2);
    assert!(last(&lines).ends_with("NO Some of the requested messages no longer exist."), "{lines:?}");
}

#[tokio::test]
async fn a_command_of_more_than_10_240_bytes_is_bad_and_the_session_goes_on() {
    let sandbox = start().await;
    let mut imap = Imap::with_inbox(&sandbox, SUPPORT).await;
    let set = (1..3000).map(|uid| uid.to_string()).collect::<Vec<_>>().join(",");
    assert_eq!(imap.run(&format!("UID FETCH {set} FLAGS")).await, ["a3 BAD Command Argument Error. 11"]);
    assert_eq!(imap.run("NOOP").await, ["a4 OK NOOP completed."]);
}

#[tokio::test]
async fn the_session_ends_with_its_token_in_commands_and_in_idle() {
    let sandbox = start().await;
    let mut imap = Imap::with_inbox(&sandbox, SUPPORT).await;
    sandbox.advance(Duration::from_secs(3601));
    assert_eq!(imap.run("NOOP").await, ["* BYE Session invalidated - AccessTokenExpired"]);
    let mut imap = Imap::with_inbox(&sandbox, SUPPORT).await;
    imap.send("i1 IDLE\r\n").await;
    imap.line().await;
    sandbox.expire_access_tokens(SUPPORT);
    assert_eq!(imap.line().await, "* BYE Session invalidated - AccessTokenExpired");
    assert_eq!(imap.line().await, "");
}

#[tokio::test]
async fn the_seventeenth_connection_of_a_user_is_not_connected() {
    let sandbox = start().await;
    let mut open = Vec::new();
    for _ in 0..16 {
        open.push(Imap::signed_in(&sandbox, SUPPORT).await);
    }
    let mut late = Imap::signed_in(&sandbox, SUPPORT).await;
    assert_eq!(late.run("EXAMINE INBOX").await, ["a2 BAD User is authenticated but not connected."]);
    let mut other = Imap::signed_in(&sandbox, PERSONAL).await;
    assert!(last(&other.run("EXAMINE INBOX").await).contains("OK [READ-ONLY]"), "the limit is per user");
    open[0].run("LOGOUT").await;
    assert_eq!(open[0].line().await, "");
    drop(late);
    // The place is free as soon as the server has seen the end of the first connection.
    soon(async {
        loop {
            let mut next = Imap::signed_in(&sandbox, SUPPORT).await;
            if last(&next.run("EXAMINE INBOX").await).contains("OK [READ-ONLY]") {
                break;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn ten_protocol_errors_end_the_session() {
    let sandbox = start().await;
    let mut imap = Imap::with_inbox(&sandbox, SUPPORT).await;
    for _ in 0..9 {
        assert_eq!(imap.run("NONSENSE").await.len(), 1);
    }
    imap.run("NONSENSE").await;
    assert_eq!(imap.line().await, "* BYE Connection closed. 14");
    assert_eq!(imap.line().await, "");
}
