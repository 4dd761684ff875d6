//! The real servers themselves, without us: when one of these fails, the machine is at fault and not the product.

use testkit::dovecot::Dovecot;
use testkit::postfix::Postfix;
use testkit::process::run;
use testkit::tls::TestTls;

#[test]
fn dovecot_and_postfix_start_and_deliver_a_mail_into_a_mailbox() {
    let dir = tempfile::Builder::new().prefix("pr").tempdir_in("/tmp").expect("a folder");
    let tls = TestTls::new().expect("certificates");
    let dovecot =
        Dovecot::start(&dir.path().join("dovecot"), &tls, "https://login.test.local/v2.0", &[]).expect("dovecot");
    let postfix = Postfix::start(&dir.path().join("postfix"), &dovecot, &["test.local"]).expect("postfix");
    let script = format!(
        "import smtplib; s = smtplib.SMTP('127.0.0.1', {}); s.sendmail('ada@elsewhere.org', ['support@test.local'], 'Subject: hello\\r\\n\\r\\nhi\\r\\n'); s.quit()",
        postfix.smtp_port
    );
    run(std::process::Command::new("python3").args(["-c", &script])).expect("sent");
    let start = std::time::Instant::now();
    loop {
        let mails = dovecot.inbox("support@test.local").expect("readable");
        if let [mail] = &mails[..] {
            assert!(String::from_utf8_lossy(mail).contains("Subject: hello"));
            return;
        }
        assert!(start.elapsed().as_secs() < 30, "not delivered:\n{}\n{}", postfix.log(), dovecot.log());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}
