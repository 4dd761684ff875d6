//! Separates the visible reply from the quoted history below it, in plain text.

/// A text in two: what is new, and the history it quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    pub reply: String,
    pub quoted: String,
}

/// Splits a plain-text body where its quoted history begins; runs in linear time.
pub fn split_reply(text: &str) -> Split {
    let _ = text;
    todo!()
}
