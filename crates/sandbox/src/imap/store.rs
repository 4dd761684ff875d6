//! What changes a folder: STORE, EXPUNGE, COPY, MOVE, APPEND (RFC 3501, UIDPLUS RFC 4315, MOVE RFC 6851).

use super::args::{Arg, Set};
use super::session::{ARGUMENTS, Flow, OVER, Session};

/// User keywords cannot be kept: PERMANENTFLAGS has no `\*`.
const KEPT: [&str; 6] = ["\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft", "$MDNSent"];

fn flags_of(arg: &Arg) -> Vec<String> {
    let words: Vec<String> = match arg {
        Arg::List(items) => items.iter().filter_map(Arg::text).collect(),
        Arg::Atom(_) | Arg::Text(_) => arg.text().into_iter().collect(),
    };
    let known = |word: &String| KEPT.iter().find(|kept| kept.eq_ignore_ascii_case(word)).map(|kept| (*kept).to_owned());
    words.iter().filter_map(known).collect()
}

impl Session {
    /// `(sequence number, UID)` of the mails of a set.
    fn chosen(&self, set: Option<String>, by_uid: bool) -> Option<Vec<(u32, u32)>> {
        let set = Set::parse(&set?, self.largest(by_uid)).ok()?;
        let view = self.view.as_ref()?;
        Some(view.numbered().filter(|(number, uid)| set.contains(if by_uid { *uid } else { *number })).collect())
    }

    pub(super) async fn store(&mut self, tag: &str, verb: &str, args: &[Arg]) -> Flow {
        let by_uid = verb == "UID STORE";
        let (Some(chosen), Some(how), Some(change)) =
            (self.chosen(args.first().and_then(Arg::text), by_uid), args.get(1).and_then(Arg::text), args.get(2))
        else {
            return self.tagged(tag, ARGUMENTS).await;
        };
        let how = how.to_ascii_uppercase();
        let silent = how.ends_with(".SILENT");
        let kind = how.trim_end_matches(".SILENT").to_owned();
        if !matches!(kind.as_str(), "FLAGS" | "+FLAGS" | "-FLAGS") {
            return self.tagged(tag, ARGUMENTS).await;
        }
        let (Some(folder), Some(mailbox)) = (self.folder_now(), self.mailbox.clone()) else { return OVER };
        let Some(view) = &mut self.view else { return OVER };
        if view.read_only {
            return self.tagged(tag, "NO Mailbox is read-only.").await;
        }
        let change = flags_of(change);
        let mut lines = Vec::new();
        for (number, uid) in chosen {
            let Some(mail) = folder.mails.iter().find(|mail| mail.uid == uid) else { continue };
            let mut flags = if kind == "FLAGS" { Vec::new() } else { mail.flags.clone() };
            flags.retain(|flag| !change.contains(flag));
            if kind != "-FLAGS" {
                flags.extend(change.iter().cloned());
            }
            let borrowed: Vec<&str> = flags.iter().map(String::as_str).collect();
            mailbox.set_flags(&folder.name, uid, &borrowed);
            view.remember_flags(uid, &flags);
            if !silent {
                let told = if by_uid { format!(" UID {uid}") } else { String::new() };
                lines.push(format!("* {number} FETCH (FLAGS ({}){told})", flags.join(" ")));
            }
        }
        for line in lines {
            self.wire.line(&line).await?;
        }
        self.done(tag, verb).await
    }

    pub(super) async fn expunge(&mut self, tag: &str, verb: &str, args: &[Arg]) -> Flow {
        let by_uid = verb == "UID EXPUNGE";
        let only = if by_uid {
            match self.chosen(args.first().and_then(Arg::text), true) {
                Some(chosen) => Some(chosen),
                None => return self.tagged(tag, ARGUMENTS).await,
            }
        } else {
            None
        };
        let (Some(folder), Some(mailbox), Some(view)) = (self.folder_now(), &self.mailbox, &self.view) else {
            return OVER;
        };
        if view.read_only {
            return self.tagged(tag, "NO Mailbox is read-only.").await;
        }
        for mail in folder.mails.iter().filter(|mail| mail.has_flag("\\Deleted")) {
            if only.as_ref().is_none_or(|only| only.iter().any(|(_, uid)| *uid == mail.uid)) {
                mailbox.expunge(&folder.name, mail.uid);
            }
        }
        self.report().await?;
        self.done(tag, verb).await
    }

    pub(super) async fn copy(&mut self, tag: &str, verb: &str, args: &[Arg]) -> Flow {
        let by_uid = verb.starts_with("UID ");
        let moves = verb.ends_with("MOVE");
        let (Some(chosen), Some(target)) =
            (self.chosen(args.first().and_then(Arg::text), by_uid), args.get(1).and_then(Arg::text))
        else {
            return self.tagged(tag, ARGUMENTS).await;
        };
        let Some(target) = self.folder_called(&target) else {
            return self.tagged(tag, &format!("NO [TRYCREATE] {target} doesn't exist.")).await;
        };
        let (Some(folder), Some(mailbox)) = (self.folder_now(), self.mailbox.clone()) else { return OVER };
        let (mut from, mut to) = (Vec::new(), Vec::new());
        for (_, uid) in chosen {
            let Some(mail) = folder.mails.iter().find(|mail| mail.uid == uid) else { continue };
            let flags: Vec<&str> = mail.flags.iter().map(String::as_str).collect();
            to.push(mailbox.append_with(&target.name, &mail.bytes, &flags, Some(mail.internal_date)).to_string());
            from.push(uid.to_string());
            if moves {
                mailbox.expunge(&folder.name, uid);
            }
        }
        let code = if from.is_empty() {
            String::new()
        } else {
            format!("[COPYUID {} {} {}] ", target.uidvalidity, from.join(","), to.join(","))
        };
        if moves {
            // RFC 6851 §4.3 has the code in an untagged OK, before the expunges.
            if !code.is_empty() {
                self.wire.line(&format!("* OK {}", code.trim_end())).await?;
            }
            self.report().await?;
            return self.done(tag, verb).await;
        }
        self.tagged(tag, &format!("OK {code}COPY completed.")).await
    }

    /// `APPEND folder [(flags)] ["date"] {literal}`.
    pub(super) async fn append(&mut self, tag: &str, args: &[Arg]) -> Flow {
        let (Some(name), Some(Arg::Text(bytes))) = (args.first().and_then(Arg::text), args.last()) else {
            return self.tagged(tag, ARGUMENTS).await;
        };
        if args.len() < 2 {
            return self.tagged(tag, ARGUMENTS).await;
        }
        let Some(folder) = self.folder_called(&name) else {
            return self.tagged(tag, &format!("NO [TRYCREATE] {name} doesn't exist.")).await;
        };
        let Some(mailbox) = self.mailbox.clone() else { return OVER };
        let between = &args[1..args.len() - 1];
        let flags = between.iter().find(|arg| arg.list().is_some()).map(flags_of).unwrap_or_default();
        let date = between.iter().find(|arg| arg.list().is_none()).and_then(Arg::text);
        let date = match date.map(|text| chrono::DateTime::parse_from_str(text.trim(), "%d-%b-%Y %H:%M:%S %z")) {
            Some(Err(_)) => return self.tagged(tag, ARGUMENTS).await,
            Some(Ok(date)) => Some(date.timestamp()),
            None => None,
        };
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let uid = mailbox.append_with(&folder.name, bytes, &flags, date);
        self.arrivals().await?;
        self.tagged(tag, &format!("OK [APPENDUID {} {uid}] APPEND completed.", folder.uidvalidity)).await
    }
}
