//! FETCH: which mails, which items, in which order, and how it breaks off when it is to break off.

use super::args::{Arg, Set};
use super::items::{self, Item};
use super::session::{ARGUMENTS, Flow, OVER, Session};
use crate::faults::ImapFault;
use crate::mailbox::{Folder, StoredMail};

impl Session {
    pub(super) async fn fetch(&mut self, tag: &str, verb: &str, args: &[Arg]) -> Flow {
        let by_uid = verb == "UID FETCH";
        let parsed = args.first().and_then(Arg::text).zip(args.get(1)).and_then(|(set, wanted)| {
            let largest = self.largest(by_uid);
            Some((Set::parse(&set, largest).ok()?, items::parse(wanted)?))
        });
        let Some((set, mut items)) = parsed.filter(|_| args.len() == 2) else {
            return self.tagged(tag, ARGUMENTS).await;
        };
        // A FETCH by UID answers the UID whether it was asked for or not (RFC 3501 §6.4.8).
        if by_uid && !items.contains(&Item::Uid) {
            items.push(Item::Uid);
        }
        // Items come in the server's order, not in that of the request.
        items.sort_by_key(Item::rank);
        let folder = self.folder_now();
        let (Some(folder), Some(view)) = (folder, &self.view) else { return OVER };
        let wanted: Vec<(u32, u32)> =
            view.numbered().filter(|(number, uid)| set.contains(if by_uid { *uid } else { *number })).collect();
        let end = self.send_mails(&folder, wanted, &items).await?;
        match end {
            Ending::Cut => OVER,
            Ending::Answer(text) => self.tagged(tag, &text).await,
            Ending::Complete { vanished } => {
                if by_uid {
                    self.report().await?;
                }
                if vanished {
                    return self.tagged(tag, "NO Some of the requested messages no longer exist.").await;
                }
                self.done(tag, verb).await
            }
        }
    }

    /// The number that `*` stands for.
    pub(super) fn largest(&self, by_uid: bool) -> u32 {
        let Some(view) = &self.view else { return 0 };
        if by_uid { view.largest_uid() } else { view.count() }
    }

    async fn send_mails(
        &mut self,
        folder: &Folder,
        mut wanted: Vec<(u32, u32)>,
        items: &[Item],
    ) -> std::io::Result<Ending> {
        let reads_bodies = items.iter().any(Item::is_section);
        let breaks = self.take(|fault| match fault {
            ImapFault::FetchNoAfter { .. }
            | ImapFault::FetchBadAfter { .. }
            | ImapFault::FetchEofInLiteral { .. }
            | ImapFault::FetchEofBetween { .. }
            | ImapFault::Dribble { .. }
            | ImapFault::FetchStallInLiteral { .. } => reads_bodies.then(|| fault.clone()),
            _ => None,
        });
        if wanted.len() > 1 && self.take(|fault| (*fault == ImapFault::FetchShuffled).then_some(())).is_some() {
            wanted.reverse();
            let middle = wanted.len() / 2;
            wanted.rotate_left(middle);
        }
        let leaves_out = self.take(|fault| match fault {
            ImapFault::LeftOutThenNoSearch { every } => reads_bodies.then_some(*every),
            _ => None,
        });
        if leaves_out.is_some() {
            wanted.pop();
            self.searches_hang = leaves_out;
        }
        let doubled = self.take(|fault| (*fault == ImapFault::FetchUnsolicited).then_some(())).is_some();
        let mut vanished = false;
        let mut sent = 0usize;
        for (number, uid) in wanted {
            let missing = |fault: &ImapFault| (*fault == ImapFault::MissingInFetch { uid }).then_some(());
            if self.take(missing).is_some() {
                continue;
            }
            let Some(mail) = folder.mail(uid) else {
                vanished = true;
                continue;
            };
            if let Some(ending) = self.break_off(breaks.as_ref(), sent, mail, number, items).await? {
                return Ok(ending);
            }
            let flags = self.mark_seen(mail, items);
            let answer = items::render(number, mail, items, flags.as_deref(), &self.distortion());
            self.wire.send(&answer).await?;
            if doubled {
                self.wire.line("* 1 FETCH (FLAGS (\\Flagged))").await?;
                self.wire.send(&answer).await?;
            }
            sent += 1;
        }
        // The whole answer fitted before the break; it breaks off at its end then.
        match breaks {
            Some(ImapFault::FetchNoAfter { .. }) => Ok(Ending::Answer("NO Server error.".into())),
            Some(ImapFault::FetchBadAfter { .. }) => Ok(Ending::Answer("BAD Command Argument Error. 11".into())),
            Some(ImapFault::Dribble { .. }) | None => Ok(Ending::Complete { vanished }),
            Some(_) => Ok(Ending::Cut),
        }
    }

    /// Ends the answer here, if a fault wants it to end before this mail.
    async fn break_off(
        &mut self,
        breaks: Option<&ImapFault>,
        sent: usize,
        mail: &StoredMail,
        number: u32,
        items: &[Item],
    ) -> std::io::Result<Option<Ending>> {
        let half = || {
            let answer = items::render(number, mail, items, None, &items::Distortion::default());
            let literal = answer.windows(3).position(|three| three == b"}\r\n").map_or(0, |at| at + 4);
            let cut = (answer.len() / 2).max(literal).min(answer.len().saturating_sub(4));
            answer[..cut].to_vec()
        };
        Ok(match breaks {
            Some(ImapFault::FetchNoAfter { messages }) if sent == *messages => {
                Some(Ending::Answer("NO Server error.".into()))
            }
            Some(ImapFault::FetchBadAfter { messages }) if sent == *messages => {
                Some(Ending::Answer("BAD Command Argument Error. 11".into()))
            }
            Some(ImapFault::FetchEofBetween { after_messages }) if sent == *after_messages => Some(Ending::Cut),
            Some(ImapFault::FetchEofInLiteral { after_messages }) if sent == *after_messages => {
                self.wire.send(&half()).await?;
                Some(Ending::Cut)
            }
            Some(ImapFault::FetchStallInLiteral { after_messages }) if sent == *after_messages => {
                self.wire.send(&half()).await?;
                self.stall().await;
                Some(Ending::Cut)
            }
            Some(ImapFault::Dribble { apart }) => {
                self.wire.dribble(*apart);
                None
            }
            _ => None,
        })
    }

    /// Reading a body without PEEK marks the mail as seen, and the answer says so.
    fn mark_seen(&mut self, mail: &StoredMail, items: &[Item]) -> Option<Vec<String>> {
        let (view, mailbox) = (self.view.as_mut()?, self.mailbox.as_ref()?);
        if view.read_only || mail.has_flag("\\Seen") || !items.iter().any(Item::marks_seen) {
            return None;
        }
        let mut flags = mail.flags.clone();
        flags.push("\\Seen".into());
        let borrowed: Vec<&str> = flags.iter().map(String::as_str).collect();
        mailbox.set_flags(&view.folder, mail.uid, &borrowed);
        view.remember_flags(mail.uid, &flags);
        Some(flags)
    }

    fn distortion(&self) -> items::Distortion {
        items::Distortion {
            size_off_by: self
                .take(|fault| if let ImapFault::WrongSize { by } = fault { Some(*by) } else { None })
                .unwrap_or_default(),
            body_structure: self.take(|fault| (*fault == ImapFault::MalformedBodyStructure).then_some(())).is_some(),
            internal_date: self.take(|fault| (*fault == ImapFault::MalformedInternalDate).then_some(())).is_some(),
        }
    }
}

/// How the mails of a FETCH came to their end.
enum Ending {
    Complete {
        vanished: bool,
    },
    Answer(String),
    /// The connection ends without a tagged answer.
    Cut,
}
