//! A browser just big enough to sign in: follows redirects, fills in the sign-in page's forms, and stops where the
//! browser would leave for the app.
//!
//! It uses the public pages and nothing else, so that whoever signs in with it has tested them.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What the person does on the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Chooses the account and accepts what is asked.
    Accept,
    /// As `Accept`, and as an administrator for the whole organisation.
    AcceptForOrganization,
    /// Chooses the account and declines the permissions.
    Decline,
    /// Cancels on the first page.
    Cancel,
    /// On "Need admin approval": returns to the app without consent.
    ReturnWithoutConsent,
}

/// Where it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignedIn {
    /// Microsoft sends the browser here.
    Redirect(String),
    /// A page without a redirect, such as "Need admin approval" or an error page.
    Page { title: String, text: String },
}

/// Why a sign-in did not come to a redirect.
#[derive(Debug)]
pub enum SignInError {
    Io(std::io::Error),
    /// The pages were not what a browser can use.
    Confused(String),
    /// A page without a redirect was the end.
    Stopped {
        title: String,
        text: String,
    },
}

impl std::fmt::Display for SignInError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the sign-in service could not be reached: {error}"),
            Self::Confused(what) => write!(f, "the sign-in page could not be used: {what}"),
            Self::Stopped { title, text } => write!(f, "the sign-in stopped at the page \"{title}\": {text}"),
        }
    }
}

impl std::error::Error for SignInError {}

/// No sign-in has more steps; a page that comes back for ever is not a sign-in.
const MOST_STEPS: usize = 8;

pub(crate) async fn answer_sign_in(url: &str, user: &str, answer: Answer) -> Result<SignedIn, SignInError> {
    let home = origin_of(url)?;
    let mut page = fetch(url, None).await?;
    for _ in 0..MOST_STEPS {
        if let Some(to) = page.location {
            if origin_of(&to).is_ok_and(|origin| origin == home) {
                page = fetch(&to, None).await?;
                continue;
            }
            return Ok(SignedIn::Redirect(to));
        }
        let forms = forms_of(&page.body);
        if let Some(form) = forms.iter().find(|form| form.self_posting) {
            // response_mode=form_post: what the page would send to the app.
            let pairs = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&form.fields).finish();
            return Ok(SignedIn::Redirect(format!("{}#{pairs}", form.action)));
        }
        let Some((form, extra)) = choose(&forms, user, answer) else {
            return Ok(SignedIn::Page { title: title_of(&page.body), text: text_of(&page.body) });
        };
        let mut sent = url::form_urlencoded::Serializer::new(String::new());
        sent.extend_pairs(form.fields.iter().filter(|(name, _)| name != extra.0));
        sent.append_pair(extra.0, &extra.1);
        page = fetch(&format!("{home}{}", form.action), Some(sent.finish())).await?;
    }
    Err(SignInError::Confused("the pages go round in a circle".into()))
}

/// The form to send and the button to press, for what the person wants.
fn choose<'a>(forms: &'a [Form], user: &str, answer: Answer) -> Option<(&'a Form, (&'static str, String))> {
    let typed = forms.iter().find(|form| form.fields.iter().any(|(name, _)| name == "login"));
    if let Some(form) = typed {
        return Some(match answer {
            Answer::Cancel => (form, ("decision", "cancel".into())),
            Answer::Accept | Answer::AcceptForOrganization | Answer::Decline | Answer::ReturnWithoutConsent => {
                (form, ("login", user.to_owned()))
            }
        });
    }
    let has = |form: &Form, decision: &str| form.buttons.iter().any(|(_, value)| value == decision);
    let wanted = match answer {
        Answer::Accept => vec!["accept"],
        Answer::AcceptForOrganization => vec!["accept_organization", "accept"],
        Answer::Decline | Answer::Cancel => vec!["decline"],
        Answer::ReturnWithoutConsent => vec!["return"],
    };
    wanted.into_iter().find_map(|decision| {
        let form = forms.iter().find(|form| has(form, decision))?;
        Some((form, ("decision", decision.to_owned())))
    })
}

#[derive(Debug, Default)]
struct Form {
    action: String,
    /// Named inputs with their values.
    fields: Vec<(String, String)>,
    /// Named buttons with their values.
    buttons: Vec<(String, String)>,
    self_posting: bool,
}

/// The forms of a page whose HTML is the sandbox's own, hence regular.
fn forms_of(html: &str) -> Vec<Form> {
    let mut forms = Vec::new();
    for part in html.split("<form").skip(1) {
        let whole = part.split("</form>").next().unwrap_or(part);
        let head = whole.split('>').next().unwrap_or_default();
        let mut form = Form {
            action: attribute(head, "action").unwrap_or_default(),
            self_posting: attribute(head, "name").as_deref() == Some("hiddenform"),
            ..Form::default()
        };
        for (tag, into_buttons) in [("<input", false), ("<button", true)] {
            for element in whole.split(tag).skip(1) {
                let head = element.split('>').next().unwrap_or_default();
                if let Some(name) = attribute(head, "name") {
                    let pair = (name, attribute(head, "value").unwrap_or_default());
                    if into_buttons { form.buttons.push(pair) } else { form.fields.push(pair) }
                }
            }
        }
        // A form of buttons only asks for a choice from a list; typing the address reaches the same.
        if form.buttons.iter().any(|(name, _)| name == "login") {
            continue;
        }
        forms.push(form);
    }
    forms
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let start = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    let value = tag[start..].split('"').next()?;
    Some(unescape(value))
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'").replace("&amp;", "&")
}

fn title_of(html: &str) -> String {
    let inner = html.split("<h1>").nth(1).or_else(|| html.split("<title>").nth(1)).unwrap_or_default();
    unescape(inner.split('<').next().unwrap_or_default())
}

fn text_of(html: &str) -> String {
    let body = html.split("<main>").nth(1).unwrap_or(html);
    let mut text = String::new();
    let mut inside = false;
    for c in body.chars() {
        match c {
            '<' => {
                inside = true;
                text.push(' ');
            }
            '>' => inside = false,
            c if !inside => text.push(c),
            _ => {}
        }
    }
    unescape(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

struct Page {
    location: Option<String>,
    body: String,
}

fn origin_of(url: &str) -> Result<String, SignInError> {
    let url = url::Url::parse(url).map_err(|error| SignInError::Confused(format!("{url} is no address: {error}")))?;
    Ok(url.origin().ascii_serialization())
}

/// One request over a connection of its own: GET, or POST of a form.
async fn fetch(url: &str, form: Option<String>) -> Result<Page, SignInError> {
    let parsed = url::Url::parse(url).map_err(|error| SignInError::Confused(error.to_string()))?;
    let host = parsed.host_str().unwrap_or_default();
    let port = parsed.port_or_known_default().unwrap_or(80);
    let target = match parsed.query() {
        Some(query) => format!("{}?{query}", parsed.path()),
        None => parsed.path().to_owned(),
    };
    let (method, body) = if form.is_some() { ("POST", form.unwrap_or_default()) } else { ("GET", String::new()) };
    // HTTP/1.0, so that the answer comes in one piece and ends with the connection.
    let request = format!(
        "{method} {target} HTTP/1.0\r\nHost: {host}:{port}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = connect(host, port).await.map_err(SignInError::Io)?;
    stream.write_all(request.as_bytes()).await.map_err(SignInError::Io)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.map_err(SignInError::Io)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or_else(|| SignInError::Confused(format!("no HTTP answer from {host}:{port}")))?;
    let location = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("location").then(|| value.trim().to_owned())
    });
    let location = location.map(|to| parsed.join(&to).map_or(to, String::from));
    Ok(Page { location, body: body.to_owned() })
}

#[expect(clippy::disallowed_methods, reason = "the sandbox's browser is not the product and has its own way out")]
async fn connect(host: &str, port: u16) -> std::io::Result<TcpStream> {
    TcpStream::connect((host, port)).await
}
