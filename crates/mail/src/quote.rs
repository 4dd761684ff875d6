//! Separates the visible reply from the quoted history below it, in plain text.
//!
//! Line by line and in one pass. It cuts only where a mail program is known to begin its history; when in doubt everything is the reply,
//! because hiding a person's words is worse than showing old ones.

/// A text in two: what is new, and the history it quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    pub reply: String,
    pub quoted: String,
}

/// Splits a plain-text body where its quoted history begins; runs in linear time.
pub fn split_reply(text: &str) -> Split {
    let lines: Vec<&str> = text.lines().collect();
    let marked = (0..lines.len()).find(|at| begins_history(&lines, *at)).unwrap_or(lines.len());
    let cut = before_trailing_quotes(&lines[..marked]);
    let reply = lines[..cut].join("\n").trim_end().to_owned();
    if reply.trim().is_empty() {
        // Written below the quote, or nothing but a quote: show it all.
        return Split { reply: text.trim_end().to_owned(), quoted: String::new() };
    }
    Split { reply, quoted: lines[cut..].join("\n").trim().to_owned() }
}

/// Whether a mail program's history begins at this line.
fn begins_history(lines: &[&str], at: usize) -> bool {
    let line = lines[at].trim().trim_matches('*');
    if line.is_empty() || line.len() > 500 {
        return false;
    }
    is_divider(line) || is_header_block(lines, at) || is_attribution(lines, at)
}

/// `-----Original Message-----` and its like.
fn is_divider(line: &str) -> bool {
    const WORDS: [&str; 18] = [
        "original message",
        "forwarded message",
        "original appointment",
        "ursprüngliche nachricht",
        "weitergeleitete nachricht",
        "originalnachricht",
        "message d'origine",
        "message original",
        "message transféré",
        "mensaje original",
        "mensaje reenviado",
        "messaggio originale",
        "messaggio inoltrato",
        "oorspronkelijk bericht",
        "mensagem original",
        "ursprungligt meddelande",
        "oprindelig meddelelse",
        "исходное сообщение",
    ];
    if !line.starts_with("--") || !line.ends_with("--") {
        return false;
    }
    let words = line.trim_matches(['-', ' ']).to_lowercase().replace('’', "'");
    WORDS.contains(&words.as_str())
}

/// Outlook's block: From, then Sent, To, Subject within the next lines, often below a rule of underscores.
fn is_header_block(lines: &[&str], at: usize) -> bool {
    const FROM: [&str; 12] =
        ["from", "von", "de", "da", "van", "från", "fra", "od", "lähettäjä", "kimden", "от", "发件人"];
    const OTHERS: [&str; 36] = [
        "sent",
        "date",
        "to",
        "subject",
        "cc",
        "gesendet",
        "datum",
        "an",
        "betreff",
        "envoyé",
        "à",
        "objet",
        "enviado",
        "enviado el",
        "fecha",
        "para",
        "asunto",
        "assunto",
        "data",
        "inviato",
        "a",
        "oggetto",
        "verzonden",
        "aan",
        "onderwerp",
        "skickat",
        "till",
        "ämne",
        "sendt",
        "til",
        "emne",
        "wysłano",
        "do",
        "temat",
        "кому",
        "тема",
    ];
    let field = |line: &str| -> Option<String> {
        let (name, _) = line.trim().split_once([':', '：'])?;
        let name = name.trim().trim_matches('*').trim();
        (name.chars().count() <= 20).then(|| name.to_lowercase())
    };
    let is_rule = |line: &str| line.len() >= 20 && line.bytes().all(|b| b == b'_');
    let mut following = lines[at..].iter().take(14).map(|l| l.trim()).filter(|l| !l.is_empty());
    let first = following.next().unwrap_or_default();
    let from = if is_rule(first) { following.next().unwrap_or_default() } else { first };
    if !field(from).is_some_and(|name| FROM.contains(&name.as_str())) {
        return false;
    }
    following.take(6).filter_map(field).filter(|name| OTHERS.contains(&name.as_str())).count() >= 2
}

/// "On Tuesday, Ada wrote:" in the languages of the common programs, over at most three lines.
fn is_attribution(lines: &[&str], at: usize) -> bool {
    const BEGINS: [&str; 20] = [
        "on ", "am ", "le ", "el ", "il ", "op ", "em ", "den ", "på ", "dne ", "w dniu ", "dnia ", "în ", "pe ",
        "ma ", "a(z) ", "в ", "at ", "tir", "no dia ",
    ];
    const WROTE: [&str; 19] = [
        "wrote",
        "schrieb",
        "a écrit",
        "escribió",
        "ha scritto",
        "schreef",
        "escreveu",
        "skrev",
        "napsal(a)",
        "napsal",
        "napisał",
        "napisał(a)",
        "a scris",
        "kirjoitti",
        "írta",
        "написал",
        "написав",
        "пишет",
        "yazdı",
    ];
    let first = lines[at].trim();
    let lower = first.to_lowercase();
    let by_address = first.contains('@') || first.contains('<');
    if !BEGINS.iter().any(|b| lower.starts_with(b)) && !by_address && !lower.starts_with(|c: char| c.is_ascii_digit()) {
        return false;
    }
    let mut joined = String::new();
    for line in lines[at..].iter().take(3).map(|l| l.trim()) {
        if line.starts_with('>') || line.is_empty() {
            break;
        }
        joined.push_str(line);
        joined.push(' ');
        if joined.len() > 600 {
            return false;
        }
        let said = joined.trim_end();
        let Some(said) = said.strip_suffix([':', '：']) else { continue };
        let said = said.trim_end().to_lowercase();
        // German puts the name behind the verb: "Am 3. Mai schrieb Ada:".
        let wrote = WROTE.iter().any(|w| said.ends_with(w))
            || (said.contains(" schrieb ") || said.contains(" schreef ") || said.contains(" skrev "));
        let dated = said.bytes().filter(u8::is_ascii_digit).count() >= 2 || said.contains('@');
        return wrote && dated;
    }
    false
}

/// Where the quoted lines at the end begin; quotes with answers between them stay.
fn before_trailing_quotes(lines: &[&str]) -> usize {
    let mut cut = lines.len();
    while cut > 0 && lines[cut - 1].trim().is_empty() {
        cut -= 1;
    }
    let end = cut;
    while cut > 0 && (lines[cut - 1].trim_start().starts_with('>') || lines[cut - 1].trim().is_empty()) {
        cut -= 1;
    }
    if lines[cut..end].iter().any(|l| l.trim_start().starts_with('>')) { cut } else { lines.len() }
}

#[cfg(test)]
mod tests {
    use super::split_reply;

    fn reply(text: &str) -> String {
        split_reply(text).reply
    }

    #[test]
    fn history_is_cut_where_programs_begin_it() {
        for history in [
            "On Tue, 3 Nov 2026 at 10:12, Ada Lovelace <ada@x.example> wrote:\n> old",
            "On Tue, 3 Nov 2026 at 10:12, Ada Lovelace with a long name\n<ada@x.example> wrote:\n\n> old",
            "Am 03.11.26 um 10:12 schrieb Ada Lovelace:\n> alt",
            "Le mar. 3 nov. 2026 à 10:12, Ada <ada@x.example> a écrit :\n> vieux",
            "-----Original Message-----\nFrom: Ada\nold",
            "-----Ursprüngliche Nachricht-----\nalt",
            "________________________________\nFrom: Ada <ada@x.example>\nSent: Tuesday, November 3, 2026\nTo: Bob\nSubject: x\n\nold",
            "Von: Ada <ada@x.example>\nGesendet: Dienstag\nAn: Bob\nBetreff: x\n\nalt",
            "> old\n> words",
        ] {
            let split = split_reply(&format!("Thanks!\n\nBob\n\n{history}"));
            assert_eq!(split.reply, "Thanks!\n\nBob", "{history}");
            assert!(!split.quoted.is_empty());
        }
    }

    #[test]
    fn words_that_only_look_like_history_stay() {
        for text in [
            "On Monday we wrote the report: here it is.",
            "From: the heart",
            "Dear Ada,\n\nplease note:\n- from: 3\n- to: 5",
            "-- \nBob",
            "> is this right?\nYes.\n> and this?\nNo.",
            "The answer is below:\nOn the roof",
        ] {
            assert_eq!(reply(text), text);
        }
    }

    #[test]
    fn an_answer_below_the_quote_is_shown_whole() {
        let text = "On Tue, 3 Nov 2026, Ada <ada@x.example> wrote:\n> old\n\nMy answer";
        assert_eq!(reply(text), text);
        assert_eq!(reply(""), "");
    }

    #[test]
    fn it_takes_linear_time() {
        for line in ["> x\n", "On 11 Ada <a@b>\n", "From: x\n", "\n", "________________________________\n"] {
            split_reply(&line.repeat(100_000));
        }
    }
}
