//! A real Dovecot 2.3 with XOAUTH2 that validates RS256 tokens by itself, as a process in a temporary folder.
//!
//! Any user exists; the token's `upn` must be the user. LMTP takes mail from Postfix; SASL serves Postfix's submission.

use crate::check::{Inbox, Numbered};
use crate::process::{Process, accepts, free_port, run};
use crate::tls::TestTls;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::UNIX_EPOCH;

/// Uid and gid that own the mail; no such user needs to exist.
const MAIL_OWNER: u32 = 5000;

pub struct Dovecot {
    /// `None` while it is stopped.
    process: Option<Process>,
    dir: PathBuf,
    pub imaps_port: u16,
    pub lmtp_port: u16,
    pub sasl_port: u16,
}

impl Dovecot {
    /// `issuer` and `keys` (kid and public key as PEM) say whose tokens are taken.
    pub fn start(dir: &Path, tls: &TestTls, issuer: &str, keys: &[(String, String)]) -> Result<Self> {
        for folder in ["run", "state", "log", "tls", "mail", "keys"] {
            fs::create_dir_all(dir.join(folder))?;
        }
        run(Command::new("chmod").arg("755").arg(dir))?;
        run(Command::new("chown").arg(format!("{MAIL_OWNER}:{MAIL_OWNER}")).arg(dir.join("mail")))?;
        fs::write(dir.join("tls/cert.pem"), &tls.cert_pem)?;
        fs::write(dir.join("tls/key.pem"), &tls.key_pem)?;
        for (kid, pem) in keys {
            let folder = dir.join("keys/default/RS256");
            fs::create_dir_all(&folder)?;
            fs::write(folder.join(kid), pem)?;
        }
        run(Command::new("chmod").args(["-R", "a+rX"]).arg(dir.join("keys")))?;
        let (imap, imaps_port, lmtp_port, sasl_port) = (free_port()?, free_port()?, free_port()?, free_port()?);
        let d = dir.display();
        fs::write(
            dir.join("oauth2.conf"),
            format!(
                "introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix={d}/keys/\n\
                 username_attribute = upn\nusername_format = %Lu\nissuers = {issuer}\n"
            ),
        )?;
        let config = dir.join("dovecot.conf");
        fs::write(
            &config,
            format!(
                r"base_dir = {d}/run
state_dir = {d}/state
log_path = {d}/log/dovecot.log
auth_verbose = yes
auth_failure_delay = 0
protocols = imap lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <{d}/tls/cert.pem
ssl_key = <{d}/tls/key.pem
disable_plaintext_auth = no
auth_mechanisms = xoauth2 oauthbearer
mail_location = maildir:~/Maildir
first_valid_uid = 1000
mail_max_userip_connections = 1000
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {d}/oauth2.conf
}}
userdb {{
  driver = static
  args = uid={MAIL_OWNER} gid={MAIL_OWNER} home={d}/mail/%u allow_all_users=yes
}}
namespace inbox {{
  inbox = yes
  mailbox Sent {{
    auto = create
    special_use = \Sent
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps_port}
    ssl = yes
  }}
  service_count = 0
  process_min_avail = 1
  client_limit = 2000
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp_port}
  }}
}}
service auth {{
  inet_listener {{
    address = 127.0.0.1
    port = {sasl_port}
  }}
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"
            ),
        )?;
        let ports = [imaps_port, lmtp_port, sasl_port];
        let process = Some(launch(dir, ports)?);
        Ok(Self { process, dir: dir.to_owned(), imaps_port, lmtp_port, sasl_port })
    }

    /// Ends it, as an administrator would: sessions are told goodbye.
    pub fn stop(&mut self) {
        self.process = None;
    }

    pub fn start_again(&mut self) -> Result<()> {
        self.process = Some(launch(&self.dir, [self.imaps_port, self.lmtp_port, self.sasl_port])?);
        Ok(())
    }

    /// It cannot verify a token any more, for its own IMAP and for Postfix; or it can again.
    pub fn lose_keys(&mut self, lost: bool) -> Result<()> {
        self.stop();
        let (here, away) = (self.dir.join("keys/default"), self.dir.join("keys-away"));
        let (from, to) = if lost { (&here, &away) } else { (&away, &here) };
        fs::rename(from, to).with_context(|| format!("{} to {}", from.display(), to.display()))?;
        self.start_again()
    }

    /// A user's INBOX gets another UIDVALIDITY and its mails other UIDs, as after a restore: Dovecot makes its list and indexes anew.
    pub fn renumber(&mut self, user: &str) -> Result<()> {
        self.stop();
        let folder = self.dir.join("mail").join(user.to_lowercase()).join("Maildir");
        for entry in fs::read_dir(&folder)?.flatten() {
            let name = entry.file_name();
            if name.to_string_lossy().starts_with("dovecot") {
                fs::remove_file(entry.path())?;
            }
        }
        self.start_again()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log/dovecot.log")).unwrap_or_default()
    }

    /// Everybody who has a mailbox.
    pub fn users(&self) -> Result<Vec<String>> {
        let mut users = Vec::new();
        for entry in fs::read_dir(self.dir.join("mail"))? {
            users.extend(entry?.file_name().into_string());
        }
        Ok(users)
    }

    /// UIDVALIDITY and UIDs of a user's INBOX, as Dovecot's own list has them; a line each: `UID … :file name`. `None` before there is one.
    pub fn numbers(&self, user: &str) -> Result<Option<Inbox>> {
        let path = self.dir.join("mail").join(user.to_lowercase()).join("Maildir/dovecot-uidlist");
        let Ok(list) = fs::read_to_string(&path) else { return Ok(None) };
        let mut lines = list.lines();
        let head = lines.next().context("an empty list of UIDs")?;
        let uidvalidity = head.split(' ').find_map(|word| word.strip_prefix('V')).context("no UIDVALIDITY")?.parse()?;
        // What lies here came while the story was told.
        let arrived_at = i64::try_from(UNIX_EPOCH.elapsed()?.as_secs())?;
        let uids = lines.filter_map(|line| line.split(' ').next()?.parse().ok());
        Ok(Some(Inbox { uidvalidity, mails: uids.map(|uid| Numbered { uid, arrived_at }).collect() }))
    }

    /// Every mail in a user's INBOX, as stored, in the order of their file names (which begin with the time of delivery).
    pub fn inbox(&self, user: &str) -> Result<Vec<Vec<u8>>> {
        let mut files = Vec::new();
        for folder in ["new", "cur"] {
            let folder = self.dir.join("mail").join(user.to_lowercase()).join("Maildir").join(folder);
            if let Ok(entries) = fs::read_dir(folder) {
                files.extend(entries.flatten().map(|entry| entry.path()));
            }
        }
        files.sort_by_key(|path| path.file_name().map(std::ffi::OsStr::to_owned));
        files.iter().map(|file| fs::read(file).with_context(|| file.display().to_string())).collect()
    }
}

fn launch(dir: &Path, ports: [u16; 3]) -> Result<Process> {
    let mut command = Command::new("dovecot");
    command.arg("-F").arg("-c").arg(dir.join("dovecot.conf"));
    let mut process = Process::start("dovecot", &mut command, &dir.join("log/stdout.log"))?;
    process.wait_until(|| ports.into_iter().all(accepts))?;
    Ok(process)
}
