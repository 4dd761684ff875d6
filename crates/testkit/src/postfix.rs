//! A real Postfix: submission with STARTTLS and SASL through Dovecot, delivering into Dovecot's mailboxes by LMTP.

use crate::dovecot::Dovecot;
use crate::process::{READY_WITHIN, accepts, free_port, run};
use anyhow::{Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Mail to this domain is taken, and comes back with a delivery report.
pub const GIVES_BACK: &str = "nowhere.example";

pub struct Postfix {
    config: PathBuf,
    log: PathBuf,
    pub submission_port: u16,
    /// Takes mail for our domains without a sign-in, as the internet would.
    pub smtp_port: u16,
}

impl Postfix {
    /// `domains` are delivered to Dovecot; the sender must be the user who signed in.
    pub fn start(dir: &Path, dovecot: &Dovecot, domains: &[&str]) -> Result<Self> {
        for folder in ["config", "spool", "data", "log"] {
            fs::create_dir_all(dir.join(folder))?;
        }
        run(Command::new("chmod").arg("755").arg(dir))?;
        run(Command::new("chown").arg("postfix").arg(dir.join("data")))?;
        let (submission_port, smtp_port) = (free_port()?, free_port()?);
        let (config, log) = (dir.join("config"), dir.join("log/postfix.log"));
        let d = dir.display();
        let tls = dir.parent().unwrap_or(dir).join("dovecot/tls");
        let (tls, lmtp, sasl, domains) = (tls.display(), dovecot.lmtp_port, dovecot.sasl_port, domains.join(" "));
        fs::write(config.join("sender_login.regexp"), "/^(.*)$/ ${1}\n")?;
        fs::write(
            config.join("main.cf"),
            format!(
                "compatibility_level = 3.6\nqueue_directory = {d}/spool\ndata_directory = {d}/data\n\
                 daemon_directory = /usr/lib/postfix/sbin\ncommand_directory = /usr/sbin\nmail_owner = postfix\n\
                 setgid_group = postdrop\nmaillog_file = {d}/log/postfix.log\nmaillog_file_prefixes = {d}/log\n\
                 inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmyhostname = mail.test.local\nmydestination =\n\
                 mynetworks =\nalias_maps =\nlocal_recipient_maps =\nvirtual_mailbox_domains = {domains}\n\
                 virtual_mailbox_maps = static:OK\nvirtual_transport = lmtp:inet:127.0.0.1:{lmtp}\n\
                 relay_domains = {GIVES_BACK}\ntransport_maps = inline:{{{{{GIVES_BACK} = givesback:}}}}\n\
                 default_transport = error:no other domain exists here\nsmtpd_sasl_type = dovecot\n\
                 smtpd_sasl_path = inet:127.0.0.1:{sasl}\nsmtpd_sasl_security_options = noanonymous\n\
                 smtpd_tls_cert_file = {tls}/cert.pem\nsmtpd_tls_key_file = {tls}/key.pem\n\
                 smtpd_tls_security_level = may\nsmtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination\n\
                 message_size_limit = 52428800\nsmtpd_client_connection_rate_limit = 0\nsmtputf8_enable = yes\n"
            ),
        )?;
        let restrictions = format!("regexp:{}/sender_login.regexp", config.display());
        fs::write(
            config.join("master.cf"),
            format!(
                "127.0.0.1:{submission_port} inet n - n - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n  \
                 -o smtpd_sender_login_maps={restrictions}\n  -o smtpd_sender_restrictions=reject_sender_login_mismatch\n  \
                 -o smtpd_relay_restrictions=permit_sasl_authenticated,reject\n\
                 127.0.0.1:{smtp_port} inet n - n - - smtpd\n{SERVICES}"
            ),
        )?;
        // "check" makes the spool's folders and complains of owners it then mends.
        let _ = Command::new("postfix").arg("-c").arg(&config).arg("check").output();
        let postfix = Self { config, log, submission_port, smtp_port };
        postfix.start_again()?;
        Ok(postfix)
    }

    pub fn start_again(&self) -> Result<()> {
        run(Command::new("postfix").arg("-c").arg(&self.config).arg("start"))?;
        let start = Instant::now();
        while !(accepts(self.submission_port) && accepts(self.smtp_port)) {
            if start.elapsed() > READY_WITHIN {
                bail!("postfix was not ready in {READY_WITHIN:?}:\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Ends it with everything it started.
    pub fn stop(&self) {
        let _ = Command::new("postfix").arg("-c").arg(&self.config).arg("stop").output();
    }

    /// Tries again now what could not be delivered a while ago.
    pub fn deliver_what_waits(&self) -> Result<()> {
        run(Command::new("postqueue").arg("-c").arg(&self.config).arg("-f"))?;
        Ok(())
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        self.stop();
    }
}

const SERVICES: &str = "\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
givesback unix - n n - - pipe flags=R user=nobody argv=/bin/sh -c {exit 67}
";
