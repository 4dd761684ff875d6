//! The words of a text as they are kept in the search index, and the words somebody looks for.
//!
//! One rule makes both, so that what is written one way is found when it is asked for another: upper and lower case are one, and so are letters
//! with and without Latin, Greek or Cyrillic accents, full-width and half-width forms, and ß and ss. What is written without spaces (Chinese,
//! Japanese, Korean, Thai, …) is cut into pairs of neighbouring characters: nobody needs a dictionary then, and a word is found within a
//! sentence. This knows no database and no account.

use std::collections::BTreeSet;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Longer words (keys, URLs, encoded bytes) are known by their beginning.
pub const MAX_WORD_CHARS: usize = 40;
/// Different words that are kept of one text at most. The longest novel has more; a mail of 150,000 characters seldom does.
pub const MAX_WORDS: usize = 4_000;
/// Words that are looked for at once; further ones are passed over.
pub const MAX_QUERY_WORDS: usize = 16;
/// Of a letter alone everything begins with it, so nothing is found by that.
const SHORTEST_BEGINNING: usize = 2;

const EXCERPT_BEFORE_CHARS: usize = 60;
const EXCERPT_CHARS: usize = 220;

/// Each word of the texts once.
pub fn words<'t>(texts: impl IntoIterator<Item = &'t str>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for text in texts {
        for word in runs(&folded(text)) {
            if found.len() >= MAX_WORDS {
                return found;
            }
            if word.unspaced {
                // The last character begins no pair, and is looked for alone, too.
                found.extend(pairs(&word.chars).chain(word.chars.last().map(char::to_string)).take(MAX_WORDS));
            } else {
                found.insert(word.chars.iter().take(MAX_WORD_CHARS).collect());
            }
        }
    }
    found
}

/// What somebody looks for: all of the words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// As they stand in the index.
    pub whole: Vec<String>,
    /// The last one, of which only the beginning may have been typed.
    pub beginning: Option<String>,
}

impl Query {
    pub fn parse(text: &str) -> Self {
        let mut query = Self::default();
        let words = runs(&folded(text));
        let last = words.len().saturating_sub(1).min(MAX_QUERY_WORDS - 1);
        for (at, word) in words.into_iter().take(MAX_QUERY_WORDS).enumerate() {
            if word.unspaced && word.chars.len() > 1 {
                query.whole.extend(pairs(&word.chars));
                query.whole.truncate(MAX_QUERY_WORDS * 4);
                continue;
            }
            let text: String = word.chars.iter().take(MAX_WORD_CHARS).collect();
            if at == last && (word.unspaced || word.chars.len() >= SHORTEST_BEGINNING) {
                query.beginning = Some(text);
            } else {
                query.whole.push(text);
            }
        }
        query
    }

    /// There is nothing to look for: no letter and no digit.
    pub fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.beginning.is_none()
    }

    /// Before which character of what stands together the first of the words begins: where there are no spaces, that may be far in.
    fn place_within(&self, chars: &[char]) -> usize {
        let mut folded_text = String::new();
        let mut begins = Vec::with_capacity(chars.len());
        for c in chars {
            begins.push(folded_text.len());
            folded_text.push_str(&folded(c.encode_utf8(&mut [0; 4])));
        }
        let places = self.whole.iter().chain(&self.beginning).filter_map(|word| folded_text.find(word.as_str()));
        let place = places.min().unwrap_or(0);
        begins.partition_point(|begin| *begin < place)
    }

    fn finds(&self, word: &Run) -> bool {
        let text: String = word.chars.iter().collect();
        let begins = |beginning: &String| {
            text.starts_with(beginning.as_str()) || (word.unspaced && text.contains(beginning.as_str()))
        };
        let is = |whole: &String| text == *whole || (word.unspaced && text.contains(whole.as_str()));
        self.whole.iter().any(is) || self.beginning.as_ref().is_some_and(begins)
    }
}

/// The part of a text in which a word of the query stands, in one line; its beginning where none does.
pub fn excerpt(text: &str, query: &Query) -> String {
    let line: Vec<char> = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().collect();
    let mut at = 0;
    let mut first = 0;
    while at < line.len() {
        let length = line[at..].iter().take_while(|c| is_of_word(**c)).count();
        if length == 0 {
            at += 1;
            continue;
        }
        let word: String = line[at..at + length].iter().collect();
        if runs(&folded(&word)).iter().any(|word| query.finds(word)) {
            first = at + query.place_within(&line[at..at + length]);
            break;
        }
        at += length;
    }
    let from = first.saturating_sub(EXCERPT_BEFORE_CHARS);
    let to = line.len().min(from + EXCERPT_CHARS);
    let shown: String = line[from..to].iter().collect();
    let (before, after) = (if from > 0 { "…" } else { "" }, if to < line.len() { "…" } else { "" });
    format!("{before}{}{after}", shown.trim())
}

/// Letters or digits that stand together, folded.
struct Run {
    chars: Vec<char>,
    /// Of a script that puts no spaces between words.
    unspaced: bool,
}

fn folded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut folded = String::with_capacity(text.len());
    let bare = text.nfkd().flat_map(char::to_lowercase).filter(|c| !('\u{300}'..='\u{36f}').contains(c));
    for c in bare.nfc() {
        match c {
            'ß' => folded.push_str("ss"),
            'ς' => folded.push('σ'),
            c => folded.push(c),
        }
    }
    folded
}

fn runs(folded: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut within = false;
    for c in folded.chars() {
        if !is_of_word(c) {
            within = false;
            continue;
        }
        let unspaced = is_unspaced(c);
        match runs.last_mut() {
            // A mark belongs to the letter before it.
            Some(run) if within && (run.unspaced == unspaced || is_combining_mark(c)) => run.chars.push(c),
            _ => runs.push(Run { chars: vec![c], unspaced }),
        }
        within = true;
    }
    runs
}

fn pairs(chars: &[char]) -> impl Iterator<Item = String> {
    chars.windows(2).map(|pair| pair.iter().collect())
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || (!c.is_ascii() && is_combining_mark(c))
}

/// Scripts that are written without spaces, or with spaces that do not part words.
const fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{e00}'..='\u{eff}'          // Thai, Lao
        | '\u{1000}'..='\u{109f}'      // Myanmar
        | '\u{1780}'..='\u{17ff}'      // Khmer
        | '\u{3005}'..='\u{3007}'
        | '\u{3040}'..='\u{30ff}'      // Hiragana, Katakana
        | '\u{3100}'..='\u{312f}'      // Bopomofo
        | '\u{31f0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'      // Han
        | '\u{ac00}'..='\u{d7af}'      // Hangul
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<String> {
        words([text]).into_iter().collect()
    }

    /// As an index would answer.
    fn found(text: &str, query: &str) -> bool {
        let (words, query) = (words([text]), Query::parse(query));
        !query.is_empty()
            && query.whole.iter().all(|word| words.contains(word))
            && query.beginning.iter().all(|beginning| words.iter().any(|word| word.starts_with(beginning)))
    }

    #[test]
    fn a_text_is_its_words_without_case_accents_and_signs() {
        assert_eq!(of("Grüße, Straße & CAFÉ! No. 4711-b"), ["4711", "b", "cafe", "grusse", "no", "strasse"]);
        assert_eq!(of("ada.lovelace@Example.com"), ["ada", "com", "example", "lovelace"]);
        assert_eq!(of("Ｆｕｌｌ １２"), ["12", "full"]);
        assert_eq!(of(" \u{0}…—😀 "), Vec::<String>::new());
    }

    #[test]
    fn accents_may_be_written_either_way_and_left_out() {
        for (text, query) in [("Cafe\u{301}", "café"), ("Café", "CAFE"), ("ΟΔΟΣ", "οδός"), ("Müller", "muller")]
        {
            assert!(found(text, query), "{query} in {text}");
        }
        assert!(!found("Mueller", "muller"));
    }

    #[test]
    fn all_words_are_wanted_and_of_the_last_one_the_beginning_is_enough() {
        assert!(found("Where is my invoice?", "INVOICE where"));
        assert!(found("Where is my invoice?", "where inv"));
        assert!(!found("Where is my invoice?", "inv where"));
        assert!(!found("Where is my invoice?", "invoice 4711"));
        assert!(found("plan b is on", "plan b") && !found("plan beta is on", "plan b"), "a letter alone is a word");
        assert!(Query::parse(" …! ").is_empty());
    }

    #[test]
    fn what_is_written_without_spaces_is_found_within_a_sentence() {
        for query in ["請求書", "請求", "求書", "書", "送信", "ください"] {
            assert!(found("請求書を送信してください。", query), "{query}");
        }
        assert!(!found("請求書を送信してください。", "送請"));
        assert!(found("한국어 문서입니다", "문서") && found("ใบแจ้งหนี้ของฉัน", "หนี้"));
        assert!(found("注文ABC123です", "abc123"), "a code within a sentence");
        assert!(found("ひらがなが", "がなが") && !found("ひらかなか", "がなが"), "voicing is not an accent");
    }

    #[test]
    fn words_and_their_number_are_limited() {
        assert_eq!(of(&"x".repeat(10_000))[0].len(), MAX_WORD_CHARS);
        let many: Vec<String> = (0..10_000).map(|n| format!("w{n}")).collect();
        assert_eq!(words([many.join(" ").as_str()]).len(), MAX_WORDS);
        let query = Query::parse(&many.join(" "));
        assert_eq!(query.whole.len() + usize::from(query.beginning.is_some()), MAX_QUERY_WORDS);
        assert!(Query::parse(&"漢".repeat(10_000)).whole.len() <= MAX_QUERY_WORDS * 4);
    }

    #[test]
    fn an_excerpt_shows_where_the_word_stands() {
        let text = format!("{}\n\nPlease pay  the\tInvoíce soon. {}", "before ".repeat(100), "after ".repeat(100));
        let shown = excerpt(&text, &Query::parse("invoice"));
        assert!(
            shown.contains("Please pay the Invoíce soon.") && shown.starts_with('…') && shown.ends_with('…'),
            "{shown}"
        );
        assert!(shown.chars().count() <= EXCERPT_CHARS + 2);
        assert_eq!(excerpt("short and sweet", &Query::parse("nothing")), "short and sweet");
        assert_eq!(excerpt("", &Query::parse("x")), "");
        assert!(excerpt(&format!("{}請求書です", "あ".repeat(500)), &Query::parse("請求書")).starts_with('…'));
    }
}
