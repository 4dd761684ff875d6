//! The few pages that the server renders itself: said in full, without a script, and without a way to smuggle markup in.
//!
//! Text enters only through methods that escape it; there is no method that takes markup but for our own help pages, which are built in. Every page forbids scripts, frames and
//! foreign forms, leaks no referrer, and is never stored.

use crate::envelope::Deliberate;
use crate::prose::Prose;
use poem::Response;
use poem::http::{HeaderValue, StatusCode, header};
use ring::digest::{SHA256, digest};
use std::fmt::Write as _;
use std::sync::LazyLock;

const STYLE: &str = include_str!("page.css");

/// The one style sheet is named by its hash, so that no other can be brought in.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    use base64::Engine as _;
    let hash = base64::engine::general_purpose::STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
});

/// How the page feels at first sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Good,
    Waiting,
    Bad,
}

impl Tone {
    const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Waiting => "waiting",
            Self::Bad => "bad",
        }
    }
}

/// A line that a person fills in, in a form.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    pub name: &'a str,
    pub label: &'a str,
    /// What stands in it at first.
    pub value: &'a str,
}

/// A page under construction. What is added first stands first.
#[derive(Debug)]
pub struct Page {
    title: String,
    tone: Tone,
    status: StatusCode,
    refresh: Option<(u32, String)>,
    body: String,
}

impl Page {
    pub fn new(title: &str, tone: Tone) -> Self {
        Self { title: title.to_owned(), tone, status: StatusCode::OK, refresh: None, body: String::new() }
    }

    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The browser asks again by itself, at a path of ours: for pages that follow something.
    #[must_use]
    pub fn refreshing_at(mut self, seconds: u32, path: &str) -> Self {
        self.refresh = Some((seconds, path.to_owned()));
        self
    }

    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        self.element("p", None, text);
        self
    }

    /// Text that stands back.
    #[must_use]
    pub fn aside(mut self, text: &str) -> Self {
        self.element("p", Some("aside"), text);
        self
    }

    /// A line of a small table: what it is, and what is known.
    #[must_use]
    pub fn fact(mut self, name: &str, value: &str) -> Self {
        // Consecutive facts share one list.
        match self.body.strip_suffix("</dl>") {
            Some(open) => self.body.truncate(open.len()),
            None => self.body.push_str("<dl>"),
        }
        self.element("dt", None, name);
        self.element("dd", None, value);
        self.body.push_str("</dl>");
        self
    }

    /// Something to click. Only web addresses and paths of ours can be linked to.
    #[must_use]
    pub fn link(self, words: &str, href: &str) -> Self {
        self.button("button", words, href)
    }

    /// The same, where something else is to be done first.
    #[must_use]
    pub fn second(self, words: &str, href: &str) -> Self {
        self.button("button second", words, href)
    }

    fn button(mut self, class: &str, words: &str, href: &str) -> Self {
        if is_linkable(href) {
            let (href, words) = (escape(href), escape(words));
            let _ = write!(self.body, "<p><a class=\"{class}\" href=\"{href}\">{words}</a></p>");
        }
        self
    }

    /// An address to copy and hand on, which can also be followed.
    #[must_use]
    pub fn address(mut self, words: &str, href: &str) -> Self {
        if is_linkable(href) {
            let shown = escape(href);
            let _ =
                write!(self.body, "<p>{}</p><p class=\"address\"><a href=\"{shown}\">{shown}</a></p>", escape(words));
        }
        self
    }

    /// Words above what follows.
    #[must_use]
    pub fn heading(mut self, words: &str) -> Self {
        self.element("h2", None, words);
        self
    }

    /// A line of a list of pages: what it says, where it leads, and its code.
    #[must_use]
    pub fn entry(mut self, words: &str, href: &str, code: &str) -> Self {
        if is_linkable(href) {
            let (href, words, code) = (escape(href), escape(words), escape(code));
            let _ = write!(self.body, "<p class=\"entry\"><a href=\"{href}\">{words}</a> <code>{code}</code></p>");
        }
        self
    }

    /// One of our own texts.
    #[must_use]
    pub fn prose(mut self, prose: &Prose) -> Self {
        self.body.push_str(&prose.html);
        self
    }

    /// A form of hidden fields and one button, sent by POST to a path of ours.
    #[must_use]
    pub fn form(mut self, action: &str, hidden: &[(&str, &str)], button: &str) -> Self {
        self.begin_form(action, hidden);
        self.end_form(button);
        self
    }

    /// The same with an e-mail address to fill in. It is checked when it arrives, so that what is wrong with it is said by us.
    #[must_use]
    pub fn asking(mut self, action: &str, hidden: &[(&str, &str)], field: &Field<'_>, button: &str) -> Self {
        self.begin_form(action, hidden);
        let Field { name, label, value } = field;
        let _ = write!(
            self.body,
            "<label>{}<input type=\"text\" inputmode=\"email\" autocomplete=\"email\" spellcheck=\"false\" required \
             maxlength=\"320\" name=\"{}\" value=\"{}\"></label>",
            escape(label),
            escape(name),
            escape(value)
        );
        self.end_form(button);
        self
    }

    fn begin_form(&mut self, action: &str, hidden: &[(&str, &str)]) {
        let _ = write!(self.body, "<form method=\"post\" action=\"{}\">", escape(action));
        for (name, value) in hidden {
            let _ = write!(self.body, "<input type=\"hidden\" name=\"{}\" value=\"{}\">", escape(name), escape(value));
        }
    }

    fn end_form(&mut self, button: &str) {
        let _ = write!(self.body, "<button type=\"submit\">{}</button></form>", escape(button));
    }

    fn element(&mut self, tag: &str, class: Option<&str>, text: &str) {
        let class = class.map(|c| format!(" class=\"{c}\"")).unwrap_or_default();
        let _ = write!(self.body, "<{tag}{class}>{}</{tag}>", escape(text));
    }

    pub fn render(&self) -> String {
        let refresh = self
            .refresh
            .as_ref()
            .map(|(seconds, path)| format!("<meta http-equiv=\"refresh\" content=\"{seconds};url={}\">", escape(path)))
            .unwrap_or_default();
        let title = escape(&self.title);
        format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <meta name=\"robots\" content=\"noindex\">{refresh}<title>{title} · Postroom</title>\
             <style>{STYLE}</style></head><body><main class=\"{tone}\"><p class=\"brand\">Postroom</p>\
             <h1>{title}</h1>{body}</main></body></html>",
            tone = self.tone.class(),
            body = self.body,
        )
    }

    pub fn into_response(self) -> Response {
        let mut response =
            Response::builder().status(self.status).content_type("text/html; charset=utf-8").body(self.render());
        let headers = response.headers_mut();
        if let Ok(policy) = HeaderValue::from_str(&POLICY) {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        // A page is meant to be read whatever its status is.
        response.set_data(Deliberate);
        response
    }
}

impl poem::IntoResponse for Page {
    fn into_response(self) -> Response {
        Page::into_response(self)
    }
}

fn is_linkable(href: &str) -> bool {
    let is_path = href.starts_with('/') && !href.starts_with("//") && !href.starts_with("/\\");
    is_path || href.starts_with("https://") || href.starts_with("http://")
}

pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_put_into_a_page_becomes_markup() {
        let evil = "\"><script>alert('x')</script>&";
        let page = Page::new(evil, Tone::Bad)
            .text(evil)
            .fact(evil, evil)
            .link(evil, &format!("https://x.org/{evil}"))
            .second(evil, &format!("https://x.org/{evil}"))
            .address(evil, &format!("https://x.org/{evil}"))
            .form("/a", &[(evil, evil)], evil)
            .asking("/a", &[(evil, evil)], &Field { name: evil, label: evil, value: evil }, evil);
        let html = page.render();
        assert!(!html.contains("<script"), "{html}");
        assert_eq!(html.matches("<input").count(), 3);
        assert!(!html.contains("\"\">"), "{html}");
    }

    #[test]
    fn a_script_address_is_no_link() {
        for href in ["javascript:alert(1)", "//evil.example", "data:text/html,x", "/\\evil.example"] {
            let page = Page::new("t", Tone::Good).link("go", href).second("go", href);
            assert!(!page.render().contains("<a "), "{href}");
        }
    }

    #[test]
    fn consecutive_facts_share_one_list() {
        let html = Page::new("t", Tone::Good).fact("a", "1").fact("b", "2").text("x").fact("c", "3").render();
        assert_eq!(html.matches("<dl>").count(), 2);
        assert_eq!(html.matches("</dl>").count(), 2);
    }
}
