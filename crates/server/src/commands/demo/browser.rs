//! Just enough of a person's browser to come back from Microsoft: a cookie jar, redirects, and one button.
//!
//! What happens on Microsoft's own pages is the sandbox's browser; this one keeps our cookies.

use anyhow::{Context, Result, bail};
use reqwest::header::{COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::{Client, Response, redirect};
use std::collections::BTreeMap;
use std::time::Duration;
use url::Url;

const MOST_REDIRECTS: usize = 5;

pub struct Browser {
    http: Client,
    /// The address whose cookies are kept; other sites are not visited.
    site: Url,
    cookies: BTreeMap<String, String>,
}

/// Where following redirects ended.
pub enum Visited {
    /// A page of ours.
    Page(Page),
    /// We send the browser to another site.
    Elsewhere(String),
}

pub struct Page {
    pub url: Url,
    pub status: u16,
    pub html: String,
}

impl Page {
    /// The page's heading, in one line.
    pub fn title(&self) -> &str {
        between(&self.html, "<title>", "</title>").unwrap_or("a page without a title").trim()
    }
}

impl Browser {
    pub fn new(site: &str) -> Result<Self> {
        let http = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .timeout(Duration::from_secs(60))
            .build()
            .context("making a browser")?;
        Ok(Self { http, site: Url::parse(site)?, cookies: BTreeMap::new() })
    }

    /// Opens an address of ours and follows redirects while they stay with us.
    pub async fn open(&mut self, address: &str) -> Result<Visited> {
        let mut url = Url::parse(address).with_context(|| format!("{address:?} is no address"))?;
        for _ in 0..MOST_REDIRECTS {
            if url.origin() != self.site.origin() {
                return Ok(Visited::Elsewhere(url.to_string()));
            }
            let answer = self.http.get(url.clone()).header(COOKIE, self.cookie_header()).send().await?;
            match self.take(&url, answer).await? {
                Ok(page) => return Ok(Visited::Page(page)),
                Err(location) => url = location,
            }
        }
        bail!("{address} redirects without end")
    }

    /// Presses the one button of a page, if it has one.
    pub async fn press_button(&mut self, page: Page) -> Result<Page> {
        let Some(form) = between(&page.html, "<form", "</form>") else { return Ok(page) };
        let action = attribute(form, "action").context("the form says not where to")?;
        let url = page.url.join(&action)?;
        let fields: Vec<(String, String)> = form
            .split("<input")
            .skip(1)
            .filter_map(|input| {
                let input = input.split('>').next()?;
                Some((attribute(input, "name")?, attribute(input, "value").unwrap_or_default()))
            })
            .collect();
        let answer = self
            .http
            .post(url.clone())
            .header(COOKIE, self.cookie_header())
            .header(ORIGIN, self.site.origin().ascii_serialization())
            .header("sec-fetch-site", "same-origin")
            .form(&fields)
            .send()
            .await?;
        match self.take(&url, answer).await? {
            Ok(page) => Ok(page),
            Err(location) => match Box::pin(self.open(location.as_str())).await? {
                Visited::Page(page) => Ok(page),
                Visited::Elsewhere(place) => bail!("the button leads to {place}"),
            },
        }
    }

    /// Presses the button of a page that leads to another site, through a page that goes on by itself.
    pub async fn go_on(&mut self, page: Page) -> Result<String> {
        let going = self.press_button(page).await?;
        let path = between(&going.html, "content=\"0;url=", "\"")
            .with_context(|| format!("{} goes on nowhere", going.title()))?;
        match self.open(going.url.join(path)?.as_str()).await? {
            Visited::Elsewhere(place) => Ok(place),
            Visited::Page(page) => bail!("our link leads to {}", page.title()),
        }
    }

    fn cookie_header(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    /// Keeps the answer's cookies; a page, or where it redirects to.
    async fn take(&mut self, url: &Url, answer: Response) -> Result<Result<Page, Url>> {
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let cookie = cookie.to_str().context("a cookie that is no text")?;
            let (name, value) =
                cookie.split(';').next().and_then(|pair| pair.split_once('=')).context("half a cookie")?;
            self.cookies.insert(name.trim().to_owned(), value.trim().to_owned());
        }
        let status = answer.status();
        if status.is_redirection() {
            let location = answer.headers().get(LOCATION).context("a redirect to nowhere")?;
            return Ok(Err(url.join(location.to_str()?)?));
        }
        let html = answer.text().await?;
        Ok(Ok(Page { url: url.clone(), status: status.as_u16(), html }))
    }
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    let rest = text.split_once(from)?.1;
    Some(rest.split_once(to)?.0)
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let value = between(tag, &format!(" {name}=\""), "\"")?;
    Some(
        value
            .replace("&quot;", "\"")
            .replace("&#x27;", "'")
            .replace("&#39;", "'")
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forms_fields_are_read_as_a_browser_reads_them() {
        let input = r#" type="hidden" name="token" value="a&amp;b&quot;c" /"#;
        assert_eq!(
            (attribute(input, "name").as_deref(), attribute(input, "value").as_deref()),
            (Some("token"), Some("a&b\"c"))
        );
        assert_eq!(attribute(input, "id"), None);
        assert_eq!(between("<title> Hello </title>", "<title>", "</title>"), Some(" Hello "));
    }
}
