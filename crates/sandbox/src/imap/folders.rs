//! Folders: LIST, STATUS, SELECT, EXAMINE, CLOSE, CREATE, DELETE, and the spelling of their names (RFC 3501 §5.1.3).

use base64::Engine as _;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::{GeneralPurpose, general_purpose::NO_PAD};

use super::args::Arg;
use super::session::{ARGUMENTS, Flow, Session};
use super::view::View;
use crate::faults::ImapFault;
use crate::mailbox::Folder;

const FLAGS: &str = "\\Seen \\Answered \\Flagged \\Deleted \\Draft $MDNSent";

/// A name in modified UTF-7: `Éléments envoyés` is `&AMk-l&AOk-ments envoy&AOk-s`.
pub(super) fn encoded_name(name: &str) -> String {
    let engine = GeneralPurpose::new(&IMAP_MUTF7, NO_PAD);
    let mut encoded = String::new();
    let mut shifted: Vec<u8> = Vec::new();
    let end_shift = |encoded: &mut String, shifted: &mut Vec<u8>| {
        if !shifted.is_empty() {
            encoded.push('&');
            encoded.push_str(&engine.encode(&*shifted));
            encoded.push('-');
            shifted.clear();
        }
    };
    for c in name.chars() {
        if c.is_ascii() && !c.is_ascii_control() {
            end_shift(&mut encoded, &mut shifted);
            encoded.push(c);
            if c == '&' {
                encoded.push('-');
            }
        } else {
            shifted.extend(c.encode_utf16(&mut [0; 2]).iter().flat_map(|unit| unit.to_be_bytes()));
        }
    }
    end_shift(&mut encoded, &mut shifted);
    encoded
}

fn quoted_name(name: &str) -> String {
    let encoded = encoded_name(name);
    let plain = encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"&-_./+,".contains(&byte));
    if plain { encoded } else { format!("\"{}\"", encoded.replace('\\', "\\\\").replace('"', "\\\"")) }
}

/// `*` is anything, `%` anything within a level.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|skip| matches(rest, &name[skip..])),
        Some((b'%', rest)) => {
            let level = name.iter().position(|byte| *byte == b'/').unwrap_or(name.len());
            (0..=level).any(|skip| matches(rest, &name[skip..]))
        }
        Some((byte, rest)) => {
            name.split_first().is_some_and(|(first, tail)| first.eq_ignore_ascii_case(byte) && matches(rest, tail))
        }
    }
}

impl Session {
    /// A folder by the name a client uses, encoded or as it stands.
    pub(super) fn folder_called(&self, name: &str) -> Option<Folder> {
        let mailbox = self.mailbox.as_ref()?;
        let held = mailbox.folders().into_iter().find(|folder| encoded_name(&folder.name) == name);
        mailbox.snapshot(held.as_ref().map_or(name, |folder| &folder.name))
    }

    pub(super) async fn list(&mut self, tag: &str, verb: &str, args: &[Arg]) -> Flow {
        let (Some(reference), Some(pattern)) = (args.first().and_then(Arg::text), args.get(1).and_then(Arg::text))
        else {
            return self.tagged(tag, ARGUMENTS).await;
        };
        if pattern.is_empty() {
            self.wire.line(&format!("* {verb} (\\Noselect \\HasChildren) \"/\" \"\"")).await?;
            return self.done(tag, verb).await;
        }
        let nothing = self.take(|fault| (*fault == ImapFault::EmptyList).then_some(())).is_some();
        let folders = self.mailbox.as_ref().map(crate::mailbox::Mailbox::folders).unwrap_or_default();
        let phantom =
            self.take(|fault| if let ImapFault::PhantomFolder { name } = fault { Some(name.clone()) } else { None });
        if let Some(name) = phantom {
            self.wire.line(&format!("* {verb} (\\HasNoChildren) \"/\" {}", quoted_name(&name))).await?;
        }
        let pattern = format!("{reference}{pattern}");
        for folder in folders.iter().filter(|_| !nothing) {
            if matches(pattern.as_bytes(), encoded_name(&folder.name).as_bytes()) {
                let children = folders.iter().any(|other| other.name.starts_with(&format!("{}/", folder.name)));
                let attribute = if children { "\\HasChildren" } else { "\\HasNoChildren" };
                self.wire.line(&format!("* {verb} ({attribute}) \"/\" {}", quoted_name(&folder.name))).await?;
            }
        }
        self.done(tag, verb).await
    }

    pub(super) async fn status(&mut self, tag: &str, args: &[Arg]) -> Flow {
        let (Some(name), Some(items)) = (args.first().and_then(Arg::text), args.get(1).and_then(Arg::list)) else {
            return self.tagged(tag, ARGUMENTS).await;
        };
        let Some(folder) = self.folder_called(&name) else {
            return self.tagged(tag, &format!("NO {name} doesn't exist.")).await;
        };
        let mut told = Vec::new();
        for item in items.iter().filter_map(Arg::text) {
            let item = item.to_ascii_uppercase();
            let value = match item.as_str() {
                "MESSAGES" => folder.mails.len(),
                "RECENT" => 0,
                "UIDNEXT" => folder.uidnext as usize,
                "UIDVALIDITY" => folder.uidvalidity as usize,
                "UNSEEN" => folder.mails.iter().filter(|mail| !mail.has_flag("\\Seen")).count(),
                _ => return self.tagged(tag, ARGUMENTS).await,
            };
            told.push(format!("{item} {value}"));
        }
        self.wire.line(&format!("* STATUS {} ({})", quoted_name(&folder.name), told.join(" "))).await?;
        self.done(tag, "STATUS").await
    }

    pub(super) async fn select(&mut self, tag: &str, verb: &str, args: &[Arg]) -> Flow {
        self.view = None;
        let Some(name) = args.first().and_then(Arg::text) else { return self.tagged(tag, ARGUMENTS).await };
        let Some(folder) = self.folder_called(&name) else {
            return self.tagged(tag, &format!("NO {name} doesn't exist.")).await;
        };
        let read_only = verb == "EXAMINE";
        let mut lines = vec![
            format!("* {} EXISTS", folder.mails.len()),
            "* 0 RECENT".to_owned(),
            format!("* FLAGS ({FLAGS})"),
            format!("* OK [PERMANENTFLAGS ({})] Permanent flags", if read_only { "" } else { FLAGS }),
        ];
        if let Some(first) = folder.mails.iter().position(|mail| !mail.has_flag("\\Seen")) {
            lines.push(format!("* OK [UNSEEN {}] Is the first unseen message", first + 1));
        }
        lines.push(format!("* OK [UIDVALIDITY {}] UIDVALIDITY value", folder.uidvalidity));
        if self.take(|fault| (*fault == ImapFault::NoUidNext).then_some(())).is_none() {
            lines.push(format!("* OK [UIDNEXT {}] The next unique identifier value", folder.uidnext));
        }
        self.view = Some(View::new(&folder, read_only));
        self.wire.line(&lines.join("\r\n")).await?;
        let mode = if read_only { "READ-ONLY" } else { "READ-WRITE" };
        self.tagged(tag, &format!("OK [{mode}] {verb} completed.")).await
    }

    /// CLOSE removes what is marked `\Deleted`, UNSELECT (RFC 3691) does not.
    pub(super) async fn close_folder(&mut self, tag: &str, verb: &str) -> Flow {
        if let (Some(view), Some(mailbox)) = (self.view.take(), &self.mailbox)
            && verb == "CLOSE"
            && !view.read_only
        {
            for mail in mailbox.messages(&view.folder).iter().filter(|mail| mail.has_flag("\\Deleted")) {
                mailbox.expunge(&view.folder, mail.uid);
            }
        }
        self.done(tag, verb).await
    }

    pub(super) async fn manage(&mut self, tag: &str, verb: &str, args: &[Arg]) -> Flow {
        let (Some(name), Some(mailbox)) = (args.first().and_then(Arg::text), self.mailbox.clone()) else {
            return self.tagged(tag, ARGUMENTS).await;
        };
        let exists = self.folder_called(&name).map(|folder| folder.name);
        match (verb, exists) {
            ("CREATE", Some(_)) => self.tagged(tag, &format!("NO {name} already exists.")).await,
            ("CREATE", None) => {
                mailbox.create_folder(&name);
                self.done(tag, verb).await
            }
            ("DELETE", Some(held)) if mailbox.remove_folder(&held) => self.done(tag, verb).await,
            ("DELETE", Some(_)) => self.tagged(tag, "NO Folder name is reserved.").await,
            (_, None) => self.tagged(tag, &format!("NO {name} doesn't exist.")).await,
            _ => self.done(tag, verb).await,
        }
    }
}
