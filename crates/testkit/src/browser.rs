//! A browser as far as sign-in needs one: cookies per host, redirects one at a time, and forms.
//!
//! Never runs a script; what works here works without one.

use crate::given_out;
use anyhow::{Context, Result, bail};
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use std::collections::BTreeMap;
use url::Url;

/// A page as it came.
#[derive(Clone, Debug)]
pub struct Page {
    pub url: Url,
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

/// A form of a page: where it goes, how, and what its inputs hold.
#[derive(Clone, Debug, Default)]
pub struct Form {
    pub method: String,
    pub action: String,
    /// Name, type and value of every input and button.
    pub fields: Vec<(String, String, String)>,
}

#[derive(Clone)]
pub struct Browser {
    http: reqwest::Client,
    cookies: BTreeMap<(String, String), String>,
}

/// More redirects than this are a loop.
const MOST_REDIRECTS: usize = 20;

impl Default for Browser {
    fn default() -> Self {
        Self::new()
    }
}

impl Browser {
    pub fn new() -> Self {
        Self { http: crate::client::plain_client(), cookies: BTreeMap::new() }
    }

    /// One request, no redirect followed.
    pub async fn request(&mut self, method: &str, url: &Url, form: Option<&[(String, String)]>) -> Result<Page> {
        given_out::note_address(url.as_str(), url.as_str());
        for (name, value) in form.into_iter().flatten() {
            given_out::note_field(url.as_str(), name, value);
        }
        let host = url.host_str().unwrap_or_default().to_owned();
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .filter(|((h, _), _)| *h == host)
            .map(|((_, name), value)| format!("{name}={value}"))
            .collect();
        let mut request = self.http.request(method.parse()?, url.clone());
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies.join("; "));
        }
        if let Some(form) = form {
            request = request.header("origin", url.origin().ascii_serialization()).form(form);
        }
        let answer = request.send().await.with_context(|| format!("{method} {}", url.path()))?;
        given_out::note_headers(url.as_str(), answer.headers());
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let text = cookie.to_str()?;
            let (name, value) = text.split(';').next().and_then(|pair| pair.split_once('=')).context("a cookie")?;
            let gone = text.to_ascii_lowercase().contains("max-age=0");
            let key = (host.clone(), name.trim().to_owned());
            if gone {
                self.cookies.remove(&key)
            } else {
                self.cookies.insert(key, value.trim().to_owned())
            };
        }
        let status = answer.status().as_u16();
        let headers = answer
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
            .collect();
        Ok(Page { url: url.clone(), status, headers, body: answer.text().await? })
    }

    /// Opens an address and follows redirects, as a person's browser does.
    pub async fn open(&mut self, url: &str) -> Result<Page> {
        let page = self.request("GET", &Url::parse(url)?, None).await?;
        self.follow(page).await
    }

    /// Follows redirects until `stop` says that the next address is not to be opened; that address is returned.
    pub async fn open_until(&mut self, url: &str, stop: impl Fn(&Url) -> bool) -> Result<Url> {
        let mut url = Url::parse(url)?;
        for _ in 0..MOST_REDIRECTS {
            if stop(&url) {
                return Ok(url);
            }
            let page = self.request("GET", &url, None).await?;
            url = page
                .redirect()?
                .with_context(|| format!("no redirect from {}: {}\n{}", page.url.path(), page.status, page.body))?;
        }
        bail!("too many redirects")
    }

    pub async fn follow(&mut self, mut page: Page) -> Result<Page> {
        for _ in 0..MOST_REDIRECTS {
            match page.redirect()? {
                Some(next) => page = self.request("GET", &next, None).await?,
                None => return Ok(page),
            }
        }
        bail!("too many redirects")
    }

    /// Sends a form with its own values, `values` replacing or adding some, and follows where it leads.
    pub async fn submit(&mut self, page: &Page, form: &Form, values: &[(&str, &str)]) -> Result<Page> {
        let page = self.submit_once(page, form, values).await?;
        self.follow(page).await
    }

    /// The same, without following the answer.
    pub async fn submit_once(&mut self, page: &Page, form: &Form, values: &[(&str, &str)]) -> Result<Page> {
        let mut pairs: Vec<(String, String)> = form
            .fields
            .iter()
            .filter(|(name, kind, _)| !name.is_empty() && kind != "submit" && !values.iter().any(|(n, _)| n == name))
            .map(|(name, _, value)| (name.clone(), value.clone()))
            .collect();
        pairs.extend(values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let mut url = page.url.join(&form.action)?;
        if form.method.eq_ignore_ascii_case("post") {
            return self.request("POST", &url, Some(&pairs)).await;
        }
        url.query_pairs_mut().clear().extend_pairs(&pairs);
        self.request("GET", &url, None).await
    }

    pub fn set_cookie(&mut self, host: &str, name: &str, value: &str) {
        self.cookies.insert((host.to_owned(), name.to_owned()), value.to_owned());
    }

    pub fn cookie_names(&self) -> Vec<String> {
        self.cookies.keys().map(|(_, name)| name.clone()).collect()
    }
}

impl Page {
    pub fn redirect(&self) -> Result<Option<Url>> {
        if !(300..400).contains(&self.status) {
            return Ok(None);
        }
        let to = self.headers.get(LOCATION.as_str()).context("a redirect says where to")?;
        Ok(Some(self.url.join(to)?))
    }

    /// Where a page goes on to by itself.
    pub fn refreshes_to(&self) -> Option<String> {
        let content = self.body.split("http-equiv=\"refresh\" content=\"").nth(1)?.split('"').next()?;
        content.split_once(";url=").map(|(_, to)| unescape(to))
    }

    /// The addresses that can be clicked.
    pub fn links(&self) -> Vec<String> {
        self.body.split("<a ").skip(1).filter_map(|tag| attribute(tag.split('>').next()?, "href")).collect()
    }

    /// The words of the page, without markup.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut inside = false;
        for c in self.body.chars() {
            match c {
                '<' => inside = true,
                '>' => {
                    inside = false;
                    text.push(' ');
                }
                c if !inside => text.push(c),
                _ => {}
            }
        }
        unescape(&text).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    pub fn forms(&self) -> Vec<Form> {
        let mut forms = Vec::new();
        for piece in self.body.split("<form").skip(1) {
            let piece = piece.split("</form").next().unwrap_or_default();
            let head = piece.split('>').next().unwrap_or_default();
            let mut form = Form {
                method: attribute(head, "method").unwrap_or_else(|| "get".to_owned()),
                action: attribute(head, "action").unwrap_or_default(),
                fields: Vec::new(),
            };
            for tag in ["<input", "<button"] {
                for input in piece.split(tag).skip(1) {
                    let input = input.split('>').next().unwrap_or_default();
                    form.fields.push((
                        attribute(input, "name").unwrap_or_default(),
                        attribute(input, "type")
                            .unwrap_or_else(|| if tag == "<button" { "submit".into() } else { "text".into() }),
                        attribute(input, "value").unwrap_or_default(),
                    ));
                }
            }
            forms.push(form);
        }
        forms
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let at = tag.find(&format!("{name}=\""))?;
    let rest = &tag[at + name.len() + 2..];
    Some(unescape(&rest[..rest.find('"')?]))
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&#x27;", "'")
        .replace("&amp;", "&")
}
