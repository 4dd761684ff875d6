//! The list of folders, and which of them holds what was sent.

use super::ListedFolder;
use super::answers::During;
use super::session::{SMALL_ANSWER, Session};
use async_imap::imap_proto::{MailboxDatum, NameAttribute, Response};
use base64::Engine;
use domain::{Failure, FailureClass};

/// What Exchange, Outlook and others call the Sent folder, lower case. Exchange names it in the mailbox's language and has no
/// SPECIAL-USE.
const SENT_NAMES: [&str; 40] = [
    "sent items",
    "sent",
    "sent messages",
    "sent mail",
    "gesendete elemente",
    "gesendete objekte",
    "gesendet",
    "éléments envoyés",
    "messages envoyés",
    "envoyés",
    "elementos enviados",
    "enviados",
    "posta inviata",
    "inviata",
    "verzonden items",
    "verzonden",
    "itens enviados",
    "skickade objekt",
    "skickat",
    "sendte elementer",
    "sendt post",
    "sendt",
    "lähetetyt",
    "elementy wysłane",
    "wysłane",
    "odeslaná pošta",
    "odeslané",
    "elküldött elemek",
    "elemente trimise",
    "отправленные",
    "надіслані",
    "gönderilmiş öğeler",
    "απεσταλμένα",
    "saadetud üksused",
    "送信済みアイテム",
    "送信済み",
    "已发送邮件",
    "已发送",
    "보낸 편지함",
    "寄件備份",
];

impl Session {
    /// Every mailbox has an INBOX, and LIST names it (RFC 3501 §5.1, §6.3.8). A list without one is a server's bad moment, such as no folder at
    /// all or only some that cannot be opened, and says nothing of what the mailbox holds.
    pub async fn list(&mut self) -> Result<Vec<ListedFolder>, Failure> {
        let mut folders: Vec<ListedFolder> = Vec::new();
        self.command("LIST \"\" \"*\"", During::Command, SMALL_ANSWER, |response| {
            let Response::MailboxData(MailboxDatum::List(data)) = response else { return };
            let attribute = |wanted: &str| {
                data.name_attributes
                    .iter()
                    .any(|a| matches!(a, NameAttribute::Extension(name) if name.eq_ignore_ascii_case(wanted)))
            };
            folders.push(ListedFolder {
                display_name: decode_modified_utf7(&data.name),
                name: data.name.to_string(),
                delimiter: data.delimiter.as_ref().map(ToString::to_string),
                selectable: !data.name_attributes.contains(&NameAttribute::NoSelect) && !attribute("\\NonExistent"),
                special_use: data.name_attributes.iter().find_map(special_use).map(str::to_owned),
            });
        })
        .await?;
        if !folders.iter().any(|f| f.selectable && f.name.eq_ignore_ascii_case("INBOX")) {
            let detail = format!("the list of {} folders has no INBOX", folders.len());
            return Err(Failure::new(FailureClass::ProtocolError).detail(detail));
        }
        Ok(folders)
    }

    /// The Sent folder: by RFC 6154 where the server says, else by its name in the languages we know.
    pub async fn sent_folder(&mut self) -> Result<Option<ListedFolder>, Failure> {
        let folders = self.list().await?;
        Ok(sent_among(&folders).cloned())
    }
}

fn special_use(attribute: &NameAttribute<'_>) -> Option<&'static str> {
    Some(match attribute {
        NameAttribute::All => "\\All",
        NameAttribute::Archive => "\\Archive",
        NameAttribute::Drafts => "\\Drafts",
        NameAttribute::Flagged => "\\Flagged",
        NameAttribute::Junk => "\\Junk",
        NameAttribute::Sent => "\\Sent",
        NameAttribute::Trash => "\\Trash",
        _ => return None,
    })
}

fn sent_among(folders: &[ListedFolder]) -> Option<&ListedFolder> {
    let selectable = || folders.iter().filter(|f| f.selectable);
    selectable().find(|f| f.special_use.as_deref() == Some("\\Sent")).or_else(|| {
        // At the top or right below INBOX; a customer's own folder "Sent" may lie deeper.
        let rank = |folder: &ListedFolder| -> Option<usize> {
            let path = folder.display_name.to_lowercase();
            let delimiter = folder.delimiter.as_deref().unwrap_or("/").to_lowercase();
            let name = path.strip_prefix(&format!("inbox{delimiter}")).unwrap_or(&path);
            let name = name.strip_prefix(&format!("[gmail]{delimiter}")).unwrap_or(name);
            SENT_NAMES.iter().position(|known| *known == name)
        };
        selectable().filter_map(|f| rank(f).map(|r| (r, f))).min_by_key(|(r, _)| *r).map(|(_, f)| f)
    })
}

/// RFC 3501 §5.1.3; a name that does not follow it is shown as it is.
fn decode_modified_utf7(name: &str) -> String {
    let mut out = String::new();
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let Some((encoded, next)) = after.split_once('-') else { return name.to_owned() };
        if encoded.is_empty() {
            out.push('&');
        } else {
            let engine = base64::engine::GeneralPurpose::new(
                &base64::alphabet::IMAP_MUTF7,
                base64::engine::general_purpose::NO_PAD.with_decode_allow_trailing_bits(true),
            );
            let Ok(bytes) = engine.decode(encoded) else { return name.to_owned() };
            let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            match String::from_utf16(&units) {
                Ok(text) => out.push_str(&text),
                Err(_) => return name.to_owned(),
            }
        }
        rest = next;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str, special_use: Option<&str>) -> ListedFolder {
        ListedFolder {
            name: name.to_owned(),
            display_name: decode_modified_utf7(name),
            delimiter: Some("/".to_owned()),
            selectable: true,
            special_use: special_use.map(str::to_owned),
        }
    }

    #[test]
    fn folder_names_are_readable() {
        assert_eq!(decode_modified_utf7("&AMk-l&AOk-ments envoy&AOk-s"), "Éléments envoyés");
        assert_eq!(decode_modified_utf7("Tom &- Jerry"), "Tom & Jerry");
        assert_eq!(decode_modified_utf7("broken &x"), "broken &x");
    }

    #[test]
    fn the_sent_folder_is_found_by_use_and_else_by_name() {
        let sent = |folders: &[ListedFolder]| sent_among(folders).map(|f| f.name.clone());
        assert_eq!(sent(&[folder("Sent Items", None), folder("Odd", Some("\\Sent"))]).as_deref(), Some("Odd"));
        assert_eq!(
            sent(&[folder("INBOX", None), folder("Projects/Sent", None), folder("&AMk-l&AOk-ments envoy&AOk-s", None)])
                .as_deref(),
            Some("&AMk-l&AOk-ments envoy&AOk-s")
        );
        assert_eq!(sent(&[folder("Sent", None), folder("Sent Items", None)]).as_deref(), Some("Sent Items"));
        assert_eq!(sent(&[folder("INBOX/Gesendete Elemente", None)]).as_deref(), Some("INBOX/Gesendete Elemente"));
        assert_eq!(sent(&[]), None);
    }
}
